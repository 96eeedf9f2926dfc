"""Cells that meet the same faults: each a writer on a partition of its own. What all of them go through together is a phase."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from kafab.cluster.metadata import TopicSpec
from kafab.drills.checker import Anomaly, anomalies, longest_gap, outcomes
from kafab.drills.history import Event, Kind, Log, of
from kafab.drills.orders import Order, Role
from kafab.drills.rows import Cell, Row
from kafab.drills.story import story
from kafab.errors import KafabError, NotTold
from kafab.events import Note
from kafab.model import Cluster, Node
from kafab.ops.drills import faults
from kafab.ops.drills.field import LIMIT, Field, NotMeasured, Run
from kafab.ops.world import World
from kafab.ports import Worker
from kafab.records.settings import Acks, Client
from kafab.unknown import Unknown

BEFORE, AFTER = 50, 50
"""Records of each writer before the fault, and after it."""
EVERY = 0.02
"""Seconds between two records of a writer."""
LOOK_EVERY = 0.2
MOST = 100_000
"""Records that a writer has numbers for."""
ABORTED = "aborted-read"
"""Refused, and in the log all the same: Jepsen's G1a."""
LOST, TWICE, ORDER = (
    Anomaly.LOST_WRITE.value,
    Anomaly.DUPLICATE.value,
    Anomaly.NONMONOTONIC_SEND.value,
)


@dataclass(frozen=True)
class Roles:
    """Who is who among the brokers: none of the others is the controller, which in KRaft mode may be no broker at all."""

    leader: Node
    """It leads, and is what the fault is about."""
    follower: Node
    bystander: Node
    """The controller, where a broker is that."""

    @property
    def all(self) -> tuple[int, ...]:
        """The ids of all three, the leader's first."""
        return (self.leader.id, self.follower.id, self.bystander.id)


@dataclass(frozen=True)
class Entry:
    """A cell of a phase and its writer. ``replicas`` of its partition, the preferred leader first; ``configs`` of its topic."""

    cell: Cell
    replicas: Callable[[Roles], tuple[int, ...]]
    configs: Mapping[str, str]
    acks: Acks = Acks.ALL
    idempotent: bool = False
    retries: int | None = None
    request: float = 0.0
    delivery: float = 0.0
    goes_on: bool = True
    """Whether its writer has to go on before the broker is back."""


@dataclass
class Member:
    """A cell that is being measured with one client."""

    entry: Entry
    client: Client
    on: Field
    order: Order
    worker: Worker
    why: str = ""
    """Why it cannot be measured any more."""
    more: dict[str, int] = field(default_factory=dict)
    """Counts that the phase itself has made."""

    def acked(self, since: float = 0.0, until: float | None = None) -> int:
        """Return how many records were acknowledged between two times; with acks=0, which has no answers, how many were sent."""
        kind = Kind.SEND if self.order.acks is Acks.NONE else Kind.ACK
        return sum(
            event.at > since and (until is None or event.at <= until)
            for event in of(list(self.worker.events), kind)
        )

    @property
    def trouble(self) -> str:
        """What the client said when it could go on no more."""
        return next((event.detail for event in of(list(self.worker.events), Kind.TROUBLE)), "")

    def went_on(self, since: float) -> bool:
        """Whether enough records were acknowledged that were sent after this time, or its client goes on no more."""
        events = list(self.worker.events)
        if self.trouble:
            return True
        late = {event.number for event in of(events, Kind.SEND) if event.at > since}
        if self.order.acks is Acks.NONE:
            return len(late) > AFTER
        return sum(event.number in late for event in of(events, Kind.ACK)) > AFTER


@dataclass(frozen=True)
class Phase:
    """What some cells go through together; ``fault`` puts the faults, takes frozen nodes out again, and may mend."""

    name: str
    entries: Sequence[Entry]
    fault: "Callable[[Party], None]"


class Party:
    """The members of one phase, at work."""

    def __init__(self, drill: str, phase: Phase, run: Run, roles: Roles) -> None:
        self.run, self.roles, self.phase = run, roles, phase
        self.members: list[Member] = []
        self.told: list[str] = []
        """What was done to brokers, each with its time since the writers' beginning."""
        self.moments: list[tuple[float, str]] = []
        """The same with the moment of each, by the clock of the world."""
        self._drill = drill
        self._fields: list[Field] = []
        self._begun = run.world.clock.now()

    def enter(self, clients: Sequence[Client], stack: ExitStack) -> None:
        """Make the topics, one for all entries of the same settings, and start the writers."""
        alike: dict[tuple[tuple[str, str], ...], list[tuple[Entry, Client]]] = {}
        for entry in self.phase.entries:
            key = tuple(sorted(entry.configs.items()))
            alike.setdefault(key, []).extend((entry, client) for client in clients)
        for number, (configs, there) in enumerate(alike.items()):
            assignment = tuple(entry.replicas(self.roles) for entry, _ in there)
            spec = TopicSpec("", configs=dict(configs), assignment=assignment)
            made = Field(self.run, clients[0], f"{self._drill}-{self.phase.name}-{number}", len(there), spec)
            made.tells = f"{self._drill}, {self.phase.name}"
            self._fields.append(made)
            stack.enter_context(made)
            for partition, (entry, client) in enumerate(there):
                order = _order(made, partition, entry, client)
                self.members.append(Member(entry, client, made, order, made.start(order)))
        self.members.sort(key=lambda one: self.phase.entries.index(one.entry))
        self._begun = self.run.world.clock.now()

    def note(self, what: str) -> float:
        """Take note of what was done now; return the time."""
        now = self.run.world.clock.now()
        self.told.append(f"{what} after {now - self._begun:.1f} s")
        self.moments.append((now, what))
        return now

    def until(self, look: Callable[[], object], what: str, limit: timedelta = LIMIT) -> None:
        """Wait until it is so. Raises NotMeasured where it is not in time."""
        self._fields[0].until(look, what, limit, every=LOOK_EVERY)

    def pause(self, seconds: float, what: str) -> None:
        """Let the writers work for so long."""
        clock = self.run.world.clock
        begun = clock.now()
        self.until(lambda: clock.now() - begun >= seconds, what)

    def each(
        self, members: Collection[Member], look: Callable[[Member], bool], what: str, limit: timedelta = LIMIT
    ) -> None:
        """Wait until it is so of each of these; one of which it is not in time is not measured, and the others go on."""
        left = [member for member in members if not member.why]

        def all_so() -> bool:
            left[:] = [member for member in left if not look(member)]
            return not left

        try:
            self.until(all_so, what, limit)
        except NotMeasured:
            for member in left:
                said = f": {member.worker.said}" if member.worker.said else ""
                member.why = f"{what}: not within {limit.total_seconds():.0f} s{said}"

    def go_on(self, members: Collection[Member], since: float) -> None:
        """Wait until these writers have gone on with records that were sent after this time."""
        self.each(members, lambda one: one.went_on(since), "the writers to go on")

    def finish(self, members: Collection[Member]) -> None:
        """Let these writers end in good order."""
        for member in members:
            member.worker.finish()
        self.each(members, lambda one: one.worker.ended is not None, "the writers to end")

    def views(
        self, look: Callable[[Mapping[tuple[str, int], tuple[int | None, tuple[int, ...]]]], bool]
    ) -> bool:
        """Judge leader and ISR of each partition as the bystander shows them; False where it does not answer."""
        seen = self.run.world.brokers.metadata(self.roles.bystander.endpoint)
        if isinstance(seen, Unknown):
            return False
        return look({(one.topic, one.number): (one.leader, one.isr) for one in seen.partitions})

    def rows(self) -> list[Row]:
        """Read the logs to their ends, and judge."""
        logs: dict[str, Log | str] = {}
        for each in self._fields:
            logs[each.topic] = _read(each)
        return [self._row(member, logs[member.on.topic]) for member in self.members]

    def _row(self, member: Member, log: Log | str) -> Row:
        cell, told = member.entry.cell, tuple(self.told)
        went = story(list(member.worker.events), self.moments)
        why = member.why or (log if isinstance(log, str) else "")
        if why or isinstance(log, str):
            return Row(cell, member.client, setting(member), {}, faults=told, why=why, story=went)
        partition = member.order.partition or 0
        counts, also = judged(member.worker.events, {partition: log[partition]})
        counts |= member.more
        # An anomaly that nothing is claimed of is told where there is any.
        hidden = {*cell.allowed, "missing", "not acked"}
        shown = {name: count for name, count in counts.items() if count and name not in hidden}
        if member.order.acks is Acks.NONE:
            del also["acked"]
        if ended := member.trouble:
            also["ended by"] = ended
        measured = {name: counts[name] for name in cell.allowed if name in counts}
        return Row(cell, member.client, setting(member), measured, shown | also, told, story=went)

    def not_measured(self, clients: Sequence[Client], why: str) -> list[Row]:
        """Return the rows of a phase that did not come to its end."""
        told = tuple(self.told)
        return [
            Row(entry.cell, client, "", {}, faults=told, why=why)
            for entry in self.phase.entries
            for client in clients
        ]

    @property
    def left(self) -> list[str]:
        """What could not be removed."""
        return [each.left for each in self._fields if each.left]


def together(drill: str, phases: Sequence[Phase], run: Run, clients: Sequence[Client]) -> list[Row]:
    """Go through phases one after another, and return their rows. Whatever happens, the faults are taken back.

    Raises Failed where a broker does not come back: the next phase would measure that.
    """
    rows: list[Row] = []
    for phase in phases:
        party = Party(drill, phase, run, roles(run.cluster, run.world))
        try:
            rows += _measured(party, clients)
        except (NotMeasured, KafabError) as error:
            faults.mend(run.cluster, run.world)
            rows += party.not_measured(clients, str(error))
        finally:
            for left in party.left:
                run.world.emit(Note(run.cluster.name, left))
    return rows


def _measured(party: Party, clients: Sequence[Client]) -> list[Row]:
    run = party.run
    faults.whole(run.cluster, run.world)  # a fault of the phase before would be measured
    with ExitStack() as stack:
        # It is called before the topics are removed, which needs all brokers.
        party.enter(clients, stack)
        stack.callback(faults.mend, run.cluster, run.world)
        party.each(party.members, lambda one: one.acked() > BEFORE, "the writers' first records")
        if run.orderly:
            party.go_on(party.members, party.note("faults withheld"))
        else:
            party.phase.fault(party)
            # A broker comes back sooner where fewer are at work.
            party.finish([one for one in party.members if one.entry.goes_on])
            since = run.world.clock.now()
            faults.mend(run.cluster, run.world)
            party.go_on([one for one in party.members if not one.entry.goes_on], since)
        party.finish(party.members)
        faults.whole(run.cluster, run.world)
        return party.rows()


def _read(made: Field) -> Log | str:
    try:
        return made.log()
    except NotMeasured as error:
        return str(error)


def _order(made: Field, partition: int, entry: Entry, client: Client) -> Order:
    return made.order(
        f"writer-{partition}",
        Role.WRITE,
        client=client,
        partition=partition,
        first=partition * MOST,
        count=MOST,
        acks=entry.acks,
        idempotent=entry.idempotent,
        retries=entry.retries,
        request=entry.request,
        delivery=entry.delivery,
        effect=EVERY,
    )


def setting(member: Member) -> str:
    """Return what decides the result, of the producer and of the topic."""
    configs = member.entry.configs
    words = [member.order.setting, f"min ISR {configs['min.insync.replicas']}"]
    if configs.get("unclean.leader.election.enable") == "true":
        words.append("unclean election on")
    return ", ".join(words)


def judged(events: Sequence[Event], log: Log) -> tuple[dict[str, int], dict[str, object]]:
    """Return the counts of one writer, ``missing`` (sent, not in the log) among them, and its figures.

    The log is read to its end when all replicas are in sync again: what a longer reading might find (`Anomaly.UNSEEN`) is
    lost here.
    """
    found, ends = anomalies(events, log), outcomes(events)
    stood = {one.number for logged in log.values() for one in logged}
    sent = {event.number for event in of(events, Kind.SEND)}
    counts = {name.value: count for name, count in found.items()}
    counts[LOST] += counts.pop(Anomaly.UNSEEN.value)
    refused = {event.number for event in of(events, Kind.FAIL)}
    counts |= {
        "missing": len(sent - stood),
        ABORTED: len(refused & stood),
        "refused": ends["failed"],
        "unknown": ends["unknown"],
    }
    counts["not acked"] = ends["failed"] + ends["unknown"]
    also: dict[str, object] = {"acked": ends["acked"]}
    gap = longest_gap([event.at for event in of(events, Kind.ACK)], float("-inf"), float("inf"))
    also |= {} if gap is None else {"longest gap s": round(gap, 1)}
    return counts, also


def roles(cluster: Cluster, world: World) -> Roles:
    """Choose three brokers by what they do at this moment: the controller is to stand by. Raises NotTold, and Failed below three."""
    controls = controller(cluster, world)
    others = [node for node in reversed(cluster.brokers) if node.id != controls]
    bystander = next((node for node in cluster.brokers if node.id == controls), others[-1])
    leader, follower = [node for node in others if node is not bystander][:2]
    return Roles(leader, follower, bystander)


def controller(cluster: Cluster, world: World) -> int:
    """Return the id of the controller, which in KRaft mode may be no broker. Raises NotTold."""
    if cluster.kraft:
        state = world.controllers.describe()
        if isinstance(state, Unknown):
            raise NotTold(f"{cluster.name}: {state.reason}")
        return state.leader
    found = world.zookeeper.controller()
    if isinstance(found, Unknown) or found.broker is None:
        why = found.reason if isinstance(found, Unknown) else "no controller is elected"
        raise NotTold(f"{cluster.name}: {why}")
    return found.broker
