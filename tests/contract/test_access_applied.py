"""Whole applies against real brokers: an application loses no access while its ACLs are swapped, and the plan ends empty."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.access.reading import load
from kafab.access.writing import export
from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.machine.clock import SystemClock
from kafab.cluster.metadata import TopicSpec
from kafab.ops.access.applying import Asked, apply, make_plan
from kafab.ops.access.seeing import see
from kafab.testing.kafka import FakeKafka
from kafab.testing.secrets import FakeSecrets
from kafab.testing.world import FakeWorld
from tests.access_by_hand import VERSIONS, Guarded, asked
from tests.access_client import application
from tests.access_world import AccessWorld
from tests.kafka_by_hand import until

USERS = """users:
  app: {password: "${env:APP}"}
"""
BY_NAME = """acls:
  - {principal: User:app, topic: swapped, allow: [Read, Write, Describe]}
  - {principal: User:app, group: app, allow: Read}
"""
BY_PREFIX = """acls:
  - {principal: User:app, topic: swap, prefixed: true, allow: All}
  - {principal: User:app, group: ap, prefixed: true, allow: Read}
  - {principal: User:eve, topic: "*", deny: All}
"""


class Place:
    """Real brokers, and hosts in memory that lend the lock and keep the record."""

    def __init__(self, found: Guarded, admin: ClientsAdmin, root: Path) -> None:
        self.found, self.admin, self.root = found, admin, root
        hosts = AccessWorld(root)
        self.cluster = replace(found.cluster, name="prod", source=hosts.cluster.source)
        self.world = FakeWorld.of(
            FakeKafka(self.cluster),
            fleet=hosts.fleet,
            access=found.access,
            logins=found.logins,
            brokers=admin,
            topics=admin,
            secrets=FakeSecrets({"${env:APP}": "first, with = and $"}),
            clock=SystemClock(),
        )

    def asked(self, text: str, *, prune: bool = False) -> Asked:
        """Return what a file asks for."""
        file = self.root / "access.yaml"
        file.write_text(text)
        return Asked(load(self.root / "prod.yaml", self.cluster.version, file)[0], prune)

    def apply(self, text: str, *, prune: bool = False) -> int:
        """Apply a file, and return how many steps that took."""
        wanted = self.asked(text, prune=prune)
        found, sight = make_plan(self.cluster, wanted, self.world)
        apply(self.cluster, wanted, found, sight, self.world)
        return len(found.steps)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            version,
            marks=[
                pytest.mark.e2e,
                pytest.mark.xdist_group(f"access {version}"),
                pytest.mark.timeout(600),
            ],
        )
        for version in VERSIONS
    ],
)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield a cluster of each version and mode."""
    hand = request.getfixturevalue(f"guarded_{request.param.replace('.', '_')}")
    with (
        asked(hand) as found,
        closing(ClientsAdmin([node.endpoint for node in found.cluster.brokers])) as admin,
    ):
        yield Place(found, admin, tmp_path_factory.mktemp("applied"))


def test_application_is_denied_nothing_while_its_acls_are_swapped(place: Place) -> None:
    """From ACLs by name to those by the beginning of names and back, ten times: 0 denied; removed before they are added, some."""
    factor = len(place.cluster.brokers)
    topics = f"topics: {{swapped: {{partitions: 3, replication_factor: {factor}}}}}\n"
    assert place.apply(USERS + BY_NAME + topics) > 0
    with application(place.found.sasl, "app", "first, with = and $", "swapped", "app") as probe:
        until(
            lambda: probe.acked > 20 and probe.read > 20 and probe.committed > 0, "an application at work", 60
        )
        probe.denied.clear()
        probe.failed.clear()
        begun = probe.acked, probe.read
        for number in range(10):
            place.apply(USERS + (BY_PREFIX, BY_NAME)[number % 2] + topics, prune=True)
        assert (probe.denied, probe.failed) == ([], [])
        assert probe.acked > begun[0] + 20
        assert probe.read > begun[1] + 20
        have = see(place.cluster, None, place.world).have
        assert have.acls
        assert place.found.access.remove_acls(sorted(have.acls)) is None
        until(lambda: len(probe.denied) > 2, "denials", 60)
        assert place.apply(USERS + BY_NAME + topics) > 0
    assert place.apply("{}", prune=True) > 0


def test_changed_password_is_found_and_set(place: Place) -> None:
    """Somebody sets another password: the plan sees it by a login, an apply sets the file's, and then there is nothing to do."""
    place.apply(USERS)
    secrets = place.world.secrets
    assert isinstance(secrets, FakeSecrets)
    secrets.values = {"${env:APP}": "second"}
    found, _ = make_plan(place.cluster, place.asked(USERS), place.world)
    assert [str(step) for step in found.steps] == ["user app (SCRAM-SHA-512): password changed"]
    assert place.apply(USERS) == 1
    assert place.apply(USERS) == 0
    assert place.apply("{}", prune=True) == 1


def test_export_applied_changes_nothing(place: Place) -> None:
    """Whatever there is, written as a file and applied, with --prune too, has no step."""
    assert place.admin.create_topic(TopicSpec("exported", 2, 1, configs={"retention.ms": "86400000"})) is None
    quotas = "quotas: [{user: <default>, client_id: x, producer_byte_rate: 1000}, {client_id: <default>, consumer_byte_rate: 5, request_percentage: 12.5}]\n"
    place.apply(USERS + BY_PREFIX + quotas)
    text, left = export(see(place.cluster, None, place.world).have)
    assert left == ()
    assert "exported" in text
    assert place.apply(text, prune=True) == 0
    assert place.apply("{}", prune=True) > 0
    place.admin.delete_topic("exported")
