"""Fakes and real clusters behind the same names, so that one test holds for both."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kafab.model import Cluster, Version
from kafab.ports import KafkaAdmin, ZooKeeper
from kafab.testing.kafka import FakeAdmin, FakeKafka, FakeZooKeeper
from tests.conftest import cluster_in
from tests.kafka_by_hand import KafkaByHand, unpacked


@dataclass(frozen=True)
class World:
    """A healthy cluster of three and the two ways to look at it."""

    cluster: Cluster
    zookeeper: ZooKeeper
    admin: KafkaAdmin
    real: bool


@pytest.fixture(
    scope="session",
    params=[
        "fake",
        pytest.param("3.9.2", marks=pytest.mark.e2e),
        pytest.param("2.4.1", marks=pytest.mark.e2e),
    ],
)
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a healthy cluster: in memory, or six JVMs of one release."""
    if request.param == "fake":
        fake = FakeKafka(cluster_in(tmp_path_factory.mktemp("fake"), hosts=3), min_isr=2)
        yield World(fake.cluster, FakeZooKeeper(fake), FakeAdmin(fake), real=False)
        return
    root, version = tmp_path_factory.mktemp(f"kafka-{request.param}"), Version.parse(request.param)
    hand = KafkaByHand(root, unpacked(version, root), version)
    try:
        hand.start(hand.cluster.nodes)
        hand.wait_until_healthy()
        yield World(hand.cluster, hand.zookeeper, hand.admin, real=True)
    finally:
        hand.close()
