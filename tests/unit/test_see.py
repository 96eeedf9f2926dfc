"""One look at a running cluster: what it asks, what it leaves alone, and how a later look is taken in."""

from dataclasses import replace
from pathlib import Path

import pytest

from kafab.cluster.metadata import TopicSpec
from kafab.cluster.seen import NOT_ASKED, Ask, Seen, everything
from kafab.model import Cluster
from kafab.ops.see import see
from kafab.testing.admin import FakeAdmin
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos
from tests.worlds import MeetingBrokers

"""Seconds for all questions to meet; asked one after the other they never do."""


@pytest.fixture
def ensemble(tmp_path: Path) -> Cosmos:
    """Three ZooKeeper servers and three brokers, all of which run."""
    return Cosmos(cluster_in(tmp_path, 3)).up()


@pytest.fixture
def isolated(tmp_path: Path) -> Cosmos:
    """Three controllers and three brokers, all of which run."""
    return Cosmos(cluster_in(tmp_path, 3, "isolated")).up()


class _Nobody:
    """A world in which asking anybody anything is a mistake."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was asked")


@pytest.mark.parametrize("mode", ["", "isolated"])
def test_asking_nothing_touches_no_port(tmp_path: Path, mode: str) -> None:
    """An empty question makes no client, in either mode."""
    world = _Nobody()
    cluster = cluster_in(tmp_path, 3, mode)
    fleet = FakeWorld.of(FakeKafka(cluster)).fleet
    object.__setattr__(world, "fleet", fleet)
    assert see(cluster, world, Ask()) == Seen()  # type: ignore[arg-type]  # it must not be used at all


def test_kraft_asks_no_zookeeper(isolated: Cosmos) -> None:
    """In KRaft mode everything can be asked without the ensemble's port."""
    world = replace(isolated.world, zookeeper=_Nobody())  # type: ignore[arg-type]  # it must not be used at all
    seen = see(isolated.cluster, world, everything(isolated.cluster))
    assert len(seen.live(isolated.cluster)) == 3


def test_zookeeper_mode_asks_no_controllers(ensemble: Cosmos) -> None:
    """In ZooKeeper mode everything can be asked without the controllers' port."""
    world = replace(ensemble.world, controllers=_Nobody())  # type: ignore[arg-type]  # it must not be used at all
    seen = see(ensemble.cluster, world, everything(ensemble.cluster))
    assert len(seen.live(ensemble.cluster)) == 3


def test_brokers_are_asked_side_by_side(ensemble: Cosmos) -> None:
    """Three silent brokers cost one timeout, not three."""
    world = replace(ensemble.world, brokers=MeetingBrokers(ensemble.kafka))
    seen = see(ensemble.cluster, world, Ask(views=ensemble.cluster.brokers))
    assert len(seen.known_views) == 3


def _settings(cosmos: Cosmos, of: tuple[int, ...] | None) -> set[str]:
    admin = FakeAdmin(cosmos.kafka)
    admin.create_topic(TopicSpec("one", assignment=((1,),)))
    admin.create_topic(TopicSpec("two", assignment=((2, 3),)))
    ask = Ask(views=cosmos.cluster.brokers, settings_of=of)
    configs = see(cosmos.cluster, cosmos.world, ask).configs
    assert not isinstance(configs, Unknown)
    return set(configs)


@pytest.mark.parametrize(("of", "topics"), [((1,), {"one"}), ((2,), {"two"}), (None, {"one", "two"})])
def test_settings_are_those_of_topics_on_these_brokers(
    ensemble: Cosmos, of: tuple[int, ...] | None, topics: set[str]
) -> None:
    """A stop of one broker reads no other topic's properties; a verification reads all."""
    assert _settings(ensemble, of) == topics


def test_settings_without_a_view_are_unknown(ensemble: Cosmos) -> None:
    """Where no broker answers nobody can say which topics there are: that is not an empty list of them."""
    ensemble.kafka.frozen = {1, 2, 3}
    seen = see(ensemble.cluster, ensemble.world, Ask(views=ensemble.cluster.brokers, settings_of=(1,)))
    assert seen.configs == Unknown("no broker answers")


def test_later_look_replaces_what_it_asked_and_nothing_else(ensemble: Cosmos) -> None:
    """A broker that falls silent is Unknown in the later value, and what was not asked again stays."""
    cluster, world = ensemble.cluster, ensemble.world
    before = see(cluster, world, Ask(views=cluster.brokers, registrations=True))
    ensemble.kafka.frozen = {2}
    after = before.later(see(cluster, world, Ask(views=cluster.brokers[1:2], controller=True)))
    assert (sorted(after.known_views), after.ensemble.sessions) == ([1, 3], before.ensemble.sessions)
    assert after.ensemble.controller != NOT_ASKED


def _broker_is_live(cluster: Cluster, seen: Seen) -> list[int]:
    return [node.id for node in seen.live(cluster)]


def test_live_brokers_are_registered_and_answer(ensemble: Cosmos) -> None:
    """A frozen broker keeps its registration, a stopped one its place in the inventory: neither is live."""
    ensemble.kafka.frozen = {1}
    ensemble.kafka.stop_broker(2)
    seen = see(ensemble.cluster, ensemble.world, everything(ensemble.cluster))
    assert _broker_is_live(ensemble.cluster, seen) == [3]


def test_fenced_brokers_are_not_live(isolated: Cosmos) -> None:
    """A broker that answers and that the controllers have fenced serves nobody."""
    isolated.kafka.fence(1)
    seen = see(isolated.cluster, isolated.world, everything(isolated.cluster))
    assert _broker_is_live(isolated.cluster, seen) == [2, 3]
