"""A change of protocols under a running cluster: refused where nodes with the old and the new file would not find each other."""

from pathlib import Path

import pytest

from kafab.command import Secret
from kafab.config.render import MAIN_FILE
from kafab.errors import Unsafe
from kafab.hosts.facts import FileFact, NodeFacts, Process
from kafab.inventory import load
from kafab.model import Cluster
from kafab.plans.protocols import guard_protocols
from kafab.plans.state import desire
from kafab.references import Reference

KRAFT, ENSEMBLE = "controller: {id: 101, port: 9099}, broker: 1", "zookeeper: 1, broker: 1"
SSL = "listeners: {INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}, CLIENTS: {port: 9092}}"
CLEAR = SSL.replace(", protocol: SSL", "")
BOTH = "listeners: {OLD: {port: 9090, use: brokers}, INTERNAL: {port: 9091, use: operator, protocol: SSL}}"
PLAIN = "listeners: {INTERNAL: {port: 9091, use: brokers, protocol: SASL_SSL}, CLIENTS: {port: 9092, protocol: SASL_SSL}, OPERATOR: {port: 9093, use: operator, protocol: SSL}}"
AS_CLIENTS = PLAIN.replace("9091, use: brokers", "9091").replace("use: operator", "use: [brokers, operator]")
LOGIN = 'controller: {protocol: SSL}\nsecurity: {between_brokers: {mechanism: PLAIN, user: broker, password: "${env:ONE}"}}\n'
WITHOUT = "controller: {protocol: SSL}\nsecurity: {}\n"
MOVED = BOTH.replace("use: brokers", "use: clients").replace("use: operator", "use: [operator, brokers]")


def _cluster(folder: Path, kafka: str, roles: str, more: str = "") -> Cluster:
    version = "4.3.1" if "controller" in roles else "3.9.2"
    file = folder / "prod.yaml"
    kafka = f", {kafka}" if kafka else ""
    file.write_text(
        f"kafka: {{version: {version}{kafka}}}\n{more}hosts:\n  node1: {{address: 10.0.0.11, {roles}}}\n"
    )
    return load(file)[0]


def _guarded(
    before: Cluster, after: Cluster, *, running: bool = True, passwords: tuple[str, str] = ("x", "x")
) -> str:
    """Return what is refused when one file follows another on the hosts of a cluster."""
    there = {
        wanted.node.name: next(
            file.text for file in wanted.files if file.path.name == MAIN_FILE[wanted.node.role]
        )
        for wanted in desire(before, before.nodes, None, _secrets(passwords[0])).nodes
    }
    process = Process(1, "kafka", "", alive=running)
    facts = {
        node: NodeFacts(
            files={MAIN_FILE[node.role]: FileFact("00", "640", there[node.name])}, process=process
        )
        for node in after.nodes
    }
    try:
        guard_protocols(desire(after, after.nodes, None, _secrets(passwords[1])), facts)
    except Unsafe as error:
        return f"{error.message}\n{error.hint}"
    return ""


def _secrets(password: str) -> dict[Reference, Secret]:
    return {Reference.parse(f"${{env:{name}}}"): Secret(password) for name in ("ONE", "OTHER")}


@pytest.mark.parametrize(
    ("kafka", "roles", "more", "said"),
    [
        ((CLEAR, SSL), KRAFT, ("", ""), "would change from PLAINTEXT to SSL"),
        (("", SSL), KRAFT, ("", ""), "INTERNAL, the listener of the brokers among themselves, is new"),
        ((SSL, ""), ENSEMBLE, ("", ""), "INTERNAL, the listener of the brokers among themselves, is gone"),
        (
            (CLEAR, CLEAR),
            KRAFT,
            ("", "controller: {protocol: SSL}\n"),
            "CONTROLLER, the controllers' listener",
        ),
        ((CLEAR, CLEAR), ENSEMBLE, ("", "zookeeper: {protocol: SSL}\n"), "client port would be encrypted"),
        ((CLEAR, CLEAR), ENSEMBLE, ("zookeeper: {protocol: SSL}\n", ""), "client port would be in the clear"),
    ],
)
def test_change_that_cuts_a_cluster_in_two_is_refused(
    kafka: tuple[str, str], roles: str, more: tuple[str, str], said: str, tmp_path: Path
) -> None:
    """While nodes run with the old file, a listener that they need must neither go nor change."""
    one = _cluster(tmp_path, kafka[0], roles, more[0])
    assert said in _guarded(one, _cluster(tmp_path, kafka[1], roles, more[1]))


@pytest.mark.parametrize(
    ("before", "after"),
    [(CLEAR, CLEAR), (BOTH, MOVED), (BOTH.replace("use: operator, ", ""), BOTH)],
)
def test_steps_of_the_way_are_allowed(before: str, after: str, tmp_path: Path) -> None:
    """A listener that is added, and one that the brokers move to when all have it, cut nobody off."""
    one = _cluster(tmp_path, before, KRAFT)
    assert _guarded(one, _cluster(tmp_path, after, KRAFT)) == ""


def test_stopped_cluster_may_change_everything(tmp_path: Path) -> None:
    """Where nothing runs, no two files have to understand each other."""
    one = _cluster(tmp_path, CLEAR, KRAFT)
    assert _guarded(one, _cluster(tmp_path, SSL, KRAFT), running=False) == ""


@pytest.mark.parametrize(
    ("kafka", "more", "passwords", "said"),
    [
        (
            (PLAIN, PLAIN),
            (LOGIN, LOGIN),
            ("one", "two"),
            "as a user, or with a password, that the others do not take",
        ),
        (
            (PLAIN, PLAIN),
            (LOGIN, LOGIN.replace("user: broker", "user: other")),
            ("x", "x"),
            "as a user, or with a password, that the others do not take",
        ),
        ((AS_CLIENTS, PLAIN), (WITHOUT, LOGIN), ("x", "x"), "by PLAIN, which the others do not take there"),
        ((PLAIN, AS_CLIENTS), (LOGIN, WITHOUT), ("x", "x"), "by PLAIN, which the others do not take there"),
        ((SSL, PLAIN), (WITHOUT, LOGIN), ("x", "x"), "would change from SSL to SASL_SSL"),
    ],
)
def test_login_that_others_refuse_is_refused(
    kafka: tuple[str, str], more: tuple[str, str], passwords: tuple[str, str], said: str, tmp_path: Path
) -> None:
    """Brokers that log in to each other change mechanism, user and password together, and steps are no way to it."""
    one = _cluster(tmp_path, kafka[0], KRAFT, more[0])
    found = _guarded(one, _cluster(tmp_path, kafka[1], KRAFT, more[1]), passwords=passwords)
    assert (said in found, "in steps" in found, "two" in found) == (True, False, False)


def test_another_reference_to_the_same_password_is_allowed(tmp_path: Path) -> None:
    """Where a password is kept is this machine's affair, and no broker's."""
    one = _cluster(tmp_path, PLAIN, KRAFT, LOGIN)
    assert _guarded(one, _cluster(tmp_path, PLAIN, KRAFT, LOGIN.replace("ONE", "OTHER"))) == ""
