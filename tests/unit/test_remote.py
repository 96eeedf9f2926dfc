"""exec, push and pull against a shell: what the scripts do, and what is said of hosts that do not play along."""

import os
import stat
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from kafab.command import Outcome, Result, Script
from kafab.errors import Failed, Unreachable, UsageError
from kafab.events import silent
from kafab.model import Cluster
from kafab.ops.hosts import remote
from kafab.ops.hosts.outputs import Kept
from kafab.ops.hosts.remote import Answers
from kafab.testing.fleet import FakeFleet
from kafab.unknown import Unknown
from tests.conftest import cannot_run, cluster_in

MINUTE = timedelta(minutes=1)
HOSTS = ("node1", "node2")


def _shell(script: Script, stdin: bytes = b"") -> Outcome:
    done = subprocess.run(["sh", "-euc", script.text], input=stdin, capture_output=True, check=False)
    return Result(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture
def fleet() -> FakeFleet:
    """Two hosts that share this machine's files."""
    return FakeFleet(dict.fromkeys(HOSTS, _shell), takes=_shell)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A file to push."""
    file = tmp_path / "local.conf"
    file.write_bytes(bytes(range(256)))
    return file


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder on the host."""
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


class Pushed(NamedTuple):
    """Where a file is on each host, and what the hosts said to whom it was sent."""

    paths: Mapping[str, str]
    answers: remote.Answers


def _push(fleet: FakeFleet, local: Path, target: object, mode: str | None = None) -> Pushed:
    found = remote.to_push(str(local), str(target), ["node1"], fleet, mode=mode)
    return Pushed(found.paths, remote.push(found, fleet, silent))


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# exec


def test_command_is_a_shell_s(fleet: FakeFleet) -> None:
    """Pipes, quotes and exit codes mean what they mean in a shell; a failed command in the middle stops nothing."""
    kept = Kept(HOSTS)
    got = remote.execute("false; echo 'a b' | tr a c; exit 3", HOSTS, fleet, timeout=MINUTE, listener=kept)
    assert set(got.outcomes.values()) == {Result(3, b"", "")}
    assert {out.text for out, _ in kept.streams.values()} == {"c b\n"}


@pytest.mark.parametrize("command", ["", "  \n"])
def test_no_command_is_a_usage_error(fleet: FakeFleet, command: str) -> None:
    """Nothing is run where nothing was asked for."""
    with pytest.raises(UsageError):
        remote.refuse_nothing(command)
    assert fleet.ran == []


@pytest.mark.parametrize(
    ("outcomes", "error", "parts"),
    [
        ({"a": Result(0, b"", "")}, None, ()),
        ({"a": Result(0, b"", ""), "b": Result(3, b"", "x\nno room\n")}, Failed, ("1 of 2", "b: exit 3: no room")),
        ({"a": Unknown("refused"), "b": Result(3, b"", "")}, Unreachable, ("a: refused", "b: exit 3", "0 of 2")),
    ],
)  # fmt: skip
def test_fate_of_every_host_is_told(
    outcomes: Mapping[str, Outcome], error: type[Failed | Unreachable] | None, parts: tuple[str, ...]
) -> None:
    """A failure is exit code 1, an unreachable host 4; the message has every host that is not done."""
    if error is None:
        Answers(outcomes).raise_unless_done("it")
        return
    with pytest.raises(error) as caught:
        Answers(outcomes).raise_unless_done("it")
    said = f"{caught.value}\n{caught.value.hint}"
    assert [part for part in parts if part not in said] == []


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Three hosts with two nodes each."""
    return cluster_in(tmp_path, 3)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, ("node1", "node2", "node3")),
        ("node2", ("node2",)),
        ("node3/broker, node1", ("node1", "node3")),
    ],
)
def test_limit_names_hosts(cluster: Cluster, limit: str | None, expected: tuple[str, ...]) -> None:
    """A host is named by itself or by one of its nodes, and comes in inventory order."""
    assert remote.hosts_of(cluster, limit) == expected


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "ten", "", "86401"])
def test_bad_timeout_is_a_usage_error(text: str) -> None:
    """A timeout is a whole number of seconds, a day at most."""
    with pytest.raises(UsageError, match="--timeout"):
        remote.seconds(text)


# push


def test_new_file_arrives_with_its_mode(fleet: FakeFleet, local: Path, there: Path) -> None:
    """Every byte, 0644, and nothing beside it."""
    done = _push(fleet, local, there / "file")
    assert (there / "file").read_bytes() == local.read_bytes()
    assert (_mode(there / "file"), _names(there)) == (0o644, ["file"])
    assert (done.paths, list(done.answers.outcomes)) == ({"node1": str(there / "file")}, ["node1"])


def test_folder_gets_the_file_under_its_own_name(fleet: FakeFleet, local: Path, there: Path) -> None:
    """As with cp, a folder as the target keeps the name."""
    assert _push(fleet, local, f"{there}/").paths == {"node1": str(there / "local.conf")}
    assert (there / "local.conf").read_bytes() == local.read_bytes()


def test_same_file_is_not_written_again(fleet: FakeFleet, local: Path, there: Path) -> None:
    """A second push sends nothing: the file keeps its inode."""
    _push(fleet, local, there / "file")
    inode = (there / "file").stat().st_ino
    done = _push(fleet, local, there / "file")
    assert ((there / "file").stat().st_ino, done.answers.outcomes, len(fleet.sent)) == (inode, {}, 1)


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o600), ("0640", 0o640), ("750", 0o750)])
def test_replaced_file_keeps_its_mode_unless_another_is_named(
    fleet: FakeFleet, local: Path, there: Path, mode: str | None, expected: int
) -> None:
    """A private file stays private."""
    (there / "file").write_text("old")
    (there / "file").chmod(0o600)
    _push(fleet, local, there / "file", mode)
    assert (_mode(there / "file"), (there / "file").read_bytes()) == (expected, local.read_bytes())


def test_other_mode_alone_is_a_change(fleet: FakeFleet, local: Path, there: Path) -> None:
    """The same bytes with another mode are pushed."""
    _push(fleet, local, there / "file")
    _push(fleet, local, there / "file", "0600")
    assert _mode(there / "file") == 0o600


def test_link_is_followed(fleet: FakeFleet, local: Path, there: Path) -> None:
    """The file that the link names is replaced, the link stays."""
    (there / "link").symlink_to("file")
    _push(fleet, local, there / "link")
    assert ((there / "link").is_symlink(), (there / "file").read_bytes()) == (True, local.read_bytes())


def test_cut_off_upload_leaves_the_old_file(local: Path, there: Path) -> None:
    """Half of the bytes are refused by their digest; what was there stays, and nothing is left beside it."""
    (there / "file").write_text("old")
    fleet = FakeFleet({"node1": _shell}, takes=lambda script, data: _shell(script, data[: len(data) // 2]))
    done = _push(fleet, local, there / "file")
    assert "nothing was replaced" in done.answers.failed["node1"]
    assert ((there / "file").read_text(), _names(there)) == ("old", ["file"])


@pytest.mark.parametrize("target", ["missing/file", "missing/", "folder"])
def test_target_that_cannot_be_is_told_before_anything_is_sent(
    fleet: FakeFleet, local: Path, there: Path, target: str
) -> None:
    """No folder, or a folder in the file's place: told a host, and no host gets anything."""
    (there / "folder" / "local.conf").mkdir(parents=True)
    with pytest.raises(Failed, match="nothing was sent"):
        _push(fleet, local, f"{there}/{target}")
    assert fleet.sent == []


def test_silent_host_keeps_the_file_from_all(fleet: FakeFleet, local: Path, there: Path) -> None:
    """A host that is down is told before any host is changed."""
    fleet.unreachable["node2"] = "refused"
    with pytest.raises(Unreachable, match="node2: refused"):
        remote.to_push(str(local), str(there / "file"), HOSTS, fleet, mode=None)
    assert (fleet.sent, _names(there)) == ([], [])


@pytest.mark.parametrize("name", ["a b", "a;touch x", "$(touch x)", "-rf", "a'b", 'a"b', "ü", "{{ x }}"])
def test_name_is_data(fleet: FakeFleet, local: Path, there: Path, name: str) -> None:
    """Whatever a name has in it, it is a name."""
    _push(fleet, local, there / name)
    assert _names(there) == [name]


@pytest.mark.parametrize("mode", ["", "9", "rw", "77777", "0o644", "+x"])
def test_bad_mode_is_a_usage_error(fleet: FakeFleet, local: Path, there: Path, mode: str) -> None:
    """A mode is three or four octal digits."""
    with pytest.raises(UsageError, match="--mode"):
        _push(fleet, local, there / "file", mode)


@pytest.mark.parametrize("name", ["missing", "there"])
def test_local_file_has_to_be_one(fleet: FakeFleet, tmp_path: Path, there: Path, name: str) -> None:
    """A missing file and a folder are told before any host is asked."""
    with pytest.raises(UsageError, match=name):
        _push(fleet, tmp_path / name, there)
    assert fleet.ran == []


# pull


def test_each_host_s_file_has_a_folder_of_its_own(fleet: FakeFleet, local: Path, tmp_path: Path) -> None:
    """FOLDER/<host>/<name>, private, with nothing beside it."""
    done = remote.pull(str(local), str(tmp_path / "out"), HOSTS, fleet, silent)
    assert done.files == {host: tmp_path / "out" / host / "local.conf" for host in HOSTS}
    assert [file.read_bytes() for file in done.files.values()] == [local.read_bytes()] * 2
    assert [(_mode(file), _names(file.parent)) for file in done.files.values()] == [
        (0o600, ["local.conf"])
    ] * 2


def test_empty_file_and_file_without_a_size_arrive(fleet: FakeFleet, tmp_path: Path) -> None:
    """An empty file is empty; a file of /proc, which says 0, has what it has."""
    (tmp_path / "empty").touch()
    for source in (tmp_path / "empty", Path("/proc/version")):
        done = remote.pull(str(source), str(tmp_path / "out"), ["node1"], fleet, silent)
        assert done.files["node1"].read_text() == source.read_text()


def test_missing_file_is_told_a_host_and_leaves_nothing(fleet: FakeFleet, tmp_path: Path) -> None:
    """What is not there is named for each host; no empty folder is left here."""
    done = remote.pull(str(tmp_path / "none"), str(tmp_path / "out"), HOSTS, fleet, silent)
    assert ["there is no" in said for said in done.answers.failed.values()] == [True, True]
    assert (done.files, (tmp_path / "out").exists()) == ({}, False)


def test_failed_pull_leaves_the_file_of_last_time(fleet: FakeFleet, local: Path, tmp_path: Path) -> None:
    """A file that was pulled before is replaced whole or not at all."""
    remote.pull(str(local), str(tmp_path / "out"), ["node1"], fleet, silent)
    before = local.read_bytes()
    local.unlink()
    remote.pull(str(local), str(tmp_path / "out"), ["node1"], fleet, silent)
    assert (tmp_path / "out" / "node1" / "local.conf").read_bytes() == before
    assert _names(tmp_path / "out" / "node1") == ["local.conf"]


def test_unreachable_host_does_not_keep_the_others_back(
    fleet: FakeFleet, local: Path, tmp_path: Path
) -> None:
    """What can be got is got."""
    fleet.unreachable["node2"] = "refused"
    done = remote.pull(str(local), str(tmp_path / "out"), HOSTS, fleet, silent)
    assert (list(done.files), done.answers.unreachable) == (["node1"], {"node2": "refused"})


@pytest.mark.parametrize("path", ["", "/", "..", "a/..", "a\nb"])
def test_path_without_a_name_is_a_usage_error(fleet: FakeFleet, tmp_path: Path, path: str) -> None:
    """A pulled file needs a name here."""
    with pytest.raises(UsageError):
        remote.pull(path, str(tmp_path / "out"), HOSTS, fleet, silent)
    assert fleet.ran == []


def test_folder_that_cannot_be_made_is_told(fleet: FakeFleet, local: Path) -> None:
    """The place here is at fault, and named."""
    with pytest.raises(Failed, match=str(local)):
        remote.pull(str(local), str(local), HOSTS, fleet, silent)


# root in a folder of another account


@pytest.fixture
def theirs(there: Path) -> Path:
    """A folder of another account's, on a way that it may go."""
    if os.geteuid() != 0:
        cannot_run("it takes root to work with another account's rights")
    for above in there.parents:
        above.chmod(above.stat().st_mode | 0o011)
    there.chmod(0o755)
    os.chown(there, 65534, 65534)
    return there


def test_root_pushes_through_no_link_of_another_account(theirs: Path, local: Path, fleet: FakeFleet) -> None:
    """What the account itself may not write is refused, and what it may is written as it would write it."""
    outside = theirs.parent / "outside"
    outside.write_text("as it was")
    (theirs / "leads.conf").symlink_to(outside)
    with pytest.raises(Failed) as refused:
        _push(fleet, local, theirs / "leads.conf")
    done = _push(fleet, local, theirs / "new.conf")
    assert (outside.read_text(), "cannot be written by nobody" in refused.value.message) == (
        "as it was",
        True,
    )
    assert (done.answers.failed, (theirs / "new.conf").owner()) == ({}, "nobody")


def test_root_pulls_through_no_link_of_another_account(
    theirs: Path, fleet: FakeFleet, tmp_path: Path
) -> None:
    """A link to what the account may not read is as good as none."""
    secret = theirs.parent / "secret"
    secret.write_text("what only root may know")
    secret.chmod(0o600)
    (theirs / "server.log").symlink_to(secret)
    got = remote.pull(str(theirs / "server.log"), str(tmp_path / "here"), ["node1"], fleet, silent)
    assert (got.files, "ermission denied" in got.answers.failed["node1"]) == ({}, True)
