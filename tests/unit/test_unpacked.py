"""Releases on hosts against their archives: real shells, real files, and answers that prove nothing."""

import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.store.store import ReleaseStore
from kafab.command import Outcome, Result, Script
from kafab.events import silent
from kafab.findings import Finding, Severity
from kafab.model import Cluster
from kafab.ops.deploy.distribution import upload
from kafab.ops.releases import compare_hosts
from kafab.plans.steps import InstallRelease
from kafab.releases.names import Artifact
from kafab.releases.unpacked import Compared, parse
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.shelves import NAME, archive

Shell = Callable[..., Result]


class Installed:
    """A host with a release that was installed from the store, and what is found there."""

    def __init__(self, tmp_path: Path, shell: Shell) -> None:
        self.cluster: Cluster = cluster_in(tmp_path)
        self.store = ReleaseStore(tmp_path / "store", [])
        self.artifact = self.added(tmp_path / "given.tgz", b"jar")
        self.shell = shell
        self.scripts: list[Script] = []
        root = self.cluster.hosts[0].paths.releases
        step = InstallRelease("node1", root, self.artifact)
        assert shell(upload(step).script, self.artifact.file.read_bytes()).code == 0
        self.root = Path(root)
        self.folder = self.root / self.artifact.folder
        for node in self.cluster.nodes:
            Path(node.current).symlink_to(self.artifact.folder)

    def added(self, file: Path, content: bytes) -> Artifact:
        """Add a release with this jar, a link, and names that a shell could stumble over, to the store."""
        names = ("bin/a b.sh", "bin/$(touch x)'\"", "bin/back\\slash")
        members = [tarfile.TarInfo(f"{NAME}/{name}") for name in names]
        link = tarfile.TarInfo(f"{NAME}/libs/link.jar")
        link.type, link.linkname = tarfile.SYMTYPE, f"kafka-clients-{NAME.version}.jar"
        file.write_bytes(archive(NAME, content, *members, link))
        return self.store.add(file, NAME, None, silent)

    @property
    def jar(self) -> Path:
        """The one jar."""
        return self.folder / "libs" / f"kafka-clients-{NAME.version}.jar"

    def answer(self, script: Script) -> Outcome:
        """Answer as the host."""
        self.scripts.append(script)
        return self.shell(script)

    def world(self, fleet: FakeFleet) -> FakeWorld:
        """Return the host, the store, and a Kafka that nobody asks."""
        return FakeWorld.of(FakeKafka(self.cluster), fleet=fleet, store=self.store)

    def found(self, **unreachable: str) -> Finding:
        """Compare, and return what is found on the host."""
        fleet = FakeFleet({"node1": self.answer}, unreachable=unreachable)
        (finding,) = compare_hosts(self.cluster, self.world(fleet))
        return finding

    def wrong(self) -> object:
        """Compare, and return path -> what is wrong in the release."""
        return self.found().evidence[self.artifact.folder]


@pytest.fixture
def host(tmp_path: Path, shell: Shell) -> Installed:
    """One host with a release."""
    return Installed(tmp_path, shell)


def test_release_as_it_was_installed_is_ok(host: Installed) -> None:
    """Files, links and names of every kind are what the archive holds, in one script."""
    assert (host.found().severity, host.wrong()) == (Severity.OK, {})
    assert host.found().detail == f"{host.artifact.folder}: as in the archive"
    assert len(host.scripts) == 3


def _change(host: Installed) -> None:
    host.jar.write_bytes(b"war")


def _remove(host: Installed) -> None:
    host.jar.unlink()


def _add(host: Installed) -> None:
    (host.folder / "libs" / "evil.jar").write_text("evil")


def _open(host: Installed) -> None:
    host.jar.chmod(0o666)


def _setuid(host: Installed) -> None:
    (host.folder / "bin" / "a b.sh").chmod(0o4755)


def _open_folder(host: Installed) -> None:
    (host.folder / "libs").chmod(0o777)


def _link_away(host: Installed) -> None:
    host.jar.unlink()
    host.jar.symlink_to("/tmp/evil.jar")


def _turn_link(host: Installed) -> None:
    (host.folder / "libs/link.jar").unlink()
    (host.folder / "libs/link.jar").symlink_to("elsewhere.jar")


JAR = f"libs/kafka-clients-{NAME.version}.jar"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (_change, {JAR: "changed"}),
        (_remove, {JAR: "missing"}),
        (_add, {"libs/evil.jar": "not in the archive"}),
        (_open, {JAR: "others than its owner may write it"}),
        (_open_folder, {"libs": "others than its owner may write it"}),
        (_setuid, {"bin/a b.sh": "it runs with the rights of its owner"}),
        (_link_away, {JAR: "changed"}),
        (_turn_link, {"libs/link.jar": "changed"}),
    ],
)
def test_change_on_a_host_is_named(
    host: Installed, change: Callable[[Installed], None], wrong: dict[str, str]
) -> None:
    """Whatever is not as in the archive is CRIT, with its path and what is wrong with it."""
    change(host)
    assert (host.found().severity, host.wrong()) == (Severity.CRIT, wrong)


def test_only_what_changed_travels_back(host: Installed) -> None:
    """The answer has no line of a file that is as it was."""
    _change(host)
    host.found()
    said = host.shell(host.scripts[-1]).text
    assert ("a b.sh" in host.scripts[-1].text, "a b.sh" in said, JAR in said) == (True, False, True)


def test_digests_are_those_of_the_archive(host: Installed) -> None:
    """A jar that the host swears to by a digest of its own is changed all the same."""
    _change(host)
    (host.folder / "SHA256SUMS").write_text("all is well")
    assert host.wrong() == {JAR: "changed", "SHA256SUMS": "not in the archive"}


def test_damaged_archive_accuses_no_host(host: Installed) -> None:
    """Where the file in the store is not what it was, nothing can be told."""
    content = host.artifact.file.read_bytes()
    host.artifact.file.write_bytes(content[:-1] + b"x")
    found = host.found()
    assert (found.severity, "its archive here is damaged" in found.detail) == (Severity.UNKNOWN, True)


def test_release_without_an_archive_is_unknown(host: Installed) -> None:
    """Nodes that are started from a release that the store does not have are not taken for healthy."""
    host.folder.rename(host.root / "kafka_2.13-3.9.2-000000000000")
    for node in host.cluster.nodes:
        Path(node.current).unlink()
        Path(node.current).symlink_to("kafka_2.13-3.9.2-000000000000")
    found = host.found()
    assert (found.severity, found.detail) == (
        Severity.UNKNOWN,
        "kafka_2.13-3.9.2-000000000000: the store here has no archive of it to compare with",
    )


def test_every_stored_release_on_a_host_is_compared(host: Installed, tmp_path: Path) -> None:
    """The release before this one, to which a node may be sent back, counts as well."""
    other = host.added(tmp_path / "other.tgz", b"another jar")
    step = InstallRelease("node1", host.cluster.hosts[0].paths.releases, other)
    host.shell(upload(step).script, other.file.read_bytes())
    _change(host)
    assert host.found().evidence == {host.artifact.folder: {JAR: "changed"}, other.folder: {}}


def test_host_without_a_release_is_told(host: Installed) -> None:
    """Nothing to compare is not the same as all is well."""
    host.folder.rename(host.root / "elsewhere")
    for node in host.cluster.nodes:
        Path(node.current).unlink()
    assert host.found().severity is Severity.WARN


def test_silent_host_is_unknown(host: Installed) -> None:
    """A host that does not answer is told with its reason."""
    found = host.found(node1="refused")
    assert (found.severity, found.detail) == (Severity.UNKNOWN, "refused")


@pytest.mark.parametrize(
    "answer",
    [
        Result(0, b"", ""),
        Result(0, b"release kafka_2.13-3.9.2-000000000000\nend\n", ""),
        Result(0, b"nonsense\nend\n", ""),
        Result(1, b"end\n", "killed"),
        Unknown("lost"),
    ],
)
def test_answer_that_proves_nothing_is_unknown(host: Installed, answer: Outcome) -> None:
    """A cut, failed or strange answer is never OK."""
    fleet = FakeFleet({"node1": lambda _script: answer})
    (finding,) = compare_hosts(host.cluster, host.world(fleet))
    assert finding.severity is Severity.UNKNOWN


def test_answer_cut_anywhere_is_never_ok(host: Installed) -> None:
    """Of every prefix of an honest answer only the whole is taken."""
    host.found()
    whole = host.shell(host.scripts[-1]).out
    archives = {host.artifact.folder: host.store.contents(host.artifact)}
    for length in range(len(whole)):
        assert isinstance(parse(archives, Result(0, whole[:length], "")), Unknown), whole[:length]
    assert isinstance(parse(archives, Result(0, whole, "")), Compared)


def test_file_that_cannot_be_read_makes_the_host_unknown(host: Installed) -> None:
    """A digest that could not be computed is not a changed file."""

    def answer(script: Script) -> Outcome:
        broken = 'sha256sum() { :; }\nfind() { command find "$@" && false; }\n'
        return host.shell(replace(script, text=broken + script.text))

    (finding,) = compare_hosts(host.cluster, host.world(FakeFleet({"node1": answer})))
    assert "could be read" in finding.detail


def test_hard_link_in_an_archive_is_a_file_on_a_host(tmp_path: Path) -> None:
    """Its digest is that of the file which it names."""
    jar = f"{NAME}/libs/kafka-clients-{NAME.version}.jar"
    link = tarfile.TarInfo(f"{NAME}/libs/hard.jar")
    link.type, link.linkname = tarfile.LNKTYPE, jar
    store = ReleaseStore(tmp_path / "store", [])
    file = tmp_path / "given.tgz"
    file.write_bytes(archive(NAME, b"jar", link))
    contents = store.contents(store.add(file, NAME, None, silent))
    assert not isinstance(contents, Unknown)
    assert len({content.sha256 for content in contents}) == 1
