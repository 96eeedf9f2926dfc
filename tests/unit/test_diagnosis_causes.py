"""From what a node has said, and what its host has told, to the likely cause."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.diagnosis.causes import causes
from kafab.diagnosis.evidence import Evidence, HostEvidence, NodeEvidence, Text
from kafab.diagnosis.signs import SIGNS
from kafab.findings import Finding, Severity
from kafab.hosts.sights import Trouble
from kafab.model import Cluster
from tests.conftest import cluster_in

CASES = Path(__file__).parents[1] / "cases" / "causes.tsv"
ROOM = "room /data: 900000 of 1000000 KiB free, 5000 of 6000 inodes free, ext4 at /"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return three hosts with a ZooKeeper server and a broker each."""
    return cluster_in(tmp_path_factory.mktemp("causes"), 3)


def said(**parts: str) -> dict[str, Text]:
    """Return parts by their names."""
    return {name: Text(f"nodes/x/{name}.txt", tuple(text.splitlines())) for name, text in parts.items()}


def evidence(
    cluster: Cluster,
    state: str = "exited",
    host: HostEvidence | None = None,
    parts: Mapping[str, str] | None = None,
    **more: object,
) -> Evidence:
    """Return the first broker in this state, all other nodes running."""
    broken = cluster.brokers[0]
    nodes = [NodeEvidence(node, "running") for node in cluster.nodes if node != broken]
    first = NodeEvidence(broken, state, texts=said(**(parts or {})), pid=4711)
    return Evidence(cluster, (replace(first, **more), *nodes), (host,) if host else ())  # type: ignore[arg-type]


def signs(found: Evidence) -> list[str]:
    """Return the signs of the causes, in order."""
    return [one.sign for one in causes(found)]


@pytest.mark.parametrize("case", CASES.read_text(encoding="utf-8").splitlines())
def test_words_have_a_cause(case: str, cluster: Cluster) -> None:
    """What Kafka, ZooKeeper, Java or kafab says at its end is known, behind an error that is logged after it."""
    sign, line = case.split("\t")
    log = f"[t] INFO up (x)\n[t] ERROR Fatal error during startup (x)\n{line}\n[t] INFO shutting down (x)\n"
    (found,) = causes(evidence(cluster, parts={"log": log}))
    assert (found.sign, found.evidence, found.place) == (sign, line, "nodes/x/log.txt:3")


def test_every_sign_has_a_case() -> None:
    """The table of signs and the cases have the same names."""
    assert {line.partition("\t")[0] for line in CASES.read_text().splitlines()} == {one.name for one in SIGNS}


@pytest.mark.parametrize(
    ("sign", "kwargs"),
    [
        ("killed", {"parts": {"log": "[t] INFO up (x)\n[t] WARN No space left on device (x)"}}),
        ("killed", {}),
        ("last-error", {"parts": {"log": "[t] ERROR a thing nobody knows (x)\n[t] INFO bye (x)"}}),
        ("ended", {"parts": {"log": "[t] INFO [KafkaServer id=1] shut down completed (x)"}}),
        ("stopped", {"state": "stopped", "parts": {"process": "gone: pid 4711, which was asked to stop"}}),
        ("not-deployed", {"state": "not deployed"}),
        ("host-silent", {"state": "UNKNOWN", "reason": "no route"}),
        ("not-mounted", {"state": "stopped", "reason": "/data has held the data of id 1"}),
        ("cluster-id", {"state": "running", "lacks": "fenced", "reason": "x; now it has those of cluster B"}),
        ("path", {"troubles": (Trouble("kafka may not read /data", "chown"),)}),
        ("disk-full", {"parts": {"folders": ROOM.replace("900000", "12")}}),
        ("disk-full", {"parts": {"folders": ROOM.replace("5000 of", "0 of")}}),
        ("disk-full", {"state": "running", "parts": {"folders": ROOM.replace("900000", "12")}}),
        ("read-only", {"parts": {"folders": f"{ROOM}\nmount /: ro,relatime"}}),
        ("killed", {"parts": {"folders": f"{ROOM}\nmount /: rw,relatime"}}),
        (
            "descriptors",
            {
                "state": "running",
                "answers": False,
                "parts": {"process": "open files: 999\nMax open files            1000                 1000"},
            },
        ),
        (
            "frozen",
            {"state": "running", "answers": False, "parts": {"process": "State:  T (stopped)"}},
        ),
        (
            "deadlock",
            {"state": "running", "answers": False, "parts": {"threads": "Found one Java-level deadlock:"}},
        ),
        ("hangs", {"state": "running", "answers": False, "lacks": "does not answer: timed out"}),
        ("hangs", {"state": "stopping"}),
        ("hangs", {"state": "running", "answers": False, "lacks": "refused", "up_s": 300.0}),
        ("starting", {"state": "running", "answers": False, "lacks": "refused", "up_s": 5.0}),
        (
            "killed",
            {
                "state": "running",
                "answers": False,
                "up_s": 5.0,
                "parts": {"systemd": "x.service: Main process exited, code=killed, status=9/KILL"},
            },
        ),
        (
            "recovers",
            {
                "state": "running",
                "answers": False,
                "parts": {"log": "[t] INFO Loading logs from log dirs (x)"},
            },
        ),
        ("lacks", {"state": "running", "lacks": "fenced"}),
        (
            "no-quorum",
            {
                "state": "running",
                "lacks": "not registered",
                "parts": {"log": "[t] WARN Cannot open channel to 2 (x)"},
            },
        ),
    ],
)
def test_facts_have_a_cause(sign: str, kwargs: dict[str, object], cluster: Cluster) -> None:
    """What host and cluster show of a node has one cause, with something to do about it."""
    (found,) = causes(evidence(cluster, **kwargs))  # type: ignore[arg-type]
    assert (found.sign, bool(found.evidence), bool(found.next)) == (sign, True, True)


@pytest.mark.parametrize(("pid", "sign"), [(4711, "oom-kill"), (4712, "killed")])
def test_kernel_kills_a_process_by_its_number(pid: int, sign: str, cluster: Cluster) -> None:
    """That the kernel has killed some process is no reason; that it was this one is."""
    kernel = Text("hosts/node1/kernel.txt", (f"[t] Out of memory: Killed process {pid} (java)",))
    host = HostEvidence("node1", texts={"kernel": kernel})
    assert signs(evidence(cluster, host=host)) == [sign]


def test_port_that_another_has_is_the_cause(cluster: Cluster) -> None:
    """It is told even where the log does not: the next start would fail of it."""
    port = cluster.brokers[0].listeners[0].port
    ports = Text("hosts/node1/ports.txt", ("port 1: pid 3, x", f"port {port}: pid 7, nginx"))
    (found,) = causes(evidence(cluster, host=HostEvidence("node1", texts={"ports": ports})))
    assert (found.sign, found.evidence) == ("port-taken", f"port {port}: pid 7, nginx")


def test_clock_is_judged_of_a_host_that_is_well(cluster: Cluster) -> None:
    """A host whose clock is far off is told, and one that is a second off is not."""
    host = HostEvidence("node1", ahead_s=-40.0)
    assert signs(evidence(cluster, "running", host)) == ["clock"]
    assert signs(evidence(cluster, "running", replace(host, ahead_s=1.0))) == []


def test_nodes_in_order_are_no_cause(cluster: Cluster) -> None:
    """Old errors in the log of a node that serves are not taken for the reason of anything."""
    log = "[t] ERROR No space left on device (x)"
    assert signs(evidence(cluster, "running", parts={"log": log})) == []


def test_findings_are_the_causes_of_a_cluster_that_runs(cluster: Cluster) -> None:
    """Where every node serves, what `verify` finds is told; what follows from something else is not."""
    worst = Finding("partitions.offline", "c", Severity.CRIT, "1 of 3")
    follows = replace(worst, check="other", caused_by=("node1/broker",))
    mild = replace(worst, check="mild", severity=Severity.WARN)
    found = replace(evidence(cluster, "running"), findings=(mild, follows, worst))
    assert signs(found) == ["partitions.offline"]
    assert signs(replace(evidence(cluster), findings=(worst,))) == ["killed"]


def test_one_fault_of_several_nodes_is_told_once_and_before_who_waits(cluster: Cluster) -> None:
    """Two servers with a full disk are the cause, the broker that waits for them is not the first one told."""
    broken = [
        NodeEvidence(node, "exited", texts=said(log="java.io.IOException: No space left on device"))
        for node in cluster.zookeepers[:2]
    ]
    waits = NodeEvidence(
        cluster.brokers[0],
        "running",
        lacks="not registered",
        texts=said(log="[t] WARN Timed out waiting for connection while in state: CONNECTING (x)"),
    )
    first, second = causes(Evidence(cluster, (waits, *broken)))
    assert (first.sign, first.subjects) == ("disk-full", ("node1/zookeeper", "node2/zookeeper"))
    assert "--limit node1/zookeeper,node2/zookeeper" in first.next
    assert (second.sign, second.subjects) == ("no-quorum", ("node1/broker",))
