"""The `process` supervisor in a real shell, with a sleeping process in the place of Java."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Result
from kafab.hosts import supervisor
from kafab.hosts.recovery import recovering
from kafab.hosts.supervisor import Report, State
from kafab.model import Cluster, Node
from kafab.unknown import Unknown

Shell = Callable[..., Result]
LIMIT = 60  # seconds, on a machine that is busy
LAUNCH = """#!/bin/sh
read -r stat < "/proc/$$/stat"
set -- ${stat##*) }
printf '%s %s release digest\\n' "$$" "${20}" > RUN/process
exec BODY
"""


@pytest.fixture
def broker(small: Cluster) -> Iterator[Node]:
    """Return a broker whose folders exist; what it started is ended by its recorded pid."""
    node = small.brokers[0]
    for folder in (node.config, node.run, node.logs):
        Path(folder).mkdir(parents=True)
    yield node
    record = Path(node.run / "process")
    if record.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(record.read_text().split()[0]), signal.SIGKILL)


def launch(node: Node, body: str) -> None:
    """Write a launch script that becomes ``body``."""
    text = LAUNCH.replace("RUN", str(node.run)).replace("BODY", body)
    Path(node.config / "launch").write_text(text)


def only(result: Result, node: Node) -> Report:
    """Return the node's report; it must be one."""
    report = supervisor.read(result, [node])[node.name]
    assert isinstance(report, Report)
    return report


def until(look: Callable[[], State], wanted: State) -> State:
    """Look until the state is there, for so long at most."""
    deadline = time.monotonic() + LIMIT
    while (state := look()) is not wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return state


def test_start_tells_the_pid_of_the_process(broker: Node, shell: Shell) -> None:
    """A started node's pid is that of the process the launch script became."""
    launch(broker, "sleep 60")
    report = only(shell(supervisor.start([broker])), broker)
    assert (report.state, Path(f"/proc/{report.detail}/comm").read_text()) == (State.STARTED, "sleep\n")


def test_second_start_leaves_the_process(broker: Node, shell: Shell) -> None:
    """A node that runs is not started again."""
    launch(broker, "sleep 60")
    first = only(shell(supervisor.start([broker])), broker)
    second = only(shell(supervisor.start([broker])), broker)
    assert (second.state, second.detail) == (State.RUNNING, first.detail)


def test_stop_ends_the_recorded_process(broker: Node, shell: Shell) -> None:
    """A stopped node's process is gone, and the host says that it was asked to."""
    launch(broker, "sleep 60")
    shell(supervisor.start([broker]))
    shell(supervisor.stop([broker]))
    state = until(lambda: only(shell(supervisor.check([broker])), broker).state, State.STOPPED)
    assert state is State.STOPPED


def test_stop_of_several_waits_at_its_line(broker: Node, shell: Shell) -> None:
    """A process that is to end together with others is asked once the host has said that it is ready."""
    launch(broker, "sleep 60")
    shell(supervisor.start([broker]))
    result = shell(supervisor.stop_together([broker]), b"")
    assert result.text.splitlines()[0] == "ready"
    assert (
        until(lambda: only(shell(supervisor.check([broker])), broker).state, State.STOPPED) is State.STOPPED
    )


def test_frozen_process_is_told(broker: Node, shell: Shell) -> None:
    """A process under SIGSTOP is there, and is not said to run as if nothing were the matter."""
    launch(broker, "sleep 60")
    pid = only(shell(supervisor.start([broker])), broker).detail
    os.kill(int(pid), signal.SIGSTOP)
    deadline = time.monotonic() + LIMIT
    while (
        not (report := only(shell(supervisor.check([broker])), broker)).frozen and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    assert (report.state, report.detail, report.frozen) == (State.RUNNING, pid, True)


def test_exit_is_told_with_the_last_lines(broker: Node, shell: Shell) -> None:
    """A process that ended by itself is `exited`, with what it wrote, and not with what the one before it wrote."""
    Path(broker.logs / "stdout.log").write_text("of the run before\n")
    launch(broker, f"sh -c 'echo the reason > {broker.logs}/server.log'")
    shell(supervisor.start([broker]))
    until(lambda: only(shell(supervisor.check([broker])), broker).state, State.EXITED)
    report = only(shell(supervisor.check([broker])), broker)
    assert (report.state, report.log) == (State.EXITED, ("the reason",))


def test_last_lines_are_this_process_own(broker: Node, shell: Shell) -> None:
    """What the log held before the start is of another run; of a stack trace the exceptions are told."""
    log = Path(broker.logs / "server.log")
    log.write_text("INFO of the run before\n" * 40)
    trace = "".join(f"\tat org.example.Broker.f{n}(Broker.java:{n})\n" for n in range(40))
    says = f"ERROR fatal (kafka)\norg.x.Bad: no\n{trace}\t... 7 more\nINFO bye\n"
    Path(broker.logs / "says").write_text(says)
    launch(broker, f"sh -c 'cat {broker.logs}/says >> {log}'")
    shell(supervisor.start([broker]))
    until(lambda: only(shell(supervisor.check([broker])), broker).state, State.EXITED)
    report = only(shell(supervisor.check([broker])), broker)
    assert report.log == ("ERROR fatal (kafka)", "org.x.Bad: no", "INFO bye")


def test_log_that_was_begun_anew_is_told(broker: Node, shell: Shell) -> None:
    """A log that is shorter than at the start was rolled since: all of it is this process's."""
    log = Path(broker.logs / "server.log")
    log.write_text("INFO of the run before\n" * 40)
    launch(broker, f"sh -c 'echo the reason > {log}'")
    shell(supervisor.start([broker]))
    until(lambda: only(shell(supervisor.check([broker])), broker).state, State.EXITED)
    assert only(shell(supervisor.check([broker])), broker).log == ("the reason",)


def test_process_is_told_by_pid_and_start_time(broker: Node, shell: Shell) -> None:
    """A start and the look behind it name the same process with the same words."""
    launch(broker, "sleep 60")
    started = only(shell(supervisor.start([broker])), broker).process
    record = Path(broker.run / "process").read_text().split()
    assert (started, only(shell(supervisor.check([broker])), broker).process) == (
        " ".join(record[:2]),
        started,
    )


def test_reused_pid_is_not_ours(broker: Node, shell: Shell) -> None:
    """A pid with another start time is another process: it is neither running nor stopped by us."""
    Path(broker.run / "process").write_text(f"{os.getpid()} 1 release digest\n")
    result = only(shell(supervisor.stop([broker])), broker)
    Path(broker.run / "process").unlink()
    assert result.state is State.STOPPED


def test_taken_port_is_named_with_its_holder(broker: Node, shell: Shell) -> None:
    """Nothing is started on a port that another process holds; the port and the holder are told (fault 10)."""
    launch(broker, "sleep 60")
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", broker.endpoint.port))
        held.listen()
        report = only(shell(supervisor.start([broker])), broker)
    assert (report.state, report.detail.startswith(f"{broker.endpoint.port} pid {os.getpid()}, ")) == (
        State.TAKEN,
        True,
    )


def test_two_starts_at_once_start_one_process(broker: Node, shell: Shell) -> None:
    """A start that comes while another one is at work finds its process."""
    launch(broker, "sleep 60")
    with ThreadPoolExecutor() as pool:
        reports = list(pool.map(lambda _: only(shell(supervisor.start([broker])), broker), range(4)))
    assert (len({report.detail for report in reports}), sorted(report.state for report in reports)) == (
        1,
        [State.RUNNING] * 3 + [State.STARTED],
    )


def test_start_tells_who_records_its_classes(broker: Node, shell: Shell) -> None:
    """A node that had no archive of its classes says so, that one can be made."""
    Path(broker.run / "classes").mkdir()
    Path(broker.run / "classes/list").touch()
    launch(broker, "sleep 60")
    assert only(shell(supervisor.start([broker])), broker).state is State.RECORDING


def test_archives_are_made_one_after_another(small: Cluster, shell: Shell, tmp_path: Path) -> None:
    """Each node's launch script makes its archive, at a low priority; nobody waits for it."""
    made = tmp_path / "made"
    for node in small.nodes:
        Path(node.config).mkdir(parents=True)
        Path(node.config / "launch").write_text(f'echo "{node.instance} $1 $(nice)" >> {made}\n')
    # They wait for a processor to spare: of a thousand there is one.
    script = supervisor.archive(small.nodes)
    shell(replace(script, text="nproc() { echo 1000; }\n" + script.text))
    deadline = time.monotonic() + LIMIT
    while not (made.exists() and len(made.read_text().splitlines()) == 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    # As much lower as can be than that of these tests.
    nice = min(os.nice(0) + 10, 19)
    assert made.read_text().splitlines() == [f"zookeeper archive {nice}", f"broker archive {nice}"]


def test_stop_gives_up_the_archive(broker: Node, shell: Shell) -> None:
    """After a stop nothing of the node runs, be it only the making of its archive."""
    Path(broker.run / "classes").mkdir()
    with subprocess.Popen(["sleep", "60"]) as maker:
        start = Path(f"/proc/{maker.pid}/stat").read_text().rpartition(") ")[2].split()[19]
        Path(broker.run / "classes/making").write_text(f"{maker.pid} {start}\n")
        report = only(shell(supervisor.stop([broker])), broker)
        try:
            ended = maker.wait(timeout=LIMIT)
        finally:
            maker.kill()
    assert (report.state, ended) == (State.STOPPED, -signal.SIGTERM)


def test_closed_run_folder_is_unknown(broker: Node) -> None:
    """A run record that the login user may not read is not a stopped node."""
    report = supervisor.read(Result(0, f"{broker.name} unreadable /run\n".encode(), ""), [broker])[
        broker.name
    ]
    assert report == Unknown("the login user may not read /run")


def test_broken_launch_script_is_told(broker: Node, shell: Shell) -> None:
    """A launch script that dies before it recorded a process is a failure with its own words."""
    Path(broker.config / "launch").write_text("echo no java here >&2; exit 1\n")
    report = only(shell(supervisor.start([broker])), broker)
    assert (report.state, report.detail) == (State.FAILED, "no java here")


def test_lost_answer_is_unknown(broker: Node) -> None:
    """A connection that dropped says nothing of the node."""
    assert supervisor.read(Unknown("lost"), [broker]) == {broker.name: Unknown("lost")}


def test_missing_answer_is_unknown(broker: Node) -> None:
    """A node that the answer does not name is Unknown, not stopped."""
    assert isinstance(supervisor.read(Result(0, b"", ""), [broker])[broker.name], Unknown)


def test_recovery_is_told_however_much_it_logs(broker: Node, shell: Shell) -> None:
    """Thousands of segments, with several lines each, hide neither the count of logs nor why they are read."""
    log, said = Path(broker.logs / "server.log"), Path(broker.logs / "before")
    segment = "INFO Recovering unflushed segment 4711. {}/9000 recovered for t-3. (kafka.log.LogLoader)"
    lines = [
        "INFO Recovering 40 logs from /data since no clean shutdown file was found",
        "INFO (1/40 completed in /data)",
        *(segment.format(number) for number in range(6000)),
    ]
    said.write_text("".join(f"{line}\n" for line in lines))
    launch(broker, f"sh -c 'cat {said} >> {log}; touch {broker.logs}/said; exec sleep 60'")
    shell(supervisor.start([broker]))
    deadline = time.monotonic() + LIMIT
    while not Path(broker.logs / "said").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    told = recovering(only(shell(supervisor.loading([broker])), broker).log)
    assert told.startswith(
        "recovers its logs after an unclean stop, 39 of 40 remain, 5999 of 9000 segments of t-3 done"
    )


def test_loading_of_logs_is_read_from_this_process_own_lines(broker: Node, shell: Shell) -> None:
    """Of the log only what the running process has written about it is told."""
    log = Path(broker.logs / "server.log")
    log.write_text("INFO (9/9 completed in /old)\n")
    said = "INFO (1/3 completed in /data)"
    launch(
        broker,
        f"sh -c 'echo \"{said}\" >> {log}; echo other >> {log}; touch {broker.logs}/said; exec sleep 60'",
    )
    shell(supervisor.start([broker]))
    deadline = time.monotonic() + LIMIT
    while not Path(broker.logs / "said").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    report = only(shell(supervisor.loading([broker])), broker)
    assert (report.state, report.log) == (State.RUNNING, (said,))
