"""What a stop asks of the nodes that stay, before it: the majority under them, and every partition they serve.

Kafka's own word is older than it looks: the leader of a quorum remembers a dead voter for seconds, an ISR keeps a dead
broker until its session ends, and each broker answers from a copy of its own. So what the processes are now counts as
well: what does not run, or was asked to stop, does not stay; what does not answer holds nothing up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from kafab import supervisor
from kafab.command import Unknown
from kafab.errors import Failed, KafabError, Unreachable, Unsafe
from kafab.events import Waiting
from kafab.metadata import Metadata
from kafab.model import Cluster, Node, Role
from kafab.ops import gates
from kafab.ops.world import World
from kafab.safety import SHOWN, guard_brokers, guard_quorum, merged
from kafab.supervisor import Report, State

OVERRIDE = "--unsafe"
ANSWER = timedelta(seconds=5)
PATIENCE = timedelta(seconds=10)
"""How long nodes that run and do not answer, or do not say the same, are asked again before a stop is refused for it."""
RUNS = (State.RUNNING, State.STOPPING, State.RESTARTING)
MIN_ISR = "min.insync.replicas"
OVERRIDDEN = f"{OVERRIDE} overrides"

Reports = Mapping[str, Report | Unknown]


@dataclass(frozen=True)
class _Verdict:
    """Why a stop is refused, None where it is not; ``final`` unless another look may tell otherwise."""

    refusal: KafabError | None = None
    final: bool = True


def guard_stop(cluster: Cluster, stopping: Sequence[Node], world: World) -> None:
    """Refuse to stop these nodes where the rest, which goes on serving, needs them.

    What may be otherwise in a moment is looked at again for a while: an election, a voter or a copy of the metadata that
    lags, a node that pauses. Raises Unsafe with the numbers, Failed or Unreachable where they cannot be known.
    """
    clock = world.clock
    begun = clock.now()
    while (verdict := _judge(cluster, stopping, world)).refusal is not None:
        elapsed = timedelta(seconds=clock.now() - begun)
        if verdict.final or elapsed >= PATIENCE:
            raise verdict.refusal
        first = verdict.refusal.message.splitlines()[0]
        world.emit(Waiting(stopping[0].name, f"safe to stop: {first}", elapsed, PATIENCE))
        clock.sleep(gates.LOOK_AT_HOSTS_EVERY)


def running(cluster: Cluster, nodes: Sequence[Node], world: World) -> list[Node]:
    """Return those of the nodes that run. Raises Unreachable where that cannot be known."""
    hint = f"nothing was stopped in {cluster.name}; --limit leaves hosts out"
    return _running(nodes, gates.ask(supervisor.check, nodes, world.fleet), hint)


def _running(nodes: Sequence[Node], reports: Reports, hint: str) -> list[Node]:
    unknown = {
        node.host.name: report.reason for node in nodes if isinstance(report := reports[node.name], Unknown)
    }
    if unknown:
        raise Unreachable(unknown, hint=hint)
    return [node for node in nodes if isinstance(r := reports[node.name], Report) and r.state in RUNS]


def _judge(cluster: Cluster, stopping: Sequence[Node], world: World) -> _Verdict:
    staying = [node for node in cluster.nodes if node not in stopping]
    reports = gates.ask(supervisor.check, staying, world.fleet)
    others = [node for node in staying if node.role is Role.BROKER]
    served = len(_running(others, reports, f"whether the others can spare it is unknown; {OVERRIDDEN}"))
    if served:
        for judge in (_judge_servers, _judge_voters):
            if (verdict := judge(cluster, stopping, reports, served, world)).refusal:
                return verdict
    brokers = {node.id: node.name for node in stopping if node.role is Role.BROKER}
    if not brokers:
        return _Verdict()
    return _judge_partitions(brokers, others, [node for node in others if _stays(reports, node)], world)


def _stays(reports: Reports, node: Node) -> bool:
    """Say whether a node runs and was not asked to stop; one that is asked to is as good as gone."""
    report = reports.get(node.name)
    return isinstance(report, Report) and report.state is State.RUNNING


def _judge_servers(
    cluster: Cluster, stopping: Sequence[Node], reports: Reports, served: int, world: World
) -> _Verdict:
    """Judge by which ZooKeeper servers stay and answer."""
    leaving = [node for node in stopping if node.role is Role.ZOOKEEPER]
    if not leaving:
        return _Verdict()
    asked = [node for node in cluster.zookeepers if node in leaving or _stays(reports, node)]
    members = gates.side_by_side(asked, lambda node: world.zookeeper.member(node.endpoint))
    serving = {name for name, member in members.items() if not isinstance(member, Unknown)}
    spared = [node.name for node in leaving if node.name in serving]
    what, size = "ZooKeeper servers", len(cluster.zookeepers)
    try:
        guard_quorum(what, size, len(serving), spared, brokers_running=served, flag=OVERRIDE)
    except Unsafe as refusal:
        return _Verdict(refusal, final=len(serving) == len(asked))
    return _Verdict()


def _judge_voters(
    cluster: Cluster, stopping: Sequence[Node], reports: Reports, served: int, world: World
) -> _Verdict:
    """Judge by which voters stay, answer and are caught up."""
    leaving = [node for node in stopping if node.controller_port is not None]
    if not leaving:
        return _Verdict()
    state = world.quorum.describe()
    if isinstance(state, Unknown):
        names = ", ".join(node.name for node in leaving)
        told = f"whether {names} can be spared is unknown: {state.reason}"
        return _Verdict(Failed(told, hint=OVERRIDDEN), final=False)
    staying = [node for node in cluster.controllers if node not in leaving]
    asked = [node for node in staying if _stays(reports, node)]
    answers = gates.side_by_side(
        asked, lambda node: world.quorum.leader(node.controller_endpoint, timeout=gates.ASK)
    )
    lost = {node.id for node in staying if isinstance(answers.get(node.name, Unknown("gone")), Unknown)}
    following = {voter.id for voter in state.voters if voter.follows} - lost
    spared = [node.name for node in leaving if node.id in following]
    try:
        guard_quorum(
            "controllers", len(state.voters), len(following), spared, brokers_running=served, flag=OVERRIDE
        )
    except Unsafe as refusal:
        return _Verdict(refusal, final={node.id for node in asked} <= following)
    return _Verdict()


def _judge_partitions(
    stopping: Mapping[int, str], others: Sequence[Node], staying: Sequence[Node], world: World
) -> _Verdict:
    """Judge by what the other brokers are now, and not only by the ISR; ``staying`` are those of them that stay."""
    doubt = f"whether {', '.join(stopping.values())} can be spared is unknown"
    views = _views(staying, world)
    silent = [f"{name}: {view.reason}" for name, view in views.items() if isinstance(view, Unknown)]
    if silent and staying:
        told = f"{doubt}: brokers run and do not answer:\n  " + "\n  ".join(silent)
        return _Verdict(Unsafe(told, hint=f"mend or stop them first; {OVERRIDDEN}"), final=False)
    if silent:
        return _Verdict(Failed(f"{doubt}: {'; '.join(silent)}", hint=OVERRIDDEN), final=False)
    found = [view for view in views.values() if isinstance(view, Metadata)]
    partitions = merged(found)
    concerned = {partition.topic for partition in partitions if stopping.keys() & set(partition.replicas)}
    configs = world.admin.topic_configs(sorted(concerned), keys=[MIN_ISR])
    unread = [] if isinstance(configs, Unknown) else sorted(concerned - configs.keys())
    if isinstance(configs, Unknown) or unread:
        reason = configs.reason if isinstance(configs, Unknown) else ", ".join(unread[:SHOWN])
        told = f"{doubt}: {MIN_ISR} cannot be read: {reason}"
        return _Verdict(Failed(told, hint=OVERRIDDEN), final=False)
    min_isr = {topic: int(entries[MIN_ISR].value or 1) for topic, entries in configs.items()}
    dead = {node.id for node in others} - {node.id for node in staying}
    left = [replace(seen, isr=tuple(b for b in seen.isr if b not in dead)) for seen in partitions]
    try:
        guard_brokers(left, min_isr, stopping, OVERRIDE)
    except Unsafe as refusal:
        return _Verdict(refusal, final=len({frozenset(view.partitions) for view in found}) == 1)
    return _Verdict()


def _views(staying: Sequence[Node], world: World) -> Mapping[str, Metadata | Unknown]:
    """Ask every broker that stays; where none does, whoever answers."""
    if not staying:
        return {"any broker": world.admin.metadata()}
    return gates.side_by_side(staying, lambda node: world.admin.metadata(node.endpoint, timeout=ANSWER))
