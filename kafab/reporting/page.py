"""What a report says, as frozen values that are JSON-ready: the page shows nothing else, and its JSON has all of it.

Texts are plain. Times of the day are ISO 8601 in UTC; ``_s`` stands for seconds and ``_ms`` for milliseconds. Steps of time have
numbers from 0 on, and a time line says how long one step is. None is what is not known, or was not measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

SCHEMA = "kafab.report-page/1"
"""Another number where a reader of the older one would take something for what it is not."""

Json: TypeAlias = Mapping[str, object]
"""A JSON object of any content."""


@dataclass(frozen=True)
class Made:
    """Who has made a report: when, from where, with what."""

    at: str
    user: str
    machine: str
    command: str
    kafab: str
    """The version of kafab."""


@dataclass(frozen=True)
class Verdict:
    """OK, WARN, UNKNOWN or CRIT, in a sentence, with the reasons; ``exit_code`` is the command's own."""

    severity: str
    text: str
    reasons: tuple[str, ...]
    exit_code: int


@dataclass(frozen=True)
class NodeState:
    """A node as its host and the cluster show it; ``severity`` is the worst of what was found of it."""

    host: str
    rack: str
    """Empty where its host has none."""
    name: str
    role: str
    id: int
    severity: str
    state: str
    release: str
    configuration: str
    leads: str
    """What it leads, as a broker and as a voter."""
    uptime_s: float | None = None
    leaders: int | None = None
    """Partitions that a broker leads."""
    replicas: int | None = None
    """Replicas that a broker has, in all topics but kafab's own."""
    out_of_sync: int | None = None
    """Those of them that are not in the ISR."""


@dataclass(frozen=True)
class Partitions:
    """The partitions of all topics but kafab's own; None: no broker has shown them."""

    topics: int
    partitions: int
    leaderless: int
    out_of_sync: int
    """Partitions with a replica outside of the ISR."""


@dataclass(frozen=True)
class Found:
    """One finding: see `kafab.findings`."""

    check: str
    subject: str
    severity: str
    detail: str
    hint: str = ""
    evidence: Json = field(default_factory=dict)
    caused_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command that the hosts remember; ``seconds`` and ``exit_code`` are None where no end is known."""

    began: str
    user: str
    machine: str
    command: str
    seconds: float | None
    exit_code: int | None
    result: str
    figures: Json = field(default_factory=dict)
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """Acknowledgements of one step: how many, how long half of them and the slowest took."""

    step: int
    acked: int
    p50_ms: float | None
    """None where nothing was measured but that they came."""
    max_ms: float | None


@dataclass(frozen=True)
class Gap:
    """A time without an acknowledgement while records were under way, in seconds from the beginning of the time line."""

    subject: str
    """The partition, by the broker that leads it where all is well; or whose it was."""
    begins_s: float
    ends_s: float


@dataclass(frozen=True)
class Span:
    """A node was at something, in seconds from the beginning of the time line; ``over`` is False where that went on."""

    node: str
    phase: str
    begins_s: float
    ends_s: float
    over: bool = True


@dataclass(frozen=True)
class Run:
    """So many replicas were out of sync from one step to the one behind the last."""

    first: int
    end: int
    out: int


@dataclass(frozen=True)
class Strip:
    """The ISR of one broker's replicas in time."""

    broker: int
    node: str
    replicas: int
    out: tuple[Run, ...]


@dataclass(frozen=True)
class Unseen:
    """Steps in which no broker was asked, or none answered."""

    first: int
    end: int


@dataclass(frozen=True)
class Mark:
    """A moment in a time line, and what happened then."""

    at_s: float
    text: str


@dataclass(frozen=True)
class Acks:
    """Records by steps of time, the first of which begins ``from_s`` after the time line does."""

    from_s: float
    step_s: float
    points: tuple[Point, ...]
    counts: str = "ack"
    """What is counted: acknowledgements (``ack``), or records as they were processed (``effect``), ``read`` or sent (``send``)."""


@dataclass(frozen=True)
class Isr:
    """What looks have shown of the ISR, by steps of time, the first of which begins ``from_s`` after the time line does."""

    from_s: float
    step_s: float
    steps: int
    strips: tuple[Strip, ...]
    unseen: tuple[Unseen, ...] = ()


@dataclass(frozen=True)
class TimeLine:
    """How something went in time. All times count from ``began``."""

    began: str
    seconds: float
    acks: Acks | None = None
    gaps: tuple[Gap, ...] = ()
    spans: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()
    isr: Isr | None = None


@dataclass(frozen=True)
class Figures:
    """A canary's figures of one broker's partition, or of all (``subject``); None: not counted."""

    subject: str
    acked: int
    lost: int | None
    unread: int
    duplicates: int | None
    reordered: int | None
    longest_gap_s: float
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    given_up: int


@dataclass(frozen=True)
class Canary:
    """What a canary has measured, and with what."""

    topic: str
    client: str
    client_version: str
    counted: bool
    lasted_s: float
    every_s: float
    takeover_s: float | None
    retried: Json
    figures: tuple[Figures, ...]


@dataclass(frozen=True)
class Rolled:
    """One node's part in a roll."""

    node: str
    seconds: float


@dataclass(frozen=True)
class Roll:
    """A rolling restart, or that of an upgrade."""

    seconds: float
    nodes: tuple[Rolled, ...]
    before: tuple[str, ...]
    """Nodes that an earlier run of the same roll has finished."""
    versions: tuple[str, ...] = ()
    """Of an upgrade: from which version, to which."""
    leaders: int | None = None
    """Partitions whose preferred leader was elected back."""


@dataclass(frozen=True)
class Bounds:
    """What is allowed of one count; ``most`` is None where there is no upper bound."""

    count: str
    least: int
    most: int | None


@dataclass(frozen=True)
class Cell:
    """One row of a drill's table."""

    cell: str
    client: str
    setting: str
    claimed: str
    allowed: tuple[Bounds, ...]
    control: bool
    measured: Json
    also: Json
    faults: tuple[str, ...]
    verdict: str
    severity: str
    why: str
    time: TimeLine | None = None


@dataclass(frozen=True)
class Drill:
    """A drill's table."""

    drill: str
    shows: str
    seed: int
    records: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Page:
    """A report. What a command had nothing of is empty, or None."""

    kind: str
    """The command: report, verify, restart, upgrade, drill or diagnose."""
    cluster: str
    kafka: str
    """The version of Kafka that the inventory asks for."""
    mode: str
    made: Made
    verdict: Verdict
    lab: bool = False
    nodes: tuple[NodeState, ...] = ()
    partitions: Partitions | None = None
    findings: tuple[Found, ...] = ()
    history: tuple[Command, ...] = ()
    history_unknown: str = ""
    """Why the history is not known."""
    roll: Roll | None = None
    time: TimeLine | None = None
    """Of the roll and of the canary beside it."""
    canary: Canary | None = None
    clients: Json = field(default_factory=dict)
    """Client library -> its version, of a drill."""
    drills: tuple[Drill, ...] = ()
    not_checked: tuple[str, ...] = ()
    schema: str = SCHEMA
