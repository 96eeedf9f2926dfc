"""Brokers of real Kafka that log in to each other by PLAIN over TLS."""

import secrets
from collections.abc import Iterator

import pytest

from kafab.adapters.kafka.walls import KafkaWalls
from kafab.checks.walls import doors
from kafab.cluster.walls import Attempt, LetIn, Refused
from kafab.listeners import Protocol
from kafab.login import Identity, Login
from tests.broker_login import FILE, give_broker_login, write_password
from tests.fab import Fab
from tests.labs import LocalLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PASSWORD = 'p"4\\ss=#w0rd$ {x}'  # what must survive JAAS, a properties file and a shell


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """Three combined nodes of 4.3.1 whose brokers have a password among them."""
    found = LocalLab(Fab(tmp_path_factory.mktemp("home")))
    try:
        found.fab.must("lab.up", "--secure", "--version", "4.3.1")
        give_broker_login(found.inventory, PASSWORD)
        found.fab.must("deploy", "start")
        yield found
    finally:
        found.fab.down()


def test_walls_stand(lab: LocalLab) -> None:
    """Records are replicated, all is OK, and a wrong password is refused at the brokers' listener and the clients' one of each node."""
    findings = lab.fab.must("verify", "--json").document["findings"]
    assert {one["severity"] for one in findings} == {"OK"}
    (password,) = (one for one in findings if one["check"] == "walls.password")
    refused = {tuple(door.split()[:2]) for door in password["evidence"]["refused"]}
    assert refused == {(f"node{n}/broker", name) for n in (1, 2, 3) for name in ("INTERNAL", "CLIENTS")}


def test_password_alone_opens_the_brokers_listener(lab: LocalLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt differs from a broker's login by the password alone: with the right one it is let in there, and nowhere else."""
    cluster, pki = lab.cluster, lab.inventory.parent / "pki"
    own = pki / "operator"
    login = Login(Protocol.SSL, Identity(pki / "ca.crt", own / "node.crt", own / "node.key"))
    walls = KafkaWalls(login, cluster.brokers[0].endpoint, cluster.brokers[0].id)
    monkeypatch.setattr(secrets, "token_hex", lambda _: PASSWORD)
    tried = [door for door in doors(cluster) if door.attempt is Attempt.WRONG_PASSWORD]
    protocols = {one.endpoint: one.protocol for node in cluster.nodes for one in node.listeners}
    found = walls.knock(tried, protocols)
    kinds = {(door.listener, type(answer)) for door, answer in found.items()}
    assert kinds == {("INTERNAL", LetIn), ("CLIENTS", Refused)}


def test_restart_keeps_the_canary_whole(lab: LocalLab) -> None:
    """Restarted brokers log in to those that were not yet, and these to them: no record is lost, and nothing is left to restart."""
    canary = lab.fab.must("restart", "--json").document["canary"]
    broken = {kind: canary["total"][kind] for kind in ("lost", "duplicates", "reordered")}
    assert (canary["counted"], set(broken.values())) == (True, {0}), canary
    nodes = lab.fab.must("status", "--json").document["nodes"]
    assert {node["configuration"] for node in nodes} == {"as deployed"}


def test_another_password_under_running_brokers_is_refused(lab: LocalLab) -> None:
    """A deploy that would let brokers with two passwords meet is refused and says none of them; a look reads no password at all."""
    try:
        write_password(lab.inventory, "another")
        planned = lab.fab("plan")
        (lab.inventory.parent / FILE).unlink()
        looked = lab.fab("status")
    finally:
        write_password(lab.inventory, PASSWORD)
    assert (planned.code, looked.code) == (3, 0)
    assert "as a user, or with a password, that the others do not take" in planned.err
    assert "another\n" not in planned.err
    assert lab.fab("plan", "--detailed-exitcode").code == 0
