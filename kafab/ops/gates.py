"""Gates: proofs with a deadline, not sleeps. A gate looks until what it waits for is true, or says what is missing.

While a gate waits for processes it also watches them: one that exits is told within two seconds, with its last lines.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeAlias, TypeVar

from kafab import supervisor
from kafab.command import Script, Unknown
from kafab.errors import Failed, OutcomeUnknown
from kafab.events import Note, Waiting
from kafab.interruption import AGAIN
from kafab.model import Cluster, Node
from kafab.ops.world import World
from kafab.ports import Fleet
from kafab.supervisor import Report, State

ASK = timedelta(seconds=2)
"""How long one question to one node may take where it is asked again and again."""
LOOK_EVERY = 0.1
LOOK_AT_HOSTS_EVERY = 0.3
WATCH_EVERY = 1.0
QUORUM_LIMIT = timedelta(seconds=60)
OLD_SESSION_LIMIT = timedelta(seconds=60)
SILENCE_LIMIT = timedelta(seconds=20)
"""How long after its last answer a host's silence makes the outcome unknown; with the look that finds it out, 30 s at most."""
STOP_LIMIT = timedelta(minutes=10)
"""The longest a broker's controlled shutdown is waited for; kafab never sends SIGKILL by itself."""

T = TypeVar("T")

Look: TypeAlias = Callable[[], "Missing"]
Missing: TypeAlias = Mapping[str, str]
"""Node name -> what is still missing; empty when the gate is passed."""


def wait(
    look: Look,
    what: str,
    limit: timedelta,
    world: World,
    *,
    watch: Callable[[], None] | None = None,
    every: float = LOOK_EVERY,
) -> None:
    """Look until nothing is missing. Raises Failed at the deadline with what each node lacked, or what `watch` raises."""
    missing = until(look, what, limit, world, watch=watch, every=every)
    if missing:
        raise Failed(late(what, limit, missing), hint="`fab status` and `fab logs NODE` tell more")


def until(
    look: Look,
    what: str,
    limit: timedelta,
    world: World,
    *,
    watch: Callable[[], None] | None = None,
    every: float = LOOK_EVERY,
) -> Missing:
    """Look until nothing is missing or the time is over; return what is missing then. Raises what `watch` raises."""
    clock = world.clock
    begun = watched = clock.now()
    while True:
        missing = look()
        elapsed = timedelta(seconds=clock.now() - begun)
        if not missing or elapsed >= limit:
            return missing
        subject = next(iter(missing))
        world.emit(Waiting(subject, f"{what}: {missing[subject]}", elapsed, limit))
        if watch and clock.now() - watched >= WATCH_EVERY:
            watch()
            watched = clock.now()
        clock.sleep(every)


def late(what: str, limit: timedelta, missing: Missing) -> str:
    """Return what is told of a gate that was not passed in time: a line a node."""
    lines = "".join(f"\n  {name}: {text}" for name, text in missing.items())
    return f"{what}: not within {limit.total_seconds():.0f} s:{lines}"


def by_host(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """Group nodes by host name, in order."""
    grouped: dict[str, list[Node]] = {}
    for node in nodes:
        grouped.setdefault(node.host.name, []).append(node)
    return grouped


def ask(
    script: Callable[[Sequence[Node]], Script], nodes: Sequence[Node], fleet: Fleet
) -> dict[str, Report | Unknown]:
    """Run one supervisor script on the hosts of these nodes: node name -> report."""
    grouped = by_host(nodes)
    outcomes = fleet.run({host: script(there) for host, there in grouped.items()})
    answers: dict[str, Report | Unknown] = {}
    for host, there in grouped.items():
        answers |= supervisor.read(outcomes[host], there)
    return answers


class Watch:
    """Looks at the processes of some nodes, again and again: one that ends is told, and one that stays UNKNOWN, too.

    Nodes in ``patient`` ran before us: systemd may be starting them again after a crash, and gives up by itself.
    """

    def __init__(self, nodes: Sequence[Node], world: World, patient: Collection[str] = ()) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._world = world
        self._patient = patient
        self._answered = dict.fromkeys(self._nodes, world.clock.now())

    def look(self, names: Collection[str]) -> dict[str, Report]:
        """Ask about these nodes; those that are Unknown are missing. Raises OutcomeUnknown after 20 s of silence."""
        answers = ask(supervisor.check, [self._nodes[name] for name in names], self._world.fleet)
        now, reports = self._world.clock.now(), {}
        for name, answer in answers.items():
            if isinstance(answer, Report):
                self._answered[name] = now
                reports[name] = answer
            elif now - self._answered[name] >= SILENCE_LIMIT.total_seconds():
                raise OutcomeUnknown(f"{name}: UNKNOWN: {answer.reason}", hint=AGAIN)
        return reports

    def alive(self) -> None:
        """Raise Failed for nodes whose process has ended, with its last log lines."""
        ended = {
            name: report for name, report in self.look(self._nodes).items() if not self._well(name, report)
        }
        if ended:
            told = "\n".join(
                f"{name}: the process exited{_how(report)}. Its last lines:\n"
                + "\n".join(f"  {line}" for line in report.log)
                for name, report in ended.items()
            )
            hint = "the other nodes were left as they are; `fab logs NODE --lines 200` shows more"
            raise Failed(told, hint=hint)

    def _well(self, name: str, report: Report) -> bool:
        return report.state is State.RUNNING or (name in self._patient and report.state is State.RESTARTING)


def _how(report: Report) -> str:
    if report.state is State.STOPPED:
        return " after it was asked to stop"
    if report.state is State.STOPPING:
        return f" (pid {report.detail} was asked to stop by somebody else)"
    if report.state is State.RESTARTING:
        return f"; systemd has started it again {report.detail} times and goes on until its start limit"
    return f" (pid {report.detail})" if report.detail else ""


def quorum(cluster: Cluster, awaited: Sequence[Node], world: World) -> None:
    """Wait until the awaited servers and a majority of the ensemble serve, under one leader."""
    size, modes = len(cluster.zookeepers), {"leader", "follower", "observer", "standalone"}

    def look() -> Missing:
        members = side_by_side(cluster.zookeepers, lambda node: world.zookeeper.member(node.endpoint))
        silent = {name: member.reason for name, member in members.items() if isinstance(member, Unknown)}
        serving = [m.mode for m in members.values() if not isinstance(m, Unknown) and m.mode in modes]
        missing = {node.name: silent[node.name] for node in awaited if node.name in silent}
        leaders = sum(mode in {"leader", "standalone"} for mode in serving)
        if not missing and (leaders != 1 or len(serving) <= size // 2):
            missing[cluster.name] = f"{len(serving)} of {size} servers, {leaders} leaders"
        return missing

    wait(
        look, "ZooKeeper quorum", QUORUM_LIMIT, world, watch=Watch(awaited, world).alive if awaited else None
    )
    world.emit(Note(cluster.name, f"ZooKeeper has a quorum and one leader ({plural(size, 'server')})"))


def old_registrations_gone(brokers: Sequence[Node], world: World) -> None:
    """Wait until ZooKeeper has ended the sessions of killed brokers.

    A broker that starts before that exits at once with NodeExists (Kafka's KafkaZkClient.registerBroker).
    """

    def look() -> Missing:
        registered = world.zookeeper.registrations()
        if isinstance(registered, Unknown):
            return {brokers[0].name: registered.reason}
        return {
            broker.name: f"id {broker.id} is still registered as "
            f"{', '.join(map(str, registered[broker.id].endpoints))}, until zookeeper.session.timeout.ms has passed"
            for broker in brokers
            if broker.id in registered
        }

    wait(look, "old registration to go", OLD_SESSION_LIMIT, world)


def gone(nodes: Sequence[Node], world: World, stopped: Callable[[str], None]) -> None:
    """Wait until the processes of these nodes have ended; ``stopped`` is called with each name as it does."""
    watch, left = Watch(nodes, world), {node.name: node for node in nodes}

    def look() -> Missing:
        reports = watch.look(left)
        for name, report in reports.items():
            if report.state not in (State.RUNNING, State.STOPPING):
                stopped(name)
                del left[name]
        others_gone = len(left) < len(nodes)
        return {name: _still_there(node, reports.get(name), others_gone) for name, node in left.items()}

    wait(look, "clean shutdown", STOP_LIMIT, world, every=LOOK_AT_HOSTS_EVERY)


def _still_there(node: Node, report: Report | None, others_gone: bool) -> str:
    host = node.host.name
    if report is None:
        return f"{host} does not answer"
    if report.frozen:
        return f"pid {report.detail} is frozen and cannot end: `kill -CONT {report.detail}` on {host} lets it go on"
    if node.combined and others_gone:
        # BrokerServer.shutdown: the controllers that would have let it go have ended before it asked them.
        return "its process still runs; where too few controllers are left to let it go, Kafka gives up after 5 min"
    return "its process still runs"


def side_by_side(nodes: Sequence[Node], question: Callable[[Node], T]) -> dict[str, T]:
    """Ask about each node at the same time: silent ones must not add up. Node name -> answer."""
    if not nodes:
        return {}
    with ThreadPoolExecutor(max_workers=min(32, len(nodes))) as pool:
        return dict(zip([node.name for node in nodes], pool.map(question, nodes), strict=True))


def plural(count: int, noun: str) -> str:
    """Return ``1 broker`` or ``3 brokers``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
