"""Where nodes listen: from the keys of an inventory to listeners, and from these to the files of a node."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafab.config.properties import broker_properties, zookeeper_properties
from kafab.config.render import node_files
from kafab.inventory import load
from kafab.listeners import Listener, Use
from kafab.model import Cluster, Node

NAMED = "INTERNAL: {port: 9092, use: brokers}, EXTERNAL: {port: 9094}"
KRAFT = f"kafka: {{version: 4.3.1, listeners: {{{NAMED}}}}}\n"
ZOOKEEPER = f"kafka: {{version: 3.9.2, listeners: {{{NAMED}}}}}\n"


def _loaded(folder: Path, text: str) -> Cluster:
    file = folder / "prod.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file)[0]


def _one(folder: Path, kafka: str, host: str = "", broker: str = "", more: str = "") -> Node:
    """Return the broker of an inventory with one host, in ZooKeeper mode."""
    head = f"kafka: {{version: 3.9.2{kafka}}}\n{more}"
    node = f"hosts:\n  node1: {{address: 10.0.0.11{host}, zookeeper: 1, broker: {{id: 1{broker}}}}}\n"
    return _loaded(folder, head + node).brokers[0]


def _two(folder: Path, **keys: str) -> dict[str, Listener]:
    node = _one(folder, f", listeners: {{{keys.pop('named', NAMED)}}}{keys.pop('kafka', '')}", **keys)
    return {listener.name: listener for listener in node.listeners}


def test_only_listener_is_for_everybody(tmp_path: Path) -> None:
    """Without `listeners` a broker has one, PLAINTEXT, which brokers, clients and kafab use."""
    node = _one(tmp_path, ", port: 9192", broker=", advertised: kafka1")
    assert node.listeners == (
        Listener("PLAINTEXT", 9192, "kafka1", uses=frozenset({Use.BROKERS, Use.CLIENTS})),
    )


@settings(deadline=None, max_examples=30)
@given(
    port=st.integers(1, 65535).filter(lambda port: port not in (22, 2181)),
    bind=st.sampled_from(["", ", bind: 10.0.0.11", ", bind: 0.0.0.0", ", bind: address", ", bind: kafka1"]),
    advertised=st.sampled_from(["", ", advertised: kafka1", ", advertised: 127.0.0.1"]),
)
def test_short_form_is_a_listener_named_plaintext(
    tmp_path_factory: pytest.TempPathFactory, port: int, bind: str, advertised: str
) -> None:
    """Whatever port, bind and advertised are, one named listener PLAINTEXT gives the very same files."""
    folder = tmp_path_factory.getbasetemp()
    hosts = f"hosts:\n  node1: {{address: 10.0.0.11, zookeeper: 1, broker: {{id: 1{advertised}}}}}\n"
    short = _loaded(folder, f"kafka: {{version: 3.9.2, port: {port}{bind}}}\n{hosts}")
    named = _loaded(
        folder, f"kafka: {{version: 3.9.2, listeners: {{PLAINTEXT: {{port: {port}{bind}}}}}}}\n{hosts}"
    )
    assert node_files(short, short.brokers[0]) == node_files(named, named.brokers[0])


@pytest.mark.parametrize(
    ("host", "broker", "advertised"),
    [
        ("", "", "10.0.0.11"),
        ("", ", advertised: kafka1", "kafka1"),
        (", listeners: {EXTERNAL: {advertised: of.host}}", ", advertised: kafka1", "of.host"),
        (
            ", listeners: {EXTERNAL: {advertised: of.host}}",
            ", listeners: {EXTERNAL: {advertised: of.node}}",
            "of.node",
        ),
    ],
)
def test_whose_advertised_address_wins(tmp_path: Path, host: str, broker: str, advertised: str) -> None:
    """A listener's own address wins over the node's, and the node's word on a listener over the host's."""
    assert _two(tmp_path, host=host, broker=broker)["EXTERNAL"].advertised == advertised


@pytest.mark.parametrize(
    ("kafka", "host", "broker", "bind"),
    [
        ("", "", "", None),
        (", bind: 10.1.1.1", "", "", "10.1.1.1"),
        (", bind: 10.1.1.1", ", bind: 10.2.2.2", "", "10.2.2.2"),
        (", bind: 10.1.1.1", ", bind: 10.2.2.2", ", bind: '[::]'", "::"),
        ("", ", bind: 10.2.2.2, listeners: {EXTERNAL: {bind: 10.3.3.3}}", ", bind: 10.4.4.4", "10.3.3.3"),
        ("", "", ", bind: address", "10.0.0.11"),
    ],
)
def test_whose_address_to_bind_wins(
    tmp_path: Path, kafka: str, host: str, broker: str, bind: str | None
) -> None:
    """Cluster, host, node: the nearest wins, what a listener itself says before all; `address` is the host's own."""
    assert _two(tmp_path, kafka=kafka, host=host, broker=broker)["EXTERNAL"].bind == bind


def test_port_of_one_node(tmp_path: Path) -> None:
    """A node may have a listener on another port than the cluster."""
    assert _two(tmp_path, broker=", listeners: {EXTERNAL: {port: 9194}}")["EXTERNAL"].port == 9194


@pytest.mark.parametrize(
    ("uses", "name"),
    [
        ((["brokers"], ["clients"], ["clients"]), "B"),
        ((["brokers"], ["clients"], ["operator"]), "C"),
        ((["brokers", "operator"], ["clients"], ["clients"]), "A"),
        ((["brokers"], ["brokers", "clients"], ["clients"]), "B"),
    ],
)
def test_kafab_uses_the_operators_listener(uses: tuple[list[str], ...], name: str) -> None:
    """The listener marked for the operator is kafab's own, else the first one for clients."""
    own = tuple(
        Listener(letter, 9000 + at, "10.0.0.1", uses=frozenset(map(Use, words)))
        for at, (letter, words) in enumerate(zip("ABC", uses, strict=True))
    )
    assert _with(own).operator_listener.name == name


def _with(listeners: tuple[Listener, ...]) -> Node:
    from tests.preflight_hosts import NODE

    return Node(NODE.host, NODE.role, 1, listeners, "1g", NODE.data)


def test_no_controller_has_no_controller_endpoint() -> None:
    """To ask for the controllers' listener of a broker is a mistake of the caller's, told at once."""
    with pytest.raises(ValueError, match="node1/broker is no controller"):
        _ = _with((Listener("PLAINTEXT", 9092, "10.0.0.1"),)).controller_endpoint


def _listening(cluster: Cluster, node: Node) -> dict[str, str]:
    return {key: text for key, text in broker_properties(cluster, node).items() if "listener" in key}


def test_files_in_zookeeper_mode(tmp_path: Path) -> None:
    """Named listeners bring the map of protocols and the listener that brokers use."""
    hosts = "hosts:\n  node1: {address: 10.0.0.11, listeners: {EXTERNAL: {advertised: kafka1}}, zookeeper: 1, broker: 1}\n"
    cluster = _loaded(tmp_path, ZOOKEEPER + hosts)
    assert _listening(cluster, cluster.brokers[0]) == {
        "listeners": "INTERNAL://:9092,EXTERNAL://:9094",
        "advertised.listeners": "INTERNAL://10.0.0.11:9092,EXTERNAL://kafka1:9094",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
    }


def test_files_of_a_combined_process(tmp_path: Path) -> None:
    """The controllers' listener comes last, and may be advertised elsewhere than the broker's."""
    hosts = "hosts:\n  node1: {address: '[2001:db8::1]', controller: {id: 1, advertised: c1, bind: '[::1]'}, broker: 1}\n"
    cluster = _loaded(tmp_path, KRAFT + hosts)
    assert _listening(cluster, cluster.brokers[0]) == {
        "listeners": "INTERNAL://:9092,EXTERNAL://:9094,CONTROLLER://[::1]:9093",
        "advertised.listeners": "INTERNAL://[2001:db8::1]:9092,EXTERNAL://[2001:db8::1]:9094,CONTROLLER://c1:9093",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "controller.listener.names": "CONTROLLER",
    }


def test_files_of_an_isolated_controller(tmp_path: Path) -> None:
    """A controller listens on its own listener and knows the protocols of all, so that brokers' properties fit it."""
    properties = "{version: 4.3.1, properties: {listener.name.external.max.connections: 9}, "
    hosts = "hosts:\n  node1: {address: 10.0.0.11, controller: 101, broker: 1}\n"
    cluster = _loaded(tmp_path, KRAFT.replace("{version: 4.3.1, ", properties) + hosts)
    assert _listening(cluster, cluster.controllers[0]) == {
        "listeners": "CONTROLLER://:9093",
        "advertised.listeners": "CONTROLLER://10.0.0.11:9093",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.name.external.max.connections": "9",
    }


@pytest.mark.parametrize(
    ("key", "address"),
    [("", None), ("bind: 10.0.0.12", "10.0.0.12"), ("bind: 0.0.0.0", "0.0.0.0")],
)
def test_client_port_of_zookeeper(tmp_path: Path, key: str, address: str | None) -> None:
    """ZooKeeper's client port listens where it is asked to, on every interface otherwise."""
    hosts = "hosts:\n  node1: {address: 10.0.0.11, zookeeper: 1, broker: 1}\n"
    cluster = _loaded(tmp_path, f"kafka: {{version: 3.9.2}}\nzookeeper: {{{key}}}\n{hosts}")
    assert zookeeper_properties(cluster, cluster.zookeepers[0]).get("clientPortAddress") == address


@pytest.mark.parametrize(
    ("host", "broker", "address"),
    [
        ("", "", None),
        ("", ", jmx_bind: 127.0.0.1", "127.0.0.1"),
        (", bind: address", "", "10.0.0.11"),
        (", bind: address", ", jmx_bind: 127.0.0.1", "127.0.0.1"),
        (", bind: address", ", jmx_bind: 0.0.0.0", None),
        ("", ", advertised: 127.0.0.1", "127.0.0.1"),
        ("", ", advertised: 127.0.0.1, jmx_bind: 0.0.0.0", None),
    ],
)
def test_address_of_jmx(tmp_path: Path, host: str, broker: str, address: str | None) -> None:
    """JMX listens where the node's ports do unless `jmx_bind` says otherwise; Java is told nothing for all interfaces."""
    node = _one(tmp_path, ", jmx_port: 9988", host, broker)
    cluster = _loaded(tmp_path, (tmp_path / "prod.yaml").read_text(encoding="utf-8"))
    launch = next(file.text for file in node_files(cluster, node) if file.path.name == "launch")
    flags = [
        word
        for word in launch.split()
        if word.startswith(("-Dcom.sun.management.jmxremote.host", "-Djava.rmi"))
    ]
    told = [f"-Dcom.sun.management.jmxremote.host={address}", f"-Djava.rmi.server.hostname={address}"]
    assert flags == (told if address else [])


def test_jmx_has_one_port(tmp_path: Path) -> None:
    """The registry and what it leads to are at one port, so that a firewall can let it through; Java would draw the second."""
    node = _one(tmp_path, ", jmx_port: 9988")
    cluster = _loaded(tmp_path, (tmp_path / "prod.yaml").read_text(encoding="utf-8"))
    launch = next(file.text for file in node_files(cluster, node) if file.path.name == "launch")
    ports = re.findall(r"-Dcom\.sun\.management\.jmxremote\.(\S*port)=(\d+)", launch)
    assert ports == [("port", "9988"), ("rmi.port", "9988")]


def test_ports_are_told_by_their_listeners(tmp_path: Path) -> None:
    """With several listeners a port is known by its listener's name; the only one is the client port."""
    assert dict(_one(tmp_path, f", listeners: {{{NAMED}}}").ports) == {"INTERNAL": 9092, "EXTERNAL": 9094}
