"""A report as JUnit XML, for build servers: one test case a finding."""

import json
import re
from xml.etree import ElementTree as ET

from kafab.findings import Finding, Report, Severity

# What XML 1.0 cannot hold, not even escaped; a host's words may contain it.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILING = (Severity.CRIT, Severity.UNKNOWN)


def junit(report: Report, suite: str) -> str:
    """Return the XML: CRIT and UNKNOWN are failures, WARN passes with its text in system-out.

    A report without findings has proven nothing, so it gets one failing case. ``suite`` names the test suite.
    """
    nothing = Finding("findings", report.cluster, Severity.UNKNOWN, "nothing was checked")
    findings = report.findings or (nothing,)
    failures = sum(finding.severity in _FAILING for finding in findings)
    counts = {"tests": str(len(findings)), "failures": str(failures), "errors": "0", "skipped": "0"}
    root = ET.Element("testsuites", counts)
    made = ET.SubElement(root, "testsuite", {"name": _clean(f"{suite}.{report.cluster}"), **counts})
    for finding in findings:
        _case(made, suite, finding)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: ET.Element, name: str, finding: Finding) -> None:
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
    if finding.severity in _FAILING:
        kind = {"message": _clean(finding.detail), "type": str(finding.severity)}
        ET.SubElement(case, "failure", kind).text = _clean(text)
    elif finding.severity is Severity.WARN:
        ET.SubElement(case, "system-out").text = _clean(text)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
