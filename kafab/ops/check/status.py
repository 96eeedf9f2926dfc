"""One screen: what runs where, from which release and configuration, and what it leads.

Status reads and never judges; `verify` does that. What does not answer is shown as UNKNOWN, with the reason.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from kafab.checks.brokers import offline
from kafab.checks.controllers import absent
from kafab.checks.storage import judge_storage
from kafab.cluster.seen import NOT_ASKED, Ask, Leader, RunningConfigs, Seen
from kafab.errors import KafabError, Unreachable
from kafab.findings import Finding, Severity
from kafab.hosts.facts import NodeFacts, Process
from kafab.hosts.held import missing
from kafab.model import Cluster, Node, Role
from kafab.ops import upgrades
from kafab.ops.observing import look
from kafab.ops.run.gates import ASK
from kafab.ops.run.goal import FORGET, unfinished
from kafab.ops.see import see
from kafab.ops.world import World
from kafab.plans.in_force import ONLINE, in_force
from kafab.plans.standing import DEPLOY_PENDING, EDITED, PENDING, PUT_BACK, configuration_state
from kafab.plans.state import Desired, DesiredNode, Observed, limited
from kafab.releases.names import version_of
from kafab.unknown import Unknown
from kafab.words import plural

IN_UPGRADE = "in an upgrade"
"""The state of a configuration that is one of the two that an upgrade under way leads from and to."""


@dataclass(frozen=True)
class NodeStatus:
    """One line of the screen. Empty text and None mean: nothing to say."""

    node: Node
    state: str
    """running, stopping, restarting, stopped, exited, not deployed or UNKNOWN."""
    pid: int | None = None
    uptime: timedelta | None = None
    release: str = ""
    configuration: str = ""
    """as deployed, set online, in an upgrade, restart pending, edited by hand, put back, deploy pending, or empty where there is none."""
    leads: str = ""
    reason: str = ""
    lacks: str = ""
    """What a node whose process runs lacks to serve: no answer, no registration, a log directory."""
    foreign: tuple[str, ...] = ()
    """Files in effect for its unit that kafab did not write."""
    answers: bool = True
    """False where its process runs and it says nothing: whether it serves is unknown."""
    online: tuple[str, ...] = ()
    """Where the configuration is set online: the properties that changed since its process was started and are in force nevertheless."""
    upgrade: str = ""
    """What is said of an upgrade that is under way."""

    @property
    def document(self) -> dict[str, object]:
        """The line for `--json`."""
        return {
            "host": self.node.host.name,
            "node": self.node.name,
            "role": str(self.node.role),
            "id": self.node.id,
            "listeners": {own.name: str(own.endpoint) for own in self.node.listeners},
            "state": self.state,
            "pid": self.pid,
            "uptime_seconds": None if self.uptime is None else round(self.uptime.total_seconds()),
            "release": self.release or None,
            "configuration": self.configuration or None,
            "set_online": list(self.online),
            "leads": self.leads or None,
            "reason": self.reason or None,
            "lacks": self.lacks or None,
            "foreign_units": list(self.foreign),
        }


def status(cluster: Cluster, limit: str | None, world: World) -> tuple[NodeStatus, ...]:
    """Observe hosts, ensemble or controllers, and brokers; every question has a deadline, and no answer is UNKNOWN."""
    nodes = limited(cluster, limit)
    desired, observed = look(cluster, nodes, world)
    lines = [node_status(desired, wanted, observed) for wanted in desired.nodes]
    lines = _in_upgrade(cluster, observed, lines, world)
    running = [line.node for line in lines if line.state == "running"]
    seen = see(cluster, world, replace(_questions(cluster, running), running=_pending(cluster, lines)))
    lines = _set_online(desired, observed, lines, seen.running)
    return tuple(with_words(cluster, line, seen) if line.node in running else line for line in lines)


def _pending(cluster: Cluster, lines: Iterable[NodeStatus]) -> tuple[Node, ...]:
    """Return the brokers whose process was started from older files: each may run with what the files have all the same."""
    return tuple(
        line.node for line in lines if line.configuration == PENDING and line.node in cluster.brokers
    )


def _set_online(
    desired: Desired, observed: Observed, lines: Iterable[NodeStatus], running: RunningConfigs
) -> list[NodeStatus]:
    """Return the lines; the configuration of a broker that runs with what its files have now is set online."""
    wanted = {each.node: each for each in desired.nodes}
    told = []
    for line in lines:
        node, host = line.node, observed[line.node.host.name]
        names: tuple[str, ...] = ()
        if node.id in running and node in desired.cluster.brokers and not isinstance(host, Unknown):
            names = in_force(desired, wanted[node], host.nodes[node.instance], running[node.id])
        told.append(replace(line, configuration=ONLINE, online=names) if names else line)
    return told


def _in_upgrade(
    cluster: Cluster, observed: Observed, lines: Sequence[NodeStatus], world: World
) -> list[NodeStatus]:
    """Return the lines; what an upgrade that is not finalized makes of a node is no fault of its configuration."""
    try:
        upgrade = upgrades.told(cluster, observed, world)
    except KafabError as error:
        return [replace(line, upgrade=error.message) for line in lines]
    if upgrade is None:
        return list(lines)
    there = [line.node for line in lines if version_of(line.release) == upgrade.target]
    text = f"{upgrade}: {len(there)} of {plural(len(lines), 'node')} run {upgrade.target}"
    pending = (DEPLOY_PENDING, PENDING, PUT_BACK)
    ours = (upgrade.before, upgrade.after)
    return [
        replace(
            line,
            upgrade=text,
            configuration=IN_UPGRADE
            if line.configuration in pending and version_of(line.release) in ours
            else line.configuration,
        )
        for line in lines
    ]


def unfinished_roll(cluster: Cluster, world: World) -> str:
    """Return what is said of a roll that is not finished, with the ways on; "" where there is none."""
    try:
        found = unfinished(cluster, world)
    except KafabError as error:
        # Hosts that do not answer are in the lines of the nodes.
        return "" if isinstance(error, Unreachable) else error.message
    if found is None:
        return ""
    return f"{found.text}; `{found.begun.command}` goes on with it, {FORGET}"


def exit_code(lines: Sequence[NodeStatus]) -> int:
    """Return 4 where a host did not answer, 5 where a node that runs did not, 1 where one that runs does not serve, else 0."""
    if any(line.state == "UNKNOWN" for line in lines):
        return 4
    if any(not line.answers for line in lines):
        return 5
    return 1 if any(line.lacks for line in lines) else 0


def with_words(cluster: Cluster, line: NodeStatus, seen: Seen) -> NodeStatus:
    """Return the line of a running node with what it leads, and with what it lacks to serve; ``seen`` has been asked about it."""
    words = leads_of(cluster, line.node, seen)
    silent = [word.removeprefix(SILENT) for word in words if word.startswith(SILENT)]
    idle = [word for word in words if word in {*NOT_SERVING, _absent(cluster)}]
    folders = seen.log_dirs.get(line.node.id, NOT_ASKED) if line.node.role is Role.BROKER else NOT_ASKED
    gone = [] if isinstance(folders, Unknown) else [f"offline: {path}" for path in offline(folders)]
    lacks = "; ".join([*(f"does not answer: {reason}" for reason in silent), *idle, *gone])
    return replace(line, leads=", ".join(words), lacks=lacks, answers=not silent)


SILENT = "UNKNOWN: "
NOT_SERVING = frozenset({"not registered", "fenced", "no leader"})


def _absent(cluster: Cluster) -> str:
    return absent(cluster).removeprefix("is ") if cluster.kraft else "not registered"


def _questions(cluster: Cluster, running: Sequence[Node]) -> Ask:
    """Return what tells what the running nodes lead; without a running ZooKeeper server nobody is asked for sessions."""
    brokers = [node for node in running if node.role is Role.BROKER]
    if cluster.kraft:
        voters = [node for node in running if node in cluster.controllers]
        known = bool(brokers)
        return Ask(views=brokers, log_dirs=brokers, voters=voters, registrations=known, timeout=ASK)
    servers = [node for node in running if node.role is Role.ZOOKEEPER]
    known = bool(servers)
    return Ask(
        views=brokers, log_dirs=brokers, voters=servers, registrations=known, controller=known, timeout=ASK
    )


def node_status(desired: Desired, wanted: DesiredNode, observed: Observed) -> NodeStatus:
    """Judge one node by what its host said alone."""
    node = wanted.node
    host = observed[node.host.name]
    if isinstance(host, Unknown):
        return NodeStatus(node, "UNKNOWN", reason=host.reason)
    facts = host.nodes[node.instance]
    process = facts.process
    alive = process is not None and process.alive
    return NodeStatus(
        node,
        _state(facts, process),
        pid=process.pid if process and alive else None,
        uptime=process.uptime if process and alive else None,
        release=(process.release if process and alive else facts.release) or "",
        configuration=configuration_state(desired, wanted, facts),
        foreign=tuple(map(str, facts.foreign_units)),
        reason="; ".join(str(gone).partition(": ")[2] for gone in missing(node, facts)),
    )


def _state(facts: NodeFacts, process: Process | None) -> str:
    if process is not None and process.alive:
        return "stopping" if process.asked else "running"
    if facts.unit_state == "auto-restart":
        return "restarting"
    # systemd tells an orderly stop (dead) from an exit of its own (failed); a run record alone cannot.
    if process is not None and not process.asked and facts.unit_state != "dead":
        return "exited"
    return "stopped" if facts.files and facts.release else "not deployed"


def leads_of(cluster: Cluster, node: Node, seen: Seen) -> tuple[str, ...]:
    """Return what a running node leads, as a broker and as a voter, each word once.

    That its process runs does not make a broker healthy that is silent, fenced or not registered: that is said, too.
    """
    words = _broker(cluster, node, seen) if node.role is Role.BROKER else []
    if node.role is Role.ZOOKEEPER:
        member = seen.ensemble.members[node.name]
        words.append(f"{SILENT}{member.reason}" if isinstance(member, Unknown) else member.mode)
    if node in cluster.controllers:
        words.append(_controller(node, seen.controllers.leaders[node.name]))
    return tuple(dict.fromkeys(words))


def _broker(cluster: Cluster, node: Node, seen: Seen) -> list[str]:
    view, found = seen.views[node.id], seen.registered(cluster)
    if isinstance(view, Unknown):
        words = [f"{SILENT}{view.reason}"]
    else:
        words = [plural(sum(partition.leader == node.id for partition in view.partitions), "partition")]
        elected = seen.ensemble.controller
        if not cluster.kraft and node.id == (
            view.controller if isinstance(elected, Unknown) else elected.broker
        ):
            words.append("controller")
    if not isinstance(found, Unknown) and node.id not in found:
        words.append(_absent(cluster))
    elif not isinstance(found, Unknown) and found[node.id].fenced:
        words.append("fenced")
    return words


def _controller(node: Node, leader: Leader) -> str:
    if isinstance(leader, Unknown):
        return f"{SILENT}{leader.reason}"
    if leader is None:
        return "no leader"
    return "leader" if leader == node.id else "follower"


def standing(
    cluster: Cluster, world: World, looked: tuple[Desired, Observed] | None = None
) -> tuple[list[NodeStatus], Observed]:
    """Return how each node stands, and what the hosts said; brokers are asked only for what may be set online.

    ``looked``: what the hosts of all nodes have said, where they were asked already.
    """
    desired, observed = looked or look(cluster, cluster.nodes, world)
    lines = [node_status(desired, wanted, observed) for wanted in desired.nodes]
    lines = _in_upgrade(cluster, observed, lines, world)
    if asked := _pending(cluster, lines):
        lines = _set_online(desired, observed, lines, see(cluster, world, Ask(running=asked)).running)
    return lines, observed


def findings(
    cluster: Cluster, world: World, looked: tuple[Desired, Observed] | None = None
) -> tuple[Finding, ...]:
    """Check that each node runs, and runs what was deployed, on data of one cluster: the first findings of `verify`.

    ``looked``: see `standing`.
    """
    lines, observed = standing(cluster, world, looked)
    silent = any(isinstance(found, Unknown) for found in observed.values())
    found = [_finding(line, silent) for line in lines]
    if upgrade := next((line.upgrade for line in lines if line.upgrade), ""):
        hint = "`fab upgrade.status` shows what comes next"
        found.append(Finding("upgrade", cluster.name, Severity.WARN, upgrade, hint=hint))
    return (*found, judge_storage(cluster, observed)) if cluster.kraft else tuple(found)


def _finding(line: NodeStatus, silent: bool) -> Finding:
    """Judge a node by its line; with a ``silent`` host beside it a start of the whole cluster would be refused."""
    evidence = line.document
    if line.state == "UNKNOWN":
        return Finding("process", line.node.name, Severity.UNKNOWN, line.reason, evidence)
    if line.state != "running":
        only = f" --limit {line.node.name}" if silent else ""
        return Finding(
            "process", line.node.name, Severity.CRIT, line.state, evidence, hint=f"fab start{only}"
        )
    if line.configuration not in ("as deployed", ONLINE, IN_UPGRADE):
        hint = {
            PENDING: f"fab restart --limit {line.node.name}",
            EDITED: "`fab plan` shows the difference",
            PUT_BACK: "what ran before was put back: write into the inventory what is to stay, `fab plan` shows the difference",
        }
        return Finding(
            "process",
            line.node.name,
            Severity.WARN,
            f"pid {line.pid}, {line.configuration}",
            evidence,
            hint=hint.get(line.configuration, "fab deploy"),
        )
    return Finding("process", line.node.name, Severity.OK, f"pid {line.pid}, {line.configuration}", evidence)
