"""What ZooKeeper's words say of a cluster's health: the ensemble and the controller that it elected. See `kafab.checks.brokers`."""

from collections.abc import Mapping

from kafab.cluster.metadata import Controller, Member, Metadata
from kafab.cluster.seen import Registrations, Views
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Node
from kafab.unknown import Unknown
from kafab.words import few

OK, UNKNOWN, CRIT = Severity.OK, Severity.UNKNOWN, Severity.CRIT


def judge_ensemble(cluster: Cluster, members: Mapping[str, Member | Unknown]) -> tuple[Finding, ...]:
    """ZooKeeper: each server (by node name) answers; one leads; all others follow it in sync."""
    each = [_member(node, members[node.name]) for node in cluster.zookeepers]
    return (*each, _quorum(cluster, members))


def _member(node: Node, member: Member | Unknown) -> Finding:
    if isinstance(member, Unknown):
        return Finding("zookeeper.member", node.name, UNKNOWN, f"does not answer: {member.reason}")
    evidence: dict[str, object] = {
        "mode": member.mode,
        "zxid": f"0x{member.zxid:x}",
        "version": member.version,
    }
    return Finding("zookeeper.member", node.name, OK, f"{member.mode}, ZooKeeper {member.version}", evidence)


def _quorum(cluster: Cluster, members: Mapping[str, Member | Unknown]) -> Finding:
    size = len(cluster.zookeepers)
    known = {name: member for name, member in members.items() if not isinstance(member, Unknown)}
    leaders = {name: member for name, member in known.items() if member.mode in {"leader", "standalone"}}
    evidence: dict[str, object] = {"servers": size, "answering": len(known), "leaders": sorted(leaders)}
    if len(leaders) == 1:
        (name, leader), *_ = leaders.items()
        evidence |= {"synced_followers": leader.synced_followers}
        severity, detail = _followers(name, leader, size)
    elif not leaders and len(known) < size:
        severity, detail = UNKNOWN, f"no leader among the {len(known)} of {size} servers that answer"
    else:
        severity, detail = CRIT, f"{len(leaders)} of {size} servers lead: {few(sorted(leaders)) or 'none'}"
    return Finding("zookeeper.quorum", cluster.name, severity, detail, evidence)


def _followers(name: str, leader: Member, size: int) -> tuple[Severity, str]:
    if (leader.mode == "standalone") != (size == 1):
        return CRIT, f"{name} runs as {leader.mode} in an ensemble of {size}"
    if size == 1:
        return OK, f"{name} serves alone"
    if leader.synced_followers is None:
        return UNKNOWN, f"{name} leads but does not say how many followers are in sync"
    detail = f"{name} leads, {leader.synced_followers} of {size - 1} followers in sync"
    return (OK if leader.synced_followers == size - 1 else CRIT), detail


def judge_controller(
    cluster: Cluster, controller: Controller | Unknown, found: Registrations, views: Views
) -> tuple[Finding, ...]:
    """The controller: one, registered; and every broker, asked on its own, names the same one."""
    elected = _elected(cluster, controller, found)
    wanted = None if isinstance(controller, Unknown) else controller.broker
    return (elected, *(_names_controller(node, wanted, views[node.id], found) for node in cluster.brokers))


def _elected(cluster: Cluster, controller: Controller | Unknown, found: Registrations) -> Finding:
    if isinstance(controller, Unknown):
        return Finding("controller.elected", cluster.name, UNKNOWN, controller.reason)
    evidence: dict[str, object] = {"controller": controller.broker, "epoch": controller.epoch}
    if controller.broker is None:
        return Finding(
            "controller.elected", cluster.name, CRIT, f"none since epoch {controller.epoch}", evidence
        )
    text = f"broker {controller.broker}, epoch {controller.epoch}"
    if isinstance(found, Unknown):
        detail = f"{text}; whether it is registered is unknown: {found.reason}"
        return Finding("controller.elected", cluster.name, UNKNOWN, detail, evidence)
    if controller.broker not in found:
        return Finding("controller.elected", cluster.name, CRIT, f"{text}, is not registered", evidence)
    return Finding("controller.elected", cluster.name, OK, text, evidence)


def _names_controller(
    node: Node, wanted: int | None, view: Metadata | Unknown, found: Registrations
) -> Finding:
    if isinstance(view, Unknown):
        gone = not isinstance(found, Unknown) and node.id not in found
        return Finding("controller.agreed", node.name, CRIT if gone else UNKNOWN, f"not told: {view.reason}")
    evidence: dict[str, object] = {"controller": view.controller, "elected": wanted}
    if view.controller is None:
        return Finding("controller.agreed", node.name, CRIT, "knows no controller", evidence)
    if wanted is None:
        detail = f"names broker {view.controller}, which ZooKeeper does not confirm"
        return Finding("controller.agreed", node.name, UNKNOWN, detail, evidence)
    if view.controller != wanted:
        detail = f"names broker {view.controller}, elected is {wanted}"
        return Finding("controller.agreed", node.name, CRIT, detail, evidence)
    return Finding("controller.agreed", node.name, OK, f"names broker {wanted}", evidence)
