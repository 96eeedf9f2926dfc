"""What a stop must not cost.

Invariant of brokers: a set of brokers may be stopped while the cluster is to go on serving only when every partition
with a replica among them keeps a leader and its min.insync.replicas without them (the rule of Strimzi's KafkaAvailability).
Invariant of ZooKeeper and of KRaft: a majority of the servers, or of the controllers and caught up, stays for as long
as a broker runs (for controllers the rule of Strimzi's KafkaAvailability, too).
A whole cluster may be stopped: nobody is left to be served.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace

from kafab.errors import Unsafe
from kafab.metadata import Metadata, Partition

SHOWN = 5


@dataclass(frozen=True)
class Danger:
    """One partition that would lose availability, and how."""

    partition: Partition
    reason: str

    def __str__(self) -> str:
        return f"{self.partition.name}: {self.reason}"


def merged(views: Iterable[Metadata]) -> tuple[Partition, ...]:
    """Return the partitions as the most careful reading of all views has them.

    Each broker tells its own copy of the metadata. So a partition counts that any view has, a replica is in sync where
    all views that have the partition say so, and a leader leads unless one of them has none.
    """
    found: dict[tuple[str, int], Partition] = {}
    for view in views:
        for seen in view.partitions:
            before = found.setdefault((seen.topic, seen.number), seen)
            if before == seen:
                continue
            found[seen.topic, seen.number] = replace(
                before,
                leader=None if seen.leader is None else before.leader,
                replicas=tuple(dict.fromkeys((*before.replicas, *seen.replicas))),
                isr=tuple(broker for broker in before.isr if broker in seen.isr),
            )
    return tuple(found.values())


def endangered(
    partitions: Sequence[Partition], min_isr: Mapping[str, int], stopping: Collection[int]
) -> tuple[Danger, ...]:
    """Return the partitions that these brokers' stop would leave without leader or below min.insync.replicas.

    ``min_isr`` is by topic, and has every topic that these brokers have a replica of.
    """
    dangers = []
    for partition in partitions:
        if not set(partition.replicas) & set(stopping):
            continue
        wanted = min_isr[partition.topic]
        left = [broker for broker in partition.isr if broker not in stopping]
        if len(partition.replicas) <= wanted:
            reason = f"{len(partition.replicas)} replicas, min.insync.replicas {wanted}: no replica can ever be spared"
        elif partition.leader is None:
            reason = "it has no leader now"
        elif len(left) < wanted:
            reason = f"in-sync replicas would go from {len(partition.isr)} to {len(left)}, min.insync.replicas is {wanted}"
        else:
            continue
        dangers.append(Danger(partition, reason))
    return tuple(dangers)


def guard_brokers(
    partitions: Sequence[Partition], min_isr: Mapping[str, int], stopping: Mapping[int, str], flag: str
) -> None:
    """Raise Unsafe where the brokers (id -> node name) cannot be spared; the text has the partitions and counts."""
    dangers = endangered(partitions, min_isr, stopping.keys())
    if not dangers:
        return
    topics = Counter(danger.partition.topic for danger in dangers)
    more = f"\n  and {len(dangers) - SHOWN} more" if len(dangers) > SHOWN else ""
    shown = "".join(f"\n  {danger}" for danger in dangers[:SHOWN])
    raise Unsafe(
        f"stopping {', '.join(stopping.values())} would cost {len(dangers)} partition{_s(dangers)} of {len(topics)} topic{_s(topics)}:{shown}{more}",
        hint=f"{flag} overrides; stopping the whole cluster (no --limit) needs no override",
    )


def _s(counted: Sized) -> str:
    return "" if len(counted) == 1 else "s"


def guard_quorum(
    what: str, members: int, serving: int, stopping: Collection[str], *, brokers_running: int, flag: str
) -> None:
    """Raise Unsafe where stopping these ZooKeeper nodes or controllers takes the majority from running brokers.

    ``what`` is what the quorum is made of, ``members`` its size, ``serving`` how many of it serve now (controllers:
    are caught up with the leader).
    """
    left, majority = serving - len(stopping), members // 2 + 1
    if stopping and brokers_running and left < majority:
        raise Unsafe(
            f"stopping {', '.join(stopping)} would leave {left} of {members} {what}, fewer than the majority "
            f"of {majority}, under {brokers_running} running broker{'s' if brokers_running > 1 else ''}",
            hint=f"`fab start` brings up those that are down; to stop everything leave out --limit; {flag} overrides",
        )
