"""Dynamic values that the file has as well, taken away."""

from pathlib import Path

import pytest

from kafab.config.properties import broker_properties
from kafab.events import Note
from kafab.ops.overrides import forget_overrides
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

NAME = "num.io.threads"


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three brokers, of which the first was started with a file that has one more property."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    node = cosmos.cluster.brokers[0]
    cosmos.kafka.started_with[1] = {**broker_properties(cosmos.cluster, node), NAME: "16"}
    return cosmos


def test_same_value_is_removed_and_noted(cosmos: Cosmos) -> None:
    """The broker runs with the file's value from then on, and the operator is told."""
    cosmos.kafka.dynamic[1] = {NAME: "16", "background.threads": "11"}
    assert forget_overrides(cosmos.cluster, cosmos.cluster.nodes, cosmos.world) == {"node1/broker": (NAME,)}
    assert cosmos.kafka.dynamic[1] == {"background.threads": "11"}
    assert [note.subject for note in cosmos.told(Note) if isinstance(note, Note)] == ["node1/broker"]


@pytest.mark.parametrize(
    "dynamic",
    [
        {1: {NAME: "8"}},  # another value: somebody wanted it
        {2: {NAME: "16"}},  # a broker whose file does not have it
        {None: {NAME: "16"}},  # set for all brokers
        {1: {NAME: "16"}, None: {NAME: "4"}},  # without it the value for all would be in force
    ],
)
def test_others_stay(cosmos: Cosmos, dynamic: dict[int | None, dict[str, str]]) -> None:
    """What would change the value in force by going is left alone."""
    cosmos.kafka.dynamic = dynamic
    before = {broker: dict(values) for broker, values in dynamic.items()}
    assert forget_overrides(cosmos.cluster, cosmos.cluster.nodes, cosmos.world) == {}
    assert cosmos.kafka.dynamic == before


def test_silent_broker_is_noted(cosmos: Cosmos) -> None:
    """A broker that does not answer fails nothing; that its values were left is told."""
    cosmos.change("node1/broker", False)
    assert forget_overrides(cosmos.cluster, cosmos.cluster.brokers[:1], cosmos.world) == {}
    (note,) = cosmos.told(Note)
    assert "are left" in str(note)
