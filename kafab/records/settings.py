"""What a producer and a consumer are asked to be, whichever client they are made with.

A setting that is None is left to the client, whose default may decide the result: kafka-python 3 is idempotent and reads
what is uncommitted, librdkafka is not idempotent and reads what is committed. `idempotence` and `isolation` say which one
is in force.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kafab.errors import UsageError
from kafab.login import IN_THE_CLEAR, Login


class Client(str, Enum):
    """The Python clients, each by the name of its package."""

    KAFKA_PYTHON = "kafka-python"
    CONFLUENT = "confluent"


class Acks(str, Enum):
    """Which replicas must have a record before the broker acknowledges it: none is waited for, the leader, those in sync."""

    NONE = "0"
    LEADER = "1"
    ALL = "all"


class Isolation(str, Enum):
    """Which records of transactions a consumer is given (KIP-98)."""

    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


class Reset(str, Enum):
    """Where a consumer begins that has no committed offset, or one that is out of retention."""

    EARLIEST = "earliest"
    LATEST = "latest"
    NONE = "none"


COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
MOST_IN_FLIGHT = 5
"""Requests under way that a broker can put in order for an idempotent producer: it keeps the last five batches (KAFKA-5494)."""


@dataclass(frozen=True, slots=True)
class ProducerSettings:
    """One producer. ``retries`` None: as often as fits in ``delivery_limit``; ``transactional_id`` makes it idempotent."""

    bootstrap: str
    acks: Acks = Acks.ALL
    retries: int | None = None
    idempotent: bool | None = None
    transactional_id: str | None = None
    in_flight: int | None = None
    compression: str = "none"
    linger: timedelta = timedelta(milliseconds=5)
    batch_bytes: int | None = None
    delivery_limit: timedelta = timedelta(seconds=120)
    request_limit: timedelta = timedelta(seconds=30)
    transaction_limit: timedelta = timedelta(seconds=60)
    """The broker aborts a transaction that is open longer; a record of one is not waited for longer either."""
    client_id: str = "kafab"
    login: Login = IN_THE_CLEAR

    @property
    def waits(self) -> timedelta:
        """How long a record may be on its way: librdkafka refuses more than the transaction's own limit."""
        return (
            self.delivery_limit
            if self.transactional_id is None
            else min(self.delivery_limit, self.transaction_limit)
        )


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """One consumer. Without a ``group`` it is given its partitions, and touches no committed offsets.

    ``auto_commit`` is the interval of timed commits; None: the program commits.
    """

    bootstrap: str
    group: str | None = None
    member_id: str | None = None
    """group.instance.id: a static member (KIP-345)."""
    reset: Reset = Reset.EARLIEST
    auto_commit: timedelta | None = None
    isolation: Isolation | None = None
    session_limit: timedelta | None = None
    heartbeat: timedelta | None = None
    client_id: str = "kafab"
    login: Login = IN_THE_CLEAR


def idempotence(client: Client, settings: ProducerSettings) -> bool:
    """Say whether the producer will be idempotent. Raises UsageError where it is asked for what excludes it.

    Both clients refuse the conflict where idempotence was asked for. Where it was not, kafka-python drops its default with
    no more than a line in its log; here it is dropped knowingly, and the answer says so.
    """
    refuse_nonsense(settings)
    asked = settings.idempotent or settings.transactional_id is not None
    against = tuple(conflicts(settings))
    if asked and against:
        what = "a transaction" if settings.transactional_id is not None else "--idempotent"
        raise UsageError(
            f"{what} excludes {' and '.join(against)}",
            hint="an idempotent producer needs acks=all, retries, and at most 5 requests in flight (KIP-98)",
        )
    if settings.idempotent is False and settings.transactional_id is not None:
        raise UsageError("a transaction needs an idempotent producer", hint="leave out `--idempotent off`")
    if asked:
        return True
    return settings.idempotent is None and client is Client.KAFKA_PYTHON and not against


def conflicts(settings: ProducerSettings) -> Iterator[str]:
    """Name the settings that an idempotent producer cannot have."""
    if settings.acks is not Acks.ALL:
        yield f"acks={settings.acks.value}"
    if settings.retries == 0:
        yield "retries=0"
    if settings.in_flight is not None and settings.in_flight > MOST_IN_FLIGHT:
        yield f"{settings.in_flight} requests in flight"


def refuse_nonsense(settings: ProducerSettings) -> None:
    """Raise UsageError for values that no producer can have."""
    if settings.retries is not None and settings.retries < 0:
        raise UsageError(f"--retries must not be negative: {settings.retries}")
    if settings.in_flight is not None and settings.in_flight < 1:
        raise UsageError(f"a producer needs at least one request in flight, not {settings.in_flight}")
    if settings.compression not in COMPRESSIONS:
        raise UsageError(
            f"unknown compression {settings.compression!r}", hint=f"one of {', '.join(COMPRESSIONS)}"
        )
    if settings.transactional_id == "":
        raise UsageError("the transactional id is empty")


def isolation(client: Client, settings: ConsumerSettings) -> Isolation:
    """Say which records of transactions the consumer will be given: librdkafka's default is not that of Kafka."""
    if settings.isolation is not None:
        return settings.isolation
    return Isolation.READ_COMMITTED if client is Client.CONFLUENT else Isolation.READ_UNCOMMITTED


def milliseconds(length: timedelta) -> int:
    """Return a length as both clients take it."""
    return round(length / timedelta(milliseconds=1))
