"""What must be true between the properties of one broker: Kafka's rules at start, and what it regrets only later.

The rules are those of kafka.server.KafkaConfig.validateValues and of the configuration classes it calls; Kafka tells
the first one that is broken and exits. A warning is what Kafka accepts and nobody means.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kafab.cautions import Caution
from kafab.config.catalogue.definitions import Catalogue
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import items, number


@dataclass(frozen=True)
class Broker:
    """One server.properties and the catalogue of its version."""

    properties: Mapping[str, str]
    catalogue: Catalogue
    kraft: bool

    def text(self, name: str) -> str:
        """Return a value in force, Kafka's default where it is not given; empty where there is neither."""
        given = self.properties.get(name)
        known = self.catalogue.known.get(name)
        return (given if given is not None else (known.default if known else None) or "").strip()

    def number(self, name: str) -> float | None:
        """Return a numeric value in force; None where this Kafka does not know it or it is no number."""
        known = self.catalogue.known.get(name)
        return number(known, self.text(name)) if known else None

    def true(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.text(name).lower() == "true"

    def blamed(self, *names: str) -> str:
        """Return the first of these that was given: the one whose value to change."""
        return next((name for name in names if name in self.properties), names[0])


def remarks(broker: Broker) -> Iterator[Remark]:
    """Yield every rule between properties that is broken."""
    yield from _ordered(broker)
    for rule in _RULES:
        yield from rule(broker)


@dataclass(frozen=True)
class _Order:
    low: str
    high: str
    warning: bool = False
    below: bool = False
    """Equal is too much."""
    unlimited: float | None = None
    """The value of ``high`` that means no limit, and everything below it."""


_ORDERS: Final = (
    _Order("replica.fetch.wait.max.ms", "replica.socket.timeout.ms"),
    _Order("replica.fetch.wait.max.ms", "replica.lag.time.max.ms"),
    _Order("offsets.commit.required.acks", "offsets.topic.replication.factor"),
    _Order("socket.request.max.bytes", "queued.max.request.bytes", unlimited=0),
    _Order("connection.failed.authentication.delay.ms", "connections.max.idle.ms", below=True, unlimited=-1),
    *(
        order
        for kind in ("consumer", "share", "streams")
        for what in ("heartbeat.interval.ms", "session.timeout.ms")
        for order in (
            _Order(f"group.{kind}.min.{what}", f"group.{kind}.max.{what}"),
            _Order(f"group.{kind}.min.{what}", f"group.{kind}.{what}"),
            _Order(f"group.{kind}.{what}", f"group.{kind}.max.{what}"),
        )
    ),
    # Kafka has no rule for these; what they break shows up in production.
    _Order("group.min.session.timeout.ms", "group.max.session.timeout.ms", warning=True),
    _Order("broker.heartbeat.interval.ms", "broker.session.timeout.ms", warning=True, below=True),
    _Order("message.max.bytes", "log.segment.bytes", warning=True),
    _Order("message.max.bytes", "socket.request.max.bytes", warning=True),
    _Order("message.max.bytes", "replica.fetch.max.bytes", warning=True),
    _Order("log.segment.bytes", "log.retention.bytes", warning=True, unlimited=-1),
    _Order("log.roll.jitter.ms", "log.roll.ms", warning=True),
)


def _ordered(broker: Broker) -> Iterator[Remark]:
    for order in _ORDERS:
        if order.low not in broker.properties and order.high not in broker.properties:
            continue
        low, high = broker.number(order.low), broker.number(order.high)
        if low is None or high is None or (order.unlimited is not None and high <= order.unlimited):
            continue
        if low > high or (order.below and low == high):
            name = broker.blamed(order.low, order.high)
            wanted = "below" if order.below else "not above"
            text = f"found {order.low} {low:.0f} and {order.high} {high:.0f}; expected the first {wanted} the second"
            yield Remark(name, text, Caution.LIMITS_APART if order.warning else None)


def _cleaner(broker: Broker) -> Iterator[Remark]:
    buffer, threads = broker.number("log.cleaner.dedupe.buffer.size"), broker.number("log.cleaner.threads")
    if buffer is not None and threads and buffer // threads <= 1024 * 1024:
        name = broker.blamed("log.cleaner.dedupe.buffer.size", "log.cleaner.threads")
        yield Remark(
            name,
            f"found {buffer:.0f} bytes and log.cleaner.threads {threads:.0f}; expected over 1 MiB for each",
        )


def _retention(broker: Broker) -> Iterator[Remark]:
    for unit, names in (
        ("log.retention", ("log.retention.ms", "log.retention.minutes", "log.retention.hours")),
        ("log.roll", ("log.roll.ms", "log.roll.hours")),
        ("log.roll.jitter", ("log.roll.jitter.ms", "log.roll.jitter.hours")),
    ):
        given = [name for name in names if name in broker.properties]
        for name in given[1:]:
            yield Remark(
                name, f"found it beside {given[0]}, which wins; expected one {unit}.*", Caution.WITHOUT_EFFECT
            )
        if unit == "log.roll.jitter":
            continue
        value = broker.number(given[0]) if given else None
        # Any negative retention is no limit, by LogConfig's own reading; only 0 is refused.
        unlimited = ", or -1 for no limit" if unit == "log.retention" else ""
        if value is not None and (value == 0 or (value < 0 and not unlimited)):
            yield Remark(given[0], f"found {value:.0f}; expected a whole number from 1{unlimited}")


def _authorizer(broker: Broker) -> Iterator[Remark]:
    name = "authorizer.class.name"
    found = broker.text(name)
    acl, standard = (
        "kafka.security.authorizer.AclAuthorizer",
        ("org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    )
    if found in (acl, "kafka.security.auth.SimpleAclAuthorizer") and broker.kraft:
        yield Remark(name, f"found {found}, which needs ZooKeeper; expected {standard}")
    elif found == "kafka.security.auth.SimpleAclAuthorizer" and broker.catalogue.line >= (3, 0):
        yield Remark(name, f"found {found}, which Kafka removed in 3.0; expected {acl}")
    elif found == standard and not broker.kraft:
        yield Remark(name, f"found {found}, which needs KRaft; expected {acl}")
    for user in filter(None, (part.strip() for part in broker.text("super.users").split(";"))):
        if ":" not in user or re.search(r",\s*User:", user):
            text = f"found {user[:40]!r}; expected names like User:admin, separated by ;"
            yield Remark("super.users", text)
    if found and not broker.text("super.users") and not broker.true("allow.everyone.if.no.acl.found"):
        text = (
            "found no super.users beside it; expected one: nobody, brokers neither, is allowed anything else"
        )
        yield Remark(name, text, Caution.ACL_WITHOUT_SUPER_USERS)
    for given in ("super.users", "allow.everyone.if.no.acl.found"):
        if given in broker.properties and not found:
            yield Remark(
                given, "found no authorizer.class.name, which alone reads it", Caution.WITHOUT_EFFECT
            )


def _providers(broker: Broker) -> Iterator[Remark]:
    for provider in items(broker.text("config.providers")):
        if f"config.providers.{provider}.class" not in broker.properties:
            text = f"found {provider}; expected its class in config.providers.{provider}.class"
            yield Remark("config.providers", text)


def _connections(broker: Broker) -> Iterator[Remark]:
    name = "max.connections.per.ip"
    if broker.number(name) == 0 and not broker.text("max.connections.per.ip.overrides"):
        yield Remark(name, "found 0; expected max.connections.per.ip.overrides beside it, or nobody connects")


def _sasl(broker: Broker) -> Iterator[Remark]:
    name = "sasl.mechanism.inter.broker.protocol"
    listener = broker.text("inter.broker.listener.name")
    protocol = broker.text("security.inter.broker.protocol")
    for pair in items(broker.text("listener.security.protocol.map")):
        if listener and pair.rpartition(":")[0].upper() == listener.upper():
            protocol = pair.rpartition(":")[2].upper()
    own = f"listener.name.{listener.lower()}.sasl.enabled.mechanisms"
    enabled = items(broker.properties.get(own, broker.text("sasl.enabled.mechanisms")))
    if protocol.startswith("SASL") and broker.text(name) not in enabled:
        text = f"found {broker.text(name)}; expected one of sasl.enabled.mechanisms, {', '.join(enabled)}"
        yield Remark(broker.blamed(name, "sasl.enabled.mechanisms"), text)


def _tiered(broker: Broker) -> Iterator[Remark]:
    name = "remote.log.storage.system.enable"
    if not broker.true(name):
        return
    for needed in ("remote.log.storage.manager.class.name", "remote.log.metadata.manager.class.name"):
        if not broker.text(needed):
            yield Remark(name, f"found true without {needed}; expected it, too")
    listener = "remote.log.metadata.manager.listener.name"
    names = [given.partition("://")[0] for given in items(broker.text("listeners"))]
    if (found := broker.text(listener)) and found not in names:
        yield Remark(listener, f"found {found}; expected a listener of the broker: {', '.join(names)}")


def _listed(broker: Broker) -> Iterator[Remark]:
    """Mechanisms that differ from Kafka's own by their case only: nobody could log in."""
    own = {
        name.lower(): name for name in ("GSSAPI", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
    }
    for mechanism in items(broker.text("sasl.enabled.mechanisms")):
        right = own.get(mechanism.lower().replace("_", "-"))
        if right and right != mechanism:
            yield Remark("sasl.enabled.mechanisms", f"found {mechanism}; did you mean {right}?")


_RULES: Final[tuple[Callable[[Broker], Iterator[Remark]], ...]] = (
    _cleaner,
    _retention,
    _authorizer,
    _providers,
    _connections,
    _sasl,
    _listed,
    _tiered,
)
