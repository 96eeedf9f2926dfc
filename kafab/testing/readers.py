"""Consumers in memory: what stands in a log is read, by one member after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kafab.ports import Readers
from kafab.records.reading import Books, Found, Order, Read, Take
from kafab.records.settings import Client, ConsumerSettings


@dataclass
class FakeReaders:
    """`kafab.ports.Readers` over these records. ``stops`` ends the reading before one, ``trouble`` before the first."""

    log: Sequence[Found] = ()
    stops: int | None = None
    trouble: str = ""
    refused: str = ""
    """The error of each commit."""
    asked: list[tuple[Client, ConsumerSettings, Order]] = field(default_factory=list)

    def read(
        self,
        client: Client,
        settings: ConsumerSettings,
        order: Order,
        take: Take,
        alive: Callable[[int, bool], None],
    ) -> Read:
        """Hand the log's records to the members in turn."""
        self.asked.append((client, settings, order))
        books = Books(order)
        books.trouble = self.trouble
        if order.starts is None:
            for member in range(1, order.members + 1):
                books.given(member, [member - 1], 0.5)
        for number, each in enumerate(self.log):
            if books.over or number == self.stops:
                break
            if order.starts is not None and each.offset < order.starts.get(each.partition, each.offset + 1):
                continue
            member = number % order.members + 1
            if taken := books.take(member, [each], float(number)):
                take(member, taken)
            books.at({each.partition: each.offset + 1})
            if self.refused:
                books.refused(self.refused)
            alive(books.count, books.steady)
        return books.read(interrupted=self.stops is not None)


def _typed_against_the_port() -> Readers:
    return FakeReaders()
