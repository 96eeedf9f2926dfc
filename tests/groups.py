"""The groups of tests that stay on one worker: which of them begin first, and how long each took."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import pytest

LONGEST = (
    "tests/e2e/docker/test_killed_deploys.py",
    "cluster 3.9.2",
    "quorum 4.3.1",
    "docker_lab",
    "tests/e2e/docker/test_faults.py",
    "tests/e2e/test_verify_broken_kraft.py",
    "cluster 2.4.1",
    "docker kraft",
    "quorum 3.9.2",
    "tests/e2e/docker/test_preflight.py",
    "tests/e2e/test_distribution.py",
    "tests/e2e/docker/test_cut_off_starts.py",
    "kraft lab",
    "tests/e2e/test_verify_broken.py",
    "tests/e2e/test_destroy.py",
)
"""The longest first, so that no worker is left with one of them at the end, as the record of the last run has them.

Only one of the first three, as many as there are workers, is of labs of kind docker: it makes the image of the hosts,
for which the others would wait.
"""
SHOWN = 5.0
"""Seconds from which on a group is a line of the record."""
_PHASES = ("setup", "call", "teardown")


def group(nodeid: str) -> str:
    """Return the group that xdist has written behind a test's name, or its module."""
    name, at, found = nodeid.partition("@")
    return found if at else name.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """Put the tests of the longest groups first; all others keep their order."""
    place = {name: number for number, name in enumerate(LONGEST)}

    def rank(item: pytest.Item) -> int:
        mark = item.get_closest_marker("xdist_group")
        return place.get(mark.args[0], len(place)) if mark else len(place)

    items.sort(key=rank)


class Durations:
    """A plugin that sums the seconds of each group and worker, and prints them at the end of a run."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(_PHASES, 0.0))
        self._workers: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of one test."""
        self._groups[group(report.nodeid)][report.when or "call"] += report.duration
        node = getattr(report, "node", None)  # xdist's, where the test ran on a worker
        self._workers[node.gateway.id if node else "main"] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the record."""
        lines = [*record(self._groups)]
        if lines:
            terminalreporter.section("seconds of each group: set-up, tests, tear-down, all")
            for line in lines:
                terminalreporter.write_line(line)
            busy = (f"{name} {seconds:.0f} s" for name, seconds in sorted(self._workers.items()))
            terminalreporter.write_line(f"busy: {', '.join(busy)}")


def record(groups: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield a line for each group that took a while, the longest first."""
    for name, phases in sorted(groups.items(), key=lambda found: -_whole(found[1].values())):
        whole = _whole(phases.values())
        if whole >= SHOWN:
            yield "".join(f"{phases[phase]:7.1f}" for phase in _PHASES) + f"{whole:8.1f}  {name}"


def _whole(seconds: Iterable[float]) -> float:
    return sum(seconds)
