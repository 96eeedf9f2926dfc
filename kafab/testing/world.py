"""All ports together, faked: what an operation is given in a test."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from kafab.events import Emit, silent
from kafab.ops.world import Operator, World
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
from kafab.testing.access import FakeAccess
from kafab.testing.admin import FakeAdmin
from kafab.testing.canaries import FakeCanaries
from kafab.testing.certificates import FakeCertificates
from kafab.testing.controllers import FakeControllers
from kafab.testing.fleet import FakeClock, FakeFleet
from kafab.testing.groups import FakeGroups
from kafab.testing.kafka import FakeKafka
from kafab.testing.passages import FakePassages
from kafab.testing.readers import FakeReaders
from kafab.testing.secrets import FakeSecrets
from kafab.testing.store import FakeStore
from kafab.testing.walls import FakeWalls
from kafab.testing.workers import FakeWorkers
from kafab.testing.writers import FakeWriters
from kafab.testing.zookeeper import FakeZooKeeper


@dataclass
class FakeWorld:
    """An `ops.world.World` of fakes; `of` makes one around a cluster in memory."""

    fleet: Fleet
    zookeeper: ZooKeeper
    controllers: Controllers
    brokers: Brokers
    topics: Topics
    records: Records
    leaders: Leaders
    settings: Settings
    store: Store
    workers: Workers = field(default_factory=FakeWorkers)
    canaries: Canaries = field(default_factory=FakeCanaries)
    writers: Writers = field(default_factory=FakeWriters)
    readers: Readers = field(default_factory=FakeReaders)
    access: Access = field(default_factory=FakeAccess)
    logins: Logins = field(default_factory=FakeAccess)
    groups: Groups = field(default_factory=FakeGroups)
    offsets: Offsets = field(default_factory=FakeGroups)
    secrets: Secrets = field(default_factory=FakeSecrets)
    walls: Walls = field(default_factory=FakeWalls)
    passages: Passages = field(default_factory=FakePassages)
    certificates: Certificates = field(default_factory=FakeCertificates)
    clock: Clock = field(default_factory=FakeClock)
    emit: Emit = silent
    runs: int = 0
    """How many commands an operator has begun."""

    @classmethod
    def of(cls, kafka: FakeKafka, admin: FakeAdmin | None = None, **ports: Any) -> "FakeWorld":
        """Return a world around a cluster: no host is there to be asked, and its release is stored, unless ``ports`` say so.

        ``admin`` stands for brokers, topics, settings, leaders and records.
        """
        one = admin or FakeAdmin(kafka)
        made: dict[str, Any] = {
            "fleet": FakeFleet({}, unreachable={host.name: "no host" for host in kafka.cluster.hosts}),
            "zookeeper": FakeZooKeeper(kafka),
            "controllers": FakeControllers(kafka),
            "brokers": one,
            "topics": one,
            "records": one,
            "leaders": one,
            "settings": one,
            "store": FakeStore.for_cluster(kafka.cluster),
        }
        return cls(**made | ports)

    def operator(self, command: str) -> Operator:
        """Return the same operator at the time of the clock; the runs are numbered."""
        self.runs += 1
        at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.clock.now())
        return Operator(f"run{self.runs}", "ann", "desk", command, at)

    def owner(self, command: str) -> str:
        """Return who holds a lock."""
        return f"ann (`{command}`)"


def _typed_against_the_protocol(kafka: FakeKafka) -> World:
    """Let mypy say where the fakes have left their ports."""
    return FakeWorld.of(kafka)
