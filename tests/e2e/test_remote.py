"""exec, push and pull as an operator types them, on real sshds."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.fab import CHECKOUT
from tests.ports import ADDRESS
from tests.sshds import Sshd, sshd

pytestmark = pytest.mark.e2e
NAMES = ("node1", "node2", "node3")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Sshd]]:
    """Three hosts that one key opens."""
    root = tmp_path_factory.mktemp("hosts")
    with ExitStack() as stack:
        running = [stack.enter_context(sshd(root / name, name=name)) for name in NAMES]
        for each in running[1:]:
            keys = each.folder / "authorized_keys"
            keys.write_text((running[0].folder / "authorized_keys").read_text())
        yield running


@pytest.fixture
def inventory(hosts: Sequence[Sshd], tmp_path: Path) -> Path:
    """A cluster of these hosts, their keys pinned."""
    known = tmp_path / "known_hosts"
    known.write_text("".join((each.folder / "known_hosts").read_text() for each in hosts))
    return _written(hosts, tmp_path / "cluster.yaml", {"known_hosts": str(known)})


def _written(hosts: Sequence[Sshd], file: Path, ssh: dict[str, str]) -> Path:
    at = hosts[0].host.ssh
    tree = {
        "lab": True,
        "supervisor": "process",
        "kafka": {"version": "3.9.2"},
        "ssh": {"user": at.user, "identity": str(at.identity), **ssh},
        "hosts": {
            each.host.name: {
                "address": ADDRESS,
                "ssh": {"port": each.host.ssh.port},
                "zookeeper": {"id": number, "port": 26900 + number, "quorum_port": 26910 + number, "election_port": 26920 + number},
                "broker": {"id": number, "port": 26930 + number},
                "paths": {
                    key: str(each.folder / key) for key in ("releases", "config", "data", "logs", "run")
                },
            }
            for number, each in enumerate(hosts, 1)
        },
    }  # fmt: skip
    file.write_text(yaml.safe_dump(tree))
    return file


BOUND = 250
"""MiB of memory; an interpreter with Fabric in it has about 60."""


def _peak(inventory: Path, *words: str) -> tuple[int, float]:
    """Run a command whose output is not read; return its exit code and the most memory that it had, in MiB."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fabric", "on", str(inventory), *words],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_maxrss / 1024


def _fab(
    inventory: Path, *words: str, on: Sequence[str] = (), **environ: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAFAB_")}
    return subprocess.run(
        [sys.executable, "-m", "fabric", "on", str(inventory), *on, *words],
        cwd=CHECKOUT,
        env=kept | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_each_line_begins_with_its_host(inventory: Path) -> None:
    """Output goes to stdout with the host before each line, errors to stderr."""
    done = _fab(inventory, "exec", "echo one; echo two; echo three >&2", "--limit", "node1,node3/broker")
    lines = ["node1: one", "node1: two", "node3: one", "node3: two"]
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, lines)
    assert done.stderr.count("three") == 2


def test_failed_command_is_exit_code_1(inventory: Path) -> None:
    """Every host that fails is named with its exit code, and its output is there all the same."""
    done = _fab(inventory, "exec", "echo before; exit 3")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3)
    assert [f"{name}: exit 3" in done.stderr for name in NAMES] == [True] * 3


def test_unreachable_host_is_exit_code_4(hosts: Sequence[Sshd], inventory: Path) -> None:
    """A host that is down decides the exit code; what the others said is not lost."""
    text = inventory.read_text().replace(f"port: {hosts[1].host.ssh.port}", "port: 1")
    inventory.write_text(text)
    done = _fab(inventory, "exec", "echo up")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (4, ["node1: up", "node3: up"])
    assert "node2: 127.0.0.1 port 1: connection refused" in done.stderr


def test_json_has_every_host(inventory: Path) -> None:
    """One document, in inventory order, with both streams."""
    document = json.loads(_fab(inventory, "exec", "echo out; echo err >&2; exit 3", "--json").stdout)
    assert document["schema"] == "kafab.exec/1"
    assert [host["host"] for host in document["hosts"]] == [*NAMES]
    fate = {"host": "node1", "exit_code": 3, "unknown": None}
    said = {"stdout": "out\n", "stderr": "err\n", "stdout_cut": 0, "stderr_cut": 0}
    assert document["hosts"][0] == fate | said


def test_command_past_its_timeout_says_what_may_still_run(inventory: Path, tmp_path: Path) -> None:
    """No answer in time is told as such, and not as a failure of the command."""
    flag = tmp_path / "goes-on"
    flag.touch()
    try:
        done = _fab(
            inventory,
            "exec",
            f"while [ -e {flag} ]; do sleep 0.2; done",
            "--timeout",
            "1",
            "--limit",
            "node1",
        )
    finally:
        flag.unlink()
    assert (done.returncode, "may still be running there" in done.stderr) == (4, True)


@pytest.mark.parametrize(
    "command",
    [
        "head -c 20000000 /dev/zero | tr '\\0' '\\n'",
        "head -c 60000000 /dev/zero",
        "head -c 20000000 /dev/zero | tr '\\0' '\\n' >&2",
    ],
    ids=["empty lines", "a line without end", "empty lines of errors"],
)
@pytest.mark.parametrize("document", [(), ("--json",)], ids=["lines", "json"])
def test_exec_runs_in_constant_memory(inventory: Path, command: str, document: Sequence[str]) -> None:
    """However much a host prints, and however long its lines are, this machine keeps only a piece of it."""
    code, peak = _peak(inventory, "exec", command, "--limit", "node1", *document)
    assert (code, peak < BOUND) == (0, True), f"{peak:.0f} MiB"


def test_json_says_what_was_cut(inventory: Path) -> None:
    """The first bytes of a long stream are there, with the number of those that are not."""
    done = _fab(
        inventory,
        "exec",
        "head -c 3000000 /dev/zero | tr '\\0' x; echo err >&2",
        "--limit",
        "node1",
        "--json",
    )
    said = json.loads(done.stdout)["hosts"][0]
    assert (said["stdout"], said["stdout_cut"]) == ("x" * 1_048_576, 3_000_000 - 1_048_576)
    assert (said["stderr"], said["stderr_cut"]) == ("err\n", 0)


def test_pushed_file_comes_back(inventory: Path, tmp_path: Path) -> None:
    """A file goes to every host and comes back from each into a folder of its own."""
    source, target = tmp_path / "tuning.conf", tmp_path / "there"
    source.write_bytes(os.urandom(3_000_000))
    target.mkdir()
    pushed = _fab(inventory, "push", str(source), str(target), "--mode", "0640", "--limit", "node1")
    assert (pushed.returncode, pushed.stdout) == (0, f"node1: {target}/tuning.conf written\n")
    assert (target / "tuning.conf").stat().st_mode & 0o777 == 0o640
    again = _fab(inventory, "push", str(source), str(target), "--json")
    states = {host["host"]: host["state"] for host in json.loads(again.stdout)["hosts"]}
    assert states == dict.fromkeys(NAMES, "unchanged")
    pulled = _fab(inventory, "pull", str(target / "tuning.conf"), str(tmp_path / "out"))
    assert pulled.returncode == 0
    copies = [(tmp_path / "out" / name / "tuning.conf").read_bytes() for name in NAMES]
    assert copies == [source.read_bytes()] * 3


def test_missing_file_is_named_for_each_host(inventory: Path, tmp_path: Path) -> None:
    """A pull that finds nothing is exit code 1 and leaves nothing here."""
    done = _fab(inventory, "pull", str(tmp_path / "none"), str(tmp_path / "out"))
    assert (done.returncode, (tmp_path / "out").exists()) == (1, False)
    assert [f"{name}: exit 1: there is no {tmp_path}/none" in done.stderr for name in NAMES] == [True] * 3


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_new_host_keys_are_accepted_on_demand(hosts: Sequence[Sshd], tmp_path: Path, way: str) -> None:
    """Unknown hosts are refused; with the flag, or the variable, their keys are kept, and the next command needs neither."""
    file = _written(hosts, tmp_path / "new.yaml", {"known_hosts": str(tmp_path / "new-hosts")})
    refused = _fab(file, "exec", "true")
    assert (refused.returncode, refused.stderr.count("host key unknown")) == (4, 3)
    if way == "flag":
        accepted = _fab(file, "exec", "true", on=["--accept-new-host-keys"])
    else:
        accepted = _fab(file, "exec", "true", KAFAB_ACCEPT_NEW_HOST_KEYS="1")
    assert (accepted.returncode, accepted.stderr.count("new host key ssh-ed25519 SHA256:")) == (0, 3)
    assert len((tmp_path / "new-hosts").read_text().splitlines()) == 3
    assert _fab(file, "exec", "true").returncode == 0
