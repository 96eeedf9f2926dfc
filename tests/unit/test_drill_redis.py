"""The Redis of a drill: started and ended with its worker, restarted, marks and effects in it, and refused where it is missing."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kafab.adapters.kafka.drills import redis_server
from kafab.adapters.kafka.drills.workers import WorkerProcesses
from kafab.drills.orders import Marks, Order, Role
from tests.conftest import cannot_run
from tests.drill_redis import LIMIT, ORDER, await_, served


@pytest.fixture(autouse=True)
def redis_is_here() -> None:
    """Redis is installed."""
    if lacks := redis_server.lacking():
        cannot_run(f"{lacks[0]}; `{lacks[1]}` installs it")


def runs(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip()[:1] not in {"", "Z"}


@contextmanager
def kept(*, appends: bool = False) -> Iterator[list[tuple[str, int]]]:
    """Keep a server in a thread of this process, and yield the socket and the pid of each of its starts."""
    ended = threading.Event()
    found: list[tuple[str, int]] = []

    def keep() -> None:
        redis_server.keep(ended.is_set, lambda *start: found.append(start), appends=appends)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        assert await_(lambda: found), "Redis did not start"
        yield found
    finally:
        ended.set()
        thread.join(LIMIT)


def test_server_goes_with_its_worker() -> None:
    """When the worker is closed neither the server nor its folder, which was for this user alone, is there."""
    with served() as (_worker, socket, pid):
        assert (runs(pid), Path(socket).parent.stat().st_mode & 0o777) == (True, 0o700)
    assert (runs(pid), Path(socket).parent.exists()) == (False, False)


def test_server_goes_when_the_worker_is_killed() -> None:
    """Linux kills the server of a worker that was killed itself."""
    if sys.platform != "linux":
        cannot_run("only Linux kills a child with its parent")
    with served() as (worker, socket, pid):
        worker.kill()
        assert await_(lambda: not runs(pid))
    shutil.rmtree(Path(socket).parent)  # which a killed worker leaves


OWNER = """
import time
from kafab.adapters.kafka.drills.workers import WorkerProcesses
from tests.drill_redis import ORDER, starts
worker = WorkerProcesses().start(ORDER)
while not starts(worker):
    time.sleep(0.01)
print(*starts(worker)[0], flush=True)
time.sleep(600)
"""


def test_server_goes_when_its_owner_is_killed() -> None:
    """After a kill -9 of kafab neither the server nor its folder is there."""
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    )
    with owner:
        assert owner.stdout
        socket, pid = owner.stdout.readline().decode().split()
        owner.kill()
    assert await_(lambda: not runs(int(pid)) and not Path(socket).parent.exists())


@pytest.mark.parametrize(("appends", "left"), [(False, None), (True, b"1")])
def test_killed_server_is_back(appends: bool, left: bytes | None) -> None:
    """A server that was killed is started again on the same socket; with an append-only file it still has what it had."""
    from redis import Redis

    with kept(appends=appends) as starts:
        socket, pid = starts[0]
        with Redis(unix_socket_path=socket) as redis:
            redis.set("done:1", 1)
        os.kill(pid, signal.SIGKILL)
        assert await_(lambda: len(starts) > 1)
        assert starts[1][0] == socket
        with Redis(unix_socket_path=socket) as redis:
            assert redis.get("done:1") == left
    assert not Path(socket).parent.exists()


class Died(Exception):
    """A member dies here."""


@pytest.mark.parametrize(
    ("marks", "between", "first", "second"),
    [
        (Marks.NONE, False, 1, 2),
        (Marks.BEFORE, True, 0, 0),
        (Marks.AFTER, True, 1, 2),
        (Marks.BEFORE, False, 1, 1),
        (Marks.AFTER, False, 1, 1),
        (Marks.ATOMIC, True, 1, 1),
    ],
)
def test_effects_of_a_record_that_comes_twice(
    marks: Marks, between: bool, first: int, second: int, redis_socket: str
) -> None:
    """A record whose effect is marked has it once; between the two steps a death loses it or repeats it."""
    from kafab.adapters.kafka.drills.marks import Effects, counted

    def dies() -> None:
        if between:
            raise Died

    order = Order(**{**vars(ORDER), "redis": redis_socket, "marks": marks})
    found = []
    for end in (dies, lambda: None):
        with suppress(Died):
            Effects(order).have(7, lambda: None, end)
        found.append(list(counted(order)).count(7))
    assert found == [first, second]


@pytest.fixture(scope="module")
def shared_socket() -> Iterator[str]:
    """The socket of a Redis server for all tests of the module."""
    if redis_server.lacking():
        yield ""
        return
    with kept() as starts:
        yield starts[0][0]


@pytest.fixture
def redis_socket(shared_socket: str) -> str:
    """The socket of a Redis server that is empty."""
    from redis import Redis

    with Redis(unix_socket_path=shared_socket) as redis:
        redis.flushall()
    return shared_socket


def test_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The server's own words are in the error."""
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho 'no memory here'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(RuntimeError, match="no memory here"):
        redis_server.keep(lambda: False, lambda *_start: None, appends=False)


@pytest.mark.parametrize(
    ("program", "package", "lacks"),
    [
        (None, "redis", ("redis-server is not installed", "apt install redis-server")),
        ("sh", "no_redis", ("the Python package redis is not installed", "pip install 'kafab[drills]'")),
        ("sh", "redis", None),
    ],
)
def test_missing_redis_is_named(
    program: str | None, package: str, lacks: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing is named with the command that installs it."""
    monkeypatch.setattr("shutil.which", lambda _name: program)
    monkeypatch.setattr(redis_server, "find_spec", lambda _name: package == "redis" or None)
    assert WorkerProcesses().lacking(Role.REDIS) == lacks


def test_other_workers_need_nothing() -> None:
    """What has no Redis lacks none."""
    assert WorkerProcesses().lacking(Role.WRITE) is None
