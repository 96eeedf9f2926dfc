"""The commands of access as code on fakes: plan, apply, drift and export, their exit codes and what they leave behind."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kafab.access import record
from kafab.access.scram import salted
from kafab.access.values import Account, Acl, Credential, Entity, Limit, Pattern, Permission, Want
from kafab.cluster.metadata import TopicSpec
from kafab.command import Secret
from kafab.listeners import Protocol
from kafab.model import BrokerLogin, Cluster, Role, Security
from kafab.ops.access import applying
from kafab.ops.access.seeing import Sight, see
from kafab.ops.topics import topics
from kafab.ops.world import World
from kafab.unknown import Unknown
from tasks import access as tasks
from tests.access_world import AccessWorld
from tests.command_line import Fab, on_fakes, tree_of

ANN = Account("ann", "SCRAM-SHA-512")
PASSWORD = Secret("ann's")
READ = Acl("Topic", "orders", Pattern.LITERAL, "User:ann", "*", "Read", Permission.ALLOW)
WRITE = Acl("Topic", "orders", Pattern.LITERAL, "User:ann", "*", "Write", Permission.ALLOW)
RATE = Limit(Entity.of({"user": "ann"}), "producer_byte_rate")
FILE = """users: {ann: {password: "${env:ANN}"}}
acls: [{principal: User:ann, topic: orders, allow: Read}]
quotas: [{user: ann, producer_byte_rate: 1000}]
topics: {orders: {partitions: 3, replication_factor: 3, properties: {retention.ms: 5}}}
"""


def credential(password: str) -> Credential:
    """Return a user's credential."""
    return Credential(b"salt", salted("SCRAM-SHA-512", password, b"salt", 8192))


@pytest.fixture
def place(tmp_path: Path) -> AccessWorld:
    """Three brokers, and a file."""
    made = AccessWorld(tmp_path)
    made.write(FILE)
    return made


@pytest.fixture
def fab(place: AccessWorld, monkeypatch: pytest.MonkeyPatch) -> Fab:
    """Run one command line."""
    return on_fakes(monkeypatch, place.cluster, place.world, tree_of(tasks))


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, str]]]:
    """Return the document on stdout."""
    found: dict[str, list[dict[str, str]]] = json.loads(capsys.readouterr().out)
    return found


def test_plan_shows_and_changes_nothing(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Topics come first, then users, ACLs and quotas; the password is nowhere."""
    assert fab("access.plan", "--json", "--detailed-exitcode") == 10
    text = capsys.readouterr()
    kinds = [step["kind"] for step in json.loads(text.out)["steps"]]
    assert kinds == ["topic", "user", "acl", "quota"]
    assert (place.access.calls, place.records) == ([], {})
    assert "ann's" not in text.out + text.err


def test_apply_makes_it_so_and_again_does_nothing(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """All is there, the record names it on a majority of the hosts, and a second apply changes nothing."""
    assert fab("access.apply") == 0
    assert place.access.there == {READ}
    assert place.access.numbers == {RATE: 1000.0}
    assert place.access.try_login(ANN, PASSWORD) is True
    assert place.kafka.configs["orders"] == {"retention.ms": "5"}
    kept = [record.parse(line) for line in place.records.values()]
    assert len(kept) == 3
    calls = list(place.access.calls)
    capsys.readouterr()
    assert fab("access.apply", "--json") == 0
    assert (said(capsys)["steps"], place.access.calls) == ([], calls)
    assert fab("access.drift") == 0


def test_removals_wait_for_prune(fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]) -> None:
    """What was applied and is in the file no more stays without --prune, is drift, and goes with it; strangers stay."""
    stranger = Acl("Topic", "other", Pattern.LITERAL, "User:eve", "*", "Read", Permission.ALLOW)
    place.access.there.add(stranger)
    assert fab("access.apply") == 0
    place.write("acls: [{principal: User:ann, topic: orders, allow: Write}]\n")
    assert fab("access.apply") == 0
    assert place.access.there == {READ, WRITE, stranger}
    capsys.readouterr()
    assert fab("access.drift", "--json") == 10
    assert [one["kind"] for one in said(capsys)["kept"]] == ["quota", "acl", "user", "topic"]
    assert fab("access.apply", "--prune") == 3
    assert place.access.there == {WRITE, stranger}
    assert (place.access.credentials, place.access.numbers) == ({}, {})
    assert "orders" in place.kafka.configs
    assert fab("access.apply", "--prune", "--delete-topic", "orders") == 0
    assert "orders" not in place.kafka.configs
    assert fab("access.drift") == 0


def test_changed_password_is_found_by_a_login(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has set another one by hand: drift tells, apply sets the file's again, and neither shows it."""
    assert fab("access.apply") == 0
    place.access.credentials[ANN] = credential("another")
    capsys.readouterr()
    assert fab("access.drift") == 10
    assert "user ann (SCRAM-SHA-512): password changed" in capsys.readouterr().out
    assert fab("access.apply") == 0
    assert place.access.try_login(ANN, PASSWORD) is True


def test_without_sasl_passwords_are_unknown(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """No secret is read and no difference told; a warning says so, and --set-passwords sets them."""
    assert fab("access.apply") == 0
    place.access.credentials[ANN] = credential("another")
    place.access.sasl = False
    place.secrets.read_so_far.clear()
    capsys.readouterr()
    assert fab("access.drift") == 0
    assert "no listener of the brokers has SASL; --set-passwords sets them" in capsys.readouterr().err
    assert place.secrets.read_so_far == []
    assert fab("access.apply", "--set-passwords") == 0
    place.access.sasl = True
    assert place.access.try_login(ANN, PASSWORD) is True


def test_cluster_without_an_authorizer_is_told_what_to_set(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ACLs are refused with the properties that give it one; everything else is done."""
    place.access.authorizer = False
    assert fab("access.apply") == 3
    assert place.access.numbers == {RATE: 1000.0}
    assert fab("access.plan") == 0
    assert "authorizer.class.name and super.users" in capsys.readouterr().out


@pytest.mark.parametrize("cut", range(3))
def test_apply_that_was_cut_off_goes_on(fab: Fab, place: AccessWorld, cut: int) -> None:
    """After each change whose answer was lost the same command does the rest."""
    place.access.lost = cut
    assert fab("access.apply") == 5
    place.access.lost = -1
    assert fab("access.apply") == 0
    assert (place.access.there, place.access.numbers) == ({READ}, {RATE: 1000.0})
    assert fab("access.drift") == 0


def test_removal_waits_until_all_brokers_show_what_was_added(fab: Fab, place: AccessWorld) -> None:
    """Where a broker does not show the new ACL, the old one stays."""
    assert fab("access.apply") == 0
    place.write(FILE.replace("allow: Read", "allow: Write"))
    place.access.lost = 0
    assert fab("access.apply", "--prune") == 5
    assert place.access.there == {READ, WRITE}


def test_second_operator_changes_nothing(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where somebody applied between the plan and the lock, the plan is an old one: exit 3, and the same command plans anew."""
    place.on_lock = lambda: place.access.there.add(READ)
    assert fab("access.apply") == 3
    assert place.access.calls == []
    assert "is not as it was when the plan was made" in capsys.readouterr().err
    assert fab("access.apply") == 0


def test_topic_that_another_operator_has_just_made(
    fab: Fab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a topic of the file comes to be while the plan is made, nothing is changed: exit 3, and the same command plans anew."""
    looks = list[Sight]()

    def and_then_made(cluster: Cluster, want: Want, world: World, *passwords: Any) -> Sight:
        looks.append(see(cluster, want, world, *passwords))
        if len(looks) == 1:
            topics.create(world, TopicSpec("orders", 3, 3, {"retention.ms": "5"}))
        return looks[-1]

    monkeypatch.setattr(applying, "see", and_then_made)
    assert fab("access.apply") == 3
    assert "is not as it was when the plan was made" in capsys.readouterr().err
    assert fab("access.apply") == 0


def test_own_access_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that would keep kafab from what it can do is refused, with what that is."""
    place = AccessWorld(tmp_path, super_users="User:root")
    own = Acl("Cluster", "kafka-cluster", Pattern.LITERAL, "User:ANONYMOUS", "*", "All", Permission.ALLOW)
    canary = Acl("Topic", "kafab-", Pattern.PREFIXED, "User:ANONYMOUS", "*", "All", Permission.ALLOW)
    place.access.there |= {own, canary}
    fab = on_fakes(monkeypatch, place.cluster, place.world, tree_of(tasks))
    place.write('acls: [{principal: "User:*", topic: "*", deny: Write}]\n')
    assert fab("access.plan") == 3
    place.write('acls: [{principal: "User:ANONYMOUS", cluster: true, deny: Alter, host: 10.0.0.1}]\n')
    assert fab("access.apply") == 3
    assert place.access.calls == []


def test_own_user_is_kept_with_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user as whom kafab logs in is not removed, and gets no other password than kafab has."""
    place = AccessWorld(tmp_path, super_users="User:ann")
    own = [
        replace(node, listeners=(replace(node.listeners[0], protocol=Protocol.SASL_PLAINTEXT),))
        if node.role is Role.BROKER
        else node
        for node in place.cluster.nodes
    ]
    security = Security(operator_user="ann", operator_password="${env:ANN}")
    place.cluster = replace(place.cluster, nodes=tuple(own), security=security)
    place.access.credentials[ANN] = credential("ann's")
    fab = on_fakes(monkeypatch, place.cluster, place.world, tree_of(tasks))
    place.write('users: {ann: {password: "${env:BOB}"}}\n')
    assert fab("access.plan") == 3
    place.write('users: {ann: {password: "${env:ANN}"}}\n')
    assert fab("access.apply", "--set-passwords") == 0
    place.write("{}\n")
    assert fab("access.apply", "--prune") == 3
    assert ANN in place.access.credentials


def test_name_of_the_brokers_is_no_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of the name as which brokers log in to each other would be a super user: exit 3, nothing is changed."""
    place = AccessWorld(tmp_path)
    security = Security(between_brokers=BrokerLogin("ann", "${env:BROKER}"))
    place.cluster = replace(place.cluster, security=security)
    fab = on_fakes(monkeypatch, place.cluster, place.world, tree_of(tasks))
    place.write('users: {ann: {password: "${env:ANN}"}}\n')
    assert (fab("access.plan"), fab("access.apply")) == (3, 3)
    assert place.access.calls == []


def test_silent_brokers_and_hosts_are_told(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be asked is never taken for empty: nothing is changed, exit 4."""
    place.access.silent = "no broker answers"
    assert fab("access.drift") == 4
    place.access.silent = ""
    place.fleet.unreachable |= {"node1": "gone", "node2": "gone"}
    assert fab("access.apply") == 4
    assert "former applies" in capsys.readouterr().err
    assert place.access.calls == []


def test_export_is_the_file_of_what_is_there(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exported and applied, nothing changes."""
    assert fab("access.apply") == 0
    capsys.readouterr()
    assert fab("access.export") == 0
    text = capsys.readouterr().out
    place.write(text)
    assert "ann: {mechanisms: [SCRAM-SHA-512]}" in text
    calls = list(place.access.calls)
    assert fab("access.apply", "--prune") == 0
    assert place.access.calls == calls


def test_topic_cannot_shrink_or_move(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer partitions and another replication factor are refused, with what to do; properties are changed."""
    assert fab("access.apply") == 0
    place.write("topics: {orders: {partitions: 2, replication_factor: 1, properties: {retention.ms: 6}}}\n")
    capsys.readouterr()
    assert fab("access.apply") == 3
    assert place.kafka.configs["orders"] == {"retention.ms": "6"}
    assert fab("access.plan") == 0
    told = capsys.readouterr().out
    assert "Kafka cannot take partitions away" in told
    assert "replication factor 3 -> 1" in told


def test_stranger_of_a_named_principal_is_refused_with_the_command(
    fab: Fab, place: AccessWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ACL that somebody gave a user of the file by hand is drift, and no apply removes it."""
    assert fab("access.apply") == 0
    place.access.there.add(WRITE)
    capsys.readouterr()
    assert fab("access.drift") == 10
    told = capsys.readouterr().out
    assert (
        "kafka-acls.sh --remove --force --allow-principal User:ann --allow-host '*' --operation Write --topic orders"
        in told
    )


def test_names_typed_without_prune_are_a_mistake(fab: Fab) -> None:
    """--delete-topic alone would delete nothing."""
    assert fab("access.apply", "--delete-topic", "orders") == 2


def test_password_that_cannot_be_read_stops_it(fab: Fab, place: AccessWorld) -> None:
    """A reference that leads nowhere is told before anything is changed."""
    place.secrets.values = {}
    assert fab("access.apply") == 2
    assert place.access.there == set()


def test_login_that_cannot_be_tried_is_exit_5_of_drift(
    fab: Fab, place: AccessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener with SASL that does not answer leaves a password unknown, which is not as the file says."""
    assert fab("access.apply") == 0
    monkeypatch.setattr(place.access, "try_login", lambda *_: Unknown("no answer"))
    assert fab("access.drift") == 5
