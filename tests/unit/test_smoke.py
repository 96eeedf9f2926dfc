"""Many clusters in one run: what is new against an earlier one, the order, the end of the time, Ctrl-C and the lock.

The file is a little over 400 lines long because its tests share one stand-in for a run of many clusters.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kafab.checks.junit import Suite, junit_of
from kafab.checks.smoke import (
    UNFINISHED,
    UNUSABLE,
    UNVERIFIED,
    Checked,
    Compared,
    baseline,
    compare,
    exit_code,
    worst_last,
)
from kafab.cluster.metadata import Metadata
from kafab.errors import Failed, Locked, UsageError
from kafab.events import Event, Waiting, silent
from kafab.findings import Finding, Report, Severity
from kafab.inventory.fleet import Member
from kafab.model import Cluster, Endpoint
from kafab.ops.alone import alone
from kafab.ops.check.smoke import Limits, Smoked, smoke
from kafab.ops.world import World
from kafab.screens.console import Console
from kafab.screens.smoke import document, show
from kafab.testing.admin import FakeAdmin
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.worlds import running_hosts

OK, WARN, UNKNOWN, CRIT = Severity.OK, Severity.WARN, Severity.UNKNOWN, Severity.CRIT
CASES = Path(__file__).resolve().parents[1] / "cases" / "smoke" / "compared.yaml"
AT = "2026-01-02 03:04:05 UTC"
_FREED = 20  # seconds for threads that are let go


@cache
def _cases() -> Mapping[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    return found


def checked(name: str, *findings: Sequence[Any]) -> Checked:
    """Return a cluster with findings of check, subject, severity and evidence."""
    made = tuple(
        Finding(check, subject, Severity[severity], "as it is", *evidence)
        for check, subject, severity, *evidence in findings
    )
    return Checked(name, f"{name}.yaml", Report(name, made), 0.5)


def earlier(*clusters: Checked) -> object:
    """Return the document of a run, as a program reads it."""
    return json.loads(json.dumps(document(Smoked(clusters, 1.0), AT)))


@pytest.mark.parametrize("case", _cases())
def test_run_beside_an_earlier_one(case: str) -> None:
    """Each case has the new, the known and the gone problems, and the exit code of the new ones alone."""
    told = _cases()[case]
    before = (checked("c", *told["before"]),) if "before" in told else ()
    now = checked("c", *told["now"])
    found = compare([now], baseline(earlier(*before)))
    parts = [[one.check for one in part.get("c", ())] for part in (found.new, found.known, found.gone)]
    wanted = [told.get(key, []) for key in ("new", "known", "gone")]
    assert (parts, exit_code([now], found)) == (wanted, told["exit"])


_SOME = st.tuples(
    st.sampled_from(["process", "features", UNUSABLE]),
    st.sampled_from(["n1", "n2"]),
    st.sampled_from([one.name for one in Severity]),
    st.sampled_from([{}, {"count": 2, "names": ["a-0"]}, {"count": 1, "names": ["b-0"]}]),
)


@given(st.lists(_SOME, max_size=6, unique_by=lambda found: found[:2]))
def test_run_beside_itself_has_nothing_new_and_nothing_gone(findings: list[tuple[Any, ...]]) -> None:
    """Whatever was found, the same found again is known, and the run does not fail."""
    one = checked("c", *findings)
    found = compare([one], baseline(earlier(one)))
    assert (found.new, found.gone, exit_code([one], found)) == ({}, {}, 0)


def test_cluster_that_is_not_in_this_run_is_told() -> None:
    """Nothing is said of its problems: nobody has looked."""
    before = baseline(earlier(checked("a"), checked("b", ("process", "n1", "CRIT"))))
    found = compare([checked("a", ("process", "n1", "OK"))], before)
    assert found == Compared({}, {}, {}, ("b",))


@pytest.mark.parametrize(
    ("severities", "code"),
    [([], 5), (["OK", "WARN"], 0), (["OK", "UNKNOWN", "WARN"], 5), (["CRIT", "UNKNOWN", "OK"], 1)],
)
def test_exit_code_is_the_worst_clusters(severities: list[str], code: int) -> None:
    """CRIT is worse than what could not be told, and no cluster at all proves nothing."""
    clusters = [checked(f"c{at}", ("process", "n1", one)) for at, one in enumerate(severities)]
    assert exit_code(clusters) == code


def test_worst_cluster_stands_last() -> None:
    """Clusters stand by verdict, and in their own order where it is the same."""
    severities = {"a": "CRIT", "b": "OK", "c": "UNKNOWN", "d": "OK", "e": "WARN"}
    clusters = [checked(name, ("process", "n1", one)) for name, one in severities.items()]
    assert "".join(one.name for one in worst_last(clusters)) == "bdeca"


def test_new_problem_stands_behind_a_known_one_that_is_worse() -> None:
    """With a baseline the eye is led to what is new."""
    known, new = checked("a", ("process", "n1", "CRIT")), checked("b", ("process", "n1", "UNKNOWN"))
    found = compare([known, new], baseline(earlier(known, checked("b"))))
    assert [one.name for one in worst_last([new, known], found)] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"schema": "kafab.verify/1"}',
        '{"schema": "kafab.smoke/1"}',
        '{"schema": "kafab.smoke/1", "at": "", "clusters": [1]}',
        '{"schema": "kafab.smoke/1", "at": "", "clusters": [{"cluster": "a", "findings": [{"check": 1}]}]}',
        '{"schema": "kafab.smoke/1", "at": "", "clusters": [{"cluster": "a", "findings": [{"severity": "BAD"}]}]}',
    ],
)
def test_document_that_is_no_baseline_is_refused(text: str) -> None:
    """Whatever is in the file, it is a ValueError with a reason."""
    with pytest.raises(ValueError, match=r"found|is no"):
        baseline(json.loads(text))


# Running


class _Silent(FakeAdmin):
    """A cluster whose brokers answer nothing until they are let go."""

    def __init__(self, kafka: FakeKafka, free: threading.Event) -> None:
        super().__init__(kafka)
        self._free = free

    def metadata(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Metadata | Unknown:
        """Hang, as a library without a timeout."""
        self._free.wait(_FREED)
        return Unknown("let go")


@dataclass
class Worlds:
    """Opens clusters of fakes, and counts what is open."""

    folder: Path
    free: threading.Event = field(default_factory=threading.Event)
    silent: set[str] = field(default_factory=set)
    broken: dict[str, Exception] = field(default_factory=dict)
    open: int = 0
    most: int = 0
    names: list[str] = field(default_factory=list)
    """Those that were opened."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def member(self, name: str) -> Member:
        """Return a cluster of one host that is well."""
        return Member(name, Path(f"{name}.yaml"), replace(cluster_in(self.folder / name), name=name))

    @contextmanager
    def opened(self, cluster: Cluster) -> Iterator[World]:
        """Have its world for the length of the block."""
        if error := self.broken.get(cluster.name):
            raise error
        with self._lock:
            self.open += 1
            self.names.append(cluster.name)
            self.most = max(self.most, self.open)
        try:
            kafka = FakeKafka(cluster)
            admin = _Silent(kafka, self.free) if cluster.name in self.silent else None
            yield FakeWorld.of(kafka, admin, fleet=running_hosts(cluster))
        finally:
            with self._lock:
                self.open -= 1


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    """Clusters of fakes; those that hang are let go at the end."""
    made = Worlds(tmp_path)
    yield made
    made.free.set()


def run(
    worlds: Worlds,
    *members: Member,
    jobs: int = 4,
    deadline: float = 60,
    emit: Callable[[Event], None] = silent,
    opened: Callable[[Cluster], AbstractContextManager[World]] | None = None,
) -> Smoked:
    """Smoke these clusters."""
    limits = Limits(jobs, timedelta(seconds=deadline))
    return smoke(members, opened or worlds.opened, limits, emit)


def checks_of(smoked: Smoked) -> dict[str, tuple[str, ...]]:
    """Return the checks of each cluster's problems."""
    return {one.name: tuple(found.check for found in one.problems) for one in smoked.clusters}


def test_every_cluster_is_verified(worlds: Worlds) -> None:
    """Healthy clusters have no problem, whichever thread took them, and stand in their order."""
    smoked = run(worlds, *map(worlds.member, "abcdef"))
    assert checks_of(smoked) == dict.fromkeys("abcdef", ())


def test_no_more_clusters_than_jobs_are_open(worlds: Worlds) -> None:
    """Each is closed before the next one of its thread is opened, and none stays open."""
    run(worlds, *map(worlds.member, "abcdefgh"), jobs=2)
    assert (worlds.most <= 2, worlds.open) == (True, 0)


def test_cluster_whose_world_cannot_be_opened_is_unknown(worlds: Worlds) -> None:
    """An error of kafab's is told with its hint, and the others are checked."""
    worlds.broken["a"] = Failed("no certificate", hint="fab secure.issue")
    smoked = run(worlds, worlds.member("a"), worlds.member("b"))
    (found,) = smoked.clusters[0].problems
    assert (found.check, found.detail, found.hint, checks_of(smoked)["b"]) == (
        UNVERIFIED,
        "no certificate",
        "fab secure.issue",
        (),
    )


def test_mistake_in_one_cluster_hides_no_other(worlds: Worlds) -> None:
    """An exception that nobody expected is UNKNOWN for its cluster alone."""
    worlds.broken["a"] = KeyError("oops")
    smoked = run(worlds, worlds.member("a"), worlds.member("b"))
    assert checks_of(smoked) == {"a": (UNVERIFIED,), "b": ()}


def test_machine_without_descriptors_is_told(worlds: Worlds) -> None:
    """Too many jobs for this machine's limits are told as that, with what to do."""
    worlds.broken["a"] = OSError(24, "Too many open files")
    (found,) = run(worlds, worlds.member("a")).clusters[0].problems
    assert ("Too many open files" in found.detail, found.hint) == (
        True,
        "give fewer --jobs, or more with `ulimit -n`",
    )


def test_inventory_that_cannot_be_used_is_unknown(worlds: Worlds) -> None:
    """Its first problem is told, and nothing is opened for it."""
    bad = Member("bad", Path("bad.yaml"), UsageError("it is empty"))
    (found,) = run(worlds, bad).clusters[0].problems
    assert (found.check, found.severity, "it is empty" in found.detail) == (UNUSABLE, UNKNOWN, True)


def test_deadline_ends_the_run(worlds: Worlds) -> None:
    """What hangs and what has not begun is told as not checked; what was found is there."""
    worlds.silent.add("b")
    members = [worlds.member(name) for name in "abc"]
    smoked = run(worlds, *members, jobs=1, deadline=3)
    told = {one.name: [found.detail for found in one.problems] for one in smoked.clusters}
    assert told["a"] == []
    assert "not checked: the deadline of 3 s was over" in told["b"][0]
    assert told["c"] == ["not checked: the deadline of 3 s was over, it had not begun"]


def test_no_cluster_begins_behind_the_deadline(worlds: Worlds) -> None:
    """The thread that hung takes no other cluster once it is free."""
    worlds.silent.add("a")
    run(worlds, worlds.member("a"), worlds.member("b"), jobs=1, deadline=1)
    worlds.silent.clear()
    worlds.free.set()
    deadline = time.monotonic() + _FREED
    while any(thread.name == "kafab-smoke" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert worlds.names == ["a"]


def test_interrupt_returns_what_was_found(worlds: Worlds) -> None:
    """After Ctrl-C the clusters that were checked are told, and the others as not checked."""
    worlds.silent.add("b")

    def emit(event: Event) -> None:
        if isinstance(event, Waiting) and "1 of 2" in event.what:
            raise KeyboardInterrupt

    smoked = run(worlds, worlds.member("a"), worlds.member("b"), emit=emit)
    assert (smoked.interrupted, smoked.unfinished, checks_of(smoked)) == (
        True,
        ("b",),
        {"a": (), "b": (UNFINISHED,)},
    )


def test_hanging_cluster_delays_no_other(worlds: Worlds) -> None:
    """With two jobs all others are checked beside the one that hangs."""
    worlds.silent.add("a")
    done: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Waiting) and "3 of 4" in event.what:
            done.append(event.what)
            worlds.free.set()

    run(worlds, *map(worlds.member, "abcd"), jobs=2, emit=emit)
    assert done


def test_second_run_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    """Two runs over the same words do not pile up; the order of the words does not matter."""
    a, b = tmp_path / "a", tmp_path / "b"
    with alone(tmp_path, "smoke", [a, b], "ann on desk (pid 7)"):  # noqa: SIM117  # the one in the other
        with pytest.raises(Locked, match=r"ann on desk \(pid 7\)"), alone(tmp_path, "smoke", [b, a], "bob"):
            pass


def test_run_over_other_words_is_not_refused(tmp_path: Path) -> None:
    """Two lines of cron with two folders may be at work at the same time, and one after the other with the same."""
    with alone(tmp_path, "smoke", [tmp_path / "a"], "ann"), alone(tmp_path, "smoke", [tmp_path / "b"], "ann"):
        pass
    with alone(tmp_path, "smoke", [tmp_path / "a"], "ann"):
        pass


def test_folder_for_the_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Without a lock nothing runs, and the hint says what to set."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Failed, match="cannot be made") as failed, alone(file, "smoke", [], "ann"):
        pass
    assert "KAFAB_HOME" in str(failed.value.hint)


# What is shown


def shown(capsys: pytest.CaptureFixture[str], *clusters: Checked, before: tuple[Checked, ...] = ()) -> str:
    """Return the screen of a run, beside an earlier one where there is one."""
    found = baseline(earlier(*before)) if before else None
    compared = compare(clusters, found) if found else None
    show(Console(), Smoked(clusters, 61.0), AT, compared, found.at if found else "")
    return capsys.readouterr().out


def test_screen_has_a_line_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    """The worst stands last, with its worst finding, and what to type next."""
    bad = checked("b", ("features", "b", "UNKNOWN"), ("process", "n1", "CRIT"), ("process", "n2", "OK"))
    assert shown(capsys, bad, checked("a", ("process", "n1", "OK"))).splitlines() == [
        "VERDICT  CLUSTER  SECONDS  FINDING",
        "OK       a        0.5      1 finding, all OK",
        "CRIT     b        0.5      process n1: as it is (and 1 more)",
        "hint: `fab on b.yaml verify --read-only` tells all of b",
        "smoke: 2 clusters in 61 s: CRIT (1 CRIT, 1 OK)",
    ]


def test_screen_names_what_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    """With a baseline the line says what is new or known, and each problem that is gone has a line."""
    before = (checked("a", ("process", "n1", "CRIT"), ("process", "n2", "CRIT")),)
    now = checked("a", ("process", "n1", "OK"), ("process", "n2", "CRIT"), ("process", "n3", "UNKNOWN"))
    assert shown(capsys, now, before=before).splitlines()[1:] == [
        "CRIT     a        0.5      new: process n3: as it is, 1 known",
        f"gone since {AT}: a: process n1: as it is (CRIT)",
        "hint: `fab on a.yaml verify --read-only` tells all of a",
        f"smoke: 1 cluster in 61 s: 1 new problem in 1 cluster since {AT}, 1 known, 1 gone",
    ]


def test_line_break_of_a_host_makes_no_second_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What a host said is shown as one line, and steers no terminal."""
    odd = Report("a", (Finding("process", "n1", CRIT, "one\ntwo\x1b[31m"),))
    assert "process n1: one two\\x1b[31m" in shown(capsys, Checked("a", "a.yaml", odd, 0.1))


def test_known_problem_is_a_skipped_test() -> None:
    """In JUnit a known problem fails nothing, and a new one does; each cluster is a suite of its own."""
    one = Report("a", (Finding("process", "n1", CRIT, "gone"), Finding("process", "n2", CRIT, "gone")))
    text = junit_of([Suite(one, 1.5, frozenset({("process", "n1")})), Suite(Report('b<"&\x01', ()))], "s")
    root = ET.fromstring(text)  # our own
    got = [(suite.get("name"), suite.get("failures"), suite.get("skipped")) for suite in root]
    assert (got, root.get("failures"), root.get("skipped")) == (
        [("s.a", "1", "1"), ('s.b<"&\N{REPLACEMENT CHARACTER}', "1", "0")],
        "2",
        "1",
    )
