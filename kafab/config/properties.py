"""A node's server.properties or zoo.cfg as an ordered mapping, and the file format both have: java.util.Properties.

The order is the order of the file: who the node is, where it listens, its quorum, where its data is, kafab's
defaults, and what the inventory says beyond and over them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from kafab.config import security
from kafab.config.defaults import (
    FOUR_LETTER_WORDS,
    RESERVED_BROKER,
    RESERVED_ZOOKEEPER,
    replication,
)
from kafab.listeners import CONTROLLER, PLAINTEXT, Listener
from kafab.model import Cluster, Endpoint, Node, Role, VoterSource

__all__ = [
    "RESERVED_BROKER",
    "RESERVED_ZOOKEEPER",
    "broker_properties",
    "files_named",
    "format_properties",
    "node_properties",
    "parse_properties",
    "zookeeper_properties",
]


def node_properties(cluster: Cluster, node: Node) -> dict[str, str]:
    """Return the properties of a node's main file, with references in the places of secrets."""
    make = zookeeper_properties if node.role is Role.ZOOKEEPER else broker_properties
    return make(cluster, node)


def broker_properties(cluster: Cluster, node: Node) -> dict[str, str]:
    """Return the server.properties of one broker or KRaft controller.

    Safe where Kafka's own defaults are not: three replicas of which two must be in sync (as far as there are
    brokers), no unclean election, topics created by people only. The inventory's properties win over these.
    """
    replicas = replication(cluster.version, len(cluster.brokers))
    return {
        **(_in_kraft(cluster, node) if cluster.kraft else _with_zookeeper(cluster, node)),
        **{name: str(count) for name, count in replicas.items()},
        "unclean.leader.election.enable": "false",
        "auto.create.topics.enable": "false",
        "delete.topic.enable": "true",
        **({"inter.broker.protocol.version": cluster.protocol} if cluster.protocol else {}),
        **security.of_broker(cluster, node),
        **node.properties,
    }


def _with_zookeeper(cluster: Cluster, node: Node) -> dict[str, str]:
    named = [listener.name for listener in node.listeners] != [PLAINTEXT]
    return {
        "broker.id": str(node.id),
        "broker.id.generation.enable": "false",
        **_rack(node),
        **_listening(node.listeners),
        # Of the only listener, PLAINTEXT, Kafka assumes both itself.
        **(_protocols(cluster) | _among_brokers(node) if named else {}),
        "log.dirs": _log_dirs(node),
        "zookeeper.connect": cluster.zookeeper_connect,
    }


def _in_kraft(cluster: Cluster, node: Node) -> dict[str, str]:
    """Return who the process is, where it listens and who leads it.

    A controller advertises its listener, too: with a dynamic quorum that is what it puts into the voter set (KIP-853),
    and the default would be the name the machine has for itself.
    """
    broker = node.role is Role.BROKER
    voters = cluster.controllers
    if cluster.voter_source is VoterSource.STATIC:
        quorum = {"controller.quorum.voters": ",".join(f"{v.id}@{v.controller_endpoint}" for v in voters)}
    else:
        quorum = {"controller.quorum.bootstrap.servers": ",".join(str(v.controller_endpoint) for v in voters)}
    return {
        "process.roles": ",".join(
            [*(["broker"] if broker else []), *(["controller"] if node.is_controller else [])]
        ),
        "node.id": str(node.id),
        **(_rack(node) if broker else {}),
        **_listening(node.listeners),
        **_protocols(cluster),
        **(_among_brokers(node) if broker else {}),
        "controller.listener.names": CONTROLLER,
        **quorum,
        "log.dirs": _log_dirs(node),
    }


def _listening(listeners: Iterable[Listener]) -> dict[str, str]:
    """Return where a process listens and where others are told to connect."""
    return {
        "listeners": ",".join(f"{listener.name}://{_bound(listener)}" for listener in listeners),
        "advertised.listeners": ",".join(f"{listener.name}://{listener.endpoint}" for listener in listeners),
    }


def _protocols(cluster: Cluster) -> dict[str, str]:
    pairs = (f"{name}:{protocol}" for name, protocol in cluster.listener_protocols.items())
    return {"listener.security.protocol.map": ",".join(pairs)}


def _among_brokers(node: Node) -> dict[str, str]:
    return {"inter.broker.listener.name": node.peer_listener.name}


def _rack(node: Node) -> dict[str, str]:
    return {} if node.host.rack is None else {"broker.rack": node.host.rack}


def _log_dirs(node: Node) -> str:
    return ",".join(str(path) for path in node.data)


def zookeeper_properties(cluster: Cluster, node: Node) -> dict[str, str]:
    """Return the zoo.cfg of one server.

    A single server has no ``server.N`` line: it runs standalone, and ZooKeeper would log the line as an error
    (QuorumPeerConfig: "only one server specified (ignoring)").
    """
    ensemble = cluster.zookeepers if len(cluster.zookeepers) > 1 else ()
    (clients,) = node.listeners
    secure = "secureClient" if clients.protocol.tls else "client"
    listening = {f"{secure}Port": str(clients.port)}
    if clients.address:
        listening[f"{secure}PortAddress"] = clients.address
    return {
        "dataDir": str(node.data[0]),
        **listening,
        **{f"server.{server.id}": _server(server) for server in ensemble},
        "tickTime": "2000",
        "initLimit": "10",
        "syncLimit": "5",
        "4lw.commands.whitelist": ",".join(FOUR_LETTER_WORDS),
        "admin.enableServer": "false",
        "autopurge.snapRetainCount": "3",
        "autopurge.purgeInterval": "24",
        **security.of_zookeeper(cluster, node),
        **node.properties,
    }


def files_named(properties: Mapping[str, str]) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield each property that names files which the process reads, with each file: key stores, and jars of plug-ins.

    Of a class path the jars count: a folder's jars (``/opt/x/*``) may be none.
    """
    for name, text in properties.items():
        if name.endswith((".location", ".file")):
            found = [text]
        elif name.endswith(".class.path"):
            found = [entry for entry in text.split(":") if entry.endswith(".jar")]
        else:
            continue
        yield from ((name, PurePosixPath(path)) for path in found if path.startswith("/"))


def format_properties(mapping: Mapping[str, str]) -> str:
    """Return the lines of a properties file; ``parse_properties`` and java.util.Properties read the same mapping back.

    Values keep ``:``, ``=``, ``#`` and ``!`` as they are, which Java's own writer escapes and no reader needs.
    """
    return "".join(f"{_escaped(key, _KEY)}={_escaped(value, _VALUE)}\n" for key, value in mapping.items())


def parse_properties(text: str) -> dict[str, str]:
    """Read a properties file as java.util.Properties.load does; of equal keys the last wins.

    Raises ValueError for a backslash-u without four hexadecimal digits, as Java does.
    """
    return dict(_pair(line) for line in _logical_lines(text))


_BLANK = " \t\f"
_KEY = re.compile(r"[\\ \t\n\r\f:=#!]|[^\x20-\x7e]")
_VALUE = re.compile(r"^ |[\\\t\n\r\f]|[^\x20-\x7e]")
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
_CHARACTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def _bound(listener: Listener) -> Endpoint | str:
    # Without a host Kafka listens on every interface; a lab on loopback stays there.
    return Endpoint(listener.address, listener.port) if listener.address else f":{listener.port}"


def _server(node: Node) -> str:
    host = f"[{node.endpoint.host}]" if ":" in node.endpoint.host else node.endpoint.host
    return f"{host}:{node.quorum_port}:{node.election_port}"


def _escaped(text: str, pattern: re.Pattern[str]) -> str:
    return pattern.sub(lambda found: _escape(found[0]), text)


def _escape(letter: str) -> str:
    if letter in _NAMED:
        return _NAMED[letter]
    if " " <= letter <= "~":
        return "\\" + letter
    # Java counts in UTF-16: what lies beyond 16 bits is a pair.
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02X}" for at in range(0, len(units), 2))


def _logical_lines(text: str) -> Iterator[str]:
    """Yield lines without comments and blank ones, each joined with its continuations."""
    logical = ""
    continued = False
    for natural in re.split(r"\r\n|\r|\n", re.sub(r"[\r\n]\Z", "", text)):
        line = natural.lstrip(_BLANK)
        if not logical and line.startswith(("#", "!")):
            continued = False
            continue
        trailing = len(line) - len(line.rstrip("\\"))
        continued = trailing % 2 == 1
        logical += line[:-1] if continued else line
        if logical and not continued:
            yield logical
            logical = ""
    if continued:
        # A backslash at the end of the last line: Java keeps what came before it, be it nothing.
        yield logical


def _pair(line: str) -> tuple[str, str]:
    """Split at the first ``=``, ``:`` or blank that no backslash escapes; blanks around it belong to neither."""
    found = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", line, re.DOTALL)
    key, value = found.groups() if found else (line, "")
    return _plain(key), _plain(value)


def _plain(text: str) -> str:
    """Resolve escapes; halves of surrogate pairs that stand side by side become one character."""
    plain = re.sub(r"\\(u.{0,4}|.)", _resolve, text, flags=re.DOTALL)
    return plain.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


def _resolve(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] != "u":
        return _CHARACTERS.get(escape, escape)
    if not re.fullmatch(r"u[0-9A-Fa-f]{4}", escape):
        raise ValueError(f"malformed escape \\{escape}: four hexadecimal digits are expected")
    return chr(int(escape[1:], 16))
