"""Verdicts on a broker's properties, kafab's against Kafka's own, for every case of tests/cases/properties."""

import base64
import random
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from kafab.command import Secret
from kafab.config.catalogue import names
from kafab.config.catalogue.definitions import Definition, catalogue
from kafab.config.catalogue.judge import judge
from kafab.config.defaults import MIN_IN_SYNC
from kafab.config.jaas import login
from kafab.config.properties import format_properties
from kafab.config.resolving import resolved
from kafab.config.security import PLAIN, jaas_property
from kafab.errors import UsageError
from kafab.model import Version
from kafab.references import Reference
from tests.conftest import cannot_run
from tests.kafka_by_hand import unpacked

HERE = Path(__file__).resolve().parent
# A base loader keeps every value the text that it will be in the file.
DATA: dict[str, Any] = yaml.load(
    (HERE.parent / "cases" / "properties" / "verdicts.yaml").read_text(encoding="utf-8"), yaml.BaseLoader
)
BASES: dict[str, Any] = DATA["bases"]
# Kafka starts with more in-sync replicas than replicas, and then refuses what is written.
_LATER = frozenset({*MIN_IN_SYNC, *MIN_IN_SYNC.values()})
_LIMITS = ("2.4.1", "3.9.2", "4.3.1 controller", "4.4.0 broker")


class Case(NamedTuple):
    """What a case changes in its base, the whole file, and who is to refuse it."""

    change: str
    properties: dict[str, str]
    by_kafka: bool
    by_kafab: bool


def _cases(base: str) -> list[Case]:
    found = []
    for case in DATA["cases"]:
        if base in case.get("on", BASES):
            whole = {**BASES[base]["properties"], **case["properties"]}
            properties = {name: value for name, value in whole.items() if value != "null"}
            by_kafka, by_kafab = (case["refused"] in ("true", who) for who in ("kafka", "later"))
            found.append(Case(str(case["properties"]), properties, by_kafka, by_kafab))
    return found


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return the class path of Verdict.java and of a release's jars, compiled and unpacked once."""

    def made(release: str) -> str:
        if shutil.which("javac") is None:
            cannot_run("Verdict.java is compiled, and there is no javac on the PATH")
        folder = tmp_path_factory.mktemp(release)
        jars = f"{unpacked(Version.parse(release), folder)}/*"
        words = ["javac", "-J-XX:TieredStopAtLevel=1", "-cp", jars, "-d", str(folder / "classes")]
        sources = [str(HERE / name) for name in ("Verdict.java", "Password.java", "Login.java")]
        subprocess.run([*words, *sources], timeout=120, check=True)
        return f"{folder / 'classes'}:{jars}"

    return cache(made)


@pytest.mark.parametrize("base", BASES)
def test_kafab_agrees_with_the_cases(base: str) -> None:
    """There is a problem with each file that is to be refused, and none with any other."""
    known = catalogue(Version.parse(BASES[base]["release"]))
    wrong = []
    for case in _cases(base):
        remarks = judge(case.properties, known, case.properties, kraft="process.roles" in case.properties)
        found = [f"{remark.name}: {remark.text}" for remark in remarks if remark.severity == "error"]
        if bool(found) != case.by_kafab:
            wrong.append((case.change, found))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.e2e
@pytest.mark.parametrize("base", BASES)
def test_kafka_agrees_with_the_cases(base: str, classes: Callable[[str], str], tmp_path: Path) -> None:
    """Kafka itself refuses, and takes, the same files: the cases are true."""
    cases = _cases(base)
    verdicts = _verdicts(classes(BASES[base]["release"]), [case.properties for case in cases], tmp_path)
    wrong = [
        (case.change, verdict)
        for case, verdict in zip(cases, verdicts, strict=True)
        if bool(verdict) != case.by_kafka
    ]
    assert not wrong, "\n".join(map(str, wrong))


def _verdicts(classes: str, files: list[dict[str, str]], folder: Path) -> list[str]:
    """Return what Kafka says of each file: nothing, or the message that it would end with."""
    paths = [folder / f"{number}.properties" for number in range(len(files))]
    for path, properties in zip(paths, files, strict=True):
        path.write_text(format_properties(properties), encoding="ascii")
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Verdict"]
    done = subprocess.run(
        [*java, *map(str, paths)], stdout=subprocess.PIPE, text=True, timeout=120, check=True
    )
    return done.stdout.splitlines()


_SECRETS = (
    *(
        "plain",
        "$",
        "${env:HOME}",
        '"',
        "'",
        "\\",
        "\\\\",
        "\\n",
        "a\\",
        "#",
        "!",
        "=",
        ":",
        "#!=:",
        "a b",
        "a\tb",
        "%s",
        "{{x}}",
    ),
    *("ä", "\u20ac", "\U0001d11e", "\u00a0", "\u200b", "a\x7fb", "a\x01b", "\\u0041", "x" * 5000),
    *(" a", "a ", "\ta", "a\x1f", "two\nlines"),
)


@pytest.mark.e2e
@pytest.mark.parametrize("release", ["2.4.1", "4.3.1"])
def test_kafka_reads_a_secret_back_or_it_is_refused(
    release: str, classes: Callable[[str], str], tmp_path: Path
) -> None:
    """What kafab writes for a password Kafka takes for that very password; what it would alter is refused, and only that."""
    name, reference = "ssl.key.password", Reference.parse("${env:X}")
    written: list[tuple[str, Path]] = []
    refused = []
    for value in _SECRETS:
        properties = {name: str(reference)}
        try:
            found = resolved(properties, {reference: Secret(value)})
            written.append((value, tmp_path / f"{len(written)}.properties"))
            written[-1][1].write_text(format_properties(found), encoding="ascii")
        except UsageError:
            refused.append(value)
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes(release), "Password", name]
    done = subprocess.run(
        [*java, *(str(path) for _, path in written)], stdout=subprocess.PIPE, timeout=120, check=True
    )
    read = [base64.b64decode(line).decode() for line in done.stdout.splitlines()]
    assert read == [value for value, _ in written]
    # Two lines are refused where they are read.
    assert refused == [" a", "a ", "\ta", "a\x1f"]


@pytest.mark.e2e
@pytest.mark.parametrize("release", ["2.4.1", "4.3.1"])
def test_kafka_reads_a_login_back(release: str, classes: Callable[[str], str], tmp_path: Path) -> None:
    """Of the login that brokers have among themselves Kafka reads the very user and password, whatever letters these have."""
    name, reference = jaas_property("INTERNAL", PLAIN), Reference.parse("${env:X}")
    wanted, files = [], []
    # Two lines are refused where they are read.
    for number, value in enumerate(one for one in _SECRETS if "\n" not in one):
        user = "broker" if number % 2 else f"b {value}"[:40].strip()
        text = login("Plain", {"username": user, "password": str(reference), f"user_{user}": str(reference)})
        wanted.append({"username": user, "password": value, f"user_{user}": value})
        files.append(tmp_path / f"{number}.properties")
        found = resolved({name: text}, {reference: Secret(value)})
        files[-1].write_text(format_properties(found), encoding="ascii")
    words = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes(release), "Login"]
    done = subprocess.run(
        [*words, "INTERNAL", PLAIN, *map(str, files)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    assert [_options(line) for line in done.stdout.splitlines()] == wanted


def _options(line: str) -> dict[str, str]:
    pairs = (word.split(":") for word in line.split())
    return {base64.b64decode(name).decode(): base64.b64decode(value).decode() for name, value in pairs}


def _numbers(base: str) -> list[Definition]:
    """Return the numeric properties that a base may have in its mode; who a node is stands in the base."""
    properties: dict[str, str] = BASES[base]["properties"]
    known = catalogue(Version.parse(BASES[base]["release"]))
    return [
        found
        for name, found in known.known.items()
        if found.type in ("short", "int", "long", "double")
        and name not in _LATER | {"broker.id", "node.id", "reserved.broker.max.id"}
        and names.complaint(known, name, properties, kraft="process.roles" in properties) is None
    ]


def _around(definition: Definition) -> list[str]:
    """Return whole numbers around a property's limits and its default, within its type."""
    most = 2 ** {"short": 15, "int": 31}.get(definition.type, 40) - 1
    default = definition.default if (definition.default or "").lstrip("-").isdigit() else "1"
    middles = [definition.low, definition.high, int(default or "1")]
    wanted = {int(middle) + step for middle in middles if middle is not None for step in (-1, 0, 1)}
    wanted |= {int(default or "1") * 100, 0, -2}
    return [str(number) for number in sorted(wanted) if abs(number) <= most]


@pytest.mark.e2e
@pytest.mark.parametrize("base", _LIMITS)
def test_kafka_agrees_around_every_limit(base: str, classes: Callable[[str], str], tmp_path: Path) -> None:
    """Whatever number Kafka refuses kafab refuses, and nothing else: each property alone, and some pairs of kin."""
    release, properties = BASES[base]["release"], BASES[base]["properties"]
    known, kraft = catalogue(Version.parse(release)), "process.roles" in properties
    kin: dict[str, list[Definition]] = {}
    for found in _numbers(base):
        for key in (found.name.rpartition(".")[0], ".".join(found.name.split(".")[:2])):
            kin.setdefault(key, []).append(found)
    chosen = random.Random(base)  # the same each time
    changes = [{found.name: value} for found in _numbers(base) for value in _around(found)]
    pairs = [pair for group in kin.values() for pair in combinations(group, 2)]
    changes += [
        {found.name: chosen.choice(_around(found)) for found in two} for two in chosen.sample(pairs, 150)
    ]
    verdicts = _verdicts(classes(release), [properties | change for change in changes], tmp_path)
    wrong = []
    for change, verdict in zip(changes, verdicts, strict=True):
        remarks = judge(properties | change, known, change, kraft=kraft)
        errors = [
            remark.text for remark in remarks if remark.severity == "error" and remark.name not in _LATER
        ]
        if bool(errors) != bool(verdict):
            wrong.append((change, verdict, errors))
    assert not wrong, "\n".join(map(str, wrong))
