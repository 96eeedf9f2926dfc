"""Which groups of tests begin first, and the record of how long each took."""

import re
from pathlib import Path

import pytest

from tests.groups import LONGEST, Record, group, record

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("tests/e2e/test_x.py::test_one[a-b]@docker lab", "docker lab"),
        ("tests/unit/test_x.py::test_one[a]", "tests/unit/test_x.py"),
    ],
)
def test_test_belongs_to_its_group_or_module(nodeid: str, name: str) -> None:
    """A test without a group counts for its module."""
    assert group(nodeid) == name


def test_record_has_what_took_a_while() -> None:
    """The longest group is the first line, and one that took no time is none."""
    quick, slow, slower = ({"setup": 1.0, "call": seconds, "teardown": 1.0} for seconds in (0.5, 7.0, 70.0))
    lines = [*record({"quick": quick, "slow": slow, "slower": slower})]
    assert [line.split() for line in lines] == [
        ["1.0", "70.0", "1.0", "72.0", "slower"],
        ["1.0", "7.0", "1.0", "9.0", "slow"],
    ]


def test_modules_that_begin_first_are_there() -> None:
    """A module that was renamed is found out, as it would begin late without a word."""
    assert [name for name in LONGEST if "/" in name and not (ROOT / name).is_file()] == []


def test_reason_is_told_once_for_all_that_it_skips() -> None:
    """However many tests a missing program skips, it is one line with their number."""
    found = Record()
    for number in (1, 2):
        found.pytest_runtest_logreport(
            pytest.TestReport(
                f"tests/unit/test_x.py::test_{number}",
                ("tests/unit/test_x.py", number, f"test_{number}"),
                {},
                "skipped",
                ("tests/unit/test_x.py", number, "Skipped: no docker"),
                "setup",
            )
        )
    assert [*found.reasons()] == ["SKIPPED [2] no docker"]


def test_no_unit_test_starts_a_cluster() -> None:
    """The test command looks for tests that start real processes nowhere but in the folders of contracts and of e2e."""
    files = (ROOT / "tests" / "unit").glob("*.py")
    assert [file.name for file in files if re.search(r"mark\.e2e", file.read_text())] == []
