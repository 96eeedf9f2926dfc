"""Which client is used where brokers are reached through SSH."""

from pathlib import Path

import pytest

from kafab.events import Note
from kafab.ops.records.clients import INSTEAD, usable
from kafab.records.settings import Client
from kafab.testing.admin import FakeAdmin
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


@pytest.mark.parametrize(
    ("client", "through_ssh", "used"),
    [
        (Client.CONFLUENT, False, Client.CONFLUENT),
        (Client.CONFLUENT, True, Client.KAFKA_PYTHON),
        (Client.KAFKA_PYTHON, True, Client.KAFKA_PYTHON),
    ],
)
def test_kafka_python_takes_librdkafkas_place_and_that_is_said(
    tmp_path: Path, client: Client, through_ssh: bool, used: Client
) -> None:
    """Only where librdkafka was asked for and cannot go there."""
    cosmos = Cosmos(cluster_in(tmp_path, hosts=3))
    world = cosmos.world
    assert isinstance(world.brokers, FakeAdmin)
    world.brokers.is_through_ssh = through_ssh
    assert usable(cosmos.cluster, world, client) is used
    said = [event for event in cosmos.events if isinstance(event, Note) and event.text == INSTEAD]
    assert len(said) == (used is not client)
