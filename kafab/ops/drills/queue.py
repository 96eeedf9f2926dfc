"""The drill of queues: the same records through one group, through several, and through a share group (KIP-932)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kafab.drills.checker import processed
from kafab.drills.history import Event, Kind, of
from kafab.drills.orders import Order, Role, Shares
from kafab.drills.rows import NONE, SOME, Allowed, Cell
from kafab.groups.values import Listed
from kafab.model import Version
from kafab.ops.drills.field import Field, NotMeasured, times
from kafab.ops.drills.trials import Cannot, Drill, Measured, Trial
from kafab.ports import Worker
from kafab.records.settings import Client
from kafab.unknown import Unknown

MEMBERS = 3
PARTITIONS = 2
BATCH = 20
EFFECT = 0.005
PAUSE = 0.002
SINCE = Version(4, 2, 0)
"""The first version in which share groups are for production."""
FEATURE = "share.version"
LATE = 10.0
"""Seconds beyond a lock's end until another member must have the records: a fetch, a busy machine."""
_LEAST = {
    "share.session.timeout.ms": "group.share.min.session.timeout.ms",
    "share.heartbeat.interval.ms": "group.share.min.heartbeat.interval.ms",
    "share.record.lock.duration.ms": "group.share.min.record.lock.duration.ms",
}
"""A group's property -> the broker's that has its least value: 45 s, 5 s and 15 s where nobody has set it."""
_DELIVERIES = "group.share.delivery.count.limit"
UNSET = ("share.auto.offset.reset", *_LEAST)
"""What a share group of a drill has of its own, to be taken away with it."""
TOLD = "deliveries a record"


def _one_group(field: Field) -> Measured:
    """Three members share two partitions, so one of them has nothing to read; where faults are withheld there are but two."""
    many = PARTITIONS if field.run.orderly else MEMBERS
    order = field.order("first", Role.READ, group=field.topic, batch=BATCH, effect=EFFECT)
    members = _members(field, order, many)
    field.write()
    log = field.log()
    field.processed(members, log)
    field.finish(*members)
    counts = processed(field.events(), log)
    idle = sum(not times(each) for each in members)
    return Measured(
        {
            "idle": idle,
            "repeated": counts["repeated"],
            "skipped": counts["skipped"],
            TOLD: _deliveries(field),
        },
        order.setting,
        {"read by each": _by_each(members)},
    )


def _several_groups(field: Field) -> Measured:
    """Three groups each read all; where faults are withheld there is but one, and nothing is read by another one."""
    groups = 1 if field.run.orderly else MEMBERS
    order = field.order("reader-0", Role.READ, group=f"{field.topic}.0", batch=BATCH)
    members = [
        field.start(replace(order, who=f"reader-{one}", group=f"{field.topic}.{one}"))
        for one in range(groups)
    ]
    field.write()
    log = field.log()
    for each in members:
        field.processed((each,), log)
    field.finish(*members)
    found = [processed(each.events, log) for each in members]
    counts = {name: sum(one[name] for one in found) for name in ("repeated", "skipped")}
    return Measured({TOLD: _deliveries(field), **counts}, order.setting, {"groups": groups})


@dataclass(frozen=True)
class Share:
    """A share group that is set up: an order for its members, and how long a record is locked for one of them, in seconds."""

    order: Order
    lock: float
    limit: int
    """Deliveries after which a record is given up."""

    @property
    def setting(self) -> str:
        """What decides the result."""
        return f"ShareConsumer (preview), explicit, lock {self.lock:g} s, {self.limit} deliveries at most"


def share_group(field: Field) -> Share:
    """Give the cell's share group the least times that the cluster allows. Raises Cannot where it has no share groups."""
    run = field.run
    if run.cluster.version < SINCE or not run.cluster.kraft:
        raise Cannot(f"share groups came with Kafka {SINCE.major}.{SINCE.minor} (KIP-932), in KRaft mode")
    features = run.world.controllers.features()
    if isinstance(features, Unknown):
        raise NotMeasured(f"the cluster's features: {features.reason}")
    if not features.get(FEATURE):
        raise Cannot(
            f"{FEATURE} is not on: `kafka-features.sh upgrade --feature {FEATURE}=1` lets share groups be made"
        )
    metadata = run.world.brokers.metadata()
    if isinstance(metadata, Unknown):
        raise NotMeasured(f"the brokers: {metadata.reason}")
    broker, at = next(iter(metadata.brokers.items()))
    asked = (*_LEAST.values(), _DELIVERIES)
    found = run.world.brokers.broker_configs(broker, at, asked)
    if isinstance(found, Unknown) or not found.keys() >= set(asked):
        raise NotMeasured(f"broker {broker} does not tell {', '.join(asked)}")
    values = {own: found[least].value for own, least in _LEAST.items()}
    run.set_up.append(field.topic)
    refused = run.world.groups.configure(
        metadata, field.topic, {"share.auto.offset.reset": "earliest", **values}
    )
    if refused is not None:
        why = refused.reason if isinstance(refused, Unknown) else refused
        raise NotMeasured(f"the share group's settings: {why}")
    lock = int(values["share.record.lock.duration.ms"] or 0) / 1000
    order = field.order("first", Role.SHARE, group=field.topic, batch=BATCH // 2, effect=EFFECT)
    return Share(order, lock, int(found[_DELIVERIES].value or 0))


def _share_many(field: Field) -> Measured:
    """More members than partitions; each has records."""
    share = share_group(field)
    members = _members(field, share.order, MEMBERS)
    _write(field, field.run.records)
    log = field.log()
    _all_processed(field, members, field.run.records)
    field.finish(*members)
    counts = processed(field.events(), log)
    idle = sum(not times(each) for each in members)
    return Measured(
        {
            "idle": idle,
            "repeated": counts["repeated"],
            "skipped": counts["skipped"],
            TOLD: _deliveries(field),
        },
        share.setting,
        {"read by each": _by_each(members)},
    )


def _share_taken(how: str) -> Callable[[Field], Measured]:
    """Return what becomes of records that a member has taken and does not acknowledge: it is killed, or it keeps them."""

    def measure(field: Field) -> Measured:
        share = share_group(field)
        more = {"dies_after": 0} if how == "killed" else {"shares": Shares.KEEP}
        first = field.start(replace(share.order, **more))
        _write(field, field.run.records)
        log = field.log()
        field.until(lambda: any(of(list(first.events), Kind.READ)), "the first member's records")
        if how == "killed" and not field.run.orderly:
            field.until(lambda: first.ended is not None, "the first member to be killed")
        field.fault(f"records taken, and the member {'killed' if how == 'killed' else 'silent'}")
        taken = max(event.at for event in of(list(first.events), Kind.READ))
        second = field.start(replace(share.order, who="second"))
        members = (first, second)
        _all_processed(field, members, field.run.records)
        field.finish(*(each for each in members if each.ended is None))
        again = [event for event in of(list(second.events), Kind.READ) if _delivery(event) > 1]
        counts = processed(field.events(), log)
        took = again[0].at - taken if again else 0.0
        also: dict[str, object] = {"redelivered after s": round(took, 1)} if again else {}
        found = {
            "redelivered": len(again),
            "late": int(took > share.lock + LATE),
            "repeated": counts["repeated"],
            "skipped": counts["skipped"],
        }
        if how != "killed":
            # The lock of a batch of records begins before the member has them.
            found["early"] = int(bool(again) and took < share.lock - 2)
        return Measured(found, share.setting, also)

    return measure


def _share_poison(field: Field) -> Measured:
    """A record that no member can work is released each time, and given up in the end; the others are worked."""
    share = share_group(field)
    member = field.start(replace(share.order, shares=Shares.RELEASE_FIRST))
    many, more = field.run.records, BATCH
    _write(field, many)
    # Once it is given up nothing comes of it any more, also not with what is written then.
    least = share.limit if not field.run.orderly else 1
    field.until(lambda: _times_read(member, 0) >= least, "the record to be delivered as often as it is")
    _write(field, more, first=many)
    log = field.log()
    left = many + more - (not field.run.orderly)
    _all_processed(field, (member,), left)
    field.finish(member)
    counts = processed(field.events(), log)
    found = {"skipped": counts["skipped"], "repeated": counts["repeated"]}
    return Measured(found, share.setting, {"deliveries of it": _times_read(member, 0)})


def _write(field: Field, many: int, first: int = 0) -> None:
    """Write records with a pause after each: a batch of a producer's is locked for one member as a whole."""
    field.do(field.order("writer", Role.WRITE, first=first, count=many, effect=PAUSE))


def _members(field: Field, order: Order, many: int) -> list[Worker]:
    """Start members, and wait until the coordinator has given partitions to all of them that can have some."""
    found = [field.start(replace(order, who=f"member-{number}")) for number in range(many)]
    field.until(lambda: _joined(field, order, many), f"{many} members to have joined")
    return found


def _joined(field: Field, order: Order, many: int) -> bool:
    world = field.run.world
    metadata = world.brokers.metadata()
    if isinstance(metadata, Unknown):
        return False
    listed: list[Listed] = [one for one in world.groups.list(metadata).groups if one.name == order.group]
    if not listed:
        return False
    group = world.groups.describe(metadata, listed)[order.group]
    if isinstance(group, Unknown) or isinstance(group.members, Unknown):
        return False
    serving = sum(bool(one.assigned) for one in group.members)
    wanted = many if order.role is Role.SHARE else min(many, PARTITIONS)
    return group.state.lower() == "stable" and len(group.members) == many and serving == wanted


def _all_processed(field: Field, members: Sequence[Worker], many: int) -> None:
    """Wait for the effects of so many records: a share group has no order, so the last record says nothing of the others."""
    field.until(
        lambda: (
            len({event.number for each in members for event in of(list(each.events), Kind.EFFECT)}) >= many
        ),
        f"{many} records to be processed",
    )


def _deliveries(field: Field) -> int:
    """Return how often a record was delivered, the most that any one was."""
    counts: dict[tuple[int, int], int] = {}
    for event in of(field.events(), Kind.READ):
        place = (event.partition, event.offset)
        counts[place] = counts.get(place, 0) + 1
    return max(counts.values(), default=0)


def _by_each(members: Sequence[Worker]) -> str:
    return ", ".join(str(times(each)) for each in members)


def _delivery(event: Event) -> int:
    return int(event.detail) if event.detail.isdecimal() else 0


def _times_read(member: Worker, number: int) -> int:
    return sum(event.number == number for event in of(list(member.events), Kind.READ))


def _trials(client: Client) -> Sequence[Trial]:
    once = {"repeated": NONE, "skipped": NONE, TOLD: Allowed(1, 1)}
    kept = {"redelivered": SOME, "late": NONE, "repeated": NONE, "skipped": NONE}

    def shared(cell: Cell, measure: Callable[[Field], Measured], partitions: int = 1) -> Trial:
        if client is Client.CONFLUENT:
            return Trial(cell, measure, partitions)
        return Trial(cell, None, setting="kafka-python 3.0 has no share consumer")

    spare = Allowed(MEMBERS - PARTITIONS, MEMBERS - PARTITIONS)
    return (
        Trial(
            Cell(
                f"one group, {MEMBERS} members of {PARTITIONS} partitions",
                "each record once, one member idle",
                {"idle": spare, **once},
                control=True,
            ),
            _one_group,
            PARTITIONS,
        ),
        Trial(
            Cell(
                f"{MEMBERS} groups",
                "each record once for each group",
                {"repeated": NONE, "skipped": NONE, TOLD: Allowed(MEMBERS, MEMBERS)},
                control=True,
            ),
            _several_groups,
            PARTITIONS,
        ),
        shared(
            Cell(
                "share group, a member killed with records",
                "another one has them, after the lock at the latest",
                kept,
                control=True,
            ),
            _share_taken("killed"),
        ),
        shared(
            Cell(
                "share group, a member keeps records",
                "another one has them after the lock",
                {**kept, "early": NONE},
                control=True,
            ),
            _share_taken("kept"),
        ),
        shared(
            Cell(
                "share group, a record released each time",
                "given up after the last delivery",
                {"skipped": Allowed(1, 1), "repeated": NONE},
                control=True,
            ),
            _share_poison,
        ),
        shared(
            Cell(
                f"share group, {MEMBERS} members of {PARTITIONS} partitions",
                "each record once, nobody idle",
                {"idle": NONE, **once},
            ),
            _share_many,
            PARTITIONS,
        ),
    )


QUEUE = Drill(
    "queue",
    "How often a record is delivered by one group, several groups and a share group, and when again",
    _trials,
)
