"""From an inventory to a session with real adapters: the only importer of adapters.

Adapters are imported when they are first used: a `plan` never pays for the Kafka clients, `inventory.check` not even for SSH.

The file is a little over 400 lines long because it is the one place where each port gets its adapter.
"""

import getpass
import os
import platform
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kafab.command import Secret
from kafab.config.render import templates_folder
from kafab.config.security import MECHANISM, among_brokers, may_ask
from kafab.errors import UsageError
from kafab.events import Emit
from kafab.folders import cache_folder, state_folder
from kafab.lab.docker import DockerLab
from kafab.lab.kinds import Kind, Lab, chosen_kind
from kafab.lab.local import LocalLab
from kafab.lab.vagrant import VagrantLab
from kafab.listeners import Protocol
from kafab.login import Login
from kafab.model import Cluster, Endpoint, Host, Reach, Supervisor
from kafab.ops.world import Operator
from kafab.ports import (
    Access,
    Brokers,
    Canaries,
    Certificates,
    Clock,
    Controllers,
    Fleet,
    Groups,
    Leaders,
    Logins,
    Offsets,
    Readers,
    Records,
    Secrets,
    Settings,
    Store,
    Topics,
    Walls,
    Workers,
    Writers,
    ZooKeeper,
)
from kafab.references import Reference

if TYPE_CHECKING:
    from kafab.adapters.kafka.access import KafkaAccess
    from kafab.adapters.kafka.admin import ClientsAdmin
    from kafab.adapters.kafka.groups import KafkaGroups
    from kafab.adapters.kafka.zookeeper import KazooEnsemble
    from kafab.adapters.ssh.fleet import SshFleet
    from kafab.adapters.ssh.reach import SshReach

PASSWORD_FD = "KAFAB_SUDO_PASSWORD_FD"  # noqa: S105  # a variable's name
ACCEPT_NEW = "KAFAB_ACCEPT_NEW_HOST_KEYS"


class Session:
    """One cluster and the connections to it, opened on first use and shared by all tasks of a command line: an `ops.world.World`."""

    def __init__(
        self,
        cluster: Cluster,
        emit: Emit,
        *,
        sudo_password: Secret | None = None,
        accept_new_host_keys: bool = False,
        before_asking: Callable[[], object] | None = None,
    ) -> None:
        self.cluster = cluster
        self.emit = emit
        self.arguments = ""
        """The arguments of the task that runs, for the history."""
        self._sudo_password = sudo_password
        self._accept_new_host_keys = accept_new_host_keys
        self._before_asking = before_asking  # may refuse that a secret is asked for at the terminal

    @cached_property
    def fleet(self) -> Fleet:
        """SSH to the cluster's hosts, as whoever looks after the cluster's processes: root under systemd."""
        return self._ssh

    def fleet_as(self, *, root: bool) -> Fleet:
        """Return SSH over the same connections, as root or as the login user."""
        return self._ssh.as_user(root=root)

    def fleet_to(self, host: Host) -> Fleet:
        """Return SSH, as root, to a host that may be none of the cluster's; whoever asks for it closes it."""
        return self._dialled((host,), become=True)

    @cached_property
    def _ssh(self) -> "SshFleet":
        return self._dialled(self.cluster.hosts, become=self.cluster.supervisor is Supervisor.SYSTEMD)

    def _dialled(self, hosts: Sequence[Host], *, become: bool) -> "SshFleet":
        from kafab.adapters.ssh.fleet import SshFleet

        return SshFleet(
            hosts,
            become=become,
            sudo_password=self._sudo_password or sudo_password_from(os.environ),
            accept_new_host_keys=self._accept_new_host_keys or os.environ.get(ACCEPT_NEW) == "1",
            emit=self.emit,
        )

    @cached_property
    def passages(self) -> "SshReach":
        """The ways to Kafka and ZooKeeper, which can be tried."""
        from kafab.adapters.ssh.reach import SshReach

        return SshReach(self.cluster, lambda: self._ssh.links, self.emit)

    @property
    def _reach(self) -> "SshReach | None":
        """The same for clients; None where the inventory wants plain connections alone."""
        direct = all(host.ssh.reach is Reach.DIRECT for host in self.cluster.hosts)
        return None if direct else self.passages

    @property
    def zookeeper(self) -> ZooKeeper:
        """The cluster's ZooKeeper ensemble."""
        return self._ensemble

    @cached_property
    def _ensemble(self) -> "KazooEnsemble":
        from kafab.adapters.kafka.zookeeper import KazooEnsemble

        servers = [node.endpoint for node in self.cluster.zookeepers]
        login = self._login(self.cluster.zookeeper_protocol)
        return KazooEnsemble(servers, self.cluster.chroot, login, self._reach)

    @cached_property
    def controllers(self) -> Controllers:
        """The cluster's KRaft controllers."""
        from kafab.adapters.kafka.controllers import KraftControllers

        return KraftControllers(
            [node.controller_endpoint for node in self.cluster.controllers],
            [node.endpoint for node in self.cluster.brokers],
            self._login(self.cluster.controller_protocol),
            self._to_brokers,
            dialer=self._reach,
        )

    @property
    def brokers(self) -> Brokers:
        """What the cluster's brokers say to a client."""
        return self._clients

    @property
    def topics(self) -> Topics:
        """Changes of the cluster's topics."""
        return self._clients

    @property
    def settings(self) -> Settings:
        """Changes of what brokers run with."""
        return self._clients

    @property
    def leaders(self) -> Leaders:
        """Who leads partitions."""
        return self._clients

    @property
    def records(self) -> Records:
        """Records written to the cluster and read from it."""
        return self._clients

    @property
    def groups(self) -> Groups:
        """Groups of consumers."""
        return self._groups

    @property
    def offsets(self) -> Offsets:
        """Offsets of partitions."""
        return self._groups

    @property
    def access(self) -> Access:
        """Users, ACLs and quotas."""
        return self._access

    @cached_property
    def _access(self) -> "KafkaAccess":
        from kafab.adapters.kafka.access import KafkaAccess

        return KafkaAccess(
            [node.endpoint for node in self.cluster.brokers],
            self.cluster.version,
            self._ensemble if self.cluster.zookeepers else None,
            self._to_brokers,
            self._logins_at,
            dialer=self._reach,
        )

    @cached_property
    def logins(self) -> Logins:
        """Logins at the brokers' listeners that have SASL; where they have TLS too, kafab trusts the cluster's CA."""
        from kafab.adapters.kafka.scram_logins import ScramLogins

        every = (one for node in self.cluster.brokers for one in node.broker_listeners)
        found = [one for one in every if one.protocol.sasl and not among_brokers(self.cluster, one)]
        identity = self.certificates.identity() if any(one.protocol.tls for one in found) else None
        listeners = {one.endpoint: Login(one.protocol, identity) for one in found}
        return ScramLogins(listeners, self._reach)

    @cached_property
    def _groups(self) -> "KafkaGroups":
        from kafab.adapters.kafka.groups import KafkaGroups

        return KafkaGroups(self._to_brokers, self._reach)

    @cached_property
    def writers(self) -> Writers:
        """Producers of both clients."""
        from kafab.adapters.kafka.records.writers import KafkaWriters

        return KafkaWriters(self._to_brokers, self._reach)

    @cached_property
    def readers(self) -> Readers:
        """Consumers of both clients."""
        from kafab.adapters.kafka.records.readers import KafkaReaders

        return KafkaReaders(self._to_brokers, self._reach)

    @cached_property
    def _clients(self) -> "ClientsAdmin":
        from kafab.adapters.kafka.admin import ClientsAdmin

        brokers = [node.endpoint for node in self.cluster.brokers]
        return ClientsAdmin(brokers, self._to_brokers, self._logins_at, self._reach)

    @property
    def canaries(self) -> Canaries:
        """Processes that write and read beside an operation."""
        from kafab.adapters.kafka.canaries import CanaryProcesses

        return CanaryProcesses(self._to_brokers, self._reach)

    @property
    def workers(self) -> Workers:
        """Processes that a drill works with."""
        from kafab.adapters.kafka.drills.workers import WorkerProcesses

        return WorkerProcesses(self._to_brokers, self._reach)

    @property
    def walls(self) -> Walls:
        """Attempts of a stranger at the cluster's listeners."""
        from kafab.adapters.kafka.walls import KafkaWalls

        broker = self.cluster.brokers[0]
        return KafkaWalls(self._to_brokers, broker.endpoint, broker.id, self._reach)

    @cached_property
    def certificates(self) -> Certificates:
        """The cluster's certificates on this machine."""
        from kafab.ops.secure.serving import ShelfCertificates
        from kafab.ops.secure.shelf import Shelf

        return ShelfCertificates(self.cluster, Shelf.of(self.cluster, state_folder(os.environ)))

    @cached_property
    def _to_brokers(self) -> Login:
        """How kafab logs in to the brokers."""
        return self._login(self.cluster.operator_protocol)

    @property
    def _logins_at(self) -> dict[Endpoint, Login]:
        """How kafab logs in at listeners of brokers that have another protocol than its own."""
        own = self.cluster.operator_protocol
        return {
            listener.endpoint: self._login(listener.protocol)
            for node in self.cluster.brokers
            for listener in node.broker_listeners
            if listener.protocol is not own and may_ask(self.cluster, listener)
        }

    def _login(self, protocol: Protocol) -> Login:
        """Return how kafab logs in to a listener of this protocol. Raises Failed where its certificate is none."""
        identity = self.certificates.identity() if protocol.tls else None
        security = self.cluster.security
        if not protocol.sasl or security is None or security.operator_password is None:
            return Login(protocol, identity)
        password = self.secrets.read(Reference.parse(security.operator_password))
        return Login(protocol, identity, MECHANISM, security.operator_user or "", password)

    @cached_property
    def secrets(self) -> Secrets:
        """Secrets by reference, relative paths counted from the inventory's folder."""
        from kafab.adapters.machine.secrets import MachineSecrets
        from kafab.screens.console import finish_live

        folder = self.cluster.source.parent if self.cluster.source else Path.cwd()
        return MachineSecrets(folder, self.emit, before_asking=self._before_asking or finish_live)

    @cached_property
    def store(self) -> Store:
        """The releases on this machine."""
        return open_store()

    @cached_property
    def clock(self) -> Clock:
        """The real time."""
        from kafab.adapters.machine.clock import SystemClock

        return SystemClock()

    def operator(self, command: str) -> Operator:
        """Return who begins a command now. One task may begin several: each is a run of its own."""
        return Operator(
            secrets.token_hex(8),
            getpass.getuser(),
            platform.node(),
            f"{command.partition(' ')[0]} {self.arguments}".strip(),
            datetime.now(timezone.utc),
        )

    def owner(self, command: str) -> str:
        """Return who holds a lock, for the operator who meets it."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"{getpass.getuser()} on {platform.node()} (`{command}`, pid {os.getpid()}) since {now}"

    def close(self) -> None:
        """Close what was opened, and only that."""
        for name in ("_clients", "_groups", "_access", "controllers", "_ensemble", "passages", "_ssh"):
            if self.__dict__.get(name) is not None:
                getattr(self, name).close()


def sudo_password_from(environ: Mapping[str, str]) -> Secret | None:
    """Read the password for sudo from the file descriptor that KAFAB_SUDO_PASSWORD_FD names, up to the end of its line.

    None where the variable is not set. Raises UsageError. Once a process: a descriptor can be read only once.
    """
    number = environ.get(PASSWORD_FD)
    if number is None:
        return None
    try:
        return _line_of(int(number))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{PASSWORD_FD}={number} cannot be read: {error}",
            hint=f"for example: {PASSWORD_FD}=3 fab deploy 3< password.txt",
        ) from error


@cache
def _line_of(descriptor: int) -> Secret:
    with os.fdopen(os.dup(descriptor), encoding="utf-8") as lines:
        return Secret(lines.readline().rstrip("\n"))


def open_store() -> Store:
    """Return this user's store of releases."""
    from kafab.adapters.store.store import ReleaseStore

    return ReleaseStore(cache_folder(os.environ) / "releases")


def open_lab(name: str, emit: Emit, kind: Kind | None = None) -> Lab:
    """Return this user's lab of that name, which may not be up; None is the kind it has, or local.

    Raises UsageError for a bad name, and where a lab of that name is of another kind.
    """
    from kafab.adapters.machine.clock import SystemClock
    from kafab.adapters.machine.localhost import Localhost

    labs = state_folder(os.environ) / "labs"
    chosen = chosen_kind(name, labs, kind)
    if chosen is Kind.LOCAL:
        return LocalLab(name, labs, machine=Localhost(), clock=SystemClock(), emit=emit)
    if chosen is Kind.VAGRANT:
        from kafab.adapters.machine.vagrant import VagrantCli

        return VagrantLab(
            name,
            labs,
            templates_folder() / "vagrant" / "Vagrantfile",
            boxes=VagrantCli(),
            machine=Localhost(),
            clock=SystemClock(),
            emit=emit,
        )
    from kafab.adapters.machine.docker import DockerCli

    return DockerLab(
        name,
        labs,
        templates_folder() / "docker",
        engine=DockerCli(),
        machine=Localhost(),
        clock=SystemClock(),
        emit=emit,
    )
