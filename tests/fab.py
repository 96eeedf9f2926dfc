"""The `fab` command as a user runs it: a process of its own, with a home of its own for labs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import tested

CHECKOUT = Path(__file__).parents[1]
LIMIT = 480  # Kafka itself may take 5 minutes to end the last combined node


@dataclass(frozen=True)
class Done:
    """What a command printed and returned."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Fab:
    """Runs `fab` with labs below ``home`` and, once it is named, one cluster."""

    def __init__(self, home: Path, cluster: str | None = None) -> None:
        self.home = home
        self.cluster = cluster
        self.diagnose = "no"

    @property
    def environment(self) -> dict[str, str]:
        """The user's environment, moved to another home for labs."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KAFAB_")}
        chosen = {"KAFAB_CLUSTER": self.cluster} if self.cluster else {}
        # Many tests are about commands that fail: what is gathered after one takes seconds, and has tests of its own.
        return kept | {"KAFAB_HOME": str(self.home), "KAFAB_DIAGNOSE": self.diagnose} | chosen

    @property
    def command(self) -> list[str]:
        """The words that start it."""
        return [sys.executable, "-m", "fabric"]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start it, in a process group of its own."""
        return subprocess.Popen(
            [*self.command, *words],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *words: str) -> Done:
        """Run it to its end."""
        recorded = tested.VARIABLE in os.environ
        shape = tested.standing(self.home) if recorded else None
        with self.start(*words) as process:
            try:
                out, err = process.communicate(timeout=LIMIT)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            if recorded and process.returncode == 0:
                tested.record(words, shape)
            return Done(process.returncode, out, err)

    def down(self) -> None:
        """Take a lab of local hosts away at once: asked to end, its nodes take 6 to 20 s, and nobody looks at how."""
        for record in self.home.glob("labs/*/hosts/*/root/run/*/process"):
            with suppress(OSError, ValueError):  # it has ended; half a record
                pid, start = record.read_text().split()[:2]
                if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19] == start:
                    os.kill(int(pid), signal.SIGKILL)
        self("lab.down")

    def must(self, *words: str) -> Done:
        """Run it; anything but exit code 0 fails the test with what was printed last."""
        return succeeded(self(*words), words)


def succeeded(done: Done, words: Sequence[str]) -> Done:
    """Fail the test unless this command ended with 0; told are the last lines, as a plan before them fills screens."""
    if done.code != 0:
        out, err = ("\n".join(text.splitlines()[-40:]) for text in (done.out, done.err))
        pytest.fail(f"fab {' '.join(words)} ended with {done.code}\n{out}\n--- stderr\n{err}", pytrace=False)
    return done
