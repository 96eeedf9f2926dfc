"""Consumers in memory: the records of a test, read as an order says."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kafab.ports import Readers
from kafab.records.reading import Found, Progress, Reading, ReadOrder, Turn
from kafab.records.settings import Client, ConsumerSettings


@dataclass
class FakeReaders:
    """`kafab.ports.Readers` over these records. ``ended`` has what a test wants the reading to end with."""

    records: list[Found] = field(default_factory=list)
    turns: tuple[Turn, ...] = ()
    ended: Reading | None = None
    asked: list[tuple[Client, ConsumerSettings, ReadOrder]] = field(default_factory=list)

    def read(
        self,
        client: Client,
        settings: ConsumerSettings,
        order: ReadOrder,
        hear: Callable[[Found], bool],
        alive: Callable[[Progress], None],
    ) -> Reading:
        """Read them within the order's starts, stops and count: the first member has all of it, in a second."""
        self.asked.append((client, settings, order))
        wanted = [one for one in self.records if _within(order, one)][: order.most]
        for one in wanted if order.streams else wanted[: order.shown]:
            if not hear(one):
                break
        alive(Progress(len(wanted), order.members, order.members))
        counts = dict(sorted(Counter(one.partition for one in wanted).items()))
        size = sum(len(one.key or b"") + len(one.value or b"") for one in wanted)
        books = [counts, *({} for _ in range(order.members - 1))]
        found = Reading(len(wanted), size, counts, books, 1.0, self.turns, {})
        if self.ended is None:
            return found
        ended = self.ended
        return replace(
            found,
            interrupted=ended.interrupted,
            trouble=ended.trouble,
            silent=ended.silent,
            refused=ended.refused,
        )


def _within(order: ReadOrder, one: Found) -> bool:
    if one.offset < order.starts.get(one.partition, 0):
        return False
    return order.stops is None or one.offset < order.stops.get(one.partition, 0)


def _typed_against_the_port() -> Readers:
    return FakeReaders()
