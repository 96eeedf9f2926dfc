"""Hosts as a preflight sees them: a recorded answer, a healthy one, and clusters of one and of three."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from kafab.checks.preflight.across import judge_across
from kafab.checks.preflight.judge import judge_host
from kafab.checks.preflight.local import Look, OpenFiles, Place
from kafab.findings import Finding, Severity
from kafab.hosts.facts import HostFacts, NodeFacts
from kafab.listeners import Listener, controller_listener
from kafab.model import Cluster, Host, Node, Role, Supervisor, Version

GB = 10**9

# What a Debian container with systemd answered, without the lines of one node.
RECORDED = """\
java /usr/bin/java
javaversion "17.0.19"
node broker
unit dead
end
uid 0
uname Linux x86_64
systemd
os PRETTY_NAME "Debian GNU/Linux 12 (bookworm)"
os VERSION_ID "12"
os ID debian
memory MemTotal 24684092
memory MemAvailable 23801200
memory SwapTotal 0
cgroup 9223372036854771712
setting swappiness 60
setting max_map_count 65530
setting transparent_hugepage always [madvise] never
place /opt/kafka /opt yes
place /var/lib/kafka/broker /var/lib yes
place /var/log/kafka/broker /var/log yes
place /var/lib/kafka/run/broker /var/lib yes
mount / rw,relatime
fstab /var/lib defaults,nofail
df 1K-blocks    Avail   Inodes    IFree Type    Mounted on
df 264212084 81500080 16777216 16332208 overlay /
df 264212084 81500080 16777216 16332208 overlay /
df 264212084 81500080 16777216 16332208 overlay /
df 264212084 81500080 16777216 16332208 overlay /
held 9092 pid 77, nginx: master process
nofile broker system 20000
nofile broker unit 100000
name localhost 127.0.0.1 127.0.0.1
name nosuch.invalid
clock 1795256054.681676784
end
"""


def sole_listener(host: Host) -> tuple[Listener, ...]:
    """Return the only listener of a broker."""
    return (Listener("PLAINTEXT", 9092, host.address),)


def one_node(supervisor: Supervisor = Supervisor.SYSTEMD) -> Cluster:
    """Return a cluster that is no lab: one host under systemd, one broker, every path where it is by default."""
    host = Host("node1", "10.0.0.1", supervisor=supervisor, user="kafka")
    node = Node(host, Role.BROKER, 1, sole_listener(host), "1g", (PurePosixPath("/var/lib/kafka/broker"),))
    return Cluster("prod", Version(3, 9, 2), (host,), (node,), supervisor=supervisor)


def place(path: PurePosixPath, **changes: Any) -> Place:
    """Return a folder on a big, empty, local disk."""
    roomy = Place(
        path, PurePosixPath("/"), True, "ext4", PurePosixPath("/"), frozenset({"rw"}),
        size=100 * GB, free=80 * GB, inodes=10**6, inodes_free=9 * 10**5,
    )  # fmt: skip
    return replace(roomy, **changes)


CLUSTER = one_node()
NODE = CLUSTER.nodes[0]
DATA, LOGS, RELEASES = NODE.data[0], NODE.logs, NODE.host.paths.releases
SETTINGS = {"swappiness": "1", "max_map_count": "262144", "transparent_hugepage": "always [madvise] never"}
PATHS = (RELEASES, DATA, LOGS, NODE.run, NODE.config)


def healthy(cluster: Cluster = CLUSTER) -> Look:
    """Return the answer of a host that nothing is wrong with."""
    return Look(
        facts=HostFacts({"broker": NodeFacts()}, java="/usr/bin/java", java_version="17.0.15"),
        root=True,
        systemd=True,
        clock=1000.0,
        system={"ID": "debian", "PRETTY_NAME": "Debian 12"},
        kernel="Linux",
        architecture="x86_64",
        memory={"MemTotal": 8 * GB, "SwapTotal": 0},
        settings=SETTINGS,
        places={path: place(path) for path in PATHS},
        open_files={"broker": OpenFiles(100_000, "unit")},
    )


def three(address: str = "10.0.0.{}", *, lab: bool = False) -> Cluster:
    """Return three hosts with a ZooKeeper server and a broker each."""
    hosts = tuple(Host(f"node{at}", address.format(at)) for at in (1, 2, 3))
    nodes = []
    for number, host in enumerate(hosts, 1):
        server = Node(
            host,
            Role.ZOOKEEPER,
            number,
            (Listener("CLIENT", 2181, host.address),),
            "512m",
            (PurePosixPath("/z"),),
            quorum_port=2888,
            election_port=3888,
        )
        nodes += [server, Node(host, Role.BROKER, number, sole_listener(host), "1g", (PurePosixPath("/d"),))]
    return Cluster("prod", Version(3, 9, 2), hosts, tuple(nodes), lab=lab)


def in_kraft(*, isolated: bool = False, lab: bool = False) -> Cluster:
    """Return three hosts with a broker each, which is a controller, too, or has one beside it."""
    hosts = tuple(Host(f"node{at}", f"10.0.0.{at}") for at in (1, 2, 3))
    nodes = []
    for number, host in enumerate(hosts, 1):
        own, theirs = sole_listener(host), (controller_listener(host.address, 9093),)
        broker = Node(host, Role.BROKER, number, own + theirs, "1g", (PurePosixPath("/d"),))
        if isolated:
            controller = replace(broker, role=Role.CONTROLLER, id=100 + number, listeners=theirs)
            nodes.append(replace(controller, data=(PurePosixPath("/c"),)))
            broker = replace(broker, listeners=own)
        nodes.append(broker)
    return Cluster("prod", Version(4, 3, 1), hosts, tuple(nodes), lab=lab)


def judged(look: Look, cluster: Cluster = CLUSTER, release: tuple[str, int] | None = None) -> list[Finding]:
    """Return what is not OK about the only host, alone and in comparison."""
    host = cluster.hosts[0]
    found = judge_host(cluster, host, cluster.nodes, look, release)
    found += judge_across(cluster, {host.name: look}, look.clock, {host.name: look.clock})
    return [finding for finding in found if finding.severity is not Severity.OK]


def node_facts(**changes: Any) -> HostFacts:
    """Return the facts of a host with a good Java and one node."""
    return HostFacts({"broker": NodeFacts(**changes)}, java="/usr/bin/java", java_version="17.0.15")
