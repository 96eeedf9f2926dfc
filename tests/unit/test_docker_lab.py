"""The lab of containers, decided on a Docker that is a dictionary."""

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from kafab.adapters.docker import DockerCli
from kafab.adapters.localhost import Localhost
from kafab.command import Outcome, Result, Unknown
from kafab.errors import Failed, UsageError
from kafab.events import Event, Note, Waiting
from kafab.inventory import load
from kafab.lab.containers import POOLS
from kafab.lab.docker import BASE_IMAGE, DockerLab
from kafab.lab.engine import Container, Found
from kafab.lab.kinds import Kind, chosen_kind
from kafab.model import Version
from kafab.testing.fleet import FakeClock


@dataclass
class FakeEngine:
    """A Docker daemon in memory. ``host`` answers scripts of a running container; ``fails`` names a method to break."""

    images: set[str] = field(default_factory=lambda: {BASE_IMAGE})
    made: dict[str, tuple[Container, str]] = field(default_factory=dict)
    nets: dict[str, tuple[IPv4Network, str]] = field(default_factory=dict)
    others: tuple[IPv4Network, ...] = ()
    built: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    fails: str = ""
    error: BaseException = field(default_factory=lambda: Failed("docker said no"))
    state: Callable[[str], str] = lambda _name: "running"
    hello: str | None = "SSH-2.0-OpenSSH"
    units: str = ""
    keys: dict[str, int] = field(default_factory=dict)
    """How many times a container's host keys were made."""

    def _break(self, method: str) -> None:
        if self.fails == method:
            raise self.error

    def check(self) -> None:
        """The daemon answers, unless told otherwise."""
        self._break("check")

    def has_image(self, image: str) -> bool:
        """An image is a name."""
        return image in self.images

    def pull(self, image: str) -> None:
        """The registry has every image."""
        self._break("pull")
        self.images.add(image)

    def build(self, image: str, folder: Path, said: Callable[[str], None]) -> None:
        """Say one line; remember that it was built."""
        said("Step 1/1 : FROM")
        self._break("build")
        self.built.append(image)
        self.images.add(image)

    def taken(self) -> Sequence[IPv4Network]:
        """What others have, and what is made here."""
        return [*self.others, *(subnet for subnet, _ in self.nets.values())]

    def networks(self, lab: str) -> Sequence[str]:
        """By label."""
        return [name for name, (_, label) in self.nets.items() if label == lab]

    def make_network(self, name: str, subnet: IPv4Network, lab: str) -> None:
        """Remember it."""
        self._break("make_network")
        self.nets[name] = (subnet, lab)

    def containers(self, lab: str) -> Sequence[Found]:
        """By label."""
        return [Found(name, each.host, state) for name, (each, state) in self.made.items() if each.lab == lab]

    def create(self, containers: Sequence[Container]) -> None:
        """They run at once; a break leaves the first one behind."""
        for each in containers:
            assert each.name not in self.made, "docker refuses a name twice"
            self.made[each.name] = (each, "running")
            self.keys[each.name] = self.keys.get(each.name, 0) + 1
            self._break("create")

    def start(self, names: Sequence[str]) -> None:
        """They run again, with the host keys they have."""
        for name in names:
            self.started.append(name)
            self.made[name] = (self.made[name][0], "running")

    def execute(self, scripts: Mapping[str, str], *, stdin: bytes, timeout: timedelta) -> dict[str, Outcome]:
        """Answer each script as a host in its state would."""
        self._break("execute")
        return {name: self._answer(name, script) for name, script in scripts.items()}

    def _answer(self, name: str, script: str) -> Outcome:
        if name not in self.made or self.made[name][1] != "running":
            return Result(1, b"", f"Container {name} is not running")
        if "list-units" in script:
            return Result(0, self.units.encode(), "")
        state = self.state(name)
        if state == "lost":
            return Unknown("no answer within 20 s")
        keys = f"ssh-ed25519 {name}{self.keys[name]} comment\n" if state in ("running", "degraded") else ""
        return Result(0, f"{state}\n{keys}".encode(), "")

    def log(self, container: str) -> str:
        """What systemd says where it cannot write to its control groups."""
        return "Failed to allocate manager object"

    def greeting(self, address: IPv4Address) -> str | None:
        """Every address says the same."""
        return self.hello

    def remove(self, containers: Sequence[str], networks: Sequence[str]) -> None:
        """Forget them."""
        for name in containers:
            self.made.pop(name, None)
        for name in networks:
            self.nets.pop(name, None)

    def change(self, name: str, state: str) -> None:
        """Let something happen to a container behind the lab's back."""
        self.made[name] = (self.made[name][0], state)


class Keys(Localhost):
    """This machine, whose keys cost nothing to make."""

    def make_key(self, file: Path, comment: str) -> str:
        """Write what looks like a pair."""
        Path(f"{file}.pub").write_text(f"ssh-ed25519 LOGIN {comment}\n")
        file.write_text("private")
        return f"ssh-ed25519 LOGIN {comment}"

    @contextmanager
    def locked(self, file: Path, waiting: Callable[[], None]) -> Iterator[None]:
        """Nobody else is there."""
        yield


@dataclass
class World:
    """A lab on a fake Docker, and what it told."""

    folder: Path
    engine: FakeEngine = field(default_factory=FakeEngine)
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[Event] = field(default_factory=list)

    def lab(self, name: str = "lab") -> DockerLab:
        """Return a lab as a new process would see it."""
        recipe = self.folder / "recipe"
        recipe.mkdir(exist_ok=True)
        if not (recipe / "Dockerfile").exists():
            (recipe / "Dockerfile").write_text(f"FROM {BASE_IMAGE}\n")
        return DockerLab(
            name,
            self.folder / "labs",
            recipe,
            engine=self.engine,
            machine=Keys(),
            clock=self.clock,
            emit=self.told.append,
        )

    def notes(self) -> list[str]:
        """Return the lines that were told."""
        return [f"{event.subject} {event.text}" for event in self.told if isinstance(event, Note)]

    def container(self, host: str) -> str:
        """Return the name of a host's container."""
        return next(name for name, (each, _) in self.engine.made.items() if each.host == host)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """No lab yet, a Docker with the base image."""
    return World(tmp_path)


def test_lab_has_the_shape_of_a_real_cluster(world: World) -> None:
    """The inventory loads without a warning: login user, default ports and paths, no supervisor, fixed addresses."""
    lab = world.lab()
    assert lab.up(3, Version(2, 4, 1)) is True
    cluster, warnings = load(lab.inventory)
    assert warnings == ()
    assert (cluster.lab, cluster.version, len(cluster.zookeepers)) == (True, Version(2, 4, 1), 3)
    assert {node.port for node in cluster.nodes} == {2181, 9092}
    assert {host.ssh.user for host in cluster.hosts} == {"ops"}
    text = lab.inventory.read_text()
    assert [key for key in ("supervisor:", "paths:", "port:", "java:") if key in text] == []
    addresses = {each.host: str(each.address) for each, _ in world.engine.made.values()}
    assert {host.name: host.address for host in cluster.hosts} == addresses


def test_host_keys_are_pinned_as_the_hosts_told_them(world: World) -> None:
    """known_hosts has each address with the key that was read inside its host."""
    lab = world.lab()
    lab.up(2)
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
    world.lab().up(1)
    ((subnet, _),) = world.engine.nets.values()
    assert subnet.subnet_of(pool)


def test_no_free_subnet_is_told_with_the_pools(world: World) -> None:
    """Where every private address is taken the message says which were tried."""
    world.engine.others = (IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1"))
    with pytest.raises(Failed, match=r"no /24 is free in 10\.213"):
        world.lab().up(1)


def test_two_labs_of_one_name_share_nothing(tmp_path: Path) -> None:
    """Two homes of one user, or two users, have labs of one name on one daemon; one's end leaves the other's."""
    one, other = World(tmp_path / "a"), World(tmp_path / "b")
    other.engine = one.engine
    for world in (one, other):
        world.folder.mkdir()
        world.lab().up(2)
    assert len(one.engine.made) == 4
    subnets = {subnet for subnet, _ in one.engine.nets.values()}
    assert len(subnets) == 2
    one.lab().down()
    assert [each.state for each in other.lab().status()] == ["running", "running"]


def test_image_is_built_once(world: World) -> None:
    """A second lab takes the image that is there."""
    world.lab("one").up(1)
    world.lab("two").up(1)
    assert len(world.engine.built) == 1


def test_image_is_built_again_when_its_recipe_changes(world: World) -> None:
    """The image's name carries a digest of the Dockerfile and what it copies."""
    world.lab("one").up(1)
    (world.folder / "recipe" / "extra.service").write_text("[Unit]\n")
    world.lab("two").up(1)
    assert len(set(world.engine.built)) == 2


def test_build_shows_that_it_goes_on(world: World) -> None:
    """What the build prints becomes progress."""
    world.lab().up(1)
    assert "the host image to be built" in [each.what for each in world.told if isinstance(each, Waiting)]


def test_missing_base_image_is_pulled(world: World) -> None:
    """Where a registry has it nobody needs to do anything."""
    world.engine.images.clear()
    world.lab().up(1)
    assert BASE_IMAGE in world.engine.images


def test_missing_registry_names_the_script(world: World) -> None:
    """Without the base image and without a registry the hint is how to make one."""
    world.engine = FakeEngine(images=set(), fails="pull", error=Failed("dial tcp: connection refused"))
    with pytest.raises(Failed, match="connection refused") as refused:
        world.lab().up(1)
    assert "scripts/base-image" in (refused.value.hint or "")


def test_up_twice_changes_nothing(world: World) -> None:
    """A lab that is up stays as it is."""
    lab = world.lab()
    lab.up(2)
    before = {path: path.stat().st_mtime_ns for path in lab.folder.rglob("*")}
    assert world.lab().up() is False
    assert {path: path.stat().st_mtime_ns for path in lab.folder.rglob("*")} == before
    assert (world.engine.started, "is up already" in world.notes()[-1]) == ([], True)


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_up_starts_what_stopped(world: World, state: str) -> None:
    """A host whose container does not run comes back with its data and its keys; the others are left alone."""
    lab = world.lab()
    lab.up(3)
    pinned = (lab.folder / "known_hosts").read_text()
    world.engine.change(world.container("node2"), state)
    assert world.lab().up() is False
    assert world.engine.started == [world.container("node2")]
    assert (lab.folder / "known_hosts").read_text() == pinned
    assert any(f"node2 its container was {state}" in note for note in world.notes())


def test_up_makes_a_missing_host_anew(world: World) -> None:
    """A container that somebody removed comes back empty at its address, with its new host key pinned."""
    lab = world.lab()
    lab.up(2)
    name = world.container("node2")
    address = world.engine.made.pop(name)[0].address
    world.lab().up()
    assert world.engine.made[name][0].address == address
    assert f"{name}2" in (lab.folder / "known_hosts").read_text()


def test_up_without_the_labs_network_is_told(world: World) -> None:
    """`docker network prune` takes the network of hosts that are stopped: only a new lab mends that."""
    world.lab().up(1)
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
    world.lab().up(2)
    with pytest.raises(UsageError, match=said):
        world.lab().up(hosts, version)


@pytest.mark.parametrize("method", ["build", "make_network", "create", "execute"])
@pytest.mark.parametrize("error", [Failed("docker said no"), KeyboardInterrupt()])
def test_failed_up_leaves_nothing(world: World, method: str, error: BaseException) -> None:
    """Whatever goes wrong, and at Ctrl-C: no container, no network, no folder."""
    world.engine.fails, world.engine.error = method, error
    lab = world.lab()
    with pytest.raises(type(error)):
        lab.up(2)
    assert (world.engine.made, world.engine.nets, lab.folder.exists()) == ({}, {}, False)


@pytest.mark.parametrize("left", ["container", "network", "folder"])
def test_up_begins_anew_after_a_kill(world: World, left: str) -> None:
    """What a killed lab.up or lab.down left is removed first: containers, a network, or a folder without inventory."""
    lab = world.lab()
    lab.up(3)
    lab.inventory.unlink()
    if left != "container":
        world.engine.made.clear()
    if left == "folder":
        world.engine.nets.clear()
    assert world.lab().up(2) is True
    assert (len(world.engine.made), len(world.engine.nets)) == (2, 1)


@pytest.mark.parametrize("state", ["starting", "maintenance", "lost"])
def test_host_that_does_not_come_up_is_named(world: World, state: str) -> None:
    """After the deadline the message has the host, the deadline and the state; the hosts that are up are not in it."""
    world.engine.state = lambda name: state if name.endswith("node2") else "running"
    shown = "no answer" if state == "lost" else state
    with pytest.raises(Failed, match=f"1 host was not up within 90 s:\n  node2: {shown}") as failed:
        world.lab().up(2)
    assert "node1" not in failed.value.message
    assert world.clock.now() >= 90


def test_container_that_ends_is_told_at_once(world: World) -> None:
    """A host that will never come up is not waited for; what it said last is in the message."""

    def end(name: str) -> str:
        world.engine.change(name, "exited")
        return "starting"

    world.engine.state = end
    with pytest.raises(Failed, match="node1: its container is exited: Failed to allocate"):
        world.lab().up(1)
    assert world.clock.now() < 5


def test_sshd_that_does_not_answer_here_is_told(world: World) -> None:
    """A host that is up and cannot be reached from this machine: the message says where nothing answered."""
    world.engine.hello = None
    with pytest.raises(Failed, match=r"sshd on 10\.213\.\d+\.11:22 says nothing") as failed:
        world.lab().up(1)
    assert "Linux machine" in (failed.value.hint or "")


def test_slow_host_is_waited_for(world: World) -> None:
    """A host that is still starting is asked again, and the wait is shown."""
    world.engine.state = lambda _name: "degraded" if world.clock.now() > 5 else "starting"
    assert world.lab().up(1) is True
    waits = [each for each in world.told if isinstance(each, Waiting) and each.subject == "node1"]
    assert waits[-1].elapsed < timedelta(seconds=6) < waits[-1].limit


def test_status_counts_the_units_of_nodes(world: World) -> None:
    """Active units run, the others have ended."""
    lab = world.lab()
    lab.up(1)
    world.engine.units = (
        "kafka-broker@broker.service       loaded failed failed  Kafka broker\n"
        "kafka-zookeeper@zookeeper.service loaded active running ZooKeeper\n"
    )
    assert [(each.running, each.recorded) for each in lab.status()] == [(1, 2)]
    assert lab.status()[0].cells["NODES"] == "1 running, 1 ended"


def test_status_does_not_guess(world: World) -> None:
    """A stopped and a removed host are shown as such, and how many of their nodes run is unknown."""
    lab = world.lab()
    lab.up(2)
    world.engine.change(world.container("node1"), "exited")
    world.engine.made.pop(world.container("node2"))
    assert [(each.state, each.running) for each in lab.status()] == [("exited", None), ("missing", None)]
    assert lab.status()[0].cells["NODES"] == "unknown"


def test_status_without_a_lab_asks_nobody(world: World) -> None:
    """There is nothing, and no Docker is needed to say so."""
    assert world.lab().status() == ()


def test_down_removes_what_it_made(world: World) -> None:
    """Containers, network and folder go; the image and another lab stay; again there is nothing to do."""
    world.lab().up(2)
    world.lab("other").up(1)
    images = set(world.engine.images)
    assert (world.lab().down(), world.lab().down()) == (True, False)
    assert [each.host for each, _ in world.engine.made.values()] == ["node1"]
    assert (len(world.engine.nets), world.engine.images) == (1, images)
    assert not world.lab().folder.exists()


def test_down_needs_docker_for_what_docker_has(world: World) -> None:
    """While the daemon is not there nothing is forgotten: the folder stays for the next try."""
    lab = world.lab()
    lab.up(1)
    world.engine.fails = "check"
    with pytest.raises(Failed):
        lab.down()
    assert lab.folder.exists()


def test_bad_name_is_a_usage_error(world: World) -> None:
    """The name becomes part of names in Docker."""
    with pytest.raises(UsageError, match="a b"):
        world.lab("a b")


@pytest.mark.parametrize(
    ("written", "wanted", "expected"),
    [
        (None, None, Kind.LOCAL),
        (None, Kind.DOCKER, Kind.DOCKER),
        ('{"hosts": 3}', None, Kind.LOCAL),
        ('{"kind": "docker"}', None, Kind.DOCKER),
        ('{"kind": "docker"}', Kind.DOCKER, Kind.DOCKER),
        ("{", Kind.DOCKER, Kind.DOCKER),
    ],
)
def test_kind_is_found_from_the_folder(
    tmp_path: Path, written: str | None, wanted: Kind | None, expected: Kind
) -> None:
    """The other commands need no --kind; a folder that never was a lab is what the command line says."""
    (tmp_path / "lab").mkdir()
    if written:
        (tmp_path / "lab" / "lab.json").write_text(written)
    assert chosen_kind("lab", tmp_path, wanted) is expected


@pytest.mark.parametrize(
    ("written", "wanted"), [('{"hosts": 3}', Kind.DOCKER), ('{"kind": "docker"}', Kind.LOCAL)]
)
def test_another_kind_is_refused(tmp_path: Path, written: str, wanted: Kind) -> None:
    """A lab is ended by the kind that made it before another one takes its name."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "lab.json").write_text(written)
    with pytest.raises(UsageError, match="already"):
        chosen_kind("lab", tmp_path, wanted)


DENIED = (
    "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)
DENIED_NEWER = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)
DEAD = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DockerCli]:
    """Put a program called docker on the PATH, alone there; its text is that of a shell script."""

    def install(script: str) -> DockerCli:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        if script:
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(program.parent))
        return DockerCli()

    return install


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        ("", "docker, which is not on this machine", "docker.io"),
        (f"echo '{DENIED}: dial unix' >&2; exit 1", "may not talk to the Docker daemon", "usermod -aG"),
        (f"echo '{DENIED_NEWER}: dial unix' >&2; exit 1", "may not talk to the Docker daemon", "usermod -aG"),
        (f"echo '{DEAD}' >&2; exit 1", "does not answer", "systemctl start docker"),
        ("echo 'something new' >&2; exit 1", "`docker version --format` failed: something new", None),
    ],
)
def test_docker_that_cannot_be_used_is_told(
    docker: Callable[[str], DockerCli], script: str, message: str, hint: str | None
) -> None:
    """No program, no permission, no daemon: each with what to do; the rest in Docker's own words."""
    with pytest.raises(Failed, match=message) as failed:
        docker(script).check()
    assert (hint or "") in (failed.value.hint or "")


def test_failed_build_shows_its_last_lines(docker: Callable[[str], DockerCli], tmp_path: Path) -> None:
    """The last lines of the build are in the message, without colours, and every line was told as it came."""
    said: list[str] = []
    engine = docker(r"printf 'Step 1/2\n\033[91mE: no package\033[0m\n'; exit 100")
    with pytest.raises(Failed, match=r"ended with 100:\n  Step 1/2\n  E: no package$"):
        engine.build("image", tmp_path, said.append)
    assert said == ["Step 1/2", "E: no package"]


@pytest.mark.parametrize(
    "said", ["Error: No such container: x", "removal of container x is already in progress"]
)
def test_removing_what_is_gone_is_no_fault(docker: Callable[[str], DockerCli], said: str) -> None:
    """Two ends at once, or a hand that was quicker."""
    docker(f"echo '{said}' >&2; exit 1").remove(["x"], [])


def test_removing_what_stays_is_told(docker: Callable[[str], DockerCli]) -> None:
    """A network that somebody else's container uses is not removed, and that is said."""
    with pytest.raises(Failed, match="active endpoints"):
        docker("echo 'network x has active endpoints' >&2; exit 1").remove([], ["x"])


def test_silent_exec_is_unknown(docker: Callable[[str], DockerCli]) -> None:
    """A container that gives no answer in time is Unknown, not empty."""
    slow = docker("exec /bin/sleep 30")
    outcome = slow.execute({"x": "true"}, stdin=b"", timeout=timedelta(seconds=0.2))["x"]
    assert isinstance(outcome, Unknown)
