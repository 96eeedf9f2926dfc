"""The folders of one host's nodes: room, mounts, whose data there are, and who may use them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from kafab.checks.preflight.local import Place
from kafab.checks.preflight.one_host import OneHost, listed
from kafab.checks.preflight.sizes import GB, MB
from kafab.findings import Finding, Severity
from kafab.hosts.belonging import HINT, belonging, id_key
from kafab.hosts.held import ACCEPT, missing
from kafab.hosts.sights import troubles
from kafab.model import Node, Supervisor
from kafab.words import size

HELD = "held"
"""The check whether data directories have what they have held."""
RELEASE_UNKNOWN = 60 * MB
RELEASE_TIMES = 3
"""The archive, its unpacked files, and room to breathe."""
FEWEST_INODES = 1000
ROOT = PurePosixPath("/")
DATA_LEAST, DATA_LITTLE = 1 * GB, 5 * GB
CONFIGURATION = "configuration"
CONFIGURATION_LEAST = 10 * MB
"""For the files of a node, each of which is written beside the one that it replaces."""
NOT_FOR_DATA = re.compile(r"nfs\d?|cifs|smb3|fuse\..*|9p|overlay|aufs|tmpfs|ramfs")


class Folders(OneHost):
    """Judges what the nodes keep on disks."""

    def findings(self) -> Iterator[Finding]:
        """Yield every finding about the folders."""
        yield from self.disks()
        yield from self.mounts()
        for node in self.nodes:
            yield from self.held(node)
            yield from self.identity(node)
        for node in self.nodes:
            yield from self.access(node)

    def disks(self) -> Iterator[Finding]:
        """One finding a file system, for it is the file system that fills up."""
        on: dict[PurePosixPath, dict[str, Place]] = {}
        for use, path in self._folders().items():
            place = self.look.places.get(path)
            if place is None:
                yield self.found("disk", Severity.UNKNOWN, f"{path} cannot be measured (df gave no answer)")
                continue
            on.setdefault(place.mount, {})[use] = place
        for mount, uses in on.items():
            yield self._disk(mount, uses)
        data = {path: place for path, place in self.look.places.items() if path in self._data()}
        for place in data.values():
            if NOT_FOR_DATA.fullmatch(place.kind):
                found = f"{place.path} lies on {place.kind} ({place.mount})"
                yield self.found(
                    "filesystem",
                    self.advice,
                    found,
                    "a local disk, xfs or ext4",
                    "move the data with data: or paths.data",
                )
            else:
                yield self.found("filesystem", Severity.OK, f"{place.path} lies on {place.kind}")
        for node in self.nodes:
            run = self.look.places.get(node.run)
            if run and "noexec" in run.options:
                found = f"{node.run} lies on {run.mount}, which is mounted noexec"
                mend = "snappy and zstd records would be refused: move it with paths.run"
                yield self.found(
                    "filesystem", Severity.CRIT, found, "libraries can be loaded from there", mend
                )

    def _folders(self) -> dict[str, PurePosixPath]:
        folders = {"releases": self.host.paths.releases}
        for node in self.nodes:
            data = node.data_folders
            many = len(data) > 1
            folders |= {
                f"{node.instance} data{f' {at}' if many else ''}": path for at, path in enumerate(data, 1)
            }
            folders |= {f"{node.instance} logs": node.logs, f"{node.instance} run": node.run}
            folders |= {f"{node.instance} {CONFIGURATION}": node.config}
        return folders

    def _data(self) -> frozenset[PurePosixPath]:
        return frozenset(path for node in self.nodes for path in node.data_folders)

    def _disk(self, mount: PurePosixPath, uses: Mapping[str, Place]) -> Finding:
        place = next(iter(uses.values()))
        percent = 100 * place.free // place.size if place.size else 0
        found = f"{mount}: {size(place.free)} of {size(place.size)} free ({percent} %), for {listed(uses)}"
        mend = f"free space on {self.host.name} {mount}, or move the folders with paths:"
        if "ro" in place.options:
            found = f"{mount} is mounted read-only, for {listed(uses)}"
            writable = (
                f"`mount -o remount,rw {mount}` on {self.host.name}; where the kernel made it read-only after an error,"
                " `dmesg` tells which: mend the disk first"
            )
            return self.found("disk", Severity.CRIT, found, "writable", writable)
        told = (
            self.look.root or self.host.supervisor is Supervisor.PROCESS
        )  # else the check of sudo has said it
        if told and (barred := {str(place.existing) for place in uses.values() if not place.writable}):
            found = f"{listed(sorted(barred))} is not writable for the login user"
            return self.found("disk", Severity.CRIT, found, "writable", mend)
        if place.inodes and place.inodes_free < FEWEST_INODES:
            found = f"{mount}: {place.inodes_free} of {place.inodes} inodes free, for {listed(uses)}"
            return self.found("disk", Severity.CRIT, found, f"at least {FEWEST_INODES}", mend)
        release = self._release_needs() if "releases" in uses else 0
        writes = any(use != "releases" and not use.endswith(CONFIGURATION) for use in uses)
        configured = any(use.endswith(CONFIGURATION) for use in uses)
        least = release + (DATA_LEAST if writes else CONFIGURATION_LEAST if configured else 0)
        if place.free < least:
            return self.found("disk", Severity.CRIT, found, f"at least {size(least)}", mend)
        if writes and (place.free < DATA_LITTLE or percent < 10):
            return self.found("disk", self.advice, found, f"{size(DATA_LITTLE)} and 10 %", mend)
        return self.found("disk", Severity.OK, found)

    def _release_needs(self) -> int:
        if self.release is None:
            version = f"-{self.cluster.version}-"
            return (
                0
                if any(version in name for name in self.look.facts.releases)
                else RELEASE_TIMES * RELEASE_UNKNOWN
            )
        folder, bytes_ = self.release
        return 0 if folder in self.look.facts.releases else RELEASE_TIMES * bytes_

    def mounts(self) -> Iterator[Finding]:
        """What of /etc/fstab is not mounted, and data on the root file system that are not to lie there."""
        asked = {path for node in self.nodes if node.data_mounted for path in node.data_folders}
        for path in sorted(self._data()):
            place = self.look.places.get(path)
            if place and path in asked and place.mount == ROOT and not place.unmounted:
                mend = f"mount its disk on {self.host.name}, or take data_mounted out of the inventory"
                found = f"{path} would be written to the root file system"
                yield self.found("mount", Severity.CRIT, found, "a disk of its own (data_mounted)", mend)
            if place and place.unmounted:
                found = f"{path} would be on {place.mount}: {place.unmounted} of /etc/fstab is not mounted"
                mend = f"`mount {place.unmounted}` on {self.host.name}"
                yield self.found("mount", Severity.CRIT, found, f"{place.unmounted} mounted", mend)

    def held(self, node: Node) -> Iterator[Finding]:
        """Directories that lack what they have held."""
        for gone in missing(node, self.look.facts.nodes[node.instance]):
            mend = f"{gone.way}; for a disk that is really new: {ACCEPT} {node.name}"
            wanted = f"id {gone.held.id}'s data, on {gone.held.on}"
            yield self.found(HELD, Severity.CRIT, f"{gone.path} {gone.now}", wanted, mend, subject=node.name)

    def identity(self, node: Node) -> Iterator[Finding]:
        """Whose data each directory has."""
        own = f"{id_key(self.cluster, node)} {node.id}"
        found = belonging(self.cluster, {node: self.look.facts.nodes[node.instance]})
        for place in found.bare:
            yield self.found("data", Severity.OK, f"{place.path} holds no data yet", subject=node.name)
        for place in found.places:
            if place.whose:
                text = f"{place.path} belongs to {place.whose}"
                yield self.found("data", Severity.CRIT, text, own, HINT, subject=node.name)
            else:
                yield self.found("data", Severity.OK, f"{place.path} is its own", subject=node.name)

    def access(self, node: Node) -> Iterator[Finding]:
        """What the account of the node would be kept from."""
        facts = self.look.facts
        seen = facts.nodes[node.instance]
        found = list(troubles(node, seen.sights, seen.strange, account=facts.account))
        for trouble in found:
            yield self.found("access", Severity.CRIT, trouble.text, mend=trouble.mend, subject=node.name)
        if seen.sights and not found:
            whom = (self.host.user or "the login user") if facts.account or not self.host.user else "root"
            text = f"{len(seen.sights)} paths, as {whom} finds them"
            yield self.found("access", Severity.OK, text, subject=node.name)
