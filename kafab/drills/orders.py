"""What a worker of a drill is told, and what an operator is told of its settings. Orders go between processes as one JSON line."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum

from kafab.login import IN_THE_CLEAR, Login, document
from kafab.login import read as read_login
from kafab.records.settings import (
    Acks,
    Client,
    ConsumerSettings,
    Isolation,
    ProducerSettings,
    Reset,
    idempotence,
    isolation,
)


class Role(str, Enum):
    """What a worker does."""

    WRITE = "write"
    READ = "read"
    """Reads as a member of a group, has an effect for each record, and commits."""
    LOG = "log"
    """Reads every partition from its beginning to its end, without a group."""
    TRANSACT = "transact"
    """Writes transactions, each of which ends as ``endings`` says."""
    SHARE = "share"
    """Takes records as a member of a share group, has an effect for each record, and acknowledges it."""
    END_HANGING = "end hanging"
    """Finds the open transactions of the partitions and aborts them, as an operator does (KIP-664)."""
    TRIM = "trim"
    """Deletes the first ``count`` records of each partition, as retention would."""
    REDIS = "redis"
    """Keeps a Redis server of its own, and starts it again where it ends."""
    COUNT = "count"
    """Reads how many effects of each record were counted in Redis."""
    COPY = "copy"
    """Reads as a member of a group and writes to ``target``, the records and the offsets of a batch in one transaction."""


class Commits(str, Enum):
    """When a member commits."""

    NONE = "none"
    AUTO = "auto"
    """The client does, by time."""
    STORED = "stored"
    """The client does, by time, what the program has stored after each effect (librdkafka alone)."""
    EACH = "each"
    BATCH = "batch"
    ASYNC = "async"
    CLOSE = "async, sync at close"
    BEFORE = "before"
    """Each batch before its effects."""


class Ending(str, Enum):
    """How a transaction ends."""

    COMMIT = "commit"
    ABORT = "abort"
    LEAVE = "leave"
    """Not: it stays open until the word comes; then its producer goes on, with as many records again, and would commit."""


class Shares(str, Enum):
    """What a member of a share group does with what it has taken."""

    ACCEPT = "accept"
    KEEP = "keep"
    """Nothing, for as long as it lives."""
    RELEASE_FIRST = "release the first"
    """It accepts all but the record with the number ``first``, which it releases each time."""


BY_TIME = (Commits.AUTO, Commits.STORED)


class Marks(str, Enum):
    """How a member marks in Redis, by a record's number, what it has done, so that it does not do it again."""

    NONE = "no marks"
    BEFORE = "marked, then done"
    AFTER = "done, then marked"
    ATOMIC = "done and marked in one Lua script"


@dataclass(frozen=True)
class Order:
    """One worker. Times are seconds; records have the numbers from ``first`` on and go to the partitions in turn."""

    who: str
    role: Role
    client: Client
    bootstrap: str
    topic: str
    partitions: int = 1
    first: int = 0
    count: int = 0
    acks: Acks = Acks.ALL
    idempotent: bool | None = None
    partition: int | None = None
    """Where all records of a writer go; None: to the partitions in turn."""
    retries: int | None = None
    """None: as often as the client's delivery timeout allows."""
    request: float = 0.0
    """How long a request may be without an answer; 0: the client's default."""
    delivery: float = 0.0
    """How long a record may be on its way; 0: the client's default."""
    group: str = ""
    member: str | None = None
    """group.instance.id of a static member."""
    commits: Commits = Commits.BATCH
    batch: int = 20
    """The most records of one poll."""
    effect: float = 0.0
    """How long the effect of one record takes."""
    interval: float = 0.1
    """Between two commits by time."""
    reset: Reset = Reset.EARLIEST
    session: float = 6.0
    """A broker's least (group.min.session.timeout.ms), so that a killed member is missed soon."""
    isolation: Isolation | None = None
    """None: the client's default."""
    transactional: str = ""
    """transactional.id."""
    endings: tuple[Ending, ...] = ()
    """One transaction each, of as many records as the others."""
    shares: Shares = Shares.ACCEPT
    open_limit: float = 60.0
    """transaction.timeout.ms, in seconds."""
    dies_after: int | None = None
    """After so many effects it is killed, between the effect of a record and its commit."""
    cut_every: int = 0
    """Every so many-th answer to a writer's records is withheld and its connection cut; 0: none."""
    redis: str = ""
    """The socket of the Redis server in which a member counts its effects; empty: it only tells them."""
    marks: Marks = Marks.NONE
    counts: bool = True
    """The effects are in Redis; False: they are elsewhere, and only the marks are there."""
    kills_redis: bool = False
    """Where it dies, after effect and mark, the Redis server is killed, too."""
    appends: bool = False
    """The Redis server has an append-only file, synced with every write (appendfsync always)."""
    target: str = ""
    """The topic that is copied to."""
    orderly: bool = False
    """It ends in good order where it would be killed: the fault is withheld, so that a control has nothing to show."""
    login: Login = field(default=IN_THE_CLEAR, repr=False)
    """The adapter's own matter: a drill gives none."""

    @property
    def producer(self) -> ProducerSettings:
        """The producer of a writer."""
        settings = ProducerSettings(
            self.bootstrap,
            acks=self.acks,
            idempotent=self.idempotent,
            retries=self.retries,
            transactional_id=self.transactional or None,
            transaction_limit=timedelta(seconds=self.open_limit),
            login=self.login,
        )
        if self.request:
            settings = replace(settings, request_limit=timedelta(seconds=self.request))
        if self.delivery:
            settings = replace(settings, delivery_limit=timedelta(seconds=self.delivery))
        return settings

    @property
    def consumer(self) -> ConsumerSettings:
        """The consumer of a member."""
        return ConsumerSettings(
            self.bootstrap,
            self.group or None,
            self.member,
            self.reset,
            timedelta(seconds=self.interval) if self.commits in BY_TIME else None,
            self.isolation,
            session_limit=timedelta(seconds=self.session),
            heartbeat=timedelta(seconds=self.session / 3),
            login=self.login,
        )

    @property
    def setting(self) -> str:
        """The settings in force that decide a result, with those that are the client's defaults."""
        if self.role is Role.WRITE:
            idempotent = "on" if idempotence(self.client, self.producer) else "off"
            words = [f"acks={self.acks.value}, idempotence {idempotent}"]
            if self.retries is not None:
                words.append(f"retries {self.retries or 'off'}")
            if self.request:
                words.append(f"request timeout {self.request:g} s")
            if self.delivery:
                words.append(f"delivery timeout {self.delivery:g} s")
            return ", ".join(words)
        words = [f"commit {self.commits.value}"]
        if self.commits is Commits.AUTO:
            # librdkafka stores an offset when the record is handed over, kafka-python commits a poll's records with the next poll.
            kind = (
                "offsets stored at hand-over" if self.client is Client.CONFLUENT else "committed with a poll"
            )
            words = [f"commit auto every {self.interval:g} s, {kind}"]
        if self.redis:
            words.append(self.marks.value)
        if self.member:
            words.append("static member")
        if self.reset is not Reset.EARLIEST:
            words.append(f"reset {self.reset.value}")
        if isolation(self.client, self.consumer) is not Isolation.READ_COMMITTED:
            words.append("read_uncommitted")
        return ", ".join(words)


def line(order: Order) -> str:
    """Return an order as a line of JSON."""
    fields = {**vars(order), "login": document(order.login)}
    return json.dumps(fields)


def read(text: str) -> Order:
    """Read what `line` has made."""
    found = Order(**json.loads(text))
    return replace(
        found,
        login=read_login(json.loads(text)["login"]),
        role=Role(found.role),
        client=Client(found.client),
        acks=Acks(found.acks),
        commits=Commits(found.commits),
        reset=Reset(found.reset),
        isolation=None if found.isolation is None else Isolation(found.isolation),
        marks=Marks(found.marks),
        shares=Shares(found.shares),
        endings=tuple(Ending(each) for each in found.endings),
    )


def value(topic: str, number: int) -> bytes:
    """Return a record's value: it says where it belongs."""
    return f"{topic}/{number}".encode()


def number_in(raw: bytes | None, topic: str) -> int:
    """Return the number of a record; -1 for one that no worker of the drill has written."""
    text = (raw or b"").decode("utf-8", "replace").rpartition("/")[2]
    return int(text) if text.isdecimal() and raw == value(topic, int(text)) else -1
