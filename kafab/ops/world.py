"""What every operation works with: the ports, each made when it is first used."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kafab.events import Emit
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
    Passages,
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


@dataclass(frozen=True)
class Operator:
    """Who runs a command, from where, since when; ``run`` tells this run of it from every other."""

    run: str
    user: str
    machine: str
    command: str
    """The command with the arguments that it was given."""
    at: datetime


class World(Protocol):
    """The ports of one cluster. Reading an attribute may import and make an adapter, so an operation reads what it uses.

    A command in KRaft mode never reads ``zookeeper``, and a plan reads neither ``brokers`` nor ``records``.
    """

    @property
    def fleet(self) -> Fleet:
        """The hosts over SSH."""

    @property
    def zookeeper(self) -> ZooKeeper:
        """The ensemble, in ZooKeeper mode."""

    @property
    def controllers(self) -> Controllers:
        """The controllers, in KRaft mode."""

    @property
    def brokers(self) -> Brokers:
        """What brokers say."""

    @property
    def topics(self) -> Topics:
        """Changes of topics."""

    @property
    def settings(self) -> Settings:
        """Changes of what brokers run with."""

    @property
    def leaders(self) -> Leaders:
        """Who leads partitions."""

    @property
    def groups(self) -> Groups:
        """Groups of consumers."""

    @property
    def offsets(self) -> Offsets:
        """Offsets of partitions."""

    @property
    def access(self) -> Access:
        """Users, ACLs and quotas."""

    @property
    def logins(self) -> Logins:
        """Logins at the brokers."""

    @property
    def records(self) -> Records:
        """Records written and read."""

    @property
    def writers(self) -> Writers:
        """Producers of both clients."""

    @property
    def readers(self) -> Readers:
        """Consumers of both clients."""

    @property
    def canaries(self) -> Canaries:
        """Processes that write and read beside an operation."""

    @property
    def workers(self) -> Workers:
        """Processes that a drill works with."""

    @property
    def secrets(self) -> Secrets:
        """Secrets by reference."""

    @property
    def walls(self) -> Walls:
        """Attempts of a stranger."""

    @property
    def passages(self) -> Passages:
        """The ways to the addresses of nodes."""

    @property
    def certificates(self) -> Certificates:
        """Certificates and keys on this machine."""

    @property
    def store(self) -> Store:
        """The releases on this machine."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def emit(self) -> Emit:
        """Where events go."""

    def operator(self, command: str) -> Operator:
        """Return who begins this command now."""

    def owner(self, command: str) -> str:
        """Return who holds a lock for this command: who, from where, with what, since when."""
