"""What goes wrong with an upgrade before and beside its roll: the cluster is untouched, and what is left is found."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from kafab.command import Outcome, Result, Script
from kafab.errors import Failed, Locked, Unsafe
from kafab.findings import Report
from kafab.model import Cluster, Version
from kafab.ops.run.goal import Asked
from kafab.ops.upgrade import going
from kafab.ops.upgrade.going import Staged, go, prepare_up
from kafab.ops.upgrade.looking import sight
from kafab.releases.names import Artifact, release_for
from kafab.testing.store import FakeStore
from kafab.upgrading.record import Direction, parse
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

OLD, NEW = Version(4, 3, 1), Version(4, 4, 0)
ASKED = Asked(pending=True, canary=False)


class Upgrading(Cosmos):
    """Three combined nodes of 4.3.1 that run, and the release of 4.4.0 beside their own on this machine."""

    @property
    def target(self) -> Cluster:
        """The inventory with the new version."""
        return replace(self.cluster, version=NEW)

    def folder(self, version: Version) -> str:
        """Return the name of a version's release on the hosts."""
        found = self.store.find(release_for(version))
        assert found
        return found.folder

    def runs(self, version: Version, *names: str) -> None:
        """Let these nodes run a version."""
        self.releases |= dict.fromkeys(names, self.folder(version))

    def staged(self, limit: str | None = None) -> Staged:
        """Prepare the upgrade."""
        found = prepare_up(self.cluster, self.target, replace(ASKED, limit=limit), self.world)
        assert found
        return found

    @property
    def untouched(self) -> bool:
        """No process was asked anything, and no host has a record of an upgrade."""
        return not self.moves and not self.upgrades


@pytest.fixture
def cosmos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upgrading:
    """The cluster, whose hosts are ready for the new version."""
    found = Upgrading(cluster_in(tmp_path, 3, "combined")).up()
    assert isinstance(found, Upgrading)
    file = tmp_path / "a.tar"
    file.write_bytes(b"0123456789")
    for version in (OLD, NEW):
        name = release_for(version)
        found.store.artifacts[name] = Artifact(name, file, f"{version.minor}b" * 32, 10, "archive")
    report = SimpleNamespace(report=Report("small", ()))
    monkeypatch.setattr(going, "preflight", lambda *_words, **_more: report)
    return found


def test_full_disk_ends_the_staging(cosmos: Upgrading) -> None:
    """Each host's fate is told; nothing was stopped, and nothing says that an upgrade is under way."""
    staged = cosmos.staged()

    def full(script: Script, _bytes: bytes) -> Outcome:
        assert script.called("about")
        return Result(1, b"", "cat: write error: No space left on device\ncould not write the part\n")

    cosmos.fleet.takes = full
    with pytest.raises(Failed, match="No space left on device") as caught:
        go(staged, ASKED, cosmos.world)
    assert [f"{host.name}: failed" in caught.value.message for host in cosmos.cluster.hosts] == [True] * 3
    assert "nothing was stopped" in str(caught.value.hint)
    assert cosmos.untouched


def test_room_is_asked_for_a_release_that_was_not_here(
    cosmos: Upgrading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release is fetched before preflight judges the hosts: without it their disks would not be asked for its room."""
    fetched: list[str] = []
    here = FakeStore.fetch

    def fetch(store: FakeStore, *words: object) -> Artifact:
        fetched.append(str(words[0]))
        return here(store, *words)  # type: ignore[arg-type]  # as they came

    def judged(*_words: object, **_more: object) -> SimpleNamespace:
        assert fetched == [str(release_for(NEW))]
        raise Unsafe("judged")

    monkeypatch.setattr(FakeStore, "fetch", fetch)
    monkeypatch.setattr(going, "preflight", judged)
    with pytest.raises(Unsafe, match="judged"):
        cosmos.staged()


def test_release_whose_digest_changed_is_not_sent(cosmos: Upgrading) -> None:
    """It is computed anew before a byte leaves this machine, and how to get it again is told."""
    staged = cosmos.staged()
    cosmos.store.faults[release_for(NEW)] = "sha256 is not what it was"
    with pytest.raises(Failed, match="is damaged: sha256 is not what it was; nothing was sent") as caught:
        go(staged, ASKED, cosmos.world)
    assert f"fab releases.fetch --version {NEW}" in str(caught.value.hint)
    assert (cosmos.fleet.sent, cosmos.untouched) == ([], True)


def test_release_that_arrives_with_another_digest_is_not_unpacked(cosmos: Upgrading) -> None:
    """The host refuses it, and the upgrade has not begun."""
    staged = cosmos.staged()
    cosmos.fleet.takes = lambda _script, _bytes: Result(1, b"", "sha256 is ab, not cd\n")
    with pytest.raises(Failed, match="sha256 is ab, not cd"):
        go(staged, ASKED, cosmos.world)
    assert cosmos.untouched


def test_nodes_of_another_build_are_rolled_again(cosmos: Upgrading) -> None:
    """A laptop whose release of the same version has another digest takes them for what they are: another release."""
    cosmos.runs(NEW, "node1/broker")
    name = release_for(NEW)
    cosmos.store.artifacts[name] = replace(cosmos.store.artifacts[name], sha256="ef" * 32)
    assert list(cosmos.staged().roll.goal.replaced) == ["node1/broker", "node2/broker", "node3/broker"]


def test_second_operator_is_refused_with_the_name_of_the_first(cosmos: Upgrading) -> None:
    """While the first holds the lock."""
    staged = cosmos.staged()
    cosmos.lock = "held 77 bob on laptop (`fab upgrade --to 4.4.0`)"
    with pytest.raises(Locked, match="bob on laptop"):
        go(staged, ASKED, cosmos.world)
    assert (cosmos.fleet.sent, cosmos.untouched) == ([], True)


def test_operator_who_was_faster_is_seen_under_the_lock(cosmos: Upgrading) -> None:
    """Both have looked; the second one's look is old by the time that the lock is his, and nothing is done by it."""
    staged = cosmos.staged()
    theirs = replace(staged.upgrade, owner="bob")
    cosmos.on_lock = lambda: cosmos.upgrades.update(dict.fromkeys(("node1", "node2", "node3"), theirs.text()))
    with pytest.raises(Failed, match="another operator has begun or ended an upgrade meanwhile"):
        go(staged, ASKED, cosmos.world)
    assert (cosmos.fleet.sent, cosmos.moves) == ([], [])


def test_other_version_than_the_one_under_way_is_refused(cosmos: Upgrading) -> None:
    """Two operators with two inventories: the second is told what is under way, and how it goes on."""
    staged = cosmos.staged()
    cosmos.upgrades |= dict.fromkeys(("node1", "node2", "node3"), staged.upgrade.text())
    other = replace(cosmos.cluster, version=Version(4, 4, 1))
    with pytest.raises(Unsafe, match=r"from 4\.3\.1 to 4\.4\.0 is under way") as caught:
        prepare_up(cosmos.cluster, other, ASKED, cosmos.world)
    assert "`fab upgrade --to 4.4.0` goes on with it" in str(caught.value.hint)


def test_node_that_a_limit_skipped_is_found(cosmos: Upgrading) -> None:
    """Status names it, an upgrade that goes on takes it alone, and until then the way back is open."""
    begun = cosmos.staged().upgrade
    cosmos.upgrades |= dict.fromkeys(("node1", "node2", "node3"), begun.text())
    cosmos.runs(NEW, "node1/broker", "node2/broker")
    seen = sight(cosmos.cluster, cosmos.world)
    assert (seen.left, seen.closed) == (("node3/broker",), None)
    assert seen.next == "`fab upgrade --to 4.4.0` goes on; `fab upgrade.rollback` goes back"
    goes_on = cosmos.staged()
    assert (list(goes_on.roll.goal.replaced), goes_on.upgrade.direction) == (["node3/broker"], Direction.UP)


def test_limit_leaves_the_upgrade_under_way(cosmos: Upgrading) -> None:
    """A roll of one host writes the record, and does not end what it began."""
    cosmos.fleet.takes = lambda _script, _bytes: Result(0, b"", "")
    staged = cosmos.staged("node1")
    assert list(staged.roll.goal.replaced) == ["node1/broker"]
    nothing = replace(staged, roll=replace(staged.roll, goal=replace(staged.roll.goal, replaced={})))
    done = go(nothing, replace(ASKED, limit="node1"), cosmos.world)
    record = parse(cosmos.upgrades["node1"])
    assert (done.left, getattr(record, "direction", None)) == (
        ("node1/broker", "node2/broker", "node3/broker"),
        Direction.UP,
    )
