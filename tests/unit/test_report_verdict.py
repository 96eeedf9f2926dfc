"""What a report says first, and what it leaves open: from what a command has seen and done."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from kafab.canary.course import Course
from kafab.canary.figures import Counts, Figures
from kafab.cluster.seen import Seen
from kafab.errors import Failed, Interrupted, KafabError, Locked, OutcomeUnknown, Unreachable, Unsafe
from kafab.findings import Finding, Report, Severity
from kafab.model import Version
from kafab.ops.check.verify import Checked
from kafab.ops.reporting.draft import Draft
from kafab.ops.reporting.openness import open_questions
from kafab.ops.reporting.pages import page
from kafab.ops.rolling.roll import NodeRolled, Rolled
from kafab.ops.upgrade.going import Upgraded
from kafab.ops.world import Operator
from kafab.rolling.course import Looks, RollCourse
from kafab.upgrading.holdings import Compared
from kafab.upgrading.record import Upgrade
from tests.conftest import cluster_in

WELL = Counts(sent=10, acked=10, longest_gap=timedelta(seconds=0.2))
GAP = Counts(sent=10, acked=10, longest_gap=timedelta(seconds=7))
LOST = Counts(sent=10, acked=10, lost=2)


def draft(tmp_path: Path, **more: Any) -> Draft:
    """Return a draft of a cluster of three brokers in which all was found in order."""
    cluster = cluster_in(tmp_path, 3)
    operator = Operator("run1", "ann", "desk", "restart", datetime(2026, 1, 1, tzinfo=timezone.utc))
    findings = tuple(
        Finding("process", node.name, Severity.OK, "pid 7, as deployed") for node in cluster.nodes
    )
    checked = Checked(Report(cluster.name, findings), Seen())
    return Draft(
        **{
            "kind": "restart",
            "cluster": cluster,
            "operator": operator,
            "moment": 0.0,
            "checked": checked,
            **more,
        }
    )


def rolled(counts: Counts | None = WELL, *, counted: bool = True, course: Course | None = None) -> Rolled:
    """Return a roll of a node, with these figures of its canary in every partition."""
    found = (
        None
        if counts is None
        else Figures(
            "topic",
            (counts,),
            (1,),
            counts,
            timedelta(seconds=9),
            timedelta(seconds=0.02),
            counted=counted,
            course=course,
        )
    )
    went = RollCourse(0.0, 9.0, (), Looks(0.0).strips(0.0))
    return Rolled([NodeRolled("node1/broker", 4.0)], 9.0, canary=found, course=went)


@pytest.mark.parametrize(
    ("counts", "counted", "severity", "words"),
    [
        pytest.param(WELL, True, "OK", "of 10 acknowledged records none lost, longest gap 0.2 s", id="well"),
        pytest.param(GAP, True, "WARN", "longest gap 7.0 s", id="a gap"),
        pytest.param(LOST, True, "CRIT", "2 lost", id="lost"),
        pytest.param(WELL, False, "UNKNOWN", "whether any is lost is unknown", id="not counted"),
        pytest.param(None, True, "OK", "1 node restarted in 9 s", id="no canary"),
    ],
)
def test_verdict_of_a_roll(
    tmp_path: Path, counts: Counts | None, counted: bool, severity: str, words: str
) -> None:
    """The worst of what the canary and the check after the roll have found, in a sentence with the figures."""
    verdict = page(draft(tmp_path, rolled=rolled(counts, counted=counted))).verdict
    assert (verdict.severity, words in verdict.text) == (severity, True), verdict.text


@pytest.mark.parametrize(
    ("counts", "severity", "words"),
    [
        pytest.param(WELL, "OK", "of 10 acknowledged records none lost, longest gap 0.2 s", id="well"),
        pytest.param(GAP, "CRIT", "longest gap 7.0 s", id="an interruption"),
    ],
)
def test_verdict_of_a_canary_alone(tmp_path: Path, counts: Counts, severity: str, words: str) -> None:
    """With nothing going on beside it a long gap is an interruption, not the price of a restart."""
    found = draft(tmp_path, kind="canary", rolled=Rolled(canary=rolled(counts).canary))
    verdict = page(found).verdict
    assert (verdict.severity, words in verdict.text) == (severity, True), verdict.text


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        pytest.param({"metadata.version": (21, 25)}, "finalized: metadata.version 21 → 25", id="KRaft"),
        pytest.param({}, "there was nothing to do", id="nothing to raise"),
    ],
)
def test_verdict_of_finalizing(tmp_path: Path, raised: dict[str, tuple[int, int]], words: str) -> None:
    """The levels that were raised are the verdict, where nothing was restarted."""
    verdict = page(draft(tmp_path, kind="finalize", raised=raised)).verdict
    assert (verdict.severity, verdict.text) == ("OK", words)


@pytest.mark.parametrize(
    ("compared", "code", "severity"),
    [
        pytest.param(Compared("topics", 3), 0, "OK", id="all there"),
        pytest.param(Compared("topics", 3, ("orders",), lost=True), 1, "CRIT", id="lost"),
        pytest.param(Compared("topics", 0, unknown="no answer"), 5, "UNKNOWN", id="unknown"),
    ],
)
def test_verdict_of_an_upgrade_counts_what_it_has_lost(
    tmp_path: Path, compared: Compared, code: int, severity: str
) -> None:
    """What the cluster held before and does not hold after is in the verdict, as it is in the exit code."""
    done = rolled()
    upgraded = Upgraded(Upgrade("ann", Version(3, 9, 2), Version(4, 3, 1)), done, (), compared=(compared,))
    found = draft(tmp_path, rolled=done, upgraded=upgraded, versions=("3.9.2", "4.3.1"), exit_code=code)
    verdict = page(found).verdict
    told = any(reason.startswith("topics") for reason in verdict.reasons)
    assert (verdict.severity, told) == (severity, severity != "OK"), verdict


@pytest.mark.parametrize(
    ("error", "severity"),
    [
        (Failed("it did not come back", hint="`fab logs`"), "CRIT"),
        (Unsafe("it cannot be spared"), "CRIT"),
        (OutcomeUnknown("nothing was seen"), "UNKNOWN"),
        (Unreachable({"node1": "no route"}), "UNKNOWN"),
        (Interrupted("stopped"), "WARN"),
        (Locked("ann has it"), "WARN"),
    ],
)
def test_verdict_of_an_error_is_its_message(tmp_path: Path, error: KafabError, severity: str) -> None:
    """The first line is the verdict, with its exit code; the others and the hint are its reasons."""
    verdict = page(draft(tmp_path, error=error)).verdict
    first, *rest = error.message.splitlines()
    hint = [f"next: {error.hint}"] if error.hint else []
    assert (verdict.severity, verdict.text, verdict.exit_code) == (severity, first, error.exit_code)
    assert list(verdict.reasons) == [*(line.strip() for line in rest), *hint]


def test_worst_findings_are_the_reasons_each_once(tmp_path: Path) -> None:
    """What another finding explains is none, and what many say alike is said once."""
    findings = (
        Finding("a", "node1", Severity.WARN, "is slow"),
        Finding("b", "node2", Severity.CRIT, "is gone"),
        Finding("c", "node2", Severity.CRIT, "is gone"),
        Finding("d", "orders", Severity.CRIT, "lacks a replica", caused_by=("node2",)),
    )
    checked = Checked(Report("small", findings), Seen())
    verdict = page(draft(tmp_path, kind="verify", checked=checked)).verdict
    assert verdict.reasons == ("node2: is gone", "node1: is slow")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"checked": None}, "the cluster as a whole", id="nothing was looked at"),
        pytest.param({"rolled": rolled(None)}, "there was no canary", id="no canary"),
        pytest.param({"rolled": rolled()}, "its process was not heard out", id="no course"),
        pytest.param({"rolled": rolled(course=Course(0.0, 1.0, (), ()))}, "gaps below 20 ms", id="canary"),
        pytest.param({}, "whether records can be written", id="no probe"),
        pytest.param({}, "what was done with the cluster before", id="no history"),
    ],
)
def test_what_was_not_checked_is_said(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    """A report says what it does not prove."""
    assert [text for text in open_questions(draft(tmp_path, **more)) if words in text]
