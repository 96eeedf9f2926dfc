"""The `systemd` supervisor in a real shell, with a systemctl and a journalctl that are scripts of a few lines."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Result, Script
from kafab.hosts import supervisor
from kafab.hosts.supervisor import Report, State
from kafab.model import Cluster, Node, Supervisor
from kafab.unknown import Unknown
from tests.conftest import cannot_run

Shell = Callable[..., Result]
SYSTEMCTL = """case $4 in MainPID) MAIN ;; SubState) echo auto-restart ;; NRestarts) echo 3 ;; esac"""
JOURNALCTL = """
case " $* " in *" --sync "*) echo sync >> SYNCS; SYNC; exit ;; esac
while [ "$1" != -n ]; do shift; done
{ WRITTEN; i=0; while [ $i -lt 20 ]; do i=$((i + 1)); echo "systemd: line $i"; done; } | tail -n "$2"
"""
"""What Kafka has written stands before the lines that systemd adds when it starts the unit again."""


class Host:
    """A host under systemd with one broker, whose process is gone; ``syncs`` counts how often the journal was synced."""

    def __init__(self, folder: Path, node: Node, shell: Shell) -> None:
        self.node = replace(node, host=replace(node.host, supervisor=Supervisor.SYSTEMD))
        self._bin, self._syncs, self._shell = folder / "bin", folder / "syncs", shell
        self._main = "echo 0"
        self._bin.mkdir()
        Path(node.run).mkdir(parents=True)
        self.recorded("1 0")

    def recorded(self, process: str) -> None:
        """Set pid and start time of the run record."""
        Path(self.node.run / "process").write_text(f"{process} release digest\n")

    def journal(self, written: str = "echo 'the reason'", *, sync: str = ":") -> None:
        """Let the journal have what a shell command prints, and a sync do another one."""
        journalctl = JOURNALCTL.replace("WRITTEN", written).replace("SYNCS", str(self._syncs))
        systemctl = SYSTEMCTL.replace("MAIN", self._main)
        for name, text in {"systemctl": systemctl, "journalctl": journalctl.replace("SYNC", sync)}.items():
            program = self._bin / name
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)

    def main_process(self, said: str) -> None:
        """Let systemd say this of the unit's own process."""
        self._main = said
        self.journal()

    @property
    def syncs(self) -> int:
        """How often the journal was synced."""
        return len(self._syncs.read_text().splitlines()) if self._syncs.exists() else 0

    def check(self, *nodes: Node) -> Report:
        """Look at the broker, or at some nodes; return what is said of the first."""
        report = self.asked(supervisor.check, *nodes)
        assert isinstance(report, Report)
        return report

    def asked(self, make: Callable[[Sequence[Node]], Script], *nodes: Node) -> Report | Unknown:
        """Run a script of the supervisor's; return what is said of the first node."""
        looked = nodes or (self.node,)
        script = make(looked)
        result = self._shell(replace(script, text=f"PATH={self._bin}:$PATH\n{script.text}"))
        return supervisor.read(result, looked)[looked[0].name]


@pytest.fixture
def host(tmp_path: Path, small: Cluster, shell: Shell) -> Host:
    """Return a host whose broker has ended, and whose journal has its reason."""
    made = Host(tmp_path, small.brokers[0], shell)
    made.journal()
    return made


def test_last_lines_reach_back_behind_systemds_own(host: Host) -> None:
    """Once systemd has logged the exit and the restart, what the broker itself wrote is still told."""
    report = host.check()
    assert (report.state, report.detail, "the reason" in report.log) == (State.RESTARTING, "3", True)


def test_lagging_journal_is_synced_first(host: Host, tmp_path: Path) -> None:
    """What journald has received and not written yet is told, too."""
    late = tmp_path / "late"
    host.journal(f"cat {late} 2>/dev/null", sync=f"echo 'the reason' > {late}")
    assert "the reason" in host.check().log


@pytest.mark.parametrize("sync", ["echo no >&2; exit 1", "exec sleep 60"])
def test_journal_that_cannot_be_synced_is_read(host: Host, sync: str) -> None:
    """Without the right, or with a journald that hangs, the look still ends in time with what is there."""
    host.journal(sync=sync)
    began = time.monotonic()
    report = host.check()
    taken = time.monotonic() - began
    assert ("the reason" in report.log, taken < supervisor.LOOK_TIMEOUT.total_seconds()) == (True, True)


def test_two_ended_nodes_wait_for_the_journal_once(host: Host) -> None:
    """One sync is for all of a host's nodes, so that many of them do not outlast the look."""
    host.check(host.node, host.node)
    assert host.syncs == 1


def test_running_node_waits_for_no_journal(host: Host) -> None:
    """`check` is asked every second while one waits: only a node that does not run pays for its last lines."""
    start = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    host.recorded(f"{os.getpid()} {start}")
    assert (host.check().state, host.syncs) == (State.RUNNING, 0)


def mine() -> str:
    """Return this process's start time."""
    return Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]


def test_record_in_the_services_own_folder_is_not_believed(host: Host) -> None:
    """Whoever may write there could name any process: systemd says what runs, and nothing does."""
    if os.geteuid() != 0:
        cannot_run("it takes root to give a folder away")
    host.recorded(f"{os.getpid()} {mine()}")
    os.chown(host.node.run, 65534, 65534)
    assert host.check() == Report(State.STOPPED, "")


def test_process_without_a_record_runs(host: Host) -> None:
    """A node that was started before root kept the records must not look stopped: systemd knows its process."""
    Path(host.node.run / "process").unlink()
    host.main_process(f"echo {os.getpid()}")
    assert host.check() == Report(State.RUNNING, str(os.getpid()), process=f"{os.getpid()} {mine()}")


def test_silent_systemd_is_unknown(host: Host) -> None:
    """Where neither the record nor systemd says that it runs, and systemd does not answer, it is not stopped either."""
    host.main_process("echo 'Failed to connect to bus' >&2; exit 1")
    report = host.asked(supervisor.check)
    assert isinstance(report, Unknown)
    assert "systemd does not say whether kafka-broker@broker.service runs" in report.reason


@pytest.mark.parametrize("mode", [0o777, 0o700])
def test_start_is_refused_where_no_record_can_be_kept(mode: int, host: Host) -> None:
    """In a folder that others can write in, or that a deploy has not finished, nothing is started; a deploy mends it."""
    Path(host.node.run).chmod(mode)
    report = host.asked(supervisor.start)
    assert isinstance(report, Report)
    assert (report.state, str(host.node.run) in report.detail, "`fab deploy`" in report.detail) == (
        State.FAILED,
        True,
        True,
    )


LATER = """case $4 in
  MainPID) echo 0 ;; ExecMainPID) echo GONE ;; NeedDaemonReload) echo no ;; NRestarts) echo 1 ;;
  InvocationID) if [ -e STARTED ]; then echo second; else echo first; fi ;;
  SubState) if [ -e STARTED ]; then echo NEXT; else echo auto-restart; fi ;;
esac
case $1 in start) (sleep 1; touch STARTED; RECORD) > /dev/null 2>&1 & ;; esac
"""
"""A unit between two runs of a crash: a start is put off until its pause is over, as systemd does it (service_start)."""
OF_ONE_RUN = """case " $* " in
*" --sync "*) ;;
*_SYSTEMD_UNIT=kafka-broker@broker.service*_PID=4242*) echo 'of a process without an invocation' ;;
*_SYSTEMD_INVOCATION_ID=second*INVOCATION_ID=second*) echo 'of this run' ;;
*_SYSTEMD_INVOCATION_ID=first*) echo 'of the run that crashed' ;;
*) echo 'of any run' ;; esac
"""


def put_off(host: Host, folder: Path, then: str, record: str = ":", gone: int = 0) -> None:
    """Let the host's unit be between two runs, and be in the state ``then`` a second after it was asked to start.

    ``gone`` is the pid of the process that has ended, 0 where systemd has none.
    """
    mark = folder / "second-run"
    text = LATER.replace("STARTED", str(mark)).replace("NEXT", then).replace("RECORD", record)
    text = text.replace("GONE", str(gone))
    for name, script in {"systemctl": text, "journalctl": OF_ONE_RUN}.items():
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    Path(host.node.run).chmod(0o755)


def rooted(folder: Path) -> None:
    """Let a test go on where the folders of this machine above its own are root's alone."""
    for above in folder.parents:
        if above.stat().st_mode & 0o022 and not above.stat().st_mode & 0o1000:
            cannot_run(f"others can write in {above}")


def test_start_within_the_pause_of_a_restart_is_a_start(host: Host, tmp_path: Path) -> None:
    """The unit puts it off until the pause between two runs is over: that is neither an exit nor 'not started'."""
    rooted(tmp_path)
    record = f"echo {os.getpid()} {mine()} release digest > {host.node.run}/process"
    put_off(host, tmp_path, "running", record)
    report = host.asked(supervisor.start)
    assert report == Report(State.STARTED, str(os.getpid()), process=f"{os.getpid()} {mine()}")


def test_start_that_fails_quotes_its_own_run(host: Host, tmp_path: Path) -> None:
    """What the run before it wrote, be it the crash, says nothing about this start."""
    rooted(tmp_path)
    put_off(host, tmp_path, "auto-restart")
    assert host.asked(supervisor.start) == Report(State.FAILED, "of this run")


def test_last_lines_are_of_the_last_run(host: Host, tmp_path: Path) -> None:
    """An ended process is told with what it wrote, and not with the lines of the run before."""
    put_off(host, tmp_path, "running")
    assert host.check().log == ("of the run that crashed",)


def test_last_lines_of_a_short_life_are_found(host: Host, tmp_path: Path) -> None:
    """A JVM that refuses a flag is gone before journald looks up its invocation: its lines are found by its pid."""
    put_off(host, tmp_path, "running", gone=4242)
    assert host.check().log == ("of a process without an invocation",)


def test_process_that_a_drill_kills_is_not_started_again(host: Host, tmp_path: Path) -> None:
    """The unit is asked to stop, too: systemd would have it back before anybody has missed it."""
    asked = tmp_path / "asked"
    program = tmp_path / "bin" / "systemctl"
    program.write_text(f'#!/bin/sh\ncase $1 in stop) echo "$*" >> {asked} ;; esac\n')
    with subprocess.Popen(["sleep", "600"]) as sleeping:
        words = Path(f"/proc/{sleeping.pid}/stat").read_text().rpartition(")")[2].split()
        host.recorded(f"{sleeping.pid} {words[19]}")
        report = host.asked(supervisor.strike)
        ended = sleeping.wait()
    assert (report.state if isinstance(report, Report) else report, ended, asked.read_text().strip()) == (
        State.EXITED,
        -signal.SIGKILL,
        f"stop --no-block {host.node.unit}",
    )
