"""Inventories are read strictly: every malformed kind is a problem with a place, every example a cluster."""

import functools
import json
import os
import re
import stat
from pathlib import Path, PurePosixPath

import jsonschema
import pytest
import yaml

from kafab.inventory import InventoryError, load, schema, yamltree
from kafab.model import Cluster, Reach, Role, Ssh
from kafab.ops.author import inventories

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests" / "cases" / "inventory").glob("*.yaml"))
EXAMPLES = sorted((ROOT / "inventory" / "examples").glob("*.yaml"))
MINIMAL = "kafka: {version: 3.9.2}\nhosts:\n  node1: {address: 10.0.0.11, zookeeper: 1, broker: 1}\n"


def _problems(file: Path) -> list[str]:
    """Return every problem of a file without the file's name, warnings last and marked."""
    try:
        _, warnings = load(file)
        errors: tuple[object, ...] = ()
    except InventoryError as error:
        errors, warnings = error.problems, error.warnings
    cut = f"{file}:"
    return [str(found).removeprefix(cut) for found in errors] + [
        f"warning: {str(found).removeprefix(cut)}" for found in warnings
    ]


def _loaded(tmp_path: Path, text: str, *, allow_unknown_properties: bool = False) -> Cluster:
    file = tmp_path / "prod.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, allow_unknown_properties=allow_unknown_properties)[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_malformed_inventory(case: Path) -> None:
    """Each malformed kind gives exactly the problems beside it, each with its line, column and key."""
    expected = case.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    assert _problems(case) == expected


def test_every_kind_has_a_case() -> None:
    """The cases cover the 33 malformed kinds by number; what is no content of a file is tested below."""
    assert {int(case.name[:2]) for case in CASES} >= set(range(1, 34))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_secret_is_never_repeated(case: Path) -> None:
    """No problem's text has a secret's value in it."""
    assert "hunter2" not in "\n".join(_problems(case))


def test_directory_is_refused(tmp_path: Path) -> None:
    """A directory is told as such."""
    assert _problems(tmp_path) == ["1:1: found a directory; expected a YAML file"]


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path without a file is told as such."""
    assert _problems(tmp_path / "no.yaml") == ["1:1: cannot be read: No such file or directory"]


def test_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    """A FIFO without a writer does not make kafab wait."""
    fifo = tmp_path / "fifo.yaml"
    os.mkfifo(fifo)
    assert _problems(fifo) == ["1:1: found neither file nor directory; expected a YAML file"]


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without read permission is told with the system's reason, also where the tests run as root."""
    file = tmp_path / "prod.yaml"
    file.write_text(MINIMAL, encoding="utf-8")
    file.chmod(0)
    if os.access(file, os.R_OK):

        def refused(*_args: object, **_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refused)
    found = _problems(file)
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert found == ["1:1: cannot be read: Permission denied"]


def test_huge_file_is_refused(tmp_path: Path) -> None:
    """More than 5 MB are not parsed."""
    file = tmp_path / "prod.yaml"
    file.write_text(MINIMAL + "#" * yamltree.MAX_BYTES, encoding="utf-8")
    found = "found more than 5,000,000 bytes; expected an inventory of at most 5 MB"
    assert _problems(file) == [f"1:1: {found}"]


def test_error_is_for_the_operator(tmp_path: Path) -> None:
    """The error has exit code 2 and names file, line, column and key of each problem."""
    file = tmp_path / "prod.yaml"
    file.write_text("kafka: {version: 3.10}\nlab: 3\n", encoding="utf-8")
    with pytest.raises(InventoryError) as caught:
        load(file)
    lines = [f"{file}:1:1: hosts: ", f"{file}:1:18: kafka.version: ", f"{file}:2:6: lab: "]
    assert caught.value.exit_code == 2
    assert [
        line.strip().startswith(start)
        for line, start in zip(caught.value.message.splitlines()[1:], lines, strict=True)
    ] == [True] * 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_example_loads(example: Path) -> None:
    """Each example is a cluster without a warning."""
    cluster, warnings = load(example)
    assert (cluster.name, warnings) == (example.stem, ())


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    """Return what checks by the JSON Schema, which is one itself: to check that takes longer than any example."""
    jsonschema.Draft202012Validator.check_schema(schema.json_schema())
    return jsonschema.Draft202012Validator(schema.json_schema())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_example_fits_the_schema(example: Path) -> None:
    """An editor that checks by the JSON Schema accepts what the loader accepts."""
    document = yaml.safe_load(example.read_text(encoding="utf-8"))
    _validator().validate(document)


@pytest.mark.parametrize("name", ["11-unknown-key", "12-id-missing", "13-wrong-type", "19-port-out-of-range"])
def test_schema_refuses_what_a_schema_can(name: str) -> None:
    """Wrong types, ranges and unknown keys are marked in an editor already."""
    case = ROOT / "tests" / "cases" / "inventory" / f"{name}.yaml"
    document = yaml.safe_load(case.read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        _validator().validate(document)


@pytest.mark.parametrize("text", ["'ops@b1.example.org, b2:2222'", "[ops@b1.example.org, 'b2:2222']"])
def test_several_gateways_are_one_way(tmp_path: Path, text: str) -> None:
    """Several gateways, with commas or as a list, are a way as ProxyJump has it."""
    (host,) = _loaded(tmp_path, f"{MINIMAL}ssh: {{gateway: {text}}}\n").hosts
    assert host.ssh.gateway == "ops@b1.example.org,b2:2222"


@pytest.mark.parametrize(
    ("line", "reach"),
    [("", Reach.AUTO), ("ssh: {reach: ssh}\n", Reach.SSH), ("ssh: {reach: direct}\n", Reach.DIRECT)],
)
def test_reach_is_auto_where_nothing_is_said(tmp_path: Path, line: str, reach: Reach) -> None:
    """The way to Kafka and ZooKeeper is one of three."""
    (host,) = _loaded(tmp_path, f"{MINIMAL}{line}").hosts
    assert host.ssh.reach is reach


def test_schema_file_is_current() -> None:
    """inventory/schema.json is what `fab inventory.schema` prints."""
    written = (ROOT / "inventory" / "schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == schema.json_schema(), (
        "write it: fab inventory.schema > inventory/schema.json"
    )


def test_reference_is_current() -> None:
    """The tables of docs/inventory.md are those of the definitions."""
    page = (ROOT / "docs" / "inventory.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- keys: .*? -->\n(.*?)<!-- /keys -->", page, re.DOTALL)
    assert found
    assert found[1].strip() == schema.reference().strip()


def test_page_example_loads(tmp_path: Path) -> None:
    """The inventory that docs/inventory.md begins with is a cluster."""
    page = (ROOT / "docs" / "inventory.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found
    assert len(_loaded(tmp_path, found[1]).brokers) == 3


def test_classic_cluster() -> None:
    """The classic example has its version, its folders, its JMX port and its property on every broker."""
    cluster, _ = load(ROOT / "inventory" / "examples" / "classic-2.4.1.yaml")
    broker = cluster.brokers[2]
    assert (str(cluster.version), broker.id, broker.jmx_port) == ("2.4.1", 2, 9988)
    assert broker.data == (PurePosixPath("/export/data/kafka/broker"),)
    assert broker.current == PurePosixPath("/export/servers/current-broker")
    assert broker.properties["delete.topic.enable"] == "true"


def test_defaults(tmp_path: Path) -> None:
    """A minimal inventory is filled in with the documented defaults."""
    cluster = _loaded(tmp_path, MINIMAL)
    broker, zookeeper = cluster.brokers[0], cluster.zookeepers[0]
    assert (broker.endpoint.port, broker.heap, broker.jmx_port, broker.name) == (
        9092,
        "1g",
        None,
        "node1/broker",
    )
    assert (zookeeper.endpoint.port, zookeeper.heap, cluster.chroot) == (2181, "512m", "")
    assert "-XX:+UseG1GC" in broker.jvm
    assert cluster.hosts[0].ssh == Ssh()
    assert not cluster.lab


def test_single_zookeeper_has_no_quorum_ports(tmp_path: Path) -> None:
    """A standalone server listens on its client port only."""
    assert _loaded(tmp_path, MINIMAL).zookeepers[0].ports == {"client": 2181}


def test_node_wins_over_cluster(tmp_path: Path) -> None:
    """What a node says wins over its cluster; properties are merged one by one."""
    text = (
        "kafka: {version: 3.9.2, heap: 1g, port: 9092, jmx_port: 9988, jvm: [-server], properties: {a: 1, b: 1}}\n"
        "hosts:\n  node1: {zookeeper: 1, broker: {id: 1, heap: 2G, port: 9093, jvm: [], properties: {b: 2}}}\n"
    )
    broker = _loaded(tmp_path, text, allow_unknown_properties=True).brokers[0]
    assert (broker.heap, broker.endpoint.port, broker.jmx_port, broker.jvm) == ("2g", 9093, 9988, ())
    assert broker.properties == {"a": "1", "b": "2"}


def test_host_wins_over_cluster(tmp_path: Path) -> None:
    """ssh, paths and java of a host win, key by key; relative local paths count from the file."""
    text = (
        "kafka: {version: 3.9.2}\nssh: {user: ops, port: 2222, identity: keys/id}\n"
        "paths: {data: /data, logs: /logs}\njava: /opt/java\n"
        "hosts:\n  node1: {ssh: {port: 22}, paths: {data: /data1}, java: /opt/java17/, zookeeper: 1, broker: 1}\n"
    )
    host = _loaded(tmp_path, text).hosts[0]
    assert host.ssh == Ssh(user="ops", port=22, identity=tmp_path / "keys" / "id")
    assert (str(host.paths.data), str(host.paths.logs), str(host.java)) == ("/data1", "/logs", "/opt/java17")


def test_several_nodes_of_one_role(tmp_path: Path) -> None:
    """Nodes of one role on one host have their ids in their names and folders."""
    text = MINIMAL.replace("broker: 1", "broker: [1, {id: 2, port: 9093}]")
    brokers = _loaded(tmp_path, text).brokers
    assert [node.name for node in brokers] == ["node1/broker-1", "node1/broker-2"]
    assert brokers[1].data == (PurePosixPath("/var/lib/kafka/broker-2"),)


@pytest.mark.parametrize(
    "written", ["'[2001:db8::1]'", "[2001:db8::1]", '["2001:db8::1"]', "'[2001:0db8:0::1]'"]
)
def test_ipv6_address(tmp_path: Path, written: str) -> None:
    """An IPv6 address in brackets is one, whether YAML takes the brackets for a list or not."""
    cluster = _loaded(tmp_path, MINIMAL.replace("10.0.0.11", written))
    assert cluster.bootstrap == "[2001:db8::1]:9092"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", "true"),
        ("FALSE", "false"),
        ("16", "16"),
        ("-1", "-1"),
        ("0.50", "0.50"),
        ("'0100'", "0100"),
        ('"on"', "on"),
        ("[compact, delete]", "compact,delete"),
        ("a b = c # no comment", "a b = c"),
        ("''", ""),
        ("{{ x }} is text".join("''"), "{{ x }} is text"),
        ("$(reboot); `id`", "$(reboot); `id`"),
    ],
)
def test_property_values(tmp_path: Path, written: str, value: str) -> None:
    """A property's value is the text that stands in the file on the host."""
    text = f"kafka:\n  version: 3.9.2\n  properties:\n    key: {written}\n" + MINIMAL.partition("\n")[2]
    cluster = _loaded(tmp_path, text, allow_unknown_properties=True)
    assert cluster.brokers[0].properties == {"key": value}


def test_lab_is_named_by_its_folder(tmp_path: Path) -> None:
    """A file cluster.yaml is named by the folder it is in."""
    file = tmp_path / "demo" / "cluster.yaml"
    file.parent.mkdir()
    file.write_text(MINIMAL, encoding="utf-8")
    assert load(file)[0].name == "demo"


def test_nodes_come_in_the_order_of_the_file() -> None:
    """Hosts keep their order, and each host's ZooKeeper server comes before its broker."""
    cluster, _ = load(ROOT / "inventory" / "examples" / "three.yaml")
    assert [node.role for node in cluster.nodes] == [Role.ZOOKEEPER, Role.BROKER] * 3
    assert [host.name for host in cluster.hosts] == ["node1", "node2", "node3"]


def test_check_of_a_good_inventory() -> None:
    """The summary of a usable inventory counts hosts and nodes."""
    verdict = inventories.check(ROOT / "inventory" / "examples" / "six.yaml")
    assert verdict.summary == "six: 6 hosts, 3 zookeeper, 6 brokers, Kafka 3.9.2: OK"
    assert verdict.exit_code == 0


def test_check_counts_controllers() -> None:
    """In KRaft mode controllers are counted, combined ones too."""
    verdict = inventories.check(ROOT / "inventory" / "examples" / "kraft-three.yaml")
    counts = inventories.document(verdict)["counts"]
    assert verdict.summary == "kraft-three: 3 hosts, 3 controllers, 3 brokers, Kafka 4.3.1: OK"
    assert counts == {"hosts": 3, "zookeeper": 0, "controllers": 3, "brokers": 3}


def test_check_of_a_bad_inventory(tmp_path: Path) -> None:
    """A broken inventory is a verdict with exit code 2, its rows and its document."""
    file = tmp_path / "prod.yaml"
    file.write_text(MINIMAL.replace("3.9.2", "3.10"), encoding="utf-8")
    verdict = inventories.check(file)
    text = "found the number 3.10; expected three numbers with dots, like 3.9.2"
    assert inventories.rows(verdict) == [(f"{file}:1:18", "kafka.version", "error", text)]
    assert inventories.document(verdict)["problems"] == [
        {"line": 1, "column": 18, "key": "kafka.version", "severity": "error", "text": text, "code": None}
    ]
    assert verdict.exit_code == 2
