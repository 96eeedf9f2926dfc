"""Which levels a cluster's features and its protocol have, which they may have, and whether the old release still knows them. Pure.

In KRaft mode a level is finalized for the whole cluster (KIP-584): a node that does not know it does not start. In ZooKeeper
mode each broker is told by inter.broker.protocol.version what it may say to the others.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from kafab.model import Version
from kafab.unknown import Unknown
from kafab.upgrading.record import Upgrade

Range: TypeAlias = tuple[int, int]
"""The lowest and the highest level that a node knows."""
Ranges: TypeAlias = Mapping[str, Range]
"""Feature -> levels."""
PROTOCOL = "inter.broker.protocol.version"
NOT_ASKED_FOR = frozenset({"kraft.version"})
"""Features that an upgrade finalizes only where they are asked for by name: `kraft.version` makes a static quorum dynamic for good (KIP-853)."""


def common(known: Iterable[Ranges]) -> dict[str, int]:
    """Return the highest level of each feature that all of these nodes know; 0 where one does not know it."""
    every = list(known)
    names = {name for ranges in every for name in ranges}
    return {name: min(ranges.get(name, (0, 0))[1] for ranges in every) for name in sorted(names)}


def raised(finalized: Mapping[str, int], highest: Mapping[str, int]) -> dict[str, int]:
    """Return feature -> level of what there is to finalize: all that the nodes know and the cluster does not use yet."""
    return {
        name: level
        for name, level in highest.items()
        if name not in NOT_ASKED_FOR and level > finalized.get(name, 0)
    }


def numbers(protocol: str) -> tuple[int, ...]:
    """Return a protocol's version as numbers: ``2.4-IV1`` is (2, 4)."""
    return tuple(int(part) for part in protocol.partition("-")[0].split(".") if part.isdecimal())


def newer(protocol: str, version: Version) -> bool:
    """Tell whether a release of this version does not know a protocol."""
    return numbers(protocol) > version.line


def closed_by_features(upgrade: Upgrade, finalized: Mapping[str, int] | Unknown) -> str | None:
    """Return why the old release would not start any more; None where it would."""
    if isinstance(finalized, Unknown):
        return f"which features are finalized is not known: {finalized.reason}"
    beyond = [
        f"{name} is finalized at {level}, and {upgrade.before} knows it up to {upgrade.limits.get(name, 0)}"
        for name, level in sorted(finalized.items())
        if level > upgrade.limits.get(name, 0)
    ]
    return "; ".join(beyond) or None


def closed_by_protocols(upgrade: Upgrade, protocols: Mapping[str, str | Unknown]) -> str | None:
    """Return why the old release would not understand these brokers, by node's name; None where it would."""
    unknown = [f"{name}: {said.reason}" for name, said in protocols.items() if isinstance(said, Unknown)]
    if unknown:
        return f"the {PROTOCOL} in force is not known: {'; '.join(unknown)}"
    beyond = [
        f"{name} has {said}"
        for name, said in protocols.items()
        if isinstance(said, str) and newer(said, upgrade.before)
    ]
    return (
        f"{PROTOCOL} was raised, which {upgrade.before} does not know: {', '.join(beyond)}"
        if beyond
        else None
    )
