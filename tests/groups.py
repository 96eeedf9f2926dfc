"""The groups of tests that stay on one worker: which begin first, how long each took, what failed, and what was skipped for which reason."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

LONGEST = (
    "tests/e2e/docker/test_killed_deploys.py",
    "roll zookeeper",
    "roll combined",
    "cluster 3.9.2",
    "cluster 2.4.1",
    "upgrade 2.4.1 to 3.9.2",
    "upgrade 3.9.2 to 4.3.1 kraft combined",
    "docker_lab",
    "tests/e2e/test_alerts.py",
    "tests/e2e/test_verify_broken_kraft.py",
    "tests/e2e/test_behind_a_bastion.py",
    "tests/e2e/docker/test_faults.py",
    "tests/e2e/docker/test_unmounted.py",
    "docker kraft",
    "docker_host",
    "kraft lab",
    "upgrade 3.9.2 to 4.3.1 kraft isolated static",
    "upgrade 4.3.1 to 4.4.0 isolated",
    "quorum 4.3.1",
    "quorum 3.9.2",
    "contract 3.9.2",
    "tests/e2e/docker/test_preflight.py",
    "tests/e2e/test_distribution.py",
    "tests/e2e/test_destroy.py",
    "tests/e2e/test_interruptions.py",
    "tests/e2e/test_kraft_storage.py",
)
"""The longest first, so that no worker is left with one of them at the end, as the record of a run has them.

Only one of the first four, as many as there are workers, is of labs of kind docker: it makes the image of the hosts, for
which the others would wait.
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


class Record:
    """A plugin that prints, at the end of a run, the seconds of each group and worker, and a line for each reason to skip.

    The names of the tests that failed go to the file that KAFAB_FAILED names, a line each, for a second try.
    """

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(_PHASES, 0.0))
        self._workers: dict[str, float] = defaultdict(float)
        self._skipped: Counter[str] = Counter()
        self._failed: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of one test."""
        self._groups[group(report.nodeid)][report.when] += report.duration
        if report.failed:
            self._failed[report.nodeid.partition("@")[0]] = None
        if report.skipped and isinstance(report.longrepr, tuple):
            self._skipped[report.longrepr[2].removeprefix("Skipped: ")] += 1
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
        for line in self.reasons():
            terminalreporter.write_line(line)
        self.keep_failed()

    def keep_failed(self) -> None:
        """Write the names of the failed tests to the file that KAFAB_FAILED names."""
        if file := os.environ.get("KAFAB_FAILED"):
            Path(file).write_text("".join(f"{name}\n" for name in self._failed))

    def reasons(self) -> Iterator[str]:
        """Yield a line for each reason to skip; pytest itself has one for each test that a fixture skips."""
        for reason, count in self._skipped.items():
            yield f"SKIPPED [{count}] {reason}"


def record(groups: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield a line for each group that took a while, the longest first."""
    for name, phases in sorted(groups.items(), key=lambda found: -_whole(found[1].values())):
        whole = _whole(phases.values())
        if whole >= SHOWN:
            yield "".join(f"{phases[phase]:7.1f}" for phase in _PHASES) + f"{whole:8.1f}  {name}"


def _whole(seconds: Iterable[float]) -> float:
    return sum(seconds)
