"""The words of the project as frozen values: host, node, role, cluster, version.

A host is a machine reached over SSH; a node is one Kafka or ZooKeeper process on it; a cluster is one inventory file.
A broker that is a KRaft controller as well (a combined process) is one node, of the role broker.
Nothing here does I/O and nothing here is guessed: `inventory` fills every field, defaults included.

The file is a little over 400 lines long because these words refer to each other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path, PurePosixPath

from kafab.listeners import Endpoint, Listener, Protocol, Use

__all__ = [
    "MAX_ID",
    "Cluster",
    "Endpoint",
    "Host",
    "Mode",
    "Node",
    "Paths",
    "Role",
    "Ssh",
    "Supervisor",
    "Version",
    "VoterSource",
]

MAX_ID = 2**31 - 1


class Role(str, Enum):
    """What a node does. Start order is the order of definition; stop order its reverse."""

    ZOOKEEPER = "zookeeper"
    CONTROLLER = "controller"
    BROKER = "broker"

    def __str__(self) -> str:
        return self.value


class Supervisor(str, Enum):
    """What keeps a node's process: systemd, or (labs, hosts without it) a run record and a session of its own."""

    SYSTEMD = "systemd"
    PROCESS = "process"

    def __str__(self) -> str:
        return self.value


class Mode(str, Enum):
    """What keeps the cluster's metadata."""

    ZOOKEEPER = "zookeeper"
    KRAFT = "kraft"

    def __str__(self) -> str:
        return self.value


class VoterSource(str, Enum):
    """How KRaft controllers know their voters: from each one's configuration, or from the metadata log (KIP-853)."""

    STATIC = "static"
    DYNAMIC = "dynamic"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, order=True)
class Version:
    """A Kafka version, ``3.9.2``; ordered as numbers."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read ``X.Y.Z``; anything else is a ValueError whose text says what was expected."""
        found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})", text, re.ASCII)
        if not found:
            raise ValueError(f"{text!r} is not a version like 3.9.2")
        return cls(*(int(part) for part in found.groups()))

    @property
    def line(self) -> tuple[int, int]:
        """Its major and minor number: releases of one line differ in their fixes alone."""
        return self.major, self.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Reach(str, Enum):
    """Which way kafab's own questions to Kafka and ZooKeeper take to a host."""

    AUTO = "auto"
    """Both are tried, and what works is kept."""
    DIRECT = "direct"
    SSH = "ssh"
    """Through the host's SSH connection."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Ssh:
    """How a host is logged in to. ``None`` leaves the choice to ssh_config, the agent and the login name."""

    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    gateway: str | None = None
    known_hosts: Path | None = None
    reach: Reach = Reach.AUTO


@dataclass(frozen=True)
class Paths:
    """The root folders on a host; each node has a folder of its own under all but the first."""

    releases: PurePosixPath = PurePosixPath("/opt/kafka")
    config: PurePosixPath = PurePosixPath("/etc/kafka")
    data: PurePosixPath = PurePosixPath("/var/lib/kafka")
    logs: PurePosixPath = PurePosixPath("/var/log/kafka")
    run: PurePosixPath = PurePosixPath("/var/lib/kafka/run")


@dataclass(frozen=True)
class Host:
    """A machine. ``address`` is what ssh connects to and, unless a node says otherwise, what is advertised."""

    name: str
    address: str
    ssh: Ssh = field(default_factory=Ssh)
    paths: Paths = field(default_factory=Paths)
    rack: str | None = None
    java: PurePosixPath | None = None
    """The Java home; None means: the PATH, then /usr/lib/jvm."""
    site: str = "default"
    """Hosts of one site are near each other: a release travels to each site once."""
    supervisor: Supervisor = Supervisor.PROCESS
    user: str | None = None
    """The account the processes run as, its group of the same name; None: the login user."""


@dataclass(frozen=True)
class Node:
    """One process: its role and id, its ports, its folders, its JVM, its own properties (cluster's merged in)."""

    host: Host
    role: Role
    id: int
    listeners: tuple[Listener, ...]
    """At least one; of a combined process those of the broker first."""
    heap: str
    data: tuple[PurePosixPath, ...]
    numbered: bool = False
    """True where the host has several nodes of this role, so that the id is part of the name."""
    quorum_port: int | None = None
    election_port: int | None = None
    jmx_port: int | None = None
    jmx_bind: str | None = None
    """The address that JMX listens on; None: on every interface."""
    metrics_port: int | None = None
    """The port of Prometheus' agent for JMX in its process; None: it has no agent."""
    metrics_bind: str | None = None
    """The address that the agent listens on; None: on every interface."""
    data_mounted: bool = False
    """True where its data folders must not lie on the root file system: a disk that is not mounted stops a deploy."""
    jvm: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_controller(self) -> bool:
        """True for a KRaft controller, isolated or combined."""
        return any(Use.CONTROLLERS in listener.uses for listener in self.listeners)

    @property
    def combined(self) -> bool:
        """True for a broker that is a controller, too."""
        return self.role is Role.BROKER and self.is_controller

    @property
    def is_voter(self) -> bool:
        """True for what brokers need before they can start: ZooKeeper servers and controllers, combined ones, too."""
        return self.role is not Role.BROKER or self.combined

    @cached_property
    def instance(self) -> str:
        """The node's name on its host: ``broker``, or ``broker-4`` beside another broker."""
        return f"{self.role}-{self.id}" if self.numbered else str(self.role)

    @cached_property
    def name(self) -> str:
        """The node's name in the cluster: ``node1/broker``."""
        return f"{self.host.name}/{self.instance}"

    @property
    def broker_listeners(self) -> tuple[Listener, ...]:
        """The listeners of a broker, without the controllers' one; none of another role."""
        own = (listener for listener in self.listeners if Use.CONTROLLERS not in listener.uses)
        return tuple(own) if self.role is Role.BROKER else ()

    @property
    def operator_listener(self) -> Listener:
        """The listener that kafab itself uses: the one marked for the operator, else the first one for clients."""
        return self._first(Use.OPERATOR, Use.CLIENTS)

    @property
    def peer_listener(self) -> Listener:
        """The listener at which other nodes use this one: the brokers' of a broker, else its only one."""
        return self._first(Use.BROKERS)

    @property
    def endpoint(self) -> Endpoint:
        """Where kafab itself reaches the node."""
        return self.operator_listener.endpoint

    @property
    def controller_endpoint(self) -> Endpoint:
        """Where the other nodes of a KRaft cluster, and kafab itself, reach this controller. ValueError for another node."""
        found = self._first(Use.CONTROLLERS)
        if Use.CONTROLLERS not in found.uses:
            raise ValueError(f"{self.name} is no controller")
        return found.endpoint

    def _first(self, *uses: Use) -> Listener:
        """Return the first listener of the first use that has one, else the first listener."""
        wanted = (listener for use in uses for listener in self.listeners if use in listener.uses)
        return next(wanted, self.listeners[0])

    @cached_property
    def config(self) -> PurePosixPath:
        """The folder of the node's configuration files."""
        return self.host.paths.config / self.instance

    @cached_property
    def logs(self) -> PurePosixPath:
        """The folder of the node's log files."""
        return self.host.paths.logs / self.instance

    @cached_property
    def run(self) -> PurePosixPath:
        """The folder of the node's run record (pid, start time, digest of the configuration it was started with)."""
        return self.host.paths.run / self.instance

    @cached_property
    def scratch(self) -> PurePosixPath:
        """The folder of Java's temporary files; under systemd all of the run folder that the service may write."""
        return self.run / "tmp"

    @cached_property
    def current(self) -> PurePosixPath:
        """The link to the release this node starts from."""
        return self.host.paths.releases / f"current-{self.instance}"

    @property
    def data_folders(self) -> tuple[PurePosixPath, ...]:
        """Every folder that the node keeps data in: ZooKeeper's log of transactions may have one of its own."""
        logs = self.properties.get("dataLogDir") if self.role is Role.ZOOKEEPER else None
        return tuple(dict.fromkeys((*self.data, *([PurePosixPath(logs)] if logs else []))))

    @property
    def unit(self) -> str:
        """The node's systemd unit: an instance of its role's template."""
        return f"kafka-{self.role}@{self.instance}.service"

    def use(self, listener: Listener) -> str:
        """Return what a listener is for, in a word: ``client`` and ``controller`` where it is the only one, else its name."""
        if Use.CONTROLLERS in listener.uses:
            return "controller"
        alone = self.role is not Role.BROKER or len(self.broker_listeners) == 1
        return "client" if alone else listener.name

    @property
    def ports(self) -> Mapping[str, int]:
        """Every TCP port the process listens on, by what it is for."""
        known = {
            **{self.use(listener): listener.port for listener in self.listeners},
            "quorum": self.quorum_port,
            "election": self.election_port,
            "jmx": self.jmx_port,
            "metrics": self.metrics_port,
        }
        return {use: port for use, port in known.items() if port is not None}


@dataclass(frozen=True)
class BrokerLogin:
    """As whom brokers log in to each other, by SASL's PLAIN."""

    user: str
    password: str
    """The reference to the password."""


@dataclass(frozen=True)
class Security:
    """Who may do what in a cluster, and who kafab itself is."""

    authorizer: bool = True
    super_users: tuple[str, ...] = ()
    """Principals beside those of the nodes and of kafab."""
    nodes: tuple[str, ...] = ()
    """Subjects of the nodes' certificates as Java writes them; empty: those that kafab gives them."""
    operator: str = ""
    """Subject of kafab's own certificate; empty: the one that kafab gives it."""
    operator_user: str | None = None
    """Whom kafab logs in as, where its listener is SASL_*."""
    operator_password: str | None = None
    """The reference to that user's password."""
    between_brokers: BrokerLogin | None = None
    """None: the brokers show certificates to each other, or nothing."""


@dataclass(frozen=True)
class AgentFile:
    """Prometheus' agent for JMX (jmx_prometheus_javaagent), as one jar."""

    sha256: str
    """Hex; it is the agent's identity here and on every host."""
    file: Path | None = None
    """Where the user has it on this machine; None: kafab gets its own version of it."""

    @property
    def folder(self) -> str:
        """The name of its folder beside the releases on a host."""
        return f"{AGENT}-{self.sha256[:12]}"

    @property
    def jar(self) -> PurePosixPath:
        """Where it lies below the folder of releases on a host."""
        return PurePosixPath(self.folder, f"{AGENT}.jar")


AGENT = "jmx_prometheus_javaagent"


@dataclass(frozen=True)
class Cluster:
    """One inventory file: its hosts and nodes, in the order of the file, and what they share."""

    name: str
    version: Version
    hosts: tuple[Host, ...]
    nodes: tuple[Node, ...]
    chroot: str = ""
    """ZooKeeper path of the cluster, ``/kafka``; empty for the root."""
    voter_source: VoterSource = VoterSource.STATIC
    """How KRaft controllers know their voters; without meaning in ZooKeeper mode."""
    cluster_id: str | None = None
    """The KRaft cluster's id where the inventory pins it; else the hosts have it, or the first deploy makes it."""
    scala: str | None = None
    """The release's Scala version; None leaves it to ``releases.release_for``."""
    supervisor: Supervisor = Supervisor.PROCESS
    user: str | None = None
    """The service account of every host under systemd."""
    security: Security | None = None
    """None: there is no authorizer, whatever protocols the listeners have."""
    ssh: Ssh = field(default_factory=Ssh)
    """How hosts are logged in to that say nothing of their own, and those that are none of the cluster's."""
    agent: AgentFile | None = None
    """What the nodes with a port for metrics run in their processes; None: nobody observes them."""
    protocol: str | None = None
    """The inter.broker.protocol.version that brokers of ZooKeeper mode are held at while they are upgraded; None: their release's own."""
    lab: bool = False
    """A throwaway cluster on this machine: kafab never asks before disturbing it."""
    source: Path | None = None
    accepted: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The code of each warning that is meant so -> the reason."""

    @cached_property
    def brokers(self) -> tuple[Node, ...]:
        """The Kafka nodes, in inventory order."""
        return tuple(node for node in self.nodes if node.role is Role.BROKER)

    @cached_property
    def zookeepers(self) -> tuple[Node, ...]:
        """The ZooKeeper nodes, in inventory order."""
        return tuple(node for node in self.nodes if node.role is Role.ZOOKEEPER)

    @cached_property
    def controllers(self) -> tuple[Node, ...]:
        """The voters of the KRaft quorum, combined or isolated, in inventory order; none in ZooKeeper mode."""
        return tuple(node for node in self.nodes if node.is_controller)

    @cached_property
    def voter_hosts(self) -> tuple[Host, ...]:
        """The hosts that keep the metadata, in inventory order: those of the ZooKeeper servers or of the controllers."""
        return tuple(dict.fromkeys(node.host for node in (self.controllers or self.zookeepers)))

    @property
    def kraft(self) -> bool:
        """True in KRaft mode, which follows from there being a controller."""
        return bool(self.controllers)

    @cached_property
    def listener_protocols(self) -> Mapping[str, Protocol]:
        """The security protocol of every listener in the cluster, by name; the brokers' first."""
        listeners = (
            *(listener for node in self.brokers for listener in node.broker_listeners),
            *(listener for node in self.controllers for listener in node.listeners),
        )
        return {listener.name: listener.protocol for listener in listeners}

    @property
    def operator_protocol(self) -> Protocol:
        """The security protocol of the brokers' listener that kafab uses."""
        return next((node.operator_listener.protocol for node in self.brokers), Protocol.PLAINTEXT)

    @property
    def controller_protocol(self) -> Protocol:
        """The security protocol of the controllers' listener."""
        found = (
            listener.protocol
            for node in self.controllers
            for listener in node.listeners
            if Use.CONTROLLERS in listener.uses
        )
        return next(found, Protocol.PLAINTEXT)

    @property
    def zookeeper_protocol(self) -> Protocol:
        """The security protocol of the ZooKeeper servers' client port, and of their own ports."""
        return next((node.listeners[0].protocol for node in self.zookeepers), Protocol.PLAINTEXT)

    @cached_property
    def zookeeper_connect(self) -> str:
        """The value of zookeeper.connect: servers, then the chroot once, after the last server."""
        return ",".join(str(node.endpoint) for node in self.zookeepers) + self.chroot

    @cached_property
    def bootstrap(self) -> str:
        """The value of bootstrap.servers for clients."""
        return ",".join(str(node.endpoint) for node in self.brokers)

    def host(self, name: str) -> Host:
        """Return the host of that name; KeyError if there is none."""
        return next(host for host in self.hosts if host.name == name)

    def on(self, host: Host) -> tuple[Node, ...]:
        """Return the nodes of one host, in inventory order."""
        return tuple(node for node in self.nodes if node.host.name == host.name)
