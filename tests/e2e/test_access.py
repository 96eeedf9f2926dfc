"""Users, ACLs, quotas and topics as code on a secured cluster over real sshds: TLS, logins, the lock, the record."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kafab.shell.layout import ACCESS
from tests.canary_secret import watched
from tests.fab import Fab
from tests.labs import LocalLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

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
