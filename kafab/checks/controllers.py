"""What the KRaft controllers' words say of a cluster's health: leader, voters, observers, features. See `kafab.checks.brokers`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from kafab.cluster.metadata import KraftBroker, QuorumReplica, QuorumState
from kafab.cluster.seen import ControllerAnswers, Views
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Node, Version
from kafab.unknown import Unknown
from kafab.words import few

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT

GIVEN_UP_AFTER = timedelta(minutes=1)
"""One that answers and has been behind for so long does not catch up by itself."""
FENCED_ARE_TOLD = Version(4, 0, 0)
"""From here on fenced brokers can be asked for (KIP-1073)."""


def judge_quorum(cluster: Cluster, answers: ControllerAnswers, views: Views) -> tuple[Finding, ...]:
    """KRaft: one leader; every controller a voter that is caught up, every other broker an observer; all name the leader."""
    return (
        _leader(cluster, answers),
        *(_voter(node, answers) for node in cluster.controllers),
        _voters(cluster, answers.state),
        _majority(cluster, answers),
        _observers(cluster, answers, views),
        *(_agreed(node, answers) for node in cluster.nodes),
        _features(cluster, answers.features),
    )


def absent(cluster: Cluster) -> str:
    """Return what it means that a broker is not among the registered ones."""
    return "is not registered" if cluster.version >= FENCED_ARE_TOLD else "is not registered, or fenced"


def majority(voters: int) -> int:
    """Return how many of so many voters must agree."""
    return voters // 2 + 1


def _leader(cluster: Cluster, answers: ControllerAnswers) -> Finding:
    state = answers.state
    if isinstance(state, Unknown):
        severity, detail = _leaderless(answers)
        known = {name: leader for name, leader in answers.leaders.items() if not isinstance(leader, Unknown)}
        evidence: dict[str, object] = {"controllers": len(answers.leaders), "answering": len(known)}
        return Finding("quorum.leader", cluster.name, severity, detail, evidence | {"named": known})
    evidence = {"leader": state.leader, "epoch": state.epoch, "high_watermark": state.high_watermark}
    text = f"controller {state.leader} leads, epoch {state.epoch}"
    if state.leader not in {node.id for node in cluster.controllers}:
        return Finding("quorum.leader", cluster.name, CRIT, f"{text}, is not in the inventory", evidence)
    return Finding("quorum.leader", cluster.name, OK, text, evidence)


def _leaderless(answers: ControllerAnswers) -> tuple[Severity, str]:
    """Tell why nobody describes the quorum: CRIT only where all controllers that answer know no leader."""
    size = len(answers.leaders)
    known = [leader for leader in answers.leaders.values() if not isinstance(leader, Unknown)]
    named = sorted({leader for leader in known if leader is not None})
    reason = answers.state.reason if isinstance(answers.state, Unknown) else ""
    if named:
        return (
            UNKNOWN,
            f"controller {few(map(str, named))} is named as the leader, which is not told: {reason}",
        )
    text = f"no leader: {len(known)} of {size} controllers answer{'s' if len(known) == 1 else ''}"
    return (CRIT if known else UNKNOWN), f"{text}, a majority is {majority(size)}"


def _voter(node: Node, answers: ControllerAnswers) -> Finding:
    state, named = answers.state, answers.leaders[node.name]
    silent = f"does not answer: {named.reason}" if isinstance(named, Unknown) else None

    def finding(
        severity: Severity, detail: str, evidence: Mapping[str, object], hint: str | None = None
    ) -> Finding:
        return Finding(
            "quorum.voter",
            node.name,
            severity,
            detail,
            {"id": node.id, "answers": silent is None, **evidence},
            hint,
        )

    if isinstance(state, Unknown):
        detail = silent or f"answers, {_names(named)}; whether it is caught up is not told: {state.reason}"
        return finding(UNKNOWN, detail, {})
    voter = _replica(state.voters, node.id)
    observer = _replica(state.observers, node.id)
    if observer and not silent and _replaced(voter, observer):
        detail = f"is not in the voter set: {_directories(voter, observer)}{_figures(observer)}"
        return finding(CRIT, detail, _evidence(observer), _add_controller(voter))
    if voter is None:
        detail = f"is not in the voter set, and {silent or f'answers, {_names(named)}'}"
        return finding(CRIT, detail, {}, None if silent else _add_controller(None))
    if node.id == state.leader:
        detail = f"leads, epoch {state.epoch}" + (f"; {silent}" if silent else "")
        return finding(UNKNOWN if silent else OK, detail, _evidence(voter))
    severity, detail = _following(voter, silent, agrees=named == state.leader)
    return finding(severity, detail, _evidence(voter))


def _replaced(voter: QuorumReplica | None, observer: QuorumReplica) -> bool:
    """True if the running process has another directory id than the voter of this node id; the leader lists the dead one for minutes."""
    return voter is None or not voter.follows or observer.log_end > voter.log_end


def _following(replica: QuorumReplica, silent: str | None, *, agrees: bool) -> tuple[Severity, str]:
    """Judge a replica that answers or is ``silent``, and that ``agrees`` on the leader or does not.

    A leader knows nothing of its followers at first: after an election one that agrees with it is about to be seen.
    """
    if replica.follows:
        return (UNKNOWN, f"is caught up but {silent}") if silent else (OK, f"follows, {_figures(replica)}")
    if silent:
        return CRIT, f"{silent}; {_figures(replica)}"
    lost = not agrees if replica.caught_up is None else replica.caught_up > GIVEN_UP_AFTER
    return (CRIT if lost else WARN), f"lags: {_figures(replica)}"


def _figures(replica: QuorumReplica) -> str:
    records = f"{replica.behind} record{'' if replica.behind == 1 else 's'} behind"
    if replica.caught_up is None:
        return f"{records}, never caught up since this leader leads"
    return f"{records}, last caught up {replica.caught_up.total_seconds():.1f} s ago"


def _names(leader: int | Unknown | None) -> str:
    return "knows no leader" if leader is None else f"names controller {leader}"


def _directories(voter: QuorumReplica | None, observer: QuorumReplica) -> str:
    """Tell apart the data that votes and the data that is there: another disk is another voter (KIP-853)."""
    if voter is None or voter.directory == observer.directory:
        return "it only observes, "
    return f"it runs with directory id {observer.directory}, the voter is {voter.directory}; "


def _add_controller(voter: QuorumReplica | None) -> str:
    old = f"--controller-id {voter.id} --controller-directory-id {voter.directory}" if voter else ""
    remove = f"`kafka-metadata-quorum remove-controller {old}`, then " if old else ""
    return f"{remove}`kafka-metadata-quorum add-controller` on it; with a static quorum: controller.quorum.voters"


def _evidence(replica: QuorumReplica) -> dict[str, object]:
    return {
        "log_end": replica.log_end,
        "behind": replica.behind,
        "caught_up_seconds": None if replica.caught_up is None else replica.caught_up.total_seconds(),
        "directory": replica.directory,
    }


def _replica(replicas: Sequence[QuorumReplica], number: int) -> QuorumReplica | None:
    return next((replica for replica in replicas if replica.id == number), None)


def _voters(cluster: Cluster, state: QuorumState | Unknown) -> Finding:
    if isinstance(state, Unknown):
        return Finding("quorum.voters", cluster.name, UNKNOWN, state.reason)
    expected, found = {node.id for node in cluster.controllers}, {voter.id for voter in state.voters}
    missing, strangers = sorted(expected - found), sorted(found - expected)
    evidence: dict[str, object] = {
        "voters": sorted(found),
        "expected": sorted(expected),
        "directories": {str(voter.id): voter.directory for voter in state.voters},
    }
    told = [f"not in the voter set: {few(map(str, missing))}"] if missing else []
    told += [f"not in the inventory: {few(map(str, strangers))}"] if strangers else []
    if told:
        return Finding("quorum.voters", cluster.name, CRIT, "; ".join(told), evidence)
    detail = f"{', '.join(map(str, sorted(found)))}, as in the inventory"
    return Finding("quorum.voters", cluster.name, OK, detail, evidence)


def _majority(cluster: Cluster, answers: ControllerAnswers) -> Finding:
    state = answers.state
    if isinstance(state, Unknown):
        severity, detail = _leaderless(answers)
        return Finding("quorum.majority", cluster.name, severity, detail)
    able = [voter.id for voter in state.voters if voter.id == state.leader or voter.follows]
    size, needed = len(state.voters), majority(len(state.voters))
    evidence: dict[str, object] = {"voters": size, "caught_up": sorted(able), "majority": needed}
    text = f"{len(able)} of {size} voters {'is' if len(able) == 1 else 'are'} caught up"
    agreeing = {node.id for node in cluster.controllers if answers.leaders[node.name] == state.leader}
    unseen = [voter.id for voter in state.voters if voter.caught_up is None and voter.id in agreeing]
    if len(able) < needed <= len(able) + len(unseen):
        told = few(map(str, unseen))
        detail = f"{text}, a majority is {needed}: the leader has not seen {told} yet, which agree on it"
        return Finding("quorum.majority", cluster.name, WARN, detail, evidence)
    if len(able) < needed:
        detail = f"{text}, a majority is {needed}: the metadata cannot change"
        return Finding("quorum.majority", cluster.name, CRIT, detail, evidence)
    spare = len(able) - needed
    if len(able) == size:
        return Finding("quorum.majority", cluster.name, OK, f"{text}, {spare} can be spared", evidence)
    lost = "one more loss leaves no majority" if spare == 0 else f"{spare} more can be lost"
    return Finding("quorum.majority", cluster.name, WARN, f"{text}: {lost}", evidence)


def _observers(cluster: Cluster, answers: ControllerAnswers, views: Views) -> Finding:
    state = answers.state
    if isinstance(state, Unknown):
        return Finding("quorum.observers", cluster.name, UNKNOWN, state.reason)
    brokers = [node for node in cluster.brokers if not node.combined]
    told, evidence, worst = [], {}, OK
    for node in brokers:
        replica, view = _replica(state.observers, node.id), views[node.id]
        if replica is None:
            severity, detail = CRIT, "does not follow the metadata"
        else:
            evidence[str(node.id)] = _evidence(replica)
            silent = f"does not answer: {view.reason}" if isinstance(view, Unknown) else None
            through = answers.reached[node.name]
            agrees = not isinstance(through, Unknown) and through.leader == state.leader
            severity, detail = _following(replica, silent, agrees=agrees)
        worst = max(worst, severity)
        told += [f"{node.name} {detail}"] if severity is not OK else []
    if told:
        return Finding("quorum.observers", cluster.name, worst, "; ".join(told), evidence)
    detail = f"{len(brokers)} brokers follow, caught up" if brokers else "every broker is a voter"
    return Finding("quorum.observers", cluster.name, OK, detail, evidence)


def _agreed(node: Node, answers: ControllerAnswers) -> Finding:
    """Hold what one process says of the leader, as a controller and as a broker, against the leader itself."""
    told = []
    if node.name in answers.leaders:
        told.append(_named(node, answers))
    if node.name in answers.reached:
        told.append(_reached(node, answers))
    severity = max(found for found, _ in told)
    detail = "; ".join(dict.fromkeys(text for found, text in told if found is severity))
    state = answers.state
    evidence: dict[str, object] = {"leader": None if isinstance(state, Unknown) else state.leader}
    return Finding("controller.agreed", node.name, severity, detail, evidence)


def _named(node: Node, answers: ControllerAnswers) -> tuple[Severity, str]:
    state, leader = answers.state, answers.leaders[node.name]
    if isinstance(leader, Unknown):
        return (CRIT if _gone(node, state) else UNKNOWN), f"not told: {leader.reason}"
    if leader is None:
        return CRIT, "knows no leader"
    if isinstance(state, Unknown):
        return UNKNOWN, f"names controller {leader}, which is not confirmed: {state.reason}"
    if leader != state.leader:
        return CRIT, f"names controller {leader}, the leader is {state.leader}"
    return OK, f"names controller {leader}"


def _reached(node: Node, answers: ControllerAnswers) -> tuple[Severity, str]:
    state, through = answers.state, answers.reached[node.name]
    if isinstance(through, Unknown):
        out = not isinstance(answers.brokers, Unknown) and _serves_nobody(answers.brokers.get(node.id))
        return (CRIT if out else UNKNOWN), f"reaches no leader: {through.reason}"
    if isinstance(state, Unknown):
        return UNKNOWN, f"reaches controller {through.leader}, which is not confirmed: {state.reason}"
    if (through.leader, through.epoch) != (state.leader, state.epoch):
        reached = f"controller {through.leader} in epoch {through.epoch}"
        return CRIT, f"reaches {reached}, the leader is {state.leader} in epoch {state.epoch}"
    return OK, f"reaches controller {through.leader}, epoch {through.epoch}"


def _gone(node: Node, state: QuorumState | Unknown) -> bool:
    """True where the leader, too, has not heard of this voter for a while."""
    if isinstance(state, Unknown):
        return False
    replica = _replica(state.voters, node.id)
    return replica is None or not replica.follows


def _serves_nobody(known: KraftBroker | None) -> bool:
    return known is None or known.fenced


def _features(cluster: Cluster, features: Mapping[str, int] | Unknown) -> Finding:
    if isinstance(features, Unknown):
        return Finding("features", cluster.name, UNKNOWN, features.reason)
    evidence: dict[str, object] = {"features": dict(features)}
    if "metadata.version" not in features:
        return Finding("features", cluster.name, UNKNOWN, "no metadata.version is told", evidence)
    first = {"metadata.version": features["metadata.version"]}
    detail = ", ".join(f"{name} {level}" for name, level in {**first, **features}.items())
    return Finding("features", cluster.name, OK, detail, evidence)
