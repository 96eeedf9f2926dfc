"""Workers of drills in memory: each tells at once what a test says of its order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kafab.drills.history import Event
from kafab.drills.orders import Order, Role
from kafab.ports import Worker, Workers


@dataclass
class FakeWorker:
    """`kafab.ports.Worker` that has told all that it will ever tell; ``ended`` None: it goes on until it is finished."""

    events: Sequence[Event] = ()
    ended: int | None = 0
    said: str = ""
    closed: bool = False

    def finish(self) -> None:
        """End."""
        self.ended = 0

    def kill(self) -> None:
        """End by a signal."""
        self.ended = -9

    def close(self) -> None:
        """Take note of it."""
        self.closed = True


@dataclass
class FakeWorkers:
    """`kafab.ports.Workers`."""

    does: Callable[[Order], FakeWorker] = lambda _order: FakeWorker()
    lacks: tuple[str, str] | None = None
    """What a Redis server lacks."""
    started: list[tuple[Order, FakeWorker]] = field(default_factory=list)

    def start(self, order: Order) -> Worker:
        """Start one."""
        worker = self.does(order)
        self.started.append((order, worker))
        return worker

    def lacking(self, role: Role) -> tuple[str, str] | None:
        """Return what a test says of Redis."""
        return self.lacks if role is Role.REDIS else None


def _typed_against_the_port() -> Workers:
    return FakeWorkers()
