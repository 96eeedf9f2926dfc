"""What `logs` takes for a number of lines."""

from pathlib import Path

import pytest

from kafab.command import ANSWER_LIMIT, Result
from kafab.errors import Failed, UsageError
from kafab.ops.hosts.logs import last_lines, line_count
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
