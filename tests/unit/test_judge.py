"""What the judge of properties says of what people write: something of each mistake, nothing of what is right.

tests/cases/judge has the corpus, by kind. tests/cases/properties beside it has files on which Kafka's own verdict is compared.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from kafab.cautions import Caution
from kafab.config.catalogue.definitions import catalogue
from kafab.config.catalogue.judge import judge
from kafab.inventory import InventoryError, load
from kafab.model import Version
from kafab.problems import Problem

CASES = Path(__file__).resolve().parents[1] / "cases" / "judge"
VERSIONS = ("2.4.1", "3.9.2", "4.3.1", "4.4.0")


@cache
def _corpus(name: str) -> Mapping[str, list[dict[str, Any]]]:
    # A base loader keeps every value the text that it will be in the file.
    found: dict[str, list[dict[str, Any]]] = yaml.load(
        (CASES / f"{name}.yaml").read_text(encoding="utf-8"), yaml.BaseLoader
    )
    return found


def _of(name: str, kind: str, version: str) -> Iterator[dict[str, str]]:
    """Yield the properties of each case of a kind that a version has."""
    for case in _corpus(name)[kind]:
        if version in case.get("on", VERSIONS):
            yield {key: value for key, value in case.items() if key != "on"}


def _told(folder: Path, version: str, properties: Mapping[str, str]) -> list[Problem]:
    """Return every problem of an inventory of three hosts with these properties, warnings last."""
    role = "zookeeper" if version < "4" else "controller"
    hosts = {f"n{at}": {"address": f"10.0.0.1{at}", role: at, "broker": at} for at in (1, 2, 3)}
    kafka = {"version": version, **({"properties": dict(properties)} if properties else {})}
    file = folder / "prod.yaml"
    file.write_text(
        json.dumps({"kafka": kafka, "hosts": hosts}), encoding="utf-8"
    )  # JSON is YAML, and quickly written
    try:
        return list(load(file)[1])
    except InventoryError as error:
        return [*error.problems, *error.warnings]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", _corpus("broken"))
def test_each_mistake_is_told(tmp_path: Path, kind: str, version: str) -> None:
    """There is a remark on a property that the case wrote, in each version that has it."""
    silent = [
        properties
        for properties in _of("broken", kind, version)
        if not any(
            found.key == f"kafka.properties.{name}"
            for found in _told(tmp_path, version, properties)
            for name in properties
        )
    ]
    assert silent == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", _corpus("valid"))
def test_no_word_about_what_is_right(tmp_path: Path, kind: str, version: str) -> None:
    """Not even a warning."""
    told = [
        (properties, list(map(str, found)))
        for properties in _of("valid", kind, version)
        if (found := _told(tmp_path, version, properties))
    ]
    assert told == []


@pytest.mark.parametrize("name", ["broken", "valid"])
def test_corpus_has_every_version(name: str) -> None:
    """Each version has fifty cases and more."""
    counts = [sum(1 for kind in _corpus(name) for _ in _of(name, kind, version)) for version in VERSIONS]
    assert min(counts) > 50


BROKER = {
    "process.roles": "broker",
    "node.id": "4",
    "listeners": "IN://10.0.0.4:9092,OUT://:9094",
    "advertised.listeners": "IN://10.0.0.4:9092,OUT://kafka4.example.org:9094",
    "listener.security.protocol.map": "IN:PLAINTEXT,OUT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "IN",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.bootstrap.servers": "kafka1:9093,kafka2:9093",
    "log.dirs": "/data/a,/data/b",
}
SASL = {"listener.security.protocol.map": "IN:PLAINTEXT,OUT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"}
TLS = {"listener.security.protocol.map": "IN:PLAINTEXT,OUT:SSL,CONTROLLER:PLAINTEXT"}
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required;"


def _remarked(changes: Mapping[str, str], version: str = "4.3.1") -> list[tuple[str, Caution | None]]:
    """Return the blamed property and the code of each remark on a broker's file that was written by hand."""
    properties = {**BROKER, **changes}
    remarks = judge(properties, catalogue(Version.parse(version)), properties, kraft=True)
    return [(remark.name, remark.caution) for remark in remarks]


@pytest.mark.parametrize("version", ["3.9.2", "4.3.1", "4.4.0"])
def test_file_by_hand_is_right(version: str) -> None:
    """A whole file with two listeners and two folders has no remark."""
    assert _remarked({}, version) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (SASL, [("listeners", Caution.SASL_WITHOUT_LOGIN)]),
        (SASL | {"listener.name.out.plain.sasl.jaas.config": LOGIN}, []),
        (
            SASL | {"listener.name.out.plain.sasl.jaas.config": LOGIN.rstrip(";")},
            [("listener.name.out.plain.sasl.jaas.config", None)],
        ),
        (TLS, [("listeners", Caution.TLS_WITHOUT_KEY)]),
        (TLS | {"ssl.keystore.location": "/etc/kafka/keys.p12"}, []),
        (TLS | {"listener.name.out.ssl.keystore.location": "/etc/kafka/keys.p12"}, []),
        (
            TLS | {"listener.name.in.ssl.keystore.location": "/etc/kafka/keys.p12"},
            [("listeners", Caution.TLS_WITHOUT_KEY)],
        ),
        (TLS | {"ssl.engine.factory.class": "org.example.Keys"}, []),
    ],
)
def test_listener_without_its_keys(
    changes: dict[str, str], expected: list[tuple[str, Caution | None]]
) -> None:
    """A SASL listener needs a login and a TLS listener a key, in general or of its own."""
    assert _remarked(changes) == expected


@pytest.mark.parametrize(
    ("advertised", "warned"),
    [
        ("IN://10.0.0.4:9092,OUT://kafka4.example.org:30094", False),
        ("IN://kafka4:19092,OUT://kafka4.example.org:9094", False),
        ("IN://10.0.0.4:9095,OUT://kafka4.example.org:9094", True),
        ("IN://10.0.0.4:9094,OUT://kafka4.example.org:9092", True),
    ],
)
def test_advertised_port(advertised: str, warned: bool) -> None:
    """A mapped port is fine; one that another listener has, or nobody at the address that is bound, is not."""
    found = {
        caution
        for name, caution in _remarked({"advertised.listeners": advertised})
        if name == "advertised.listeners"
    }
    assert found == ({Caution.ADVERTISED_ELSEWHERE} if warned else set())


def test_voters_beside_bootstrap_servers() -> None:
    """Kafka takes both, and one of them has no effect."""
    found = _remarked({"controller.quorum.voters": "1@kafka1:9093,2@kafka2:9093"})
    assert found == [("controller.quorum.voters", Caution.WITHOUT_EFFECT)]


def test_each_folder_once() -> None:
    """A folder that is named twice is an error: LogManager ends with `Duplicate log directory found`."""
    assert _remarked({"log.dirs": "/data/a,/data/b,/data/a"}) == [("log.dirs", None)]
