"""`fab diagnose` over hosts and a Kafka in memory: what is shown, what is written, and what stops nothing."""

import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.command import Outcome, Result, Script
from kafab.ops.diagnosing.diagnose import diagnose as diagnose_them
from kafab.reporting.render import data
from kafab.unknown import Unknown
from tasks import diagnose
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

pytestmark = pytest.mark.usefixtures("signals_given_back")
CANARY = "can4rys3cret"
CONFIG = f"| ssl.key.password={CANARY}\n"
LOG = f"| [t] ERROR Fatal error during startup (x)\n| java.io.IOException: No space left on device\n| [t] INFO <{CANARY}> bye (x)\n"


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three hosts on which everything runs but one broker, whose disk is full and whose log has a secret as a plain word."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    cosmos.kill("node2/broker")
    cosmos.kafka.stop_broker(2)
    for host in ("node1", "node2", "node3"):
        cosmos.fleet.hosts[host] = telling(cosmos.fleet.hosts[host], LOG if host == "node2" else "| fine\n")
    return cosmos


def telling(usual: Callable[[Script], Outcome], log: str) -> Callable[[Script], Outcome]:
    """Return a host that tells, when it is asked what an expert would ask, its machine, a configuration and this log."""

    def answer(script: Script) -> Outcome:
        if not script.called("part"):
            return usual(script)
        told = (("- machine", "| Linux\n"), ("broker config/server.properties", CONFIG), ("broker log", log))
        text = "".join(f"part {name}\n{lines}\ntook 1.0 1.5\n" for name, lines in told)
        return Result(0, f"{text}end\n".encode(), "")

    return answer


@pytest.fixture
def fab(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> Fab:
    """Return what runs command lines on that cluster."""
    return on_fakes(monkeypatch, cosmos.cluster, cosmos.world, tree_of(diagnose.diagnose))


def files(archive: Path) -> dict[str, str]:
    """Return the files of an archive by their paths below its one folder."""
    with tarfile.open(archive) as tar:
        every = {one.name.partition("/")[2]: tar.extractfile(one) for one in tar.getmembers()}
        return {name: file.read().decode() for name, file in every.items() if file}


def test_likely_cause_is_the_first_thing_that_is_told(
    fab: Fab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The screen begins with node, cause, evidence and next command, and ends with the archive and that nothing was sent."""
    code = fab("diagnose", "--out", str(tmp_path / "a.tar.gz"))
    first, evidence, further, *rest = capsys.readouterr().out.splitlines()
    assert (code, first) == (0, "likely cause: node2/broker: its disk is full")
    assert "No space left on device  (nodes/node2/broker/log.txt:2)" in evidence
    assert "--limit node2/broker" in further
    assert rest[-1] == "nothing was sent anywhere: the archive is on this machine alone"


def test_archive_has_all_and_no_secret(fab: Fab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Texts of hosts, a report whose verdict is the cause, and the same as JSON; a value that a file sets as a secret is nowhere."""
    archive = tmp_path / "a.tar.gz"
    fab("diagnose", "--out", str(archive), "--json")
    printed, found = json.loads(capsys.readouterr().out), files(archive)
    assert {
        "README.txt",
        "findings.txt",
        "hosts/node1/machine.txt",
        "nodes/node3/broker/log.txt",
    } <= found.keys()
    page, _ = data(found["report.html"])
    kept = json.loads(found["diagnosis.json"])
    assert page.verdict.text == "likely cause: node2/broker: its disk is full"
    assert kept["causes"] == printed["causes"]
    assert [name for name, text in found.items() if CANARY in text] == []
    assert (
        CANARY in json.dumps(printed),
        "[t] INFO <***> bye (x)" in found["nodes/node2/broker/log.txt"],
    ) == (False, True)


def test_archive_is_for_its_owner_and_the_same_each_time(fab: Fab, tmp_path: Path) -> None:
    """Mode 0600; names in order, times that of the command, and nobody's names: the same is gathered into the same bytes."""
    first, second = tmp_path / "a" / "x.tar.gz", tmp_path / "b" / "x.tar.gz"
    for archive in (first, second):
        archive.parent.mkdir()
        fab("diagnose", "--out", str(archive))
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    with tarfile.open(fileobj=io.BytesIO(first.read_bytes())) as tar:
        members = tar.getmembers()
    assert [one.name for one in members] == sorted(one.name for one in members)
    assert {(one.uid, one.uname, one.mode) for one in members} == {(0, "", 0o600)}
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("host", ["node1", "node2"])
def test_host_that_is_silent_stops_nothing(
    host: str, fab: Fab, cosmos: Cosmos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are gathered, and that this one was not is told on the screen, in the archive and as a cause."""
    cosmos.fleet.unreachable[host] = "no route to host"
    code = fab("diagnose", "--out", str(tmp_path / "a.tar.gz"))
    found, out = files(tmp_path / "a.tar.gz"), capsys.readouterr().out
    assert (code, f"{host}: no route to host" in out, f"{host}: no route to host" in found["README.txt"]) == (
        0,
        True,
        True,
    )
    assert f"{host}: the host does not answer" in out
    assert {name.split("/")[1] for name in found if name.startswith("hosts/")} == {
        "node1",
        "node2",
        "node3",
    } - {host}


def test_host_that_lets_nobody_look_as_root_tells_its_login_user(cosmos: Cosmos, tmp_path: Path) -> None:
    """What that user may read is gathered, and why the rest is not there is told; a host that is down is not asked again."""
    usual = cosmos.fleet.hosts["node1"]
    cosmos.fleet.hosts["node1"] = lambda script: (
        usual(script) if script.called("part") else Unknown("sudo wants a password")
    )
    cosmos.fleet.unreachable["node3"] = "no route to host"
    found = diagnose_them(
        cosmos.cluster, None, cosmos.world, tmp_path / "a.tar.gz", plain=lambda: cosmos.fleet
    ).diagnosis
    hosts = {one.host: (len(one.gathered), one.reason) for one in found.hosts}
    assert hosts == {
        "node1": (1, "sudo wants a password"),
        "node2": (1, ""),
        "node3": (0, "no route to host"),
    }
    silent = {one.subjects[0]: one.text for one in found.causes if one.sign == "host-silent"}
    assert silent["node1"] == "what runs there is unknown: the host lets nobody look as root"


def test_limit_names_whose_hosts_are_asked(fab: Fab, tmp_path: Path) -> None:
    """The cluster is asked as a whole, other hosts are not."""
    fab("diagnose", "--limit", "node3/broker", "--out", str(tmp_path / "a.tar.gz"))
    found = files(tmp_path / "a.tar.gz")
    assert {name.split("/")[1] for name in found if "/" in name} == {"node3"}
    assert "node2/broker" in found["findings.txt"]


def test_file_that_is_there_is_not_overwritten(fab: Fab, cosmos: Cosmos, tmp_path: Path) -> None:
    """It is refused before a host is asked."""
    archive = tmp_path / "a.tar.gz"
    archive.write_text("mine")
    assert (fab("diagnose", "--out", str(archive)), archive.read_text(), cosmos.fleet.ran) == (2, "mine", [])


def test_file_below_an_unknown_home_cannot_be_written(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """A ``~`` with a name that this machine has no user of is a name like others, and no fault of kafab's."""
    code = fab("diagnose", "--out", "~no-such-user/a.tar.gz")
    assert (code, "the archive cannot be written" in capsys.readouterr().err) == (1, True)


@pytest.mark.parametrize("name", ["...tar.gz", "..tar.gz"])
def test_names_in_the_archive_stay_below_its_folder(name: str, fab: Fab, tmp_path: Path) -> None:
    """Whatever the file is called, none of its members is unpacked into the folder above."""
    fab("diagnose", "--out", str(tmp_path / name))
    with tarfile.open(tmp_path / name) as tar:
        assert {one.split("/")[0] for one in tar.getnames()} & {".", ".."} == set()


def test_ctrl_c_leaves_nothing(fab: Fab, cosmos: Cosmos, tmp_path: Path) -> None:
    """Neither the archive nor a part of it is there after an interruption; exit 130."""

    def interrupted(_script: Script) -> Outcome:
        raise KeyboardInterrupt

    cosmos.fleet.hosts["node3"] = interrupted
    folder = tmp_path / "out"
    folder.mkdir()
    assert (fab("diagnose", "--out", str(folder / "a.tar.gz")), list(folder.iterdir())) == (130, [])
