"""deploy and plan against hosts in memory: what is sent where, and how each host's fate is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.command import Outcome, Result, Script
from kafab.errors import Failed, OutcomeUnknown, Unreachable
from kafab.model import Cluster
from kafab.ops.deploy.deploy import deploy, make_plan
from kafab.plans.state import Desired, desire
from kafab.releases.names import Artifact, release_for
from kafab.testing.fleet import FakeFleet
from kafab.testing.hosts import FakeHost, fresh_answer
from kafab.testing.kafka import FakeKafka
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in


class Hosts:
    """Hosts that remember which stages they were given; ``fail`` says what a host answers to one of them."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        file = folder / "a.tar"
        file.write_bytes(b"0123456789")
        artifact = Artifact(release_for(cluster.version), file, "ab" * 32, 10, "archive")
        self.store = FakeStore(artifact)
        self.desired: Desired = desire(cluster, cluster.nodes, artifact)
        self.stages: dict[str, list[str]] = {host.name: [] for host in cluster.hosts}
        self.fail: dict[tuple[str, str], Outcome] = {}
        self.done: set[str] = set()
        self.fleet = FakeFleet({host.name: self.handler(host.name) for host in cluster.hosts})

    def handler(self, host: str) -> Callable[[Script], Outcome]:
        """Return what a host answers to a script."""

        def answer(script: Script) -> Outcome:
            if script.called("releases"):
                return (
                    FakeHost(self.desired).answer(host, self.desired) if host in self.done else fresh_answer()
                )
            if script.called("lock"):
                return Result(0, b"locked\n", "")
            if script.called("remember"):
                return Result(0, b"", "")
            if script.called("serve"):
                # One script a host and stage is enough here.
                return Result(0, b"refused nobody lends here\n", "")
            stage = "release" if script.called("about") else "configuration"
            self.stages[host].append(stage)
            if (host, stage) in self.fail:
                return self.fail[host, stage]
            if stage == "configuration":
                self.done.add(host)
            return Result(
                0, "".join(f"step {number} 0\n" for number in range(len(script.calls))).encode(), ""
            )

        return answer

    def deploy(self, limit: str | None = None) -> None:
        """Deploy, and raise what the task would show."""
        deploy(self.cluster, limit, self.world, check=False).raise_unless_done()

    @property
    def world(self) -> FakeWorld:
        """The hosts, the store, and a Kafka that nobody asks."""
        return FakeWorld.of(FakeKafka(self.cluster), fleet=self.fleet, store=self.store)


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    """Three fresh hosts."""
    return Hosts(cluster_in(tmp_path, 3), tmp_path)


def test_release_comes_before_configuration(hosts: Hosts) -> None:
    """Each host gets its release, then its files."""
    hosts.deploy()
    assert hosts.stages == {f"node{number}": ["release", "configuration"] for number in (1, 2, 3)}


def test_second_deploy_sends_nothing(hosts: Hosts) -> None:
    """With nothing to do the only script is the observation: one a host."""
    hosts.done = {"node1", "node2", "node3"}
    hosts.deploy()
    assert (hosts.stages["node1"], [host for host, _ in hosts.fleet.ran]) == ([], ["node1", "node2", "node3"])


def test_damaged_release_is_refused_before_it_is_sent(hosts: Hosts) -> None:
    """The file is named with how to get it anew, and no host is touched, not even for a lock."""
    hosts.store.faults = {hosts.store.only.name: "its sha256 is another"}
    with pytest.raises(Failed, match=r"a\.tar.*: its sha256 is another; nothing was sent") as caught:
        hosts.deploy()
    folder = hosts.store.only.file.parent
    assert f"rm -r '{folder}' && fab releases.fetch --version 3.9.2" in (caught.value.hint or "")
    assert [script for _, script in hosts.fleet.ran if script.called("lock")] == []


def test_release_is_not_read_where_nothing_is_sent(hosts: Hosts) -> None:
    """A deploy with nothing to do computes no digest of a hundred megabytes."""
    hosts.store.faults = {hosts.store.only.name: "its sha256 is another"}
    hosts.done = {"node1", "node2", "node3"}
    hosts.deploy()
    assert hosts.stages["node1"] == []


def test_plan_changes_nothing(hosts: Hosts) -> None:
    """A plan with steps leaves every host as it was."""
    _, plan = make_plan(hosts.cluster, None, hosts.world)
    assert (bool(plan), hosts.stages["node1"]) == (True, [])


def test_no_host_is_configured_before_all_have_the_release(hosts: Hosts) -> None:
    """Where one upload fails, every host's fate is told and no configuration is touched (invariants 1 and 3)."""
    hosts.fail["node2", "release"] = Result(1, b"", "No space left on device")
    with pytest.raises(Failed) as caught:
        hosts.deploy()
    told = caught.value.message
    assert (
        "node2: failed: install release" in told,
        "node1: not started" in told,
        hosts.stages["node1"],
    ) == (
        True,
        True,
        ["release"],
    )


def test_dropped_connection_is_looked_at_again(hosts: Hosts) -> None:
    """A host whose answer was lost and that is as desired all the same is done."""
    hosts.fail["node3", "configuration"] = Unknown("the connection was lost")

    def lost(script: Script) -> Outcome:
        answer = Hosts.handler(hosts, "node3")(script)
        if isinstance(answer, Unknown):
            hosts.done.add("node3")
        return answer

    hosts.fleet.hosts["node3"] = lost
    hosts.deploy()
    assert hosts.stages["node3"] == ["release", "configuration"]


def test_host_that_stays_silent_is_unknown(hosts: Hosts) -> None:
    """A host whose fate cannot be read is UNKNOWN, and the exit code says so."""
    hosts.fail["node3", "configuration"] = Unknown("the connection was lost")
    with pytest.raises(OutcomeUnknown, match="node3: UNKNOWN: the connection was lost"):
        hosts.deploy()


def test_hosts_down_before_the_start_refuse_everything(hosts: Hosts) -> None:
    """All unreachable hosts are named at once, before any change (fault 5)."""
    hosts.fleet.unreachable = {"node1": "refused", "node3": "timed out"}
    with pytest.raises(Unreachable) as caught:
        hosts.deploy()
    assert (sorted(caught.value.reasons), hosts.stages["node2"]) == (["node1", "node3"], [])


def test_limit_touches_only_the_named(hosts: Hosts) -> None:
    """Hosts outside the limit are not even asked."""
    hosts.fleet.unreachable = {"node3": "down"}
    hosts.deploy("node2/broker")
    assert {host: stages for host, stages in hosts.stages.items() if stages} == {
        "node2": ["release", "configuration"]
    }


def test_stale_part_is_sent_again_from_the_beginning(hosts: Hosts) -> None:
    """When the host says that its part is not what was seen, everything is sent."""
    sent: list[int] = []

    def takes(script: Script, data: bytes) -> Outcome:
        sent.append(len(data))
        return Result(75, b"", "") if len(sent) == 1 else Result(0, b"", "")

    hosts.fleet.takes = takes
    hosts.deploy("node1")
    assert sent == [10, 10]
