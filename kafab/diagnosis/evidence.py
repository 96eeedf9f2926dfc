"""What a cause is judged from, and what a cause is: frozen values, whose texts have no secrets any more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kafab.findings import Finding
from kafab.hosts.sights import Trouble
from kafab.model import Cluster, Node, Supervisor

RUNS = "running"


@dataclass(frozen=True)
class Text:
    """A part of the archive: its path there, and its lines."""

    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """A line of the archive by which something is known."""

    text: str
    place: str
    """``path:number``, the first line being 1."""


@dataclass(frozen=True)
class NodeEvidence:
    """One node as its host and the cluster show it, and what was gathered of it by the part's name."""

    node: Node
    state: str
    """As `ops.check.status` has it: running, stopping, restarting, stopped, exited, not deployed, UNKNOWN."""
    answers: bool = True
    lacks: str = ""
    """What a node that runs lacks to serve."""
    reason: str = ""
    """What its host says, or why the host says nothing."""
    pid: int | None = None
    """Of its process, or of the last one."""
    up_s: float | None = None
    """Since when the process runs, in seconds."""
    troubles: tuple[Trouble, ...] = ()
    """What its process finds at the paths that it needs."""
    texts: Mapping[str, Text] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def in_trouble(self) -> bool:
        """True where it does not run and serve."""
        return self.state != RUNS or bool(self.lacks) or not self.answers

    @property
    def said(self) -> Iterator[Text]:
        """What its last process has said, what kept it from starting included; earlier processes are left out."""
        systemd = self.node.host.supervisor is Supervisor.SYSTEMD
        for name in ("journal", "crash") if systemd else ("log", "printed", "crash"):
            if name in self.texts:
                yield self.texts[name]

    def lines(self, name: str) -> Iterator[Line]:
        """Yield the lines of one part."""
        if name in self.texts:
            yield from numbered(self.texts[name])


@dataclass(frozen=True)
class HostEvidence:
    """One host: why it could not be asked, how far its clock is ahead of this machine's, and what it has told."""

    name: str
    unreachable: str = ""
    ahead_s: float | None = None
    """None where that is not known, or less than can be told."""
    texts: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All that was gathered."""

    cluster: Cluster
    nodes: tuple[NodeEvidence, ...]
    hosts: tuple[HostEvidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Of the cluster as a whole, as `verify --read-only` has them."""


@dataclass(frozen=True)
class Cause:
    """What is likely to be wrong."""

    sign: str
    """The rule that found it: ``disk-full``."""
    subjects: tuple[str, ...]
    """Nodes or hosts; the cluster's name where it is about all of it."""
    text: str
    evidence: str
    """The line, or the fact, by which it is known."""
    place: str
    """Where that stands in the archive; empty where it is no line of a file."""
    next: str
    """What to do, with the command to type."""


def numbered(text: Text) -> Iterator[Line]:
    """Yield the lines of a text with their places."""
    for number, line in enumerate(text.lines, 1):
        yield Line(line, f"{text.path}:{number}")
