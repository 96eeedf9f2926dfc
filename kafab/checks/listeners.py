"""Does each listener of a broker answer, and show its own addresses: a client stays on the listener it came to.

A broker tells its clients where the brokers listen under the name of the listener that was asked. So what is registered
for a listener can be read at that listener alone in KRaft mode; in ZooKeeper mode the registrations have them all.
"""

from collections.abc import Iterator

from kafab.cluster.metadata import Metadata
from kafab.cluster.seen import ListenerAnswers, Views
from kafab.config.security import may_ask
from kafab.findings import Finding, Severity
from kafab.listeners import Listener, Use
from kafab.model import Cluster, Node
from kafab.unknown import Unknown


def judge_listeners(cluster: Cluster, answers: ListenerAnswers, views: Views) -> tuple[Finding, ...]:
    """Return one finding for each broker with several listeners; ``views`` are the brokers' answers on kafab's own."""
    several = (node for node in cluster.brokers if len(node.broker_listeners) > 1)
    return tuple(_judged(cluster, node, {node.endpoint: views[node.id], **answers}) for node in several)


def _judged(cluster: Cluster, node: Node, answers: ListenerAnswers) -> Finding:
    wrong, silent, apart, good, unasked = [], [], [], [], []
    for listener in node.broker_listeners:
        place = f"{listener.name} {listener.endpoint}"
        if not may_ask(cluster, listener):
            whose = "brokers" if listener.uses == {Use.BROKERS} else "clients"
            unasked.append((place, whose))
            continue
        view = answers[listener.endpoint]
        if isinstance(view, Metadata):
            strange = [*_strange(cluster, listener, view, answers[node.endpoint])]
            wrong += [f"{place} shows {text}" for text in strange]
            good += [] if strange else [place]
        elif listener.uses == {Use.BROKERS}:
            # The brokers' network may be closed to this machine; that they reach each other their replicas say.
            apart.append(place)
        else:
            silent.append(f"{place}: {view.reason}")
    evidence = {
        "answering": good,
        "wrong": wrong,
        "silent": silent,
        "for_brokers_only": apart,
        "unasked": [place for place, _ in unasked],
    }

    def finding(severity: Severity, detail: str, hint: str | None = None) -> Finding:
        return Finding("broker.listeners", node.name, severity, detail, evidence, hint)

    if wrong:
        hint = "`fab plan` tells whether the configuration is that of the inventory; then restart the brokers named"
        return finding(Severity.CRIT, "; ".join(wrong), hint)
    if silent:
        hint = "ask from a machine on the network of these clients, or mend advertised: in the inventory"
        return finding(Severity.UNKNOWN, f"does not answer here on {'; '.join(silent)}", hint)
    unheard = f"; {', '.join(apart)} is for the brokers and does not answer here" if apart else ""
    closed = "".join(f"; {place} is for {whose} that log in: not asked" for place, whose in unasked)
    return finding(Severity.OK, f"{', '.join(good)}: each shows its own addresses{unheard}{closed}")


def _strange(cluster: Cluster, asked: Listener, view: Metadata, known: Metadata | Unknown) -> Iterator[str]:
    """Say which brokers a listener shows elsewhere than it should, or not at all though kafab's own shows them."""
    for node in cluster.brokers:
        wanted = next((own.endpoint for own in node.broker_listeners if own.name == asked.name), None)
        shown = view.brokers.get(node.id)
        if wanted is None or shown == wanted:
            continue
        if shown is not None:
            yield f"id {node.id} at {shown}, the inventory says {wanted}"
        elif isinstance(known, Metadata) and node.id in known.brokers:
            yield f"no id {node.id}, the inventory says {wanted}"
