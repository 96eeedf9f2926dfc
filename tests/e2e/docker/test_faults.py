"""Faults put on a host like a server, at every command past the first deploy; each is told by name, none does damage.

The file is over 400 lines long because its tests share one cluster, which a module's fixture holds.

Rows of the faults that docs/safety.md promises to survive, and where each is proven with real processes:

| row | fault | where |
|---|---|---|
| 1 | Ctrl-C | in a stop: here; SIGTERM in a start: test_cut_off_starts; in a deploy: test_killed_deploys |
| 2 | kill -9 of kafab | test_killed_deploys; tests/e2e/test_interruptions.py, test_distribution.py |
| 3, 4 | connection lost, black hole | in a start: test_cut_off_starts; in an upload, before a change: test_killed_deploys |
| 5 | a host is down | test_killed_deploys, test_preflight |
| 7 | disk full, no inodes, read-only | of the configuration: here; of the release: test_killed_deploys; preflight: test_preflight |
| 10 | port taken | start: here; preflight: test_preflight |
| 11 | no Java, no agent | start, restart and deploy: here; too old: test_preflight |
| 12, 13 | exit at start, crash loop | a bad JVM flag: here; a bad property, the start limit: test_systemd |
| 21 | edited by hand | units and configuration of root's: here; more: tests/e2e/test_cluster.py |
| 22 | data of another node | start: here; preflight: test_preflight |
| 24 | host key changed, unknown | here; each kind of known_hosts line: tests/unit/test_hostkeys.py, tests/contract |
| 25 | sudo refuses | here; each kind of sudoers: tests/contract/test_sudo.py |
| 26 | a bastion's limits | tests/contract/test_gateway.py |
| 28 | slow stop | here |
| 30 | injection | values that may hold anything: here; all others are refused: tests/cases/inventory |
| 31 | secrets | the key of a transfer: here; sudo's password: tests/contract/test_sudo.py |
| 32 | stdout closed, no terminal | here; every kind of screen: tests/unit/test_console.py |
| 33 | no Python, bash, curl, Perl | here: the host of this whole module has none of them |
"""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.docker_faults import edited, end, inventory, listen
from tests.docker_hosts import DockerLab
from tests.fab import CHECKOUT, LIMIT, Fab

pytestmark = pytest.mark.e2e
BROKER = "kafka-broker@broker.service"
BARE = """\
usermod --shell /bin/sh ops
rm -f /bin/bash /bin/rbash /usr/bin/python* /usr/bin/perl* /usr/bin/curl /usr/bin/wget
"""


@pytest.fixture(scope="module")
def lab(docker_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """One deployed host with a POSIX shell and coreutils. Each test starts or stops the cluster as it needs it."""
    made = DockerLab(Fab(tmp_path_factory.mktemp("faults") / "home"))
    try:
        made.fab.must("lab.up", "--kind", "docker", "--hosts", "1")
        made.on("node1", BARE)
        made.fab.must("deploy")
        yield made
    finally:
        made.fab("lab.down")


@pytest.fixture
def running(lab: DockerLab) -> DockerLab:
    """The lab with its cluster running."""
    lab.fab.must("start")
    return lab


@pytest.fixture
def stopped(lab: DockerLab) -> DockerLab:
    """The lab with its cluster stopped."""
    lab.fab.must("stop")
    return lab


@contextmanager
def on_host(lab: DockerLab, fault: str, remedy: str) -> Iterator[str]:
    """Put a fault on the host and mend it again; yields what the fault printed."""
    try:
        yield lab.on("node1", fault).strip()
    finally:
        lab.on("node1", remedy)


def property_of_all(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Return a change of the inventory: one property of every broker."""

    def change(document: dict[str, Any]) -> None:
        document["kafka"]["properties"][name] = value

    return change


def pid(lab: DockerLab) -> int:
    """Return the recorded pid of the broker."""
    return int(lab.on("node1", "cut -d' ' -f1 /var/lib/kafka/run/broker/process"))


def shown(lab: DockerLab, name: str) -> str:
    """Return a property of the broker's unit."""
    return lab.on("node1", f"systemctl show --value -p {name} {BROKER}").strip()


def test_host_without_python_bash_and_curl_serves(running: DockerLab) -> None:
    """Deployed and started with a POSIX shell and coreutils alone, every check is OK."""
    missing = running.on(
        "node1", "for each in python3 bash curl wget perl; do ! command -v $each || exit 1; done"
    )
    findings = running.fab.must("verify", "--json").document["findings"]
    assert (missing, {finding["severity"] for finding in findings}) == ("", {"OK"})


# what lies on the host: rows 7 and 21

OF_ITS_OWN = """\
mount -t tmpfs -o mode=750,{limit} tmpfs /mnt
cp -a /etc/kafka/broker/. /mnt
cat /dev/zero > /mnt/full 2>/dev/null || :
number=0
while [ -n "{inodes}" ] && touch /mnt/full$number; do number=$((number + 1)); done 2>/dev/null
mount --bind /mnt /etc/kafka/broker
umount /mnt
"""
"""The configuration on a file system of its own that has no block left, or no inode."""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OF_ITS_OWN.format(limit="size=64k", inodes=""), "No space left on device"),
        (OF_ITS_OWN.format(limit="size=64k,nr_inodes=40", inodes="yes"), "No space left on device"),
        (
            "mount --bind /etc/kafka/broker /etc/kafka/broker; mount -o remount,bind,ro /etc/kafka/broker",
            "Read-only file system",
        ),
    ],
    ids=["disk full", "no inodes", "read-only"],
)
def test_configuration_has_no_room(fault: str, words: str, lab: DockerLab) -> None:
    """The folder and the reason are told, the old configuration is whole, and nothing of what was to be kept of it stays."""
    look = "cd /etc/kafka/broker; sha256sum server.properties log4j.properties launch .deployed; ls -A | grep -v full"
    before = lab.on("node1", look)
    with (
        # lazily: the making of an archive may be reading its launch script there
        on_host(lab, fault, "umount -l /etc/kafka/broker"),
        inventory(lab, property_of_all("log.retention.hours", 24)),
    ):
        done = lab.fab("deploy", "--skip-preflight")
        after = lab.on("node1", look)
    told = "'/etc/kafka/broker/.before" in done.err and words in done.err
    assert (done.code, told, after) == (1, True, before), done.err


def test_edits_by_hand_are_shown_and_taken_back(lab: DockerLab) -> None:
    """Root's own files, units included, are a diff in the plan; deploy takes the change back, owner and mode too."""
    files = f"/etc/kafka/broker/server.properties /etc/systemd/system/kafka-broker@.service /etc/systemd/system/{BROKER}.d/kafab.conf"
    look = f"stat -c '%n %U:%G %a' {files}; sha256sum {files}; systemctl show --value -p LimitNOFILE {BROKER}"
    before = lab.on("node1", look)
    lab.on(
        "node1",
        f"for file in {files}; do sed 's/^LimitNOFILE=.*/LimitNOFILE=1111/' $file > $file.mine;"
        " echo '# mine' >> $file.mine; mv $file.mine $file; done",
    )
    plan = lab.fab("plan", "--detailed-exitcode")
    lab.fab.must("deploy")
    assert (plan.code, plan.out.count("-# mine"), lab.on("node1", look)) == (10, 3, before), plan.out


# the way to the host: rows 24 and 25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "", "is in no known_hosts file"),
        (lambda text: re.sub(r"AAAA\S+", "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43, text), "host key changed"),
    ],
    ids=["unknown", "changed"],
)
def test_host_key(change: Callable[[str], str], words: str, lab: DockerLab) -> None:
    """A key that nobody vouches for closes the door, with how to open it (exit code 4)."""
    with edited(lab.inventory.parent / "known_hosts", change):
        done = lab.fab("start")
    assert (done.code, words in done.err, "ssh-key" in done.err) == (4, True, True), done.err


@pytest.mark.parametrize(
    "rule", ["ops ALL=(ALL) ALL", "ops ALL=(ALL) NOPASSWD: /usr/bin/id", "Defaults:ops requiretty", ""]
)
def test_sudo_refuses(rule: str, lab: DockerLab) -> None:
    """What sudo lacks is one line a host with the line to add, before anything is changed (exit code 4)."""
    sudoers = "/etc/sudoers.d/ops"
    keep = (
        f"cat /root/ops; {shlex.join(['echo', rule])}" if "requiretty" in rule else shlex.join(["echo", rule])
    )
    with (
        on_host(lab, f"mv {sudoers} /root/ops; {{ {keep}; }} > {sudoers}", f"mv /root/ops {sudoers}"),
        inventory(lab, property_of_all("log.retention.hours", 24)),
    ):
        done = lab.fab("deploy")
        changed = lab.on(
            "node1", "grep -c '^log.retention.hours=24$' /etc/kafka/broker/server.properties || :"
        )
    lines = [line for line in done.err.splitlines() if line.startswith("  node1: ") and "sudo" in line]
    told = "requiretty" if "requiretty" in rule else "ops ALL=(root) NOPASSWD: ALL"
    assert (done.code, len(lines), told in done.err, changed) == (4, 1, True, "0\n"), done.err


# in a start: rows 10, 11, 12 and 22


def test_taken_port_is_named_with_its_holder(stopped: DockerLab) -> None:
    """Start names the port and the holder's pid and command, and starts nothing on it."""
    held = "setsid systemd-socket-activate -a --inetd -l 9092 /bin/true >/dev/null 2>&1 </dev/null & echo $! | tee /run/holder"
    with on_host(stopped, held, 'kill "$(cat /run/holder)"') as holder:
        done = stopped.fab("start")
    expected = f"node1/broker: port 9092 is taken by pid {holder}, systemd-socket-activate"
    assert (done.code, expected in done.err, shown(stopped, "ActiveState")) == (1, True, "inactive"), done.err


def test_no_java_is_told_before_a_start(stopped: DockerLab) -> None:
    """Start says on which host there is no Java and where it was looked for; nothing is started."""
    with on_host(stopped, "mv /usr/lib/jvm /usr/lib/no-jvm", "mv /usr/lib/no-jvm /usr/lib/jvm"):
        done = stopped.fab("start")
    expected = "node1: none on the PATH nor in /usr/lib/jvm"
    assert (done.code, expected in done.err, shown(stopped, "ActiveState")) == (1, True, "inactive"), done.err


def test_bad_jvm_flag_is_told_in_seconds(stopped: DockerLab) -> None:
    """A JVM that does not even begin is noticed at once, with its own words, and nothing of it is left to run."""
    broker = {"id": 1, "jvm": ["-XX:+NoSuchFlag"]}
    with inventory(stopped, lambda document: document["hosts"]["node1"].update(broker=broker)):
        stopped.fab.must("deploy")
        with stopped.fab.start("start") as process:
            told = listen(process)
    stopped.fab.must("deploy", "stop")
    # The broker is started next; one that does not serve is waited for up to five minutes.
    seconds = told.ended - told.first("ZooKeeper has a quorum")
    words = told.first("Unrecognized VM option 'NoSuchFlag'") < float("inf")
    assert (process.returncode, words, 0 <= seconds < 60) == (1, True, True), f"{seconds:.1f} s\n{told}"


def test_what_a_start_would_die_of_stops_no_broker(running: DockerLab) -> None:
    """An agent that is not there, and a folder that Kafka takes for a partition: restart names both before it stops the broker."""
    jar, folder = "/opt/jmx/agent.jar", "/var/lib/kafka/broker/lost+found"
    broker = {"id": 1, "jvm": [f"-javaagent:{jar}=7071:/opt/jmx/kafka.yml"]}
    with (
        on_host(running, f"mkdir -m 700 {folder}", f"rmdir {folder}"),
        inventory(running, lambda document: document["hosts"]["node1"].update(broker=broker)),
    ):
        running.fab.must("deploy", "--skip-preflight")
        before = pid(running)
        done = running.fab("restart", "--at-once", "--limit", "node1/broker", "--yes", "--unsafe")
        after = pid(running)
        told = {word: word in done.err for word in (jar, "/opt/jmx/kafka.yml", folder)}
    running.fab.must("deploy")
    assert (done.code, after, shown(running, "ActiveState")) == (1, before, "active"), done.err
    assert set(told.values()) == {True}, done.err


def test_data_of_another_node_is_refused(stopped: DockerLab) -> None:
    """Start says whose data it is and whose it should be, exit code 3, and the broker never sees it."""
    foreign = "mv /var/lib/kafka/broker /var/lib/kafka/mine; mkdir /var/lib/kafka/broker; printf 'version=0\\nbroker.id=9\\n' > /var/lib/kafka/broker/meta.properties"
    mended = "rm -r /var/lib/kafka/broker; mv /var/lib/kafka/mine /var/lib/kafka/broker"
    with on_host(stopped, foreign, mended):
        done = stopped.fab("start")
        files = stopped.on("node1", "ls -A /var/lib/kafka/broker").split()
    assert (done.code, "broker.id 9" in done.err, files) == (3, True, ["meta.properties"]), done.err


# in a stop: rows 1 and 28


@dataclass(frozen=True)
class SlowStop:
    """A stop that Ctrl-C has ended while the broker could not end."""

    code: int
    err: str
    alive: bool
    """It lives on after kafab has ended."""
    result: str
    """What systemd says of its end, once it could."""


@pytest.fixture(scope="module")
def slow_stop(lab: DockerLab) -> SlowStop:
    """Stop a broker whose ZooKeeper is frozen: it hangs in its shutdown. Press Ctrl-C, then thaw ZooKeeper."""
    lab.fab.must("start")
    before = pid(lab)
    lab.on("node1", "kill -STOP $(cut -d' ' -f1 /var/lib/kafka/run/zookeeper/process)")
    try:
        with lab.fab.start("stop") as process:
            assert process.stderr is not None
            told = ""
            while "clean shutdown" not in told:
                line = process.stderr.readline()
                assert line, told
                told += line
            _, rest = end(process, signal.SIGINT)
        alive = lab.on("node1", f"[ ! -d /proc/{before} ] || echo alive") == "alive\n"
    finally:
        lab.on("node1", "kill -CONT $(cut -d' ' -f1 /var/lib/kafka/run/zookeeper/process)")
    lab.fab.must("stop")
    return SlowStop(process.returncode, told + rest, alive, shown(lab, "Result"))


def test_interrupted_stop_tells_every_node(slow_stop: SlowStop) -> None:
    """Ctrl-C in a stop ends with 130: what is stopped, what was asked to, what was left as it was."""
    lines = [line.strip() for line in slow_stop.err.splitlines()]
    expected = {"stopped: none", "asked to stop: node1/broker", "left as they were: node1/zookeeper"}
    assert (slow_stop.code, expected - set(lines)) == (130, set()), slow_stop.err


def test_slow_stop_is_waited_for(slow_stop: SlowStop) -> None:
    """A broker that takes its time is never killed: it lives on, and ends by itself, cleanly, when it can."""
    assert (slow_stop.alive, slow_stop.result) == (True, "success")


# values, secrets, the terminal: rows 30, 31 and 32

VALUES = (
    "$(touch /run/injected)",
    "`touch /run/injected`",
    "'; touch /run/injected; '",
    '" && touch /run/injected && "',
    "{{ 7 * 7 }}{% raw %}",
    "%n%s\\$PATH",
    "-n --help",
    "| touch /run/injected",
)


def test_values_are_data(lab: DockerLab) -> None:
    """What shells and templates would act on reaches the host's file as it is, and runs nowhere."""

    def hostile(document: dict[str, Any]) -> None:
        document["kafka"]["properties"] |= {
            f"metrics.context.value{n}": value for n, value in enumerate(VALUES)
        }

    with inventory(lab, hostile):
        lab.fab.must("deploy")
        text = lab.on("node1", "cat /etc/kafka/broker/server.properties; ls /run/injected 2>/dev/null || :")
    lab.fab.must("deploy")
    found = dict(
        line.partition("=")[::2] for line in text.splitlines() if line.startswith("metrics.context.")
    )
    assert (list(found.values()), "/run/injected" in text.splitlines()) == (
        [value.replace("\\", "\\\\") for value in VALUES],
        False,
    )


SPY = """\
cat > /usr/local/bin/ssh <<'END'
#!/bin/sh
for word do case $word in */key) key=$word ;; esac; done
stat -c %a "$key" > /run/mode
secret=$(sed -n 3p "$key")
echo "${#secret}" > /run/length
for each in /proc/[0-9]*; do
  tr '\\0' '\\n' < "$each/cmdline" | grep -F -e "$secret" -e 'PRIVATE KEY' && echo "argv of $each"
  tr '\\0' '\\n' < "$each/environ" | grep -F -e "$secret" -e 'PRIVATE KEY' && echo "environment of $each"
done > /run/seen 2>/dev/null
exec /usr/bin/ssh "$@"
END
chmod 755 /usr/local/bin/ssh
"""


def test_key_of_a_transfer_is_on_no_command_line(new_docker_lab: Callable[..., DockerLab]) -> None:
    """While a host pulls, no process of it has the key among its arguments or in its environment; its file is 0600."""
    lab = new_docker_lab("--hosts", "2")
    lab.on("node2", SPY)
    done = lab.fab.must("deploy")
    mode, length, seen = (lab.on("node2", f"cat /run/{name}").strip() for name in ("mode", "length", "seen"))
    printed = "PRIVATE KEY" in done.out + done.err
    assert (mode, int(length) > 30, seen, printed) == ("600", True, "", False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-", "| head -c 1", ">/dev/full"])
def test_work_is_done_without_a_reader(closed: str, lab: DockerLab) -> None:
    """Streams that are closed or full and a dumb terminal of 40 columns cost a message, not the work."""
    command = f"{shlex.quote(sys.executable)} -m fabric deploy {closed}"
    environment = lab.fab.environment | {"TERM": "dumb", "LANG": "C", "LC_ALL": "C", "COLUMNS": "40"}
    with inventory(lab, property_of_all("log.retention.hours", 24)):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        text = lab.on("node1", "cat /etc/kafka/broker/server.properties")
    lab.fab.must("deploy")
    assert ("log.retention.hours=24" in text, "Traceback" in done.stderr) == (True, False), done.stderr
