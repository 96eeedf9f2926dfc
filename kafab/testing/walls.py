"""Walls in memory: what each attempt meets is what the test says, a refusal otherwise."""

from collections.abc import Collection, Mapping

from kafab.cluster.walls import Attempt, Door, Knocked, Refused
from kafab.listeners import Protocol
from kafab.model import Endpoint


class FakeWalls:
    """`kafab.ports.Walls`."""

    def __init__(self, met: Mapping[Attempt, Knocked] | None = None) -> None:
        self._met = met or {}

    def knock(
        self, doors: Collection[Door], protocols: Mapping[Endpoint, Protocol]
    ) -> Mapping[Door, Knocked]:
        """Return what the attempts meet; KeyError for a listener without a protocol, as the real one."""
        return {door: self._met.get(door.attempt, Refused(str(protocols[door.at]))) for door in doors}
