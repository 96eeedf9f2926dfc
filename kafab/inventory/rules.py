"""What must be true across a whole inventory: ids and hosts are there once, and nothing is asked that Kafka cannot give.

`places` has the rules on ports, folders and addresses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kafab.cautions import Caution
from kafab.config.defaults import FOUR_LETTER_WORDS, MIN_IN_SYNC, OLDEST, replication
from kafab.inventory.sections import Section
from kafab.model import Host, Node, Role
from kafab.problems import Place, Problems


@dataclass(frozen=True)
class PlacedHost:
    """A host and the section of the file it was made from."""

    host: Host
    section: Section


@dataclass(frozen=True)
class PlacedNode:
    """A node and the section of the file it was made from; ``controller`` is the second one of a combined process."""

    node: Node
    section: Section
    controller: Section | None = None
    port_places: Mapping[str, Place] = field(default_factory=dict)
    """Named listener -> where this host or node has its port."""

    def at_port(self, use: str) -> Place:
        """Return where one of its ports was given."""
        if use in self.port_places:
            return self.port_places[use]
        keys = {
            "quorum": "quorum_port",
            "election": "election_port",
            "jmx": "jmx_port",
            "metrics": "metrics_port",
        }
        section = self.controller if use == "controller" and self.controller else self.section
        return section.at(keys.get(use, "port"))


@dataclass(frozen=True)
class Draft:
    """An inventory that has been read, whatever problems it had so far."""

    section: Section
    """``hosts:`` as it was read."""
    hosts: tuple[PlacedHost, ...]
    nodes: tuple[PlacedNode, ...]
    shared: Mapping[Role, Section]
    """What all nodes of a role share: ``zookeeper:``, ``controller:``, ``kafka:``."""

    @property
    def kraft(self) -> bool:
        """Tell whether the file has a controller."""
        return any(placed.section.given("controller") for placed in self.hosts)

    @property
    def complete(self) -> bool:
        """Tell whether every node in the file could be read, so that counting them says something."""
        roles = (str(role) for role in Role)
        return (
            bool(self.hosts)
            and self.section.places.keys() == self.section.values.keys()
            and not any(
                placed.section.given(role) and placed.section.get(role) is None
                for role in roles
                for placed in self.hosts
            )
        )

    @cached_property
    def twins(self) -> dict[str, str]:
        """Host name -> the earlier host that ssh would reach instead: same address, same port."""
        logins: dict[tuple[str, int], str] = {}
        firsts = {
            placed.host.name: logins.setdefault(login(placed.host), placed.host.name) for placed in self.hosts
        }
        return {name: first for name, first in firsts.items() if name != first}

    @property
    def on_own_hosts(self) -> list[PlacedNode]:
        """Return the nodes without those of twins, whose every port and folder would be reported again."""
        return [placed for placed in self.nodes if placed.node.host.name not in self.twins]

    def of(self, role: Role) -> list[PlacedNode]:
        """Return the nodes of one role, in the order of the file."""
        return [placed for placed in self.nodes if placed.node.role is role]


def check(draft: Draft, problems: Problems) -> None:
    """Report everything that is wrong between the parts of an inventory."""
    rules: tuple[Callable[[Draft, Problems], None], ...] = (
        _hosts_differ,
        _ids_differ,
        _zookeeper_settings,
    )
    for rule in rules:
        rule(draft, problems)
    if draft.complete:
        _enough_nodes(draft, problems)
        _racks(draft, problems)
        _replication(draft, problems)


def _hosts_differ(draft: Draft, problems: Problems) -> None:
    names: dict[str, str] = {}
    for placed in draft.hosts:
        first = names.setdefault(placed.host.name.lower(), placed.host.name)
        if first != placed.host.name:
            problems.error(
                placed.section.place, f"found the host {first} a second time; host names ignore case"
            )
        if twin := draft.twins.get(placed.host.name):
            problems.error(
                placed.section.at("address"),
                f"found {placed.host.address} with ssh port {placed.host.ssh.port or 22}, which is {twin}; "
                "expected a host of its own",
            )


def _ids_differ(draft: Draft, problems: Problems) -> None:
    """ZooKeeper's ids are its own; brokers and controllers share theirs: node.id is unique in a KRaft cluster."""
    for roles in ((Role.ZOOKEEPER,), (Role.CONTROLLER, Role.BROKER)):
        first: dict[int, Node] = {}
        for role in roles:
            for placed in draft.of(role):
                other = first.setdefault(placed.node.id, placed.node)
                if other is not placed.node:
                    whose = other.host.name if other.role is role else other.name
                    problems.error(
                        placed.section.at("id"),
                        f"found {role} id {placed.node.id}, which {whose} has; expected one of its own",
                    )


def _zookeeper_settings(draft: Draft, problems: Problems) -> None:
    for placed in draft.of(Role.ZOOKEEPER):
        if len(placed.node.data) > 1:
            problems.error(
                placed.section.at("data"),
                f"found {len(placed.node.data)} folders; ZooKeeper has one data folder",
            )
        words = placed.node.properties.get("4lw.commands.whitelist")
        if words is not None and words.strip() != "*":
            missing = [
                word
                for word in FOUR_LETTER_WORDS
                if word not in [given.strip() for given in words.split(",")]
            ]
            if missing:
                problems.error(
                    property_place(placed, draft, "4lw.commands.whitelist"),
                    f"found no {', '.join(missing)} in the list, which status and verify ask with; expected them in it",
                )


def _enough_nodes(draft: Draft, problems: Problems) -> None:
    if not draft.of(Role.BROKER):
        problems.error(draft.section.place, "found no broker; expected at least one host with `broker: 1`")
    if not draft.of(Role.ZOOKEEPER) and not draft.kraft:
        problems.error(
            draft.section.place,
            "found neither controller nor zookeeper; expected at least one host with `controller: 1` (KRaft) "
            "or `zookeeper: 1`, best three",
        )
    voters = sum(placed.node.is_controller for placed in draft.nodes)
    for count, what in ((len(draft.of(Role.ZOOKEEPER)), "ZooKeeper servers"), (voters, "controllers")):
        if count and count % 2 == 0:
            problems.warning(
                draft.section.place,
                f"found {count} {what}: they survive the loss of {(count - 1) // 2}, "
                f"as {count - 1} would; an odd number is expected",
                Caution.EVEN_VOTERS,
            )
    used = {placed.node.host.name for placed in draft.nodes}
    for placed in draft.hosts:
        if placed.host.name not in used:
            problems.warning(
                placed.section.place,
                "found a host without a node; broker:, controller: or zookeeper: is expected",
                Caution.HOST_WITHOUT_NODE,
            )


def _racks(draft: Draft, problems: Problems) -> None:
    """Racks on some brokers only: Kafka then refuses to create any topic (BrokerRackAwareness in AdminZkClient)."""
    names = {placed.node.host.name for placed in draft.of(Role.BROKER)}
    hosts = [placed for placed in draft.hosts if placed.host.name in names]
    racked = [placed.host.name for placed in hosts if placed.section.given("rack")]
    for placed in hosts:
        if racked and not placed.section.given("rack"):
            problems.error(
                placed.section.place,
                f"found no rack, while {racked[0]} has one ({len(racked)} of {len(hosts)} broker hosts); "
                "expected racks on all or none: with some only, Kafka creates no topic",
            )


def _replication(draft: Draft, problems: Problems) -> None:
    brokers = draft.of(Role.BROKER)
    defaults = replication(draft.shared[Role.BROKER].get("version") or OLDEST, len(brokers))
    for placed in draft.nodes:
        if placed.node.role is Role.ZOOKEEPER:
            continue
        values = dict(defaults)
        for name in defaults:
            given = placed.node.properties.get(name)
            if given is None:
                continue
            if given.isascii() and given.isdigit() and int(given) >= 1:
                values[name] = int(given)
            else:
                place = property_place(placed, draft, name)
                problems.error(place, f"found {given[:40]!r}; expected a whole number from 1")
        for name, value in values.items():
            if name not in MIN_IN_SYNC:
                _factor(placed, draft, name, value, problems)
        for minimum, factor in MIN_IN_SYNC.items():
            if minimum in values:
                _in_sync(placed, draft, (minimum, values[minimum]), (factor, values[factor]), problems)


def _factor(placed: PlacedNode, draft: Draft, name: str, value: int, problems: Problems) -> None:
    brokers = len(draft.of(Role.BROKER))
    if value > brokers:
        text = f"found {value}; expected at most {brokers}, as there are brokers"
        problems.error(property_place(placed, draft, name), text)
    elif value == 1 < brokers:
        text = (
            f"found 1, with {brokers} brokers: what lies on one of them is offline while it restarts, and gone with it; "
            f"expected {min(3, brokers)}"
        )
        problems.warning(property_place(placed, draft, name), text, Caution.ONE_REPLICA)


def _in_sync(
    placed: PlacedNode, draft: Draft, minimum: tuple[str, int], factor: tuple[str, int], problems: Problems
) -> None:
    (low, wanted), (high, replicas) = minimum, factor
    place = property_place(placed, draft, low if low in placed.node.properties else high)
    if wanted == replicas > 1:
        text = f"found {low} {wanted}, as many as {high}: no write with acks=all while a broker restarts; expected {replicas - 1}"
        problems.warning(place, text, Caution.NO_SPARE_REPLICA)


def property_place(placed: PlacedNode, draft: Draft, name: str, *, of_name: bool = False) -> Place:
    """Return where a property in force was given: with the node, for all of its role, for all brokers.

    ``of_name`` asks for the name itself, not for its value.
    """
    node = placed.node
    shared = [draft.shared[Role.CONTROLLER]] if node.is_controller else []
    shared.append(draft.shared[Role.ZOOKEEPER if node.role is Role.ZOOKEEPER else Role.BROKER])
    for section in (placed.section, *shared):
        properties: Section | None = section.get("properties")
        if properties is not None and properties.given(name):
            return properties.names[name] if of_name else properties.at(name)
    return placed.section.place


def login(host: Host) -> tuple[str, int]:
    """Return where ssh connects for a host: the machine and the port."""
    return machine(host.address), host.ssh.port or 22


def machine(address: str) -> str:
    """Return an address as it is compared with others."""
    lower = address.lower().rstrip(".")
    return "127.0.0.1" if lower == "localhost" else lower
