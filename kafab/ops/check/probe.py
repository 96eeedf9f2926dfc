"""Replication proven by doing: records through a topic of which every broker leads one partition.

The probe topic's name carries the time it was made at, so that one left behind by a killed run can be told from one that
another operator's run is using now.
"""

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from kafab.cluster.metadata import Metadata, Produced, ReplicaState, TopicSpec
from kafab.errors import Failed
from kafab.events import Note
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Endpoint
from kafab.ops.until import until
from kafab.ops.world import World
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT

PREFIX = "kafab-probe-"
RECORDS = 100
"""Records a partition."""
LEFT_BEHIND_AFTER = timedelta(minutes=10)
REPLICAS_LIMIT = timedelta(seconds=10)
RECORDS_LIMIT = timedelta(seconds=30)
APPEARS_LIMIT = timedelta(seconds=5)
"""How long a topic is waited for whose creation was not seen to be done."""
LOOK_EVERY = 0.05

CHECK = "replication.probe"


def probe_name(now: datetime) -> str:
    """Return a new topic name: the prefix, the time in seconds as 8 hex digits, 4 random ones."""
    return f"{PREFIX}{int(now.timestamp()):08x}-{secrets.token_hex(2)}"


def is_probe(topic: str) -> bool:
    """True for a topic that a verification made."""
    return topic.startswith(PREFIX)


def judge_leftovers(cluster: Cluster, metadata: Metadata | Unknown, now: datetime) -> Finding:
    """Find probe topics that are too old to be in use; the hint is the command that deletes the first of them."""
    check = "replication.leftovers"
    if isinstance(metadata, Unknown):
        return Finding(check, cluster.name, UNKNOWN, metadata.reason)
    probes = sorted({partition.topic for partition in metadata.partitions if is_probe(partition.topic)})
    old = [topic for topic in probes if now - _made(topic) > LEFT_BEHIND_AFTER]
    evidence: dict[str, object] = {"topics": old}
    if not old:
        return Finding(
            check,
            cluster.name,
            OK,
            f"no probe topic older than {LEFT_BEHIND_AFTER.total_seconds() / 60:.0f} min is left behind",
            evidence,
        )
    detail = f"{len(old)} probe topics of interrupted runs are left: {', '.join(old)}"
    hint = f"fab on {cluster.source or cluster.name} " + " ".join(f"topics.delete {topic}" for topic in old)
    return Finding(check, cluster.name, WARN, detail, evidence, hint)


def _made(topic: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(topic[len(PREFIX) :][:8], 16)).astimezone()
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(
            0
        ).astimezone()  # not a name of ours, or an ancient one: nobody waits for it


def replication(
    cluster: Cluster,
    live: Sequence[int],
    world: World,
    *,
    name: str,
    records: int = RECORDS,
) -> tuple[Finding, ...]:
    """Write, replicate, compare, read back and clean up; ``live`` are the broker ids to lead one partition each.

    ``records`` is a partition's share. Two findings: the records and their replicas, and the removal of the topic, which
    also happens after a fault or Ctrl-C.
    """
    if not live:
        reason = "not run: no broker is both registered and answering"
        return (Finding(CHECK, cluster.name, UNKNOWN, reason),)
    factor = min(3, len(live))
    ring = [*live, *live]
    assignment = tuple(tuple(ring[start : start + factor]) for start in range(len(live)))
    text = f"probing replication with topic {name}: {len(live)} partitions, {factor} replicas each"
    world.emit(Note(cluster.name, text))
    run = _Probe(cluster, TopicSpec(name, assignment=assignment), world)
    removed: list[Finding] = []
    try:
        finding = run.run(records)
    finally:
        removed.append(run.removed())
    return (finding, *removed)


class _Probe:
    """One run of the replication probe; the evidence grows with what is learned."""

    def __init__(self, cluster: Cluster, spec: TopicSpec, world: World) -> None:
        self._cluster = cluster
        self._name = spec.name
        self._spec = spec
        self._assignment = spec.assignment or ()
        self._world = world
        self._answered = False
        self._evidence: dict[str, object] = {
            "topic": spec.name,
            "partitions": len(self._assignment),
            "replication_factor": len(self._assignment[0]),
        }

    def run(self, records: int) -> Finding:
        try:
            created = self._world.topics.create_topic(self._spec)
        except Failed as error:
            self._answered = True
            return self._verdict(CRIT, error.message)
        if isinstance(created, Unknown):
            return self._verdict(UNKNOWN, created.reason)
        self._answered = True
        sent = {
            number: tuple(f"{self._name}/{number}/{count}".encode() for count in range(records))
            for number in range(len(self._assignment))
        }
        written = self._world.records.produce(self._name, sent, timeout=RECORDS_LIMIT)
        if isinstance(written, Unknown):
            return self._verdict(UNKNOWN, f"records were not acknowledged: {written.reason}")
        return self._judged(sent, written)

    def removed(self) -> Finding:
        """Delete the topic. Where its creation was not answered, wait for it to appear, and then ask once more."""
        answer = self._deleted()
        if isinstance(answer, Failed) and not self._answered:
            until(self._absent, "the topic to appear", APPEARS_LIMIT, self._world, every=LOOK_EVERY)
            answer = self._deleted()
        if answer is None:
            return self._removal(OK, f"{self._name} is gone")
        if isinstance(answer, Unknown):
            return self._removal(UNKNOWN, f"{self._name} may be left behind: {answer.reason}")
        # A broker that froze with the request may still carry it out: only when all answer, it is absent for good.
        asked = (None,) if self._answered else tuple(node.endpoint for node in self._cluster.brokers)
        with ThreadPoolExecutor(max_workers=min(32, len(asked))) as pool:
            views = list(pool.map(self._shown, asked))
        silent = [view.reason for view in views if isinstance(view, Unknown)]
        if silent and not self._answered:
            told = f"{self._name} may appear later: its creation was not answered, and {'; '.join(silent)}"
            return self._removal(UNKNOWN, told)
        if silent or any(view is True for view in views):
            return self._removal(WARN, answer.message)
        return self._removal(OK, f"{self._name} was never made")

    def _deleted(self) -> Unknown | Failed | None:
        try:
            return self._world.topics.delete_topic(self._name)
        except Failed as error:
            return error

    def _absent(self) -> Missing:
        return {} if self._shown() is True else {self._cluster.name: f"{self._name} is not shown"}

    def _shown(self, at: Endpoint | None = None) -> bool | Unknown:
        seen = self._world.brokers.metadata(at)
        return seen if isinstance(seen, Unknown) else any(p.topic == self._name for p in seen.partitions)

    def _removal(self, severity: Severity, detail: str) -> Finding:
        hint = f"fab on {self._cluster.source or self._cluster.name} topics.delete {self._name}"
        check = "replication.removed"
        return Finding(check, self._cluster.name, severity, detail, hint=None if severity is OK else hint)

    def _judged(self, sent: Mapping[int, Sequence[bytes]], written: Produced) -> Finding:
        acked = {number: len(written.offsets.get(number, ())) for number in sent}
        self._evidence |= {
            "records": sum(acked.values()),
            "slowest_ack_ms": round(written.slowest_ack * 1000, 1),
        }
        problems = [f"not acknowledged: {text}" for text in written.failed[:3]]
        if not written.failed and acked != {number: len(values) for number, values in sent.items()}:
            problems.append(
                f"{sum(acked.values())} of {sum(map(len, sent.values()))} records were acknowledged"
            )
        differing = self._replicas_differ(acked)
        problems += [differing] if isinstance(differing, str) else []
        unknown = [differing] if isinstance(differing, Unknown) else []
        read = self._world.records.consume(self._name, _ends(written), timeout=RECORDS_LIMIT)
        if isinstance(read, Unknown):
            unknown.append(Unknown(f"not read back: {read.reason}"))
        else:
            problems += _read_back(sent, acked, read, self._evidence)
        return self._concluded(problems, [missing.reason for missing in unknown])

    def _concluded(self, problems: Sequence[str], unknown: Sequence[str]) -> Finding:
        if problems or unknown:
            return self._verdict(CRIT if problems else UNKNOWN, "; ".join([*problems, *unknown]))
        brokers = len(self._cluster.brokers)
        if absent := brokers - len(self._assignment):
            told = _told(self._evidence)
            return self._verdict(WARN, f"{told}; {absent} of {brokers} brokers took no part")
        return self._verdict(OK, _told(self._evidence))

    def _replicas_differ(self, acked: Mapping[int, int]) -> str | Unknown | None:
        """Wait until every replica holds as many bytes as its leader and lags by nothing; else say what does not."""
        differing: str | Unknown | None = None

        def look() -> Missing:
            nonlocal differing
            states = self._world.brokers.replicas(self._name)
            if isinstance(states, Unknown):
                differing = states
                return {self._cluster.name: states.reason}
            behind = _behind(self._assignment, acked, states)
            self._evidence |= {"replicas": len(states), "lagging": len(behind)}
            differing = f"replicas differ from their leader: {', '.join(behind)}" if behind else None
            return {self._cluster.name: f"{len(behind)} are not"} if behind else {}

        until(look, "replicas equal to their leaders", REPLICAS_LIMIT, self._world, every=LOOK_EVERY)
        return differing

    def _verdict(self, severity: Severity, detail: str) -> Finding:
        return Finding(CHECK, self._cluster.name, severity, detail, self._evidence)


def _told(evidence: Mapping[str, object]) -> str:
    return (
        f"{evidence['records']} records over {evidence['partitions']} leaders, {evidence['replicas']} replicas equal,"
        f" 0 lost, 0 duplicates, slowest ack {evidence['slowest_ack_ms']:g} ms"
    )


def _ends(written: Produced) -> dict[int, int]:
    return {number: max(offsets) + 1 for number, offsets in written.offsets.items() if offsets}


def _behind(
    assignment: Sequence[Sequence[int]], acked: Mapping[int, int], states: Sequence[ReplicaState]
) -> list[str]:
    known = {(state.partition, state.broker): state for state in states}
    told = []
    for number, brokers in enumerate(assignment):
        leader = known.get((number, brokers[0]))
        for broker in brokers:
            state = known.get((number, broker))
            if state is None:
                told.append(f"partition {number} on broker {broker} is missing")
            elif state.lag or (leader and state.size != leader.size):
                told.append(
                    f"partition {number} on broker {broker} has {state.size} bytes, lag {state.lag},"
                    f" its leader {leader.size if leader else 'unknown'}"
                )
            elif acked[number] and not state.size:
                told.append(f"partition {number} on broker {broker} is empty")
    return told


def _read_back(
    sent: Mapping[int, Sequence[bytes]],
    acked: Mapping[int, int],
    read: Mapping[int, Sequence[bytes]],
    evidence: dict[str, object],
) -> list[str]:
    lost = duplicates = 0
    disordered = []
    for number, values in sent.items():
        got = read.get(number, ())
        # Acknowledgements come in the order of sending, so these are the records that must be there.
        wanted = values[: acked[number]]
        lost += len(set(wanted) - set(got))
        duplicates += len(got) - len(set(got))
        if tuple(wanted) != tuple(got):
            disordered.append(number)
    evidence |= {"lost": lost, "duplicates": duplicates}
    problems = [f"{lost} acknowledged records lost"] if lost else []
    problems += [f"{duplicates} duplicates"] if duplicates else []
    if disordered and not problems:
        problems.append(f"records differ from what was sent in partitions {', '.join(map(str, disordered))}")
    return problems
