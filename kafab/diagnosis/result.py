"""What a diagnosis says, as frozen values without secrets: the screen, the archive's README and its JSON show nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from kafab.diagnosis.causes import told
from kafab.diagnosis.evidence import Cause
from kafab.words import plural

SCHEMA = "kafab.diagnosis/1"
NOTHING_SENT = "nothing was sent anywhere: the archive is on this machine alone"
_SHOWN = 300
"""Letters of a line that are shown as evidence; the archive has all."""
NO_CAUSE = (
    "none was found: every node runs and answers, and the checks of `fab verify --read-only` find no fault"
)
NO_CAUSE_OF_SOME = "none was found among these nodes; the archive has what they and the cluster say"


@dataclass(frozen=True)
class Gathered:
    """One file of the archive that a host has told."""

    name: str
    path: str
    bytes: int
    seconds: float | None
    """How long its host took for it; None where its end did not come."""


@dataclass(frozen=True)
class OfNode:
    """One node: how it is, what was gathered of it, and what could not be."""

    host: str
    node: str
    state: str
    serves: str
    """``yes``, or what it lacks; empty where it does not run."""
    gathered: tuple[Gathered, ...]
    not_read: tuple[str, ...]


@dataclass(frozen=True)
class OfHost:
    """One host."""

    host: str
    reason: str
    """Why it told nothing, or not all; empty where it did."""
    clock_ahead_s: float | None
    gathered: tuple[Gathered, ...]
    not_read: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """All that was found. Times are ISO 8601 in UTC."""

    cluster: str
    kafka: str
    mode: str
    at: str
    kafab: str
    failed: str
    """The error of the command that failed, where one did."""
    causes: tuple[Cause, ...]
    nodes: tuple[OfNode, ...]
    hosts: tuple[OfHost, ...]
    cluster_unknown: str
    """Why the cluster itself could not be asked; empty where it was."""
    timings: Mapping[str, float]
    """Question -> seconds."""
    in_trouble: bool
    """Whether a node does not run and serve."""

    @property
    def document(self) -> dict[str, object]:
        """The same for JSON."""
        found: dict[str, object] = {"schema": SCHEMA, **asdict(self)}
        return found

    @property
    def first(self) -> Iterator[str]:
        """The likeliest cause alone, as lines of text; none where none was found."""
        if self.causes:
            yield from _lines("likely cause: ", self.causes[0])

    @property
    def head(self) -> Iterator[str]:
        """The likely causes as lines of text, the likeliest first."""
        if not self.causes:
            yield f"likely cause: {NO_CAUSE_OF_SOME if self.in_trouble or self.cluster_unknown else NO_CAUSE}"
        for number, cause in enumerate(self.causes):
            if number == 1:
                yield (
                    "also found:"
                    if len(self.causes) == 2
                    else f"also found, {plural(len(self.causes) - 1, 'thing')}:"
                )
            yield from _lines("- " if number else "likely cause: ", cause)


def _lines(mark: str, cause: Cause) -> Iterator[str]:
    line = cause.evidence if len(cause.evidence) <= _SHOWN else f"{cause.evidence[:_SHOWN]} …"
    yield f"{mark}{told(cause)}"
    yield f"  evidence: {line}{f'  ({cause.place})' if cause.place else ''}"
    yield f"  next: {cause.next}"


def readme(found: Diagnosis) -> str:
    """Return the text that lies at the top of the archive."""
    lines = [
        f"What kafab {found.kafab} gathered of the cluster {found.cluster} (Kafka {found.kafka}, {found.mode}) at {found.at}.",
        "",
        *([f"The command that failed: {found.failed}", ""] if found.failed else []),
        *found.head,
        "",
        "report.html      the cluster as a page: findings with their evidence, the map, what was done with it before",
        "findings.txt     the findings of `fab verify --read-only` as text",
        "diagnosis.json   the causes, what was gathered, how long each question took",
        "hosts/HOST/      the machine, its memory, its ports, what its kernel says of memory and disks",
        "nodes/HOST/NODE/ log, errors, process with its limits, unit, configuration, folders, threads where it hangs",
        "",
        "What is not in here: keys and key stores, environments of processes, records of topics.",
        "Values of keys that hold secrets are hidden (***), and those values wherever else they stand.",
        "Look through it before you give it to somebody: names of hosts, topics and users are in it, and a secret that was",
        "logged as a plain word, and is set nowhere in these files, cannot be told from one.",
        "Nothing was sent anywhere.",
    ]
    missing = [
        *(f"{host.host}: {why}" for host in found.hosts for why in (host.reason, *host.not_read) if why),
        *(f"{node.node}: {why}" for node in found.nodes for why in node.not_read),
        *([f"the cluster: {found.cluster_unknown}"] if found.cluster_unknown else []),
    ]
    if missing:
        lines += ["", "What could not be read:", *(f"- {one}" for one in missing)]
    return "\n".join(lines) + "\n"
