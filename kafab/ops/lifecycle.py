"""start, stop, restart: processes in the order that keeps data safe.

Start: ZooKeeper, a quorum, brokers, each proven to serve. Stop: brokers, each proven to be gone, and only then
ZooKeeper: a ZooKeeper-mode broker whose ensemble is gone hangs in its shutdown. Each observes first and does only
what is missing, so an interrupted one is resumed by running it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kafab import supervisor
from kafab.command import Unknown
from kafab.errors import Failed, OutcomeUnknown, Unreachable
from kafab.events import Emit, Note
from kafab.model import Cluster, Node, Role
from kafab.ops import gates
from kafab.ops.lock import operating
from kafab.ops.observing import look
from kafab.plan import guard_identities, known
from kafab.ports import Clock, Fleet, KafkaAdmin, Store, ZooKeeper
from kafab.render import MAIN_FILE
from kafab.safety import guard_brokers, guard_quorum
from kafab.state import limited
from kafab.supervisor import Report, State

OVERRIDE = "--unsafe"


@dataclass(frozen=True)
class World:
    """The ports a lifecycle command needs, and who runs it."""

    fleet: Fleet
    zookeeper: ZooKeeper
    admin: KafkaAdmin
    store: Store
    clock: Clock
    emit: Emit
    owner: str


def start(cluster: Cluster, limit: str | None, world: World) -> tuple[str, ...]:
    """Start what does not run, and prove that it serves. Returns the names of the nodes that were started.

    Raises Unreachable before anything is started, Unsafe for foreign data, Failed with the evidence otherwise.
    """
    nodes = limited(cluster, limit)
    desired, observed = look(cluster, nodes, world.fleet, world.store)
    hosts = known(observed)
    guard_identities(desired, hosts)
    facts = {node.name: hosts[node.host.name].nodes[node.instance] for node in nodes}
    bare = [
        n.name for n in nodes if facts[n.name].release is None or MAIN_FILE[n.role] not in facts[n.name].files
    ]
    if bare:
        raise Failed(f"not deployed: {', '.join(bare)}", hint="`fab deploy` first")
    idle = [node for node in nodes if not facts[node.name].running]
    if not idle:
        _prove(cluster, nodes, world)
        return ()
    with operating(cluster, world.fleet, world.owner):
        zookeepers = [node for node in idle if node.role is Role.ZOOKEEPER]
        brokers = [node for node in idle if node.role is Role.BROKER]
        if zookeepers:
            _start(zookeepers, world)
        _prove_quorum(cluster, zookeepers, world)
        if brokers:
            gates.old_registrations_gone(
                brokers, zookeeper=world.zookeeper, clock=world.clock, emit=world.emit
            )
            _start(brokers, world)
            _prove(cluster, [node for node in nodes if node.role is Role.BROKER], world)
    return tuple(node.name for node in idle)


def _prove_quorum(cluster: Cluster, awaited: Sequence[Node], world: World) -> None:
    gates.quorum(
        cluster, awaited, fleet=world.fleet, zookeeper=world.zookeeper, clock=world.clock, emit=world.emit
    )


def _prove(cluster: Cluster, nodes: Sequence[Node], world: World) -> None:
    zookeepers = [node for node in nodes if node.role is Role.ZOOKEEPER]
    if zookeepers:
        _prove_quorum(cluster, zookeepers, world)
    brokers = [node for node in nodes if node.role is Role.BROKER]
    if brokers:
        gates.serving(
            cluster,
            brokers,
            fleet=world.fleet,
            zookeeper=world.zookeeper,
            admin=world.admin,
            clock=world.clock,
            emit=world.emit,
        )


def _start(nodes: Sequence[Node], world: World) -> None:
    problems, unknown = [], []
    for name, report in gates.ask(supervisor.start, nodes, world.fleet).items():
        if isinstance(report, Unknown):
            unknown.append(f"{name}: UNKNOWN: {report.reason}")
        elif report.state is State.TAKEN:
            port, _, holder = report.detail.partition(" ")
            problems.append(f"{name}: port {port} is taken by {holder}; not started")
        elif report.state is State.FAILED:
            problems.append(f"{name}: not started: {report.detail}")
        else:
            world.emit(Note(name, f"{report.state.value}, pid {report.detail}"))
    if problems:
        raise Failed(
            "\n".join(problems + unknown), hint="free the port or give the node another one in the inventory"
        )
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint="the same command again observes and goes on")


def stop(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop what runs, brokers first. Returns the names of the nodes that were stopped.

    With a limit the rest goes on serving, so what the rest needs is refused (Unsafe) unless ``unsafe``.
    """
    nodes = limited(cluster, limit)
    running = _running(cluster, nodes, world)
    if not unsafe and len(nodes) < len(cluster.nodes):
        _guard(cluster, running, world)
    if not running:
        return ()
    with operating(cluster, world.fleet, world.owner):
        for role in (Role.BROKER, Role.ZOOKEEPER):
            _stop([node for node in running if node.role is role], world)
    return tuple(node.name for node in running)


def _running(cluster: Cluster, nodes: Sequence[Node], world: World) -> list[Node]:
    answers = gates.ask(supervisor.check, nodes, world.fleet)
    unknown = {
        node.host.name: answer.reason for node in nodes if isinstance(answer := answers[node.name], Unknown)
    }
    if unknown:
        raise Unreachable(unknown, hint=f"nothing was stopped in {cluster.name}; --limit leaves hosts out")
    return [
        node for node in nodes if isinstance(r := answers[node.name], Report) and r.state is State.RUNNING
    ]


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
        metadata = world.admin.metadata()
        if isinstance(metadata, Unknown):
            raise Failed(
                f"whether {', '.join(brokers.values())} can be spared is unknown: {metadata.reason}",
                hint=f"{OVERRIDE} overrides",
            )
        topics = sorted({partition.topic for partition in metadata.partitions})
        configs = world.admin.topic_configs(topics)
        if isinstance(configs, Unknown):
            raise Failed(
                f"min.insync.replicas cannot be read: {configs.reason}", hint=f"{OVERRIDE} overrides"
            )
        min_isr = {
            topic: int(entries["min.insync.replicas"].value or 1) for topic, entries in configs.items()
        }
        guard_brokers(metadata.partitions, min_isr, brokers, OVERRIDE)


def _stop(nodes: Sequence[Node], world: World) -> None:
    if not nodes:
        return
    reports = gates.ask(supervisor.stop, nodes, world.fleet)
    unknown = [f"{name}: UNKNOWN: {r.reason}" for name, r in reports.items() if isinstance(r, Unknown)]
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint="the same command again observes and goes on")
    left = {node.name: node for node in nodes}

    def look() -> gates.Missing:
        for name, report in gates.ask(supervisor.check, tuple(left.values()), world.fleet).items():
            if isinstance(report, Report) and report.state is not State.RUNNING:
                world.emit(Note(name, "stopped"))
                del left[name]
        return dict.fromkeys(left, "its process still runs")

    gates.wait(
        look,
        "clean shutdown",
        gates.STOP_LIMIT,
        clock=world.clock,
        emit=world.emit,
        every=gates.LOOK_AT_HOSTS_EVERY,
    )


def restart(cluster: Cluster, limit: str | None, world: World, *, unsafe: bool) -> tuple[str, ...]:
    """Stop and start again; service is interrupted. Returns the names of the nodes that were restarted or started."""
    stop(cluster, limit, world, unsafe=unsafe)
    return start(cluster, limit, world)
