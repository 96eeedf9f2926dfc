"""Who may do what, and how a listener knows its clients: authorizers, SASL, TLS."""

import re
from collections.abc import Iterator, Mapping

from kafab.cautions import Caution
from kafab.config.catalogue.broker import Broker
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import items


def remarks(broker: Broker) -> Iterator[Remark]:
    """Yield every rule that is broken."""
    for rule in (_authorizer, _sasl, _listed, _logins, _keys):
        yield from rule(broker)


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


def _listed(broker: Broker) -> Iterator[Remark]:
    """Mechanisms that differ from Kafka's own by their case only: nobody could log in."""
    own = {
        name.lower(): name for name in ("GSSAPI", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
    }
    for mechanism in items(broker.text("sasl.enabled.mechanisms")):
        right = own.get(mechanism.lower().replace("_", "-"))
        if right and right != mechanism:
            yield Remark("sasl.enabled.mechanisms", f"found {mechanism}; did you mean {right}?")


def _logins(broker: Broker) -> Iterator[Remark]:
    """Kafka ends at its start without a login for each SASL listener: JaasContext.loadServerContext."""
    for name, text in broker.properties.items():
        if name.endswith("sasl.jaas.config") and not text.strip().endswith(";"):
            yield Remark(name, "found no semicolon at the end; expected one: JAAS takes no other end")
    if any(name.endswith("sasl.jaas.config") for name in broker.properties):
        return
    if listener := next((name for name, protocol in _protocols(broker).items() if "SASL" in protocol), None):
        text = (
            f"found {listener}, which is SASL, and no listener.name.{listener.lower()}.MECHANISM.sasl.jaas.config; "
            "expected it, or -Djava.security.auth.login.config among the JVM's flags"
        )
        yield Remark("listeners", text, Caution.SASL_WITHOUT_LOGIN)


def _keys(broker: Broker) -> Iterator[Remark]:
    """A TLS listener without a certificate finishes no handshake; a factory of one's own may have one elsewhere."""
    if broker.text("ssl.engine.factory.class"):
        return
    for listener, protocol in _protocols(broker).items():
        own = f"listener.name.{listener.lower()}."
        names = ("ssl.keystore.location", "ssl.keystore.certificate.chain", "ssl.engine.factory.class")
        if "SSL" in protocol and not any(
            broker.properties.get(start + name, "").strip() for start in (own, "") for name in names
        ):
            text = f"found {listener}, which is {protocol}, and no ssl.keystore.location; expected it: it has no certificate"
            yield Remark("listeners", text, Caution.TLS_WITHOUT_KEY)


def _protocols(broker: Broker) -> Mapping[str, str]:
    """Return the listeners of this process, each with its protocol: that of the map, or its own name."""
    pairs = (
        pair.rpartition(":") for pair in items(broker.properties.get("listener.security.protocol.map", ""))
    )
    mapped = {name.strip().upper(): protocol.strip().upper() for name, _, protocol in pairs}
    names = (given.partition("://")[0].strip().upper() for given in items(broker.text("listeners")))
    return {name: mapped.get(name, name) for name in names}
