"""Properties that changed in the inventory, made effective without a restart where Kafka can do that."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kafab.cluster.metadata import Setting, Source
from kafab.cluster.values import same
from kafab.config.catalogue.definitions import READ_ONLY, catalogue
from kafab.config.properties import broker_properties
from kafab.config.render import MAIN_FILE
from kafab.errors import Failed, NotTold, OutcomeUnknown, Unsafe, UsageError
from kafab.interruption import AGAIN
from kafab.model import Cluster, Node, Version
from kafab.ops.deploy.deploy import deploy, make_plan
from kafab.ops.lock import operating
from kafab.ops.world import World
from kafab.plans.in_force import IDS
from kafab.plans.plan import Plan
from kafab.plans.state import limited
from kafab.plans.steps import KeepGeneration, WriteFile
from kafab.plans.updates import updates
from kafab.shell.layout import MANIFEST
from kafab.unknown import Unknown
from kafab.words import SHOWN

MIN_ISR = "min.insync.replicas"
ELIGIBLE_LEADERS = Version(4, 0, 0)
RESTART = "`fab deploy restart --pending` does it with a rolling restart"


@dataclass(frozen=True)
class Applied:
    """What was changed: ``files`` names the nodes whose file was written, ``set`` is node name -> property -> value."""

    files: tuple[str, ...] = ()
    set: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def apply(cluster: Cluster, limit: str | None, world: World) -> Applied:
    """Write the brokers' files as a deploy does, and set on each running broker what differs from them.

    Each value is set for its broker alone, also one that Kafka takes for all: so a limit holds, and a restart can take it away again
    (`kafab.ops.overrides`). The brokers follow one after another; the first that refuses a value ends it.

    Raises Unsafe where a difference needs a restart or more than properties differs, NotTold where a broker does not
    answer: nothing is changed then. Raises Failed with Kafka's words, OutcomeUnknown, and what `deploy` raises.
    """
    brokers = [node for node in limited(cluster, limit) if node in cluster.brokers]
    if not brokers:
        raise UsageError(f"--limit {limit}: no broker among these nodes")
    names = ",".join(node.name for node in brokers)
    _, plan = make_plan(cluster, names, world)
    _refuse_more(cluster, brokers, plan)
    wanted: dict[str, dict[str, str]] = {}
    blocked = {f"{one.node}: {one.name}": None for one in updates(cluster, plan) if one.restart}
    for node in brokers:
        running = _running(node, world)
        values, restart = _differences(cluster, node, running)
        _refuse_of_all(cluster, node, values, running)
        wanted |= {node.name: values} if values else {}
        # What Kafka does not tell cannot be seen to differ; a changed file says that it does.
        hidden = (
            one.name
            for one in updates(cluster, plan)
            if one.node == node.name and (one.name not in running or running[one.name].is_sensitive)
        )
        blocked |= dict.fromkeys(f"{node.name}: {name}" for name in (*restart, *hidden))
    if blocked:
        _refuse(list(blocked))
    deploy(cluster, names, world, command="config.apply").raise_unless_done()
    if wanted:
        with operating(cluster, world, "config.apply") as held:
            held.run.about([node for node in brokers if node.name in wanted])
            held.run.figures["set"] = sum(map(len, wanted.values()))
            for node in brokers:
                if node.name in wanted:
                    _set(node, wanted[node.name], world)
    return Applied(tuple(dict.fromkeys(step.subject for step in plan.steps)), wanted)


def _refuse_more(cluster: Cluster, brokers: Sequence[Node], plan: Plan) -> None:
    """Refuse what is more than a change of properties of a broker that was deployed before."""
    plain = {node.config / name for node in brokers for name in (MAIN_FILE[node.role], MANIFEST)}
    for step in plan.steps:
        if isinstance(step, KeepGeneration):
            continue
        if not isinstance(step, WriteFile) or step.before is None or step.file.path not in plain:
            raise Unsafe(
                f"nothing was changed: {cluster.name} differs in more than properties: {step.subject}: {step}",
                hint=RESTART,
            )


def _refuse(lines: Sequence[str]) -> None:
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    told = "\n  ".join([*lines[:SHOWN], *more])
    raise Unsafe(f"nothing was changed: these need a restart:\n  {told}", hint=RESTART)


def _refuse_of_all(
    cluster: Cluster, node: Node, values: Mapping[str, str], running: Mapping[str, Setting]
) -> None:
    """Refuse what Kafka keeps for all brokers alone, and no file changes: min.insync.replicas beside eligible leader replicas.

    4.x sets it in the metadata when a cluster is made, and refuses it for one broker (ConfigurationControlManager, KIP-966).
    """
    if MIN_ISR not in values or not cluster.kraft or cluster.version < ELIGIBLE_LEADERS:
        return
    if running[MIN_ISR].source is Source.CLUSTER:
        raise Unsafe(
            f"nothing was changed: {node.name} has {MIN_ISR}={running[MIN_ISR].value} from the cluster's metadata, where it is "
            f"set for all brokers: neither a file nor one broker's own value changes it to {values[MIN_ISR]}",
            hint=f"`fab tool {node.name} -- kafka-configs.sh --entity-type brokers --entity-default --alter "
            f"--add-config {MIN_ISR}={values[MIN_ISR]}` does, and then `fab deploy`",
        )


def _running(node: Node, world: World) -> Mapping[str, Setting]:
    answer = world.brokers.broker_configs(node.id, node.endpoint)
    if isinstance(answer, Unknown):
        raise NotTold(f"nothing was changed: what {node.name} runs with is unknown: {answer.reason}")
    return answer


def _differences(
    cluster: Cluster, node: Node, running: Mapping[str, Setting]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what to set on the broker, and which properties only a restart brings to what the inventory says."""
    known, file = catalogue(cluster.version).known, broker_properties(cluster, node)
    values = {
        name: value
        for name, value in file.items()
        if name in running and not running[name].is_sensitive and not same(running[name].value or "", value)
    }
    fixed = {name for name in values if name not in known or known[name].dynamic == READ_ONLY}
    settable = {name: value for name, value in values.items() if name not in fixed}
    return settable, tuple(sorted({*fixed, *_taken_out(file, running)}))


def _taken_out(file: Mapping[str, str], running: Mapping[str, Setting]) -> Iterator[str]:
    """Yield what the broker's file had at its start and the inventory no longer has: without a restart it keeps that value."""
    for name, one in running.items():
        in_file = (place.name == name and place.source is Source.FILE for place in one.places)
        if name not in file and name not in IDS and any(in_file):
            yield name


def _set(node: Node, values: Mapping[str, str], world: World) -> None:
    try:
        unknown = world.settings.alter_broker_configs(node.id, node.endpoint, values)
    except Failed as error:
        error.hint = f"the file of {node.name} has it by now, and a restart would use it: change the inventory and run this again"
        raise
    if unknown is not None:
        raise OutcomeUnknown(f"{node.name}: {unknown.reason}", hint=AGAIN)
