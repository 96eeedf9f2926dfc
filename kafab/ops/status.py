"""One screen: what runs where, from which release and configuration, and what it leads.

Status reads and never judges; `verify` does that. What does not answer is shown as UNKNOWN, with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from kafab.command import Unknown
from kafab.facts import NodeFacts, Process
from kafab.findings import Finding, Severity
from kafab.health import Registrations
from kafab.metadata import Controller, Member, Metadata, Registration
from kafab.model import Cluster, Node, Role
from kafab.ops.gates import ASK
from kafab.ops.observing import look
from kafab.plan import by_hand, differs, restart_pending
from kafab.ports import Fleet, KafkaAdmin, MetadataQuorum, Store, ZooKeeper
from kafab.quorum_health import absent, fenced
from kafab.state import Desired, DesiredNode, Observed, limited
from kafab.storage_health import judge_storage


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
    quorum: MetadataQuorum,
    admin: KafkaAdmin,
) -> tuple[NodeStatus, ...]:
    """Observe hosts, ensemble or quorum, and brokers; every question has a deadline, and no answer is UNKNOWN."""
    nodes = limited(cluster, limit)
    desired, observed = look(cluster, nodes, fleet, store)
    lines = [node_status(desired, wanted, observed) for wanted in desired.nodes]
    running = [line.node for line in lines if line.state == "running"]
    leads = (
        _leads_in_kraft(cluster, running, quorum, admin)
        if cluster.kraft
        else _leads(running, zookeeper, admin)
    )
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
        return "stopping" if process.asked else "running"
    if facts.unit_state == "auto-restart":
        return "restarting"
    # systemd tells an orderly stop (dead) from an exit of its own (failed); a run record alone cannot.
    if process is not None and not process.asked and facts.unit_state != "dead":
        return "exited"
    return "stopped" if facts.files and facts.release else "not deployed"


def _configuration(desired: Desired, wanted: DesiredNode, facts: NodeFacts) -> str:
    if not facts.files:
        return ""
    current_release = desired.artifact is None or facts.release == desired.artifact.folder
    other = [file.path.name for file in wanted.files if differs(file, facts.files.get(file.path.name))]
    # A file that is as wanted was not edited, whatever an interrupted deploy left in the manifest.
    if any(by_hand(facts, name) for name in other):
        return "edited by hand"
    changed = bool(other) or any(differs(file, facts.units.get(file.path)) for file in wanted.units)
    if changed or not current_release:
        return "deploy pending"
    return "restart pending" if restart_pending(desired, wanted, facts) else "as deployed"


def _leads(running: Sequence[Node], zookeeper: ZooKeeper, admin: KafkaAdmin) -> Mapping[str, str]:
    """Return node name -> what it leads, asked side by side."""
    servers = [node for node in running if node.role is Role.ZOOKEEPER]
    brokers = [node for node in running if node.role is Role.BROKER]
    with ThreadPoolExecutor(max_workers=min(64, len(running) + 2)) as pool:
        members = {node.name: pool.submit(zookeeper.member, node.endpoint) for node in servers}
        views = {node.name: pool.submit(admin.metadata, node.endpoint, timeout=ASK) for node in brokers}
        controller = pool.submit(zookeeper.controller) if servers else None
        registrations = pool.submit(zookeeper.registrations) if servers else None
        told = {name: _member(member.result()) for name, member in members.items()}
        answers = {name: view.result() for name, view in views.items()}
        elected = controller.result() if controller else Unknown("no ZooKeeper server runs")
        registered = registrations.result() if registrations else Unknown("no ZooKeeper server runs")
    return told | {node.name: _broker(node, answers, elected, registered) for node in brokers}


def _member(member: Member | Unknown) -> str:
    return f"UNKNOWN: {member.reason}" if isinstance(member, Unknown) else member.mode


def _broker(
    node: Node,
    views: Mapping[str, Metadata | Unknown],
    controller: Controller | Unknown,
    registered: Mapping[int, Registration] | Unknown,
) -> str:
    """Say what a broker leads; that its process runs does not make one healthy that is silent or not registered."""
    view = views[node.name]
    if isinstance(view, Unknown):
        return f"UNKNOWN: {view.reason}"
    words = [_partitions(node, view)]
    if node.id == (view.controller if isinstance(controller, Unknown) else controller.broker):
        words.append("controller")
    if not isinstance(registered, Unknown) and node.id not in registered:
        words.append("not registered")
    return ", ".join(words)


def _partitions(node: Node, view: Metadata) -> str:
    leads = sum(partition.leader == node.id for partition in view.partitions)
    return f"{leads} partition{'' if leads == 1 else 's'}"


def _leads_in_kraft(
    cluster: Cluster, running: Sequence[Node], quorum: MetadataQuorum, admin: KafkaAdmin
) -> Mapping[str, str]:
    """Return node name -> what it leads, as a broker and as a controller, asked side by side."""
    brokers = [node for node in running if node.role is Role.BROKER]
    controllers = [node for node in running if node.controller_port is not None]
    with ThreadPoolExecutor(max_workers=min(64, len(running) + len(controllers) + 1)) as pool:
        registrations = pool.submit(quorum.brokers) if brokers else None
        views = {node.name: pool.submit(admin.metadata, node.endpoint, timeout=ASK) for node in brokers}
        leaders = {
            node.name: pool.submit(quorum.leader, node.controller_endpoint, timeout=ASK)
            for node in controllers
        }
        registered = fenced(registrations.result() if registrations else Unknown("no broker runs"))
        words: dict[str, list[str]] = {node.name: [] for node in running}
        for node in brokers:
            words[node.name] += _kraft_broker(cluster, node, views[node.name].result(), registered)
        for node in controllers:
            words[node.name].append(_controller(node, leaders[node.name].result()))
    return {name: ", ".join(dict.fromkeys(told)) for name, told in words.items()}


def _kraft_broker(
    cluster: Cluster, node: Node, view: Metadata | Unknown, registered: Registrations
) -> Iterator[str]:
    yield f"UNKNOWN: {view.reason}" if isinstance(view, Unknown) else _partitions(node, view)
    if isinstance(registered, Unknown):
        return
    if node.id not in registered:
        yield absent(cluster).removeprefix("is ")
    elif registered[node.id].fenced:
        yield "fenced"


def _controller(node: Node, leader: int | Unknown | None) -> str:
    if isinstance(leader, Unknown):
        return f"UNKNOWN: {leader.reason}"
    if leader is None:
        return "no leader"
    return "leader" if leader == node.id else "follower"


def findings(cluster: Cluster, *, fleet: Fleet, store: Store) -> tuple[Finding, ...]:
    """Check that each node runs, and runs what was deployed, on data of one cluster: the first findings of `verify`."""
    desired, observed = look(cluster, cluster.nodes, fleet, store)
    processes = tuple(_finding(node_status(desired, wanted, observed)) for wanted in desired.nodes)
    return (*processes, judge_storage(cluster, observed)) if cluster.kraft else processes


def _finding(line: NodeStatus) -> Finding:
    evidence = line.document
    if line.state == "UNKNOWN":
        return Finding("process", line.node.name, Severity.UNKNOWN, line.reason, evidence)
    if line.state != "running":
        return Finding("process", line.node.name, Severity.CRIT, line.state, evidence, hint="fab start")
    if line.configuration != "as deployed":
        hint = {
            "restart pending": f"fab restart --limit {line.node.name}",
            "edited by hand": "fab plan shows the difference",
        }
        return Finding(
            "process",
            line.node.name,
            Severity.WARN,
            f"pid {line.pid}, {line.configuration}",
            evidence,
            hint=hint.get(line.configuration, "fab deploy"),
        )
    return Finding("process", line.node.name, Severity.OK, f"pid {line.pid}, as deployed", evidence)
