"""A world for tests of access as code: Kafka in memory, and hosts that lend the lock and keep the record."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kafab.command import Outcome, Result, Script
from kafab.testing.access import FakeAccess
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.secrets import FakeSecrets
from kafab.testing.world import FakeWorld
from tests.conftest import cluster_in


@dataclass
class AccessWorld:
    """Three hosts with brokers that kafab is the super user of, which have an authorizer and SASL."""

    root: Path
    super_users: str = "User:ANONYMOUS"
    records: dict[str, str] = field(default_factory=dict)
    """Host -> the record that it keeps."""
    access: FakeAccess = field(default_factory=FakeAccess)
    secrets: FakeSecrets = field(
        default_factory=lambda: FakeSecrets({"${env:ANN}": "ann's", "${env:BOB}": "bob's"})
    )
    on_lock: Callable[[], None] | None = None
    """What happens between the plan and the lock."""

    def __post_init__(self) -> None:
        self.file = self.root / "access.yaml"
        inventory = self.root / "prod.yaml"
        inventory.write_text("access: access.yaml\n")
        self.cluster = replace(cluster_in(self.root, 3), name="prod", source=inventory)
        self.kafka = FakeKafka(self.cluster)
        self.kafka.dynamic[None] = {
            "super.users": self.super_users,
            "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
        }
        self.fleet = FakeFleet({host.name: self._host(host.name) for host in self.cluster.hosts})
        self.world = FakeWorld.of(
            self.kafka, fleet=self.fleet, access=self.access, logins=self.access, secrets=self.secrets
        )

    def write(self, text: str) -> None:
        """Let the file say this."""
        self.file.write_text(text)

    def _host(self, name: str) -> Callable[[Script], Outcome]:
        def answer(script: Script) -> Outcome:
            if script.called("lock"):
                if self.on_lock:
                    self.on_lock()
                return Result(0, b"locked\n", "")
            for call in script.called("journal_write"):
                self.records[name] = str(call.words[1])
            said = f"{self.records[name]}\n" if script.called("journal_read") and name in self.records else ""
            return Result(0, f"{said}end\n".encode(), "")

        return answer
