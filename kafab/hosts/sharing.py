"""Which hosts of an inventory are one machine: the same folder on one running kernel, under whatever names ssh finds it.

A name in DNS, a second address or a line that was copied lead to one machine twice, and then two nodes would write into
one folder. A folder is known by its kernel (its boot id), its file system and its inode there; one that is not made yet
by the nearest folder above it. So containers of one kernel are told apart, and a volume that two of them share is not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from kafab.hosts.facts import HostFacts, node_directories
from kafab.model import Cluster, Host
from kafab.words import few

HINT = "take the host that is there twice out of the inventory; nodes of one machine need folders and ports of their own"


@dataclass(frozen=True)
class Shared:
    """Folders that two hosts of the inventory both have for their own."""

    first: Host
    second: Host
    paths: tuple[PurePosixPath, ...]
    """As the second host has them."""
    boot: str

    def __str__(self) -> str:
        """Name both hosts, where ssh finds them, and the folders."""
        at = " and ".join(f"{host.name} ({host.address})" for host in (self.first, self.second))
        return f"{at} are one machine (boot id {self.boot}): both have {few(map(str, self.paths))}"


def shared(cluster: Cluster, facts: Mapping[str, HostFacts]) -> tuple[Shared, ...]:
    """Return the pairs of hosts that share folders, of those that have answered; the first of each is the earlier one."""
    owners: dict[tuple[str, str, PurePosixPath], Host] = {}
    found: dict[tuple[Host, Host], list[PurePosixPath]] = {}
    for host in cluster.hosts:
        seen = facts.get(host.name)
        if seen is None or seen.boot is None:
            continue
        for path in dict.fromkeys(folders(cluster, host)):
            for inode, rest in _place(path, seen.inodes):
                first = owners.setdefault((seen.boot, inode, rest), host)
                if first is not host:
                    found.setdefault((first, host), []).append(path)
    return tuple(
        Shared(first, second, tuple(paths), facts[first.name].boot or "")
        for (first, second), paths in found.items()
    )


def folders(cluster: Cluster, host: Host) -> tuple[PurePosixPath, ...]:
    """Return every folder that a host's nodes have for their own, and that of the releases."""
    return (
        host.paths.releases,
        *(path for node in cluster.on(host) for path in node_directories(node)),
    )


def _place(path: PurePosixPath, inodes: Mapping[PurePosixPath, str]) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield the inode of the nearest folder that is there, and the path from it on; nothing where none is known."""
    for above in (path, *path.parents):
        if above in inodes:
            yield inodes[above], path.relative_to(above)
            return
