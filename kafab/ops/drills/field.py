"""The field of one cell: a topic and groups of its own, workers, and the history of what they did. All of it is taken away again."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from kafab.cluster.metadata import TopicSpec
from kafab.drills.history import Event, Kind, Log, Stood, of
from kafab.drills.orders import Order, Role
from kafab.errors import Failed, KafabError
from kafab.events import Waiting
from kafab.model import Cluster
from kafab.ops.own_topic import OwnTopic
from kafab.ops.world import World
from kafab.ports import Worker
from kafab.records.settings import Client
from kafab.unknown import Unknown

T = TypeVar("T")
LIMIT = timedelta(seconds=60)
"""How long a cell may wait for one thing: a group that begins, a member that is missed, all records processed."""
LOOK_EVERY = 0.02
# Not a record may go before it is counted, whatever the brokers' defaults are.
_CONFIGS = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


class Stopped(Exception):
    """The drill is interrupted."""


class NotMeasured(Exception):
    """A cell cannot come to its end; the text says why."""


@dataclass
class Run:
    """What all cells of a run share. ``orderly`` withholds the faults, for the proof that a control can turn red."""

    cluster: Cluster
    world: World
    seed: int
    records: int
    prefix: str
    replicas: int
    orderly: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    set_up: list[str] = field(default_factory=list)
    """Share groups that were given properties of their own, which stay until they are taken away."""


class Field:
    """One cell's field, of one client. To be used in a ``with`` block, which ends its workers and removes its topic."""

    def __init__(
        self, run: Run, client: Client, name: str, partitions: int, spec: TopicSpec | None = None
    ) -> None:
        self.run = run
        self.client = client
        self.topic = f"{run.prefix}-{name}"
        self.partitions = partitions
        self.random = random.Random(f"{run.seed}/{name}")  # noqa: S311  # a drill is to be repeatable
        self.faults: list[str] = []
        self.moments: list[tuple[float, str]] = []
        """The faults with the moment of each, by the clock of the world."""
        self.tells = ""
        """Whose waits are told; cells that are measured side by side tell nothing of theirs."""
        self.left: str = ""
        """What could not be removed."""
        self._workers: list[Worker] = []
        self._begun = run.world.clock.now()
        made = spec or TopicSpec("", partitions, run.replicas)
        made = replace(made, name=self.topic, configs={**_CONFIGS, **made.configs})
        self._own = OwnTopic(run.cluster, made, run.world)

    def __enter__(self) -> "Field":  # noqa: PYI034  # nothing is derived from it
        """Make the topic. Raises Failed where it is refused."""
        created = self._own.create()
        if isinstance(created, Unknown):
            self._remove()
            raise Failed(f"topic {self.topic} was not seen to be created: {created.reason}")
        return self

    def __exit__(self, *_error: object) -> None:
        """End the workers, then remove the topic."""
        for worker in self._workers:
            worker.close()
        self._remove()

    def order(self, who: str, role: Role, **more: object) -> Order:
        """Return an order for this field."""
        common = Order(who, role, self.client, self.run.cluster.bootstrap, self.topic, self.partitions)
        return Order(**{**vars(common), "orderly": self.run.orderly, **more})

    def start(self, order: Order) -> Worker:
        """Start a worker."""
        worker = self.run.world.workers.start(order)
        self._workers.append(worker)
        return worker

    def do(self, order: Order) -> Worker:
        """Have a worker do its order to the end. Raises NotMeasured where it does not."""
        worker = self.start(order)
        self.until(lambda: worker.ended is not None, f"{order.who} to end")
        if worker.ended:
            raise NotMeasured(f"{order.who} ended with {worker.ended}: {worker.said}")
        return worker

    def write(self, count: int | None = None, first: int = 0) -> Worker:
        """Write records, the cell's number of them, and wait for all."""
        many = self.run.records if count is None else count
        return self.do(self.order("writer", Role.WRITE, first=first, count=many))

    def log(self) -> Log:
        """Read all partitions from their beginning to their end."""
        found: dict[int, list[Stood]] = {number: [] for number in range(self.partitions)}
        for event in of(self.do(self.order("log", Role.LOG)).events, Kind.READ):
            found[event.partition].append(Stood(event.offset, event.number))
        return {partition: tuple(stood) for partition, stood in found.items()}

    def events(self) -> list[Event]:
        """Return what all workers but those that read the log have told, in the order of time."""
        told = [event for worker in self._workers for event in list(worker.events) if event.who != "log"]
        return sorted(told, key=lambda event: event.at)

    def until(
        self,
        look: Callable[[], object],
        what: str,
        limit: timedelta = LIMIT,
        *,
        every: float = LOOK_EVERY,
    ) -> None:
        """Wait until it is so. Raises NotMeasured where it is not in time, Stopped where the drill is interrupted."""
        clock = self.run.world.clock
        begun = clock.now()
        while not look():
            if self.run.stopped.is_set():
                raise Stopped
            elapsed = clock.now() - begun
            if elapsed >= limit.total_seconds():
                raise NotMeasured(f"{what}: not within {limit.total_seconds():.0f} s{self._trouble()}")
            if self.tells:
                told = Waiting(
                    self.run.cluster.name, f"{self.tells}: {what}", timedelta(seconds=elapsed), limit
                )
                self.run.world.emit(told)
            clock.sleep(every)

    def tried(self, ask: Callable[[], T], what: str, limit: timedelta = LIMIT) -> T:
        """Ask until it is not refused. Raises NotMeasured with the last refusal."""
        found: list[T] = []
        refusal = ""

        def look() -> bool:
            nonlocal refusal
            try:
                found.append(ask())
            except KafabError as error:
                refusal = error.message
            return bool(found)

        try:
            self.until(look, what, limit)
        except NotMeasured as error:
            raise NotMeasured(f"{error}: {refusal}") from error
        return found[0]

    def ready(self, *workers: Worker) -> None:
        """Wait until these members know their partitions and where they go on."""
        self.until(
            lambda: all(any(of(worker.events, Kind.READY)) or worker.ended is not None for worker in workers),
            "the members to have their partitions",
        )

    def processed(self, workers: Sequence[Worker], log: Log) -> None:
        """Wait until one of these members has had an effect for the last record of each partition of the log.

        A partition is read in order, so what has no effect by then was skipped, and nobody waits for it.
        """
        ends = {(partition, found[-1].offset) for partition, found in log.items() if found}
        self.until(lambda: ends <= effects(workers), "the last records to be processed")

    def finish(self, *workers: Worker) -> None:
        """Let these end in good order."""
        for worker in workers:
            worker.finish()
        self.until(lambda: all(worker.ended is not None for worker in workers), "the members to leave")

    def fault(self, what: str) -> None:
        """Take note of what was done now."""
        now = self.run.world.clock.now()
        self.faults.append(f"{what} after {now - self._begun:.1f} s")
        self.moments.append((now, what))

    def _trouble(self) -> str:
        found = [event.detail for worker in self._workers for event in of(list(worker.events), Kind.TROUBLE)]
        found += [worker.said for worker in self._workers if worker.ended and worker.said]
        had = [
            f"{events[0].who} had {times(worker)} effects"
            for worker in self._workers
            if (events := worker.events)
        ]
        return f": {', '.join([*had, *found[-1:]])}"

    def _remove(self) -> None:
        removal = self._own.removed()
        if removal.hint:
            self.left = f"topic {removal.detail}\n`{removal.hint}` removes it"


def times(worker: Worker) -> int:
    """Return how many effects a member has had."""
    return sum(1 for _ in of(list(worker.events), Kind.EFFECT))


def effects(workers: Sequence[Worker]) -> set[tuple[int, int]]:
    """Return the places of which these members have had the effect."""
    return {
        (event.partition, event.offset)
        for worker in workers
        for event in of(list(worker.events), Kind.EFFECT)
    }
