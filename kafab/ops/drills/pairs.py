"""A producer and a consumer of one client, at work through all that a drill does: how long neither got through."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafab.drills.checker import longest_gap
from kafab.drills.history import Kind, of
from kafab.drills.orders import Order, Role
from kafab.ops.drills.field import Field
from kafab.ops.drills.party import EVERY, MOST
from kafab.ports import Worker
from kafab.records.settings import Client


@dataclass
class Pair:
    """A producer and a consumer of one client, and the times at which each got through."""

    client: Client
    on: Field
    orders: tuple[Order, Order]
    producer: Worker
    consumer: Worker
    gaps: dict[str, dict[str, float | None]] = field(default_factory=lambda: {"producer": {}, "consumer": {}})
    why: str = ""

    def acked(self, since: float) -> int:
        """Return how many records were acknowledged since then."""
        return sum(event.at > since for event in of(list(self.producer.events), Kind.ACK))

    def had(self, since: float) -> int:
        """Return how many records the consumer has processed since then."""
        return sum(event.at > since for event in of(list(self.consumer.events), Kind.EFFECT))

    def measure(self, name: str, since: float, until: float) -> None:
        """Take note of the longest time that each did not get through, around a span of time."""
        for who, worker, kind in (
            ("producer", self.producer, Kind.ACK),
            ("consumer", self.consumer, Kind.EFFECT),
        ):
            times = [event.at for event in of(list(worker.events), kind)]
            self.gaps[who][name] = longest_gap(times, since, until)


def working(client: Client, on: Field) -> Pair:
    """Start a producer and a consumer; a consumer that is there before the records misses none."""
    producer = on.order("producer", Role.WRITE, count=MOST, idempotent=True, effect=EVERY)
    consumer = on.order("consumer", Role.READ, group=on.topic)
    reads = on.start(consumer)
    return Pair(client, on, (producer, consumer), on.start(producer), reads)


def gaps_told(gaps: Mapping[str, float | None]) -> dict[str, object]:
    """Return the gaps as a row has them."""
    words = {"killed": "at the kill", "back": "at the return", "controller": "at the controller's change"}
    return {f"gap {words[name]} s": round(gap, 1) for name, gap in gaps.items() if gap is not None}
