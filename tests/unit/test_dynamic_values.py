"""Dynamic values that hide what the inventory says."""

from pathlib import Path

import pytest

from kafab.checks.configs import judge_dynamic, shadows
from kafab.cluster.metadata import Running, Setting, Source
from kafab.findings import Severity
from kafab.ops.check.verify import verify
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


def setting(name: str, value: str | None, source: Source = Source.BROKER, *, secret: bool = False) -> Setting:
    """Return a property with one place."""
    return Setting(name, value, source, secret, (Running(name, value, source),))


@pytest.mark.parametrize(
    ("file", "found", "names"),
    [
        ({"num.io.threads": "8"}, setting("num.io.threads", "16"), ["num.io.threads"]),
        ({"num.io.threads": "8"}, setting("num.io.threads", "16", Source.CLUSTER), ["num.io.threads"]),
        ({"num.io.threads": "08"}, setting("num.io.threads", "8"), []),
        ({}, setting("num.io.threads", "16"), []),
        ({"num.io.threads": "8"}, setting("num.io.threads", "5", Source.FILE), []),
        ({"ssl.key.password": "x"}, setting("ssl.key.password", None, secret=True), []),
    ],
)
def test_what_hides_the_file(file: dict[str, str], found: Setting, names: list[str]) -> None:
    """A dynamic value in force that Kafka reads as another one than the file's; secrets cannot be compared."""
    assert [one.name for one in shadows(file, {found.name: found})] == names


def test_synonym_in_the_file_is_hidden() -> None:
    """A dynamic log.retention.ms hides log.retention.hours of the file, and both names are told."""
    places = (
        Running("log.retention.ms", "1000", Source.BROKER),
        Running("log.retention.hours", "2", Source.FILE),
    )
    found = Setting("log.retention.ms", "1000", Source.BROKER, places=places)
    (shadow,) = shadows({"log.retention.hours": "2"}, {found.name: found})
    assert shadow.text == "log.retention.ms=1000 (dynamic, this broker) hides log.retention.hours=2"


@pytest.mark.parametrize(("broker", "entity"), [(2, "--entity-name 2"), (None, "--entity-default")])
def test_verify_warns_and_says_what_to_type(tmp_path: Path, broker: int | None, entity: str) -> None:
    """The hint takes the value away where it was set: of the broker, or of all."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    cosmos.kafka.dynamic[broker] = {"unclean.leader.election.enable": "true", "num.io.threads": "16"}
    report = verify(cosmos.cluster, cosmos.world, probe=False)
    found = next(
        f for f in report.findings if (f.check, f.subject) == ("broker.dynamic-config", "node2/broker")
    )
    assert found.severity is Severity.WARN
    assert found.detail.startswith("unclean.leader.election.enable=true")
    assert found.hint
    assert f"{entity} --alter --delete-config unclean.leader.election.enable" in found.hint


def test_silent_broker_is_unknown(tmp_path: Path) -> None:
    """What a broker runs with is not known while it does not answer."""
    cluster = cluster_in(tmp_path, 1)
    (found,) = judge_dynamic(cluster, {1: Unknown("connection refused")})
    assert (found.severity, found.detail) == (Severity.UNKNOWN, "connection refused")
