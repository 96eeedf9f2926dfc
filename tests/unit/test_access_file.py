"""The file of users, ACLs, quotas and topics: what it means, its mistakes with their places, and its export."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from kafab.access import record
from kafab.access.planning import plan
from kafab.access.reading import load
from kafab.access.values import (
    Account,
    Acl,
    Entity,
    Have,
    Limit,
    Pattern,
    Permission,
    Recorded,
    Topic,
    Want,
    Wish,
)
from kafab.access.writing import export
from kafab.errors import UsageError
from kafab.inventory import InventoryError
from kafab.inventory.schema import json_schema
from kafab.model import Version
from kafab.ops.author.inventories import check
from kafab.problems import Problem
from kafab.references import Reference
from kafab.screens.access import text
from kafab.unknown import Unknown
from tests.access_values import ROOT, haves, records
from tests.conftest import cluster_in

NEW, OLD = Version(4, 3, 1), Version(2, 4, 1)
WHOLE = """users:
  ann: {password: "${env:ANN}"}
  'a "b", c=d': {mechanisms: [SCRAM-SHA-256, SCRAM-SHA-512], password: "${file:b}", iterations: 4096}
acls:
  - {principal: User:ann, topic: [orders, bills], allow: [Read, Describe]}
  - {principal: "User:*", group: app-, prefixed: true, deny: Delete, host: [10.0.0.1, "2001:db8::1"]}
  - {principal: User:ann, cluster: true, allow: All}
quotas:
  - {user: ann, client_id: <default>, producer_byte_rate: 1048576, request_percentage: 12.5}
  - {ip: <default>, connection_creation_rate: 10}
topics:
  orders: {partitions: 6, replication_factor: 3, properties: {retention.ms: 604800000, cleanup.policy: [compact, delete]}}
  bills: {}
"""


def loaded(root: Path, text: str, version: Version = NEW) -> tuple[Want, Path, tuple[Problem, ...]]:
    """Return what a file of its own says."""
    file = root / "access.yaml"
    file.write_text(text)
    return load(root / "prod.yaml", version, file)


def test_file_means_what_it_says(tmp_path: Path) -> None:
    """Users with a credential of each mechanism, an ACL of each combination, quotas, topics; IPv6 as brokers write it."""
    want, _, warnings = loaded(tmp_path, WHOLE)
    assert warnings == ()
    assert want.users == {
        Account("ann", "SCRAM-SHA-512"): Wish(Reference.parse("${env:ANN}")),
        Account('a "b", c=d', "SCRAM-SHA-256"): Wish(Reference.parse("${file:b}"), 4096),
        Account('a "b", c=d', "SCRAM-SHA-512"): Wish(Reference.parse("${file:b}"), 4096),
    }
    allow, deny = Permission.ALLOW, Permission.DENY
    assert want.acls == {
        *(
            Acl("Topic", topic, Pattern.LITERAL, "User:ann", "*", operation, allow)
            for topic in ("orders", "bills")
            for operation in ("Read", "Describe")
        ),
        *(
            Acl("Group", "app-", Pattern.PREFIXED, "User:*", host, "Delete", deny)
            for host in ("10.0.0.1", "2001:db8:0:0:0:0:0:1")
        ),
        Acl("Cluster", "kafka-cluster", Pattern.LITERAL, "User:ann", "*", "All", allow),
    }
    both, everywhere = Entity.of({"user": "ann", "client-id": None}), Entity.of({"ip": None})
    assert want.quotas == {
        Limit(both, "producer_byte_rate"): 1048576.0,
        Limit(both, "request_percentage"): 12.5,
        Limit(everywhere, "connection_creation_rate"): 10.0,
    }
    orders = {"retention.ms": "604800000", "cleanup.policy": "compact,delete"}
    assert want.topics == {"orders": Topic("orders", 6, 3, orders), "bills": Topic("bills")}


def test_inventory_has_it_or_names_its_file(tmp_path: Path) -> None:
    """Below access: stands the mapping, or the path of the file, which counts from the inventory's folder."""
    inventory, file = tmp_path / "prod.yaml", tmp_path / "access.yaml"
    file.write_text(WHOLE)
    inventory.write_text("access: access.yaml\n")
    named = load(inventory, NEW)
    inventory.write_text("access:\n" + "".join(f"  {line}\n" for line in WHOLE.splitlines()))
    assert (load(inventory, NEW)[0], named[1]) == (named[0], file)
    inventory.write_text("kafka: {}\n")
    with pytest.raises(UsageError, match="has no access:"):
        load(inventory, NEW)
    with pytest.raises(UsageError, match="there is no file"):
        load(inventory, NEW, tmp_path / "none.yaml")


def test_check_of_an_inventory_reads_the_file_too(tmp_path: Path) -> None:
    """Its mistakes are told with its own places; one that is missing is told, too."""
    inventory, file = tmp_path / "prod.yaml", tmp_path / "access.yaml"
    inventory.write_text("kafka: {version: 4.3.1}\nhosts: {n1: {controller: 1, broker: 1}}\n")
    plain = check(inventory)
    inventory.write_text(inventory.read_text() + "access: access.yaml\n")
    missing = check(inventory)
    file.write_text("users: {ann: {password: x}}\n")
    wrong = check(inventory)
    file.write_text(WHOLE)
    assert [one.exit_code for one in (plain, missing, wrong, check(inventory))] == [0, 2, 2, 0]
    assert "there is no file" in str(missing.problems[0])
    assert f"{file}:1:25" in str(wrong.problems[0])


def test_file_is_what_the_schema_for_editors_says(tmp_path: Path) -> None:
    """The JSON Schema of the inventory takes both spellings of access: and refuses a password."""
    import yaml

    access = json_schema()["properties"]["access"]
    validator = Draft202012Validator({"$schema": json_schema()["$schema"], **access})
    good = yaml.safe_load(WHOLE)
    assert [*validator.iter_errors(good)] == []
    assert [*validator.iter_errors("access.yaml")] == []
    assert [*validator.iter_errors({"user": {}})] != []


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("", "1:1", "for none of them"),
        ("users: {ann: {password: hunter2}}", "1:25", "found a secret in plain text"),
        ("users: {änn: {}}", "1:9", "printable ASCII"),
        ('users: {"a\\nb": {}}', "1:9", "printable ASCII"),
        ("users: {<default>: {}}", "1:9", "expected another name"),
        ("users: {ann: {mechanisms: PLAIN}}", "1:27", "SCRAM-SHA-256 or SCRAM-SHA-512"),
        ("users: {ann: {iterations: 100}}", "1:27", "from 4096 to 16384"),
        ("acls: [{principal: User:ann, allow: Read}]", "1:8", "one of topic, group, cluster"),
        (
            "acls: [{principal: User:ann, topic: a, group: b, allow: Read}]",
            "1:8",
            "found topic, group, allow",
        ),
        ("acls: [{principal: User:ann, topic: a, allow: Read, deny: Write}]", "1:8", "one of allow and deny"),
        ("acls: [{principal: ann, topic: a, allow: Read}]", "1:20", "like User:orders"),
        ("acls: [{principal: User:ann, topic: a, allow: Reed}]", "1:47", "expected All or Read"),
        ("acls: [{principal: User:ann, cluster: true, prefixed: true, allow: All}]", "1:55", "one cluster"),
        ("acls: [{topic: a, allow: Read}]", "1:8", "missing; expected who"),
        ("quotas: [{user: ann}]", "1:10", "and a rate"),
        ("quotas: [{producer_byte_rate: 5}]", "1:10", "expected user, client_id, both, or ip"),
        ("quotas: [{user: ann, ip: 10.0.0.1, producer_byte_rate: 5}]", "1:10", "both, or ip"),
        ("quotas: [{ip: 10.0.0.1, producer_byte_rate: 5}]", "1:45", "expected connection_creation_rate"),
        ("quotas: [{user: ann, producer_byte_rate: 0}]", "1:42", "greater than 0"),
        ("quotas: [{user: ann, producer_byte_rate: 1.5}]", "1:42", "a whole number"),
        (
            "quotas: [{user: a, producer_byte_rate: 1}, {user: a, producer_byte_rate: 2}]",
            "1:74",
            "second time",
        ),
        ("topics: {__consumer_offsets: {}}", "1:30", "Kafka makes for itself"),
        ("topics: {kafab-canary-1: {}}", "1:26", "kafab makes for itself"),
        ("topics: {a/b: {}}", "1:10", "letters, digits"),
        (
            "topics: {a: {replication_factor: 2, properties: {min.insync.replicas: 3}}}",
            "1:71",
            "above the replication",
        ),
        (
            "topics: {a: {properties: {leader.replication.throttled.replicas: x}}}",
            "1:66",
            "whoever moves replicas",
        ),
        ("user: {}", "1:1", "did you mean users"),
    ],
)
def test_mistake_is_told_with_its_place(tmp_path: Path, text: str, place: str, told: str) -> None:
    """What cannot be is an error with line and column; a password in plain text is not repeated."""
    with pytest.raises(InventoryError) as found:
        loaded(tmp_path, text)
    assert any(f":{place}: " in str(problem) and told in str(problem) for problem in found.value.problems), (
        found.value
    )
    assert "hunter2" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("acls: [{principal: User:a, user: User:b, allow: CreateTokens}]", "expected 3.3.0 or later"),
        ("quotas: [{user: a, controller_mutation_rate: 1}]", "expected 2.7.0 or later"),
        ("quotas: [{ip: 10.0.0.1, connection_creation_rate: 1}]", "expected 2.8.0 or later"),
    ],
)
def test_what_a_version_does_not_have_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """An older Kafka has no tokens of others, and fewer quotas."""
    assert loaded(tmp_path, text, NEW)[2] == ()
    with pytest.raises(InventoryError, match=told):
        loaded(tmp_path, text, OLD)


def test_what_has_no_effect_is_a_warning(tmp_path: Path) -> None:
    """An operation that nobody asks of a resource, a host's name, * as a beginning, an ACL twice."""
    entry = '{principal: User:a, topic: "*", prefixed: true, allow: [Read, ClusterAction], host: node1}'
    _, _, warnings = loaded(tmp_path, f"acls:\n- {entry}\n- {entry}\n")
    told = "\n".join(warning.text for warning in warnings)
    assert [
        word in told for word in ("no effect", "compare addresses", "beginning of names", "second time")
    ] == [True] * 4


def test_page_shows_what_its_file_is_planned_as(tmp_path: Path) -> None:
    """The file of docs/access.md has no mistake, and each line of the plan below it is one of its plan."""
    page = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    file = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert file
    assert shown
    want, _, warnings = loaded(tmp_path, file[1])
    assert warnings == ()
    cluster = replace(cluster_in(tmp_path, 3), name="prod")
    lines = text(cluster, plan(want, Have(), Recorded(), ROOT), tmp_path / "prod.yaml").splitlines()
    assert [line for line in shown[1].splitlines() if line not in lines] == ["  …"]


@settings(max_examples=25)
@given(haves)
def test_plan_of_an_export_is_empty(tmp_path_factory: pytest.TempPathFactory, have: Have) -> None:
    """What a cluster has, written as a file and read again, is what it has."""
    text, left = export(have)
    want, _, _ = loaded(tmp_path_factory.getbasetemp(), text)
    assert left == ()
    found = plan(want, have, Recorded(), ROOT, prune=True)
    assert not found.differs
    assert found.strange == 0


def test_export_says_what_no_file_can(tmp_path: Path) -> None:
    """A user whose name has a line break, and an ACL of a newer Kafka's operation, are left out by name."""
    have = Have(
        {Account("a\nb", "SCRAM-SHA-512"): 4096},
        frozenset({Acl("Topic", "t", Pattern.LITERAL, "User:a", "*", "77", Permission.ALLOW)}),
    )
    text, left = export(have)
    assert (text, len(left)) == ("{}\n", 2)


@settings(max_examples=25)
@given(records)
def test_record_reads_what_it_has_written(recorded: Recorded) -> None:
    """One line of letters and digits, with the serial in front."""
    line = record.text(recorded, 7)
    assert record.parse(line) == (7, recorded)
    assert line.isascii()
    assert "\n" not in line


@pytest.mark.parametrize("line", ["", "7", "7 abc", "x " + record.text(Recorded(), 1).split()[1], "7 eJw="])
def test_damaged_record_is_unknown(line: str) -> None:
    """It is never taken for one that has nothing."""
    assert isinstance(record.parse(line), Unknown)


def test_record_of_a_large_cluster_is_small() -> None:
    """5,000 ACLs are a line of less than 100 kB."""
    acls = frozenset(
        Acl("Topic", f"topic-{n}", Pattern.LITERAL, f"User:app-{n % 1000}", "*", "Read", Permission.ALLOW)
        for n in range(5000)
    )
    assert len(record.text(Recorded(acls=acls), 1)) < 100_000
