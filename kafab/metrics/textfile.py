"""What `fab observe.textfile` writes: figures that JMX does not have, few of them, none of a partition. Pure.

What could not be read is a `Gap`: it is counted in ``kafab_unknown`` and has no figure, as a 0 or an old value would be taken for a good one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import PurePosixPath

from kafab.metrics import exposition, prometheus
from kafab.metrics.exposition import Sample
from kafab.model import Cluster, Host, Node
from kafab.unknown import Unknown
from kafab.upgrading.record import Direction, Upgrade


class Part(str, Enum):
    """What is asked for at once, and may be unknown for itself."""

    NODES = "nodes"
    DISKS = "disks"
    CLOCKS = "clocks"
    UPGRADE = "upgrade"
    CERTIFICATES = "certificates"
    THROTTLES = "throttles"
    GROUPS = "groups"

    def __str__(self) -> str:
        return self.value


HELPS: Mapping[str, str] = {
    "kafab_textfile_last_run_timestamp_seconds": "When the run that wrote this file ended, by the clock of the machine that it ran on.",
    "kafab_textfile_run_seconds": "How long that run took.",
    "kafab_unknown": "Nodes, hosts, groups or topics of a part that could not be read; they have no figure of it.",
    "kafab_restart_pending": "1 where the node's process was started from older files than are on its host.",
    "kafab_disk_size_bytes": "Size of the file system of a data directory.",
    "kafab_disk_free_bytes": "What is free there for others than root.",
    "kafab_clock_skew_seconds": "Seconds that the clock of the host is ahead of that of the machine which ran kafab, as far as the answer proves.",
    "kafab_upgrade_open": "1 while an upgrade is not finalized.",
    "kafab_upgrade_rollback_possible": "1 while `fab upgrade.rollback` leads back from an upgrade.",
    "kafab_certificate_expiry_timestamp_seconds": "Until when the certificate is good that the node shows.",
    "kafab_replication_throttled": "1 where the broker has a dynamic limit for the replication of moved partitions.",
    "kafab_reassigning_partitions": "Partitions that are being moved.",
    "kafab_group_members": "Members of a group.",
    "kafab_group_lag_records": "Offsets of a topic that the group has not consumed, up to the high watermark, of all partitions together.",
    "kafab_group_lag_seconds": "Age of the oldest record of a topic that the group has not consumed, by the timestamp of the record.",
    "kafab_group_topics_left_out": "Groups' topics without a figure, as there are too many: those with the least lag.",
}
"""Every name, in the order of the file, and its words, which are the same for all clusters."""


@dataclass(frozen=True)
class Gap:
    """Something that could not be read, and why."""

    part: Part
    subject: str
    """A node, a host, a group, a group's topic, or the cluster."""
    reason: str


@dataclass(frozen=True)
class Found:
    """The figures of one part or several, without the label of the cluster, and what is missing in them."""

    samples: tuple[Sample, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @classmethod
    def missing(cls, parts: Iterable[Part], subject: str, reason: str) -> "Found":
        """Return that nothing is known of these parts."""
        return cls(gaps=tuple(Gap(part, subject, reason) for part in parts))

    def __add__(self, other: "Found") -> "Found":
        return Found(self.samples + other.samples, self.gaps + other.gaps)


@dataclass(frozen=True)
class Written:
    """One run: what it has found, and when it ended."""

    cluster: Cluster
    found: Found
    at: datetime
    took: timedelta

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All figures, those of the run itself first, each with the label of the cluster."""
        counts = {part: sum(gap.part is part for gap in self.found.gaps) for part in Part}
        own = (
            Sample("kafab_textfile_last_run_timestamp_seconds", {}, round(self.at.timestamp(), 3)),
            Sample("kafab_textfile_run_seconds", {}, round(self.took.total_seconds(), 3)),
            *(Sample("kafab_unknown", {"part": str(part)}, count) for part, count in counts.items()),
        )
        name = self.cluster.name
        return tuple(
            Sample(one.name, {"cluster": name, **one.labels}, one.value)
            for one in (*own, *self.found.samples)
        )

    def text(self) -> str:
        """Return the file."""
        return exposition.text(self.samples, HELPS)


def of_host(host: Host) -> dict[str, str]:
    """Return the labels of a host."""
    return {"host": host.name, **({"rack": host.rack} if host.rack else {})}


def of_node(node: Node) -> dict[str, str]:
    """Return the labels of a node, as its own metrics have them, and its host's."""
    return {"node": node.name, "role": prometheus.role(node), **of_host(node.host)}


def of_nodes(name: str, part: Part, values: Mapping[Node, float | Unknown]) -> Found:
    """Return one figure of each node."""
    known = {node: value for node, value in values.items() if not isinstance(value, Unknown)}
    return Found(
        tuple(Sample(name, of_node(node), value) for node, value in known.items()),
        tuple(
            Gap(part, node.name, value.reason) for node, value in values.items() if isinstance(value, Unknown)
        ),
    )


def disks(values: Mapping[tuple[Node, PurePosixPath], tuple[int, int] | Unknown]) -> Found:
    """Return size and free bytes of the file system of each data directory."""
    found = Found()
    for (node, path), value in values.items():
        labels = {**of_node(node), "path": str(path)}
        if isinstance(value, Unknown):
            found += Found.missing([Part.DISKS], f"{node.name} {path}", value.reason)
        else:
            names = ("kafab_disk_size_bytes", "kafab_disk_free_bytes")
            found += Found(tuple(Sample(*one) for one in zip(names, (labels, labels), value, strict=True)))
    return found


def upgrade(open_: Upgrade | None) -> Found:
    """Return whether an upgrade is under way, and whether a way leads back from it."""
    back = open_ is not None and open_.direction is not Direction.FINAL
    return Found(
        (
            Sample("kafab_upgrade_open", {}, int(open_ is not None)),
            Sample("kafab_upgrade_rollback_possible", {}, int(back)),
        )
    )


def document(run: Written, file: str | None) -> dict[str, object]:
    """Return a run as ``kafab.textfile/1``: the same figures as in the file, and the reasons of what is unknown."""
    return {
        "schema": "kafab.textfile/1",
        "cluster": run.cluster.name,
        "file": file,
        "at": run.at.isoformat(timespec="seconds"),
        "seconds": round(run.took.total_seconds(), 3),
        "figures": [
            {"name": one.name, "labels": dict(one.labels), "value": one.value} for one in run.samples
        ],
        "unknown": [
            {"part": str(gap.part), "subject": gap.subject, "reason": gap.reason} for gap in run.found.gaps
        ],
    }
