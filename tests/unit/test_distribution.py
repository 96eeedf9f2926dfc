"""Who sends a release to whom, and the scripts that do it, run in real shells against a temporary folder."""

import hashlib
import io
import os
import random
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Result
from kafab.model import Cluster, Version
from kafab.ops.deploy.distribution import Seed, routes, seed_at, serve, stock, unpack, upload, waves
from kafab.plans.steps import InstallRelease
from kafab.releases.names import Artifact, ReleaseName
from kafab.unknown import Unknown
from tests.conftest import cluster_in

Shell = Callable[..., Result]
WAIT = 10
OWN_KEY = "ssh-ed25519 AAAAown ann@desk"
LENT_KEY = "ssh-ed25519 AAAAlent"


def release(
    tmp_path: Path, *, jar: bytes = b"a jar" * 1000, packed: bool = False
) -> tuple[InstallRelease, bytes]:
    """Return the step that installs a tiny release below ``tmp_path/opt``, and the archive's bytes; ``packed`` by gzip."""
    name = ReleaseName(Version(3, 9, 2), "2.13")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w") as tar:
        content = jar
        member = tarfile.TarInfo(f"{name}/libs/kafka-clients-3.9.2.jar")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    data = buffer.getvalue()
    artifact = Artifact(
        name,
        tmp_path / f"{name}{'.tgz' if packed else '.tar'}",
        hashlib.sha256(data).hexdigest(),
        len(data),
        "added by hand",
    )
    return InstallRelease("node1", PurePosixPath(tmp_path / "opt"), artifact), data


def installed(tmp_path: Path) -> list[str]:
    """Return what stands in the release root, parts included, relative to it."""
    root = tmp_path / "opt"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_release_is_installed_whole(tmp_path: Path, shell: Shell) -> None:
    """All bytes give the release's folder, and the part is gone."""
    step, data = release(tmp_path)
    shell(upload(step).script, data)
    assert installed(tmp_path) == [f"{step.artifact.folder}/libs/kafka-clients-3.9.2.jar"]


def test_cut_upload_leaves_only_the_part(tmp_path: Path, shell: Shell) -> None:
    """A lost connection leaves nothing under a final name (fault 3)."""
    step, data = release(tmp_path)
    code = shell(upload(step).script, data[:1000]).code
    assert (code, installed(tmp_path)) == (1, [f".incoming/{step.artifact.sha256}.part"])


def test_upload_goes_on_behind_the_part(tmp_path: Path, shell: Shell) -> None:
    """The second upload sends only what the first one did not."""
    step, data = release(tmp_path)
    shell(upload(step).script, data[:1000])
    rest = InstallRelease(step.host, step.root, step.artifact, offset=1000)
    assert (shell(upload(rest).script, data[1000:]).code, len(installed(tmp_path))) == (0, 1)


@pytest.mark.parametrize(
    ("room", "word"), [(8, "could not write"), (32, "could not unpack it")], ids=["part", "unpacked"]
)
def test_full_disk_leaves_nothing(tmp_path: Path, shell: Shell, room: int, word: str) -> None:
    """Where no more can be written, of the archive or of what is in it, its reason is told and nothing of it stays (fault 7)."""
    step, data = release(tmp_path, jar=random.Random(1).randbytes(6000) + bytes(60000), packed=True)
    old = tmp_path / "opt" / "kafka_2.13-3.9.1-0123456789ab" / "libs" / "a.jar"
    old.parent.mkdir(parents=True)
    old.write_text("jar")
    script = upload(step).script
    # No file may be longer than so many blocks of 512 bytes: a write fails as on a full disk.
    limited = replace(script, text=f"trap '' XFSZ; ulimit -f {room}\n{script.text}")
    result = shell(limited, data)
    assert (result.code, word in result.err) == (1, True), result.err
    assert installed(tmp_path) == [str(old.relative_to(tmp_path / "opt"))]


def test_wrong_bytes_are_refused(tmp_path: Path, shell: Shell) -> None:
    """Bytes with another digest are never unpacked, and are removed."""
    step, data = release(tmp_path)
    result = shell(upload(step).script, data[:-1] + b"x")
    assert (result.code, "sha256" in result.err, installed(tmp_path)) == (1, True, [])


def test_stale_offset_asks_for_everything(tmp_path: Path, shell: Shell) -> None:
    """Where the part is not as long as the offset says, the script asks for the whole artifact."""
    step, _ = release(tmp_path)
    wrong = InstallRelease(step.host, step.root, step.artifact, offset=500)
    assert shell(upload(wrong).script, b"").code == 75


def with_modes(tmp_path: Path, modes: dict[str, int]) -> tuple[InstallRelease, bytes]:
    """Return the step and the archive of a release whose members, folders by a slash at their end, have these modes."""
    step, _ = release(tmp_path)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode in modes.items():
            member = tarfile.TarInfo(f"{step.artifact.name}/{name}".rstrip("/"))
            member.mode, member.type = mode, tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(member)
    data = buffer.getvalue()
    assert isinstance(step.artifact, Artifact)
    artifact = replace(step.artifact, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    return replace(step, artifact=artifact), data


def test_modes_on_a_host_are_not_the_archive_s(tmp_path: Path, shell: Shell) -> None:
    """Nothing can be written by others or runs as another; what may be executed stays so, and all can be read."""
    given = {"libs/": 0o777, "libs/open.jar": 0o777, "libs/closed.jar": 0o600, "libs/sticky.jar": 0o1666}
    more = {"bin/": 0o700, "bin/run.sh": 0o700, "bin/setuid": 0o6755}
    step, data = with_modes(tmp_path, given | more)
    assert shell(upload(step).script, data).code == 0
    folder = tmp_path / "opt" / step.artifact.folder
    modes = {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    files = {"libs/open.jar": 0o755, "libs/closed.jar": 0o644, "libs/sticky.jar": 0o644}
    assert modes == {"libs": 0o755, "bin": 0o755, "bin/run.sh": 0o755, "bin/setuid": 0o755} | files
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_full_disk_is_one_line(tmp_path: Path, shell: Shell) -> None:
    """The program tar says it of each file that is left; the first is enough, and nothing stays behind."""
    step, data = release(tmp_path)
    script = upload(step).script
    full = 'tar() { for n in $(seq 40); do echo "tar: lib$n.jar: Cannot open: No space left on device" >&2; done; return 2; }\n'
    done = shell(replace(script, text=full + script.text), data)
    told = "tar: lib1.jar: Cannot open: No space left on device\ncould not unpack it\n"
    assert (done.code, done.err, installed(tmp_path)) == (1, told, [])


def test_failed_unpacking_leaves_nothing_where_nobody_hears_of_it(tmp_path: Path) -> None:
    """What was unpacked is removed before a word is said: with kafab gone that word ends the script (fault 2)."""
    step, data = release(tmp_path)
    heard, said = os.pipe()
    os.close(heard)
    text = f"tar() {{ echo no >&2; return 2; }}\n{upload(step).script.text}"
    done = subprocess.run(["sh", "-c", text], input=data, stdout=said, stderr=said, check=False)
    os.close(said)
    assert (done.returncode != 0, list((tmp_path / "opt" / ".incoming").iterdir())) == (True, [])


def test_nobody_else_enters_a_release_while_it_is_unpacked(tmp_path: Path, shell: Shell) -> None:
    """Until the modes are ours the folder above is closed."""
    step, data = release(tmp_path)
    witness = f'tar() {{ stat -c %a -- "$incoming"/unpack.* > {tmp_path}/mode; command tar "$@"; }}\n'
    script = upload(step).script
    assert shell(replace(script, text=witness + script.text), data).code == 0
    assert (tmp_path / "mode").read_text() == "700\n"


def at_sites(tmp_path: Path, *sites: str) -> tuple[Cluster, list[InstallRelease]]:
    """Return a cluster with one host a site named, and the step that installs on each."""
    cluster = cluster_in(tmp_path, hosts=len(sites))
    hosts = tuple(replace(host, site=site) for host, site in zip(cluster.hosts, sites, strict=True))
    step, _ = release(tmp_path)
    return replace(cluster, hosts=hosts), [replace(step, host=host.name) for host in hosts]


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        ("a", {"node1": []}),
        ("aaa", {"node1": ["node2", "node3"]}),
        ("abab", {"node1": ["node3"], "node2": ["node4"]}),
        ("abc", {"node1": [], "node2": [], "node3": []}),
    ],
)
def test_first_host_of_each_site_is_its_seed(
    sites: str, expected: dict[str, list[str]], tmp_path: Path
) -> None:
    """The artifact leaves this machine once a site."""
    cluster, steps = at_sites(tmp_path, *sites)
    found = {way.seed.host: [step.host for step in way.others] for way in routes(steps, cluster)}
    assert found == expected


def test_host_with_most_of_it_is_the_seed(tmp_path: Path) -> None:
    """What an interrupted upload has brought to a host does not travel again."""
    cluster, steps = at_sites(tmp_path, *"aaa")
    steps[1] = replace(steps[1], offset=1000)
    assert [way.seed.host for way in routes(steps, cluster)] == ["node2"]


def test_eight_hosts_pull_from_a_seed_at_a_time(tmp_path: Path) -> None:
    """A seed's sshd drops logins at random past ten."""
    _, steps = at_sites(tmp_path, *"a" * 20)
    assert [len(wave) for wave in waves(tuple(steps))] == [8, 8, 4]


@pytest.mark.parametrize(
    ("served", "host_key", "expected"),
    [
        (Unknown("no answer"), "ssh-ed25519 AAAA", "no answer"),
        (
            Result(0, b"refused ann logs in without a file\n", ""),
            "k",
            "ann logs in without a file",
        ),
        (Result(1, b"", "mkdir: no space\n"), "ssh-ed25519 AAAA", "mkdir: no space"),
        (Result(2, b"", ""), "ssh-ed25519 AAAA", "exit 2"),
        (Result(0, b"serving ann /opt/shelf\n", ""), Unknown("not connected"), "not connected"),
        (
            Result(0, b"serving ann /opt/shelf\n", ""),
            "ssh-ed25519 AAAA",
            Seed("node1", "127.0.0.1", 22, "ann", "/opt/shelf", "ssh-ed25519 AAAA"),
        ),
    ],
)
def test_seed_or_reason(
    served: Result | Unknown, host_key: str | Unknown, expected: Seed | str, tmp_path: Path
) -> None:
    """A host that cannot be a seed says why."""
    cluster, steps = at_sites(tmp_path, "a")
    assert seed_at(steps[0], cluster, served, host_key) == expected


def test_seed_is_reached_where_its_broker_is(tmp_path: Path) -> None:
    """The address that ssh has here may be none that neighbours know."""
    cluster, steps = at_sites(tmp_path, "a")
    told = [
        tuple(replace(own, advertised="kafka1.internal") for own in node.listeners) for node in cluster.nodes
    ]
    nodes = tuple(replace(node, listeners=own) for node, own in zip(cluster.nodes, told, strict=True))
    seed = seed_at(steps[0], replace(cluster, nodes=nodes), Result(0, b"serving ann /s\n", ""), "k")
    assert isinstance(seed, Seed)
    assert seed.address == "kafka1.internal"


@contextmanager
def serving(tmp_path: Path, step: InstallRelease) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Hold the script of a seed whose home is ``tmp_path``; yields its shell and its first line."""
    bare = {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(tmp_path)}
    with subprocess.Popen(
        ["sh", "-euc", serve(step, LENT_KEY).text],
        env=bare,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout is not None
        yield shell, shell.stdout.readline().strip()


def authorized(tmp_path: Path, text: str = f"{OWN_KEY}\n") -> Path:
    """Write the authorized_keys of a home."""
    keys = tmp_path / ".ssh" / "authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.touch(mode=0o600)
    keys.write_text(text)
    return keys


def home(tmp_path: Path) -> dict[str, str]:
    """Return the files in ``.ssh`` and in the release root: name -> text."""
    files = [*(tmp_path / ".ssh").iterdir(), *(tmp_path / "opt").rglob("*")]
    return {str(path.relative_to(tmp_path)): path.read_text() for path in files if path.is_file()}


def test_seed_lets_a_key_read_one_file(tmp_path: Path) -> None:
    """The line allows one command, no forwarding and no terminal, and it expires."""
    keys, (step, _) = authorized(tmp_path), release(tmp_path)
    with serving(tmp_path, step) as (_, answer):
        shelf = answer.split()[-1]
        own, lent = keys.read_text().splitlines()
    options, _, rest = lent.partition(" ssh-ed25519 AAAAlent kafab-transfer.")
    assert (own, f'command="exec cat {shelf}/archive"' in options, "restrict,expiry-time=" in options, bool(rest)) == (
        OWN_KEY, True, True, True,
    )  # fmt: skip


@pytest.mark.parametrize("text", [f"{OWN_KEY}\n", f"# mine\n\n{OWN_KEY}\\n \n", ""])
def test_seed_that_ends_leaves_nothing(text: str, tmp_path: Path) -> None:
    """When our connection ends, the line, the shelf and every temporary file are gone, and the mode is what it was."""
    keys, (step, _) = authorized(tmp_path, text), release(tmp_path)
    with serving(tmp_path, step) as (_, answer):
        Path(answer.split()[-1], "archive").write_text("lent")
    assert (home(tmp_path), keys.stat().st_mode & 0o777) == ({".ssh/authorized_keys": text}, 0o600)


def test_what_a_killed_seed_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """A crash leaves a line and a shelf; they are known by their process, which is gone."""
    authorized(tmp_path)
    step, _ = release(tmp_path)
    with serving(tmp_path, step) as (shell, _):
        shell.kill()
        shell.wait(WAIT)
    before = len((tmp_path / ".ssh" / "authorized_keys").read_text().splitlines())
    with serving(tmp_path, step):
        during = len((tmp_path / ".ssh" / "authorized_keys").read_text().splitlines())
    shelves = list((tmp_path / "opt" / ".incoming").iterdir())
    assert (before, during, home(tmp_path), shelves) == (2, 2, {".ssh/authorized_keys": f"{OWN_KEY}\n"}, [])


def test_two_transfers_leave_each_other_alone(tmp_path: Path) -> None:
    """A host may be the seed of two clusters at once: the end of one ends nothing of the other."""
    keys, (step, _) = authorized(tmp_path), release(tmp_path)
    with serving(tmp_path, step) as (_, first):
        with serving(tmp_path, step):
            both = len(keys.read_text().splitlines())
        one = keys.read_text()
        stands = Path(first.split()[-1]).is_dir()
    assert (both, len(one.splitlines()), first.split()[-1] in one, stands) == (3, 2, True, True)


def test_link_to_authorized_keys_stays_a_link(tmp_path: Path) -> None:
    """Some keep the file elsewhere: what the link leads to is changed, not the link."""
    keys, (step, _) = authorized(tmp_path), release(tmp_path)
    keys.rename(tmp_path / "elsewhere")
    keys.symlink_to(tmp_path / "elsewhere")
    with serving(tmp_path, step):
        lines = len((tmp_path / "elsewhere").read_text().splitlines())
    assert (lines, keys.is_symlink(), keys.read_text()) == (2, True, f"{OWN_KEY}\n")


def test_home_without_authorized_keys_is_left_so(tmp_path: Path) -> None:
    """Where logins are allowed by other means no file is made: it would be a way in that nobody knows of."""
    step, _ = release(tmp_path)
    with serving(tmp_path, step) as (_, answer):
        pass
    assert (answer.startswith("refused "), (tmp_path / ".ssh").exists()) == (True, False)


def lending(shelf: Path) -> Seed:
    """Return a seed with that shelf."""
    return Seed("node1", "127.0.0.1", 22, "ann", str(shelf), "k")


def test_seed_unpacks_what_it_lends(tmp_path: Path, shell: Shell) -> None:
    """The archive stays on the shelf for the others while the seed has its release already."""
    step, data = release(tmp_path)
    (tmp_path / "shelf").mkdir()
    seed = lending(tmp_path / "shelf")
    codes = [shell(stock(step, seed).script, data).code, shell(unpack(step, seed)).code]
    jar = f"{step.artifact.folder}/libs/kafka-clients-3.9.2.jar"
    assert (codes, installed(tmp_path), (tmp_path / "shelf" / "archive").read_bytes() == data) == (
        [0, 0],
        [jar],
        True,
    )


def test_stock_without_a_shelf_is_installed_at_once(tmp_path: Path, shell: Shell) -> None:
    """Where kafab died behind the last byte, the bytes are used, not kept."""
    step, data = release(tmp_path)
    code = shell(stock(step, lending(tmp_path / "gone")).script, data).code
    assert (code, installed(tmp_path)) == (0, [f"{step.artifact.folder}/libs/kafka-clients-3.9.2.jar"])


def test_wrong_stock_is_never_lent(tmp_path: Path, shell: Shell) -> None:
    """Bytes with another digest do not reach the shelf."""
    step, data = release(tmp_path)
    (tmp_path / "shelf").mkdir()
    code = shell(stock(step, lending(tmp_path / "shelf")).script, data[:-1] + b"x").code
    assert (code, list((tmp_path / "shelf").iterdir()), installed(tmp_path)) == (1, [], [])


def test_work_of_a_crashed_script_is_removed(tmp_path: Path, shell: Shell) -> None:
    """Folders of processes that are gone go with the next install; those of running ones stay."""
    step, data = release(tmp_path)
    incoming = tmp_path / "opt" / ".incoming"
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    names = ["pull.999999999.1", "unpack.999999999.1", "shelf.999999999.1", f"pull.{os.getpid()}.{start}"]
    for name in names:
        (incoming / name).mkdir(parents=True)
    shell(upload(step).script, data)
    assert [path.name for path in incoming.iterdir()] == names[3:]
