"""What is still missing for started nodes to serve: pure judgements of what was seen, for the gates of a start.

Each returns ``Missing``: node name (or the cluster's) -> what it lacks, empty where all is there.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from kafab.cluster.metadata import Metadata, Partition, distinct
from kafab.cluster.seen import NOT_ASKED, Seen
from kafab.model import Cluster, Node
from kafab.unknown import Unknown
from kafab.words import few, plural

Missing: TypeAlias = Mapping[str, str]
"""Node name -> what is still missing; empty when the gate is passed."""


class Unanswered(str):
    """What is missing because nobody answered: it may be there, and this machine alone does not hear of it."""

    __slots__ = ()


def with_more(text: str, more: str) -> str:
    """Return what is missing with these words behind it, and Unanswered still where it was."""
    told = f"{text}{more}"
    return Unanswered(told) if isinstance(text, Unanswered) else told


def unanswered(missing: Missing) -> bool:
    """True where answers are all that is missing."""
    return bool(missing) and all(isinstance(text, Unanswered) for text in missing.values())


SERVING_MODES = frozenset({"leader", "follower", "observer", "standalone"})
LEADING_MODES = frozenset({"leader", "standalone"})


def ensemble(cluster: Cluster, awaited: Sequence[Node], seen: Seen) -> Missing:
    """Judge ZooKeeper: the awaited servers and a majority serve, under one leader."""
    members, size = seen.ensemble.members, len(cluster.zookeepers)
    missing: dict[str, str] = {
        node.name: Unanswered(m.reason) for node in awaited if isinstance(m := members[node.name], Unknown)
    }
    modes = [member.mode for member in members.values() if not isinstance(member, Unknown)]
    serving = sum(mode in SERVING_MODES for mode in modes)
    leaders = sum(mode in LEADING_MODES for mode in modes)
    if not missing and (leaders != 1 or serving <= size // 2):
        # A server that nobody could ask may be the leader: it is named, and counts as neither serving nor missing.
        silent = [f"{name}: {m.reason}" for name, m in members.items() if isinstance(m, Unknown)]
        text = f"{serving} of {size} servers, {leaders} leaders"
        told = "; ".join([f"{text} among those that answer" if silent else text, *silent])
        enough = leaders <= 1 and serving + len(silent) > size // 2
        missing[cluster.name] = Unanswered(told) if silent and enough else told
    return missing


def controllers_know_a_leader(awaited: Sequence[Node], seen: Seen) -> Missing:
    """Judge KRaft, first half: each awaited controller names a leader."""
    missing: dict[str, str] = {}
    for node in awaited:
        leader = seen.controllers.leaders[node.name]
        if isinstance(leader, Unknown):
            missing[node.name] = Unanswered(leader.reason)
        elif leader is None:
            missing[node.name] = "knows no leader yet"
    return missing


def leader_is_agreed(cluster: Cluster, awaited: Sequence[Node], seen: Seen) -> Missing:
    """Judge KRaft, second half: a leader that describes the quorum has a majority, and the awaited controllers name it."""
    state = seen.controllers.state
    if isinstance(state, Unknown):
        leaders = sorted({str(seen.controllers.leaders[node.name]) for node in awaited})
        # A leader that this machine alone does not reach is one all the same.
        unheard = f"; controller {few(leaders)} is named, and may lead unheard from here" if leaders else ""
        size = plural(len(cluster.controllers), "controller")
        return {cluster.name: Unanswered(f"no leader among {size}: {state.reason}{unheard}")}
    return {
        node.name: f"names {named}, the leader is {state.leader}"
        for node in awaited
        if (named := seen.controllers.leaders[node.name]) != state.leader
    }


def silent(cluster: Cluster, seen: Seen) -> Missing:
    """Return the brokers that run and do not answer: whoever waits for another one waits for them."""
    return {
        node.name: Unanswered(view.reason)
        for node in cluster.brokers
        if seen.stays(node) and isinstance(view := seen.views.get(node.id, NOT_ASKED), Unknown)
    }


def old_sessions(brokers: Sequence[Node], seen: Seen) -> Missing:
    """Judge ZooKeeper: no session of an earlier process holds the id of one of these brokers."""
    sessions = seen.ensemble.sessions
    if isinstance(sessions, Unknown):
        return {"ZooKeeper": Unanswered(sessions.reason)}
    return {
        broker.name: f"id {broker.id} is still registered as "
        f"{', '.join(map(str, sessions[broker.id].endpoints))}, until zookeeper.session.timeout.ms has passed"
        for broker in brokers
        if broker.id in sessions
    }


def own_lack(cluster: Cluster, broker: Node, seen: Seen) -> str:
    """Return what a broker itself lacks to serve, nothing where it serves."""
    view = seen.views.get(broker.id, NOT_ASKED)
    if cluster.kraft:
        if isinstance(view, Unknown):
            return Unanswered(view.reason)
        # Clients, and so this view, are told of unfenced brokers only.
        return "" if broker.id in view.brokers else "answers, and is fenced still"
    sessions = seen.ensemble.sessions
    if not isinstance(sessions, Unknown) and broker.id not in sessions:
        return "not registered"
    if isinstance(view, Unknown):
        return Unanswered(f"registered, and silent on {broker.endpoint}: {view.reason}")
    return "knows no controller yet" if view.controller is None else ""


def peers_lack(cluster: Cluster, broker: Node, awaited: Sequence[Node], seen: Seen) -> str:
    """Return whom a broker does not name to its clients: an awaited broker, or in ZooKeeper mode the elected controller.

    A broker answers from its own copy of the metadata, which follows the controller a moment later: until all name all,
    a client (`fab verify` is one) may be told that a broker is missing which serves already.
    """
    view = seen.views.get(broker.id, NOT_ASKED)
    if isinstance(view, Unknown):
        return Unanswered(view.reason)
    others = [node.name for node in awaited if node.id not in view.brokers]
    if others:
        return f"does not name {', '.join(others)} to its clients yet"
    controller = elected(cluster, seen)
    if controller is not None and view.controller != controller:
        known = "no controller" if view.controller is None else f"controller {view.controller}"
        return f"names {known} to its clients still, ZooKeeper names {controller}"
    return ""


def elected(cluster: Cluster, seen: Seen) -> int | None:
    """Return the controller that ZooKeeper names; None in KRaft mode, and where nobody is known to be elected."""
    controller = seen.ensemble.controller
    return None if cluster.kraft or isinstance(controller, Unknown) else controller.broker


def brokers(cluster: Cluster, awaited: Sequence[Node], started: Sequence[Node], seen: Seen) -> Missing:
    """Judge brokers: each awaited one serves, and once all do, each started one names all awaited ones."""
    if not cluster.kraft:
        for answer in (seen.ensemble.sessions, seen.ensemble.controller):
            if isinstance(answer, Unknown):
                return {cluster.name: Unanswered(answer.reason)}
    missing = {node.name: lack for node in awaited if (lack := own_lack(cluster, node, seen))}
    if not missing:
        missing = {node.name: lack for node in started if (lack := peers_lack(cluster, node, awaited, seen))}
    if not missing and not cluster.kraft and elected(cluster, seen) is None:
        return {cluster.name: "no controller is elected"}
    return missing


def to_ask(
    cluster: Cluster, awaited: Sequence[Node], started: Sequence[Node], seen: Seen
) -> Collection[Node]:
    """Return the brokers to ask (again): those that do not serve; once all do, the started ones that miss a peer."""
    unready = [node for node in awaited if own_lack(cluster, node, seen)]
    return unready or [node for node in started if peers_lack(cluster, node, awaited, seen)]


def out_of_sync(views: Iterable[Metadata], started: Sequence[Node]) -> dict[str, int]:
    """Count the replicas on these brokers that any view shows outside of the ISR: node name -> replicas, without zeros.

    A partition without a leader and without a live in-sync replica cannot admit a follower, so waiting would not help.
    """
    names = {node.id: node.name for node in started}
    outside = {
        (partition.name, broker)
        for view in distinct(views)
        for partition in view.partitions
        for broker in partition.replicas
        if broker in names and broker not in partition.isr and _can_be_led(partition, view)
    }
    return dict(Counter(names[broker] for _, broker in sorted(outside)))


def _can_be_led(partition: Partition, view: Metadata) -> bool:
    return partition.leader is not None or any(broker in view.brokers for broker in partition.isr)
