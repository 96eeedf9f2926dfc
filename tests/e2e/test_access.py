"""Users, ACLs, quotas and topics as code on a secured cluster over real sshds: TLS, logins, the lock, the record."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kafab.shell.layout import ACCESS
from tests.canary_secret import watched
from tests.disturbances import heard
from tests.fab import Done, Fab
from tests.labs import LocalLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

SEED, KILLS, STAGES = 14, 5, 3
SECRET, OTHER = "can4ryUserS3cret", "can4ryOtherS3cret"
FILE = """users:
  ann: {password: "${file:ann.password}"}
  'b, "o"=b $x': {password: "${file:ann.password}", iterations: 4096}
acls:
  - {principal: User:ann, topic: orders, allow: [Read, Write]}
  - {principal: User:ann, group: app, allow: Read}
quotas:
  - {user: ann, producer_byte_rate: 1048576}
  - {client_id: <default>, request_percentage: 200}
topics:
  orders: {partitions: 2, replication_factor: 1, properties: {retention.ms: 86400000}}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """A host with a combined process, TLS, a listener with SASL and an authorizer, whose file is named."""
    fab = Fab(tmp_path_factory.mktemp("home"))
    try:
        fab.must("lab.up", "--secure", "--hosts", "1", "--version", "4.3.1", "deploy", "start")
        lab = LocalLab(fab)
        lab.inventory.write_text(lab.inventory.read_text() + "access: access.yaml\n")
        yield lab
    finally:
        fab.down()


def file(lab: LocalLab) -> Path:
    """Return the file that the inventory names."""
    return lab.inventory.parent / "access.yaml"


def test_file_is_applied_kept_and_taken_back(lab: LocalLab) -> None:
    """From nothing to what the file says, and with --prune back to nothing; a second operator waits or plans anew; no secret shows."""
    fab = lab.fab
    file(lab).write_text(FILE)
    password = lab.inventory.parent / "ann.password"
    password.write_text(f"{SECRET}\n")
    password.chmod(0o600)
    with watched([SECRET]) as watch:
        plan = fab("access.plan", "--json", "--detailed-exitcode")
        assert (plan.code, len(plan.document["steps"])) == (10, 8)
        # Both are at it at once: one does it, the other one meets the lock, or what is done by then.
        running = [fab.start("access.apply") for _ in range(2)]
        said = [process.communicate(timeout=120) for process in running]
        codes = sorted(process.returncode for process in running)
        assert codes[0] == 0, said
        assert codes[1] in (0, 3, 6), said
        drift = fab("access.drift", "--json")
        assert (drift.code, drift.document["differs"]) == (0, False)
        exported = fab.must("access.export").out
    assert watch.found == set()
    assert not [text for text in (*said[0], *said[1], plan.out, plan.err, exported) if SECRET in text]
    # A password that is another one at its source is told by a login over TLS, and set.
    password.write_text(f"{OTHER}\n")
    assert "password changed" in fab("access.drift").out
    assert len(fab.must("access.apply", "--json").document["steps"]) == 2
    assert fab("access.drift").code == 0
    # What is exported is the same.
    other = file(lab).with_name("exported.yaml")
    other.write_text(exported)
    assert fab.must("access.apply", "--file", str(other), "--prune", "--json").document["steps"] == []
    commands = [one["command"] for one in fab.must("history", "--json").document["commands"]]
    assert "access.apply" in commands
    (host,) = lab.cluster.hosts
    record = Path(host.paths.run / f"{lab.cluster.name}{ACCESS}")
    assert record.stat().st_mode & 0o777 == 0o600
    assert SECRET not in record.read_text()
    file(lab).write_text("{}\n")
    assert fab("access.apply", "--prune").code == 3
    assert fab("access.apply", "--prune", "--delete-topic", "orders").code == 0
    assert fab.must("access.export").out == "{}\n"


STAYING = ("stays0", "stays1", "stays2")


def changing(letter: str, *, prefixed: bool, rate: int) -> str:
    """Return a file with users who are in every such file, by other ACLs and quotas in each, and with users of its own."""
    password = {"password": "${file:users.password}"}
    own = tuple(f"{letter}{number}" for number in range(4))
    to = {"topic": "orders", "allow": ["Read", "Write"]} | ({"prefixed": True} if prefixed else {})
    return yaml.safe_dump(
        {
            "users": {name: password | {"iterations": 4096} for name in (*STAYING, *own)},
            "acls": [{"principal": f"User:{name}", **to} for name in (*STAYING, *own)],
            "quotas": [{"user": name, "producer_byte_rate": rate} for name in (*STAYING, *own)],
        }
    )


def once_free(fab: Fab, *words: str) -> Done:
    """Run a command; while the host still holds the lock of a killed one, again."""
    deadline = time.monotonic() + 60
    while (done := fab(*words)).code == 6 and time.monotonic() < deadline:
        time.sleep(0.2)
    return done


def allowed(exported: dict[str, Any]) -> set[str]:
    """Return who is there, with something that an ACL allows."""
    with_acls = {one["principal"].removeprefix("User:") for one in exported["acls"] if "allow" in one}
    return with_acls & {str(user) for user in exported["users"]}


def test_killed_applies_converge(lab: LocalLab) -> None:
    """Kill -9 at random moments takes nobody's access who is in both files, nor a stranger's; the same command then does the rest."""
    fab = lab.fab
    password = lab.inventory.parent / "users.password"
    password.touch(0o600)
    password.write_text(f"{SECRET}\n")
    texts = [changing("a", prefixed=False, rate=1_000_000), changing("b", prefixed=True, rate=2_000_000)]
    user = ("--alter", "--entity-type", "users", "--entity-name", "stranger")
    fab.must(
        "tool", "node1/broker", "--", "kafka-configs.sh", *user, "--add-config", "SCRAM-SHA-512=[password=x]"
    )
    acl = ("--add", "--allow-principal", "User:stranger", "--operation", "Read", "--topic", "orders")
    fab.must("tool", "node1/broker", "--", "kafka-acls.sh", *acl)
    command = ("access.apply", "--prune", "--json")

    file(lab).write_text(texts[0])
    fab.must(*command)
    left = []
    moments = random.Random(SEED)
    for number in range(1, KILLS + 1):
        file(lab).write_text(texts[number % 2])
        with fab.start(*command) as process:
            # Its stages tell their ends: so the moment falls among them, however fast this machine is.
            for _ in range(moments.randint(1, STAGES)):
                heard(process, r"^access  ")
            time.sleep(moments.uniform(0, 0.1))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        assert allowed(yaml.safe_load(fab.must("access.export").out)) >= {*STAYING, "stranger"}
        done = once_free(fab, *command)
        assert done.code == 0, done.err
        left.append(len(done.document["steps"]))
        # Nothing is left to do, and whoever is in the file logs in with its password.
        drift = fab("access.drift", "--json")
        assert (drift.code, drift.document["differs"]) == (0, False), drift.out
        there = yaml.safe_load(texts[number % 2])["users"].keys() | {"stranger"}
        assert allowed(yaml.safe_load(fab.must("access.export").out)) == there
    assert any(left), "no kill has met an apply in its midst"
