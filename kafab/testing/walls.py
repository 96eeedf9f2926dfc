"""Walls in memory: what each attempt meets is what the test says, a refusal otherwise."""

from collections.abc import Collection, Mapping
from datetime import datetime, timezone

from kafab.cluster.walls import Attempt, Door, Knocked, Refused
from kafab.listeners import Protocol
from kafab.model import Endpoint
from kafab.unknown import Unknown


class FakeWalls:
    """`kafab.ports.Walls`."""

    def __init__(
        self,
        met: Mapping[Attempt, Knocked] | None = None,
        ends: datetime | Unknown = datetime(2027, 1, 1, tzinfo=timezone.utc),
    ) -> None:
        self._met = met or {}
        self._ends = ends

    def expiries(self, at: Collection[Endpoint]) -> Mapping[Endpoint, datetime | Unknown]:
        """Return the same for all."""
        return dict.fromkeys(at, self._ends)

    def knock(
        self, doors: Collection[Door], protocols: Mapping[Endpoint, Protocol]
    ) -> Mapping[Door, Knocked]:
        """Return what the attempts meet; KeyError for a listener without a protocol, as the real one."""
        return {door: self._met.get(door.attempt, Refused(str(protocols[door.at]))) for door in doors}
