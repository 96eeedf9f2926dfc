"""Consumers of both clients as a worker needs them: polls, commits, and what became of their partitions."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.drills.history import Kind
from kafab.drills.orders import BY_TIME, Commits, Order
from kafab.records.settings import Client

Tell = Callable[[Kind, int, int, str], None]
"""``tell(kind, partition, offset, detail)``."""


class Found(NamedTuple):
    """A record as it was read."""

    partition: int
    offset: int
    value: bytes | None


class Refused(Exception):
    """A commit that the coordinator has refused, in the client's words."""


class Member(Protocol):
    """A member of a group."""

    def poll(self, seconds: float) -> Sequence[Found]:
        """Return the next records, as many as a batch has at most."""

    def commit(self, nexts: Mapping[int, int], *, wait: bool) -> None:
        """Commit the next offset of each of these partitions. Raises Refused."""

    def store(self, found: Found) -> None:
        """Let the next commit by time have this record."""

    def ready(self) -> bool:
        """Whether it knows where it goes on in all its partitions, and has some."""

    def close(self) -> None:
        """Leave the group."""


def member(order: Order, tell: Tell) -> Member:
    """Return a member with the order's client."""
    return (ConfluentMember if order.client is Client.CONFLUENT else KafkaPythonMember)(order, tell)


class ConfluentMember:
    """`Member` on librdkafka."""

    def __init__(self, order: Order, tell: Tell) -> None:
        from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

        self._consumer: Any
        self._order, self._tell = order, tell
        self._errors, self._error, self._partition = KafkaException, KafkaError, TopicPartition
        self._ends: set[int] = set()
        self._mine: set[int] = set()
        config = confluent.consumer_config(order.consumer)
        # An end is told where no record is: how else would it be known that the position is?
        more = {"enable.partition.eof": True, "enable.auto.offset.store": order.commits is not Commits.STORED}
        self._consumer = Consumer({**config, **more, "on_commit": self._committed}, logger=_quiet())
        self._consumer.subscribe(
            [order.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self, seconds: float) -> Sequence[Found]:
        """Take what is there; ends of partitions are remembered."""
        records = []
        for message in self._consumer.consume(self._order.batch, seconds):
            error = message.error()
            if error is None:
                self._ends.add(message.partition())
                records.append(Found(message.partition(), message.offset(), message.value()))
            elif error.code() == self._error._PARTITION_EOF:  # noqa: SLF001  # its public name
                self._ends.add(message.partition())
            elif not error.retriable():
                self._tell(Kind.TROUBLE, -1, -1, error.name())
        return records

    def commit(self, nexts: Mapping[int, int], *, wait: bool) -> None:
        """Commit; what is not waited for comes back in `_committed`."""
        offsets = [self._partition(self._order.topic, number, at) for number, at in nexts.items()]
        try:
            done = self._consumer.commit(offsets=offsets, asynchronous=not wait)
        except self._errors as error:
            raise Refused(error.args[0].name()) from error
        for each in done or ():
            if each.error is not None:
                raise Refused(each.error.name())

    def store(self, found: Found) -> None:
        """Store it; a partition that was lost meanwhile cannot be stored."""
        with suppress(self._errors):
            at = self._partition(self._order.topic, found.partition, found.offset + 1)
            self._consumer.store_offsets(offsets=[at])

    def ready(self) -> bool:
        """Whether each partition has given a record, or its end."""
        return bool(self._mine) and self._mine <= self._ends

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _assigned(self, _consumer: Any, partitions: Sequence[Any]) -> None:
        for each in partitions:
            self._mine.add(each.partition)
            self._tell(Kind.ASSIGNED, each.partition, -1, "")

    def _revoked(self, _consumer: Any, partitions: Sequence[Any]) -> None:
        for each in partitions:
            self._mine.discard(each.partition)
            self._ends.discard(each.partition)
            self._tell(Kind.REVOKED, each.partition, -1, "")

    def _committed(self, error: Any, partitions: Sequence[Any]) -> None:
        # Of commits that are waited for the worker tells itself.
        if self._order.commits not in (*BY_TIME, Commits.ASYNC, Commits.CLOSE):
            return
        for each in partitions:
            problem = error or each.error
            kind = Kind.COMMIT if problem is None else Kind.UNCOMMITTED
            self._tell(kind, each.partition, each.offset, "" if problem is None else problem.name())


class KafkaPythonMember:
    """`Member` on kafka-python."""

    def __init__(self, order: Order, tell: Tell) -> None:
        from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
        from kafka.errors import KafkaError

        self._order, self._tell = order, tell
        self._errors, self._offset, self._partition = KafkaError, OffsetAndMetadata, TopicPartition
        self._consumer = KafkaConsumer(**kafka_python.consumer_config(order.consumer))
        heard = self

        class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
            def on_partitions_assigned(self, assigned: Any) -> None:
                for each in assigned:
                    heard._tell(Kind.ASSIGNED, each.partition, -1, "")

            def on_partitions_revoked(self, revoked: Any) -> None:
                for each in revoked:
                    heard._tell(Kind.REVOKED, each.partition, -1, "")

        self._consumer.subscribe([order.topic], listener=Listener())

    def poll(self, seconds: float) -> Sequence[Found]:
        """Take what is there."""
        found = self._consumer.poll(timeout_ms=round(seconds * 1000), max_records=self._order.batch)
        return [
            Found(record.partition, record.offset, record.value)
            for records in found.values()
            for record in records
        ]

    def commit(self, nexts: Mapping[int, int], *, wait: bool) -> None:
        """Commit; what is not waited for comes back in a callback."""
        offsets = {
            self._partition(self._order.topic, number): self._offset(at, "", -1)
            for number, at in nexts.items()
        }
        if not wait:
            self._consumer.commit_async(offsets=offsets, callback=self._committed)
            return
        try:
            self._consumer.commit(offsets=offsets)
        except self._errors as error:
            raise Refused(type(error).__name__) from error

    def store(self, found: Found) -> None:
        """kafka-python keeps no offsets aside: a drill asks this of the other client alone."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether each partition's position is known."""
        mine = self._consumer.assignment()
        try:
            return bool(mine) and all(
                self._consumer.position(each, timeout_ms=100) is not None for each in mine
            )
        except self._errors:
            return False

    def close(self) -> None:
        """Leave, and commit by time what was read before where that is asked for."""
        self._consumer.close()

    def _committed(self, offsets: Any, result: Any) -> None:
        failed = isinstance(result, Exception)
        for at, offset in offsets.items():
            name = type(result).__name__ if failed else ""
            self._tell(Kind.UNCOMMITTED if failed else Kind.COMMIT, at.partition, offset.offset, name)


def _quiet() -> Any:
    import logging

    found = logging.getLogger("kafab.librdkafka.drill")
    found.addHandler(logging.NullHandler())
    found.propagate = False
    return found
