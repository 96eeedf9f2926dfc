"""The drill of queues: where there are share groups, what a cell's own is given, and that nothing of it stays."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.findings import Finding, Report, Severity
from kafab.model import Version
from kafab.ops.drills import queue, running
from kafab.ops.drills.field import Field, NotMeasured, Run
from kafab.ops.drills.queue import share_group
from kafab.ops.drills.trials import Cannot, Drill, Measured, Trial
from kafab.records.settings import Client
from kafab.testing.groups import FakeGroups
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from tests.conftest import cluster_in


def field(tmp_path: Path, version: str, controllers: str = "combined", share: int = 1) -> Field:
    """Return a field on a cluster of this version, with this level of share.version."""
    cluster = replace(cluster_in(tmp_path, controllers=controllers), version=Version.parse(version))
    world = FakeWorld.of(FakeKafka(cluster))
    if controllers:
        world.controllers.levels[queue.FEATURE] = share  # type: ignore[attr-defined]  # the fake's own
    return Field(Run(cluster, world, 1, 100, "kafab-drill-x", 1), Client.CONFLUENT, "queue-1", 1)


@pytest.mark.parametrize(
    ("version", "controllers", "share", "why"),
    [
        ("3.9.2", "", 1, "came with Kafka 4.2"),
        ("4.1.1", "combined", 1, "came with Kafka 4.2"),
        ("4.3.1", "combined", 0, "share.version is not on"),
    ],
)
def test_cluster_without_share_groups_cannot(
    version: str, controllers: str, share: int, why: str, tmp_path: Path
) -> None:
    """What the cluster lacks is said, and nothing is set up."""
    where = field(tmp_path, version, controllers, share)
    with pytest.raises(Cannot, match=why):
        share_group(where)
    assert where.run.set_up == []


def test_share_group_has_the_least_times_that_the_cluster_allows(tmp_path: Path) -> None:
    """Its members wait no longer than they must; Kafka's own least are these."""
    where = field(tmp_path, "4.3.1")
    share = share_group(where)
    groups = where.run.world.groups
    assert isinstance(groups, FakeGroups)
    assert (share.lock, share.limit, groups.configs[where.topic]) == (
        15,
        5,
        {
            "share.auto.offset.reset": "earliest",
            "share.session.timeout.ms": "45000",
            "share.heartbeat.interval.ms": "5000",
            "share.record.lock.duration.ms": "15000",
        },
    )


def test_properties_of_a_share_group_go_with_the_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are taken away also where the group has never had a member, so that no list has it."""

    def measure(where: Field) -> Measured:
        share_group(where)
        raise NotMeasured("no member came")

    where = field(tmp_path, "4.3.1")
    cluster, world = where.run.cluster, where.run.world
    monkeypatch.setattr(running, "operating", lambda *_any: contextlib.nullcontext())
    well = Report("small", (Finding("process", "node1/broker", Severity.OK, "runs"),))
    monkeypatch.setattr(running, "verify", lambda *_any, probe: well)
    trial = Trial(queue.QUEUE.trials(Client.CONFLUENT)[0].cell, measure)
    running.run(cluster, world, [Drill("queue", "", lambda _client: [trial])], [Client.CONFLUENT], seed=1)
    assert isinstance(world.groups, FakeGroups)
    assert list(world.groups.configs.values()) == [{}]
