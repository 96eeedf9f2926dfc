"""Changed properties, made effective without a restart."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.config.properties import broker_properties
from kafab.errors import Failed, NotTold, Unsafe
from kafab.model import Version
from kafab.ops.deploy.online import Applied, apply
from tests.conftest import cluster_in
from tests.cosmos import Cosmos
from tests.kraft_by_hand import kraft_in

NAME = "num.io.threads"


def cosmos_with(tmp_path: Path, **properties: str) -> Cosmos:
    """Return three running brokers whose inventory has these properties; they were started without them."""
    before = cluster_in(tmp_path, 3)
    named = {name.replace("_", "."): value for name, value in properties.items()}
    nodes = tuple(
        replace(node, properties={**node.properties, **named}) if node in before.brokers else node
        for node in before.nodes
    )
    cosmos = Cosmos(replace(before, nodes=nodes)).up()
    for node in before.brokers:
        cosmos.kafka.started_with[node.id] = broker_properties(before, node)
    return cosmos


def test_dynamic_property_is_set_on_each_broker(tmp_path: Path) -> None:
    """Each broker of the limit gets the value for itself."""
    cosmos = cosmos_with(tmp_path, num_io_threads="16")
    done = apply(cosmos.cluster, "node1,node3", cosmos.world)
    assert done == Applied((), {"node1/broker": {NAME: "16"}, "node3/broker": {NAME: "16"}})
    assert cosmos.kafka.dynamic == {1: {NAME: "16"}, 3: {NAME: "16"}}


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    """What is in force is not set again."""
    cosmos = cosmos_with(tmp_path, num_io_threads="16")
    apply(cosmos.cluster, None, cosmos.world)
    assert apply(cosmos.cluster, None, cosmos.world) == Applied()


def test_what_needs_a_restart_refuses_all_of_it(tmp_path: Path) -> None:
    """One read-only difference leaves everything as it is, and the hint has the roll."""
    cosmos = cosmos_with(tmp_path, num_io_threads="16", queued_max_requests="600")
    with pytest.raises(Unsafe, match=r"node1/broker: queued\.max\.requests") as refused:
        apply(cosmos.cluster, None, cosmos.world)
    assert "restart --pending" in str(refused.value.hint)
    assert cosmos.kafka.dynamic == {}


def test_what_was_taken_out_needs_a_restart(tmp_path: Path) -> None:
    """A value of the file that the broker was started with stays in force until it starts again."""
    cosmos = cosmos_with(tmp_path)
    cosmos.kafka.started_with[2][NAME] = "16"
    with pytest.raises(Unsafe, match=r"node2/broker: num\.io\.threads"):
        apply(cosmos.cluster, None, cosmos.world)


def test_silent_broker_changes_nothing(tmp_path: Path) -> None:
    """Where one broker of the limit does not answer none is changed."""
    cosmos = cosmos_with(tmp_path, num_io_threads="16")
    cosmos.change("node3/broker", False)
    with pytest.raises(NotTold, match="node3/broker"):
        apply(cosmos.cluster, None, cosmos.world)
    assert cosmos.kafka.dynamic == {}


def test_refused_value_says_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka's refusal is told in its words, with what the file has by then."""
    cosmos = cosmos_with(tmp_path, num_io_threads="16")
    world = cosmos.world

    def refuse(*_: object) -> None:
        raise Failed("alter broker 1: too many threads")

    monkeypatch.setattr(world.settings, "alter_broker_configs", refuse)
    with pytest.raises(Failed, match="too many threads") as refused:
        apply(cosmos.cluster, None, world)
    assert "node1/broker has it by now" in str(refused.value.hint)


def test_value_that_kafka_keeps_for_all_brokers_is_refused_with_the_way(tmp_path: Path) -> None:
    """With eligible leader replicas the metadata have min.insync.replicas, and 4.x refuses it for one broker."""
    cluster = kraft_in(tmp_path, Version(4, 3, 1))
    cosmos = Cosmos(cluster).up()
    cosmos.kafka.dynamic[None] = {"min.insync.replicas": "1"}
    with pytest.raises(Unsafe, match="set for all brokers") as refused:
        apply(cluster, None, cosmos.world)
    assert "--entity-default --alter --add-config min.insync.replicas=2" in str(refused.value.hint)
    assert cosmos.kafka.dynamic == {None: {"min.insync.replicas": "1"}}
