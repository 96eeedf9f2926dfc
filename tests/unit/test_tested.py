"""What the end-to-end tests ran is recorded as it was run, and the page about it is of today's suite."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from kafab.lab.shape import Shape
from kafab.model import Mode, Version
from tasks import namespace
from tests import tested
from tests.e2e import test_cluster, test_kraft, test_upgrade

ISOLATED = ("lab.up", "--version", "4.3.1", "--controllers", "isolated")
STANDING = Shape(3, Version(2, 4, 1), Mode.ZOOKEEPER)


@pytest.mark.parametrize(
    ("words", "shape", "lines"),
    [
        (
            (*ISOLATED, "deploy", "lab.down"),
            None,
            [(name, "4.3.1", "kraft", "isolated", "dynamic") for name in ("lab.up", "deploy", "lab.down")],
        ),
        (("stop", "--limit", "node1/broker"), STANDING, [("stop", "2.4.1", "zookeeper", "-", "-")]),
        (("topics.create", "deploy"), STANDING, [("topics.create", "2.4.1", "zookeeper", "-", "-")]),
        (("releases.list", "lab.up"), None, [("lab.up", "3.9.2", "zookeeper", "-", "-")]),
    ],
)
def test_command_line_is_recorded(
    words: tuple[str, ...], shape: Shape | None, lines: list[tuple[str, ...]]
) -> None:
    """A command counts for the lab it ran on, and not where there was none; a value is no command."""
    assert list(tested.ran(words, shape)) == lines


def test_recording_adds_to_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tests fill one file, which is sorted and has each line once."""
    file = tmp_path / "tested.tsv"
    monkeypatch.setenv(tested.VARIABLE, str(file))
    for words in (("stop",), ("deploy", "stop")):
        tested.record(words, STANDING)
    assert [line[0] for line in tested.recorded(file)] == ["deploy", "stop"]


def test_tested_kinds_of_clusters_are_todays() -> None:
    """The recorded versions and modes are those that the suite's clusters are parametrized with, no more and no fewer."""
    labs: list[tuple[str, ...]] = [("--version", version) for version in test_cluster.VERSIONS]
    labs += [shape.values[0] for shape in cast("Sequence[Any]", test_kraft.SHAPES)]
    labs += [("--version", pair.before, *pair.shape) for pair in (*test_upgrade.WHOLE, *test_upgrade.SHORT)]
    suite = {line[1:] for words in labs for line in tested.ran(("lab.up", *words), None)}
    assert {line[1:] for line in tested.recorded()} == suite


def test_tested_commands_exist() -> None:
    """A command that was renamed or removed leaves the page."""
    assert {line[0] for line in tested.recorded()} <= {*namespace.task_names}
