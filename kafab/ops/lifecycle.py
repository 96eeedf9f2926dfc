"""start, stop, restart: processes in the order that keeps data safe.

Start: ZooKeeper, a quorum, brokers, each proven to serve. Stop: brokers, each proven to be gone, and only then
ZooKeeper: a ZooKeeper-mode broker whose ensemble is gone hangs in its shutdown. Each observes first and does only
what is missing, so an interrupted one is resumed by running it again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from kafab import supervisor
from kafab.command import Unknown
from kafab.errors import Failed, OutcomeUnknown, Unreachable, Unsafe
from kafab.events import Note
from kafab.facts import NodeFacts
from kafab.interruption import AGAIN, interruptible
from kafab.model import Cluster, Host, Node, Role
from kafab.ops import gates
from kafab.ops.lock import operating
from kafab.ops.observing import look
from kafab.ops.world import World
from kafab.plan import guard_identities, known
from kafab.render import MAIN_FILE
from kafab.safety import guard_brokers, guard_quorum
from kafab.state import limited
from kafab.supervisor import Report, State

OVERRIDE = "--unsafe"
ANSWER = timedelta(seconds=3)
RUNS = (State.RUNNING, State.STOPPING, State.RESTARTING)


def start(cluster: Cluster, limit: str | None, world: World) -> tuple[str, ...]:
    """Start what does not run, and prove that it serves. Returns the names of the nodes that were started.

    Raises Unreachable before anything is started, Unsafe for foreign data, Failed with the evidence otherwise.
    """
    nodes = limited(cluster, limit)
    if not _idle(cluster, nodes, world):
        _prove(cluster, nodes, world, started=())
        return ()
    started: list[str] = []
    with (
        interruptible(lambda: _where("asked to start", started, nodes)),
        operating(cluster, world.fleet, world.owner),
    ):
        # Looked at again: another operator may have finished between the look and the lock.
        idle = _idle(cluster, nodes, world)
        ending = [node for node, facts in idle.items() if facts.stopping]
        if ending:
            gates.gone(
                ending, world, lambda name: world.emit(Note(name, "the stop before this start is complete"))
            )
        zookeepers = [node for node in idle if node.role is Role.ZOOKEEPER]
        brokers = {node: facts for node, facts in idle.items() if node.role is Role.BROKER}
        if zookeepers:
            _start(zookeepers, world, started)
        gates.quorum(cluster, zookeepers, world)
        if brokers:
            _guard_cluster_id(brokers, world)
            gates.old_registrations_gone(list(brokers), world)
            _start(list(brokers), world, started)
        _prove(cluster, [node for node in nodes if node.role is Role.BROKER], world, started)
    return tuple(started)


def _idle(cluster: Cluster, nodes: Sequence[Node], world: World) -> dict[Node, NodeFacts]:
    """Return the nodes that do not run, each with what its host said. Raises what forbids a start."""
    return {node: found for node, found in _startable(cluster, nodes, world).items() if not found.running}


def _startable(cluster: Cluster, nodes: Sequence[Node], world: World) -> dict[Node, NodeFacts]:
    """Return what each node's host said. Raises what forbids a start: foreign data, nothing deployed, no Java."""
    desired, observed = look(cluster, nodes, world.fleet, world.store)
    hosts = known(observed)
    guard_identities(desired, hosts)
    facts = {node: hosts[node.host.name].nodes[node.instance] for node in nodes}
    bare = [
        node.name
        for node, found in facts.items()
        if found.release is None or MAIN_FILE[node.role] not in found.files
    ]
    if bare:
        raise Failed(f"not deployed: {', '.join(bare)}", hint="`fab deploy` first")
    no_java = [
        f"{host.name}: {_looked_for(host)}"
        for host in cluster.hosts
        if host.name in hosts and not hosts[host.name].java
    ]
    if no_java:
        raise Failed(
            "no Java:\n  " + "\n  ".join(no_java),
            hint="install Java 11 or 17, or set `java:` in the inventory",
        )
    return facts


def _looked_for(host: Host) -> str:
    return f"{host.java / 'bin/java'} cannot be run" if host.java else "none on the PATH nor in /usr/lib/jvm"


def _guard_cluster_id(brokers: Mapping[Node, NodeFacts], world: World) -> None:
    """Refuse data of another cluster than ZooKeeper's: Kafka would exit with InconsistentClusterIdException."""
    ours = world.zookeeper.cluster_id()
    if isinstance(ours, Unknown):
        raise Failed(f"ZooKeeper's cluster id cannot be read: {ours.reason}", hint=AGAIN)
    foreign = [
        f"{node.name}: {path} belongs to cluster {identity.cluster_id}"
        for node, facts in brokers.items()
        for path, identity in facts.identities.items()
        if identity.cluster_id not in (None, ours)
    ]
    if foreign:
        raise Unsafe(
            f"ZooKeeper's cluster id is {ours or 'not made yet'}:\n  " + "\n  ".join(foreign),
            hint="check zookeeper.chroot and the data directories in the inventory; nothing was started on them",
        )


def _where(verb: str, done: Sequence[str], nodes: Sequence[Node]) -> str:
    left = [node.name for node in nodes if node.name not in done]
    return f"  {verb}: {', '.join(done) or 'none'}\n  left as they were: {', '.join(left) or 'none'}"


def _prove(cluster: Cluster, nodes: Sequence[Node], world: World, started: Collection[str]) -> None:
    zookeepers = [node for node in nodes if node.role is Role.ZOOKEEPER]
    if zookeepers:
        gates.quorum(cluster, zookeepers, world)
    brokers = [node for node in nodes if node.role is Role.BROKER]
    if brokers:
        gates.serving(cluster, brokers, world, started=started)


def _start(nodes: Sequence[Node], world: World, started: list[str]) -> None:
    problems, unknown, taken = [], [], False
    for name, report in gates.ask(supervisor.start, nodes, world.fleet).items():
        if isinstance(report, Unknown):
            unknown.append(f"{name}: UNKNOWN: {report.reason}")
        elif report.state is State.TAKEN:
            port, _, holder = report.detail.partition(" ")
            problems.append(f"{name}: port {port} is taken by {holder}; not started")
            taken = True
        elif report.state is State.FAILED:
            problems.append(f"{name}: not started: {report.detail}")
        else:
            started.append(name)
            world.emit(Note(name, f"{report.state.value}, pid {report.detail}"))
    if problems:
        hint = "free the port or give the node another one in the inventory" if taken else AGAIN
        raise Failed("\n".join(problems + unknown), hint=hint)
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint=AGAIN)


def stop(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop what runs, brokers first. Returns the names of the nodes that were stopped.

    With a limit the rest goes on serving, so what the rest needs is refused (Unsafe) unless ``unsafe``.
    """
    nodes = limited(cluster, limit)
    if not _running(cluster, nodes, world):
        return ()
    stopped: list[str] = []
    asked: list[str] = []
    with (
        interruptible(
            lambda: f"  stopped: {', '.join(stopped) or 'none'}\n" + _where("asked to stop", asked, nodes)
        ),
        operating(cluster, world.fleet, world.owner),
    ):
        # Looked at under the lock: what another operator has stopped by now counts.
        running = _running(cluster, nodes, world)
        if not unsafe and len(nodes) < len(cluster.nodes):
            _guard(cluster, running, world)
        for role in (Role.BROKER, Role.ZOOKEEPER):
            _stop([node for node in running if node.role is role], world, asked, stopped)
    return tuple(stopped)


def _running(cluster: Cluster, nodes: Sequence[Node], world: World) -> list[Node]:
    answers = gates.ask(supervisor.check, nodes, world.fleet)
    unknown = {
        node.host.name: answer.reason for node in nodes if isinstance(answer := answers[node.name], Unknown)
    }
    if unknown:
        raise Unreachable(unknown, hint=f"nothing was stopped in {cluster.name}; --limit leaves hosts out")
    return [node for node in nodes if isinstance(r := answers[node.name], Report) and r.state in RUNS]


def _guard(cluster: Cluster, stopping: Sequence[Node], world: World) -> None:
    brokers = {node.id: node.name for node in stopping if node.role is Role.BROKER}
    zookeepers = [node.name for node in stopping if node.role is Role.ZOOKEEPER]
    if zookeepers:
        members = [world.zookeeper.member(node.endpoint) for node in cluster.zookeepers]
        serving = sum(not isinstance(member, Unknown) for member in members)
        others = [node for node in cluster.brokers if node.id not in brokers]
        going_on = len(_running(cluster, others, world)) if others else 0
        guard_quorum(len(members), serving, zookeepers, going_on, OVERRIDE)
    if brokers:
        _guard_partitions(cluster, brokers, world)


def _guard_partitions(cluster: Cluster, stopping: Mapping[int, str], world: World) -> None:
    """Refuse a stop that partitions cannot spare, by what the other brokers are now and not only by the ISR.

    The ISR still has a broker that died or froze a moment ago: until its session ends and replica.lag.time.max.ms has
    passed. So what does not run does not count, and what runs and does not answer forbids the stop.
    """
    names = ", ".join(stopping.values())
    others = [node for node in cluster.brokers if node.id not in stopping]
    running = _running(cluster, others, world) if others else []
    views = gates.side_by_side(running, lambda node: world.admin.metadata(node.endpoint, timeout=ANSWER))
    silent = [f"{name}: {view.reason}" for name, view in views.items() if isinstance(view, Unknown)]
    if silent:
        raise Unsafe(
            f"whether {names} can be spared is unknown: brokers run and do not answer:\n  "
            + "\n  ".join(silent),
            hint=f"mend or stop them first; {OVERRIDE} overrides",
        )
    view = next(iter(views.values()), world.admin.metadata())
    if isinstance(view, Unknown):
        raise Failed(f"whether {names} can be spared is unknown: {view.reason}", hint=f"{OVERRIDE} overrides")
    configs = world.admin.topic_configs(sorted({partition.topic for partition in view.partitions}))
    if isinstance(configs, Unknown):
        raise Failed(f"min.insync.replicas cannot be read: {configs.reason}", hint=f"{OVERRIDE} overrides")
    min_isr = {topic: int(entries["min.insync.replicas"].value or 1) for topic, entries in configs.items()}
    dead = {node.id for node in others} - {node.id for node in running}
    partitions = [
        replace(found, isr=tuple(b for b in found.isr if b not in dead)) for found in view.partitions
    ]
    guard_brokers(partitions, min_isr, stopping, OVERRIDE)


def _stop(nodes: Sequence[Node], world: World, asked: list[str], stopped: list[str]) -> None:
    if not nodes:
        return
    asked += [node.name for node in nodes]
    reports = gates.ask(supervisor.stop, nodes, world.fleet)
    unknown = [f"{name}: UNKNOWN: {r.reason}" for name, r in reports.items() if isinstance(r, Unknown)]
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint=AGAIN)

    def note(name: str) -> None:
        stopped.append(name)
        world.emit(Note(name, "stopped"))

    gates.gone(nodes, world, note)


def restart(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop and start again; service is interrupted. Returns the names of the nodes that were restarted or started.

    What forbids a start forbids the stop before it.
    """
    nodes = limited(cluster, limit)
    facts = _startable(cluster, nodes, world)
    if any(found.running for node, found in facts.items() if node.role is Role.BROKER):
        _guard_cluster_id({node: found for node, found in facts.items() if node.role is Role.BROKER}, world)
    stop(cluster, limit, world, unsafe=unsafe)
    return start(cluster, limit, world)
