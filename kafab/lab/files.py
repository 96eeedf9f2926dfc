"""The texts of a lab: the configuration of its sshds and the inventory that its hosts make up."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from kafab.config.security import FIRST_SECURE_ZOOKEEPER
from kafab.lab.shape import Controllers, Shape
from kafab.model import Mode, Version

PORTS_PER_HOST = 9
"""In this order: sshd, ZooKeeper's client (or the controller's), quorum and election ports, the broker's listener, and in a
secure lab the one of its clients."""

ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class LabHost:
    """One host of a lab: its number from 1, its folder, the first of its ports, and the user who logs in."""

    number: int
    folder: Path
    port: int
    user: str

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return f"node{self.number}"

    @property
    def root(self) -> Path:
        """The folder that stands for the host's file system."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        """The home folder of whoever logs in, beside the file system: real hosts do not share one either."""
        return self.folder / "home"


def sshd_config(host: LabHost) -> str:
    """Return the configuration of one host's sshd, which any user may run for himself (sshd_config(5)).

    PAM and the strict look at file modes need root. SHLVL keeps bash from reading ~/.bashrc, which it does for sshd at
    the first level only: a throwaway host has no interactive habits.
    """
    lines = {
        "Port": host.port,
        "ListenAddress": ADDRESS,
        "HostKey": host.folder / "host_key",
        "PidFile": host.folder / "sshd.pid",
        "AuthorizedKeysFile": host.home / ".ssh" / "authorized_keys",
        "AllowUsers": host.user,
        "AuthenticationMethods": "publickey",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "UsePAM": "no",
        "StrictModes": "no",
        "ClientAliveInterval": 15,
        "PrintMotd": "no",
        "PrintLastLog": "no",
        "X11Forwarding": "no",
        "SetEnv": f"SHLVL=1 HOME={host.home}",
        "Subsystem": "sftp internal-sftp",
    }
    return "".join(f"{key} {value}\n" for key, value in lines.items())


def inventory(hosts: list[LabHost], shape: Shape, java: Path | None) -> str:
    """Return the lab's ``cluster.yaml``: an inventory like any other, small and quick instead of safe and fast."""
    tree = {
        "lab": True,
        **({"java": str(java)} if java else {}),
        "supervisor": "process",
        **processes(shape),
        "ssh": {"user": hosts[0].user, "identity": "id_ed25519", "known_hosts": "known_hosts"},
        "hosts": {host.name: _host(host, shape) for host in hosts},
    }
    return document(tree)


def processes(shape: Shape) -> dict[str, object]:
    """Return how Kafka and what keeps its metadata are set in any lab: small, and quick to start."""
    kafka: dict[str, object] = {
        "version": str(shape.version),
        "heap": "256m",
        "jvm": list(_JVM),
        "properties": {
            "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.num.partitions": 5,
            "transaction.state.log.num.partitions": 5,
            "log.segment.bytes": 64 * 1024 * 1024,
            "log.index.size.max.bytes": 1024 * 1024,
            # The cleaner takes this at start; its default, 128 MB, would be half of the heap.
            "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
            **(_KRAFT_PROPERTIES if shape.mode is Mode.KRAFT else {}),
            **(_SHARE_PROPERTIES if shape.mode is Mode.KRAFT and shape.version >= SHARE_GROUPS else {}),
        },
    }
    more: dict[str, object] = {"security": {"authorizer": True}} if shape.secure else {}
    if shape.observe:
        more["observe"] = {"jmx": {}}
    if shape.secure:
        kafka["listeners"] = LISTENERS
    if shape.mode is Mode.ZOOKEEPER:
        encrypted = {"protocol": "SSL"} if shape.secure and shape.version >= FIRST_SECURE_ZOOKEEPER else {}
        zookeeper = {"heap": "64m", "chroot": "/kafka", "jvm": list(_JVM), **encrypted}
        return {"kafka": kafka, "zookeeper": zookeeper, **more}
    own = {"heap": "128m", "jvm": list(_JVM)} if shape.controllers is Controllers.ISOLATED else {}
    controller = own | ({"protocol": "SSL"} if shape.secure else {})
    return {
        "kafka": kafka,
        **({"controller": controller} if controller else {}),
        "kraft": {"quorum": str(shape.quorum)},
        **more,
    }


LISTENERS = {
    "INTERNAL": {"port": 9091, "use": ["brokers", "operator"], "protocol": "SSL"},
    "CLIENTS": {"port": 9092, "use": "clients", "protocol": "SASL_SSL"},
}
"""The listeners of a secure cluster: certificates among the nodes and for kafab, a name and a password for clients."""


def document(tree: dict[str, object]) -> str:
    """Return an inventory's tree as the text of ``cluster.yaml``."""
    return _HEADER + yaml.safe_dump(tree, sort_keys=False, width=200)


_HEADER = """\
# A lab: hosts on this machine, made by `fab lab.up`. Edit it like any inventory; `fab lab.down` removes all of it.
"""

_JVM = (
    "-Xshare:auto",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+UnlockDiagnosticVMOptions",  # without which Java 13 and newer do not take the next one
    "-XX:-BytecodeVerificationRemote",
)
"""Quick to start and small; a production broker wants the opposite.

The release's classes are known by their digest: to verify the code of each is an eighth of the processor time of a start.
"""


_KRAFT_PROPERTIES = {
    # A broker that comes back is refused until its old session has ended, so it is shorter than Kafka's 9 s. It is
    # longer than a machine with many processes and few processors stalls, which would fence a broker that lives.
    "broker.session.timeout.ms": 6000,
    "broker.heartbeat.interval.ms": 500,
    # The same for the quorum's leader, which Kafka's 2 s would move.
    "controller.quorum.fetch.timeout.ms": 6000,
}


SHARE_GROUPS = Version(4, 2, 0)
_SHARE_PROPERTIES = {
    # A group may ask for less than a server's least: a drill of share groups would wait for minutes.
    "group.share.min.session.timeout.ms": 6000,
    "group.share.min.heartbeat.interval.ms": 1000,
    "group.share.min.record.lock.duration.ms": 5000,
}


def _host(host: LabHost, shape: Shape) -> dict[str, object]:
    sshd, client, quorum, election, broker, clients, *metrics, _ = range(
        host.port, host.port + PORTS_PER_HOST
    )
    secure: dict[str, object] = {"listeners": {"INTERNAL": {"port": broker}, "CLIENTS": {"port": clients}}}
    ports: dict[str, dict[str, object]] = {
        "zookeeper": {"port": client, "quorum_port": quorum, "election_port": election},
        "controller": {"port": client},
        "broker": secure if shape.secure else {"port": broker},
    }
    if shape.observe:
        of_broker, of_voter = metrics
        ports["broker"]["metrics_port"] = of_broker
        for role in ("zookeeper", *(["controller"] if shape.controllers is Controllers.ISOLATED else [])):
            ports[role]["metrics_port"] = of_voter
    folders = {"releases": "opt", "config": "etc", "data": "data", "logs": "log", "run": "run"}
    return {
        "address": ADDRESS,
        "ssh": {"port": sshd},
        "paths": {key: str(host.root / folder) for key, folder in folders.items()},
        **{role: {"id": id_, **ports[role]} for role, id_ in shape.roles(host.number).items()},
    }
