"""Canaries as processes of their own: started, heard and ended."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from kafab.adapters.kafka.canary import FINISH, perch_document
from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.handover import Handover
from kafab.canary.figures import Figures, from_document
from kafab.login import IN_THE_CLEAR, Login
from kafab.ports import Flight, Heard, Perch

_ROOT = Path(__file__).resolve().parents[3]
_MODULE = "kafab.adapters.kafka.canary"
_THROUGH_SSH = "kafab.adapters.kafka.canary_python"
_LAST_LINES = 3
_END_LIMIT = 5.0
_LOOK_EVERY = 0.05


class CanaryProcesses:
    """`kafab.ports.Canaries` on this machine. Where brokers are reached through SSH, ``dialer`` makes their connections."""

    def __init__(self, login: Login = IN_THE_CLEAR, dialer: Dialer | None = None) -> None:
        self._login, self._dialer = login, dialer

    def fly(self, perch: Perch) -> Flight:
        """Start a process: in a session of its own, so that Ctrl-C comes to its owner alone."""
        return CanaryProcess(replace(perch, login=self._login), self._dialer)


class CanaryProcess:
    """`kafab.ports.Flight` of one process. A thread takes what it tells."""

    def __init__(self, perch: Perch, dialer: Dialer | None = None) -> None:
        self._handover = Handover(dialer) if dialer is not None and dialer.through_ssh else None
        more = self._handover.environment if self._handover else {}
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter, arguments our own
            [sys.executable, "-m", _THROUGH_SSH if self._handover else _MODULE],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *_python_path()]), **more},
            pass_fds=[self._handover.descriptor] if self._handover else [],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self._handover:
            self._handover.begun()
        self._lock = threading.Lock()
        self._figures: Figures | None = None
        self._at = time.monotonic()
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._say(json.dumps(perch_document(perch)).encode())

    def heard(self) -> Heard:
        """Return the last figures."""
        ended = self._process.poll() if not self._thread.is_alive() else None
        with self._lock:
            ago = timedelta(seconds=time.monotonic() - self._at)
            return Heard(self._figures, ago, None if ended is None else self._end(ended))

    def finish(self, *, silence: timedelta) -> Heard:
        """Say the word, and hear it out."""
        self._say(FINISH)
        while (heard := self.heard()).ended is None and heard.ago < silence:
            self._thread.join(_LOOK_EVERY)
        return heard

    def close(self) -> None:
        """End it by its id, and take the thread back."""
        # Whether it is asked or told to end makes no difference to its topic, which is its owner's to remove.
        self._process.kill()
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        self._process.wait(_END_LIMIT)
        self._thread.join(_END_LIMIT)
        if self._process.stdout:
            self._process.stdout.close()
        if self._handover:
            self._handover.close()

    def _say(self, line: bytes) -> None:
        # A process that has ended is heard of by `heard`.
        with suppress(OSError, ValueError):
            if self._process.stdin:
                self._process.stdin.write(line + b"\n")
                self._process.stdin.flush()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            try:
                found = from_document(json.loads(line))
            except (ValueError, KeyError, TypeError):
                self._said.append(line.decode(errors="replace").strip())
                continue
            with self._lock:
                if found.course is None and self._figures:
                    found = replace(found, course=self._figures.course)
                self._figures, self._at = found, time.monotonic()
        self._process.wait()

    def _end(self, code: int) -> str:
        said = f": {' / '.join(self._said)}" if self._said else ""
        return f"its process ended with {code}{said}"


def _python_path() -> list[str]:
    found = os.environ.get("PYTHONPATH")
    return [found] if found else []
