"""The scripts that change a host, run in a real shell against a temporary folder."""

import os
import pwd
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Outcome, Result
from kafab.config.render import RenderedFile
from kafab.ops.deploy.compiler import compile_steps
from kafab.ops.deploy.fates import Fate, HostResult, read, worst
from kafab.plans.steps import Configuring, DropFile, FlipLink, MakeDirectory, WriteFile
from kafab.unknown import Unknown
from tests.conftest import cannot_run

Shell = Callable[..., Result]
NASTY = "a $(touch pwned) `id` 'quoted' \"double\" \\ back {{ braces }}\nEOF\n-leading\n"


def write(path: Path, text: str = "a=1\n", mode: str = "640") -> WriteFile:
    """Return the step that writes such a file."""
    return WriteFile("node1", "node1/broker", RenderedFile(PurePosixPath(path), text, mode), None)


def fate(steps: list[Configuring], outcome: Outcome) -> HostResult:
    """Read an answer to these steps."""
    return read(steps, outcome)[1]


def test_file_is_written_with_its_mode(tmp_path: Path, shell: Shell) -> None:
    """A written file has the text and the mode of the step."""
    target = tmp_path / "server.properties"
    shell(compile_steps([write(target, "a=1\n", "640")]))
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("a=1\n", 0o640)


def test_file_that_is_not_used_any_more_is_removed(tmp_path: Path, shell: Shell) -> None:
    """In one script with what is written; gone already it is no fault."""
    old, new = tmp_path / "log4j.properties", tmp_path / "log4j2.yaml"
    old.write_text("a=1\n")
    drop = DropFile("node1", "node1/broker", PurePosixPath(old))
    for _ in range(2):
        assert b"step 1 0" in shell(compile_steps([write(new, "b: 1\n"), drop])).out
        assert sorted(path.name for path in tmp_path.iterdir()) == ["log4j2.yaml"]


def test_text_is_data(tmp_path: Path, shell: Shell) -> None:
    """Shell and template syntax in a file reaches the host as it is (fault 30)."""
    target = tmp_path / "f"
    result = shell(compile_steps([write(target, NASTY)]))
    assert (target.read_text(), fate([write(target, NASTY)], result).fate) == (NASTY, Fate.DONE)


def test_no_temporary_file_is_left(tmp_path: Path, shell: Shell) -> None:
    """After a write only the file itself is in its folder."""
    shell(compile_steps([write(tmp_path / "f")]))
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_failed_step_stops_the_host_and_names_the_reason(tmp_path: Path, shell: Shell) -> None:
    """A directory in the place of a file is told, and no later step runs."""
    (tmp_path / "taken").mkdir()
    steps: list[Configuring] = [write(tmp_path / "taken"), write(tmp_path / "later")]
    result = fate(steps, shell(compile_steps(steps)))
    assert (result.fate, "is a directory" in result.detail, (tmp_path / "later").exists()) == (
        Fate.FAILED,
        True,
        False,
    )


def test_directory_gets_its_mode_and_its_parents_the_usual_one(tmp_path: Path, shell: Shell) -> None:
    """A data directory is closed to others; folders above it, which others may need, are not."""
    wanted = tmp_path / "lib" / "kafka" / "broker"
    shell(compile_steps([MakeDirectory("node1", "node1/broker", PurePosixPath(wanted))]))
    assert [oct(path.stat().st_mode & 0o777) for path in (wanted, wanted.parent)] == ["0o750", "0o755"]


def test_directory_with_data_is_left_alone(tmp_path: Path, shell: Shell) -> None:
    """Making a directory that is there changes nothing in it."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "log").write_text("records")
    shell(compile_steps([MakeDirectory("node1", "node1/broker", PurePosixPath(tmp_path / "data"))]))
    assert ((tmp_path / "data" / "log").read_text(), (tmp_path / "data").stat().st_mode & 0o777) == (
        "records",
        0o700,
    )


def test_link_flips_to_another_release(tmp_path: Path, shell: Shell) -> None:
    """A flip replaces the link itself, not something inside the folder it leads to."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    link = tmp_path / "current-broker"
    link.symlink_to("old")
    shell(compile_steps([FlipLink("node1", "node1/broker", PurePosixPath(link), "new", "old")]))
    assert (link.readlink(), list((tmp_path / "old").iterdir())) == (Path("new"), [])


def test_cut_off_answer_is_unknown(tmp_path: Path) -> None:
    """A step without an outcome is UNKNOWN, not done."""
    steps: list[Configuring] = [write(tmp_path / "a"), write(tmp_path / "b")]
    assert fate(steps, Result(0, b"step 0 0\n", "")).fate is Fate.UNKNOWN


def test_lost_connection_is_unknown(tmp_path: Path) -> None:
    """An Unknown outcome carries its reason into the host's fate."""
    assert fate([write(tmp_path / "a")], Unknown("gone")) == HostResult(Fate.UNKNOWN, "gone")


@pytest.mark.parametrize(
    ("fates", "expected"),
    [
        ([Fate.DONE, Fate.DONE], Fate.DONE),
        ([Fate.DONE, Fate.UNKNOWN, Fate.FAILED], Fate.FAILED),
        ([Fate.NOT_STARTED, Fate.UNKNOWN], Fate.UNKNOWN),
        ([Fate.NOT_STARTED, Fate.DONE], Fate.NOT_STARTED),
    ],
)
def test_worst_fate_decides(fates: list[Fate], expected: Fate) -> None:
    """A certain failure outweighs what is not known, and that outweighs what was not begun."""
    assert worst(HostResult(fate) for fate in fates) is expected


# where the service has an account of its own


def owned(path: Path, mode: int) -> None:
    """Make a folder of another account."""
    path.mkdir(parents=True)
    path.chmod(mode)
    os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)


@pytest.fixture
def as_root() -> None:
    """These tests need accounts to work as."""
    if os.geteuid() != 0:
        cannot_run("it takes root to work with another account's rights")


def ran(shell: Shell, *steps: Configuring) -> HostResult:
    """Carry out these steps as root on a host has its PATH, and read the answer."""
    script = compile_steps(steps)
    return fate(list(steps), shell(replace(script, text=f"PATH=$PATH:/usr/sbin\n{script.text}")))


def run_folder(path: Path) -> MakeDirectory:
    """Return the step that makes a run folder under systemd."""
    return MakeDirectory("node1", "node1/broker", PurePosixPath(path), "755", "root:root")


@pytest.mark.usefixtures("as_root")
def test_run_folder_of_the_service_becomes_roots(tmp_path: Path, shell: Shell) -> None:
    """Of what the service had there only its temporary files stay, where a running process has them; no link is followed."""
    run, outside = tmp_path / "run", tmp_path / "outside"
    owned(run, 0o750)
    owned(run / "tmp", 0o750)
    (run / "tmp" / "libsnappy.so").touch()
    (run / "process").write_text("1 1 release digest\n")
    os.chown(run / "process", pwd.getpwnam("nobody").pw_uid, -1)
    outside.mkdir()
    (outside / "kept").touch()
    (run / "classes").symlink_to(outside)
    os.mkfifo(run / "starting")
    done = ran(shell, run_folder(run))
    stat = run.stat()
    assert (done.fate, stat.st_uid, stat.st_mode & 0o7777) == (Fate.DONE, 0, 0o755)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["outside", "outside/kept", "run", "run/tmp", "run/tmp/libsnappy.so"]


@pytest.mark.usefixtures("as_root")
def test_half_made_run_folder_keeps_roots_record(tmp_path: Path, shell: Shell) -> None:
    """An interruption leaves a folder that is not ready: the next deploy goes on, and root's own record stays."""
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    (run / "process").write_text("1 1 release digest\n")
    assert (ran(shell, run_folder(run)).fate, (run / "process").exists()) == (Fate.DONE, True)


@pytest.mark.usefixtures("as_root")
def test_run_folder_below_a_folder_of_the_service_is_refused(tmp_path: Path, shell: Shell) -> None:
    """Its owner could exchange it: whose the folder is and where are told."""
    owned(tmp_path / "above", 0o755)
    done = ran(shell, run_folder(tmp_path / "above" / "run"))
    assert (done.fate, f"{tmp_path}/above belongs to nobody" in done.detail) == (Fate.FAILED, True)
    assert not (tmp_path / "above" / "run").exists()


@pytest.mark.usefixtures("as_root")
def test_data_folder_below_a_folder_of_the_service_is_made_by_it(tmp_path: Path, shell: Shell) -> None:
    """Root makes nothing where another account could put a link in its way: that account makes it itself."""
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        above.chmod(above.stat().st_mode | 0o011)
    owned(tmp_path / "disk", 0o755)
    (tmp_path / "disk" / "broker.kafab-new").symlink_to(tmp_path)
    data = tmp_path / "disk" / "broker"
    done = ran(shell, MakeDirectory("node1", "node1/broker", PurePosixPath(data), owner="nobody:nogroup"))
    assert done.fate is Fate.DONE, done.detail
    assert (data.owner(), data.stat().st_mode & 0o777, tmp_path.owner()) == ("nobody", 0o750, "root")


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("name", ["myid", "myid.kafab-new"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_file_of_the_service_is_written_by_it_through_no_link(
    kind: str, name: str, tmp_path: Path, shell: Shell
) -> None:
    """Whatever lies there under the file's own or its temporary name, the file is written and nothing outside is."""
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        above.chmod(above.stat().st_mode | 0o011)
    data, outside = tmp_path / "data", tmp_path / "outside"
    owned(data, 0o755)
    outside.write_text("as it was")
    outside.chmod(0o666)
    (data / name).symlink_to(outside) if kind == "link" else os.mkfifo(data / name)
    file = RenderedFile(PurePosixPath(data / "myid"), "1\n", "640", "nobody:nogroup")
    done = ran(shell, WriteFile("node1", "node1/zookeeper", file, None))
    assert done.fate is Fate.DONE, done.detail
    assert ((data / "myid").read_text(), (data / "myid").owner(), outside.read_text()) == (
        "1\n",
        "nobody",
        "as it was",
    )
