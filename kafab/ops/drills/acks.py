"""The drill of acks: which acknowledged records are lost when followers are behind and the leader dies.

The followers are frozen while records go on, for less time than it takes to drop them from the ISR. Then the leader is killed
and they go on: one of them becomes the leader, in sync as far as anybody knows. All settings of all clients meet the same fault.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

from kafab.cluster.metadata import TopicSpec
from kafab.drills.checker import Anomaly, anomalies, outcomes
from kafab.drills.history import Kind, of
from kafab.drills.orders import Order, Role
from kafab.drills.rows import ANY, NONE, SOME, Cell, Row
from kafab.errors import Failed, NotTold
from kafab.events import Note
from kafab.model import Cluster, Node
from kafab.ops.drills import faults
from kafab.ops.drills.field import Field, NotMeasured, Run
from kafab.ops.drills.trials import Drill
from kafab.ops.world import World
from kafab.ports import Worker
from kafab.records.settings import Acks, Client
from kafab.unknown import Unknown

BEFORE, BEHIND, AFTER = 50, 2.0, 50
"""Records of each writer before the fault; seconds of the followers' silence (an ISR drops them after 30); records after it."""
EVERY = 0.01
"""Seconds between two records of a writer."""
MOST = 100_000
LOST, TWICE = Anomaly.LOST_WRITE.value, Anomaly.DUPLICATE.value

CELLS: tuple[tuple[Acks, bool, Cell], ...] = (
    (
        Acks.NONE,
        False,
        Cell("acks=0", "may lose", {"missing": SOME, TWICE: ANY}, control=True),
    ),
    (
        Acks.LEADER,
        False,
        Cell("acks=1", "loses what the leader alone has", {LOST: SOME, TWICE: ANY}, control=True),
    ),
    (
        Acks.ALL,
        False,
        Cell("acks=all, not idempotent", "loses nothing, may repeat", {LOST: NONE, TWICE: ANY}),
    ),
    (
        Acks.ALL,
        True,
        Cell(
            "acks=all, idempotent", "once and in order", {LOST: NONE, TWICE: NONE, "nonmonotonic-send": NONE}
        ),
    ),
)


def _together(run: Run, clients: Sequence[Client]) -> Sequence[Row]:
    leader, others = _chosen(run.cluster, run.world)
    spec = TopicSpec(
        "", configs={"min.insync.replicas": "2"}, assignment=((leader.id, *(node.id for node in others)),)
    )
    cells = [(client, *cell) for client in clients for cell in CELLS]
    fields: list[Field] = []
    try:
        with ExitStack() as stack:
            writers = []
            for number, (client, acks, idempotent, _cell) in enumerate(cells):
                field = stack.enter_context(Field(run, client, f"acks-{number}", 1, spec))
                fields.append(field)
                order = field.order(
                    "writer", Role.WRITE, count=MOST, acks=acks, idempotent=idempotent, effect=EVERY
                )
                writers.append((order, field.start(order)))
            told = _fault(run, leader, others, fields[0], writers)
            faults.mend(run.cluster, run.world)
            return [
                _row(field, client, cell, order, told)
                for field, (client, *_, cell), (order, _) in zip(fields, cells, writers, strict=True)
            ]
    finally:
        faults.mend(run.cluster, run.world)
        for field in fields:
            if field.left:
                run.world.emit(Note(run.cluster.name, field.left))


def _fault(
    run: Run, leader: Node, others: Sequence[Node], field: Field, working: Sequence[tuple[Order, Worker]]
) -> Sequence[str]:
    """Freeze the followers, kill the leader, let them go on; wait until all writers have gone on, and end them."""
    clock = run.world.clock
    writers = [writer for _, writer in working]
    # With acks=0 nothing is acknowledged; any other writer has had answers before the fault.
    known = {id(each): Kind.SEND if one.acks is Acks.NONE else Kind.ACK for one, each in working}
    field.until(
        lambda: all(_count(each, known[id(each)]) > BEFORE for each in writers), "the writers' first records"
    )
    if run.orderly:
        field.fault("faults withheld")
    else:
        with faults.frozen(others, run.world):
            field.fault(f"{', '.join(node.name for node in others)} frozen")
            begun = clock.now()
            field.until(lambda: clock.now() - begun >= BEHIND, "the leader to be ahead")
            faults.kill(leader, run.world)
            field.fault(f"{leader.name} killed, the others go on")
    at = clock.now()
    field.until(
        lambda: all(_count(each, known[id(each)], at) > AFTER for each in writers), "the writers to go on"
    )
    field.finish(*writers)
    return field.faults


def _count(writer: Worker, kind: Kind, since: float = 0.0) -> int:
    return sum(event.at > since for event in of(list(writer.events), kind))


def _row(field: Field, client: Client, cell: Cell, order: Order, told: Sequence[str]) -> Row:
    try:
        log = field.log()
    except NotMeasured as error:
        return Row(cell, client, order.setting, {}, faults=tuple(told), why=str(error))
    events = field.events()
    found, ends = anomalies(events, log), outcomes(events)
    stood = {one.number for logged in log.values() for one in logged}
    sent = {event.number for event in of(events, Kind.SEND)}
    counts = {name.value: count for name, count in found.items()} | {"missing": len(sent - stood)}
    acks = [event.at for event in of(events, Kind.ACK)]
    gap = max((after - before for before, after in pairwise(acks)), default=None)
    also: dict[str, object] = {name: ends[name] for name in ("acked", "unknown", "failed")}
    # An anomaly that nothing is claimed of is told where there is any.
    also |= {
        name: count for name, count in counts.items() if count and name not in {*cell.allowed, "missing"}
    }
    also |= {} if gap is None else {"longest gap s": round(gap, 1)}
    return Row(cell, client, order.setting, {name: counts[name] for name in cell.allowed}, also, tuple(told))


def _chosen(cluster: Cluster, world: World) -> tuple[Node, tuple[Node, ...]]:
    """Return the broker that is to lead and die, which controls nothing, and two that follow it. Raises Failed."""
    if len(cluster.brokers) < 3:
        raise Failed(f"the drill of acks needs three brokers, and {cluster.name} has {len(cluster.brokers)}")
    seen = world.brokers.metadata()
    if isinstance(seen, Unknown):
        raise NotTold(f"{cluster.name}: {seen.reason}")
    controls = seen.controller
    if cluster.kraft:
        state = world.controllers.describe()
        if isinstance(state, Unknown):
            raise NotTold(f"{cluster.name}: {state.reason}")
        controls = state.leader
    leader = next(node for node in reversed(cluster.brokers) if node.id != controls)
    return leader, tuple(node for node in cluster.brokers if node is not leader)[:2]


ACKS = Drill(
    "acks",
    "Which acknowledged records are lost when the followers are behind and the leader is killed",
    lambda _client: (),
    _together,
)
