"""Is a release on a host what its archive holds? The script that compares, the parser of its answer, and the findings.

The digests come from the archive on the operator's machine; the host computes its own, and only lines that are on one
side alone travel back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from kafab.command import Cmd, Outcome, Script
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Host, Node
from kafab.releases.archive import Content
from kafab.shell.frame import asking, whole
from kafab.unknown import Unknown

CHECK = "release.files"
TIMEOUT = timedelta(minutes=5)
"""For the digests of some hundred megabytes a release, on a slow disk."""
_NAMED = 5
_REPAIR = (
    "a release is never mended in place: `fab stop` the nodes there, move that folder away on the host, then `fab deploy` and"
    " `fab start`; find out first who changed it"
)

Archives = Mapping[str, Sequence[Content] | Unknown]
"""Folder of a release on a host -> what its archive holds, or why that is not known."""


@dataclass(frozen=True)
class Compared:
    """What a host says of its releases."""

    links: Mapping[str, str]
    """Node -> the folder that it is started from."""
    differences: Mapping[str, Mapping[str, str]]
    """Folder of a release that is there -> path in it -> what is wrong."""


def comparison(host: Host, nodes: Sequence[Node], archives: Archives) -> Script:
    """Return the script that compares each of these releases that the host has, and tells what its nodes are started from."""
    calls = [Cmd("linked", node.name, node.current) for node in nodes]
    for folder, contents in archives.items():
        if isinstance(contents, Unknown):
            continue
        lines = "".join(f"{_line(content)}\n" for content in contents)
        calls.append(Cmd("release", host.paths.releases, folder, stdin=lines))
    return asking(("unpacked",), *calls, timeout=TIMEOUT)


def parse(archives: Archives, outcome: Outcome) -> Compared | Unknown:
    """Read the answer to `comparison`. A cut-off, failed or unreadable answer is Unknown."""
    if isinstance(outcome, Unknown):
        return outcome
    lines = whole(outcome, "the comparison")
    if isinstance(lines, Unknown):
        return lines
    links: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "release":
            current = found.setdefault(rest, [])
        elif current is not None:
            current.append(line)
        elif word == "link":
            node, _, folder = rest.partition(" ")
            links[node] = folder
        else:
            return Unknown(f"the comparison's answer cannot be read: {line[:80]!r}")
    if any("unread" in lines for lines in found.values()):
        return Unknown(f"not every file of a release could be read: {outcome.err.strip() or 'no message'}")
    differences: dict[str, Mapping[str, str]] = {}
    for folder, left in found.items():
        contents = archives.get(folder)
        if contents is None or isinstance(contents, Unknown):
            return Unknown(f"the comparison's answer has a release that was not asked for: {folder[:80]!r}")
        differences[folder] = _differences(contents, left)
    return Compared(links, differences)


def _differences(contents: Sequence[Content], lines: Sequence[str]) -> dict[str, str]:
    """Return path -> what is wrong, of the lines that are on one side only."""
    wanted = {_line(content): content.path for content in contents}
    missing = {wanted[line] for line in lines if line in wanted}
    wrong: dict[str, str] = {}
    for line in lines:
        if line in wanted:
            continue
        what, _, path = line.partition("  ./")
        kind = what.partition(" ")[0]
        if kind in _KINDS:
            wrong.setdefault(path, _KINDS[kind])
        elif path in missing:
            wrong[path] = "changed"
        else:
            wrong.setdefault(path or line, "not in the archive")
    return dict(sorted({**dict.fromkeys(missing - wrong.keys(), "missing"), **wrong}.items()))


_KINDS = {
    "writable": "others than its owner may write it",
    "setuid": "it runs with the rights of its owner",
    "special": "neither a file nor a folder",
}


def _line(content: Content) -> str:
    """Return what a host prints for it: as sha256sum does, a backslash in a name marked by one before the line."""
    if content.target:
        return f"link {content.target}  ./{content.path}"
    mark = "\\" if "\\" in content.path else ""
    name = content.path.replace("\\", "\\\\")
    return f"{mark}{content.sha256}  ./{name}"


def findings(cluster: Cluster, archives: Archives, answers: Mapping[str, Outcome]) -> tuple[Finding, ...]:
    """Return one finding a host: whether the releases there are what their archives hold."""
    return tuple(
        _finding(host, parse(archives, answers[host.name]), archives)
        for host in cluster.hosts
        if host.name in answers
    )


def _finding(host: Host, compared: Compared | Unknown, archives: Archives) -> Finding:
    if isinstance(compared, Unknown):
        return Finding(CHECK, host.name, Severity.UNKNOWN, compared.reason)
    wrong = {folder: paths for folder, paths in compared.differences.items() if paths}
    evidence = {folder: dict(paths) for folder, paths in compared.differences.items()}
    if wrong:
        detail = "; ".join(f"{folder}: {_told(paths)}" for folder, paths in wrong.items())
        return Finding(CHECK, host.name, Severity.CRIT, detail, evidence, _REPAIR)
    unknown = sorted(set(compared.links.values()) - compared.differences.keys())
    if unknown:
        reasons = [_unknown(folder, archives.get(folder)) for folder in unknown]
        return Finding(CHECK, host.name, Severity.UNKNOWN, "; ".join(reasons), evidence, _FETCH)
    if not compared.differences:
        return Finding(CHECK, host.name, Severity.WARN, "no release of this cluster is on it", evidence)
    return Finding(
        CHECK, host.name, Severity.OK, f"{', '.join(compared.differences)}: as in the archive", evidence
    )


_FETCH = "`fab releases.verify` tells what the store here has; `fab releases.fetch` or `fab releases.add FILE` brings the archive that was deployed"


def _unknown(folder: str, archive: Sequence[Content] | Unknown | None) -> str:
    if isinstance(archive, Unknown):
        return f"{folder}: {archive.reason}"
    return f"{folder}: the store here has no archive of it to compare with"


def _told(paths: Mapping[str, str]) -> str:
    named = [f"{path} ({what})" for path, what in list(paths.items())[:_NAMED]]
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{len(paths)} not as in the archive: {', '.join(named)}{more}"
