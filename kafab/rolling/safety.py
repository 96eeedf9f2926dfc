"""What a stop must not cost.

Invariant of brokers: a set of brokers may be stopped while the cluster is to go on serving only when every partition
with a replica among them keeps a leader and its min.insync.replicas without them (the rule of Strimzi's KafkaAvailability).
Invariant of ZooKeeper and of KRaft: a majority of the servers, or of the controllers and caught up, stays for as long
as a broker runs (for controllers the rule of Strimzi's KafkaAvailability, too).
A whole cluster may be stopped: nobody is left to be served.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kafab.cluster.metadata import Metadata, Partition, distinct
from kafab.cluster.seen import Ask, Seen
from kafab.errors import KafabError, NotTold, Unreachable, Unsafe
from kafab.hosts.supervisor import Report, State
from kafab.model import Cluster, Node, Role
from kafab.unknown import Unknown
from kafab.words import SHOWN, few, plural

OVERRIDE = "--unsafe"
OVERRIDDEN = f"{OVERRIDE} overrides"
MIN_ISR = "min.insync.replicas"
RUNS = (State.RUNNING, State.STOPPING, State.RESTARTING)


@dataclass(frozen=True)
class Spared:
    """What the operator asks for beside the rule: more than it, or less for some topics."""

    margin: int = 0
    """So many in-sync replicas more than min.insync.replicas stay."""
    unavailable: frozenset[str] = frozenset()
    """Topics that may be unavailable while a broker restarts."""


NOTHING_SPARED = Spared()


@dataclass(frozen=True)
class Danger:
    """One partition that would lose availability, how, and what would have to happen first."""

    partition: Partition
    min_isr: int
    reason: str

    def __str__(self) -> str:
        return f"{self.partition.name}: {self.reason}"

    @property
    def hopeless(self) -> bool:
        """True where no replica can ever be spared, however long one waits."""
        return len(self.partition.replicas) <= self.min_isr


@dataclass(frozen=True)
class Blocker:
    """One thing that speaks against a stop: what it is about, why, and what would unblock it."""

    subject: str
    """A partition by Kafka's name, the servers or controllers as a whole, or nodes whose state is unknown."""
    reason: str
    unblocks: str
    danger: Danger | None = None
    """The figures, where it is about a partition."""
    too_few: bool = False
    """True where the quorum is too small to spare anybody even when all of it serves."""

    @property
    def hopeless(self) -> bool:
        """True where no wait helps."""
        return self.too_few or (self.danger is not None and self.danger.hopeless)


@dataclass(frozen=True)
class Verdict:
    """Why a stop is refused, None where it may go on; ``final`` unless another look may say otherwise."""

    refusal: KafabError | None = None
    final: bool = True
    blockers: tuple[Blocker, ...] = ()
    """Everything that speaks against it, where the refusal names the first."""


def questions(cluster: Cluster, stopping: Sequence[Node]) -> Ask:
    """Return what `judge_stop` must have seen: the nodes that stay, and what the cluster says of those that go."""
    brokers = {node.id for node in stopping if node.role is Role.BROKER}
    voters = cluster.controllers if cluster.kraft else cluster.zookeepers
    leaving = any(node.is_voter for node in stopping)
    return Ask(
        processes=[node for node in cluster.nodes if node not in stopping],
        views=cluster.brokers if brokers else (),
        voters=voters if leaving else (),
        controller=leaving and cluster.kraft,
        settings_of=brokers,
    )


def judge_stop(
    cluster: Cluster, stopping: Sequence[Node], seen: Seen, spared: Spared = NOTHING_SPARED
) -> Verdict:
    """Judge whether the nodes that stay can spare these.

    Kafka's own view lags: a leader counts a dead voter as caught up for seconds, an ISR keeps a dead broker until its
    session ends. So the processes count as well: a stopped or stopping node does not stay, a silent node does not serve.
    """
    others = [node for node in cluster.brokers if node not in stopping]
    hint = f"whether the others can spare it is unknown; {OVERRIDDEN}"
    try:
        served = len(running(others, seen.processes, hint))
    except Unreachable as silent:
        return Verdict(silent, blockers=tuple(_silence(host, text) for host, text in silent.reasons.items()))
    verdicts = []
    if served:
        verdicts += [judge(cluster, stopping, seen, served) for judge in (_judge_servers, _judge_voters)]
    brokers = {node.id: node.name for node in stopping if node.role is Role.BROKER}
    if brokers:
        verdicts.append(_judge_partitions(brokers, others, seen, spared))
    refused = [verdict for verdict in verdicts if verdict.refusal]
    if not refused:
        return Verdict()
    return replace(refused[0], blockers=tuple(one for verdict in refused for one in verdict.blockers))


def _silence(who: str, reason: str) -> Blocker:
    return Blocker(who, f"unknown: {reason}", "an answer")


def _refused(
    refusal: KafabError, what: str, silent: Mapping[str, object], *, final: bool, too_few: bool
) -> Verdict:
    """Return the refusal for a majority's sake, with those that run and do not answer: node name -> what came instead."""
    unknown = {name: said.reason for name, said in silent.items() if isinstance(said, Unknown)}
    told = "".join(f"\n  {name} runs and does not answer: {reason}" for name, reason in unknown.items())
    text = f"{refusal.message}{told}"
    mend = f"an answer of {', '.join(unknown)}" if unknown else "`fab start` of those that are down"
    mend = f"more {what}" if too_few else mend
    return Verdict(Unsafe(text, hint=refusal.hint), final, (Blocker(what, text, mend, too_few=too_few),))


def running(nodes: Sequence[Node], processes: Mapping[str, Report | Unknown], hint: str) -> list[Node]:
    """Return those of the nodes that run. Raises Unreachable with the hint where that cannot be known."""
    unknown = {
        node.host.name: report.reason for node in nodes if isinstance(report := processes[node.name], Unknown)
    }
    if unknown:
        raise Unreachable(unknown, hint=hint)
    return [node for node in nodes if isinstance(r := processes[node.name], Report) and r.state in RUNS]


def _judge_servers(cluster: Cluster, stopping: Sequence[Node], seen: Seen, served: int) -> Verdict:
    """Judge by which ZooKeeper servers stay and answer."""
    leaving = [node for node in stopping if node.role is Role.ZOOKEEPER]
    counted = [node for node in cluster.zookeepers if node in leaving or seen.stays(node)]
    serving = [node for node in counted if seen.serves(node)]
    spared = [node.name for node in leaving if node in serving]
    what, size = "ZooKeeper servers", len(cluster.zookeepers)
    try:
        guard_quorum(what, size, len(serving), spared, brokers_running=served, flag=OVERRIDE)
    except Unsafe as refusal:
        said = {node.name: seen.ensemble.members.get(node.name) for node in counted}
        too_few = not majority_without(len(leaving), size)
        return _refused(refusal, what, said, final=len(serving) == len(counted), too_few=too_few)
    return Verdict()


def _judge_voters(cluster: Cluster, stopping: Sequence[Node], seen: Seen, served: int) -> Verdict:
    """Judge by which voters stay, answer and are caught up."""
    leaving = [node for node in stopping if node in cluster.controllers]
    if not leaving:
        return Verdict()
    state, leaders = seen.controllers.state, seen.controllers.leaders
    if isinstance(state, Unknown):
        names = ", ".join(node.name for node in leaving)
        text = f"whether {names} can be spared is unknown: {state.reason}"
        return Verdict(NotTold(text, hint=OVERRIDDEN), False, (_silence("controllers", state.reason),))
    others = [node for node in cluster.controllers if node not in leaving]
    staying = {node.id for node in others if seen.stays(node)}
    silent = {node.id for node in others if isinstance(leaders[node.name], Unknown)}
    lost = {node.id for node in others} - (staying - silent)
    following = {voter.id for voter in state.voters if voter.follows} - lost
    spared = [node.name for node in leaving if node.id in following]
    try:
        guard_quorum(
            "controllers", len(state.voters), len(following), spared, brokers_running=served, flag=OVERRIDE
        )
    except Unsafe as refusal:
        said = {node.name: leaders[node.name] for node in others if node.id in staying}
        too_few = not majority_without(len(leaving), len(state.voters))
        return _refused(refusal, "controllers", said, final=staying <= following, too_few=too_few)
    return Verdict()


def _judge_partitions(
    stopping: Mapping[int, str], others: Sequence[Node], seen: Seen, spared: Spared
) -> Verdict:
    """Judge by what the other brokers are now, and not only by the ISR."""
    doubt = f"whether {', '.join(stopping.values())} can be spared is unknown"
    staying = [node for node in others if seen.stays(node)]
    # Where no other broker stays, the word of those that are to stop is all there is.
    views = {node.id: seen.views[node.id] for node in staying} or dict(seen.views)
    names = {node.id: node.name for node in others}
    unread = {
        names.get(broker) or stopping[broker]: view.reason
        for broker, view in views.items()
        if isinstance(view, Unknown)
    }
    silent = [f"{name}: {reason}" for name, reason in unread.items()]
    doubts = tuple(_silence(name, reason) for name, reason in unread.items())
    found = [view for view in views.values() if isinstance(view, Metadata)]
    if silent and staying:
        text = f"{doubt}: brokers run and do not answer:\n  " + "\n  ".join(silent)
        return Verdict(Unsafe(text, hint=f"mend or stop them first; {OVERRIDDEN}"), False, doubts)
    if not found:
        return Verdict(NotTold(f"{doubt}: {'; '.join(silent)}", hint=OVERRIDDEN), False, doubts)
    theirs = [
        one
        for one in merged(found)
        if one.topic not in spared.unavailable and not stopping.keys().isdisjoint(one.replicas)
    ]
    concerned = {partition.topic for partition in theirs}
    configs = seen.configs
    untold = [] if isinstance(configs, Unknown) else sorted(concerned - configs.keys())
    if isinstance(configs, Unknown) or untold:
        reason = configs.reason if isinstance(configs, Unknown) else few(untold)
        text = f"{doubt}: {MIN_ISR} cannot be read: {reason}"
        return Verdict(NotTold(text, hint=OVERRIDDEN), False, (_silence(MIN_ISR, reason),))
    min_isr = {topic: int(configs[topic][MIN_ISR].value or 1) for topic in concerned}
    dead = {node.id for node in others} - {node.id for node in staying}
    left = [
        one if dead.isdisjoint(one.isr) else replace(one, isr=tuple(b for b in one.isr if b not in dead))
        for one in theirs
    ]
    dangers = endangered(left, min_isr, stopping, spared.margin)
    if not dangers:
        return Verdict()
    agreed = all(view.partitions == found[0].partitions for view in found)
    stay = {node.id for node in staying}
    every = names | dict(stopping)
    blockers = (Blocker(d.partition.name, d.reason, _unblocks(d, stopping, every, stay), d) for d in dangers)
    return Verdict(refusal_of(dangers, stopping, OVERRIDE), agreed, tuple(blockers))


def _unblocks(
    danger: Danger, stopping: Collection[int], names: Mapping[int, str], staying: Collection[int]
) -> str:
    """Return what would have to happen before this partition can spare the brokers of ``stopping``."""
    partition = danger.partition
    if danger.hopeless:
        return f"more replicas, or a lower {MIN_ISR}"
    behind = [broker for broker in partition.replicas if broker not in partition.isr]
    alive = {*staying, *stopping}
    down = [broker for broker in behind if broker not in alive]
    if ours := [names[broker] for broker in down if broker in names]:
        return f"`fab start --limit {','.join(ours)}`"
    if down:
        return f"a start of {', '.join(f'broker {broker}' for broker in down)}, which the inventory does not have"
    if behind:
        return f"{', '.join(names[broker] for broker in behind)} in the ISR, which follows by itself"
    if partition.leader is None:
        return "an election"
    return "fewer brokers at once"


def merged(views: Iterable[Metadata]) -> tuple[Partition, ...]:
    """Return the partitions as the most careful reading of all views has them.

    Each broker tells its own copy of the metadata. So a partition counts that any view has, a replica is in sync where
    all views that have the partition say so, and a leader leads unless one of them has none.
    """
    found: dict[tuple[str, int], Partition] = {}
    for view in distinct(views):
        for seen in view.partitions:
            before = found.setdefault((seen.topic, seen.number), seen)
            if before == seen:
                continue
            found[seen.topic, seen.number] = replace(
                before,
                leader=None if seen.leader is None else before.leader,
                replicas=tuple(dict.fromkeys((*before.replicas, *seen.replicas))),
                isr=tuple(broker for broker in before.isr if broker in seen.isr),
            )
    return tuple(found.values())


def endangered(
    partitions: Sequence[Partition], min_isr: Mapping[str, int], stopping: Collection[int], margin: int = 0
) -> tuple[Danger, ...]:
    """Return the partitions that these brokers' stop would leave without leader or below min.insync.replicas.

    ``min_isr`` is by topic, and has every topic that these brokers have a replica of. So many replicas as ``margin`` stay
    in sync beyond it, where there are as many.
    """
    dangers = []
    for partition in partitions:
        if not set(partition.replicas) & set(stopping):
            continue
        lowest = min_isr[partition.topic]
        wanted = min(lowest + margin, max(lowest, len(partition.replicas) - 1))
        left = [broker for broker in partition.isr if broker not in stopping]
        if len(partition.replicas) <= lowest:
            reason = f"{len(partition.replicas)} replicas, min.insync.replicas {lowest}: no replica can ever be spared"
        elif partition.leader is None:
            reason = "it has no leader now"
        elif len(left) < wanted:
            beyond = f", and {wanted - lowest} more are to stay" if wanted > lowest else ""
            reason = f"in-sync replicas would go from {len(partition.isr)} to {len(left)}, min.insync.replicas is {lowest}{beyond}"
        else:
            continue
        dangers.append(Danger(partition, lowest, reason))
    return tuple(dangers)


def refusal_of(dangers: Sequence[Danger], stopping: Mapping[int, str], flag: str) -> Unsafe:
    """Return the refusal to stop these brokers (id -> node name); its text has a few partitions and all counts."""
    topics = Counter(danger.partition.topic for danger in dangers)
    more = f"\n  and {len(dangers) - SHOWN} more" if len(dangers) > SHOWN else ""
    shown = "".join(f"\n  {danger}" for danger in dangers[:SHOWN])
    behind = any(not d.hopeless and len(d.partition.replicas) > len(d.partition.isr) for d in dangers)
    mend = (
        "`fab start` brings up brokers that are down, their replicas catch up by themselves; "
        if behind
        else ""
    )
    return Unsafe(
        f"stopping {', '.join(stopping.values())} would cost {plural(len(dangers), 'partition')} of {plural(len(topics), 'topic')}:{shown}{more}",
        hint=f"{mend}stopping the whole cluster (no --limit) needs no override; `fab can-stop {','.join(stopping.values())}` names every partition; {flag} overrides",
    )


def majority_without(leaving: int, members: int) -> bool:
    """Tell whether a quorum of so many members has a majority where so many of them leave and all others serve."""
    return members - leaving > members // 2


def guard_quorum(
    what: str, members: int, serving: int, stopping: Collection[str], *, brokers_running: int, flag: str
) -> None:
    """Raise Unsafe where stopping these ZooKeeper nodes or controllers takes the majority from running brokers.

    ``what`` is what the quorum is made of, ``members`` its size, ``serving`` how many of it serve now (controllers:
    are caught up with the leader).
    """
    left, majority = serving - len(stopping), members // 2 + 1
    if stopping and brokers_running and left < majority:
        raise Unsafe(
            f"stopping {', '.join(stopping)} would leave {left} of {members} {what}, fewer than the majority "
            f"of {majority}, under {plural(brokers_running, 'running broker')}",
            hint=f"`fab start` brings up those that are down; to stop everything leave out --limit; {flag} overrides",
        )
