"""Verdicts on a broker's properties, kafab's against Kafka's own, for every case of tests/cases/properties."""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from kafab.config.catalogue.definitions import catalogue
from kafab.config.catalogue.judge import judge
from kafab.config.properties import format_properties
from kafab.model import Version
from tests.conftest import cannot_run
from tests.kafka_by_hand import unpacked

HERE = Path(__file__).resolve().parent
# A base loader keeps every value the text that it will be in the file.
DATA: dict[str, Any] = yaml.load(
    (HERE.parent / "cases" / "properties" / "verdicts.yaml").read_text(encoding="utf-8"), yaml.BaseLoader
)
BASES: dict[str, Any] = DATA["bases"]


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
def libs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the jars of a release, unpacked once."""
    return cache(lambda release: unpacked(Version.parse(release), tmp_path_factory.mktemp(release)))


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
def test_kafka_agrees_with_the_cases(base: str, libs: Callable[[str], Path], tmp_path: Path) -> None:
    """Kafka itself refuses, and takes, the same files: the cases are true."""
    if shutil.which("javac") is None:
        cannot_run("a JDK runs Verdict.java as source, and there is no javac on the PATH")
    cases = _cases(base)
    files = [tmp_path / f"{number}.properties" for number in range(len(cases))]
    for file, case in zip(files, cases, strict=True):
        file.write_text(format_properties(case.properties), encoding="ascii")
    path = f"{libs(BASES[base]['release'])}/*"
    java = ["java", "-XX:TieredStopAtLevel=1", "-cp", path, str(HERE / "Verdict.java")]
    done = subprocess.run(
        [*java, *map(str, files)], stdout=subprocess.PIPE, text=True, timeout=120, check=True
    )
    verdicts = done.stdout.splitlines()
    wrong = [
        (case.change, verdict)
        for case, verdict in zip(cases, verdicts, strict=True)
        if bool(verdict) != case.by_kafka
    ]
    assert not wrong, "\n".join(map(str, wrong))
