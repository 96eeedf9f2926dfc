"""What a stop asks of the nodes that stay, before it: the majority under them, and every partition they serve."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from kafab import supervisor
from kafab.command import Unknown
from kafab.errors import Failed, Unreachable, Unsafe
from kafab.model import Cluster, Node, Role
from kafab.ops import gates
from kafab.ops.world import World
from kafab.safety import guard_brokers, guard_quorum
from kafab.supervisor import Report, State

OVERRIDE = "--unsafe"
ANSWER = timedelta(seconds=3)
RUNS = (State.RUNNING, State.STOPPING, State.RESTARTING)


def guard_stop(cluster: Cluster, stopping: Sequence[Node], world: World) -> None:
    """Refuse to stop these nodes where the rest, which goes on serving, needs them.

    Raises Unsafe with the numbers, Failed or Unreachable where they cannot be known.
    """
    brokers = {node.id: node.name for node in stopping if node.role is Role.BROKER}
    zookeepers = [node.name for node in stopping if node.role is Role.ZOOKEEPER]
    voters = [node for node in stopping if node.controller_port is not None]
    others = [node for node in cluster.brokers if node.id not in brokers]
    if zookeepers:
        members = [world.zookeeper.member(node.endpoint) for node in cluster.zookeepers]
        serving = sum(not isinstance(member, Unknown) for member in members)
        going_on = len(running(cluster, others, world)) if others else 0
        guard_quorum(
            "ZooKeeper servers", len(members), serving, zookeepers, brokers_running=going_on, flag=OVERRIDE
        )
    if voters:
        going_on = len(running(cluster, others, world)) if others else 0
        if going_on:
            _guard_voters(voters, going_on, world)
    if brokers:
        _guard_partitions(cluster, brokers, world)


def running(cluster: Cluster, nodes: Sequence[Node], world: World) -> list[Node]:
    """Return those of the nodes that run. Raises Unreachable where that cannot be known."""
    answers = gates.ask(supervisor.check, nodes, world.fleet)
    unknown = {
        node.host.name: answer.reason for node in nodes if isinstance(answer := answers[node.name], Unknown)
    }
    if unknown:
        raise Unreachable(unknown, hint=f"nothing was stopped in {cluster.name}; --limit leaves hosts out")
    return [node for node in nodes if isinstance(r := answers[node.name], Report) and r.state in RUNS]


def _guard_voters(stopping: Sequence[Node], going_on: int, world: World) -> None:
    """Refuse a stop after which fewer than a majority of the voters would be left that are caught up."""
    names = ", ".join(node.name for node in stopping)
    state = world.quorum.describe()
    if isinstance(state, Unknown):
        raise Failed(
            f"whether {names} can be spared is unknown: {state.reason}", hint=f"{OVERRIDE} overrides"
        )
    following = {voter.id for voter in state.voters if voter.follows}
    spared = [node.name for node in stopping if node.id in following]
    if spared:
        guard_quorum(
            "controllers", len(state.voters), len(following), spared, brokers_running=going_on, flag=OVERRIDE
        )


def _guard_partitions(cluster: Cluster, stopping: Mapping[int, str], world: World) -> None:
    """Refuse a stop that partitions cannot spare, by what the other brokers are now and not only by the ISR.

    The ISR still has a broker that died or froze a moment ago: until its session ends and replica.lag.time.max.ms has
    passed. So what does not run does not count, and what runs and does not answer forbids the stop.
    """
    names = ", ".join(stopping.values())
    others = [node for node in cluster.brokers if node.id not in stopping]
    alive = running(cluster, others, world) if others else []
    views = gates.side_by_side(alive, lambda node: world.admin.metadata(node.endpoint, timeout=ANSWER))
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
    dead = {node.id for node in others} - {node.id for node in alive}
    partitions = [
        replace(found, isr=tuple(b for b in found.isr if b not in dead)) for found in view.partitions
    ]
    guard_brokers(partitions, min_isr, stopping, OVERRIDE)
