"""Preflight of one host: its recorded answer is read, and each fault is one finding."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.checks.preflight import network
from kafab.checks.preflight.judge import java_major, judge_host
from kafab.checks.preflight.local import Look, OpenFiles, Place, parse, probe
from kafab.command import Outcome, Result
from kafab.findings import Severity
from kafab.hosts.facts import HostFacts, Identity, NodeFacts, Process
from kafab.model import Cluster, Version
from kafab.unknown import Unknown
from tests.preflight_hosts import (
    CLUSTER,
    DATA,
    GB,
    NODE,
    PATHS,
    RECORDED,
    RELEASES,
    SETTINGS,
    healthy,
    judged,
    node_facts,
    place,
)

Shell = Callable[..., Result]


def disk(**changes: Any) -> dict[PurePosixPath, Place]:
    """Return all folders on a disk that is changed so."""
    return {path: place(path, **changes) for path in PATHS}


def test_recorded_answer_is_read() -> None:
    """Every line of a real host's answer arrives in its field."""
    look = parse(NODE.host, (NODE,), Result(0, RECORDED.encode(), ""))
    assert isinstance(look, Look)
    assert (look.root, look.systemd, look.kernel, look.architecture) == (True, True, "Linux", "x86_64")
    assert look.system == {
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
        "VERSION_ID": "12",
        "ID": "debian",
    }
    assert look.memory == {"MemTotal": 24684092 * 1024, "MemAvailable": 23801200 * 1024, "SwapTotal": 0}
    assert look.held == {9092: "pid 77, nginx: master process"}
    assert look.names == {"localhost": ("127.0.0.1", "127.0.0.1"), "nosuch.invalid": ()}
    assert look.places[DATA] == Place(
        DATA, PurePosixPath("/var/lib"), True, "overlay", PurePosixPath("/"), frozenset({"rw", "relatime"}),
        size=264212084 * 1024, free=81500080 * 1024, inodes=16777216, inodes_free=16332208,
        unmounted=PurePosixPath("/var/lib"),
    )  # fmt: skip


def test_foreign_drop_in_is_named() -> None:
    """A file that systemd reads besides kafab's own may change all of it: a warning with the file and where to see it."""
    path = PurePosixPath("/etc/systemd/system/kafka-broker@broker.service.d/override.conf")
    (found,) = judged(replace(healthy(), facts=node_facts(foreign_units=(path,))))
    assert (found.check, found.severity, found.subject) == ("systemd.unit", Severity.WARN, NODE.name)
    assert (str(path) in found.detail, NODE.unit in str(found.hint)) == (True, True)


def test_limit_of_a_unit_is_capped_by_the_machine() -> None:
    """In a container `systemctl show` still says 100000: the number of pid 1 is what the process gets."""
    look = parse(NODE.host, (NODE,), Result(0, RECORDED.encode(), ""))
    assert isinstance(look, Look)
    assert look.open_files == {"broker": OpenFiles(20000, "unit")}


@pytest.mark.parametrize(
    ("lines", "source", "limit"),
    [
        ("nofile broker process 4096", "process", 4096),
        ("nofile broker system 1073741816", "system", 1073741816),
        ("nofile broker login unlimited", "login", 2**63),
        ("nofile broker system 1048576\nnofile broker unit 1024", "unit", 1024),
    ],
)
def test_limit_is_of_the_nearest_source(lines: str, source: str, limit: int) -> None:
    """A running process is asked first, then the unit, then the machine."""
    text = re.sub(r"nofile .*\nnofile .*", lines, RECORDED)
    look = parse(NODE.host, (NODE,), Result(0, text.encode(), ""))
    assert isinstance(look, Look)
    assert look.open_files == {"broker": OpenFiles(limit, source)}


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("df 264212084 81500080 16777216 16332208 overlay /\n", ""),
        ("df 1K-blocks    Avail   Inodes    IFree Type    Mounted on\n", ""),
    ],
)
def test_disk_that_df_did_not_tell_is_unknown(was: str, now: str) -> None:
    """A line too few says nothing of any folder: none is taken for another's."""
    look = parse(NODE.host, (NODE,), Result(0, RECORDED.replace(was, now, 1).encode(), ""))
    assert isinstance(look, Look)
    found = judge_host(CLUSTER, NODE.host, (NODE,), look, None)
    assert {item.severity for item in found if item.check == "disk"} == {Severity.UNKNOWN}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Unknown("timed out"), "timed out"),
        (Result(2, RECORDED.encode(), "sh: syntax error"), "syntax error"),
        (Result(0, RECORDED.removesuffix("end\n").encode(), ""), "ended with 0"),
        (Result(0, RECORDED.replace("uid 0", "what is this").encode(), ""), "cannot be read"),
        (Result(0, RECORDED.replace("uname Linux x86_64\n", "").encode(), ""), "cannot be read"),
        (Result(0, RECORDED.replace("clock 17", "clock x").encode(), ""), "cannot be read"),
        (Result(0, RECORDED.replace("javaversion", "java?").encode(), ""), "cannot be read"),
    ],
)
def test_unreadable_answer_is_unknown(outcome: Outcome, reason: str) -> None:
    """A failed, cut-off or garbled answer is Unknown with its reason, never a healthy host."""
    look = parse(NODE.host, (NODE,), outcome)
    assert isinstance(look, Unknown)
    assert reason in look.reason


@given(st.binary(max_size=300))
def test_no_answer_crashes_the_parsers(noise: bytes) -> None:
    """Law: whatever comes over the wire is an answer or Unknown."""
    text = RECORDED.encode().removesuffix(b"end\n") + noise + b"\nend\n"
    assert isinstance(parse(NODE.host, (NODE,), Result(0, text, "")), (Look, Unknown))
    assert isinstance(network.reached(Result(0, b"tcp " + noise + b"\nend\n", "")), (dict, Unknown))
    assert isinstance(network.listening(Result(0, noise, "")), (network.Listener, Unknown))


def test_real_shell_answers(small: Cluster, shell: Shell) -> None:
    """The script runs in a POSIX shell, and its answer is about every folder, port and node it was asked."""
    host = small.hosts[0]
    look = parse(host, small.nodes, shell(probe(host, small.nodes, ("localhost", "nosuch.invalid"))))
    assert isinstance(look, Look)
    assert set(look.places) == {
        host.paths.releases,
        *(p for n in small.nodes for p in (*n.data, n.logs, n.run, n.config)),
    }
    assert {each.writable for each in look.places.values()} == {True}
    assert set(look.open_files) == {"zookeeper", "broker"}
    assert int(look.settings["swappiness"]) >= 0
    assert abs(look.clock - time.time()) < 60


def test_probe_writes_nothing(small: Cluster, shell: Shell, tmp_path: Path) -> None:
    """A preflight leaves no file behind."""
    shell(probe(small.hosts[0], small.nodes, ()))
    assert list(tmp_path.iterdir()) == []


def test_healthy_host_is_all_green() -> None:
    """Nothing is found where nothing is wrong."""
    assert judged(healthy()) == []


@pytest.mark.parametrize(
    ("changes", "check", "severity", "said"),
    [
        ({"root": False}, "sudo", "CRIT", "not root"),
        ({"systemd": False}, "systemd", "CRIT", "does not run here"),
        ({"kernel": "FreeBSD"}, "os", "CRIT", "FreeBSD"),
        ({"architecture": "s390x"}, "os", "WARN", "s390x"),
        ({"system": {"ID": "gentoo"}}, "os", "WARN", "gentoo"),
        ({"facts": HostFacts({"broker": NodeFacts()})}, "java", "CRIT", "no Java (looked at the PATH"),
        (
            {"facts": HostFacts({"broker": NodeFacts()}, java="/j/bin/java")},
            "java", "UNKNOWN", "no release file",
        ),
        (
            {"facts": HostFacts({"broker": NodeFacts()}, java="/j/bin/java", java_version="1.7.0_80")},
            "java", "CRIT", "Java 1.7.0_80 at /j/bin/java (looked at the PATH, then",
        ),
        ({"places": disk(free=GB // 2)}, "disk", "CRIT", "500.0 MB of 100.0 GB free"),
        ({"places": disk(free=4 * GB)}, "disk", "WARN", "4.0 GB of 100.0 GB free"),
        ({"places": disk(free=9 * GB)}, "disk", "WARN", "(9 %)"),
        ({"places": disk(inodes_free=10)}, "disk", "CRIT", "10 of 1000000 inodes free"),
        ({"places": disk(options=frozenset({"ro"}), writable=False)}, "disk", "CRIT", "read-only"),
        ({"places": disk(writable=False)}, "disk", "CRIT", "not writable"),
        ({"places": {}}, "disk", "UNKNOWN", "cannot be measured"),
        (
            {"places": disk() | {DATA: place(DATA, kind="nfs4", mount=PurePosixPath("/n"))}},
            "filesystem", "WARN", "nfs4",
        ),
        (
            {"places": disk() | {NODE.run: place(NODE.run, options=frozenset({"rw", "noexec"}))}},
            "filesystem", "CRIT", "noexec",
        ),
        (
            {"places": disk() | {DATA: place(DATA, unmounted=PurePosixPath("/var/lib/kafka"))}},
            "mount", "CRIT", "/var/lib/kafka of /etc/fstab is not mounted",
        ),
        ({"facts": node_facts(identities={DATA: Identity(7)})}, "data", "CRIT", "belongs to broker.id 7"),
        (
            {"facts": replace(node_facts(strange=(DATA / "old",)), account=True)},
            "access", "CRIT", f"{DATA / 'old'} in a data folder",
        ),
        ({"held": {9092: "pid 77, nginx"}}, "port", "CRIT", "port 9092 is held by pid 77, nginx"),
        ({"held": {9092: "a process of another user"}}, "port", "CRIT", "another user"),
        (
            {"held": {9092: "pid 77, nginx"}, "facts": node_facts(process=Process(5, "r", "d", alive=True))},
            "port", "CRIT", "held by pid 77",
        ),
        ({"open_files": {"broker": OpenFiles(1024, "process")}}, "limits", "CRIT", "1024 open files"),
        ({"open_files": {"broker": OpenFiles(20000, "unit")}}, "limits", "WARN", "20000 open files"),
        ({"open_files": {}}, "limits", "UNKNOWN", "cannot be read"),
        ({"memory": {"MemTotal": GB}}, "memory", "CRIT", "1.0 GB memory, 1.1 GB heaps of 1 node"),
        ({"memory": {"MemTotal": 2 * GB, "SwapTotal": 0}}, "memory", "WARN", "page cache"),
        ({"memory": {"MemTotal": 8 * GB, "cgroup": GB, "SwapTotal": 0}}, "memory", "CRIT", "1.0 GB memory"),
        ({"settings": SETTINGS | {"max_map_count": "65530"}}, "map-count", "WARN", "65530"),
        (
            {"settings": SETTINGS | {"transparent_hugepage": "[always] madvise never"}},
            "huge-pages", "WARN", "always",
        ),
        (
            {"settings": SETTINGS | {"swappiness": "60"}, "memory": {"MemTotal": 8 * GB, "SwapTotal": GB}},
            "swap", "WARN", "1.0 GB swap, vm.swappiness 60",
        ),
    ],
)  # fmt: skip
def test_one_fault_is_one_finding(changes: Mapping[str, Any], check: str, severity: str, said: str) -> None:
    """Each fault of a host turns its own check, and only that, and the detail names it."""
    found = [
        item for item in judged(replace(healthy(), **changes)) if item.check in (check, "memory", "swap")
    ]
    named = [item for item in found if item.check == check]
    assert [str(item.severity) for item in named] == [severity] * len(named) != []
    assert all(said in item.detail for item in named)


@pytest.mark.parametrize(
    "changes",
    [
        {"held": {9092: "pid 5, java"}, "facts": node_facts(process=Process(5, "r", "d", alive=True))},
        {
            "held": {9092: "a process of another user"},
            "facts": node_facts(process=Process(5, "r", "d", alive=True)),
        },
        {"held": {9092: f"pid 9, systemd-socket-activate -E {network.LISTENER}=1 -a"}},
        {"facts": node_facts(identities={DATA: Identity(1, "abc")})},
        {"settings": SETTINGS | {"swappiness": "60"}},
        {"places": disk(inodes=0, inodes_free=0)},
        {"open_files": {"broker": OpenFiles(2**63, "login")}},
    ],
)
def test_what_is_right_is_no_finding(changes: Mapping[str, Any]) -> None:
    """A port of our own, data of our own, a file system without inode numbers: all green."""
    assert judged(replace(healthy(), **changes)) == []


def test_finding_says_found_wanted_and_how_to_mend() -> None:
    """The three things an operator needs, in the text and as evidence."""
    (finding,) = judged(replace(healthy(), held={9092: "pid 77, nginx"}))
    assert (
        finding.detail
        == "client port 9092 is held by pid 77, nginx; wanted: free, or held by the node itself"
    )
    assert finding.evidence == {
        "host": "node1",
        "found": "client port 9092 is held by pid 77, nginx",
        "wanted": "free, or held by the node itself",
    }
    assert finding.hint is not None
    assert "give the node another port" in finding.hint


@pytest.mark.parametrize(("mount", "found"), [("/", ["mount"]), ("/var/lib/kafka", [])])
def test_data_is_on_a_disk_of_its_own_where_asked(mount: str, found: list[str]) -> None:
    """With `data_mounted` a disk that is not mounted is CRIT: the data would go to the root file system."""
    cluster = replace(CLUSTER, nodes=(replace(NODE, data_mounted=True),))
    look = replace(healthy(), places=disk() | {DATA: place(DATA, mount=PurePosixPath(mount))})
    assert [item.check for item in judged(look, cluster)] == found


def test_java_8_is_too_old_for_kafka_4() -> None:
    """Kafka 4 needs Java 17; the finding says what was found, needed, and where it was looked for."""
    host = replace(NODE.host, java=PurePosixPath("/opt/jdk8"))
    cluster = replace(CLUSTER, version=Version(4, 1, 0), hosts=(host,), nodes=(replace(NODE, host=host),))
    seen = HostFacts({"broker": NodeFacts()}, java="/opt/jdk8/bin/java", java_version="1.8.0_292")
    (finding,) = judged(replace(healthy(), facts=seen), cluster)
    assert (finding.check, finding.severity) == ("java", Severity.CRIT)
    assert finding.detail == (
        "Java 1.8.0_292 at /opt/jdk8/bin/java (looked at /opt/jdk8/bin/java); wanted: Java 17 or newer for Kafka 4.1.0"
    )


@pytest.mark.parametrize(
    ("version", "java", "fine"),
    [
        (Version(2, 4, 1), "1.8.0_292", True),
        (Version(3, 9, 2), "1.8.0_292", True),
        (Version(3, 9, 2), "25", True),
        (Version(3, 8, 1), "24.0.1", False),
        (Version(4, 0, 0), "11.0.2", False),
        (Version(4, 0, 0), "17.0.15", True),
    ],
)
def test_java_versions(version: Version, java: str, fine: bool) -> None:
    """Which Java serves which Kafka: its documentation's "Java Version", and KAFKA-17078 for Java 24."""
    seen = HostFacts({"broker": NodeFacts()}, java="/usr/bin/java", java_version=java)
    assert (judged(replace(healthy(), facts=seen), replace(CLUSTER, version=version)) == []) is fine


@pytest.mark.parametrize(
    ("text", "major"), [("1.8.0_292", 8), ("17.0.15", 17), ("21", 21), ("25-ea", 25), ("unknown", None)]
)
def test_java_major(text: str, major: int | None) -> None:
    """Java counted as 1.x until 8."""
    assert java_major(text) == major


def test_lab_takes_the_machine_as_it_is() -> None:
    """In a lab advice is told and is OK; what a node would fail of is still CRIT."""
    lab = replace(CLUSTER, lab=True)
    advice = replace(healthy(), settings=SETTINGS | {"max_map_count": "65530"})
    assert judged(advice, lab) == []
    assert [item.check for item in judged(replace(advice, held={9092: "pid 7, x"}), lab)] == ["port"]


@pytest.mark.parametrize(
    ("installed", "findings"), [(frozenset(), 1), (frozenset({"kafka_2.13-3.9.2-abab"}), 0)]
)
def test_release_needs_room_unless_it_is_there(installed: frozenset[str], findings: int) -> None:
    """Three times the archive, on a disk of its own, only where it has to be unpacked."""
    opt = place(RELEASES, mount=PurePosixPath("/opt"), size=GB, free=GB // 10)
    look = replace(
        healthy(), places=disk() | {RELEASES: opt}, facts=replace(node_facts(), releases=installed)
    )
    found = judged(look, release=("kafka_2.13-3.9.2-abab", 60 * 10**6))
    assert [item.detail.partition("; ")[2] for item in found] == ["wanted: at least 180.0 MB"] * findings


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"options": frozenset({"ro"})}, "mounted read-only"),
        ({"free": 1}, "free"),
        ({"inodes_free": 3}, "inodes"),
    ],
)
def test_configuration_that_cannot_be_written_is_seen(changes: Mapping[str, Any], told: str) -> None:
    """A deploy writes there before anything else of a node: a file system of its own that is read-only or full is told."""
    etc = place(NODE.config, mount=PurePosixPath("/etc"), **changes)
    (found,) = judged(replace(healthy(), places={**healthy().places, NODE.config: etc}))
    assert (found.check, found.severity, told in found.detail) == ("disk", Severity.CRIT, True)
    assert ("remount,rw /etc" in str(found.hint)) == ("options" in changes)


def test_small_file_system_of_the_configuration_is_enough() -> None:
    """Its files are small: what data need is not asked of it."""
    etc = place(NODE.config, mount=PurePosixPath("/etc"), size=GB, free=GB // 2)
    assert judged(replace(healthy(), places={**healthy().places, NODE.config: etc})) == []
