"""A worker of a drill that keeps a Redis server, for tests."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafab.adapters.kafka.drills.workers import WorkerProcesses
from kafab.drills.history import Kind, of
from kafab.drills.orders import Order, Role
from kafab.ports import Worker
from kafab.records.settings import Client

ORDER = Order("redis", Role.REDIS, Client.CONFLUENT, "127.0.0.1:1", "kafab-drill-x")
LIMIT = 30.0


def await_(look: Callable[[], object]) -> bool:
    """Wait until it is so; say whether it came."""
    deadline = time.monotonic() + LIMIT
    while not look() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(look())


def starts(worker: Worker) -> list[tuple[str, int]]:
    """Return the socket and the pid of each start."""
    return [(event.detail, event.number) for event in of(list(worker.events), Kind.READY)]


@contextmanager
def served() -> Iterator[tuple[Worker, str, int]]:
    """Yield a worker with a Redis server, the server's socket and its pid."""
    worker = WorkerProcesses().start(ORDER)
    try:
        assert await_(lambda: starts(worker) or worker.ended is not None), "Redis did not start"
        yield (worker, *starts(worker)[0])
    finally:
        worker.close()
