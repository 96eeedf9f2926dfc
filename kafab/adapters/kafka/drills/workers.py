"""The workers of drills as processes: started, heard, killed and ended, each by its id."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.drills import redis_server
from kafab.adapters.kafka.drills.worker import FINISH
from kafab.adapters.kafka.handover import Handover
from kafab.drills import history, orders
from kafab.drills.history import Event
from kafab.drills.orders import Order, Role
from kafab.login import IN_THE_CLEAR, Login
from kafab.ports import Worker

_ROOT = Path(__file__).resolve().parents[4]
_MODULE = "kafab.adapters.kafka.drills.worker"
_LAST_LINES = 3
_END_LIMIT = 5.0


class WorkerProcesses:
    """`kafab.ports.Workers` on this machine. Where brokers are reached through SSH, ``dialer`` makes their connections."""

    def __init__(self, login: Login = IN_THE_CLEAR, dialer: Dialer | None = None) -> None:
        self._login, self._dialer = login, dialer

    def start(self, order: Order) -> Worker:
        """Start a process: in a session of its own, so that Ctrl-C comes to its owner alone."""
        return WorkerProcess(replace(order, login=self._login), self._dialer)

    def lacking(self, role: Role) -> tuple[str, str] | None:
        """Look for what is not installed."""
        return redis_server.lacking() if role is Role.REDIS else None


class WorkerProcess:
    """`kafab.ports.Worker` of one process. A thread takes what it tells."""

    def __init__(self, order: Order, dialer: Dialer | None = None) -> None:
        self._handover = Handover(dialer) if dialer is not None and dialer.through_ssh else None
        paths = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter, arguments our own
            [sys.executable, "-m", _MODULE],
            env={
                **os.environ,
                "PYTHONPATH": paths,
                **(self._handover.environment if self._handover else {}),
            },
            pass_fds=[self._handover.descriptor] if self._handover else [],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self._handover:
            self._handover.begun()
        # One with a server of its own has more to end than itself.
        self._takes_away = order.role is Role.REDIS
        self._events: list[Event] = []
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._say(orders.line(order).encode())

    @property
    def events(self) -> Sequence[Event]:
        """What it has told so far."""
        return self._events

    @property
    def ended(self) -> int | None:
        """Its exit code, once all is heard."""
        return None if self._thread.is_alive() else self._process.poll()

    @property
    def said(self) -> str:
        """Its last lines that are no events."""
        return " / ".join(self._said)

    def finish(self) -> None:
        """Say the word."""
        self._say(FINISH)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    def close(self) -> None:
        """End it, and take the thread back."""
        if not self._takes_away:
            self._process.kill()
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(_END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_END_LIMIT)
        self._thread.join(_END_LIMIT)
        if self._process.stdout:
            self._process.stdout.close()
        if self._handover:
            self._handover.close()

    def _say(self, line: bytes) -> None:
        with suppress(OSError, ValueError):  # one that has ended is heard of otherwise
            if self._process.stdin:
                self._process.stdin.write(line + b"\n")
                self._process.stdin.flush()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            text = line.decode(errors="replace").strip()
            try:
                self._events.append(history.read(text))
            except ValueError:
                self._said.append(text)
        self._process.wait()
