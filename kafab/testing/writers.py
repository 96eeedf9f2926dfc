"""Producers in memory: what is written is kept, and refused as a test says."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kafab.ports import Writers
from kafab.records.settings import Acks, Client, ProducerSettings
from kafab.records.writing import Acked, Order, Record, Tally, Written


@dataclass
class FakeWriters:
    """`kafab.ports.Writers`. ``refused`` has the error's name of a record by its number; ``stops`` ends the sending before one."""

    refused: dict[int, str] = field(default_factory=dict)
    stops: int | None = None
    records: list[Record] = field(default_factory=list)
    asked: list[tuple[Client, ProducerSettings, Order]] = field(default_factory=list)

    def write(
        self, client: Client, settings: ProducerSettings, order: Order, alive: Callable[[int], None]
    ) -> tuple[Written, tuple[Acked, ...]]:
        """Take every record, into partition 0 unless it says otherwise; each took a millisecond."""
        self.asked.append((client, settings, order))
        tally, acked = Tally(asked=settings.acks is not Acks.NONE), list[Acked]()
        interrupted = False
        for number, record in enumerate(order.records):
            if number == self.stops:
                interrupted = True
                break
            self.records.append(record)
            if number in self.refused:
                tally.refuse(self.refused[number])
                continue
            tally.ack(record.partition or 0, 0.001)
            if number < order.shown:
                acked.append(Acked(record.partition or 0, number, record.key, record.value))
            alive(tally.told)
        return tally.written(1.0, interrupted=interrupted), tuple(acked)


def _typed_against_the_port() -> Writers:
    return FakeWriters()
