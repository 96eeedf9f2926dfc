"""Gates: proofs with a deadline, not sleeps. A gate looks until what it waits for is true, or says what is missing.

While a gate waits for processes it also watches them: each exit is told within two seconds, with its cause. The last gate
of a start lets what was started serve for some seconds, as the processes that were started: a port that listens is no proof
that the process stays.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

from kafab.cluster.seen import Ask
from kafab.errors import Failed, OutcomeUnknown
from kafab.events import Note
from kafab.hosts import last_words, supervisor
from kafab.hosts.recovery import recovering
from kafab.hosts.supervisor import Report, State
from kafab.interruption import AGAIN
from kafab.model import Cluster, Node
from kafab.ops.see import reports, see
from kafab.ops.until import LOOK_EVERY, WATCH_EVERY, wait
from kafab.ops.world import World
from kafab.rolling import readiness
from kafab.rolling.readiness import Missing, Unanswered
from kafab.words import plural

ASK = timedelta(seconds=2)
"""How long one question to one node may take where it is asked again and again."""
LOOK_AT_HOSTS_EVERY = 0.3
QUORUM_LIMIT = timedelta(minutes=2)
"""A JVM on a busy host has taken 50 s to listen; one that exits is noticed at once all the same."""
OLD_SESSION_LIMIT = timedelta(seconds=60)
SILENCE_LIMIT = timedelta(seconds=20)
"""How long after its last answer a host's silence makes the outcome unknown; with the look that finds it out, 30 s at most."""
RECOVERY_EVERY = timedelta(seconds=5)
STEADY = timedelta(seconds=3)
"""How long what was started must serve as one process; a broker has died 0.7 s after its port listened."""
STEADY_IN_A_LAB = timedelta(seconds=1)
"""A lab is started and stopped all day, and nobody leaves it running by itself."""
STEADY_LIMIT = timedelta(seconds=60)
STOP_LIMIT = timedelta(minutes=10)
"""The longest a broker's controlled shutdown is waited for; kafab never sends SIGKILL by itself."""


class Watch:
    """Looks at the processes of some nodes, again and again: one that ends is told, and one that stays UNKNOWN, too.

    Nodes in ``patient`` ran before us: systemd may be starting them again after a crash, and gives up by itself. Each exit
    of theirs is a line; a second one with the same cause, that time does not mend, is an end. ``processes`` are those that
    nodes were started as (node name -> `Report.process`); for the others the first that is seen counts.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        world: World,
        patient: Collection[str] = (),
        processes: Mapping[str, str] | None = None,
    ) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._world = world
        self._patient = patient
        self._answered = dict.fromkeys(self._nodes, world.clock.now())
        self._processes = dict(processes or {})
        self._exits: dict[str, str] = {}
        self._causes: dict[str, str] = {}

    def look(self, names: Collection[str]) -> dict[str, Report]:
        """Ask about these nodes; those that are Unknown are missing. Raises OutcomeUnknown after 20 s of silence."""
        answers = reports(supervisor.check, [self._nodes[name] for name in names], self._world.fleet)
        now, found = self._world.clock.now(), {}
        for name, answer in answers.items():
            if isinstance(answer, Report):
                self._answered[name] = now
                found[name] = answer
            elif now - self._answered[name] >= SILENCE_LIMIT.total_seconds():
                raise OutcomeUnknown(f"{name}: UNKNOWN: {answer.reason}", hint=AGAIN)
        return found

    def alive(self) -> Collection[str]:
        """Return the nodes that were seen to run; those that are Unknown are missing.

        Raises Failed for nodes whose process has ended, with the cause and its last log lines.
        """
        found = self.look(self._nodes)
        ended = {name: why for name, report in found.items() if (why := self._end(name, report))}
        if ended:
            told = "\n".join(f"{name}: {why}" for name, why in ended.items())
            hint = "the other nodes were left as they are; `fab logs NODE --lines 200` shows more"
            raise Failed(told, hint=hint)
        return found.keys()

    def _end(self, name: str, report: Report) -> str:
        """Return how the node's process has ended for good; "" for what runs or comes again by itself."""
        if report.state is State.RUNNING:
            return self._other_process(name, report)
        why = last_words.cause(report.log)
        if name in self._patient and report.state is State.RESTARTING:
            if not self._exited(name, report.process, why):
                return ""
            return f"the process exits again and again: {why}{_lines(report)}"
        return f"the process exited{_how(report)}{f': {why}' if why else ''}{_lines(report)}"

    def _other_process(self, name: str, report: Report) -> str:
        """Note that a node runs as another process than before; return how the one before ended where that was ours."""
        before = self._processes.get(name)
        self._processes[name] = report.process
        if not before or before == report.process or self._exits.get(name) == before:
            return ""
        text = f"the process exited (pid {_pid(before)}) and was started again as pid {report.detail}"
        if name not in self._patient:
            return text
        self._exits[name] = before
        self._world.emit(Note(name, text))
        return ""

    def _exited(self, name: str, process: str, why: str) -> bool:
        """Tell an exit of a node that systemd starts again, once; return whether it ended as it did before."""
        if self._exits.get(name) == process:
            return False
        same = self._causes.get(name) == why and why != "" and not last_words.mended_by_time(why)
        self._exits[name], self._causes[name] = process, why
        pid = f" (pid {_pid(process)})" if process else ""
        told = f": {why}" if why else ""
        self._world.emit(Note(name, f"the process exited{pid}{told}; systemd starts it again"))
        return same


class Recovery:
    """Says of nodes that are waited for long whether they recover their logs: nobody is to restart those."""

    def __init__(self, nodes: Sequence[Node], world: World) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._world = world
        self._looked = world.clock.now()
        self._words: dict[str, str] = {}

    def told(self, missing: Missing) -> Missing:
        """Return what is missing, of a node that recovers with how many of its logs remain."""
        now = self._world.clock.now()
        if now - self._looked >= RECOVERY_EVERY.total_seconds():
            self._looked = now
            asked = [self._nodes[name] for name in missing if name in self._nodes]
            answers = reports(supervisor.loading, asked, self._world.fleet)
            self._words = {
                name: recovering(answer.log) for name, answer in answers.items() if isinstance(answer, Report)
            }
        return {
            name: readiness.with_more(text, f": it {words}") if (words := self._words.get(name)) else text
            for name, text in missing.items()
        }

    @property
    def words(self) -> Mapping[str, str]:
        """What each node that recovers said when it was last looked at; other words are progress."""
        return {name: words for name, words in self._words.items() if words}


def _pid(process: str) -> str:
    return process.partition(" ")[0]


def _lines(report: Report) -> str:
    if not report.log:
        return ""
    return "\n  Its last lines, without the frames of stack traces:\n" + "\n".join(
        f"  {line}" for line in report.log
    )


def _how(report: Report) -> str:
    if report.state is State.STOPPED:
        return " after it was asked to stop"
    if report.state is State.STOPPING:
        return f" (pid {report.detail} was asked to stop by somebody else)"
    if report.state is State.RESTARTING:
        return f" (systemd has started it again {report.detail} times and goes on until its start limit)"
    return f" (pid {report.detail})" if report.detail else ""


def steady(
    cluster: Cluster, nodes: Sequence[Node], processes: Mapping[str, str], since: float, world: World
) -> None:
    """Let these nodes serve for some seconds as the processes that they were started as (node name -> `Report.process`).

    ``since`` is the time of the clock at which they were seen to serve.

    Raises Failed where one has ended meanwhile, also where systemd has started another one in its place by now.
    """
    watch = Watch(nodes, world, processes=processes)
    enough = STEADY_IN_A_LAB if cluster.lab else STEADY

    def look() -> Missing:
        seen = watch.alive()
        for node in nodes:
            if node.name not in seen:
                return {node.name: Unanswered(f"{node.host.name} does not answer")}
        passed = world.clock.now() - since
        return {} if passed >= enough.total_seconds() else {cluster.name: f"they serve since {passed:.0f} s"}

    if nodes:
        left = enough.total_seconds() - (world.clock.now() - since)
        looks = max(math.ceil(left / WATCH_EVERY), 1)
        every = max(left / looks, LOOK_EVERY)
        wait(look, "the same processes to go on", STEADY_LIMIT, world, every=every)


def quorum(cluster: Cluster, awaited: Sequence[Node], world: World) -> None:
    """Wait until the awaited servers and a majority of the ensemble serve, under one leader."""

    def look() -> Missing:
        return readiness.ensemble(cluster, awaited, see(cluster, world, Ask(voters=cluster.zookeepers)))

    watch = Watch(awaited, world).alive if awaited else None
    wait(look, "ZooKeeper quorum", QUORUM_LIMIT, world, watch=watch)
    size = plural(len(cluster.zookeepers), "server")
    world.emit(Note(cluster.name, f"ZooKeeper has a quorum and one leader ({size})"))


def old_registrations_gone(cluster: Cluster, brokers: Sequence[Node], world: World) -> None:
    """Wait until ZooKeeper has ended the sessions of killed brokers.

    A broker that starts before that exits at once with NodeExists (Kafka's KafkaZkClient.registerBroker).
    """

    def look() -> Missing:
        return readiness.old_sessions(brokers, see(cluster, world, Ask(registrations=True)))

    wait(look, "old registration to go", OLD_SESSION_LIMIT, world)


def gone(
    nodes: Sequence[Node],
    world: World,
    stopped: Callable[[str], None],
    asked: Mapping[str, str] | None = None,
) -> None:
    """Wait until the processes of these nodes have ended; ``stopped`` is called with each name as it does.

    ``asked`` has the process that was asked to end (node name -> `Report.process`): another one in its place, which a host
    that was rebooted meanwhile has started, is not waited for.
    """
    watch, left = Watch(nodes, world), {node.name: node for node in nodes}
    asked = asked or {}

    def look() -> Missing:
        found = watch.look(left)
        for name, report in found.items():
            other = report.process and asked.get(name, report.process) != report.process
            if other or report.state not in (State.RUNNING, State.STOPPING):
                stopped(name)
                del left[name]
        others_gone = len(left) < len(nodes)
        return {name: _still_there(node, found.get(name), others_gone) for name, node in left.items()}

    every = min(LOOK_AT_HOSTS_EVERY, LOOK_EVERY * len(nodes))
    wait(look, "clean shutdown", STOP_LIMIT, world, every=every)


def _still_there(node: Node, report: Report | None, others_gone: bool) -> str:
    host = node.host.name
    if report is None:
        return Unanswered(f"{host} does not answer")
    if report.frozen:
        return f"pid {report.detail} is frozen and cannot end: `kill -CONT {report.detail}` on {host} lets it go on"
    if node.combined and others_gone:
        # BrokerServer.shutdown: the controllers that would have let it go have ended before it asked them.
        return "its process still runs; where too few controllers are left to let it go, Kafka gives up after 5 min"
    return "its process still runs"
