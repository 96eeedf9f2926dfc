"""A page as one HTML file: no script, no network; its data lie in it as JSON. The same page gives the same bytes."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from kafab.reporting import palette, words
from kafab.reporting.document import document, read, schema
from kafab.reporting.hiding import hidden
from kafab.reporting.page import NodeState, Page
from kafab.reporting.svg import COUNTED, time_line

MARKER = "kafab report"
"""By this a file is known as a report."""
_FOLDER = Path(__file__).parent / "html"
_ICONS = {"OK": "✓", "WARN": "!", "UNKNOWN": "?", "CRIT": "✕"}
_TITLES = {
    "report": "Report",
    "verify": "Check",
    "restart": "Rolling restart",
    "upgrade": "Upgrade",
    "finalize": "End of the upgrade",
    "canary": "Canary",
    "drill": "Drills",
}
_WORST_FIRST = ("CRIT", "UNKNOWN", "WARN", "OK")
_EVIDENCE_LIMIT = 600
"""Characters of one value of evidence that a page shows; its data have all."""
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
_CODE = re.compile(r"`([^`\n]+)`")
_DATA = re.compile(r'^<template id="kafab-(document|schema)">(.*)</template>$', re.MULTILINE)


def render(page: Page) -> str:
    """Return the file, UTF-8 without a byte order mark. What may be a secret is left out, in the data as well."""
    shown = hidden(page)
    findings = sorted(shown.findings, key=lambda one: _WORST_FIRST.index(one.severity))
    text: str = _template("page.html.j2").render(
        page=shown,
        marker=MARKER,
        titles=_TITLES,
        sections=_sections(shown),
        bad=[one for one in findings if one.severity != "OK" and not one.caused_by],
        follows=[one for one in findings if one.severity != "OK" and one.caused_by],
        good=[one for one in findings if one.severity == "OK"],
        racks=_racks(shown.nodes),
        light=Markup(palette.variables(palette.LIGHT)),  # noqa: S704  # our own
        dark=Markup(palette.variables(palette.DARK)),  # noqa: S704
        style=Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),  # noqa: S704
        document=_json(document(shown)),
        schema=_json(schema()),
    )
    return f"{text}\n"


def data(text: str) -> tuple[Page, dict[str, Any]]:
    """Return the page that a file was made from, and the JSON Schema in it. Raises ValueError where the file has none."""
    found = {name: json.loads(line) for name, line in _DATA.findall(text)}
    if found.keys() != {"document", "schema"}:
        raise ValueError("the file has no data of a report")
    return read(found["document"]), found["schema"]


def _json(value: object) -> Markup:
    """Return JSON on one line, in which no tag and no entity can stand."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return Markup(text.translate(_ESCAPES))  # noqa: S704  # it has none of HTML's letters


@cache
def _template(name: str) -> Any:
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "seconds": words.seconds,
        "milliseconds": words.milliseconds,
        "number": words.number,
        "pairs": words.pairs,
        "plain": _plain,
        "icons": _ICONS,
        "counted": COUNTED,
        "time_line": time_line,
    }
    made.filters["words"] = _words
    return made.get_template(name)


def _words(text: str) -> Markup:
    """Return a sentence with what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # it is escaped


def _plain(value: object) -> str:
    text = _said(value)
    return text if len(text) <= _EVIDENCE_LIMIT else f"{text[:_EVIDENCE_LIMIT]}…"


def _said(value: object) -> str:
    """Return a value of evidence as text: lists and mappings of plain values without JSON's marks."""
    if isinstance(value, Mapping) and all(isinstance(each, str | int | float) for each in value.values()):
        return ", ".join(f"{name}: {_said(each)}" for name, each in value.items())
    if isinstance(value, list | tuple) and all(isinstance(each, str | int | float) for each in value):
        return ", ".join(map(_said, value))
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _racks(nodes: Sequence[NodeState]) -> list[tuple[str, list[tuple[str, list[NodeState]]]]]:
    """Return the nodes by rack and host, in the order of the inventory; hosts without a rack come last."""
    racks: dict[str, dict[str, list[NodeState]]] = {}
    for node in nodes:
        racks.setdefault(node.rack, {}).setdefault(node.host, []).append(node)
    return [(rack, list(racks[rack].items())) for rack in sorted(racks, key=lambda name: (not name, name))]


def _sections(page: Page) -> list[tuple[str, str]]:
    drills = [(f"drill-{number}", f"drill: {one.drill}") for number, one in enumerate(page.drills, 1)]
    there: Mapping[str, object] = {
        "roll": page.roll,
        "canary": page.canary,
        "findings": page.findings or page.kind in ("report", "verify"),
    }
    words_of = {"roll": "time line", "canary": "what clients met", "findings": "findings"}
    first = [(name, words_of[name]) for name, value in there.items() if value]
    at = sum(name != "findings" for name, _ in first)
    rest = [("map", "map"), ("history", "history"), ("not-checked", "what was not checked")]
    return [*first[:at], *drills, *first[at:], *rest]
