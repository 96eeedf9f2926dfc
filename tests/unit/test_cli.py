"""What stands behind ``--`` on the command lines of `fab` and `kafab`: both programs as a user starts them."""

import subprocess
import sys

import pytest

from tests.fab import CHECKOUT

FAB = ("-m", "fabric")
KAFAB = ("-c", "from kafab.cli import main; main()")
EXAMPLE = str(CHECKOUT / "inventory" / "examples" / "three.yaml")


def run(program: tuple[str, ...], *words: str) -> tuple[int, str, str]:
    """Run a command line and return its exit code, its output and the first line of its errors."""
    command = [sys.executable, *program, *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr.partition("\n")[0]


@pytest.mark.parametrize("program", [FAB, KAFAB], ids=["fab", "kafab"])
def test_tool_gets_the_words_behind_the_dashes(program: tuple[str, ...]) -> None:
    """They reach the task whole, here a name that is refused with a blank in it, and none of them is kafab's own --json."""
    found = run(program, "on", EXAMPLE, "tool", "node1/broker", "--", "a b/c", "--json")
    assert found == (2, "", "error: found a b/c; expected the name of a script in the release's bin/")


@pytest.mark.parametrize("program", [FAB, KAFAB], ids=["fab", "kafab"])
def test_dashes_behind_another_task_are_refused(program: tuple[str, ...]) -> None:
    """No task runs, and no traceback of Fabric's tells that -H is missing."""
    found = run(program, "on", EXAMPLE, "status", "--", "kafka-topics.sh")
    assert found == (2, "", "only `tool` takes words behind `--`: fab tool NODE -- kafka-topics.sh --list")
