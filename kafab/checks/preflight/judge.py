"""One host's answer against what its nodes need: each check says what was found, what is wanted, and how to mend it.

CRIT is what a node would fail of or lose data by, WARN is advice, UNKNOWN is what could not be read. A lab takes the
machine as it is: there advice is told, and is OK.
"""

import re
from collections.abc import Iterator, Sequence

from kafab.checks.preflight.folders import Folders
from kafab.checks.preflight.jvm import refused
from kafab.checks.preflight.local import Look
from kafab.checks.preflight.network import LISTENER
from kafab.checks.preflight.one_host import OneHost, listed
from kafab.checks.preflight.sysctl import MAP_COUNT, SWAPPINESS_AT_MOST
from kafab.config.defaults import FIRST_WITHOUT_ZOOKEEPER
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Host, Node, Role, Supervisor, Version
from kafab.words import size

OPEN_FILES = 100_000
FEWEST_OPEN_FILES = 4096
"""A broker holds three files a log segment and one socket a connection: below this it fails soon after its start."""
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
FIRST_WITHOUT_SECURITY_MANAGER = Version(3, 9, 1)


def judge_host(
    cluster: Cluster, host: Host, nodes: Sequence[Node], look: Look, release: tuple[str, int] | None
) -> tuple[Finding, ...]:
    """Return every finding about one host that answered. ``release``: folder and bytes of the release, where known."""
    return tuple(_Judge(cluster, host, nodes, look, release).findings())


class _Judge(OneHost):
    def findings(self) -> Iterator[Finding]:
        yield self.found("ssh.reachable", Severity.OK, self.host.address)
        yield from self.rights()
        yield self.operating_system()
        yield self.java()
        for node in self.nodes:
            yield from self.jvm_flags(node)
        yield from Folders(self.cluster, self.host, self.nodes, self.look, self.release).findings()
        for node in self.nodes:
            yield from self.ports(node)
        yield from self.open_files()
        yield from self.kernel()

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
                found = f"in effect for {node.unit}: {listed(map(str, foreign))}"
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
            ports = listed(str(port) for port in node.ports.values())
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
