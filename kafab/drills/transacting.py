"""What readers were given of transactions: the counts of a history in which records belong to transactions (KIP-98)."""

from collections.abc import Collection, Iterable, Sequence

from kafab.drills.history import Event, Kind, Log, of


def read_of(events: Sequence[Event], reader: str, abandoned: Collection[int] = ()) -> dict[str, int]:
    """Count what a reader was given that was not committed, by Jepsen's names.

    ``aborted-read`` (Jepsen's G1a): records of a transaction that was aborted; ``abandoned`` are those whose producer has not lived to
    tell it. ``precommitted-read``: records that were committed, and were read before that was asked for. Records without
    a transaction, and those of a transaction whose outcome is unknown, count as neither.
    """
    ends = dict.fromkeys(abandoned, (Kind.TXN_ABORT, 0.0)) | _ends(events)
    aborted = precommitted = 0
    for event in of(events, Kind.READ):
        if event.who != reader or event.number not in ends:
            continue
        kind, at = ends[event.number]
        aborted += kind is Kind.TXN_ABORT
        precommitted += kind is Kind.TXN_COMMIT and event.at < at
    return {"aborted-read": aborted, "precommitted-read": precommitted}


def ended(events: Iterable[Event], kind: Kind) -> set[int]:
    """Return the numbers of the records whose transaction has ended so: `Kind.TXN_COMMIT` or `Kind.TXN_ABORT`."""
    return {number for number, (found, _) in _ends(events).items() if found is kind}


def without(log: Log, numbers: Collection[int]) -> Log:
    """Return the log without these records: what a reader of committed records is given of it."""
    return {
        part: tuple(stood for stood in found if stood.number not in numbers) for part, found in log.items()
    }


def _ends(events: Iterable[Event]) -> dict[int, tuple[Kind, float]]:
    """Return how the transaction of each record has ended, and when that was told: what is told last holds."""
    return {
        event.number: (event.kind, event.at)
        for event in of(events, Kind.TXN_COMMIT, Kind.TXN_ABORT, Kind.UNKNOWN)
    }
