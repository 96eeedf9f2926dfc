"""What `logs` takes for a number of lines, and what is found in logs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.command import ANSWER_LIMIT, Result, Script
from kafab.errors import Failed, UsageError
from kafab.ops.hosts.logs import last_lines, line_count, matching
from kafab.testing.fleet import FakeFleet
from tests.conftest import cluster_in


@pytest.mark.parametrize("text", ["many", "", "-1", "+5", "1.5", "1e3", "0x10", " 5", "²", "٣"])
def test_lines_that_are_no_number_are_refused(text: str) -> None:
    """What is not written in digits is told with what was found, before a host is asked."""
    with pytest.raises(UsageError) as refused:
        line_count(text)
    assert refused.value.message == f"found --lines {text}; expected a number like 50"


def test_lines_are_counted_in_digits() -> None:
    """A number is a number."""
    assert line_count("200") == 200


def test_log_is_shown_as_it_comes(tmp_path: Path) -> None:
    """More than an answer may have is shown in pieces, and no part is missing."""
    node = cluster_in(tmp_path, 1).nodes[0]
    fleet = FakeFleet({"node1": lambda _script: Result(0, b"x" * (ANSWER_LIMIT + 1), "")})
    shown: list[bytes] = []
    last_lines(node, 50, fleet, shown.append)
    assert (sum(map(len, shown)), len(shown) > 1) == (ANSWER_LIMIT + 1, True)


def test_log_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A node that never ran has no log."""
    node = cluster_in(tmp_path, 1).nodes[0]
    fleet = FakeFleet({"node1": lambda _script: Result(1, b"", "no such file")})
    with pytest.raises(Failed, match="no such file"):
        last_lines(node, 50, fleet, lambda _piece: None)


def test_lines_that_match_are_found_in_a_log(tmp_path: Path, shell: Callable[[Script], Result]) -> None:
    """In a real shell: the last of them, of each node; one that never ran has none, and a link is not followed."""
    first, second = cluster_in(tmp_path, 1).nodes
    Path(first.logs).mkdir(parents=True)
    Path(first.logs / "server.log").write_text("a 1\nb\na 2\na 3 node x\n")

    def searched() -> object:
        return matching([first, second], "^a|z", 2, FakeFleet({"node1": shell}))

    assert searched() == {first.name: ("a 2", "a 3 node x"), second.name: ()}
    Path(second.logs).mkdir(parents=True)
    Path(second.logs / "server.log").symlink_to(first.logs / "server.log")
    told = searched()
    assert isinstance(told, dict)
    assert "is not followed" in told[second.name].reason
