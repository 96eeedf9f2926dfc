"""Ways to addresses in memory: sshd lets everything pass, but for what the test says."""

from collections.abc import Collection, Mapping

from kafab.hosts.ways import Passage
from kafab.model import Endpoint


class FakePassages:
    """`kafab.ports.Passages`; ``asked`` has the addresses that were tried."""

    def __init__(self, met: Mapping[Endpoint, Passage] | None = None) -> None:
        self._met = met or {}
        self.asked: list[Endpoint] = []

    def tried(self, addresses: Collection[Endpoint]) -> Mapping[Endpoint, Passage]:
        """Return what the ways to these meet."""
        self.asked += addresses
        return {at: self._met.get(at, Passage(ssh=True)) for at in addresses}
