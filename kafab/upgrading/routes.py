"""From which version to which Kafka can be upgraded while it serves, and what is to be known of the step. Pure.

Sources: "Upgrading" in Kafka's documentation of 2.4 to 4.4 (kafka.apache.org/39/getting-started/upgrade and its siblings);
KIP-500 and KIP-833 for the end of ZooKeeper mode, KIP-896 for old clients, KIP-724 for old message formats, KIP-653 for Log4j 2.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kafab.config.defaults import FIRST_KRAFT, FIRST_WITHOUT_ZOOKEEPER
from kafab.model import Version
from kafab.releases.names import FIRST_LOG4J2

LAST_ZOOKEEPER = "3.9"
"""The last line of Kafka with ZooKeeper mode."""


@dataclass(frozen=True)
class Route:
    """One row of the table of routes: what leads where, how, and until when it leads back."""

    mode: str
    before: str
    after: str
    way: str
    back: str


ROUTES: tuple[Route, ...] = (
    Route(
        "ZooKeeper",
        "2.4.1 to 3.9.x",
        "newer, up to 3.9.x",
        "one upgrade: ZooKeeper servers, then brokers with inter.broker.protocol.version held at the old one; then finalize",
        "until finalize",
    ),
    Route(
        "ZooKeeper",
        "2.4.1 to 3.8.x",
        "4.x",
        "three steps: to 3.9.x, then a migration to KRaft mode, then to 4.x",
        "of each step",
    ),
    Route(
        "ZooKeeper",
        "3.9.x",
        "4.x",
        "two steps: a migration to KRaft mode on 3.9.x, then to 4.x",
        "of each step",
    ),
    Route(
        "KRaft",
        "3.9.x, 4.x",
        "newer",
        "one upgrade: controllers, then brokers, with every feature left at its level; then finalize",
        "until finalize, as long as the old release knows every finalized level",
    ),
    Route("either", "any", "older", "none: only an upgrade that is not finalized is rolled back", "-"),
)


def table() -> str:
    """Return the routes as docs/upgrade.md has them."""
    head = ("mode", "from", "to", "the way", "back")
    rows = [(one.mode, one.before, one.after, one.way, one.back) for one in ROUTES]
    lines = [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines)


@dataclass(frozen=True)
class Refused:
    """There is no such step: the reason, and the way that there is."""

    reason: str
    way: str


def judge(*, kraft: bool, running: Collection[Version], after: Version) -> Refused | None:
    """Return why a cluster whose nodes run these versions cannot be upgraded to another one in one step; None where it can."""
    newest, oldest = max(running), min(running)
    # Releases of one line read what the others of it have written.
    if newest.line > after.line:
        return Refused(
            f"{newest} runs, and {after} is older: Kafka does not read what a newer release has written, but for an upgrade "
            "that is not finalized",
            "`fab upgrade.rollback` goes back on such an upgrade",
        )
    return judge_mode(kraft=kraft, oldest=oldest, after=after)


def judge_mode(*, kraft: bool, oldest: Version, after: Version) -> Refused | None:
    """Return why a version does not have the cluster's mode; None where it does."""
    if kraft or after < FIRST_WITHOUT_ZOOKEEPER:
        return None
    first = "" if oldest >= FIRST_KRAFT else f"to {LAST_ZOOKEEPER}.x first, then "
    return Refused(
        f"Kafka {after} has no ZooKeeper mode",
        f"the way is {first}a migration to KRaft mode on {LAST_ZOOKEEPER}.x, and from there to {after}",
    )


def notes(before: Version, after: Version) -> Iterator[str]:
    """Yield what such a step means for those who use the cluster."""
    if before < FIRST_WITHOUT_ZOOKEEPER <= after:
        yield "clients older than 2.1 are not served any more (KIP-896), and records are read in message format 2 only (KIP-724)"
    if before < FIRST_LOG4J2 <= after:
        yield "logging is configured for Log4j 2 (KIP-653): a file of your own for log4j 1 is read no more"
