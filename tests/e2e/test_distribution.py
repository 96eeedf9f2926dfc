"""A release from host to host, between real sshds: once a site from here, and nothing is left behind."""

import hashlib
import io
import os
import re
import shutil
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import Outcome, Script
from kafab.events import Event, Note
from kafab.inventory import load
from kafab.model import Version
from kafab.ops.deploy.delivery import deliver
from kafab.plans.steps import InstallRelease
from kafab.releases.names import Artifact, ReleaseName
from kafab.unknown import Unknown
from tests.fab import Fab

pytestmark = pytest.mark.e2e
HOSTS = 6
ARTIFACT_MB = 59
"""Kafka 3.9.2, put together from Maven; Apache's own archive is larger and would only widen the distance."""


@dataclass(frozen=True)
class Lab:
    """Six hosts on this machine, and what is on them."""

    fab: Fab
    inventory: Path

    @property
    def hosts(self) -> list[Path]:
        """Return the folder of each host."""
        return sorted((self.inventory.parent / "hosts").iterdir())

    @property
    def keys(self) -> list[str]:
        """Return the text of each host's authorized_keys."""
        return [(host / "home" / ".ssh" / "authorized_keys").read_text() for host in self.hosts]

    def incoming(self, pattern: str = "*") -> list[Path]:
        """Return what is not finished on any host."""
        return [path for host in self.hosts for path in (host / "root" / "opt" / ".incoming").glob(pattern)]

    @property
    def left(self) -> list[str]:
        """Return what a transfer must not leave: lines of its key, private keys, whole archives, temporary files."""
        lines = [line for text in self.keys for line in text.splitlines() if "kafab-transfer" in line]
        files = [str(path) for host in self.hosts for path in (host / "home" / ".ssh").iterdir()]
        return [*lines, *map(str, self.incoming()), *(name for name in files if "kafab" in name)]

    def at_sites(self, *sites: str) -> None:
        """Write the hosts' sites into the inventory."""
        text = re.sub(r"\n    site: .*", "", self.inventory.read_text())
        names = iter(sites)
        self.inventory.write_text(
            re.sub(r"(\n    address: \S+)", lambda found: f"{found[1]}\n    site: {next(names)}", text)
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Make the hosts once."""
    fab = Fab(tmp_path_factory.mktemp("e"))
    fab.must("lab.up", "--hosts", str(HOSTS), "releases.fetch")
    try:
        yield Lab(fab, fab.home / "labs" / "lab" / "cluster.yaml")
    finally:
        fab("lab.down")


@pytest.fixture
def lab(made: Lab) -> Lab:
    """Yield the hosts as fresh as lab.up left them, all of one site."""
    for host in made.hosts:
        for child in (host / "root").iterdir():
            shutil.rmtree(child)
    made.at_sites(*"a" * HOSTS)
    return made


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Poll until something is true; False when it did not become so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def megabytes(text: str) -> int:
    """Return what a deploy says has left this machine."""
    found = re.search(rf"(\d+) MB left this machine for {HOSTS} hosts", text)
    assert found, text
    return int(found[1])


@pytest.mark.parametrize(("sites", "uploads"), [("aaaaaa", 1), ("aaabbb", 2)])
def test_release_leaves_this_machine_once_a_site(sites: str, uploads: int, lab: Lab) -> None:
    """Six hosts cost what one or two cost, and nothing is left of how they got it."""
    lab.at_sites(*sites)
    before = lab.keys
    done = lab.fab.must("deploy")
    assert (megabytes(done.err) <= 1.1 * ARTIFACT_MB * uploads, lab.left, lab.keys) == (True, [], before)


def test_second_deploy_sends_nothing(lab: Lab) -> None:
    """With nothing to do nobody lends and nothing is written."""
    lab.fab.must("deploy")
    keys = [(host / "home" / ".ssh" / "authorized_keys").stat() for host in lab.hosts]
    done = lab.fab.must("deploy")
    now = [(host / "home" / ".ssh" / "authorized_keys").stat() for host in lab.hosts]
    told = "left this machine" in done.err
    assert (told, [(each.st_ino, each.st_mtime_ns) for each in now]) == (
        False,
        [(each.st_ino, each.st_mtime_ns) for each in keys],
    )


@pytest.fixture
def keys_elsewhere(lab: Lab) -> Iterator[Lab]:
    """Let the first host's sshd read the keys in another file, as some sites have it."""
    config, listener = lab.hosts[0] / "sshd_config", int((lab.hosts[0] / "sshd.pid").read_text())
    text, log = config.read_text(), lab.hosts[0] / "sshd.log"
    elsewhere = lab.hosts[0] / "keys"
    shutil.copy(lab.hosts[0] / "home" / ".ssh" / "authorized_keys", elsewhere)

    def reload(now: str) -> None:
        config.write_text(now)
        seen = log.read_text().count("Server listening")
        os.kill(listener, signal.SIGHUP)
        assert until(lambda: log.read_text().count("Server listening") > seen)

    reload(re.sub(r"(?m)^AuthorizedKeysFile .*$", f"AuthorizedKeysFile {elsewhere}", text))
    yield lab
    reload(text)


def test_sshd_that_reads_no_authorized_keys_is_no_obstacle(keys_elsewhere: Lab) -> None:
    """Every host gets the release from here, the reason is told, and nothing is left."""
    done = keys_elsewhere.fab.must("deploy")
    told = "5 hosts served from here: no release from node1" in done.err and "Permission denied" in done.err
    assert (told, megabytes(done.err) > 5 * ARTIFACT_MB, keys_elsewhere.left) == (True, True, [])


@pytest.mark.parametrize("moment", ["shelf.*", "*.part", "shelf.*/archive", "pull.*/key"])
def test_killed_deploy_leaves_no_way_in(moment: str, lab: Lab) -> None:
    """After kill -9 of kafab no line, no key, no archive stays behind, and the next deploy converges (fault 2)."""
    before = lab.keys
    with lab.fab.start("deploy") as process:
        seen = until(lambda: bool(lab.incoming(moment)) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert (seen, process.returncode) == (True, -signal.SIGKILL)
    until(lambda: not [each for each in lab.left if not is_part(each)])
    assert ([each for each in lab.left if not is_part(each)], lab.keys) == ([], before)
    lab.fab.must("deploy")
    assert (lab.left, [host.name for host in lab.hosts if not list(host.glob("root/opt/kafka_*"))]) == (
        [],
        [],
    )


def is_part(path: str) -> bool:
    """Say whether this is what an upload has brought so far, which the next one goes on behind: not the whole."""
    return path.endswith(".part") and Path(path).stat().st_size < 0.99 * ARTIFACT_MB * 1_000_000


# below the command: the moment is made, not met


class Between(SshFleet):
    """A fleet that lets the test change the world when the hosts are about to pull."""

    before_pulls: Callable[[], None]

    def run(
        self, scripts: Mapping[str, Script], *, each: Callable[[str, Outcome], None] | None = None
    ) -> dict[str, Outcome]:
        """Change the world, then go on."""
        self.before_pulls()
        return super().run(scripts, each=each)


@dataclass(frozen=True)
class Delivered:
    """What a delivery made of each host, what it told, and the one file of the release."""

    outcomes: Mapping[str, Outcome]
    notes: str
    jar: bytes


@pytest.fixture
def send(lab: Lab, tmp_path: Path) -> Iterator[Callable[[Callable[[], None]], Delivered]]:
    """Deliver a small release to three hosts; the argument is called before they pull."""
    cluster, _ = load(lab.inventory)
    three = replace(cluster, hosts=cluster.hosts[:3])
    content = os.urandom(200_000)
    artifact = small(tmp_path, content)
    steps = [InstallRelease(host.name, host.paths.releases, artifact) for host in three.hosts]
    fleet = Between(three.hosts)
    events: list[Event] = []

    def delivered(before_pulls: Callable[[], None]) -> Delivered:
        fleet.before_pulls = before_pulls
        outcomes = deliver(steps, three, fleet, events.append)
        notes = "\n".join(event.text for event in events if isinstance(event, Note))
        return Delivered(outcomes, notes, content)

    yield delivered
    fleet.close()


def small(folder: Path, content: bytes) -> Artifact:
    """Make a release of one file."""
    name = ReleaseName(Version(3, 9, 2), "2.13")
    file = folder / f"{name}.tar"
    with tarfile.open(file, mode="w") as tar:
        member = tarfile.TarInfo(f"{name}/libs/kafka-clients-3.9.2.jar")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    data = file.read_bytes()
    return Artifact(name, file, hashlib.sha256(data).hexdigest(), len(data), "added by hand")


def jar(lab: Lab, host: str) -> bytes:
    """Return the only file of the release on a host."""
    (found,) = (lab.inventory.parent / "hosts" / host).glob("root/opt/kafka_*/libs/*.jar")
    return found.read_bytes()


def test_altered_archive_is_refused_by_each_receiver(
    lab: Lab, send: Callable[[Callable[[], None]], Delivered]
) -> None:
    """A seed that hands on something else is found out before anything is unpacked; the right bytes come from here."""

    def alter() -> None:
        for archive in lab.incoming("shelf.*/archive"):
            data = bytearray(archive.read_bytes())
            data[100_000] ^= 1
            archive.write_bytes(data)

    done = send(alter)
    assert (done.notes.count("sha256 is"), lab.left) == (1, [])
    assert [host for host in ("node2", "node3") if jar(lab, host) != done.jar] == []


def test_killed_receiver_is_unknown_and_the_next_run_tidies_up(
    lab: Lab, send: Callable[[Callable[[], None]], Delivered]
) -> None:
    """A receiver that is killed leaves a key that lets nobody in; the others are done, and the next install removes it."""
    before = lab.keys

    def kill() -> None:
        pulling = lab.hosts[1] / "root" / "opt" / ".incoming"
        if until(lambda: bool(list(pulling.glob("pull.*/key")))):
            shell = next(iter(pulling.glob("pull.*"))).name.split(".")[1]
            os.kill(int(shell), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    done = send(killer.start)
    killer.join()
    fates = [isinstance(outcome, Unknown) for outcome in done.outcomes.values()]
    left = len(lab.incoming("pull.*/key"))
    send(lambda: None)
    assert (fates, left, lab.keys, lab.left) == ([False, True, False], 1, before, [])
