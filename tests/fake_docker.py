"""A Docker daemon that is a dictionary, and labs on it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kafab.adapters.machine.localhost import Localhost
from kafab.command import Outcome, Result
from kafab.errors import Failed
from kafab.events import Event, Note
from kafab.lab.docker import BASE_IMAGE, DockerLab
from kafab.lab.engine import Container, Found
from kafab.testing.fleet import FakeClock
from kafab.unknown import Unknown


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
