"""The drill of failover: who takes over when the leader of a partition or the controller is gone, how soon, and what clients notice.

kafab itself looks at the metadata; a producer and a consumer of each client work all the while. Three things happen one after
another: the leader is killed, it comes back, and the controller's office is vacated: in ZooKeeper mode its znode is removed, in
KRaft mode the active controller is killed.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

from kafab.cluster.metadata import Partition, TopicSpec
from kafab.cluster.seen import Ask
from kafab.drills.checker import processed
from kafab.drills.rows import NONE, Allowed, Cell, Row
from kafab.errors import Failed, KafabError
from kafab.events import Note
from kafab.model import Cluster, Node
from kafab.ops.drills import faults
from kafab.ops.drills.field import Field, NotMeasured, Run
from kafab.ops.drills.pairs import Pair, gaps_told, working
from kafab.ops.drills.party import LOST, ORDER, TWICE, Roles, judged, roles
from kafab.ops.drills.trials import Drill
from kafab.ops.see import see
from kafab.ops.world import World
from kafab.records.settings import Client
from kafab.unknown import Unknown

ONE = Allowed(1, 1)
QUIET = 2.0
"""Seconds in which nothing must happen where the fault is withheld."""
BUSY = 20.0
"""Seconds beyond a session's timeout, or an election's, that are no fault of Kafka's on a busy machine."""
BACK = 90.0
"""Seconds within which a broker that is started again must be in the ISR; it has logs to recover."""
WORKS = 50
"""Records of each producer before a fault and after it."""
ASK = timedelta(seconds=2)
LOOK_EVERY = 0.1
LOOK_AT_CLIENTS_EVERY = 0.2

LEADER = Cell(
    "leader killed",
    "another replica in sync leads, once the session is over",
    {"moved": ONE, "outside the ISR": NONE, "late": NONE},
    control=True,
)
ALONE = Cell(
    "leader killed, no other replica", "no leader until it is back", {"leaderless": ONE}, control=True
)
RETURN = Cell(
    "the broker is back",
    "in the ISR again",
    {"outside the ISR": NONE, "late": NONE},
)
ZNODE = Cell(
    "the controller's znode removed",
    "one election, the next epoch",
    {"epochs": ONE, "late": NONE},
    control=True,
)
QUORUM = Cell(
    "the active controller killed",
    "another controller leads in a later epoch",
    {"epochs": Allowed(1, None), "moved": ONE, "late": NONE},
    control=True,
)
PRODUCER = Cell(
    "a producer meanwhile",
    "waits for the new leader; once and in order",
    {LOST: NONE, TWICE: NONE, ORDER: NONE, "waited": ONE},
    control=True,
)
CONSUMER = Cell(
    "a consumer meanwhile",
    "waits for the new leader; skips nothing",
    {"skipped": NONE, "waited": ONE},
    control=True,
)


def led(before: Partition, after: Partition | None) -> dict[str, int]:
    """Count what became of a partition's leader: whether it has moved, and whether to a replica that was not in the ISR."""
    leader = after.leader if after else None
    moved = leader is not None and leader != before.leader
    return {"moved": int(moved), "outside the ISR": int(moved and leader not in before.isr)}


def session(cluster: Cluster, node: Node, world: World) -> float:
    """Return the seconds after which a silent broker is missed, as the broker itself has it. Raises Failed where it does not say."""
    key = "broker.session.timeout.ms" if cluster.kraft else "zookeeper.session.timeout.ms"
    found = world.brokers.broker_configs(node.id, node.endpoint, [key])
    if isinstance(found, Unknown):
        raise Failed(f"{node.name} does not tell its {key}: {found.reason}")
    if key not in found or found[key].value is None:
        raise Failed(f"{node.name} has no {key}")
    return int(found[key].value or 0) / 1000


class Failover:
    """One run of the drill."""

    def __init__(self, run: Run, clients: Sequence[Client], stack: ExitStack, fields: list[Field]) -> None:
        self.run, self.fields = run, fields
        self.roles: Roles = roles(run.cluster, run.world)
        self.session = session(run.cluster, self.roles.leader, run.world)
        self.told: list[str] = []
        self._begun = run.world.clock.now()
        spec = TopicSpec("", configs={"min.insync.replicas": "2"}, assignment=(self.roles.all,))
        lone = TopicSpec("", configs={"min.insync.replicas": "1"}, assignment=((self.roles.leader.id,),))
        fields += [Field(run, client, f"failover-{client.value}", 1, spec) for client in clients]
        fields.append(Field(run, clients[0], "failover-alone", 1, lone))
        for each in self.fields:
            each.tells = "failover"
            stack.enter_context(each)
        self.pairs = [working(client, on) for client, on in zip(clients, self.fields, strict=False)]
        stack.callback(faults.mend, run.cluster, run.world)

    def measured(self) -> list[Row]:
        """Go through all, and judge."""
        self._clients_work(float("-inf"), "the clients' first records")
        office = QUORUM if self.run.cluster.kraft else ZNODE
        rows = [
            *self._stage((LEADER, ALONE), self._leader_killed),
            *self._stage((RETURN,), self._back),
            *self._stage((office,), lambda: self._vacated(office)),
        ]
        faults.mend(self.run.cluster, self.run.world)
        faults.whole(self.run.cluster, self.run.world)
        rows += [row for pair in self.pairs for row in self._of_clients(pair)]
        return [replace(row, faults=tuple(self.told)) for row in rows]

    def _stage(self, cells: Sequence[Cell], go: Callable[[], list[Row]]) -> list[Row]:
        """Go through a part; what does not come to its end is told as not measured, and what follows begins with a whole cluster."""
        try:
            return go()
        except (NotMeasured, KafabError) as error:
            faults.mend(self.run.cluster, self.run.world)
            return [Row(cell, None, "", {}, why=str(error)) for cell in cells]

    def _leader_killed(self) -> list[Row]:
        topic, lone = self.fields[0].topic, self.fields[-1].topic
        before = self._partition(topic)
        if before is None or before.leader is None:
            raise NotMeasured(f"{topic} has no leader")
        begun = self._put(
            lambda: faults.kill(self.roles.leader, self.run.world), f"{self.roles.leader.name} killed"
        )

        def taken_over() -> bool:
            # What the survivors do not show yet, clients do not know either.
            shown = [self._partition(topic, node) for node in (self.roles.follower, self.roles.bystander)]
            return all(one is not None and led(before, one)["moved"] for one in shown)

        late = not self._within(taken_over, "a new leader", self.session + BUSY)
        took = self.run.world.clock.now() - begun
        after, alone = self._partition(topic), self._partition(lone)
        self._clients_work(self.run.world.clock.now(), "the clients to go on")
        self._gaps("killed", begun)
        also: dict[str, object] = {
            "leader": f"{before.leader} -> {after.leader if after else None}",
            "seconds": round(took, 1),
            "ISR before": _ids(before),
            "ISR after": _ids(after),
        }
        setting = f"3 replicas, session {self.session:g} s"
        counts = led(before, after) | {"late": int(late)}
        if self.run.orderly:
            counts["late"] = 0
        leaderless = {"leaderless": int(alone is not None and alone.leader is None)}
        return [
            Row(LEADER, None, setting, counts, also),
            Row(ALONE, None, "1 replica", leaderless, {"ISR after": _ids(alone)}),
        ]

    def _back(self) -> list[Row]:
        topic = self.fields[0].topic
        begun = self.run.world.clock.now()
        if not faults.start_again(self.run.cluster, self.run.world) and not self.run.orderly:
            raise NotMeasured("no broker was killed before")
        served = self.run.world.clock.now() - begun
        self._note(f"{self.roles.leader.name} serves again")

        def in_sync() -> bool:
            now = self._partition(topic)
            return now is not None and set(now.isr) == set(self.roles.all)

        late = not self._within(in_sync, "the broker to be in the ISR", BACK)
        took = self.run.world.clock.now() - begun
        now = self._partition(topic)
        outside = len(set(self.roles.all) - set(now.isr if now else ()))
        also: dict[str, object] = {
            "seconds from its start": round(took, 1),
            "served after": round(served, 1),
            "leader": None if now is None else now.leader,
            "ISR after": _ids(now),
        }
        self._clients_work(self.run.world.clock.now(), "the clients to go on")
        self._gaps("back", begun)
        faults.mend(self.run.cluster, self.run.world)
        return [Row(RETURN, None, "3 replicas", {"outside the ISR": outside, "late": int(late)}, also)]

    def _vacated(self, cell: Cell) -> list[Row]:
        cluster, world = self.run.cluster, self.run.world
        before = _office(cluster, world)
        if isinstance(before, Unknown):
            raise NotMeasured(before.reason)
        begun = self._put(lambda: self._vacate(before[0]), cell.name)
        found: list[tuple[int, int]] = [before]

        def elected() -> bool:
            now = _office(cluster, world)
            if not isinstance(now, Unknown):
                found.append(now)
            return found[-1][1] > before[1]

        late = not self._within(elected, "a new controller", BUSY)
        took = self.run.world.clock.now() - begun
        self._clients_work(self.run.world.clock.now(), "the clients to go on")
        self._gaps("controller", begun)
        now = found[-1]
        also: dict[str, object] = {
            "controller": f"{before[0]} -> {now[0]}",
            "epoch": f"{before[1]} -> {now[1]}",
            "seconds": round(took, 1),
        }
        counts = {"epochs": now[1] - before[1], "moved": int(now[0] != before[0])}
        counts["late"] = 0 if self.run.orderly else int(late)
        measured = {name: counts[name] for name in cell.allowed}
        return [Row(cell, None, "KRaft" if cluster.kraft else "ZooKeeper", measured, also)]

    def _vacate(self, holder: int) -> None:
        cluster, world = self.run.cluster, self.run.world
        if cluster.kraft:
            faults.kill(next(node for node in cluster.controllers if node.id == holder), world)
        elif isinstance(forced := world.zookeeper.force_election(), Unknown):
            raise Failed(forced.reason)

    def _of_clients(self, pair: Pair) -> list[Row]:
        producer, consumer = pair.orders
        if "killed" not in pair.gaps["producer"]:
            pair.why = pair.why or "no leader was killed"
        if pair.why:
            return [
                Row(cell, pair.client, order.setting, {}, why=pair.why)
                for cell, order in ((PRODUCER, producer), (CONSUMER, consumer))
            ]
        pair.producer.finish()
        try:
            pair.on.until(lambda: pair.producer.ended is not None, "the producer to end")
            log = pair.on.log()
            pair.on.processed((pair.consumer,), log)
            pair.on.finish(pair.consumer)
        except NotMeasured as error:
            pair.why = str(error)
            return self._of_clients(pair)
        counts, _ = judged(pair.producer.events, log)
        read = processed(pair.consumer.events, log)
        return [
            Row(
                cell,
                pair.client,
                order.setting,
                {name: count for name, count in counted.items() if name in cell.allowed}
                | {"waited": int((pair.gaps[who].get("killed") or 0) > self.session / 2)},
                gaps_told(pair.gaps[who]) | more,
            )
            for cell, order, counted, who, more in (
                (PRODUCER, producer, counts, "producer", {}),
                (CONSUMER, consumer, read, "consumer", {"repeated": read["repeated"]}),
            )
        ]

    def _put(self, fault: Callable[[], object], what: str) -> float:
        """Put a fault, unless all are withheld; return the time."""
        if self.run.orderly:
            self._note("fault withheld")
        else:
            fault()
            self._note(what)
        return self.run.world.clock.now()

    def _within(self, look: Callable[[], bool], what: str, seconds: float) -> bool:
        """Wait until it is so; return whether it was in time."""
        limit = QUIET if self.run.orderly else seconds
        try:
            self.fields[0].until(look, what, timedelta(seconds=limit), every=LOOK_EVERY)
        except NotMeasured:
            return False
        return True

    def _clients_work(self, since: float, what: str) -> None:
        """Wait until each client has written and read some records since then; one that has not is not measured."""
        for pair in self.pairs:
            if pair.why:
                continue
            try:
                self.fields[0].until(
                    lambda pair=pair: pair.acked(since) > WORKS and pair.had(since) > WORKS,  # type: ignore[misc]
                    what,
                    every=LOOK_AT_CLIENTS_EVERY,
                )
            except NotMeasured as error:
                pair.why = f"{error}: {pair.producer.said} {pair.consumer.said}".strip(" :")

    def _gaps(self, name: str, since: float) -> None:
        for pair in self.pairs:
            pair.measure(name, since, self.run.world.clock.now())

    def _partition(self, topic: str, at: Node | None = None) -> Partition | None:
        """Return the topic's one partition as a broker shows it."""
        seen = self.run.world.brokers.metadata((at or self.roles.bystander).endpoint, timeout=ASK)
        if isinstance(seen, Unknown):
            return None
        return next((one for one in seen.partitions if one.topic == topic), None)

    def _note(self, what: str) -> None:
        self.told.append(f"{what} after {self.run.world.clock.now() - self._begun:.1f} s")


def _office(cluster: Cluster, world: World) -> tuple[int, int] | Unknown:
    """Return who is the controller, and in which epoch."""
    seen = see(cluster, world, Ask(controller=True, timeout=ASK))
    if cluster.kraft:
        state = seen.controllers.state
        return state if isinstance(state, Unknown) else (state.leader, state.epoch)
    found = seen.ensemble.controller
    if isinstance(found, Unknown):
        return found
    return Unknown("no controller is elected") if found.broker is None else (found.broker, found.epoch)


def _ids(partition: Partition | None) -> str:
    return "unknown" if partition is None else " ".join(map(str, partition.isr)) or "none"


def _measure(run: Run, clients: Sequence[Client]) -> Sequence[Row]:
    if (count := len(run.cluster.brokers)) < 3:
        raise Failed(f"the drill of failover needs three brokers, and {run.cluster.name} has {count}")
    fields: list[Field] = []
    try:
        with ExitStack() as stack:
            return Failover(run, clients, stack, fields).measured()
    finally:
        for each in fields:
            if each.left:
                run.world.emit(Note(run.cluster.name, each.left))


FAILOVER = Drill(
    "failover",
    "Who takes over when a leader or the controller is gone, how soon, and what clients notice",
    lambda _client: (),
    _measure,
)
