"""Scripts, uploads and downloads over real SSH: what only a real sshd can show."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from kafab.adapters.machine.localhost import Localhost
from kafab.adapters.ssh import link as sshlink
from kafab.adapters.ssh.fleet import SshFleet
from kafab.adapters.ssh.frame import on_stdin
from kafab.command import Outcome, Result
from kafab.events import Event, silent
from kafab.lab.local import LocalLab
from kafab.model import Host
from kafab.ports import Download, Upload
from tests.loopback import BARE, HOSTS, SSHD, reason, result, script
from tests.sshds import until

ROOT = Path(__file__).resolve().parents[2]


def test_environment_is_bare(ssh: SshFleet) -> None:
    """Nothing of the login reaches a script but HOME; the locale is C and sbin is on the PATH."""
    lines = result(ssh.run({"node1": script("env")})["node1"]).text.splitlines()
    got = dict(line.split("=", 1) for line in lines)
    assert got.keys() - {"PWD", "OLDPWD", "_", "SHLVL"} == {"PATH", "LC_ALL", "HOME"}
    assert (got["LC_ALL"], got["PATH"]) == ("C", BARE["PATH"])


def test_script_past_its_timeout_is_unknown(ssh: SshFleet, waiting: str) -> None:
    """The deadline is in the message, and the connection still serves the next script."""
    assert (
        reason(ssh.run({"node1": script(waiting, 0.5)})["node1"])
        == "no answer within 0.5 s; the script may still be running there"
    )
    assert result(ssh.run({"node1": script("echo on")})["node1"]).text == "on\n"


def test_truncated_script_never_runs(tmp_path: Path) -> None:
    """Every true prefix of a script on the wire, up to its closing brace, does nothing at all."""
    witness = tmp_path / "ran"
    wire = on_stdin(f"echo run > {witness}\nif true; then echo more; fi\n")
    whole = wire.index(b"} <")
    ran = []
    for length in range(whole + 1):
        subprocess.run(["sh", "-eu"], input=wire[:length], capture_output=True, env=BARE, check=False)
        if witness.exists():
            ran.append(length)
    subprocess.run(["sh", "-eu"], input=wire, capture_output=True, env=BARE, check=True)
    assert (ran, witness.exists()) == ([], True)


def test_dropped_connection_is_unknown_and_opened_again(ssh: SshFleet, waiting: str) -> None:
    """A script whose sshd dies under it has no outcome; the next call connects anew."""
    lost = ssh.run({"node1": script(f"kill -KILL {SSHD}; {waiting}")})["node1"]
    assert reason(lost) == "the connection was lost while the script ran"
    assert result(ssh.run({"node1": script("echo back")})["node1"]).text == "back\n"


def test_dead_connection_is_opened_again_before_a_script_is_sent(ssh: SshFleet, lab: LocalLab) -> None:
    """An sshd that was restarted between two calls is no reason to fail."""
    parent = int(result(ssh.run({"node2": script(f"echo {SSHD}")})["node2"]).text)
    os.kill(parent, signal.SIGKILL)
    assert result(ssh.run({"node2": script("echo back")})["node2"]).text == "back\n"


@pytest.mark.parametrize("killed", ["kill -KILL $$", "sh -c 'kill -KILL $$'"])
def test_script_killed_by_a_signal_is_unknown(ssh: SshFleet, killed: str) -> None:
    """A script that did not come to its end has no Result, though the connection stands; the signal is named."""
    assert "exit 137: SIGKILL killed" in reason(ssh.run({"node1": script(killed)})["node1"])


def test_host_that_freezes_under_a_script_is_unknown(ssh: SshFleet, tmp_path: Path, waiting: str) -> None:
    """An sshd that stops in mid-script, its TCP connection alive, is given up at the script's deadline."""
    pid = tmp_path / "pid"
    freezing = script(f"echo {SSHD} > {pid}; kill -STOP {SSHD}; {waiting}", 1)
    try:
        assert (
            reason(ssh.run({"node3": freezing})["node3"])
            == "no answer within 1 s; the script may still be running there"
        )
    finally:
        os.kill(int(pid.read_text()), signal.SIGCONT)


def test_frozen_connection_is_replaced(ssh: SshFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that opens no session any more is given up for a new one: nothing had been sent on it."""
    monkeypatch.setattr(sshlink, "CONNECT_SECONDS", 1)
    frozen = int(result(ssh.run({"node3": script(f"echo {SSHD}")})["node3"]).text)
    os.kill(frozen, signal.SIGSTOP)
    try:
        assert result(ssh.run({"node3": script(f"echo {SSHD}")})["node3"]).text != f"{frozen}\n"
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_upload_refused_by_its_script_has_the_script_s_exit_code(ssh: SshFleet, tmp_path: Path) -> None:
    """A script that ends before the file does (a full disk) says why; the sender does not hang."""
    source = tmp_path / "big"
    source.write_bytes(b"x" * 16_000_000)
    outcome = ssh.send({"node1": Upload(source, script("echo disk full >&2; exit 5"))}, silent)["node1"]
    assert outcome == Result(5, b"", "disk full\n")


def test_dropped_upload_is_unknown(ssh: SshFleet, tmp_path: Path) -> None:
    """A connection that ends in mid-transfer leaves no outcome."""
    source = tmp_path / "big"
    source.write_bytes(b"x" * 16_000_000)
    upload = Upload(source, script(f"head -c 1000000 >/dev/null; kill -KILL {SSHD}; cat >/dev/null"))
    assert "connection was lost" in reason(ssh.send({"node1": upload}, silent)["node1"])


def test_progress_is_told_at_most_ten_times_a_second(ssh: SshFleet, tmp_path: Path) -> None:
    """A slow receiver makes many packets, not many events."""
    source = tmp_path / "big"
    source.write_bytes(b"x" * 12_000_000)
    slow = "for i in 1 2 3 4 5 6; do head -c 2000000 >/dev/null; sleep 0.1; done; cat >/dev/null"
    events: list[Event] = []
    begun = time.monotonic()
    ssh.send({"node1": Upload(source, script(slow))}, events.append)
    assert 2 <= len(events) <= (time.monotonic() - begun) * 10 + 2


def test_follow_ends_what_it_followed(ssh: SshFleet, tmp_path: Path) -> None:
    """Closing the iterator ends an idle `tail -f` over there, which a closed channel alone would not."""
    log = tmp_path / "server.log"
    log.write_text("first\n")
    followed = ssh.follow("node1", script(f"echo $$; tail -f {log} & echo $!; wait"))
    seen = b""
    while seen.count(b"\n") < 3:
        seen += next(followed)
    pids = [line for line in seen.decode().split() if line.isdigit()]
    followed.close()  # type: ignore[attr-defined]  # a generator, which is what closes it
    assert until(lambda: not any(_runs(int(pid)) for pid in pids)), f"{pids} still run"


def _runs(pid: int) -> bool:
    return any(process.pid == pid for process in Localhost().processes())


HOLDING = "trap 'rm -f -- {0}' EXIT; touch {0}; echo held; cat >/dev/null"


def test_hold_lets_go_before_the_block_is_left(ssh: SshFleet, tmp_path: Path) -> None:
    """When the block is over, what the script held is free: the next command does not meet its own lock."""
    lock = tmp_path / "lock"
    with ssh.hold("node1", script(HOLDING.format(lock))):
        assert lock.exists()
    assert not lock.exists()


def test_hold_lets_go_when_the_block_raises(ssh: SshFleet, tmp_path: Path) -> None:
    """An error in the block frees what was held, too."""
    lock = tmp_path / "lock"
    with pytest.raises(LookupError), ssh.hold("node1", script(HOLDING.format(lock))):
        raise LookupError
    assert not lock.exists()


OWNER = """
import sys, time
from datetime import timedelta
from pathlib import Path
from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import Script
from kafab.inventory import load
fleet = SshFleet(load(Path(sys.argv[1]))[0].hosts)
with fleet.hold("node1", Script(sys.argv[2], timedelta(seconds=30))) as outcome:
    print(outcome.text, end="", flush=True)
    time.sleep(600)
"""


def test_hold_ends_when_its_owner_is_killed(lab: LocalLab, tmp_path: Path) -> None:
    """A kill -9 of the process that holds ends the script over there."""
    lock = tmp_path / "lock"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, lab.inventory, HOLDING.format(lock)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        assert lock.exists()
        owner.kill()
    assert until(lambda: not lock.exists())


WAITING = """
import sys
from datetime import timedelta
from pathlib import Path
from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import Script
from kafab.inventory import load
hosts = load(Path(sys.argv[1]))[0].hosts
text, changes = f"touch {sys.argv[2]}/$PPID; {sys.argv[3]}", len(sys.argv) > 4
SshFleet(hosts).run({host.name: Script(text, timedelta(seconds=600), changes=changes) for host in hosts})
"""


def test_interrupt_ends_the_process_at_once(lab: LocalLab, tmp_path: Path, waiting: str) -> None:
    """Ctrl-C while twelve hosts are waited for ends the process, threads or no threads."""
    there = tmp_path / "there"
    there.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, lab.inventory, there, waiting], cwd=ROOT, stderr=subprocess.PIPE
    )
    with process:
        assert until(lambda: len(list(there.iterdir())) == HOSTS, 60)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)  # the scripts have ten minutes
    assert b"KeyboardInterrupt" in errors


def test_interrupt_waits_for_scripts_that_change_something(lab: LocalLab, tmp_path: Path) -> None:
    """What has begun on the hosts is over when the process ends, and with it the lock: nothing starts a node behind it."""
    begun, over = tmp_path / "begun", tmp_path / "over"
    begun.mkdir()
    over.mkdir()
    work = f"until [ -e {tmp_path}/go ]; do sleep 0.1; done; touch {over}/$PPID"
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, lab.inventory, begun, work, "changes"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    with process:
        assert until(lambda: len(list(begun.iterdir())) == HOSTS, 60)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)  # no proof: one that does not wait has most likely ended by then
        (tmp_path / "go").touch()
        process.communicate(timeout=60)
    assert len(list(over.iterdir())) == HOSTS


def test_callback_that_raises_ends_the_call(ssh: SshFleet, waiting: str) -> None:
    """An exception from `each` goes on at once and does not wait for the slow host."""

    def each(_host: str, _outcome: Outcome) -> None:
        raise LookupError

    begun = time.monotonic()
    with pytest.raises(LookupError):
        ssh.run({"node1": script("true"), "node2": script(waiting, 60)}, each=each)
    assert time.monotonic() - begun < 45  # the slow one has a minute


def test_hosts_work_side_by_side(ssh: SshFleet, hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """Each of twelve scripts waits for all the others: one after the other they would never end."""
    text = (
        f'touch {tmp_path}/$$; tries=0; until set -- {tmp_path}/*; [ "$#" -ge {HOSTS} ]; do '
        "tries=$((tries + 1)); [ $tries -lt 600 ] || exit 9; sleep 0.05; done"
    )
    outcomes = ssh.run({name: script(text, 60) for name in hosts})
    assert [result(outcome).code for outcome in outcomes.values()] == [0] * HOSTS


def test_one_connection_serves_many_calls(ssh: SshFleet) -> None:
    """The second script comes over the connection of the first."""
    first, second = (result(ssh.run({"node1": script(f"echo {SSHD}")})["node1"]).text for _ in range(2))
    assert first == second


def test_large_download_is_whole(ssh: SshFleet, tmp_path: Path) -> None:
    """Thirty megabytes, written as they come."""
    target = tmp_path / "file"
    text = "head -c 30000000 /dev/zero"
    assert result(ssh.receive({"node1": Download(target, script(text), "file")}, silent)["node1"]).code == 0
    assert target.stat().st_size == 30_000_000


def test_download_that_stalls_is_unknown(ssh: SshFleet, tmp_path: Path, waiting: str) -> None:
    """Silence for longer than the script's timeout ends it, with what has come so far."""
    wanted = Download(tmp_path / "file", script(f"echo 12345; {waiting}", 1), "file")
    assert reason(ssh.receive({"node1": wanted}, silent)["node1"]) == "no byte for 1 s, after 6"


def test_dropped_download_is_unknown(ssh: SshFleet, tmp_path: Path, waiting: str) -> None:
    """A connection that ends in the middle leaves no outcome."""
    wanted = Download(tmp_path / "file", script(f"echo 12345; kill -KILL {SSHD}; {waiting}"), "file")
    assert "connection was lost" in reason(ssh.receive({"node1": wanted}, silent)["node1"])


def test_endless_stream_ends_at_its_timeout(ssh: SshFleet) -> None:
    """A host that never stops printing is given up in time, however slowly it is listened to."""
    begun = time.monotonic()
    got = ssh.stream({"node1": script("cat /dev/zero", 1)}, lambda *_piece: time.sleep(0.1))["node1"]
    assert reason(got) == "no answer within 1 s; the script may still be running there"
    assert time.monotonic() - begun < 20


def test_slow_reader_loses_nothing_of_a_host_that_is_done(ssh: SshFleet) -> None:
    """What came in time is handed on after the timeout, too: a pager was open, not a host late."""
    pieces: list[bytes] = []

    def hear(_host: str, out: bytes, _err: bytes) -> None:
        pieces.append(out)
        time.sleep(1.5)

    got = ssh.stream({"node1": script("head -c 3000000 /dev/zero", 2)}, hear)["node1"]
    assert (got, sum(map(len, pieces))) == (Result(0, b"", ""), 3_000_000)


def test_stream_that_is_broken_off_leaves_no_thread(ssh: SshFleet) -> None:
    """What a callback raises goes on at once, and who waits for it is freed."""

    def hear(_host: str, _out: bytes, _err: bytes) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        ssh.stream(dict.fromkeys(("node1", "node2"), script("cat /dev/zero")), hear)
    assert until(lambda: not any(thread.name == "kafab-ssh" for thread in threading.enumerate()))
