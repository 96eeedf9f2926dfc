"""What is said to be missing while started nodes are waited for."""

from pathlib import Path

from kafab.cluster.metadata import Member
from kafab.cluster.seen import ControllerAnswers, EnsembleAnswers, Seen
from kafab.rolling import readiness
from kafab.unknown import Unknown
from tests.conftest import cluster_in


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Two followers and a silent third server are no proof of zero leaders: the silent server is named with its reason."""
    cluster = cluster_in(tmp_path, 3)
    first, second, third = (node.name for node in cluster.zookeepers)
    members: dict[str, Member | Unknown] = {
        first: Member("follower", 7, "3.6.3"),
        second: Member("follower", 7, "3.6.3"),
        third: Unknown("10.0.0.3:2181 timed out"),
    }
    seen = Seen(ensemble=EnsembleAnswers(members=members))
    missing = readiness.ensemble(cluster, [cluster.zookeepers[0]], seen)
    assert missing == {
        cluster.name: f"2 of 3 servers, 0 leaders among those that answer; {third}: 10.0.0.3:2181 timed out"
    }


def test_silent_zookeeper_is_told_as_zookeeper(tmp_path: Path) -> None:
    """Whether an old session lives is unknown for all brokers: the line is headed by who did not answer."""
    seen = Seen(ensemble=EnsembleAnswers(sessions=Unknown("session expired")))
    assert readiness.old_sessions(cluster_in(tmp_path, 3).brokers, seen) == {"ZooKeeper": "session expired"}


def test_leader_that_is_named_and_not_reached_is_no_missing_leader(tmp_path: Path) -> None:
    """The controllers name a leader that this machine alone cannot reach: that is not told as 'no leader'."""
    cluster = cluster_in(tmp_path, 3, "isolated")
    first, *_ = cluster.controllers
    answers = ControllerAnswers(leaders={first.name: 103}, state=Unknown("10.0.0.3:9093: timed out"))
    missing = readiness.leader_is_agreed(cluster, [first], Seen(controllers=answers))
    assert missing == {
        cluster.name: "no leader among 3 controllers: 10.0.0.3:9093: timed out; "
        "controller 103 is named, and may lead unheard from here"
    }
