"""The lab of containers, decided on a Docker that is a dictionary."""

from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kafab.errors import Failed, UsageError
from kafab.events import Waiting
from kafab.inventory import load
from kafab.lab.containers import POOLS
from kafab.lab.docker import BASE_IMAGE
from kafab.lab.shape import Wish
from kafab.model import Version
from tests.fake_docker import FakeEngine, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """No lab yet, a Docker with the base image."""
    return World(tmp_path)


def test_lab_has_the_shape_of_a_real_cluster(world: World) -> None:
    """The inventory loads without a warning: login user, default ports and paths, no supervisor, fixed addresses."""
    lab = world.lab()
    assert lab.up(Wish(3, Version(2, 4, 1))) is True
    cluster, warnings = load(lab.inventory)
    assert warnings == ()
    assert (cluster.lab, cluster.version, len(cluster.zookeepers)) == (True, Version(2, 4, 1), 3)
    assert {node.endpoint.port for node in cluster.nodes} == {2181, 9092}
    assert {host.ssh.user for host in cluster.hosts} == {"ops"}
    text = lab.inventory.read_text()
    assert [key for key in ("supervisor:", "paths:", "port:", "java:") if key in text] == []
    addresses = {each.host: str(each.address) for each, _ in world.engine.made.values()}
    assert {host.name: host.address for host in cluster.hosts} == addresses


def test_host_keys_are_pinned_as_the_hosts_told_them(world: World) -> None:
    """known_hosts has each address with the key that was read inside its host."""
    lab = world.lab()
    lab.up(Wish(2))
    pinned = (lab.folder / "known_hosts").read_text().splitlines()
    assert [line.split()[1:] for line in pinned] == [
        ["ssh-ed25519", f"{world.container('node1')}1"],
        ["ssh-ed25519", f"{world.container('node2')}1"],
    ]


@pytest.mark.parametrize(
    ("others", "pool"),
    [
        ((), POOLS[0]),
        ((IPv4Network("10.0.0.0/8"),), POOLS[1]),
        ((IPv4Network("10.213.0.0/16"), IPv4Network("172.16.0.0/12")), POOLS[2]),
        ((IPv4Network("10.213.0.0/17"),), IPv4Network("10.213.128.0/17")),
    ],
)
def test_subnet_is_one_that_nobody_has(
    world: World, others: tuple[IPv4Network, ...], pool: IPv4Network
) -> None:
    """The lab's addresses are outside of every network of Docker and every route of this machine."""
    world.engine.others = others
    world.lab().up(Wish(1))
    ((subnet, _),) = world.engine.nets.values()
    assert subnet.subnet_of(pool)


def test_no_free_subnet_is_told_with_the_pools(world: World) -> None:
    """Where every private address is taken the message says which were tried."""
    world.engine.others = (IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1"))
    with pytest.raises(Failed, match=r"no /24 is free in 10\.213"):
        world.lab().up(Wish(1))


def test_two_labs_of_one_name_share_nothing(tmp_path: Path) -> None:
    """Two homes of one user, or two users, have labs of one name on one daemon; one's end leaves the other's."""
    one, other = World(tmp_path / "a"), World(tmp_path / "b")
    other.engine = one.engine
    for world in (one, other):
        world.folder.mkdir()
        world.lab().up(Wish(2))
    assert len(one.engine.made) == 4
    subnets = {subnet for subnet, _ in one.engine.nets.values()}
    assert len(subnets) == 2
    one.lab().down()
    assert [each.state for each in other.lab().status()] == ["running", "running"]


def test_image_is_built_once(world: World) -> None:
    """A second lab takes the image that is there."""
    world.lab("one").up(Wish(1))
    world.lab("two").up(Wish(1))
    assert len(world.engine.built) == 1


def test_image_is_built_again_when_its_recipe_changes(world: World) -> None:
    """The image's name carries a digest of the Dockerfile and what it copies."""
    world.lab("one").up(Wish(1))
    (world.folder / "recipe" / "extra.service").write_text("[Unit]\n")
    world.lab("two").up(Wish(1))
    assert len(set(world.engine.built)) == 2


def test_build_shows_that_it_goes_on(world: World) -> None:
    """What the build prints becomes progress."""
    world.lab().up(Wish(1))
    assert "the host image to be built" in [each.what for each in world.told if isinstance(each, Waiting)]


def test_missing_base_image_is_pulled(world: World) -> None:
    """Where a registry has it nobody needs to do anything."""
    world.engine.images.clear()
    world.lab().up(Wish(1))
    assert BASE_IMAGE in world.engine.images


def test_missing_registry_names_the_script(world: World) -> None:
    """Without the base image and without a registry the hint is how to make one."""
    world.engine = FakeEngine(images=set(), fails="pull", error=Failed("dial tcp: connection refused"))
    with pytest.raises(Failed, match="connection refused") as refused:
        world.lab().up(Wish(1))
    assert "scripts/base-image" in (refused.value.hint or "")


def test_up_twice_changes_nothing(world: World) -> None:
    """A lab that is up stays as it is."""
    lab = world.lab()
    lab.up(Wish(2))
    before = {path: path.stat().st_mtime_ns for path in lab.folder.rglob("*")}
    assert world.lab().up() is False
    assert {path: path.stat().st_mtime_ns for path in lab.folder.rglob("*")} == before
    assert (world.engine.started, "is up already" in world.notes()[-1]) == ([], True)


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_up_starts_what_stopped(world: World, state: str) -> None:
    """A host whose container does not run comes back with its data and its keys; the others are left alone."""
    lab = world.lab()
    lab.up(Wish(3))
    pinned = (lab.folder / "known_hosts").read_text()
    world.engine.change(world.container("node2"), state)
    assert world.lab().up() is False
    assert world.engine.started == [world.container("node2")]
    assert (lab.folder / "known_hosts").read_text() == pinned
    assert any(f"node2 its container was {state}" in note for note in world.notes())


def test_up_makes_a_missing_host_anew(world: World) -> None:
    """A container that somebody removed comes back empty at its address, with its new host key pinned."""
    lab = world.lab()
    lab.up(Wish(2))
    name = world.container("node2")
    address = world.engine.made.pop(name)[0].address
    world.lab().up()
    assert world.engine.made[name][0].address == address
    assert f"{name}2" in (lab.folder / "known_hosts").read_text()


def test_up_without_the_labs_network_is_told(world: World) -> None:
    """`docker network prune` takes the network of hosts that are stopped: only a new lab mends that."""
    world.lab().up(Wish(1))
    world.engine.nets.clear()
    with pytest.raises(Failed, match="network of lab is gone"):
        world.lab().up()


@pytest.mark.parametrize(
    ("hosts", "version", "said"), [(3, None, "2 hosts"), (None, Version(2, 4, 1), "3.9.2")]
)
def test_up_refuses_another_shape(
    world: World, hosts: int | None, version: Version | None, said: str
) -> None:
    """A lab of another size or version is not changed under its user."""
    world.lab().up(Wish(2))
    with pytest.raises(UsageError, match=said):
        world.lab().up(Wish(hosts, version))


@pytest.mark.parametrize("method", ["build", "make_network", "create", "execute"])
@pytest.mark.parametrize("error", [Failed("docker said no"), KeyboardInterrupt()])
def test_failed_up_leaves_nothing(world: World, method: str, error: BaseException) -> None:
    """Whatever goes wrong, and at Ctrl-C: no container, no network, no folder."""
    world.engine.fails, world.engine.error = method, error
    lab = world.lab()
    with pytest.raises(type(error)):
        lab.up(Wish(2))
    assert (world.engine.made, world.engine.nets, lab.folder.exists()) == ({}, {}, False)


@pytest.mark.parametrize("left", ["container", "network", "folder"])
def test_up_begins_anew_after_a_kill(world: World, left: str) -> None:
    """What a killed lab.up or lab.down left is removed first: containers, a network, or a folder without inventory."""
    lab = world.lab()
    lab.up(Wish(3))
    lab.inventory.unlink()
    if left != "container":
        world.engine.made.clear()
    if left == "folder":
        world.engine.nets.clear()
    assert world.lab().up(Wish(2)) is True
    assert (len(world.engine.made), len(world.engine.nets)) == (2, 1)


@pytest.mark.parametrize("state", ["starting", "maintenance", "lost"])
def test_host_that_does_not_come_up_is_named(world: World, state: str) -> None:
    """After the deadline the message has the host, the deadline and the state; the hosts that are up are not in it."""
    world.engine.state = lambda name: state if name.endswith("node2") else "running"
    shown = "no answer" if state == "lost" else state
    with pytest.raises(Failed, match=f"1 host was not up within 90 s:\n  node2: {shown}") as failed:
        world.lab().up(Wish(2))
    assert "node1" not in failed.value.message
    assert world.clock.now() >= 90


def test_container_that_ends_is_told_at_once(world: World) -> None:
    """A host that will never come up is not waited for; what it said last is in the message."""

    def end(name: str) -> str:
        world.engine.change(name, "exited")
        return "starting"

    world.engine.state = end
    with pytest.raises(Failed, match="node1: its container is exited: Failed to allocate"):
        world.lab().up(Wish(1))
    assert world.clock.now() < 5


def test_sshd_that_does_not_answer_here_is_told(world: World) -> None:
    """A host that is up and cannot be reached from this machine: the message says where nothing answered."""
    world.engine.hello = None
    with pytest.raises(Failed, match=r"sshd on 10\.213\.\d+\.11:22 says nothing") as failed:
        world.lab().up(Wish(1))
    assert "Linux machine" in (failed.value.hint or "")


def test_slow_host_is_waited_for(world: World) -> None:
    """A host that is still starting is asked again, and the wait is shown."""
    world.engine.state = lambda _name: "degraded" if world.clock.now() > 5 else "starting"
    assert world.lab().up(Wish(1)) is True
    waits = [each for each in world.told if isinstance(each, Waiting) and each.subject == "node1"]
    assert waits[-1].elapsed < timedelta(seconds=6)
    assert waits[-1].limit is not None
    assert waits[-1].limit > timedelta(seconds=6)


def test_status_counts_the_units_of_nodes(world: World) -> None:
    """Active units run, the others have ended."""
    lab = world.lab()
    lab.up(Wish(1))
    world.engine.units = (
        "kafka-broker@broker.service       loaded failed failed  Kafka broker\n"
        "kafka-zookeeper@zookeeper.service loaded active running ZooKeeper\n"
    )
    assert [(each.running, each.recorded) for each in lab.status()] == [(1, 2)]
    assert lab.status()[0].cells["NODES"] == "1 running, 1 ended"


def test_status_does_not_guess(world: World) -> None:
    """A stopped and a removed host are shown as such, and how many of their nodes run is unknown."""
    lab = world.lab()
    lab.up(Wish(2))
    world.engine.change(world.container("node1"), "exited")
    world.engine.made.pop(world.container("node2"))
    assert [(each.state, each.running) for each in lab.status()] == [("exited", None), ("missing", None)]
    assert lab.status()[0].cells["NODES"] == "unknown"


def test_status_without_a_lab_asks_nobody(world: World) -> None:
    """There is nothing, and no Docker is needed to say so."""
    assert world.lab().status() == ()


def test_down_removes_what_it_made(world: World) -> None:
    """Containers, network and folder go; the image and another lab stay; again there is nothing to do."""
    world.lab().up(Wish(2))
    world.lab("other").up(Wish(1))
    images = set(world.engine.images)
    assert (world.lab().down(), world.lab().down()) == (True, False)
    assert [each.host for each, _ in world.engine.made.values()] == ["node1"]
    assert (len(world.engine.nets), world.engine.images) == (1, images)
    assert not world.lab().folder.exists()


def test_down_needs_docker_for_what_docker_has(world: World) -> None:
    """While the daemon is not there nothing is forgotten: the folder stays for the next try."""
    lab = world.lab()
    lab.up(Wish(1))
    world.engine.fails = "check"
    with pytest.raises(Failed):
        lab.down()
    assert lab.folder.exists()


def test_bad_name_is_a_usage_error(world: World) -> None:
    """The name becomes part of names in Docker."""
    with pytest.raises(UsageError, match="a b"):
        world.lab("a b")
