"""Kafka's own catalogue of broker properties as kafab ships it, and the verdicts that it gives."""

import importlib.machinery
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.config.catalogue import definitions, names
from kafab.config.catalogue.definitions import Catalogue, Definition, catalogue, releases
from kafab.config.catalogue.judge import alone, judge
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import complaint, narrowed
from kafab.config.defaults import FIRST_KRAFT, FIRST_WITHOUT_ZOOKEEPER
from kafab.config.properties import broker_properties
from kafab.inventory import InventoryError, load
from kafab.model import Role, Version
from tests.command_line import run_alone

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "kafab" / "config" / "catalogue" / "properties.json"
NEWEST = max(releases().values())
VERSIONS = tuple(releases().values())
ZOOKEEPER_MODE = {
    "broker.id": "1",
    "listeners": "PLAINTEXT://:9092",
    "advertised.listeners": "PLAINTEXT://kafka1:9092",
    "log.dirs": "/var/lib/kafka/broker",
    "zookeeper.connect": "zk1:2181",
}


def _remarks(version: str, **given_properties: str) -> list[Remark]:
    """Return the remarks on properties, written with __ for dots, of a broker in ZooKeeper mode."""
    given_names = {name.replace("__", "."): value for name, value in given_properties.items()}
    whole = {**ZOOKEEPER_MODE, **given_names}
    return list(judge(whole, catalogue(Version.parse(version)), given_names, kraft=False))


def _inventory(tmp_path: Path, properties: str, version: str = "3.9.2") -> Path:
    role = "zookeeper" if version < "4" else "controller"
    file = tmp_path / "prod.yaml"
    file.write_text(
        f"kafka: {{version: {version}, properties: {{{properties}}}}}\n"
        f"hosts:\n  node1: {{address: 10.0.0.11, {role}: 1, broker: 1}}\n",
        encoding="utf-8",
    )
    return file


def _definitions(version: Version) -> Iterator[tuple[Definition, str]]:
    """Yield the properties of a release that have a default a person could write, and that default."""
    for found in catalogue(version).known.values():
        if found.default is not None:
            yield found, found.default


@pytest.mark.parametrize(
    ("version", "count"), [("2.4.1", 192), ("3.9.2", 329), ("4.3.1", 360), ("4.4.0", 379)]
)
def test_catalogue_has_every_property(version: str, count: int) -> None:
    """A release has as many properties as its own ConfigDef."""
    assert len(catalogue(Version.parse(version)).known) == count


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_every_default_is_valid(version: Version) -> None:
    """Kafka's own default of each property is a value of its type, in its range."""
    line = (version.major, version.minor)
    found = {known.name: complaint(known, default, line) for known, default in _definitions(version)}
    assert {name: text for name, text in found.items() if text} == {}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_every_known_name_is_taken(version: Version) -> None:
    """A name that a release knows is right in ZooKeeper mode or in KRaft mode."""
    known = catalogue(version)
    refused = [
        name
        for name in known.known
        if all(names.complaint(known, name, {}, kraft=kraft) is not None for kraft in (True, False))
    ]
    assert refused == []


@given(st.data(), st.sampled_from(VERSIONS))
def test_name_with_a_letter_missing_is_noticed(data: st.DataObject, version: Version) -> None:
    """A name with one letter left out is a remark, unless it is another property of the same release."""
    known = catalogue(version)
    name = data.draw(st.sampled_from(sorted(known.known)))
    at = data.draw(st.integers(0, len(name) - 1))
    misspelt = name[:at] + name[at + 1 :]
    remark = names.complaint(known, misspelt, {}, kraft=version.major > 3)
    assert (remark is None) == (misspelt in known.known)


@given(st.integers(), st.sampled_from(VERSIONS))
def test_range_is_kafkas(number: int, version: Version) -> None:
    """A whole number is taken exactly where it lies within the definition and within its type."""
    for found in catalogue(version).known.values():
        if found.type not in ("short", "int", "long"):
            continue
        limit = 2 ** {"short": 15, "int": 31, "long": 63}[found.type]
        line = (version.major, version.minor)
        held = narrowed(found, line)
        low = -limit if held.low is None else held.low
        high = limit - 1 if held.high is None else held.high
        taken = complaint(found, str(number), line) is None
        assert taken == (low <= number <= high or number == held.other)


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        ("3.9.2", "num.partitons", "did you mean num.partitions?"),
        ("3.9.2", "Num.Partitions", "did you mean num.partitions?"),
        ("3.9.2", "num_partitions", "did you mean num.partitions?"),
        ("3.9.2", "retention.ms", "a property of topics; expected log.retention.ms"),
        ("3.9.2", "remote.storage.enable", "found a property of topics"),
        ("3.9.2", "bootstrap.servers", "found a property of clients"),
        ("2.4.1", "log.message.timestamp.after.max.ms", "since 3.6; this is 2.4"),
        (
            "4.3.1",
            "log.message.timestamp.difference.max.ms",
            "removed in 4.0: use log.message.timestamp.before",
        ),
        ("4.3.1", "zookeeper.connect", "removed in 4.0: KRaft has no ZooKeeper"),
        ("4.3.1", "delegation.token.master.key", "use delegation.token.secret.key"),
        ("3.9.2", "metadata.log.segment.bytes", "which only KRaft mode reads"),
        ("3.9.2", "listener.name.plaintext.ssl.keystore.locatoin", "did you mean ssl.keystore.location?"),
        (
            "3.9.2",
            "listener.name.inside.ssl.client.auth",
            "found the listener inside; expected one of plaintext",
        ),
        ("3.9.2", "config.providers.vault.class", "found no vault in config.providers"),
        ("3.9.2", "super.user", "did you mean super.users?"),
        ("3.9.2", "foo.bar", "--allow-unknown-properties if a plug-in reads it"),
    ],
)
def test_wrong_name(version: str, name: str, text: str) -> None:
    """A wrong name is told with what it was probably meant to be."""
    found = names.complaint(catalogue(Version.parse(version)), name, ZOOKEEPER_MODE, kraft=False)
    assert found is not None
    assert text in found.text


def test_kraft_mode_has_no_zookeeper() -> None:
    """What 3.9 reads in ZooKeeper mode only is refused in KRaft mode."""
    found = names.complaint(catalogue(Version(3, 9, 2)), "zookeeper.connect", {}, kraft=True)
    assert found
    assert "which KRaft mode does not read" in found.text


def test_plugins_properties_are_warnings() -> None:
    """Beside a plug-in of somebody else's an unknown name may be its own; a clear misspelling stays an error."""
    found = _remarks(
        "3.9.2", metric__reporters="org.example.Reporter", example__url="http://a", num__io__thread="8"
    )
    assert [(remark.name, remark.severity) for remark in found] == [
        ("example.url", "warning"),
        ("num.io.thread", "error"),
    ]


@pytest.mark.parametrize(
    "properties",
    [
        {"message.max.bytes": "2000000", "replica.fetch.max.bytes": "1000000"},
        {"log.retention.ms": "1000", "log.retention.hours": "1"},
        {"log.retention.bytes": "1000"},
        {"log.segment.bytes": "100000"},
        {"group.min.session.timeout.ms": "2000000"},
        {"authorizer.class.name": "kafka.security.authorizer.AclAuthorizer"},
        {"super.users": "User:admin"},
    ],
    ids=", ".join,
)
def test_regretted_later_is_a_warning(properties: dict[str, str]) -> None:
    """What Kafka takes without a word and nobody means is a warning."""
    found = judge({**ZOOKEEPER_MODE, **properties}, catalogue(Version(3, 9, 2)), properties, kraft=False)
    assert {remark.severity for remark in found} == {"warning"}


def test_version_between_lines_has_the_nearest_older_catalogue() -> None:
    """Patch releases have their minor line's catalogue; an unknown line the nearest older one, which says so."""
    known = {text: catalogue(Version.parse(text)) for text in ("3.9.0", "4.99.0", "2.0.0")}
    assert {text: (found.line, found.exact) for text, found in known.items()} == {
        "3.9.0": ((3, 9), True),
        "4.99.0": ((NEWEST.major, NEWEST.minor), False),
        "2.0.0": ((2, 4), False),
    }


def test_newer_version_than_the_catalogue_warns(tmp_path: Path) -> None:
    """With a version whose properties are not known yet a name may be new: warnings, and why, and no error."""
    _, warnings = load(_inventory(tmp_path, "brand.new.property: 1", "4.99.0"))
    assert [re.sub(r"; .*", "", found.text) for found in warnings] == [
        "found 4.99.0, whose properties kafab does not know",
        "unknown property brand.new.property in Kafka 4.4, the nearest version kafab knows",
    ]


def test_unknown_properties_can_be_allowed(tmp_path: Path) -> None:
    """The exception turns a name that no Kafka knows into a warning, and nothing else."""
    file = _inventory(tmp_path, "example.url: a, num.io.threads: b")
    with pytest.raises(InventoryError) as caught:
        load(file, allow_unknown_properties=True)
    assert [found.key for found in caught.value.problems] == ["kafka.properties.num.io.threads"]
    assert [found.key for found in caught.value.warnings] == ["kafka.properties.example.url"]


@pytest.mark.parametrize(
    ("version", "roles"),
    [
        *((found, "zookeeper: 1, broker: 1") for found in VERSIONS if found < FIRST_WITHOUT_ZOOKEEPER),
        *((found, "controller: 1, broker: 1") for found in VERSIONS if found >= FIRST_KRAFT),
        *((found, "controller: 2, broker: 1") for found in VERSIONS if found >= FIRST_KRAFT),
    ],
    ids=str,
)
def test_files_of_kafab_itself_are_right(tmp_path: Path, version: Version, roles: str) -> None:
    """What kafab writes on its own is known to each version that it deploys, and breaks none of its rules."""
    file = tmp_path / "prod.yaml"
    file.write_text(f"kafka: {{version: {version}}}\nhosts:\n  node1: {{address: 10.0.0.11, {roles}}}\n")
    cluster, _ = load(file)
    for node in cluster.nodes:
        if node.role is not Role.ZOOKEEPER:
            properties = broker_properties(cluster, node)
            assert list(judge(properties, catalogue(version), properties, kraft="controller" in roles)) == []


@pytest.mark.usefixtures("signals_given_back")
@pytest.mark.parametrize("words", [("inventory.check", "--cluster"), ("on",)], ids=" ".join)
def test_commands_can_allow_unknown_properties(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """The flag is there where an inventory is chosen; without it the same file ends the line with 2."""
    file = str(_inventory(tmp_path, "example.url: a"))
    allowed = run_alone(tmp_path, capsys, *words, file, "--allow-unknown-properties")
    refused = run_alone(tmp_path, capsys, *words, file)
    assert (allowed.code, refused.code) == (0, 2)
    assert "unknown property example.url" in allowed.out + allowed.err


def test_reference_of_a_provider_is_taken() -> None:
    """A value that a config provider resolves is not judged; one that nobody resolves is an error."""
    providers = {"config.providers": "env", "config.providers.env.class": "org.apache.kafka.X"}
    properties = {**ZOOKEEPER_MODE, **providers, "num.io.threads": "${env:THREADS}", "num.partitions": "${N}"}
    known: Catalogue = catalogue(Version(3, 9, 2))
    found = [
        list(alone(name, properties, known, kraft=False)) for name in ("num.io.threads", "num.partitions")
    ]
    assert [len(remarks) for remarks in found] == [0, 1]


def test_inventory_without_properties_reads_no_catalogue(tmp_path: Path) -> None:
    """The catalogue costs nothing where nothing is asked of it."""
    definitions._data.cache_clear()
    load(ROOT / "inventory" / "examples" / "three.yaml")
    assert definitions._data.cache_info().currsize == 0


def test_file_is_as_the_script_writes_it() -> None:
    """Reading the file and writing it again changes nothing: sorted, a line a variant, equal neighbours joined."""
    path = str(ROOT / "scripts" / "catalogue")
    loader = importlib.machinery.SourceFileLoader("catalogue_script", path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    text = DATA.read_text(encoding="utf-8")
    assert script.Table(json.loads(text)).text() == text


def test_page_lists_the_releases() -> None:
    """docs/properties.md names every release that the catalogue was read from."""
    page = (ROOT / "docs" / "properties.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- releases -->\n(.*?)\n<!-- /releases -->", page, re.DOTALL)
    assert found
    assert re.findall(r"\d+\.\d+\.\d+", found[1]) == [str(version) for version in VERSIONS]


def test_page_names_every_replacement() -> None:
    """docs/properties.md has what to write instead of each property that Kafka removed."""
    page = (ROOT / "docs" / "properties.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {instead} |" for name, instead in names.INSTEAD.items()]
    assert [row for row in rows if row not in page] == []


def test_replacements_are_of_removed_properties() -> None:
    """Each name with a replacement was a property once, and is none of the newest release."""
    spans = {name: definitions.spans(name) for name in names.INSTEAD}
    newest = (NEWEST.major, NEWEST.minor)
    assert [name for name, span in spans.items() if span is None or span[1] >= newest] == []
