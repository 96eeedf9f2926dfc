"""One screen: what runs where, from which release and configuration, and what it leads.

Status reads and never judges; `verify` does that. What does not answer is shown as UNKNOWN, with the reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from kafab.command import Unknown
from kafab.facts import NodeFacts, Process
from kafab.findings import Finding, Severity
from kafab.metadata import Controller, Member, Metadata
from kafab.model import Cluster, Node, Role
from kafab.ops.observing import look
from kafab.plan import by_hand, restart_pending
from kafab.ports import Fleet, KafkaAdmin, Store, ZooKeeper
from kafab.state import Desired, DesiredNode, Observed, limited

ASK = timedelta(seconds=2)


@dataclass(frozen=True)
class NodeStatus:
    """One line of the screen. Empty text and None mean: nothing to say."""

    node: Node
    state: str
    """running, stopped, exited, not deployed or UNKNOWN."""
    pid: int | None = None
    uptime: timedelta | None = None
    release: str = ""
    configuration: str = ""
    """as deployed, restart pending, edited by hand, deploy pending, or empty where there is none."""
    leads: str = ""
    reason: str = ""

    @property
    def document(self) -> dict[str, object]:
        """The line for `--json`."""
        return {
            "host": self.node.host.name,
            "node": self.node.name,
            "role": str(self.node.role),
            "id": self.node.id,
            "state": self.state,
            "pid": self.pid,
            "uptime_seconds": None if self.uptime is None else round(self.uptime.total_seconds()),
            "release": self.release or None,
            "configuration": self.configuration or None,
            "leads": self.leads or None,
            "reason": self.reason or None,
        }


def status(
    cluster: Cluster,
    limit: str | None,
    *,
    fleet: Fleet,
    store: Store,
    zookeeper: ZooKeeper,
    admin: KafkaAdmin,
) -> tuple[NodeStatus, ...]:
    """Observe hosts, ensemble and brokers; every question has a deadline, and no answer is UNKNOWN."""
    nodes = limited(cluster, limit)
    desired, observed = look(cluster, nodes, fleet, store)
    lines = [node_status(desired, wanted, observed) for wanted in desired.nodes]
    leads = _leads([line.node for line in lines if line.state == "running"], zookeeper, admin)
    return tuple(
        NodeStatus(
            line.node, line.state, line.pid, line.uptime, line.release, line.configuration,
            leads.get(line.node.name, ""), line.reason,
        )
        for line in lines
    )  # fmt: skip


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
        configuration=_configuration(desired, wanted, facts),
    )


def _state(facts: NodeFacts, process: Process | None) -> str:
    if process is not None and process.alive:
        return "running"
    if process is not None and not process.asked:
        return "exited"
    return "stopped" if facts.files and facts.release else "not deployed"


def _configuration(desired: Desired, wanted: DesiredNode, facts: NodeFacts) -> str:
    if not facts.files:
        return ""
    if any(by_hand(facts, name) for name in facts.files):
        return "edited by hand"
    on_disk = {name: file.sha256 for name, file in facts.files.items()}
    current_release = desired.artifact is None or facts.release == desired.artifact.folder
    if on_disk != {file.path.name: file.sha256 for file in wanted.files} or not current_release:
        return "deploy pending"
    return "restart pending" if restart_pending(desired, wanted, facts) else "as deployed"


def _leads(running: Sequence[Node], zookeeper: ZooKeeper, admin: KafkaAdmin) -> Mapping[str, str]:
    """Return node name -> what it leads, asked side by side."""
    servers = [node for node in running if node.role is Role.ZOOKEEPER]
    brokers = [node for node in running if node.role is Role.BROKER]
    with ThreadPoolExecutor(max_workers=len(servers) + 2) as pool:
        members = {node.name: pool.submit(zookeeper.member, node.endpoint) for node in servers}
        controller = pool.submit(zookeeper.controller) if servers else None
        metadata = pool.submit(lambda: admin.metadata(timeout=ASK)) if brokers else None
        told = {name: _member(member.result()) for name, member in members.items()}
        if metadata is not None:
            told |= _brokers(
                brokers, metadata.result(), controller.result() if controller else Unknown("not asked")
            )
    return told


def _member(member: Member | Unknown) -> str:
    return f"UNKNOWN: {member.reason}" if isinstance(member, Unknown) else member.mode


def _brokers(
    brokers: Sequence[Node], metadata: Metadata | Unknown, controller: Controller | Unknown
) -> dict[str, str]:
    if isinstance(metadata, Unknown):
        return {broker.name: f"UNKNOWN: {metadata.reason}" for broker in brokers}
    leaders = Counter(partition.leader for partition in metadata.partitions)
    elected = metadata.controller if isinstance(controller, Unknown) else controller.broker
    return {
        broker.name: f"{leaders[broker.id]} partition{'' if leaders[broker.id] == 1 else 's'}"
        + (", controller" if broker.id == elected else "")
        for broker in brokers
    }


def findings(cluster: Cluster, *, fleet: Fleet, store: Store) -> tuple[Finding, ...]:
    """Check that each node runs, and runs what was deployed: the first findings of `verify`."""
    desired, observed = look(cluster, cluster.nodes, fleet, store)
    return tuple(_finding(node_status(desired, wanted, observed)) for wanted in desired.nodes)


def _finding(line: NodeStatus) -> Finding:
    evidence = line.document
    if line.state == "UNKNOWN":
        return Finding("process", line.node.name, Severity.UNKNOWN, line.reason, evidence)
    if line.state != "running":
        return Finding("process", line.node.name, Severity.CRIT, line.state, evidence, hint="fab start")
    if line.configuration != "as deployed":
        hint = {"restart pending": "fab restart", "edited by hand": "fab plan shows the difference"}
        return Finding(
            "process",
            line.node.name,
            Severity.WARN,
            f"pid {line.pid}, {line.configuration}",
            evidence,
            hint=hint.get(line.configuration, "fab deploy"),
        )
    return Finding("process", line.node.name, Severity.OK, f"pid {line.pid}, as deployed", evidence)
