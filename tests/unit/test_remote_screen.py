"""The JSON documents of exec and pull: what a host said, how much of it was cut, and what is not known."""

from pathlib import Path

from kafab.command import Outcome, Result
from kafab.ops.hosts.outputs import Kept
from kafab.screens.remote import exec_document, pull_document
from kafab.unknown import Unknown


def test_exec_has_each_hosts_words_and_code() -> None:
    """A failure is no error of the document: it has the exit code, with both streams."""
    kept = Kept(["node1"])
    kept.hear("node1", b"half\n", b"no space\n")
    found = exec_document("df", {"node1": Result(1, b"", "")}, kept)
    assert found["hosts"] == [
        {
            "host": "node1",
            "exit_code": 1,
            "unknown": None,
            "stdout": "half\n",
            "stderr": "no space\n",
            "stdout_cut": 0,
            "stderr_cut": 0,
        }
    ]


def test_silent_host_said_nothing_and_not_an_empty_text() -> None:
    """Of a host that could not be asked the output is null, with the reason; an empty text would be an answer."""
    found = exec_document("df", {"node1": Unknown("timed out")}, Kept(["node1"]))
    assert found["hosts"] == [
        {
            "host": "node1",
            "exit_code": None,
            "unknown": "timed out",
            "stdout": None,
            "stderr": None,
            "stdout_cut": 0,
            "stderr_cut": 0,
        }
    ]


def test_pull_names_only_whole_files() -> None:
    """A file that did not come whole is null, whatever its exit code."""
    outcomes: dict[str, Outcome] = {"node1": Result(0, b"", ""), "node2": Unknown("dropped")}
    found = pull_document(outcomes, {"node1": Path("/here/node1/log")})
    assert found["hosts"] == [
        {"host": "node1", "exit_code": 0, "unknown": None, "file": "/here/node1/log"},
        {"host": "node2", "exit_code": None, "unknown": "dropped", "file": None},
    ]
