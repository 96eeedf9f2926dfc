"""One host's answer against what its nodes need: each check says what was found, what is wanted, and how to mend it.

CRIT is what a node would fail of or lose data by, WARN is advice, UNKNOWN is what could not be read. A lab takes the
machine as it is: there advice is told, and is OK.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from kafab.checks.preflight.jvm import refused
from kafab.checks.preflight.local import Look, Place
from kafab.checks.preflight.network import LISTENER
from kafab.checks.preflight.sizes import GB, MB, size
from kafab.checks.preflight.sysctl import MAP_COUNT, SWAPPINESS_AT_MOST
from kafab.config.defaults import FIRST_WITHOUT_ZOOKEEPER
from kafab.findings import Finding, Severity
from kafab.hosts.belonging import HINT, belonging, id_key
from kafab.hosts.held import ACCEPT, missing
from kafab.hosts.sights import troubles
from kafab.model import Cluster, Host, Node, Role, Supervisor, Version

OPEN_FILES = 100_000
FEWEST_OPEN_FILES = 4096
"""A broker holds three files a log segment and one socket a connection: below this it fails soon after its start."""
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
TRIED_SYSTEMS = frozenset(
    {
        "debian",
        "ubuntu",
        "rhel",
        "centos",
        "rocky",
        "almalinux",
        "fedora",
        "ol",
        "amzn",
        "sles",
        "opensuse-leap",
    }
)
TRIED_ARCHITECTURES = frozenset({"x86_64", "aarch64"})
NOT_FOR_DATA = re.compile(r"nfs\d?|cifs|smb3|fuse\..*|9p|overlay|aufs|tmpfs|ramfs")
FIRST_WITHOUT_SECURITY_MANAGER = Version(3, 9, 1)


def judge_host(
    cluster: Cluster, host: Host, nodes: Sequence[Node], look: Look, release: tuple[str, int] | None
) -> tuple[Finding, ...]:
    """Return every finding about one host that answered. ``release``: folder and bytes of the release, where known."""
    return tuple(_Judge(cluster, host, nodes, look, release).findings())


class _Judge:
    def __init__(
        self, cluster: Cluster, host: Host, nodes: Sequence[Node], look: Look, release: tuple[str, int] | None
    ) -> None:
        self.cluster, self.host, self.nodes, self.look, self.release = cluster, host, nodes, look, release
        self.advice = Severity.OK if cluster.lab else Severity.WARN

    def findings(self) -> Iterator[Finding]:
        yield self.found("ssh.reachable", Severity.OK, self.host.address)
        yield from self.rights()
        yield self.operating_system()
        yield self.java()
        for node in self.nodes:
            yield from self.jvm_flags(node)
        yield from self.disks()
        yield from self.mounts()
        for node in self.nodes:
            yield from self.held(node)
            yield from self.identity(node)
        for node in self.nodes:
            yield from self.access(node)
        for node in self.nodes:
            yield from self.ports(node)
        yield from self.open_files()
        yield from self.kernel()

    def found(
        self,
        check: str,
        severity: Severity,
        found: str,
        wanted: str = "",
        mend: str | None = None,
        *,
        subject: str = "",
    ) -> Finding:
        evidence = {"host": self.host.name, "found": found, "wanted": wanted or None}
        detail = found if severity is Severity.OK or not wanted else f"{found}; wanted: {wanted}"
        return Finding(
            check,
            subject or self.host.name,
            severity,
            detail,
            evidence,
            None if severity is Severity.OK else mend,
        )

    def rights(self) -> Iterator[Finding]:
        if self.host.supervisor is not Supervisor.SYSTEMD:
            return
        if self.look.root:
            yield self.found("sudo", Severity.OK, "root")
        else:
            yield self.found(
                "sudo", Severity.CRIT, "not root", "root", "log in as root, or give the user `sudo -n`"
            )
        if self.look.systemd:
            yield self.found("systemd", Severity.OK, "systemd runs here")
        else:
            mend = "`supervisor: process` in the inventory is for hosts without it"
            yield self.found("systemd", Severity.CRIT, "systemd does not run here", "systemd as pid 1", mend)
        for node in self.nodes:
            if foreign := self.look.facts.nodes[node.instance].foreign_units:
                found = f"in effect for {node.unit}: {_listed(map(str, foreign))}"
                mend = f"`systemctl cat {node.unit}` on {self.host.name} shows them; what they set belongs into the inventory"
                yield self.found(
                    "systemd.unit", Severity.WARN, found, "files of kafab's only", mend, subject=node.name
                )

    def operating_system(self) -> Finding:
        look = self.look
        system = look.system.get("PRETTY_NAME") or look.system.get("ID") or "no /etc/os-release"
        found = f"{system}, {look.kernel} {look.architecture}"
        if look.kernel != "Linux":
            return self.found("os", Severity.CRIT, found, "Linux", "kafab's hosts are Linux machines")
        if look.architecture not in TRIED_ARCHITECTURES:
            mend = "Kafka's native libraries (snappy, zstd) may be missing: try compressed records first"
            return self.found("os", self.advice, found, " or ".join(sorted(TRIED_ARCHITECTURES)), mend)
        if look.system.get("ID") not in TRIED_SYSTEMS:
            return self.found(
                "os", self.advice, found, "a system kafab knows", "it may work; nobody has tried it"
            )
        return self.found("os", Severity.OK, found)

    def java(self) -> Finding:
        least = 17 if self.cluster.version >= FIRST_WITHOUT_ZOOKEEPER else 8
        wanted = f"Java {least} or newer for Kafka {self.cluster.version}"
        looked = (
            str(self.host.java / "bin/java") if self.host.java else "the PATH, then /usr/lib/jvm/*/bin/java"
        )
        mend = (
            f"install Java {max(least, 17)} on {self.host.name}, or name its home with java: in the inventory"
        )
        seen = self.look.facts
        if seen.java is None:
            return self.found("java", Severity.CRIT, f"no Java (looked at {looked})", wanted, mend)
        if seen.java_version is None:
            found = f"{seen.java} has no release file beside it that says its version"
            return self.found(
                "java", Severity.UNKNOWN, found, wanted, "name a whole Java home with java: in the inventory"
            )
        found = f"Java {seen.java_version} at {seen.java}"
        major = java_major(seen.java_version)
        if major is None:
            return self.found("java", Severity.UNKNOWN, found, wanted, mend)
        if major < least:
            return self.found("java", Severity.CRIT, f"{found} (looked at {looked})", wanted, mend)
        # Java 24 has no security manager (JEP 486), which Kafka's clients ask for before KAFKA-17078.
        if major >= 24 and self.cluster.version < FIRST_WITHOUT_SECURITY_MANAGER:
            return self.found(
                "java", self.advice, found, f"Java {least} to 23 for Kafka {self.cluster.version}", mend
            )
        return self.found("java", Severity.OK, found)

    def jvm_flags(self, node: Node) -> Iterator[Finding]:
        version = self.look.facts.java_version
        major = java_major(version) if version else None
        for flag, wanted in refused(node.jvm, major) if major else ():
            mend = (
                f"take it out of jvm: of {node.name} in the inventory, or name another Java home with java:"
            )
            yield self.found(
                "java", Severity.CRIT, f"Java {version} refuses {flag}", wanted, mend, subject=node.name
            )

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
        found = f"{mount}: {size(place.free)} of {size(place.size)} free ({percent} %), for {_listed(uses)}"
        mend = f"free space on {self.host.name} {mount}, or move the folders with paths:"
        if "ro" in place.options:
            found = f"{mount} is mounted read-only, for {_listed(uses)}"
            writable = (
                f"`mount -o remount,rw {mount}` on {self.host.name}; where the kernel made it read-only after an error,"
                " `dmesg` tells which: mend the disk first"
            )
            return self.found("disk", Severity.CRIT, found, "writable", writable)
        told = (
            self.look.root or self.host.supervisor is Supervisor.PROCESS
        )  # else the check of sudo has said it
        if told and (barred := {str(place.existing) for place in uses.values() if not place.writable}):
            found = f"{_listed(sorted(barred))} is not writable for the login user"
            return self.found("disk", Severity.CRIT, found, "writable", mend)
        if place.inodes and place.inodes_free < FEWEST_INODES:
            found = f"{mount}: {place.inodes_free} of {place.inodes} inodes free, for {_listed(uses)}"
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
        for gone in missing(node, self.look.facts.nodes[node.instance]):
            mend = f"{gone.way}; for a disk that is really new: {ACCEPT} {node.name}"
            wanted = f"id {gone.held.id}'s data, on {gone.held.on}"
            yield self.found(HELD, Severity.CRIT, f"{gone.path} {gone.now}", wanted, mend, subject=node.name)

    def identity(self, node: Node) -> Iterator[Finding]:
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
        facts = self.look.facts
        seen = facts.nodes[node.instance]
        found = list(troubles(node, seen.sights, seen.strange, account=facts.account))
        for trouble in found:
            yield self.found("access", Severity.CRIT, trouble.text, mend=trouble.mend, subject=node.name)
        if seen.sights and not found:
            whom = (self.host.user or "the login user") if facts.account or not self.host.user else "root"
            text = f"{len(seen.sights)} paths, as {whom} finds them"
            yield self.found("access", Severity.OK, text, subject=node.name)

    def ports(self, node: Node) -> Iterator[Finding]:
        process = self.look.facts.nodes[node.instance].process
        running = process is not None and process.alive
        bad = 0
        for use, port in node.ports.items():
            holder = self.look.held.get(port, "")
            ours = process is not None and holder.startswith(f"pid {process.pid}, ")
            unseen = not holder.startswith("pid ")
            if not holder or (running and (ours or unseen)) or LISTENER in holder:
                continue
            bad += 1
            mend = f"end that process on {self.host.name}, or give the node another port"
            found = f"{use} port {port} is held by {holder.strip()}"
            yield self.found(
                "port", Severity.CRIT, found, "free, or held by the node itself", mend, subject=node.name
            )
        if not bad:
            ports = _listed(str(port) for port in node.ports.values())
            yield self.found(
                "port", Severity.OK, f"{ports} {'its own' if running else 'free'}", subject=node.name
            )

    def open_files(self) -> Iterator[Finding]:
        sources = {
            "process": "its running process",
            "unit": "its unit, as far as the machine allows",
            "system": "pid 1; the unit is not deployed yet",
            "login": "the login user's limit",
        }
        for node in self.nodes:
            seen = self.look.open_files.get(node.instance)
            wanted = f"{OPEN_FILES} open files"
            if seen is None:
                yield self.found(
                    "limits",
                    Severity.UNKNOWN,
                    "the limit of open files cannot be read",
                    wanted,
                    subject=node.name,
                )
                continue
            limit = "no limit" if seen.limit >= 2**63 else str(seen.limit)
            severity = Severity.OK
            if seen.limit < OPEN_FILES:
                severity = Severity.CRIT if seen.limit < FEWEST_OPEN_FILES else self.advice
            mend = "raise LimitNOFILE of the unit, or nofile in /etc/security/limits.conf; a container has its own limit"
            yield self.found(
                "limits",
                severity,
                f"{limit} open files ({sources[seen.source]})",
                wanted,
                mend,
                subject=node.name,
            )

    def kernel(self) -> Iterator[Finding]:
        settings, memory = self.look.settings, self.look.memory
        mend = "`fab preflight --fix` sets it"
        swap, swappiness = memory.get("SwapTotal"), settings.get("swappiness")
        found = f"{size(swap) if swap else 'no'} swap, vm.swappiness {swappiness or 'unknown'}"
        if swap is None or swappiness is None:
            yield self.found("swap", Severity.UNKNOWN, found)
        elif swap and int(swappiness) > SWAPPINESS_AT_MOST:
            yield self.found(
                "swap", self.advice, found, f"no swap, or vm.swappiness 1 to {SWAPPINESS_AT_MOST}", mend
            )
        else:
            yield self.found("swap", Severity.OK, found)
        maps = settings.get("max_map_count")
        if maps is None:
            yield self.found("map-count", Severity.UNKNOWN, "vm.max_map_count cannot be read")
        else:
            few = int(maps) < MAP_COUNT and any(node.role is Role.BROKER for node in self.nodes)
            severity = self.advice if few else Severity.OK
            yield self.found("map-count", severity, f"vm.max_map_count {maps}", f"{MAP_COUNT}", mend)
        pages = settings.get("transparent_hugepage", "")
        chosen = re.search(r"\[(\w+)\]", pages)
        if chosen:
            severity = self.advice if chosen[1] == "always" else Severity.OK
            mend = "add transparent_hugepage=madvise to the kernel's command line"
            yield self.found(
                "huge-pages", severity, f"transparent huge pages: {chosen[1]}", "madvise or never", mend
            )


def java_major(version: str) -> int | None:
    """Return the Java version people speak of: 8 for ``1.8.0_292``, 17 for ``17.0.15``; None if it is no version."""
    found = re.match(r"(?:1\.)?(\d+)", version)
    return int(found[1]) if found else None


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
