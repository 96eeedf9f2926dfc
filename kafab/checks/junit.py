"""Reports as JUnit XML, for build servers: one test suite a cluster, one test case a finding."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from kafab.findings import Finding, Report, Severity

# What XML 1.0 cannot hold, not even escaped; a host's words may contain it.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILING = (Severity.CRIT, Severity.UNKNOWN)


@dataclass(frozen=True)
class Suite:
    """The findings of one cluster; ``known`` are those, by check and subject, that are told and fail nothing."""

    report: Report
    seconds: float = 0.0
    known: frozenset[tuple[str, str]] = frozenset()


def junit(report: Report, suite: str) -> str:
    """Return the XML: CRIT and UNKNOWN are failures, WARN passes with its text in system-out.

    A report without findings has proven nothing, so it gets one failing case. ``suite`` names the test suite.
    """
    return junit_of([Suite(report)], suite)


def junit_of(suites: Iterable[Suite], name: str) -> str:
    """Return the XML of several clusters, a test suite each. A known failure is a test that was skipped, with its text."""
    root = ET.Element("testsuites")
    whole = Counter[str]()
    for one in suites:
        nothing = Finding("findings", one.report.cluster, Severity.UNKNOWN, "nothing was checked")
        findings = one.report.findings or (nothing,)
        states = Counter(_state(one, finding) for finding in findings)
        counts = {
            "tests": len(findings),
            "failures": states["failure"],
            "errors": 0,
            "skipped": states["skipped"],
        }
        whole.update(counts)
        attributes = {"name": _clean(f"{name}.{one.report.cluster}"), **_texts(counts)}
        made = ET.SubElement(root, "testsuite", {**attributes, "time": f"{one.seconds:.3f}"})
        for finding in findings:
            _case(made, name, finding, _state(one, finding))
    root.attrib.update(_texts({key: whole[key] for key in ("tests", "failures", "errors", "skipped")}))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _state(suite: Suite, finding: Finding) -> str:
    """Return the element that tells what became of a finding's case; empty where it passes without a word."""
    if finding.severity in _FAILING:
        return "skipped" if (finding.check, finding.subject) in suite.known else "failure"
    return "system-out" if finding.severity is Severity.WARN else ""


def _texts(counts: Mapping[str, int]) -> dict[str, str]:
    return {key: str(count) for key, count in counts.items()}


def _case(suite: ET.Element, name: str, finding: Finding, state: str) -> None:
    attributes = {"classname": f"{name}.{finding.check}", "name": _clean(finding.subject), "time": "0"}
    case = ET.SubElement(suite, "testcase", attributes)
    text = "\n".join(
        [
            f"{finding.severity}: {finding.detail}",
            *([f"hint: {finding.hint}"] if finding.hint else []),
            *([f"caused by: {', '.join(finding.caused_by)}"] if finding.caused_by else []),
            json.dumps(dict(finding.evidence), indent=2, default=str),
        ]
    )
    if state == "failure":
        kind = {"message": _clean(finding.detail), "type": str(finding.severity)}
        ET.SubElement(case, "failure", kind).text = _clean(text)
    elif state == "skipped":
        ET.SubElement(case, "skipped", {"message": _clean(f"known: {finding.detail}")}).text = _clean(text)
    elif state:
        ET.SubElement(case, state).text = _clean(text)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
