"""Consumers of both clients behind one face: polls, positions, commits, and what is heard of partitions that come and go."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.records.reading import Found
from kafab.records.settings import Client, ConsumerSettings

_LOG = logging.getLogger("kafab.librdkafka.readers")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
_NO_GROUP = "kafab-reads-without-a-group"
"""librdkafka wants a name even where no group is joined and nothing committed: no broker keeps it."""


class Refused(Exception):
    """A commit that the coordinator has refused, in the client's words."""


class Hears(Protocol):
    """Who is told what comes besides records. The methods are called within a poll, a commit or the close."""

    def given(self, partitions: Sequence[int]) -> None:
        """These partitions are the consumer's, besides those it has; none: it is a member without one."""

    def taken(self, partitions: Sequence[int], *, lost: bool) -> None:
        """These are its own no more; ``lost``: they may be another's already, and nothing of them can be committed."""

    def committed(self, nexts: Mapping[int, int], error: str) -> None:
        """A commit has ended, well where ``error`` is empty; of one that was waited for it is not sure that this is called."""

    def trouble(self, error: str) -> None:
        """The client says what does not mend itself."""


class Consumer(Protocol):
    """A consumer of one topic."""

    def poll(self, seconds: float, most: int | None = None) -> Sequence[Found]:
        """Return the next records, at most as many as a batch has, or ``most``."""

    def pause(self, partitions: Sequence[int]) -> None:
        """Fetch nothing of these."""

    def resume(self, partitions: Sequence[int]) -> None:
        """Fetch these again."""

    def hold(self, partition: int, offset: int) -> None:
        """Fetch no more of this partition; a commit by time is not to have what was fetched from ``offset`` on."""

    def positions(self) -> Mapping[int, int]:
        """Return the next offset of each partition that it has, as far as it is known; markers of transactions are passed."""

    def commit(self, nexts: Mapping[int, int], *, wait: bool) -> None:
        """Commit the next offset of each of these partitions. Raises Refused."""

    def store(self, found: Found) -> None:
        """Let the next commit by time have this record, where ``stores`` was asked for (librdkafka alone)."""

    def ready(self) -> bool:
        """Whether it knows where it goes on in all its partitions, and has some."""

    def close(self) -> None:
        """Leave the group."""


def consumer(
    client: Client,
    settings: ConsumerSettings,
    topic: str,
    hears: Hears,
    *,
    batch: int,
    starts: Mapping[int, int] | None = None,
    stores: bool = False,
    dialer: Dialer | None = None,
) -> Consumer:
    """Return a consumer: a member of the settings' group, or with ``starts`` (partition -> offset) one that has these for good.

    ``batch``: the most records of one poll. ``stores``: the program says what the next commit by time has.
    """
    if client is Client.CONFLUENT:
        return _Confluent(settings, topic, hears, batch, starts, stores=stores)
    return _KafkaPython(settings, topic, hears, batch, starts, dialer=dialer)


FULL_QUEUE_MS = 10
"""How long librdkafka asks for no more records of a partition once it has 100,000 of them."""


class _Confluent:
    def __init__(
        self,
        settings: ConsumerSettings,
        topic: str,
        hears: Hears,
        batch: int,
        starts: Mapping[int, int] | None,
        *,
        stores: bool,
    ) -> None:
        from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

        self._consumer: Any
        self._topic, self._hears, self._batch = topic, hears, batch
        self._errors, self._partition = KafkaException, TopicPartition
        self._end = KafkaError._PARTITION_EOF  # noqa: SLF001  # its public name
        self._mine: set[int] = set()
        self._next: dict[int, int] = {}
        config = confluent.consumer_config(replace(settings, group=settings.group or _NO_GROUP))
        # An end is told where no record is: how else would it be known that the position is?
        more = {
            "enable.partition.eof": True,
            "enable.auto.offset.store": not stores and starts is None,
            # A full queue is what small records make of every fetch; the client's 1 s then is nearly all of a reading.
            "fetch.queue.backoff.ms": FULL_QUEUE_MS,
        }
        self._consumer = Consumer({**config, **more, "on_commit": self._committed}, logger=_LOG)
        if starts is None:
            self._consumer.subscribe(
                [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
        else:
            self._mine = {*starts}
            self._consumer.assign([TopicPartition(topic, number, at) for number, at in starts.items()])

    def poll(self, seconds: float, most: int | None = None) -> Sequence[Found]:
        """Take what is there; the ends of partitions are positions."""
        records = []
        for message in self._consumer.consume(most or self._batch, seconds):
            error = message.error()
            if error is None:
                partition, offset = message.partition(), message.offset()
                self._next[partition] = offset + 1
                records.append(Found(partition, offset, message.key(), message.value()))
            elif error.code() == self._end:
                self._next[message.partition()] = message.offset()
            elif not error.retriable():
                self._hears.trouble(error.name())
        return records

    def pause(self, partitions: Sequence[int]) -> None:
        """Pause."""
        self._consumer.pause([self._partition(self._topic, number) for number in partitions])

    def resume(self, partitions: Sequence[int]) -> None:
        """Resume."""
        self._consumer.resume([self._partition(self._topic, number) for number in partitions])

    def hold(self, partition: int, offset: int) -> None:  # noqa: ARG002  # only what is stored is committed
        """Pause it."""
        self.pause((partition,))

    def positions(self) -> Mapping[int, int]:
        """Return what the polls have told."""
        return {number: at for number, at in self._next.items() if number in self._mine}

    def commit(self, nexts: Mapping[int, int], *, wait: bool) -> None:
        """Commit; it comes back in `_committed`, too."""
        offsets = [self._partition(self._topic, number, at) for number, at in nexts.items()]
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
            self._consumer.store_offsets(
                offsets=[self._partition(self._topic, found.partition, found.offset + 1)]
            )

    def ready(self) -> bool:
        """Whether each partition has given a record, or its end."""
        return bool(self._mine) and self._mine <= self._next.keys()

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _assigned(self, consumer: Any, partitions: Sequence[Any]) -> None:
        # Only what is assigned can be paused by whoever hears of it.
        consumer.assign(partitions)
        numbers = [each.partition for each in partitions]
        self._mine.update(numbers)
        self._hears.given(numbers)

    def _revoked(self, _consumer: Any, partitions: Sequence[Any]) -> None:
        self._gone(partitions, lost=False)

    def _lost(self, _consumer: Any, partitions: Sequence[Any]) -> None:
        self._gone(partitions, lost=True)

    def _gone(self, partitions: Sequence[Any], *, lost: bool) -> None:
        numbers = [each.partition for each in partitions]
        self._mine.difference_update(numbers)
        for number in numbers:
            self._next.pop(number, None)
        self._hears.taken(numbers, lost=lost)

    def _committed(self, error: Any, partitions: Sequence[Any]) -> None:
        for each in partitions:
            problem = error or each.error
            self._hears.committed({each.partition: each.offset}, "" if problem is None else problem.name())


class _KafkaPython:
    def __init__(
        self,
        settings: ConsumerSettings,
        topic: str,
        hears: Hears,
        batch: int,
        starts: Mapping[int, int] | None,
        *,
        dialer: Dialer | None,
    ) -> None:
        from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
        from kafka.errors import KafkaError

        self._topic, self._hears, self._batch = topic, hears, batch
        self._errors, self._offset, self._partition = KafkaError, OffsetAndMetadata, TopicPartition
        self._consumer = KafkaConsumer(**kafka_python.consumer_config(settings, dialer))

        class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
            def on_partitions_assigned(self, assigned: Any) -> None:
                hears.given([each.partition for each in assigned])

            def on_partitions_revoked(self, revoked: Any) -> None:
                hears.taken([each.partition for each in revoked], lost=False)

            def on_partitions_lost(self, lost: Any) -> None:
                hears.taken([each.partition for each in lost], lost=True)

        if starts is None:
            self._consumer.subscribe([topic], listener=Listener())
            # The topic is known before the first join. Otherwise its metadata comes after it and makes the leader join again; and
            # where a poll's time is over between the answers to that JoinGroup and its SyncGroup, kafka-python 3.0.12 waits for the
            # second one no more: it is in the group for the broker, sends no heartbeat, and never has a partition (1 start in 120).
            self._consumer.topics()
        else:
            self._consumer.assign([TopicPartition(topic, number) for number in starts])
            for number, at in starts.items():
                self._consumer.seek(TopicPartition(topic, number), at)

    def poll(self, seconds: float, most: int | None = None) -> Sequence[Found]:
        """Take what is there."""
        found = self._consumer.poll(timeout_ms=round(seconds * 1000), max_records=most or self._batch)
        return [
            Found(record.partition, record.offset, record.key, record.value)
            for records in found.values()
            for record in records
        ]

    def pause(self, partitions: Sequence[int]) -> None:
        """Pause."""
        self._consumer.pause(*(self._partition(self._topic, number) for number in partitions))

    def resume(self, partitions: Sequence[int]) -> None:
        """Resume."""
        self._consumer.resume(*(self._partition(self._topic, number) for number in partitions))

    def hold(self, partition: int, offset: int) -> None:
        """Go back, as the client commits its positions, and pause."""
        this = self._partition(self._topic, partition)
        if self._consumer.position(this, timeout_ms=100) != offset:
            self._consumer.seek(this, offset)
        self._consumer.pause(this)

    def positions(self) -> Mapping[int, int]:
        """Ask the client, which passes markers by itself."""
        found = {}
        for each in self._consumer.assignment():
            with suppress(self._errors):
                found[each.partition] = self._consumer.position(each, timeout_ms=100)
        return {number: at for number, at in found.items() if at is not None}

    def commit(self, nexts: Mapping[int, int], *, wait: bool) -> None:
        """Commit; what is not waited for comes back in a callback."""
        offsets = {
            self._partition(self._topic, number): self._offset(at, "", -1) for number, at in nexts.items()
        }
        if not wait:
            self._consumer.commit_async(offsets=offsets, callback=self._committed)
            return
        try:
            self._consumer.commit(offsets=offsets)
        except self._errors as error:
            raise Refused(type(error).__name__) from error

    def store(self, found: Found) -> None:
        """kafka-python keeps no offsets aside."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether each partition's position is known."""
        mine = {each.partition for each in self._consumer.assignment()}
        return bool(mine) and mine <= self.positions().keys()

    def close(self) -> None:
        """Leave, and commit by time what was read before where that is asked for."""
        self._consumer.close()

    def _committed(self, offsets: Any, result: Any) -> None:
        error = type(result).__name__ if isinstance(result, Exception) else ""
        self._hears.committed({at.partition: offset.offset for at, offset in offsets.items()}, error)
