"""A release on its way: once a site from here, from neighbour to neighbour, and what happens where that fails."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Outcome, Result, Script
from kafab.events import Event, Note
from kafab.model import Version
from kafab.ops.deploy.delivery import deliver
from kafab.ops.deploy.distribution import NOT_PULLED, STALE_PART
from kafab.plans.steps import InstallRelease
from kafab.releases.names import Artifact, ReleaseName
from kafab.testing.fleet import FakeFleet, Handler
from kafab.unknown import Unknown
from tests.conftest import cluster_in

BYTES = b"x" * 1000
DONE = Result(0, b"", "")
DEFAULT: Mapping[str, Outcome] = {"serve": Result(0, b"serving ann /opt/shelf\n", "")}


def call(script: Script) -> str:
    """Return the function that a script calls: serve, stock, own, pull or install."""
    (found,) = [str(each.words[0]) for each in script.calls if each.words[0] != "about"]
    return found


class World:
    """Hosts of the given sites whose scripts end as told: (host, function) or function -> outcome, else well."""

    def __init__(self, folder: Path, sites: str, answers: Mapping[str | tuple[str, str], Outcome]) -> None:
        cluster = cluster_in(folder, hosts=len(sites))
        hosts = tuple(replace(host, site=site) for host, site in zip(cluster.hosts, sites, strict=True))
        self.cluster = replace(cluster, hosts=hosts)
        file = folder / "kafka.tar"
        file.write_bytes(BYTES)
        artifact = Artifact(ReleaseName(Version(3, 9, 2), "2.13"), file, "0" * 64, len(BYTES), "by hand")
        self.steps = [InstallRelease(host.name, PurePosixPath("/opt"), artifact) for host in hosts]
        self.calls: list[str] = []
        self.events: list[Event] = []
        self.fleet = FakeFleet({host.name: self.handler(host.name, answers) for host in hosts})

    def handler(self, host: str, answers: Mapping[str | tuple[str, str], Outcome]) -> Handler:
        """Return a host that ends each script as told."""

        def answer(script: Script) -> Outcome:
            name = call(script)
            self.calls.append(f"{host} {name}")
            return answers.get((host, name), answers.get(name, DEFAULT.get(name, DONE)))

        return answer

    def deliver(self) -> dict[str, Outcome]:
        """Deliver to all hosts."""
        return deliver(self.steps, self.cluster, self.fleet, self.events.append)

    @property
    def senders(self) -> list[str]:
        """Return the hosts that bytes went to from here, in order."""
        return [host for host, _ in self.fleet.sent]

    @property
    def notes(self) -> str:
        """Return everything that was told."""
        return "\n".join(f"{event.subject}: {event.text}" for event in self.events if isinstance(event, Note))


def test_release_leaves_once_a_site(tmp_path: Path) -> None:
    """Two sites are two uploads, and each of the other hosts pulls."""
    world = World(tmp_path, "aaabb", {})
    outcomes = world.deliver()
    pulls = [each for each in world.calls if each.endswith("pull")]
    assert (world.senders, pulls, set(outcomes.values())) == (
        ["node1", "node4"],
        ["node2 pull", "node3 pull", "node5 pull"],
        {DONE},
    )


def test_bytes_are_told(tmp_path: Path) -> None:
    """The last line says what left this machine, for how many hosts."""
    world = World(tmp_path, "aaa", {})
    world.steps = [
        replace(step, artifact=replace(step.artifact, size=len(BYTES)), offset=0) for step in world.steps
    ]
    world.steps[0].artifact.file.write_bytes(b"x" * 56_000_000)
    world.deliver()
    assert world.notes.splitlines()[-1] == "small: 56 MB left this machine for 3 hosts"


def test_single_host_needs_no_seed(tmp_path: Path) -> None:
    """Nothing is lent where nobody would take it."""
    world = World(tmp_path, "a", {})
    world.deliver()
    assert world.calls == ["node1 install"]


def test_nothing_is_held_afterwards(tmp_path: Path) -> None:
    """The seed's script ends with the delivery."""
    world = World(tmp_path, "aa", {})
    world.deliver()
    assert world.fleet.held == []


def test_key_travels_on_stdin_alone(tmp_path: Path) -> None:
    """The scripts that travel as an argument, where ps shows them, hold no private key."""
    world = World(tmp_path, "aa", {})
    world.deliver()
    holders = {call(script) for _, script in world.fleet.ran if "PRIVATE KEY" in script.text}
    assert holders == {"pull"}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"serve": Result(0, b"refused ann logs in without a file\n", "")}, "ann logs in without a file"),
        ({"serve": Unknown("no first line within 30 s")}, "no first line"),
        ({"pull": Result(NOT_PULLED, b"", "Permission denied (publickey).\n")}, "Permission denied"),
    ],
)
def test_seed_that_cannot_lend_is_told_and_all_come_from_here(
    answers: Mapping[str | tuple[str, str], Outcome], reason: str, tmp_path: Path
) -> None:
    """The direct way always remains, and the operator reads why it was taken."""
    world = World(tmp_path, "aaa", answers)
    outcomes = world.deliver()
    assert (sorted(world.senders), set(outcomes.values()), reason in world.notes) == (
        ["node1", "node2", "node3"], {DONE}, True,
    )  # fmt: skip


def test_one_host_that_cannot_pull_is_served_from_here(tmp_path: Path) -> None:
    """The others still take it from the seed."""
    world = World(tmp_path, "aaa", {("node3", "pull"): Result(NOT_PULLED, b"", "there is no ssh client")})
    world.deliver()
    told = "node3 served from here: no release from node1 (ann@127.0.0.1 port 22): there is no ssh client"
    assert (world.senders, told in world.notes) == (["node1", "node3"], True)


def test_seed_that_refuses_eight_is_not_asked_again(tmp_path: Path) -> None:
    """What no host of the first group could do, the rest does not try."""
    world = World(tmp_path, "a" * 12, {"pull": Result(NOT_PULLED, b"", "Connection refused")})
    world.deliver()
    assert (len([each for each in world.calls if each.endswith("pull")]), len(world.senders)) == (8, 12)


def test_lost_pull_is_unknown_and_not_sent_again(tmp_path: Path) -> None:
    """The host may still be at it: a second way into the same folder would be in its way."""
    lost = Unknown("the connection was lost while the script ran")
    world = World(tmp_path, "aaa", {("node2", "pull"): lost})
    outcomes = world.deliver()
    assert (outcomes["node2"], outcomes["node3"], world.senders) == (lost, DONE, ["node1"])


def test_next_host_follows_a_seed_that_failed(tmp_path: Path) -> None:
    """A seed with a full disk costs its site nothing but a second upload."""
    full = Result(1, b"", "could not write it")
    world = World(tmp_path, "aaa", {("node1", "stock"): full})
    outcomes = world.deliver()
    assert (world.senders, outcomes) == (["node1", "node2"], {"node1": full, "node2": DONE, "node3": DONE})


def test_stale_part_on_a_seed_is_sent_whole(tmp_path: Path) -> None:
    """Where less lies there than was thought, the same host gets everything, once."""
    answers = iter([Result(STALE_PART, b"", ""), DONE])
    world = World(tmp_path, "aa", {})
    world.fleet = FakeFleet(
        {host.name: world.handler(host.name, {}) for host in world.cluster.hosts},
        takes=lambda _script, _data: next(answers),
    )
    world.steps[0] = replace(world.steps[0], offset=400)
    world.deliver()
    assert [(host, len(data)) for host, data in world.fleet.sent] == [("node1", 600), ("node1", 1000)]


def test_failed_unpacking_is_no_reason_to_send_it_again(tmp_path: Path) -> None:
    """A host that took good bytes and could not use them has failed."""
    failed = Result(1, b"", "could not unpack it")
    world = World(tmp_path, "aa", {("node2", "pull"): failed})
    assert (world.deliver()["node2"], world.senders) == (failed, ["node1"])
