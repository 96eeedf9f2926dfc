"""start, stop, restart: processes in the order that keeps data safe.

Start: ZooKeeper or the controllers, a quorum, brokers, each proven to serve. Stop: brokers, each proven to be gone, and
only then what they need: a ZooKeeper-mode broker whose ensemble is gone hangs in its shutdown. Each observes first and does only
what is missing, so an interrupted one is resumed by running it again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from kafab.cluster.seen import Ask
from kafab.config.render import MAIN_FILE
from kafab.errors import Failed, Interrupted, KafabError, OutcomeUnknown, Unsafe
from kafab.events import Note
from kafab.hosts import supervisor
from kafab.hosts.belonging import HINT, belonging, of_running
from kafab.hosts.facts import NodeFacts
from kafab.hosts.supervisor import State
from kafab.interruption import AGAIN, interruptible
from kafab.model import Cluster, Host, Node, Role
from kafab.ops.held import forget, guard_held, keep, lacking
from kafab.ops.lock import operating
from kafab.ops.observing import look
from kafab.ops.run import broker_gates, controller_gates, gates
from kafab.ops.run.guards import guard_access, guard_stop, running
from kafab.ops.run.voters import guard_voters, in_waves
from kafab.ops.see import by_host, reports, see
from kafab.ops.until import wait
from kafab.ops.world import World
from kafab.plans.plan import edited, guard_identities, guard_places, known
from kafab.plans.state import limited
from kafab.rolling.readiness import Missing
from kafab.rolling.safety import OVERRIDE
from kafab.unknown import Unknown

CLUSTER_ID_LIMIT = timedelta(seconds=20)


@dataclass
class _Progress:
    """What has been done so far, for Ctrl-C: the nodes that were ``asked`` to start or stop, and those that are ``done``."""

    verb: str
    nodes: Sequence[Node]
    asked: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    processes: dict[str, str] = field(default_factory=dict)
    """Node that was started -> its process, see `Report.process`."""

    def text(self) -> str:
        """Return which nodes were asked, and which were left as they were."""
        left = [node.name for node in self.nodes if node.name not in self.asked]
        asked = f"  asked to {self.verb}: {', '.join(self.asked) or 'none'}"
        return f"{asked}\n  left as they were: {', '.join(left) or 'none'}"

    def text_of_stop(self) -> str:
        """Return also which nodes have ended by now."""
        return f"  stopped: {', '.join(self.done) or 'none'}\n{self.text()}"


def start(
    cluster: Cluster,
    limit: str | None,
    world: World,
    *,
    anew: bool = False,
    accepted: Collection[str] = (),
) -> tuple[str, ...]:
    """Start what does not run, and prove that it serves; then its replicas get a moment to be in the ISR again.

    ``anew`` lets ZooKeeper servers that lost their data elect an empty leader; ``accepted`` are the nodes whose data
    directories may lack what they have held. Returns the names of the nodes that were started.
    Raises Unreachable before anything is started, Unsafe for foreign data, Failed with the evidence otherwise.
    """
    nodes = limited(cluster, limit)
    accepted = {*accepted, *(node.name for node in cluster.zookeepers if anew)}
    facts = _startable(cluster, nodes, world, accepted)
    idle = _idle(facts)
    guard_access(idle)
    if not idle:
        _prove_voters(cluster, [node for node in nodes if node.is_voter], world)
        _prove_brokers(cluster, nodes, world, started=())
        if lacking(facts):
            with operating(cluster, world, "start"):
                keep(cluster, nodes, world)
        return ()
    progress = _Progress("start", nodes)
    with interruptible(progress.text), operating(cluster, world, "start"):
        return _start_held(cluster, limit, world, progress, anew=anew, accepted=accepted)


def _start_held(
    cluster: Cluster,
    limit: str | None,
    world: World,
    progress: _Progress,
    *,
    anew: bool = False,
    accepted: Collection[str] = (),
) -> tuple[str, ...]:
    """Start under the lock."""
    # Looked at again: another operator may have finished between the look and the lock.
    idle = _idle(_startable(cluster, progress.nodes, world, accepted))
    guard_access(idle)
    # The unit compares the record as well: what is accepted is no longer in it.
    forget({node: found for node, found in idle.items() if node.name in accepted}, world)
    _tell_foreign(idle, world)
    ending = [node for node, facts in idle.items() if facts.stopping]
    if ending:
        complete = "the stop before this start is complete"
        gates.gone(ending, world, lambda name: world.emit(Note(name, complete)))
    first = [node for node in idle if node.is_voter]
    brokers = {node: facts for node, facts in idle.items() if not node.is_voter}
    if cluster.kraft and limit is not None and idle:
        _guard_live_cluster_id(cluster, idle, world)
    recording: list[Node] = []
    for wave in in_waves(cluster, first, idle, world, anew=anew):
        recording += _start(wave, world, progress) if wave else []
        _prove_voters(cluster, wave, world)
    if brokers and not cluster.kraft:
        _guard_cluster_id(cluster, brokers, world)
        gates.old_registrations_gone(cluster, list(brokers), world)
    if brokers:
        recording += _start(list(brokers), world, progress)
    since = _prove_brokers(cluster, progress.nodes, world, progress.done)
    started = [node for node in progress.nodes if node.name in progress.processes]
    gates.steady(cluster, started, progress.processes, since, world)
    _archive(recording, world)
    keep(cluster, progress.nodes, world)
    return tuple(progress.done)


def _tell_foreign(idle: Mapping[Node, NodeFacts], world: World) -> None:
    """Say which of these nodes start with what kafab did not write: files edited by hand, drop-ins of others."""
    for node, found in idle.items():
        if names := edited(found):
            told = f"starts with {', '.join(names)} as edited by hand on {node.host.name}; `fab plan` shows the difference"
            world.emit(Note(node.name, told))
        for path in found.foreign_units:
            world.emit(Note(node.name, f"starts with {path} in effect, which is not kafab's"))


def _idle(facts: Mapping[Node, NodeFacts]) -> dict[Node, NodeFacts]:
    """Return the nodes that do not run."""
    return {node: found for node, found in facts.items() if not found.running}


def _startable(
    cluster: Cluster, nodes: Sequence[Node], world: World, accepted: Collection[str] = ()
) -> dict[Node, NodeFacts]:
    """Return what each node's host said.

    Raises what forbids a start: foreign, lost or no data, nothing deployed, no Java. ``accepted`` are the nodes that may have lost some.
    """
    desired, observed = look(cluster, nodes, world)
    hosts = known(observed)
    guard_places(cluster, hosts)
    guard_identities(desired, hosts)
    facts = {node: hosts[node.host.name].nodes[node.instance] for node in nodes}
    guard_held(cluster, facts, accepted, world)
    bare = [
        node.name
        for node, found in facts.items()
        if found.release is None or MAIN_FILE[node.role] not in found.files
    ]
    if bare:
        raise Failed(f"not deployed: {', '.join(bare)}", hint="`fab deploy` first")
    # The first directory has the metadata; Kafka itself takes in an empty one beside it. ZooKeeper needs its id there.
    marked = [node for node in facts if cluster.kraft or node.role is Role.ZOOKEEPER]
    raw = [f"{node.name} {node.data[0]}" for node in marked if node.data[0] not in facts[node].identities]
    if raw:
        raise Failed(
            f"{'not formatted' if cluster.kraft else 'without a myid'}: {', '.join(raw)}",
            hint="`fab deploy` goes on where it was interrupted, and makes them ready",
        )
    no_java = [
        f"{host.name}: {_looked_for(host)}"
        for host in cluster.hosts
        if host.name in hosts and not hosts[host.name].java
    ]
    if no_java:
        raise Failed(
            "no Java:\n  " + "\n  ".join(no_java),
            hint="install Java 17, or set `java:` in the inventory",
        )
    return facts


def _looked_for(host: Host) -> str:
    return f"{host.java / 'bin/java'} cannot be run" if host.java else "none on the PATH nor in /usr/lib/jvm"


def _guard_cluster_id(cluster: Cluster, brokers: Mapping[Node, NodeFacts], world: World) -> None:
    """Refuse data of another cluster than ZooKeeper's: Kafka would exit with InconsistentClusterIdException."""
    ours: str | None = None

    def read() -> Missing:
        nonlocal ours
        found = see(cluster, world, Ask(identity=True)).ensemble.cluster_id
        if isinstance(found, Unknown):
            return {"ZooKeeper": found.reason}
        ours = found
        return {}

    # A quorum that was formed this moment may still throw a session out.
    wait(read, "ZooKeeper's cluster id", CLUSTER_ID_LIMIT, world)
    _refuse_foreign(cluster, brokers, ours, f"ZooKeeper's cluster id is {ours or 'not made yet'}")


def _guard_live_cluster_id(cluster: Cluster, idle: Mapping[Node, NodeFacts], world: World) -> None:
    """Refuse to bring nodes of another cluster to the one that runs; without a --limit the hosts were compared already."""
    others = [node for node in cluster.brokers if node not in idle]
    # Where no broker answers there is none to disagree with.
    for view in see(cluster, world, Ask(views=others)).known_views.values():
        ours = view.cluster_id
        _refuse_foreign(cluster, idle, ours, f"the running cluster's id is {ours}")


def _refuse_foreign(cluster: Cluster, nodes: Mapping[Node, NodeFacts], ours: str | None, text: str) -> None:
    foreign = [
        f"{place.node.name}: {place.path} belongs to cluster {place.cluster_id}"
        for place in of_running(belonging(cluster, nodes), ours)
    ]
    if foreign:
        chroot = "" if cluster.kraft else "check zookeeper.chroot; "
        hint = f"{chroot}{HINT}; nothing was started on them"
        raise Unsafe(f"{text}:\n  " + "\n  ".join(foreign), hint=hint)


def _prove_voters(cluster: Cluster, awaited: Sequence[Node], world: World) -> None:
    """Wait until the awaited servers or controllers, and a majority of all, serve under one leader."""
    if cluster.kraft:
        controller_gates.elected(cluster, awaited, world)
    else:
        gates.quorum(cluster, awaited, world)


def _prove_brokers(cluster: Cluster, nodes: Sequence[Node], world: World, started: Collection[str]) -> float:
    """Wait until the brokers among these nodes serve; return the time of the clock at which they were seen to."""
    brokers = [node for node in nodes if node.role is Role.BROKER]
    if not brokers:
        return world.clock.now()
    prove = controller_gates.unfenced if cluster.kraft else broker_gates.serving
    return prove(cluster, brokers, world, started=started)


def _archive(nodes: Sequence[Node], world: World) -> None:
    """Let the hosts make the archives of classes that these nodes lack; a start does not depend on them."""
    if nodes:
        world.fleet.run({host: supervisor.archive(there) for host, there in by_host(nodes).items()})


def _start(nodes: Sequence[Node], world: World, progress: _Progress) -> list[Node]:
    """Start these nodes; return those that record their classes for an archive. Raises what keeps one from starting."""
    progress.asked += [node.name for node in nodes]
    recording: set[str] = set()
    problems, unknown, taken = [], [], False
    for name, report in reports(supervisor.start, nodes, world.fleet).items():
        if isinstance(report, Unknown):
            unknown.append(f"{name}: UNKNOWN: {report.reason}")
        elif report.state is State.TAKEN:
            port, _, holder = report.detail.partition(" ")
            problems.append(f"{name}: port {port} is taken by {holder}; not started")
            taken = True
        elif report.state is State.FAILED:
            problems.append(f"{name}: not started: {report.detail}")
        else:
            progress.done.append(name)
            progress.processes[name] = report.process
            if report.state is State.RECORDING:
                recording.add(name)
            state = State.RUNNING if report.state is State.RUNNING else State.STARTED
            world.emit(Note(name, f"{state.value}, pid {report.detail}"))
    if problems:
        hint = "free the port or give the node another one in the inventory" if taken else AGAIN
        raise Failed("\n".join(problems + unknown), hint=hint)
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint=AGAIN)
    return [node for node in nodes if node.name in recording]


def stop(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop what runs, brokers first. Returns the names of the nodes that were stopped.

    With a limit the rest goes on serving, so what the rest needs is refused (Unsafe) unless ``unsafe``.
    """
    nodes = limited(cluster, limit)
    if not running(cluster, nodes, world):
        return ()
    progress = _Progress("stop", nodes)
    with interruptible(progress.text_of_stop), operating(cluster, world, "stop"):
        return _stop_held(cluster, world, progress, unsafe=unsafe)


def _stop_held(cluster: Cluster, world: World, progress: _Progress, *, unsafe: bool) -> tuple[str, ...]:
    """Stop under the lock."""
    # Looked at under the lock: what another operator has stopped by now counts.
    alive = running(cluster, progress.nodes, world)
    guarded = not unsafe and len(progress.nodes) < len(cluster.nodes)
    first = [node for node in alive if not node.is_voter]
    voters = [node for node in alive if node.is_voter]
    if guarded and alive:
        guard_stop(cluster, alive, world)
    # Whatever becomes of a disk from here on: what is on it now is known.
    keep(cluster, alive, world)
    _stop(first, world, progress)
    if guarded and first and voters:
        _guard_again(cluster, voters, progress.done, world)
    _stop(voters, world, progress)
    return tuple(progress.done)


def _guard_again(cluster: Cluster, quorum: Sequence[Node], stopped: Sequence[str], world: World) -> None:
    """Count the majority as it is by now: brokers may take minutes to end. Raises Unsafe or Failed with what was stopped."""
    try:
        guard_stop(cluster, quorum, world)
    except KafabError as error:
        hint = f"`fab start` brings them back; {OVERRIDE} stops the rest, too"
        kind = Unsafe if isinstance(error, Unsafe) else Failed
        raise kind(f"{error.message}\n  stopped by then: {', '.join(stopped)}", hint=hint) from error


def _stop(nodes: Sequence[Node], world: World, progress: _Progress) -> None:
    if not nodes:
        return
    progress.asked += [node.name for node in nodes]
    answers = reports(supervisor.stop, nodes, world.fleet)
    unknown = [f"{name}: UNKNOWN: {r.reason}" for name, r in answers.items() if isinstance(r, Unknown)]
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint=AGAIN)

    def note(name: str) -> None:
        progress.done.append(name)
        world.emit(Note(name, "stopped"))

    gates.gone(nodes, world, note)


def restart(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop and start again; service is interrupted. Returns the names of the nodes that were restarted or started.

    What forbids a start forbids the stop before it. Nobody else operates the cluster between the two.
    """
    nodes = limited(cluster, limit)
    facts = _startable(cluster, nodes, world)
    guard_access(facts)
    brokers = {node: found for node, found in facts.items() if node.role is Role.BROKER}
    if not cluster.kraft and any(found.running for found in brokers.values()):
        _guard_cluster_id(cluster, brokers, world)
    guard_voters(cluster, facts, world)
    stopping, starting = _Progress("stop", nodes), _Progress("start", nodes)
    try:
        with operating(cluster, world, "restart"):
            with interruptible(stopping.text_of_stop):
                _stop_held(cluster, world, stopping, unsafe=unsafe)
            with interruptible(starting.text):
                return _start_held(cluster, limit, world, starting)
    except Interrupted as error:
        # The same command again would stop what has come up by then.
        hint = "`fab start` brings up what was stopped; `fab status` shows what runs"
        raise Interrupted(error.message, hint=hint) from None
    except KafabError as error:
        # What fails between the two leaves nodes down that ran before: nothing else says which.
        if down := [name for name in stopping.done if name not in starting.done]:
            error.message += f"\n  stopped by this restart, not known to be started again: {', '.join(down)}"
        raise
