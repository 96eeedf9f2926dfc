"""The probe's topic is taken away, also where nobody answered whether it was made."""

from pathlib import Path

import pytest

from kafab.cluster.metadata import TopicSpec
from kafab.errors import Failed
from kafab.findings import Finding, Severity
from kafab.ops.check.probe import replication
from kafab.ops.own_topic import APPEARS_LIMIT
from kafab.testing.admin import FakeAdmin
from kafab.testing.fleet import FakeClock
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT
NAME = "kafab-probe-00000000-abcd"


class _Unanswered(FakeAdmin):
    """Loses the answer to a creation, which is carried out by `later`, or never."""

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        self.lost = spec
        return Unknown("connection reset")

    def later(self) -> None:
        """Carry the creation out."""
        super().create_topic(self.lost)


class _Refusing(FakeAdmin):
    """Refuses every creation."""

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        raise Failed(f"create topic {spec.name}: Policy violation")


@pytest.fixture
def kafka(tmp_path: Path) -> FakeKafka:
    """Three brokers and three servers, all well."""
    return FakeKafka(cluster_in(tmp_path, hosts=3))


def _removal(kafka: FakeKafka, admin: FakeAdmin, clock: FakeClock) -> Finding:
    world = FakeWorld.of(kafka, admin, clock=clock)
    _, removed = replication(kafka.cluster, (1, 2, 3), world, name=NAME, records=1)
    assert removed.check == "replication.removed"
    return removed


def test_a_topic_that_appears_late_is_removed(kafka: FakeKafka) -> None:
    """A creation whose answer was lost is carried out a second later: its topic is waited for and deleted."""
    admin = _Unanswered(kafka)
    late = iter([admin.later])
    clock = FakeClock(lambda now: next(late, lambda: None)() if now >= 1 else None)
    removed = _removal(kafka, admin, clock)
    assert (removed.severity, removed.detail, kafka.partitions) == (OK, f"{NAME} is gone", [])


def test_a_topic_that_stays_away_was_never_made(kafka: FakeKafka) -> None:
    """Where every broker answers and none has it after a few seconds, it is proven absent."""
    clock = FakeClock()
    removed = _removal(kafka, _Unanswered(kafka), clock)
    assert (removed.severity, removed.detail) == (OK, f"{NAME} was never made")
    assert clock.time == pytest.approx(APPEARS_LIMIT.total_seconds(), abs=0.1)


def test_a_topic_may_appear_while_a_broker_is_silent(kafka: FakeKafka) -> None:
    """A frozen broker may carry the creation out when it goes on: UNKNOWN, with the command that deletes the topic."""
    kafka.frozen.add(3)
    removed = _removal(kafka, _Unanswered(kafka), FakeClock())
    assert removed.severity is UNKNOWN
    assert f"{NAME} may appear later: its creation was not answered" in removed.detail
    assert (removed.hint or "").endswith(f"topics.delete {NAME}")


def test_a_refused_topic_is_not_waited_for(kafka: FakeKafka) -> None:
    """What Kafka has refused to make cannot appear later."""
    clock = FakeClock()
    removed = _removal(kafka, _Refusing(kafka), clock)
    assert (removed.severity, removed.detail, clock.time) == (OK, f"{NAME} was never made", 0)


def test_a_topic_that_cannot_be_deleted_is_told(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused deletion is a warning in Kafka's words, with the command that tries again."""
    admin = FakeAdmin(kafka)

    def refuse(name: str) -> None:
        raise Failed(f"delete topic {name}: Topic deletion is disabled")

    monkeypatch.setattr(admin, "delete_topic", refuse)
    removed = _removal(kafka, admin, FakeClock())
    assert (removed.severity, removed.detail) == (WARN, f"delete topic {NAME}: Topic deletion is disabled")
    assert removed.hint is not None
