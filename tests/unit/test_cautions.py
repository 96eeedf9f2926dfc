"""Warnings of what is regretted later: each has a code, and `accept:` silences it with a reason."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from kafab.cautions import REGRETS, Caution, of_hosts
from kafab.inventory import InventoryError, load
from kafab.ops.author import inventories
from kafab.problems import Problem
from tests.command_line import run_alone

KRAFT = "{address: 10.0.0.1N, controller: N, broker: N}"
ZOOKEEPER = "{address: 10.0.0.1N, zookeeper: N, broker: N}"


def _file(folder: Path, version: str = "4.3.1", kafka: str = "", more: str = "", hosts: int = 3) -> Path:
    """Write an inventory of some hosts, in KRaft mode from 4.0 on: keys of ``kafka:``, and more at the top level."""
    host = KRAFT if version >= "4" else ZOOKEEPER
    lines = (f"  n{number}: {host.replace('N', str(number))}\n" for number in range(1, hosts + 1))
    file = folder / "prod.yaml"
    file.write_text(f"kafka: {{version: {version}{kafka}}}\n{more}hosts:\n{''.join(lines)}", encoding="utf-8")
    return file


def _warnings(file: Path) -> list[Problem]:
    return list(load(file)[1])


# What a person writes under kafka: or at the top level -> where the warning stands, and its code.
REGRETTED: Mapping[str, tuple[str, str, Caution]] = {
    ", properties: {offsets.topic.replication.factor: 1}": (
        "4.3.1",
        "offsets.topic.replication.factor",
        Caution.ONE_REPLICA,
    ),
    ", properties: {transaction.state.log.replication.factor: 1, transaction.state.log.min.isr: 1}": (
        *("3.9.2", "transaction.state.log.replication.factor"),
        Caution.ONE_REPLICA,
    ),
    ", properties: {share.coordinator.state.topic.replication.factor: 1, share.coordinator.state.topic.min.isr: 1}": (
        *("4.4.0", "share.coordinator.state.topic.replication.factor"),
        Caution.ONE_REPLICA,
    ),
    ", properties: {default.replication.factor: 1, min.insync.replicas: 1}": (
        *("2.4.1", "default.replication.factor"),
        Caution.ONE_REPLICA,
    ),
    ", properties: {min.insync.replicas: 3}": ("2.4.1", "min.insync.replicas", Caution.NO_SPARE_REPLICA),
    ", properties: {default.replication.factor: 2}": (
        "3.9.2",
        "default.replication.factor",
        Caution.NO_SPARE_REPLICA,
    ),
    ", properties: {transaction.state.log.min.isr: 3}": (
        "4.3.1",
        "transaction.state.log.min.isr",
        Caution.NO_SPARE_REPLICA,
    ),
    ", properties: {log.cleaner.enable: false}": ("4.4.0", "log.cleaner.enable", Caution.CLEANER_OFF),
    ", properties: {controlled.shutdown.enable: 'FALSE'}": (
        *("2.4.1", "controlled.shutdown.enable"),
        Caution.CONTROLLED_SHUTDOWN_OFF,
    ),
    ", properties: {unclean.leader.election.enable: true}": (
        *("4.3.1", "unclean.leader.election.enable"),
        Caution.UNCLEAN_ELECTION,
    ),
}


@pytest.mark.parametrize(("kafka", "expected"), REGRETTED.items(), ids=REGRETTED)
def test_regretted_property(tmp_path: Path, kafka: str, expected: tuple[str, str, Caution]) -> None:
    """Each is told once, at the property that a person wrote, and is no error."""
    version, name, caution = expected
    found = _warnings(_file(tmp_path, version, kafka))
    assert [(warning.key, warning.caution) for warning in found] == [(f"kafka.properties.{name}", caution)]


@pytest.mark.parametrize(("kafka", "_expected"), REGRETTED.items(), ids=REGRETTED)
def test_one_broker_has_no_other(tmp_path: Path, kafka: str, _expected: object) -> None:
    """Where there is one broker a topic has one replica, and nothing is said of that."""
    if "replication.factor: 1" in kafka:
        assert _warnings(_file(tmp_path, "4.4.0" if "share" in kafka else "3.9.2", kafka, hosts=1)) == []


@pytest.mark.parametrize(
    ("kafka", "told"),
    [
        (", heap: 31g", False),
        (", heap: 32g", True),
        (", heap: 40000m", True),
        (", heap: 40g, jvm: [-XX:+UseZGC]", False),
        (", heap: 40g, jvm: [-XX:ObjectAlignmentInBytes=16]", False),
        (", heap: 40g, jvm: [-XX:ObjectAlignmentInBytes=8]", True),
        (", jmx_port: 9988, jmx_bind: 127.0.0.1", False),
        (", jmx_port: 9988", True),
        (", jmx_port: 9988, bind: address", True),
    ],
)
def test_regretted_of_the_process(tmp_path: Path, kafka: str, told: bool) -> None:
    """A heap beyond Java's short references, and JMX that others reach, are told once for all nodes."""
    code = Caution.JMX_WITHOUT_LOGIN if "jmx" in kafka else Caution.HEAP_ABOVE_32G
    assert [warning.caution for warning in _warnings(_file(tmp_path, "4.3.1", kafka))] == [code] * told


@pytest.mark.parametrize(
    ("version", "properties", "text"),
    [
        ("2.4.1", "ticktime: 3000", "did you mean tickTime?"),
        ("3.9.2", "SyncLimit: 9", "did you mean syncLimit?"),
        ("3.9.2", "zookeeper.snapCount: 9", "did you mean snapCount?"),
        ("3.9.2", "maxclientCnxns: 9", "did you mean maxClientCnxns?"),
        ("2.4.1", "maxCnxns: 9", "since 3.6; this is ZooKeeper 3.5"),
        ("2.8.2", "enforceQuota: true", "since 3.8; this is ZooKeeper 3.5"),
        ("3.5.2", "enforceQuota: true", "since 3.8; this is ZooKeeper 3.6"),
        ("3.9.2", "jute.maxbuffer: 4000000", "expected -Djute.maxbuffer="),
        ("3.9.2", "colour: blue", "its Administrator's Guide"),
    ],
)
def test_unknown_zookeeper_property(tmp_path: Path, version: str, properties: str, text: str) -> None:
    """ZooKeeper goes on with its default where a key is not its own, letter by letter; the nearest one is named."""
    (found,) = _warnings(_file(tmp_path, version, more=f"zookeeper: {{properties: {{{properties}}}}}\n"))
    assert found.caution is Caution.UNKNOWN_ZOOKEEPER_PROPERTY
    assert text in found.text
    assert found.key == f"zookeeper.properties.{properties.partition(':')[0]}"


@pytest.mark.parametrize(
    ("version", "properties"),
    [
        ("2.4.1", "tickTime: 3000, snapCount: 9, preAllocSize: 64, leaderServes: 'no', maxClientCnxns: 0"),
        (
            "2.4.1",
            "DigestAuthenticationProvider.superDigest: a, authProvider.sasl: org.example.A, ssl.clientAuth: none",
        ),
        (
            "3.9.2",
            "maxCnxns: 9, metricsProvider.className: org.example.B, metricsProvider.httpPort: 7070, audit.enable: true",
        ),
        (
            "3.9.2",
            "minSessionTimeout: 4000, maxSessionTimeout: -1, fsync.warningthresholdms: 20, standaloneEnabled: 'TRUE'",
        ),
    ],
)
def test_zookeepers_own_properties(tmp_path: Path, version: str, properties: str) -> None:
    """What the ZooKeeper of this Kafka reads is taken without a word."""
    assert _warnings(_file(tmp_path, version, more=f"zookeeper: {{properties: {{{properties}}}}}\n")) == []


@pytest.mark.parametrize(
    ("properties", "caution"),
    [("forceSync: 'no'", Caution.FORCE_SYNC_OFF), ("autopurge.purgeInterval: 0", Caution.AUTOPURGE_OFF)],
)
def test_regretted_of_zookeeper(tmp_path: Path, properties: str, caution: Caution) -> None:
    """What ZooKeeper keeps for ever, and what it never writes, is told."""
    found = _warnings(_file(tmp_path, "3.9.2", more=f"zookeeper: {{properties: {{{properties}}}}}\n"))
    assert [warning.caution for warning in found] == [caution]


@pytest.mark.parametrize(
    "properties",
    [
        "tickTime: fast",
        "tickTime: 0",
        "initLimit: 0",
        "syncLimit: ten",
        "maxClientCnxns: 3000000000",
        "autopurge.snapRetainCount: 1.5",
        "electionAlg: 1",
        "quorumListenOnAllIPs: 'yes'",
        "peerType: leader",
        "minSessionTimeout: 50000",
        "tickTime: 100, maxSessionTimeout: 150",
    ],
)
def test_zookeeper_would_end(tmp_path: Path, properties: str) -> None:
    """What QuorumPeerConfig refuses at the start is refused here."""
    with pytest.raises(InventoryError) as caught:
        load(_file(tmp_path, "3.9.2", more=f"zookeeper: {{properties: {{{properties}}}}}\n"))
    assert [found.key.partition(".")[0] for found in caught.value.problems] == ["zookeeper"]


@pytest.mark.parametrize(
    ("version", "properties", "hosts"),
    [("2.4.1", "electionAlg: 1", 3), ("3.9.2", "initLimit: 0", 1), ("2.4.1", "maxClientCnxns: '+5'", 3)],
)
def test_zookeeper_would_start(tmp_path: Path, version: str, properties: str, hosts: int) -> None:
    """What its version takes, and what a server alone does not look at, is taken."""
    more = f"zookeeper: {{properties: {{{properties}}}}}\n"
    assert _warnings(_file(tmp_path, version, more=more, hosts=hosts)) == []


def test_zookeeper_takes_another_word_for_false(tmp_path: Path) -> None:
    """ZooKeeper 3.5 goes on with false where a later one ends: a warning there."""
    found = _warnings(
        _file(tmp_path, "2.4.1", more="zookeeper: {properties: {quorumListenOnAllIPs: 'yes'}}\n")
    )
    assert [warning.caution for warning in found] == [Caution.WITHOUT_EFFECT]


def test_accepted_warning_is_silent(tmp_path: Path) -> None:
    """A code takes its warnings out, all of them, and leaves the others."""
    more = "accept: {cleaner-off: no topic of ours is compacted}\n"
    file = _file(
        tmp_path, kafka=", properties: {log.cleaner.enable: false, min.insync.replicas: 3}", more=more
    )
    cluster, warnings = load(file)
    assert [warning.caution for warning in warnings] == [Caution.NO_SPARE_REPLICA]
    assert cluster.accepted == {"cleaner-off": "no topic of ours is compacted"}


def test_accept_that_silences_nothing_is_told(tmp_path: Path) -> None:
    """A code without its warning is a warning at its place, which nothing silences."""
    (found,) = _warnings(_file(tmp_path, more="accept: {even-voters: two is what we have}\n"))
    assert (found.key, found.line, found.caution) == ("accept.even-voters", 2, None)


def test_accept_of_what_hosts_show_is_taken(tmp_path: Path) -> None:
    """What only preflight can find is accepted without a word before it."""
    assert _warnings(_file(tmp_path, more="accept: {heap-above-half: a machine of little else}\n")) == []


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("{cleaner-of: a reason}", "did you mean cleaner-off?"),
        ("{cleaner-off: ''}", "expected a reason"),
        ("{cleaner-off: ' '}", "expected a reason"),
        ("{cleaner-off: }", "expected a reason"),
        ("[cleaner-off]", "expected a mapping"),
    ],
)
def test_accept_that_is_none(tmp_path: Path, accept: str, text: str) -> None:
    """An unknown code is refused with the nearest one, and a code without a reason."""
    with pytest.raises(InventoryError) as caught:
        load(_file(tmp_path, kafka=", properties: {log.cleaner.enable: false}", more=f"accept: {accept}\n"))
    assert [text in found.text for found in caught.value.problems] == [True]


def test_every_caution_has_its_source() -> None:
    """Each code says what it means and where that is written, and there is no other."""
    assert list(REGRETS) == list(Caution)
    assert [caution for caution in Caution if not all(REGRETS[caution])] == []


def test_hosts_alone_show_a_heap_above_half() -> None:
    """Of all codes one is of preflight alone; a second one needs its finding there."""
    assert [caution for caution in Caution if of_hosts(caution)] == [Caution.HEAP_ABOVE_HALF]


def test_document_has_the_codes(tmp_path: Path) -> None:
    """The document of `inventory.check` has the code apart from the text, the table has it behind the text."""
    verdict = inventories.check(_file(tmp_path, kafka=", heap: 40g"))
    problems = inventories.document(verdict)["problems"]
    assert isinstance(problems, list)
    assert [found["code"] for found in problems] == ["heap-above-32g"]
    assert inventories.rows(verdict)[0][-1].endswith("at most 31g [heap-above-32g]")


@pytest.mark.usefixtures("signals_given_back")
@pytest.mark.parametrize(
    "words", [("inventory.check", "--cluster", "FILE"), ("on", "FILE", "plan"), ("on", "FILE", "preflight")]
)
def test_every_command_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """The same warning is told by `inventory.check`, `plan` and `preflight`."""
    file = _file(tmp_path, kafka=", heap: 40g", more="ssh: {port: 9}\n", hosts=1)
    file.write_text(file.read_text(encoding="utf-8").replace("10.0.0.11", "127.0.0.1"), encoding="utf-8")
    done = run_alone(tmp_path, capsys, *(str(file) if word == "FILE" else word for word in words))
    assert "[heap-above-32g]" in done.out + done.err
