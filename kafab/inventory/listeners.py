"""Where nodes listen: the short form (`port`, `advertised`, `bind`), or several listeners by name, to the same values.

What a listener says of itself wins over what is said of all listeners of a node; of one key the node's wins over the
host's, and that over the cluster's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kafab.cautions import Caution
from kafab.inventory.rules import Draft, PlacedNode
from kafab.inventory.sections import Section
from kafab.listeners import (
    CLIENT,
    CONTROLLER,
    PLAINTEXT,
    Listener,
    Protocol,
    Use,
    controller_listener,
    is_loopback,
    is_wildcard,
)
from kafab.model import Host, Role
from kafab.problems import Place, Problems
from kafab.words import nearest


@dataclass(frozen=True)
class Layers:
    """The sections that have a node's keys: its own, its host's, those of all nodes of its role."""

    host: Host
    own: Section
    of_host: Section
    shared: Section

    @property
    def advertised(self) -> str:
        """The address that a node advertises where a listener does not say otherwise."""
        return self.own.get("advertised") or self.host.address

    @property
    def bind(self) -> str | None:
        """The address that a node's ports listen on where a port does not say otherwise."""
        return self.address(_first("bind", self.own, self.of_host, self.shared))

    @property
    def jmx_bind(self) -> str | None:
        """The address that JMX listens on, None for every interface: as a listener of the node would, if it has none of its own."""
        chosen = self.address(_first("jmx_bind", self.own, self.shared)) or self.bind
        found = chosen or (self.advertised if is_loopback(self.advertised) else None)
        return None if found is None or is_wildcard(found) else found

    def address(self, bind: str | None) -> str | None:
        """Return an address to listen on, with the host's own in place of the word."""
        return self.host.address if bind == "address" else bind

    def named(self, name: str) -> list[Section]:
        """Return the sections of a named listener, the node's own first."""
        of_all = (section.get("listeners") for section in (self.own, self.of_host, self.shared))
        return [found for listeners in of_all if listeners and (found := listeners.get(name))]


def of_node(role: Role, layers: Layers) -> tuple[Listener, ...]:
    """Return the listeners of a node of one role, the controllers' listener of a combined process left out."""
    port = _first("port", layers.own, layers.shared)
    if role is Role.CONTROLLER:
        return (controller_listener(layers.advertised, port, layers.bind, _protocol(layers.shared)),)
    if role is Role.ZOOKEEPER:
        return (Listener(CLIENT, port, layers.advertised, layers.bind, _protocol(layers.shared)),)
    named: Section | None = layers.shared.get("listeners")
    found = tuple(_named(layers, named)) if named else ()
    return found or (Listener(PLAINTEXT, port, layers.advertised, layers.bind),)


def of_controller(layers: Layers, broker: Section) -> Listener:
    """Return the controllers' listener of a combined process: what the controller leaves out is the broker's."""
    port = _first("port", layers.own, layers.shared)
    advertised = layers.own.get("advertised") or broker.get("advertised") or layers.host.address
    bind = _first("bind", layers.own, broker, layers.of_host, layers.shared)
    return controller_listener(advertised, port, layers.address(bind), _protocol(layers.shared))


def _protocol(section: Section) -> Protocol:
    return Protocol(section.get("protocol"))


def port_places(layers: Layers) -> dict[str, Place]:
    """Return where the file gives ports of a broker's named listeners for this host or node alone, by name."""
    found = {}
    for section in (layers.of_host, layers.own):
        listeners: Section | None = section.get("listeners")
        for name, own in listeners.values.items() if listeners else ():
            if own.given("port"):
                found[name] = own.at("port")
    return found


def _named(layers: Layers, listeners: Section) -> Iterator[Listener]:
    for name, of_all in listeners.values.items():
        sections = layers.named(name)
        port = _first("port", *sections)
        if port is None:
            continue  # `check` tells it
        uses = frozenset(Use(word) for word in of_all.get("use"))
        yield Listener(
            name,
            port,
            _first("advertised", *sections) or layers.advertised,
            layers.address(_first("bind", *sections)) or layers.bind,
            Protocol(of_all.get("protocol")),
            # The brokers have to use one, and where there is one only it is for everybody.
            uses if len(listeners.values) > 1 else uses | {Use.BROKERS, Use.CLIENTS},
        )


def _first(key: str, *sections: Section) -> Any:
    return next((value for section in sections if (value := section.get(key)) is not None), None)


def check(draft: Draft, problems: Problems) -> None:
    """Report what is wrong with listeners, but for ports that are taken."""
    named: Section | None = draft.shared[Role.BROKER].get("listeners")
    if named is not None:
        _names(named, problems)
        _uses(named, problems)
        _ports(draft, named, problems)
    _overrides(draft, named, problems)
    for placed in draft.nodes:
        _loopback(placed, problems)


def _names(named: Section, problems: Problems) -> None:
    if CONTROLLER in named.places:
        problems.error(
            named.at(CONTROLLER),
            f"found {CONTROLLER}, the name of the controllers' listener, which controller: has the keys of; "
            "expected another name",
        )


def _uses(named: Section, problems: Problems) -> None:
    """Brokers use one listener among themselves (inter.broker.listener.name), and kafab one."""
    first: dict[str, str] = {}
    for name, listener in named.values.items():
        for use in (str(Use.BROKERS), str(Use.OPERATOR)):
            other = first.setdefault(use, name) if use in listener.get("use") else name
            if other != name:
                text = f"found {use}, which {other} is for; expected one listener for them"
                problems.error(listener.at("use"), text)
    if len(named.values) > 1 and str(Use.BROKERS) not in first:
        problems.error(
            named.place,
            "found no listener for the brokers; expected `use: brokers` with one of "
            f"{', '.join(named.values)} (inter.broker.listener.name)",
        )


def _ports(draft: Draft, named: Section, problems: Problems) -> None:
    """With several listeners each has its own port, at the cluster, the host or the node."""
    kafka = draft.shared[Role.BROKER]
    instead = "expected the port of each listener, under listeners:"
    if kafka.given("port"):
        problems.error(kafka.at("port"), f"found port beside listeners; {instead}")
    brokers = draft.of(Role.BROKER)
    for placed in brokers:
        if placed.section.given("port"):
            problems.error(placed.section.at("port"), f"found port beside kafka.listeners; {instead}")
    for name, listener in named.values.items():
        lacking = [placed.node.name for placed in brokers if not _has(placed, name)]
        if lacking and not listener.given("port"):
            place = listener.place._replace(key=f"{listener.place.key}.port")
            whose = f" for {lacking[0]}" if len(lacking) < len(brokers) else ""
            expected = "expected a port, here or under listeners: of the host or the broker"
            problems.error(place, f"missing{whose}; {expected}")


def _has(placed: PlacedNode, name: str) -> bool:
    return any(listener.name == name for listener in placed.node.broker_listeners)


def _overrides(draft: Draft, named: Section | None, problems: Problems) -> None:
    """A host and a node may only change listeners that all brokers have."""
    brokers = draft.of(Role.BROKER)
    for section in (*(placed.section for placed in draft.hosts), *(placed.section for placed in brokers)):
        own: Section | None = section.get("listeners")
        if own is not None:
            _known(own, list(named.places) if named else [], problems)
    with_brokers = {placed.node.host.name for placed in brokers}
    for host in draft.hosts:
        if draft.complete and host.section.given("listeners") and host.host.name not in with_brokers:
            text = "found listeners: on a host without a broker; it has no effect"
            problems.warning(host.section.at("listeners"), text, Caution.WITHOUT_EFFECT)


def _known(own: Section, known: list[str], problems: Problems) -> None:
    for name in own.places:
        if name not in known:
            near = nearest(name, known)
            expected = "expected it there" if not known else f"expected one of {', '.join(known)}"
            meant = f"did you mean {near}?" if near else expected
            problems.error(
                own.at(name), f"found the listener {name}, which is not in kafka.listeners; {meant}"
            )


def _loopback(placed: PlacedNode, problems: Problems) -> None:
    for listener in placed.node.listeners:
        if listener.bind and is_loopback(listener.bind) and not is_loopback(listener.advertised):
            problems.warning(
                placed.section.place,
                f"found {placed.node.use(listener)} port {listener.port} bound to {listener.bind} and advertised at "
                f"{listener.advertised}: other hosts cannot connect; expected an address of the network",
                Caution.BOUND_TO_LOOPBACK,
            )
