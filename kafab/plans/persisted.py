"""Refuses an inventory that contradicts what a node has written under its last configuration. Pure.

Kafka reads some properties as if nothing had been there before them: another chroot is an empty ZooKeeper, a log directory
that is left out is one whose replicas are fetched again. What the node was deployed with stands on its host; where the
inventory asks for something else and the node holds data, each rule says what the supported way is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

from kafab.config.properties import parse_properties
from kafab.config.render import MAIN_FILE
from kafab.errors import Unsafe
from kafab.hosts.facts import NodeFacts
from kafab.model import Node, Role
from kafab.plans.state import Desired

Values: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A node whose configuration would change: ``before`` and ``after`` are its properties."""

    node: Node
    facts: NodeFacts
    before: Values
    after: Values


Judge: TypeAlias = Callable[[Change], str | None]
"""Return what is on the host and what the file asks for, None where they agree."""


def chroot(change: Change) -> str | None:
    """Return the change of ZooKeeper's chroot."""
    before, after = (_chroot(values) for values in (change.before, change.after))
    return None if before is None or before == after else f"its cluster is at chroot {before}, not {after}"


def _chroot(values: Values) -> str | None:
    connect = values.get("zookeeper.connect")
    return None if connect is None else f"/{connect.partition('/')[2]}"


def left_out(change: Change) -> str | None:
    """Return the data directories that still hold replicas, or a server's transactions, and are in the inventory no more.

    Without a record nobody has looked into them: then each counts that the node was deployed with.
    """
    key = "dataDir" if change.node.role is Role.ZOOKEEPER else "log.dirs"
    deployed = {PurePosixPath(path) for path in change.before.get(key, "").split(",") if path}
    there = change.facts.filled if change.facts.held else deployed
    gone = sorted(str(path) for path in there if path not in change.node.data_folders)
    return f"{', '.join(gone)} has its data, and is not in the inventory" if gone else None


def metadata_elsewhere(change: Change) -> str | None:
    """Return the directory with the metadata log of a KRaft node where that is not the first one."""
    first, marks = change.node.data[0], change.facts.identities
    having = [path for path, mark in marks.items() if mark.joined]
    if not having or first in having:
        return None
    return f"its metadata log is in {having[0]}, and the first directory is {first}"


def swapped(change: Change) -> str | None:
    """Return which of a ZooKeeper server's two folders has what belongs into the other one.

    ZooKeeper makes the same comparison at its start and exits (FileTxnSnapLog.checkLogDir, checkSnapDir).
    """
    data, logs = change.node.data[0], change.node.data_folders[-1]
    wrong = [f"dataDir {data} has logs of transactions"] if data in change.facts.transactions else []
    wrong += [f"dataLogDir {logs} has snapshots"] if logs in change.facts.snapshots else []
    return " and ".join(wrong) if wrong and data != logs else None


def lower(key: str) -> Judge:
    """Return the judge of a version that may rise and never falls."""

    def judge(change: Change) -> str | None:
        before, after = change.before.get(key), change.after.get(key)
        if before is None or after is None or _numbers(after) >= _numbers(before):
            return None
        return f"{key} is {before}, not {after}"

    return judge


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdecimal())


@dataclass(frozen=True)
class Rule:
    """What must not change under data, and the supported way to change it all the same."""

    judge: Judge
    way: str


AWAY = Rule(
    left_out,
    "name the directory again; a broker's replicas are moved first (kafka-reassign-partitions.sh, log_dirs)",
)
FIRST = Rule(metadata_elsewhere, "name the directory with __cluster_metadata-0 first")
RULES: tuple[tuple[Role, Rule], ...] = (
    (
        Role.BROKER,
        Rule(
            chroot,
            "keep the chroot: another one is an empty cluster, and a broker with data of the old one does not start there",
        ),
    ),
    (Role.BROKER, AWAY),
    (Role.CONTROLLER, AWAY),
    (Role.ZOOKEEPER, AWAY),
    (
        Role.ZOOKEEPER,
        Rule(
            swapped,
            "name the two the other way round, or move the files of version-2 while the server is stopped",
        ),
    ),
    (Role.BROKER, FIRST),
    (Role.CONTROLLER, FIRST),
    (
        Role.BROKER,
        # Kafka's documentation: it certifies that all messages on disk are of this version or older.
        Rule(
            lower("log.message.format.version"),
            "keep the format: what is written already is newer, and is not converted back",
        ),
    ),
    (
        Role.BROKER,
        Rule(
            lower("inter.broker.protocol.version"),
            "keep the protocol: once it was raised no broker goes back (Kafka's upgrade notes)",
        ),
    ),
)
"""Each role's rules. Ids and modes of data are `guard_identities`', a quorum is `quorum_guard`'s."""


def guard_persisted(desired: Desired, facts: Mapping[Node, NodeFacts]) -> None:
    """Refuse what contradicts the nodes' data. Raises Unsafe with what is there, what is asked for, and each way."""
    found = [
        (f"{change.node.name}: {problem}", rule.way)
        for change in changes(desired, facts)
        if _has_data(change.facts)
        for role, rule in RULES
        if role is change.node.role and (problem := rule.judge(change))
    ]
    if found:
        lines, ways = [line for line, _ in found], dict.fromkeys(way for _, way in found)
        raise Unsafe(
            "the data on the hosts speak against the inventory:\n  " + "\n  ".join(lines),
            hint="; ".join(ways),
        )


WATCHED = ("broker.rack", "advertised.listeners")
"""Properties of a broker that change nothing on its disk, and what others rely on."""


def warnings(desired: Desired, facts: Mapping[Node, NodeFacts]) -> dict[str, str]:
    """Return node name -> what changes under a running broker that others rely on, and when it does."""
    meanings = {
        "broker.rack": "replicas stay where they are, so spread them anew (kafka-reassign-partitions.sh)",
        "advertised.listeners": "clients that know the old address alone must find the new one",
    }
    found: dict[str, str] = {}
    for change in changes(desired, facts):
        if change.node.role is not Role.BROKER or not change.facts.running or not change.before:
            continue
        texts = [
            f"{key} {change.before.get(key, 'none')} becomes {change.after.get(key, 'none')} with its restart: {meanings[key]}"
            for key in WATCHED
            if change.before.get(key) != change.after.get(key)
        ]
        if texts:
            found[change.node.name] = "; ".join(texts)
    return found


def changes(desired: Desired, facts: Mapping[Node, NodeFacts]) -> Iterator[Change]:
    """Yield each node with its properties as its host has them, and as they will be."""
    for wanted in desired.nodes:
        name = MAIN_FILE[wanted.node.role]
        there = facts[wanted.node].files.get(name)
        after = next(file.text for file in wanted.files if file.path.name == name)
        # A file whose digest is right comes back without its text.
        before = after if there is not None and there.text is None else there.text if there else ""
        yield Change(wanted.node, facts[wanted.node], parse_properties(before or ""), parse_properties(after))


def _has_data(facts: NodeFacts) -> bool:
    ran = any(mark.cluster_id and (mark.joined or not mark.kraft) for mark in facts.identities.values())
    return ran or facts.history or bool(facts.filled)
