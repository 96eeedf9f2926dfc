"""Preflight as an operation: what hosts are asked in which order, and what becomes of it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from kafab.checks.preflight import sysctl
from kafab.command import Outcome, Result, Script
from kafab.events import Note
from kafab.findings import Finding, Report, Severity
from kafab.model import Cluster, Host
from kafab.ops.check.preflight import blocking, fix, preflight
from kafab.screens.console import Console
from kafab.screens.preflight import COLUMNS, show_preflight
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld
from tests.fab import CHECKOUT
from tests.preflight_hosts import (
    CLUSTER,
    NODE,
    RECORDED,
    healthy,
    sole_listener,
)

CLOCK = 1795256054.7
"""What the clock of the recorded answer says, to a tenth of a second."""


class Hosts:
    """Hosts that answer a preflight: well, unless told otherwise; ``asked`` records what each was asked.

    ``here`` is this machine's clock; while the first answer is on its way it moves by ``late`` seconds.
    """

    def __init__(self, cluster: Cluster, *, here: float = CLOCK, late: float = 0) -> None:
        self.cluster = cluster
        self.here, self.late = here, late
        self.asked: list[str] = []
        self.refuses = ""

    def answer(self, script: Script) -> Outcome:
        """Answer by what the script asks."""
        known = ("keep", "machine", "listen", "reach", "hush")
        self.asked.append(next(function for function in known if script.called(function)))
        if script.called("keep"):
            return Result(1, b"", self.refuses) if self.refuses else Result(0, b"", "")
        if script.called("machine"):
            self.here += self.late
            return Result(0, RECORDED.replace("held 9092 pid 77, nginx: master process\n", "").encode(), "")
        if script.called("listen"):
            return Result(0, b"listening 7 100\n", "")
        if reached := script.called("reach"):
            lines = [f"tcp {host} {port} 0 " for _, _, host, port, _ in (call.words for call in reached)]
            return Result(0, "\n".join([*lines, "end", ""]).encode(), "")
        return Result(0, b"", "")


def looked(cluster: Cluster, hosts: Hosts, **unreachable: str) -> Any:
    """Run the operation on fake hosts."""
    fleet = FakeFleet({host.name: hosts.answer for host in cluster.hosts}, unreachable=unreachable)
    world = FakeWorld.of(FakeKafka(cluster), fleet=fleet, store=FakeStore())
    return preflight(cluster, None, world, now=lambda: hosts.here)


def test_listeners_are_ended() -> None:
    """What was started to be reached is ended before the report is made."""
    hosts = Hosts(CLUSTER)
    looked(CLUSTER, hosts)
    assert hosts.asked == ["machine", "listen", "reach", "hush"]


def test_running_nodes_need_no_listener() -> None:
    """One round trip for all that is local and one for the network: no port of a loopback host is listened on."""
    host = replace(NODE.host, address="127.0.0.1")
    node = replace(NODE, host=host, listeners=sole_listener(host))
    cluster = replace(CLUSTER, hosts=(host,), nodes=(node,))
    hosts = Hosts(cluster)
    looked(cluster, hosts)
    assert len(hosts.asked) == 2


@pytest.mark.parametrize(
    ("here", "late", "severity"),
    [
        (CLOCK, 0, Severity.OK),
        (CLOCK, 20, Severity.OK),
        (CLOCK - 20, 20, Severity.OK),
        (CLOCK - 9, 5, Severity.WARN),
        (CLOCK + 4, 5, Severity.WARN),
    ],
)
def test_slow_answer_is_no_wrong_clock(here: float, late: float, severity: Severity) -> None:
    """A host's clock is wrong where it is before the question or after its answer, and not for a slow one."""
    findings = looked(CLUSTER, Hosts(CLUSTER, here=here, late=late)).report.findings
    assert [item.severity for item in findings if item.check == "clock"] == [severity]


def test_unreachable_host_has_exit_code_4() -> None:
    """A host that is down is one CRIT line, and the code says what to mend first."""
    found = looked(CLUSTER, Hosts(CLUSTER), node1="no answer from 10.0.0.1 port 22 within 10 s")
    assert (found.exit_code, [item.check for item in found.report.findings]) == (4, ["ssh.reachable"])


def test_missing_sudo_has_exit_code_1() -> None:
    """The host answers, so it is not unreachable."""
    assert looked(CLUSTER, Hosts(CLUSTER), node1="sudo wants a password for ops").exit_code == 1


def test_blocking_is_what_is_certain() -> None:
    """A deploy stops at CRIT; advice and what could not be read do not stop it."""
    findings = tuple(Finding(str(severity), "x", severity, "") for severity in Severity)
    assert [item.check for item in blocking(Report("c", findings))] == ["CRIT"]


def test_fix_is_offered_where_it_helps() -> None:
    """The drop-in is for hosts that lack a setting, and never lowers one."""
    poor = replace(healthy(), settings={"swappiness": "1", "max_map_count": "65530"})
    rich = replace(healthy(), settings={"swappiness": "1", "max_map_count": "1048576"})
    assert (sysctl.lacking(poor), sysctl.lacking(rich), sysctl.lacking(replace(rich, settings={}))) == (
        True,
        False,
        False,
    )
    assert sysctl.text(rich).splitlines()[1:] == ["vm.swappiness = 1", "vm.max_map_count = 1048576"]


@pytest.mark.parametrize(
    ("refusal", "refused", "said"),
    [
        ("", (), "wrote /etc/sysctl.d/60-kafab.conf and applied it"),
        (
            "sh: cannot create /proc/sys/vm/swappiness: Read-only file system",
            ("node1",),
            "refused, nothing was written",
        ),
    ],
)
def test_fix_tells_each_host(refusal: str, refused: tuple[str, ...], said: str) -> None:
    """A kernel that refuses, as a container's does, is named with its words."""
    hosts, notes = Hosts(CLUSTER), list[Any]()
    hosts.refuses = refusal
    drop_in = sysctl.text(healthy())
    fleet = FakeFleet({"node1": hosts.answer})
    world = FakeWorld.of(FakeKafka(CLUSTER), fleet=fleet, emit=notes.append)
    assert fix({"node1": drop_in}, world) == refused
    assert [isinstance(note, Note) and said in note.text and refusal in note.text for note in notes] == [True]


def _large(*bad: int) -> tuple[Cluster, Report]:
    """Return a cluster of three hundred hosts and a report about it, with a port that is taken on some."""
    hosts = tuple(Host(f"node{at}", f"10.0.1.{at}") for at in range(300))
    findings = [Finding("java", host.name, Severity.OK, "17", {"host": host.name}) for host in hosts]
    findings += [
        Finding(
            "port", f"node{at}/broker", Severity.CRIT, f"held by pid {at}", {"host": f"node{at}"}, "end it"
        )
        for at in bad
    ]
    return replace(CLUSTER, hosts=hosts), Report("prod", tuple(findings))


def _shown(
    capsys: pytest.CaptureFixture[str], cluster: Cluster, report: Report, *, each: bool = False
) -> list[str]:
    show_preflight(Console(), cluster, report, each=each)
    return capsys.readouterr().out.splitlines()


def test_every_check_of_the_page_is_in_a_column() -> None:
    """The table shows a CRIT of any check that docs/preflight.md lists; `listening` is never one."""
    page = (CHECKOUT / "docs" / "preflight.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z.-]+)` \|", page, re.MULTILINE))
    assert listed - set().union(*COLUMNS.values()) == {"listening"}


def test_large_cluster_is_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Three hundred hosts of which all is well are one row of the table, and one line of counts."""
    assert [" ".join(line.split()) for line in _shown(capsys, *_large())[1:]] == [
        "node0 to node299 - - OK - - - - - - -",
        "prod: OK, 300 hosts (300 OK)",
    ]


def test_what_is_wrong_in_a_large_cluster_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    """Hosts with the same fault are one row and one line, with every name, below those that are well."""
    lines = _shown(capsys, *_large(7, 8, 9, 250))
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "node0 to node6, node10 to node249, - - OK - - - - - - -",
        "node251 to node299",
        "node7 to node9, node250 - - OK - - - CRIT - - -",
        "CRIT node7/broker to node9/broker, node250/broker (4 of 4 nodes) port: held by pid 7 to 250",
        "end it",
        "prod: CRIT, 300 hosts (4 CRIT, 300 OK)",
    ]


def test_all_hosts_have_a_row_each_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """With --all there are three hundred rows and a line for every fault."""
    lines = _shown(capsys, *_large(7, 8), each=True)
    assert [line.split()[0] for line in lines[-6:]] == ["node8", "CRIT", "end", "CRIT", "end", "prod:"]
    assert len(lines) == 306
