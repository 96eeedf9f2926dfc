"""Is a stranger kept out? What each listener of a secure cluster must refuse, and what came of trying.

A wall that nobody has tried proves nothing: each attempt is made, and the refusal is seen. A node that does not answer
at all has refused nobody.
"""

from collections.abc import Collection, Iterator, Mapping

from kafab.cluster.walls import Attempt, Door, Knocked, LetIn, Refused
from kafab.config.security import among_brokers
from kafab.findings import Finding, Severity
from kafab.listeners import Listener
from kafab.model import Cluster, Node, Role, Version
from kafab.unknown import Unknown
from kafab.words import few, plural

FIRST_USERS = Version(2, 7, 0)
"""The first whose brokers make users for a client (KIP-554)."""


def doors(cluster: Cluster) -> tuple[Door, ...]:
    """Return every attempt that must be refused, listener by listener; none at listeners in the clear."""
    return tuple(
        Door(
            node.name,
            node.use(listener),
            listener.endpoint,
            attempt,
            zookeeper=node.role is Role.ZOOKEEPER,
            broker_user=mine.user if (mine := among_brokers(cluster, listener)) else "",
        )
        for node in cluster.nodes
        for listener in node.listeners
        for attempt in _attempts(cluster, node, listener)
    )


def _attempts(cluster: Cluster, node: Node, listener: Listener) -> Iterator[Attempt]:
    protocol = listener.protocol
    if protocol.tls:
        yield from (Attempt.PLAINTEXT, Attempt.OTHER_NAME)
        if not protocol.sasl:
            yield from (Attempt.NO_CERTIFICATE, Attempt.UNKNOWN_CA)
    if protocol.sasl:
        yield from (Attempt.NO_LOGIN, Attempt.WRONG_PASSWORD)
        # One broker stands for all: they have the same ACLs. Where brokers log in to each other there are no users.
        authorized = bool(cluster.security and cluster.security.authorizer)
        with_users = cluster.version >= FIRST_USERS and not among_brokers(cluster, listener)
        if authorized and node == cluster.brokers[0] and with_users:
            yield Attempt.NO_ACL


def judge_walls(
    cluster: Cluster, asked: Collection[Door], answers: Mapping[Door, Knocked]
) -> tuple[Finding, ...]:
    """Return one finding for each kind of attempt that was made."""
    kinds = [attempt for attempt in Attempt if any(door.attempt is attempt for door in asked)]
    return tuple(
        _judged(cluster, attempt, {door: answers[door] for door in asked if door.attempt is attempt})
        for attempt in kinds
    )


def _judged(cluster: Cluster, attempt: Attempt, answers: Mapping[Door, Knocked]) -> Finding:
    refused = {str(door): answer.how for door, answer in answers.items() if isinstance(answer, Refused)}
    let_in = [str(door) for door, answer in answers.items() if isinstance(answer, LetIn)]
    silent = {str(door): answer.reason for door, answer in answers.items() if isinstance(answer, Unknown)}
    evidence: dict[str, object] = {"refused": refused, "let_in": let_in, "unknown": silent}

    def finding(severity: Severity, detail: str, hint: str | None = None) -> Finding:
        return Finding(attempt.value, cluster.name, severity, detail, evidence, hint)

    if let_in:
        hint = "`fab plan` tells whether the configuration is that of the inventory; a broker reads it when it is restarted"
        return finding(Severity.CRIT, f"{attempt.words} is let in at {few(let_in)}", hint)
    if silent:
        first = next(iter(silent.items()))
        more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
        return finding(Severity.UNKNOWN, f"{attempt.words}: not seen at {first[0]}: {first[1]}{more}")
    how = few(dict.fromkeys(refused.values()), 3)
    return finding(Severity.OK, f"{attempt.words} is refused at {plural(len(refused), 'listener')}: {how}")
