"""Adds what Prometheus needs for kafab's targets and rules to a configuration that somebody else has written. Pure.

Lines are added at places that the YAML's own structure shows, and no other line is touched: comments and order stay. Whether
that was right is not believed but computed: read again, the new text must be the old one with those entries more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import yaml

from kafab.metrics.prometheus import JOB, job

BEGIN = "# kafab: `fab observe.deploy HOST` keeps these lines"
END = "# kafab: up to here"
_ALERTMANAGER = "localhost:9093"
"""Where Debian's prometheus-alertmanager listens, and where Debian's own configuration of Prometheus sends alerts."""


class NotEditableError(ValueError):
    """Nobody but a person can add the lines; the text is why."""


@dataclass(frozen=True)
class _Entry:
    """What a top-level key is to have: the first item of its list, or where there is no list, all of it."""

    key: str
    value: Any
    listed: bool = True

    @property
    def lines(self) -> list[str]:
        dumped = yaml.safe_dump([self.value] if self.listed else self.value, sort_keys=False, width=1000)
        return str(dumped).splitlines()

    @property
    def whole(self) -> list[str]:
        """Its lines with the key."""
        return [f"{self.key}:", *(f"  {line}" for line in self.lines)]

    def added(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        return {**tree, self.key: [self.value, *(tree.get(self.key) or [])] if self.listed else self.value}


def edited(text: str, folder: str, *, alertmanager: bool = False) -> str:
    """Return the configuration with a job and an entry of ``rule_files`` for what lies below ``folder``.

    What is there already, in anybody's lines, stays as it is. ``alertmanager``: alerts are sent to the host's own one where
    the configuration sends them nowhere. Raises NotEditableError.
    """
    found = without(text)
    tree = _tree(found)
    for entry in _missing(tree, folder, alertmanager=alertmanager):
        found, tree = _inserted(found, entry), entry.added(tree)
        if not _means(found, tree):
            raise NotEditableError(f"what is added to its {entry.key} would not mean what it should")
    return found


def without(text: str) -> str:
    """Return the configuration without the lines between kafab's marks. Raises NotEditableError where a mark is alone."""
    return "".join(line for line, own in _marked(text) if not own)


def ours(text: str) -> list[str]:
    """Return the lines between kafab's marks, the marks with them. Raises NotEditableError where a mark is alone."""
    return [line.rstrip("\r\n") for line, own in _marked(text) if own]


def _marked(text: str) -> list[tuple[str, bool]]:
    """Return each line, and whether it is kafab's."""
    found, inside = [], False
    for line in text.splitlines(keepends=True):
        mark = line.strip() == (END if inside else BEGIN)
        found.append((line, inside or mark))
        inside = inside is not mark
    if inside:
        raise NotEditableError(f"it has a line {BEGIN!r} and none {END!r} behind it")
    return found


def by_hand(folder: str) -> str:
    """Return the lines that a person adds where kafab cannot."""
    return "\n".join(line for entry in (_rules(folder), _job(folder)) for line in entry.whole)


def alertmanagers(text: str) -> tuple[str, ...]:
    """Return the addresses that a configuration sends alerts to; ``discovered ones`` for those it finds itself."""
    alerting = _tree(text).get("alerting")
    found: list[str] = []
    for each in _maps(alerting.get("alertmanagers") if isinstance(alerting, dict) else None):
        static = [
            str(target)
            for group in _maps(each.get("static_configs"))
            for target in group.get("targets") or ()
        ]
        found += static or ["discovered ones"]
    return tuple(found)


def _rules(folder: str) -> _Entry:
    return _Entry("rule_files", f"{folder}/rules/*.yml")


def _job(folder: str) -> _Entry:
    return _Entry("scrape_configs", job(folder))


def _missing(tree: Mapping[str, Any], folder: str, *, alertmanager: bool) -> list[_Entry]:
    here = PurePosixPath(folder)
    rules = [str(here.parent / str(name)) for name in tree.get("rule_files") or ()]
    jobs = [each for each in _maps(tree.get("scrape_configs")) if each.get("job_name") == JOB]
    own = job(folder)["file_sd_configs"][0]["files"][0]
    read = {
        str(here.parent / str(name))
        for each in jobs
        for files in _maps(each.get("file_sd_configs"))
        for name in files.get("files") or ()
    }
    if jobs and own not in read:
        raise NotEditableError(f"it has a job {JOB} of its own, which does not read {own}")
    ruled = any(fnmatchcase(str(here / "rules" / "kafab.yml"), name) for name in rules)
    local = _Entry(
        "alerting", {"alertmanagers": [{"static_configs": [{"targets": [_ALERTMANAGER]}]}]}, listed=False
    )
    return [
        *([] if jobs else [_job(folder)]),
        *([] if ruled else [_rules(folder)]),
        *([local] if alertmanager and "alerting" not in tree else []),
    ]


def _inserted(text: str, entry: _Entry) -> str:
    rows = text.splitlines(keepends=True)
    if rows and not rows[-1].endswith("\n"):
        rows[-1] += "\n"
    at, indent, lines = _place(text, entry, len(rows))
    marked = [f"{' ' * indent}{line}\n" for line in (BEGIN, *lines, END)]
    return "".join([*rows[:at], *marked, *rows[at:]])


def _place(text: str, entry: _Entry, end: int) -> tuple[int, int, list[str]]:
    """Return the number of the line to insert at, from 0, the indentation, and the lines."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    column = root.start_mark.column if root and pairs else 0
    key, value = next(((key, value) for key, value in pairs if key.value == entry.key), (None, None))
    if key is None:
        return end, column, entry.whole
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        return value.start_mark.line, value.start_mark.column, entry.lines
    if isinstance(value, yaml.ScalarNode) and not value.value:
        return key.start_mark.line + 1, key.start_mark.column + 2, entry.lines
    raise NotEditableError(f"its {entry.key} are written in a way that kafab does not add to")


def _means(text: str, tree: Mapping[str, Any]) -> bool:
    try:
        return _tree(text) == tree
    except NotEditableError:
        return False


def _tree(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        # Not the lines themselves: somebody's password may stand there.
        at = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise NotEditableError(f"it is not read as YAML: {error.problem}{at}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotEditableError(f"it is not read as YAML: {type(error).__name__}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NotEditableError("it is no mapping")
    for key in ("rule_files", "scrape_configs"):
        if not isinstance(found.get(key) or [], list):
            raise NotEditableError(f"its {key} are no list")
    return found


def _maps(items: Any) -> list[dict[str, Any]]:
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
