"""One body of tests for the fake fleet and for real SSH; then what only a real sshd can show."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.adapters import sshlink
from kafab.adapters.clock import SystemClock
from kafab.adapters.localhost import Localhost
from kafab.adapters.ssh import SshFleet, on_stdin
from kafab.command import Outcome, Result, Script, Unknown
from kafab.errors import Unreachable
from kafab.events import Event, Transfer, silent
from kafab.inventory import load
from kafab.lab.local import LocalLab
from kafab.model import Host, Ssh
from kafab.ports import Download, Fleet, Upload
from kafab.testing.fleet import FakeFleet

HOSTS = 12
ROOT = Path(__file__).resolve().parents[2]
BARE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/"}


class _NoJava(Localhost):
    """This machine, for hosts that run no Kafka."""

    def tools(self) -> None:
        pass

    def java_home(self) -> Path | None:
        return None


def script(text: str, seconds: float = 30) -> Script:
    """Return a script and its timeout."""
    return Script(text, timedelta(seconds=seconds))


def result(outcome: Outcome) -> Result:
    """Return an outcome that has to be a Result."""
    assert isinstance(outcome, Result), outcome
    return outcome


def reason(outcome: Outcome) -> str:
    """Return the reason of an outcome that has to be Unknown."""
    assert isinstance(outcome, Unknown), outcome
    return outcome.reason


def until(true: Callable[[], bool], seconds: float = 20) -> bool:
    """Poll until something is true; False when it did not become so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """Twelve hosts with an sshd each."""
    lab = LocalLab("fleet", tmp_path_factory.mktemp("labs"), _NoJava(), SystemClock(), silent)
    lab.up(HOSTS)
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def hosts(lab: LocalLab) -> Mapping[str, Host]:
    """The lab's hosts by name."""
    return {host.name: host for host in load(lab.inventory)[0].hosts}


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[str]:
    """Shell that waits, on a host, until the test is over: what sshd leaves behind ends by itself."""
    flag = tmp_path / "test-goes-on"
    flag.touch()
    yield f"while [ -e {flag} ]; do sleep 0.1; done"
    flag.unlink()


@pytest.fixture
def ssh(hosts: Mapping[str, Host]) -> Iterator[SshFleet]:
    """All hosts over real SSH."""
    with closing(SshFleet([*hosts.values()])) as fleet:
        yield fleet


def _local(script: Script, stdin: bytes | None = None) -> Outcome:
    """Run a script the way a host does, without SSH."""
    command = ["sh", "-eu"] if stdin is None else ["sh", "-euc", script.text]
    given = on_stdin(script.text) if stdin is None else stdin
    done = subprocess.run(command, input=given, capture_output=True, env=BARE, check=False)
    return Result(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(params=["fake", "ssh"])
def fleet(request: pytest.FixtureRequest, hosts: Mapping[str, Host]) -> Iterator[Fleet]:
    """Four hosts, of which the fourth does not answer."""
    four = [*hosts.values()][:4]
    if request.param == "fake":
        yield FakeFleet(
            {host.name: _local for host in four}, unreachable={four[3].name: "refused"}, takes=_local
        )
        return
    four[3] = replace(four[3], ssh=replace(four[3].ssh, port=1))
    with closing(SshFleet(four)) as real:
        yield real


# What a fake and a real fleet have in common


def test_exit_code_and_both_streams_come_back(fleet: Fleet) -> None:
    """A non-zero exit is a Result with what was printed."""
    outcome = fleet.run({"node1": script("echo out; echo err >&2; exit 3")})["node1"]
    assert outcome == Result(3, b"out\n", "err\n")


def test_script_stops_at_the_first_failure(fleet: Fleet) -> None:
    """Scripts run under `set -eu`: what comes after a failed command does not run."""
    assert result(fleet.run({"node1": script("false\necho on")})["node1"]) == Result(1, b"", "")


def test_long_output_is_whole(fleet: Fleet) -> None:
    """A megabyte on each stream arrives, though both share one window."""
    text = "head -c 1048576 /dev/zero | tee /dev/stderr"
    got = result(fleet.run({"node1": script(text)})["node1"])
    assert (len(got.out), len(got.err)) == (1048576, 1048576)


def test_command_that_reads_stdin_leaves_the_script_alone(fleet: Fleet) -> None:
    """Commands in a script read /dev/null, so `cat` ends at once and the rest still runs."""
    assert result(fleet.run({"node1": script("cat\necho after")})["node1"]).text == "after\n"


def test_script_may_hold_anything(fleet: Fleet) -> None:
    """Quotes, dollars, here-documents, letters beyond ASCII and a last line without an end arrive as they are."""
    text = "cat <<'E'\n$HOME 'a' \"b\" \\ ü\nE\nprintf '%s' \"it's\""
    assert result(fleet.run({"node1": script(text)})["node1"]).text == "$HOME 'a' \"b\" \\ ü\nit's"


def test_outcomes_keep_the_order_of_the_scripts(fleet: Fleet) -> None:
    """Whoever answers first, the caller gets the order that he asked in."""
    names = ["node3", "node1", "node2"]
    assert list(fleet.run({name: script("true") for name in names})) == names


def test_each_outcome_is_told_once(fleet: Fleet) -> None:
    """`each` gets every host's outcome, also that of a host that does not answer."""
    told: list[tuple[str, Outcome]] = []
    names = ["node1", "node2", "node4"]
    outcomes = fleet.run({name: script("echo hi") for name in names}, each=lambda *it: told.append(it))
    assert sorted(told, key=lambda it: it[0]) == [(name, outcomes[name]) for name in names]


def test_host_that_does_not_answer_is_unknown(fleet: Fleet) -> None:
    """One unreachable host is Unknown with a reason, the others have their Results."""
    outcomes = fleet.run({"node1": script("true"), "node4": script("true")})
    assert result(outcomes["node1"]).code == 0
    assert "refused" in reason(outcomes["node4"])


def test_following_an_unreachable_host_raises_unreachable(fleet: Fleet) -> None:
    """An iterator has no place for an Unknown: the host is named in the error."""
    with pytest.raises(Unreachable, match="node4"):
        list(fleet.follow("node4", script("echo hi")))


def test_holding_on_an_unreachable_host_yields_unknown(fleet: Fleet) -> None:
    """A lock that could not be asked for is no lock."""
    with fleet.hold("node4", script("echo held")) as outcome:
        assert "refused" in reason(outcome)


@pytest.mark.parametrize("offset", [0, 70_001])
def test_upload_arrives_from_its_offset_on(fleet: Fleet, tmp_path: Path, offset: int) -> None:
    """Bytes of every value arrive unchanged on the script's stdin, from the offset on."""
    content = bytes(range(256)) * 1000
    source = tmp_path / "release.tgz"
    source.write_bytes(content)
    upload = Upload(source, script("sha256sum"), offset)
    got = fleet.send(dict.fromkeys(("node1", "node2"), upload), silent)
    digest = hashlib.sha256(content[offset:]).hexdigest()
    assert [result(outcome).text.split()[0] for outcome in got.values()] == [digest, digest]


def test_upload_tells_its_end(fleet: Fleet, tmp_path: Path) -> None:
    """The last Transfer of a host says that all of the file is there."""
    source = tmp_path / "release.tgz"
    source.write_bytes(b"x" * 100_000)
    events: list[Event] = []
    fleet.send({"node1": Upload(source, script("cat >/dev/null"), 50_000)}, events.append)
    assert events[-1] == Transfer("node1", "release.tgz", 100_000, 100_000)


def test_upload_of_a_missing_file_is_unknown(fleet: Fleet, tmp_path: Path) -> None:
    """A local file that cannot be read is named."""
    outcome = fleet.send({"node1": Upload(tmp_path / "gone", script("cat"))}, silent)["node1"]
    assert str(tmp_path / "gone") in reason(outcome)


def test_follow_yields_what_is_printed(fleet: Fleet) -> None:
    """All output comes, then the iterator ends with the script."""
    assert b"".join(fleet.follow("node1", script("echo a; echo b"))) == b"a\nb\n"


def test_hold_yields_the_first_line(fleet: Fleet) -> None:
    """The block sees the first line of a script that goes on."""
    with fleet.hold("node1", script("echo held; echo more; cat >/dev/null")) as outcome:
        assert outcome == Result(0, b"held\n", "")


def test_hold_yields_the_exit_code_of_a_script_without_a_line(fleet: Fleet) -> None:
    """A script that fails before its first line is a Result that says why."""
    with fleet.hold("node1", script("echo no >&2; exit 7")) as outcome:
        assert outcome == Result(7, b"", "no\n")


# What only SSH can show


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
    lost = ssh.run({"node1": script(f"kill -KILL $PPID; {waiting}")})["node1"]
    assert reason(lost) == "the connection was lost while the script ran"
    assert result(ssh.run({"node1": script("echo back")})["node1"]).text == "back\n"


def test_dead_connection_is_opened_again_before_a_script_is_sent(ssh: SshFleet, lab: LocalLab) -> None:
    """An sshd that was restarted between two calls is no reason to fail."""
    parent = int(result(ssh.run({"node2": script("echo $PPID")})["node2"]).text)
    os.kill(parent, signal.SIGKILL)
    assert result(ssh.run({"node2": script("echo back")})["node2"]).text == "back\n"


def test_script_killed_by_a_signal_is_unknown(ssh: SshFleet) -> None:
    """No exit code is no Result, though the connection stands."""
    assert "signal" in reason(ssh.run({"node1": script("kill -KILL $$")})["node1"])


def test_host_that_freezes_under_a_script_is_unknown(ssh: SshFleet, tmp_path: Path, waiting: str) -> None:
    """An sshd that stops in mid-script, its TCP connection alive, is given up at the script's deadline."""
    pid = tmp_path / "pid"
    freezing = script(f"echo $PPID > {pid}; kill -STOP $PPID; {waiting}", 1)
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
    frozen = int(result(ssh.run({"node3": script("echo $PPID")})["node3"]).text)
    os.kill(frozen, signal.SIGSTOP)
    try:
        assert result(ssh.run({"node3": script("echo $PPID")})["node3"]).text != f"{frozen}\n"
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_silent_peer_is_unknown(hosts: Mapping[str, Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that accepts connections and never says a word is given up, with its address in the message."""
    import socket

    monkeypatch.setattr(sshlink, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        host = replace(hosts["node1"], ssh=replace(hosts["node1"].ssh, port=port))
        with closing(SshFleet([host])) as fleet:
            assert f"127.0.0.1 port {port}" in reason(fleet.run({"node1": script("true")})["node1"])


def test_unresolvable_name_is_unknown(hosts: Mapping[str, Host]) -> None:
    """A name without an address is told as such."""
    host = replace(hosts["node1"], address="nowhere.invalid")
    with closing(SshFleet([host])) as fleet:
        assert "does not resolve" in reason(fleet.run({"node1": script("true")})["node1"])


def _with(host: Host, **ssh: object) -> Host:
    values = {
        name: getattr(host.ssh, name) for name in ("user", "port", "identity", "gateway", "known_hosts")
    }
    return replace(host, ssh=Ssh(**(values | ssh)))


def _said_of(host: Host) -> str:
    with closing(SshFleet([host])) as fleet:
        return reason(fleet.run({host.name: script("true")})[host.name])


def test_unknown_host_key_is_refused(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A host that is in no known_hosts file is not talked to; the message says how to accept it."""
    empty = tmp_path / "known_hosts"
    empty.touch()
    host = _with(hosts["node1"], known_hosts=empty)
    said = _said_of(host)
    assert "host key unknown" in said
    assert f"ssh-keyscan -p {host.ssh.port} 127.0.0.1 >> {empty}" in said


def test_unknown_host_key_is_shown_as_openssh_shows_it(
    hosts: Mapping[str, Host], lab: LocalLab, tmp_path: Path
) -> None:
    """The fingerprint in the message is the one that ssh-keygen prints on the host."""
    shown = subprocess.run(
        ["ssh-keygen", "-lf", lab.folder / "hosts" / "node1" / "host_key.pub"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split()[1] in _said_of(_with(hosts["node1"], known_hosts=tmp_path / "none"))


def test_changed_host_key_is_refused(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """Another key than the known one closes the door, and the message names the line that knew better."""
    known = hosts["node1"].ssh.known_hosts
    assert known is not None
    key = known.read_text().splitlines()[1].split(" ", 1)[1]
    changed = tmp_path / "known_hosts"
    changed.write_text(f"# pinned\n[127.0.0.1]:{hosts['node1'].ssh.port} {key}\n")
    said = _said_of(_with(hosts["node1"], known_hosts=changed))
    assert "host key changed" in said
    assert f"{changed}:2" in said


def test_refused_key_names_user_and_key(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A login that sshd refuses says as whom and with which key it was tried."""
    stranger = tmp_path / "stranger"
    Localhost().make_key(stranger, "a key nobody knows")
    said = _said_of(_with(hosts["node1"], identity=stranger))
    assert f"user {hosts['node1'].ssh.user} at 127.0.0.1" in said
    assert f"public key refused; tried {stranger}" in said


def test_missing_identity_is_named(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A key file that is not there is told before anything is tried."""
    assert f"{tmp_path / 'none'} cannot be read" in _said_of(
        _with(hosts["node1"], identity=tmp_path / "none")
    )


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
    upload = Upload(source, script("head -c 1000000 >/dev/null; kill -KILL $PPID; cat >/dev/null"))
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
from kafab.adapters.ssh import SshFleet
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
from kafab.adapters.ssh import SshFleet
from kafab.command import Script
from kafab.inventory import load
hosts = load(Path(sys.argv[1]))[0].hosts
text = f"touch {sys.argv[2]}/$PPID; {sys.argv[3]}"
SshFleet(hosts).run({host.name: Script(text, timedelta(seconds=600)) for host in hosts})
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
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begun < 5
    assert b"KeyboardInterrupt" in errors


def test_callback_that_raises_ends_the_call(ssh: SshFleet, waiting: str) -> None:
    """An exception from `each` goes on at once and does not wait for the slow host."""

    def each(_host: str, _outcome: Outcome) -> None:
        raise LookupError

    begun = time.monotonic()
    with pytest.raises(LookupError):
        ssh.run({"node1": script("true"), "node2": script(waiting, 60)}, each=each)
    assert time.monotonic() - begun < 20


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
    first, second = (result(ssh.run({"node1": script("echo $PPID")})["node1"]).text for _ in range(2))
    assert first == second


def test_forty_connections_to_one_sshd_all_succeed(hosts: Mapping[str, Host]) -> None:
    """Past ten that have not logged in sshd drops at random (MaxStartups): set-up is paced, and tried again."""
    many = [replace(hosts["node5"], name=f"alias{number}") for number in range(40)]
    with closing(SshFleet(many)) as fleet:
        outcomes = fleet.run({host.name: script("true") for host in many})
    assert [outcome for outcome in outcomes.values() if not isinstance(outcome, Result)] == []


def test_hosts_behind_a_gateway_share_its_connection(hosts: Mapping[str, Host]) -> None:
    """The gateway is logged in to once; each host sees the gateway's sshd as its client."""
    bastion = hosts["node6"].ssh
    behind = [
        _with(hosts[name], gateway=f"{bastion.user}@127.0.0.1:{bastion.port}")
        for name in ("node7", "node8", "node9")
    ]
    with closing(SshFleet(behind)) as fleet:
        outcomes = fleet.run({host.name: script("echo through") for host in behind})
        assert [result(outcome).text for outcome in outcomes.values()] == ["through\n"] * 3
        assert len(fleet._dialer._gateways) == 1


def test_gateway_with_an_unknown_key_is_refused(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """A bastion is checked like any host, and named in the reason."""
    known = hosts["node7"].ssh.known_hosts
    assert known is not None
    only = tmp_path / "known_hosts"
    port = hosts["node7"].ssh.port
    only.write_text(
        "".join(
            f"{line}\n" for line in known.read_text().splitlines() if line.startswith(f"[127.0.0.1]:{port} ")
        )
    )
    bastion = hosts["node6"].ssh
    said = _said_of(
        _with(hosts["node7"], known_hosts=only, gateway=f"{bastion.user}@127.0.0.1:{bastion.port}")
    )
    assert "gateway 127.0.0.1: host key unknown" in said


def test_ssh_config_is_read(
    hosts: Mapping[str, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User, port and key come from ~/.ssh/config where the inventory says nothing."""
    ssh = hosts["node1"].ssh
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "config").write_text(
        f"Host short\n  HostName 127.0.0.1\n  Port {ssh.port}\n  User {ssh.user}\n  IdentityFile {ssh.identity}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    host = Host("node1", "short", Ssh(known_hosts=ssh.known_hosts))
    with closing(SshFleet([host])) as fleet:
        assert result(fleet.run({"node1": script("echo in")})["node1"]).text == "in\n"


def test_download_is_written_as_it_is(fleet: Fleet, tmp_path: Path) -> None:
    """Bytes of every value arrive, errors come back apart, and the last Transfer says that all of it is here."""
    target, events = tmp_path / "file", list[Event]()
    text = "i=0; while [ $i -lt 300 ]; do printf '\\000\\377\\r\\n'; i=$((i + 1)); done; echo err >&2"
    got = fleet.receive({"node1": Download(target, script(text), "file")}, events.append)
    assert (got, target.read_bytes()) == ({"node1": Result(0, b"", "err\n")}, b"\0\xff\r\n" * 300)
    assert events[-1] == Transfer("node1", "file", 1200, 1200)


def test_failed_download_has_the_script_s_exit_code(fleet: Fleet, tmp_path: Path) -> None:
    """A script that fails says why, and a host that does not answer is Unknown."""
    wanted = Download(tmp_path / "file", script("echo none >&2; exit 4"), "file")
    got = fleet.receive(dict.fromkeys(("node1", "node4"), wanted), silent)
    assert got["node1"] == Result(4, b"", "none\n")
    assert "refused" in reason(got["node4"])


def test_download_to_a_place_that_cannot_be_written_is_unknown(fleet: Fleet, tmp_path: Path) -> None:
    """A fault here is told with the file's name."""
    target = tmp_path / "missing" / "file"
    got = fleet.receive({"node1": Download(target, script("echo hi"), "file")}, silent)
    assert f"{target} cannot be written here" in reason(got["node1"])


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
    wanted = Download(tmp_path / "file", script(f"echo 12345; kill -KILL $PPID; {waiting}"), "file")
    assert "connection was lost" in reason(ssh.receive({"node1": wanted}, silent)["node1"])
