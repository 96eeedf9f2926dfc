"""The scripts that change a host, run in a real shell against a temporary folder."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Outcome, Result, Unknown
from kafab.events import Event
from kafab.executor import Fate, HostResult, _read, compile_steps, worst
from kafab.render import RenderedFile
from kafab.steps import Configuring, FlipLink, MakeDirectory, WriteFile

Shell = Callable[..., Result]
NASTY = "a $(touch pwned) `id` 'quoted' \"double\" \\ back {{ braces }}\nEOF\n-leading\n"


def write(path: Path, text: str = "a=1\n", mode: str = "640") -> WriteFile:
    """Return the step that writes such a file."""
    return WriteFile("node1", "node1/broker", RenderedFile(PurePosixPath(path), text, mode), None)


def fate(steps: list[Configuring], outcome: Outcome) -> HostResult:
    """Read an answer to these steps and drop the events."""
    return _read(steps, outcome, lambda _event: None)


def test_file_is_written_with_its_mode(tmp_path: Path, shell: Shell) -> None:
    """A written file has the text and the mode of the step."""
    target = tmp_path / "server.properties"
    shell(compile_steps([write(target, "a=1\n", "640")]))
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("a=1\n", 0o640)


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


def test_each_done_step_is_told(tmp_path: Path) -> None:
    """The operator sees what was written, by node."""
    seen: list[Event] = []
    _read([write(tmp_path / "a")], Result(0, b"step 0 0\n", ""), seen.append)
    assert [str(getattr(event, "subject", "")) for event in seen] == ["node1/broker"]


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
