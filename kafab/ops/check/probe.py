"""Replication proven by doing: records through a topic of which every broker leads one partition."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from kafab.cluster.metadata import Metadata, Produced, ReplicaState, TopicSpec
from kafab.cluster.own_topics import Purpose, is_left_behind, own_name, purpose_of
from kafab.errors import Failed
from kafab.events import Note
from kafab.findings import Finding, Severity
from kafab.model import Cluster
from kafab.ops.own_topic import LOOK_EVERY, OwnTopic, removal_command
from kafab.ops.until import until
from kafab.ops.world import World
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown
from kafab.words import plural

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT

RECORDS = 100
"""Records a partition."""
REPLICAS_LIMIT = timedelta(seconds=10)
RECORDS_LIMIT = timedelta(seconds=30)

CHECK = "replication.probe"


def probe_name(now: datetime) -> str:
    """Return a new topic name."""
    return own_name(Purpose.PROBE, now, secrets.token_hex(2))


def judge_leftovers(cluster: Cluster, metadata: Metadata | Unknown, now: datetime) -> Finding:
    """Find topics of kafab's own that are too old to be in use; the hint is the command that deletes them."""
    check = "replication.leftovers"
    if isinstance(metadata, Unknown):
        return Finding(check, cluster.name, UNKNOWN, metadata.reason)
    topics = sorted({partition.topic for partition in metadata.partitions})
    old = [topic for topic in topics if is_left_behind(topic, now)]
    evidence: dict[str, object] = {"topics": old}
    if not old:
        ages = " and ".join(
            f"no {one.word} topic older than {one.left_behind_after.total_seconds() / 60:.0f} min"
            for one in Purpose
        )
        return Finding(check, cluster.name, OK, f"{ages} is left behind", evidence)
    detail = f"{plural(len(old), 'topic')} of interrupted runs are left: {', '.join(old)}"
    if any(purpose_of(topic) is Purpose.CANARY for topic in old):
        detail += "; a canary may still be at work with its topic, where a roll has gone on for so long"
    return Finding(check, cluster.name, WARN, detail, evidence, removal_command(cluster, old))


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
        self._topic = OwnTopic(cluster, spec, world)
        self._assignment = spec.assignment or ()
        self._world = world
        self._evidence: dict[str, object] = {
            "topic": spec.name,
            "partitions": len(self._assignment),
            "replication_factor": len(self._assignment[0]),
        }

    def run(self, records: int) -> Finding:
        try:
            created = self._topic.create()
        except Failed as error:
            return self._verdict(CRIT, error.message)
        if isinstance(created, Unknown):
            return self._verdict(UNKNOWN, created.reason)
        sent = {
            number: tuple(f"{self._name}/{number}/{count}".encode() for count in range(records))
            for number in range(len(self._assignment))
        }
        written = self._world.records.produce(self._name, sent, timeout=RECORDS_LIMIT)
        if isinstance(written, Unknown):
            return self._verdict(UNKNOWN, f"records were not acknowledged: {written.reason}")
        return self._judged(sent, written)

    def removed(self) -> Finding:
        removal = self._topic.removed()
        return Finding(
            "replication.removed",
            self._cluster.name,
            removal.severity,
            removal.detail,
            hint=removal.hint,
        )

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
    # Where the broker did not tell an offset the topic, which is the probe's own, has that many records at least.
    return {
        number: max(max(offsets) + 1, len(offsets)) for number, offsets in written.offsets.items() if offsets
    }


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
