"""The drill of transactions: what counts as read too early or wrongly, and what a worker tells of a transaction's end."""

import threading

import pytest

from kafab.adapters.kafka.drills import transactions
from kafab.drills.history import Event, Kind, Log, Stood
from kafab.drills.orders import Ending, Order, Role
from kafab.drills.transacting import ended, read_of, without
from kafab.records.settings import Client

NONE = {"aborted-read": 0, "precommitted-read": 0}


def end(kind: Kind, at: float, *numbers: int) -> list[Event]:
    """Return what a producer tells of the end of these records' transaction."""
    return [Event(at, "producer", kind, 0, number=number) for number in numbers]


def read(at: float, *numbers: int, who: str = "reader") -> list[Event]:
    """Return that these were read."""
    return [Event(at, who, Kind.READ, 0, number, number) for number in numbers]


@pytest.mark.parametrize(
    ("events", "abandoned", "counts"),
    [
        ([*end(Kind.TXN_COMMIT, 1, 0, 1), *read(2, 0, 1)], (), NONE),
        ([*end(Kind.TXN_ABORT, 1, 0, 1), *read(2, 0, 1)], (), NONE | {"aborted-read": 2}),
        ([*end(Kind.TXN_ABORT, 1, 0), *read(2, 0, who="other")], (), NONE),
        ([*read(1, 0), *end(Kind.TXN_COMMIT, 2, 0)], (), NONE | {"precommitted-read": 1}),
        (
            [*end(Kind.TXN_COMMIT, 1, 0), *end(Kind.TXN_ABORT, 2, 0), *read(3, 0)],
            (),
            NONE | {"aborted-read": 1},
        ),
        ([*end(Kind.TXN_COMMIT, 1, 0), *end(Kind.UNKNOWN, 2, 0), *read(3, 0)], (), NONE),
        (read(1, 7), (), NONE),
        (read(1, 7), (7,), NONE | {"aborted-read": 1}),
    ],
    ids=[
        "read once it is committed",
        "read though it is aborted",
        "another reader",
        "read before the commit",
        "a commit that was refused",
        "a commit of unknown outcome",
        "a record without a transaction",
        "a producer that was killed",
    ],
)
def test_what_a_reader_was_given(
    events: list[Event], abandoned: tuple[int, ...], counts: dict[str, int]
) -> None:
    """Aborted records that were read, and those that were read before their commit was asked for, are counted."""
    assert read_of(events, "reader", abandoned) == counts


def test_log_of_a_reader_of_committed_records() -> None:
    """What is aborted is left out of the log, and its place stays."""
    log: Log = {0: (Stood(0, 0), Stood(1, 1), Stood(3, 2))}
    assert without(log, ended(end(Kind.TXN_ABORT, 1, 1), Kind.TXN_ABORT)) == {0: (Stood(0, 0), Stood(3, 2))}


class FakeProducer:
    """A producer whose commit is refused with these words, or is not."""

    refusal = ""

    def __init__(self, _order: Order, tell: transactions.Tell) -> None:
        self.tell = tell

    def begin(self) -> None:
        """Begin."""

    def send(self, number: int, partition: int) -> None:
        """Acknowledge it."""
        self.tell(Kind.ACK, partition, number, number=number)

    def flush(self) -> None:
        """Wait for nothing."""

    def commit(self) -> None:
        """Commit, or not."""
        self.tell(Kind.FAULT, detail="commit")
        if self.refusal:
            raise transactions.Refused(self.refusal)

    def abort(self) -> None:
        """Abort."""
        self.tell(Kind.FAULT, detail="abort")

    def close(self) -> None:
        """Close."""


def told(
    monkeypatch: pytest.MonkeyPatch, *endings: Ending, refusal: str = "", finished: bool = False
) -> list[Event]:
    """Return what a worker tells of one record in each of these transactions; ``finished``: it has the word from the beginning."""
    events: list[Event] = []

    def tell(
        kind: Kind, partition: int = -1, offset: int = -1, detail: str = "", *, number: int = -1
    ) -> None:
        events.append(Event(len(events), "me", kind, partition, offset, number, detail=detail))

    monkeypatch.setattr(FakeProducer, "refusal", refusal)
    monkeypatch.setattr(transactions, "ConfluentProducer", FakeProducer)
    word = threading.Event()
    if finished:
        word.set()
    order = Order("me", Role.TRANSACT, Client.CONFLUENT, "a:1", "t", count=len(endings), endings=endings)
    transactions.transact(order, tell, word)
    return events


def test_commit_is_told_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader may have a record before the producer hears of its commit, so what is told later would be too late."""
    kinds = [event.kind for event in told(monkeypatch, Ending.COMMIT)]
    assert kinds.index(Kind.TXN_COMMIT) < kinds.index(Kind.FAULT)


@pytest.mark.parametrize(
    ("refusal", "last"),
    [
        ("_FENCED: another producer", Kind.TXN_ABORT),
        ("INVALID_PRODUCER_EPOCH: old", Kind.TXN_ABORT),
        ("ProducerFencedError: old", Kind.TXN_ABORT),
        ("TIMED_OUT: no answer", Kind.UNKNOWN),
    ],
)
def test_end_of_a_refused_commit(refusal: str, last: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever fences a producer aborts its transaction; of a commit without an answer the outcome is unknown."""
    assert told(monkeypatch, Ending.COMMIT, refusal=refusal)[-1].kind is last


def test_transaction_that_is_left_open_goes_on_when_the_word_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It then writes as many records again, and commits all."""
    events = told(monkeypatch, Ending.LEAVE, finished=True)
    assert ended(events, Kind.TXN_COMMIT) == {0, 1}
