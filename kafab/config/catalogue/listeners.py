"""Kafka's start-up rules for listeners: kafka.server.KafkaConfig and kafka.utils.CoreUtils refuse what is told here.

Kafka stops at the first; here all are told at once.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from typing import Final, NamedTuple

from kafab.cautions import Caution
from kafab.config.catalogue.definitions import Line
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import items

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
# EndPoint.uriParseExp: a name in capitals or not, any host without / or blanks, a port with a sign at most.
_ENDPOINT = r"([^:/\s]+)://(\[[0-9a-fA-F:%._]*\]|[^\s/:\[\]]*):(-?\d+)"


class Listener(NamedTuple):
    """One ``NAME://host:port``."""

    name: str
    host: str
    port: int


def remarks(properties: Mapping[str, str], line: Line, *, kraft: bool) -> Iterator[Remark]:
    """Yield what is wrong between the listeners of one broker or controller and whatever names them."""
    bound = yield from _parsed(properties, "listeners")
    advertised = yield from _parsed(properties, "advertised.listeners")
    protocols = yield from _protocols(properties)
    controllers = items(properties.get("controller.listener.names", "")) if kraft else []
    roles = items(properties.get("process.roles", "")) if kraft else ["broker"]
    yield from _unique(bound, line)
    for key, listeners in (("listeners", bound), ("advertised.listeners", advertised)):
        for listener in listeners:
            if listener.name not in protocols:
                text = f"found the listener {listener.name}; expected it in listener.security.protocol.map"
                yield Remark(key, text)
            if key == "advertised.listeners" and listener.host == "0.0.0.0":  # noqa: S104  # refused, not bound
                yield Remark(key, "found 0.0.0.0; expected an address that others can connect to")
    names = {listener.name for listener in bound}
    if "broker" in roles and bound:
        shown = {listener.name for listener in advertised or bound} - set(controllers)
        yield from _of_brokers(properties, names, shown, protocols)
    yield from _elsewhere(bound, advertised)
    if kraft:
        yield from _of_controllers(properties, names, controllers, roles, protocols)
        yield from _started_early(properties, names | {name.upper() for name in controllers})
    elif controllers_given := properties.get("controller.listener.names"):
        text = f"found {controllers_given}; expected no controller listeners in ZooKeeper mode"
        yield Remark("controller.listener.names", text)


def _parsed(properties: Mapping[str, str], key: str) -> Generator[Remark, None, list[Listener]]:
    found = []
    for item in items(properties.get(key, "")):
        parts = re.fullmatch(_ENDPOINT, item)
        if not parts or int(parts[3]) > 65535:
            yield Remark(key, f"found {item!r}; expected NAME://host:port")
        else:
            found.append(Listener(parts[1].upper(), parts[2], int(parts[3])))
    return found


def _protocols(properties: Mapping[str, str]) -> Generator[Remark, None, dict[str, str]]:
    """Return listener name -> protocol: the map as it is given, or Kafka's own of equal names."""
    key = "listener.security.protocol.map"
    if key not in properties:
        default = dict(zip(PROTOCOLS, PROTOCOLS, strict=True))
        # In KRaft mode Kafka maps the controllers' listeners to PLAINTEXT as long as nothing is mapped by hand.
        controllers = items(properties.get("controller.listener.names", ""))
        return default | {name.upper(): "PLAINTEXT" for name in controllers}
    found = {}
    for item in items(properties[key]):
        name, _, protocol = item.rpartition(":")
        if not name or protocol.strip().upper() not in PROTOCOLS:
            yield Remark(key, f"found {item!r}; expected NAME:PROTOCOL with one of {', '.join(PROTOCOLS)}")
        else:
            found[name.strip().upper()] = protocol.strip().upper()
    return found


def _unique(bound: list[Listener], line: Line) -> Iterator[Remark]:
    names: set[str] = set()
    ports: dict[int, Listener] = {}
    for listener in bound:
        if listener.name in names:
            yield Remark("listeners", f"found {listener.name} twice; expected each listener's name once")
        names.add(listener.name)
        other = ports.setdefault(listener.port, listener)
        if listener.port != 0 and other is not listener and not _two_families(other, listener, line):
            yield Remark("listeners", f"found port {listener.port} twice; expected a port for each listener")


def _two_families(one: Listener, other: Listener, line: Line) -> bool:
    """One port may serve IPv4 and IPv6, each with an address of its own (KIP-797, Kafka 3.3)."""
    four = re.compile(r"\d+(\.\d+){3}")
    kinds = {(":" in found.host, bool(four.fullmatch(found.host))) for found in (one, other)}
    return line >= (3, 3) and kinds == {(True, False), (False, True)}


def _of_brokers(
    properties: Mapping[str, str], names: set[str], shown: set[str], protocols: Mapping[str, str]
) -> Iterator[Remark]:
    if not shown:
        text = "found only listeners of the controller; expected at least one for clients"
        yield Remark("advertised.listeners", text)
        return
    if strange := sorted(shown - names):
        yield Remark("advertised.listeners", f"found {', '.join(strange)}; expected it in listeners, too")
    given = properties.get("inter.broker.listener.name")
    if given is not None and "security.inter.broker.protocol" in properties:
        text = "found it beside inter.broker.listener.name; expected one of them"
        yield Remark("security.inter.broker.protocol", text)
    elif given is not None and given.upper() not in protocols:
        text = f"found {given}; expected a listener of listener.security.protocol.map"
        yield Remark("inter.broker.listener.name", text)
    elif given is not None and given.upper() not in shown:
        text = f"found {given}; expected one of the advertised listeners {', '.join(sorted(shown))}"
        yield Remark("inter.broker.listener.name", text)
    elif given is None:
        protocol = properties.get("security.inter.broker.protocol", "PLAINTEXT")
        if protocol not in PROTOCOLS:
            text = f"found {protocol!r}; expected one of {', '.join(PROTOCOLS)}"
            yield Remark("security.inter.broker.protocol", text)
        elif protocol not in shown:
            key = "security.inter.broker.protocol" if protocol != "PLAINTEXT" else "advertised.listeners"
            text = f"found no advertised listener {protocol}, which the brokers use among themselves; expected one"
            yield Remark(key, text)


def _elsewhere(bound: list[Listener], advertised: list[Listener]) -> Iterator[Remark]:
    """Warn of a port that cannot be meant; any other may be mapped by what stands in front of the host."""
    at = {listener.name: listener for listener in bound}
    for listener in advertised:
        own = at.get(listener.name)
        if own is None or own.port in (0, listener.port):
            continue
        same_host = own.host not in ("", "0.0.0.0", "[::]") and own.host == listener.host  # noqa: S104  # compared
        holder = next((other.name for other in bound if other.port == listener.port), None)
        if same_host or holder:
            where = f"which {holder} listens on" if holder else f"and {own.port} in listeners"
            text = f"found port {listener.port} for {listener.name}, {where}; expected {own.port}"
            yield Remark("advertised.listeners", text, Caution.ADVERTISED_ELSEWHERE)


def _started_early(properties: Mapping[str, str], known: set[str]) -> Iterator[Remark]:
    """Kafka compares these as they are written with names in capitals (KafkaConfig.earlyStartListeners)."""
    for name in items(properties.get("early.start.listeners", "")):
        if name not in known:
            text = f"found {name}; expected listeners of this process: {', '.join(sorted(known))}"
            yield Remark("early.start.listeners", text)


def _of_controllers(
    properties: Mapping[str, str],
    names: set[str],
    controllers: list[str],
    roles: list[str],
    protocols: Mapping[str, str],
) -> Iterator[Remark]:
    key = "controller.listener.names"
    for name in controllers:
        if "broker" in roles and name.upper() not in protocols:
            yield Remark(key, f"found {name}; expected it in listener.security.protocol.map")
    if not controllers:
        yield Remark(key, "found no name; expected the name of the controllers' listener in KRaft mode")
        return
    upper = {name.upper() for name in controllers}
    if "controller" in roles:
        if missing := sorted(upper - names):
            yield Remark(key, f"found {', '.join(missing)}; expected a listener of that name in listeners")
    elif both := sorted(upper & names):
        yield Remark(
            key, f"found {', '.join(both)}, which the broker listens on; expected the controllers' only"
        )
    if roles == ["controller"] and (others := sorted(names - upper)):
        text = f"found {', '.join(others)}; expected only listeners of {key} on a controller"
        yield Remark("listeners", text)
    among = properties.get("inter.broker.listener.name")
    if among is not None and "broker" not in roles and among.upper() not in protocols:
        text = f"found {among or 'none'}; expected a listener of listener.security.protocol.map"
        yield Remark("inter.broker.listener.name", text)
    elif among is not None and among.upper() in upper:
        text = "found a listener of the controllers; expected one of the brokers"
        yield Remark("inter.broker.listener.name", text)
