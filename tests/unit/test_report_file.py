"""The file of a report: refused before anything begins, put in its place whole, and nothing left beside it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.errors import Failed, KafabError, UsageError
from kafab.ops.reporting.writing import ReportFile
from kafab.reporting.render import render
from tests.report_pages import page_of

REPORT = render(page_of(1))


def left(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_report_is_written_whole(tmp_path: Path) -> None:
    """The file has the text, and nothing lies beside it."""
    with ReportFile(str(tmp_path / "a.html")) as file:
        file.write(REPORT)
    assert ((tmp_path / "a.html").read_text(encoding="utf-8"), left(tmp_path)) == (REPORT, ["a.html"])


def test_file_has_the_rights_of_the_umask(tmp_path: Path) -> None:
    """Others may read a report where the umask lets them."""
    before = os.umask(0o022)
    try:
        with ReportFile(str(tmp_path / "a.html")) as file:
            file.write(REPORT)
    finally:
        os.umask(before)
    assert (tmp_path / "a.html").stat().st_mode & 0o777 == 0o644


def test_older_report_is_replaced(tmp_path: Path) -> None:
    """What kafab wrote before is a report, and may be overwritten."""
    (tmp_path / "a.html").write_text(REPORT, encoding="utf-8")
    with ReportFile(str(tmp_path / "a.html")) as file:
        file.write(REPORT.replace("orders", "others"))
    assert "others" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_nothing_is_left_of_what_was_not_written(tmp_path: Path) -> None:
    """Where the command ends otherwise the folder is as it was, with the older report in it."""
    (tmp_path / "a.html").write_text(REPORT, encoding="utf-8")
    with ReportFile(str(tmp_path / "a.html")):
        pass
    assert ((tmp_path / "a.html").read_text(encoding="utf-8"), left(tmp_path)) == (REPORT, ["a.html"])


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        pytest.param(lambda path: path.mkdir(), UsageError, "is a folder", id="a folder"),
        pytest.param(
            lambda path: path.write_text("kafka: {version: 4.3.1}\n"),
            UsageError,
            "no report of kafab",
            id="an inventory",
        ),
        pytest.param(os.mkfifo, UsageError, "is no file", id="a pipe"),
    ],
)
def test_what_is_no_report_stays(
    tmp_path: Path, make: Callable[[Path], object], kind: type[KafabError], words: str
) -> None:
    """Nothing that kafab has not written is overwritten, and that is said before anything begins."""
    make(tmp_path / "a")
    with pytest.raises(kind, match=words):
        ReportFile(str(tmp_path / "a"))
    assert left(tmp_path) == ["a"]


@pytest.mark.parametrize("place", ["nowhere/a.html", "file/a.html", "~no-such-user/a.html"])
def test_folder_that_takes_no_file_is_told_at_once(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is not there, or is none, is told with the file's name; so is the home of nobody."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Failed, match=r"a\.html: the report cannot be written"):
        ReportFile(place)


def test_full_disk_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room for a report is told before anything begins, and nothing is left on it."""

    def full(*_any: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Failed, match="No space left"):
        ReportFile(str(tmp_path / "a.html"))
    assert left(tmp_path) == []


def test_older_report_survives_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new one cannot be written in the end, the file is as it was."""
    (tmp_path / "a.html").write_text(REPORT, encoding="utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with ReportFile(str(tmp_path / "a.html")) as file:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(Failed, match="No space left"):
            file.write("new")
    assert ((tmp_path / "a.html").read_text(encoding="utf-8"), left(tmp_path)) == (REPORT, ["a.html"])
