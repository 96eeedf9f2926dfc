"""`security:` of an inventory, and what the protocols of listeners ask of it and of Kafka's version."""

from kafab.config import security as config
from kafab.inventory.rules import Draft, property_place
from kafab.inventory.sections import Section
from kafab.listeners import Listener, Protocol, Use, is_address
from kafab.model import BrokerLogin, Cluster, Role, Security
from kafab.problems import Place, Problems


def of(section: Section | None) -> Security | None:
    """Return what the section says; None where there is none."""
    if section is None:
        return None
    return Security(
        authorizer=section.get("authorizer"),
        super_users=section.get("super_users"),
        nodes=section.get("nodes") or (),
        operator=section.get("operator") or "",
        operator_user=section.get("operator_user"),
        operator_password=section.get("operator_password"),
        between_brokers=_broker_login(section.get("between_brokers")),
    )


def _broker_login(section: Section | None) -> BrokerLogin | None:
    if section is None or None in (section.get("user"), section.get("password")):
        return None
    return BrokerLogin(section.get("user"), section.get("password"))


def check(cluster: Cluster, draft: Draft, top: Section, problems: Problems) -> None:
    """Report what cannot be had in this version, and what would lock brokers or kafab out."""
    section: Section | None = top.get("security")
    _versions(cluster, draft, problems)
    _among_brokers(cluster, draft, section, problems)
    if section is None:
        _operator(cluster, top.place._replace(key="security"), problems)
        return
    _operator(cluster, section.at("operator_user"), problems)
    if cluster.security and cluster.security.authorizer:
        whose = {Use.BROKERS: "the brokers", Use.OPERATOR: "kafab", Use.CONTROLLERS: "the controllers"}
        for use, name in config.anonymous(cluster):
            problems.error(
                section.at("authorizer"),
                f"found an authorizer, while {whose[use]} would be nobody at the listener {name}, which is PLAINTEXT, and allowed "
                "nothing; expected SSL there, or authorizer: false",
            )


def _versions(cluster: Cluster, draft: Draft, problems: Problems) -> None:
    if cluster.zookeeper_protocol.tls and cluster.version < config.FIRST_SECURE_ZOOKEEPER:
        problems.error(
            draft.shared[Role.ZOOKEEPER].at("protocol"),
            f"found SSL for ZooKeeper with Kafka {cluster.version}; expected {config.FIRST_SECURE_ZOOKEEPER} or newer for it",
        )


def _among_brokers(cluster: Cluster, draft: Draft, section: Section | None, problems: Problems) -> None:
    """A password between brokers has to be there before the first of them starts: PLAIN has it in their files."""
    given: Section | None = section.get("between_brokers") if section else None
    if section is not None and section.given("between_brokers") and given is None:
        return
    for node in cluster.brokers[:1]:
        listener = node.peer_listener
        if given is None and listener.protocol.sasl:
            problems.error(
                _at(draft, listener, "protocol"),
                f"found {listener.protocol} for the brokers among themselves; expected SSL, by which each shows a certificate, "
                "or security.between_brokers, by which they log in with a password",
            )
        elif given is not None:
            _plain(draft, listener, given, problems)
            _by_name(cluster, draft, problems)
    if given is not None:
        _own_properties(draft, problems)


def _plain(draft: Draft, listener: Listener, given: Section, problems: Problems) -> None:
    if listener.protocol is Protocol.SASL_PLAINTEXT:
        text = f"found SASL_PLAINTEXT at {listener.name}, where brokers log in by PLAIN: the password itself would cross the network"
        problems.error(_at(draft, listener, "protocol"), f"{text}; expected SASL_SSL")
    elif not listener.protocol.sasl:
        problems.error(
            given.place,
            f"found a login of the brokers among themselves, whose listener {listener.name} is {listener.protocol}; "
            "expected SASL_SSL there",
        )
    elif others := listener.uses - {Use.BROKERS}:
        problems.error(
            _at(draft, listener, "use"),
            f"found {' and '.join(sorted(map(str, others)))} at {listener.name}, where brokers log in by PLAIN; "
            "expected a listener of their own there",
        )


def _by_name(cluster: Cluster, draft: Draft, problems: Problems) -> None:
    if not config.takes_names_from_the_resolver(cluster.version):
        return
    for node in cluster.brokers:
        listener = node.peer_listener
        if listener.protocol is Protocol.SASL_SSL and is_address(listener.advertised):
            problems.error(
                _at(draft, listener, "protocol"),
                f"found SASL_SSL at {listener.name} with Kafka {cluster.version}, which holds a broker's certificate against the name that "
                f"the resolver has for its address (KAFKA-8562), while {node.name} advertises {listener.advertised}; expected "
                "`advertised:` with a name for each broker, or Kafka 2.7.2, 2.8.1 or newer",
            )
            return


def _own_properties(draft: Draft, problems: Problems) -> None:
    """Another value of what makes the login would lock brokers out, or let others in that nobody looks for."""
    for placed in draft.of(Role.BROKER):
        name = placed.node.peer_listener.name.lower()
        for given in placed.node.properties:
            its = given.startswith(f"listener.name.{name}.") and ".sasl." in given
            if its or given == config.MECHANISM_AMONG_BROKERS:
                problems.error(
                    property_place(placed, draft, given),
                    f"kafab sets {given} itself, for security.between_brokers",
                )


def _at(draft: Draft, listener: Listener, key: str) -> Place:
    """Return where the file has a key of a broker's listener."""
    listeners: Section | None = draft.shared[Role.BROKER].get("listeners")
    found: Section | None = listeners.get(listener.name) if listeners else None
    return found.at(key) if found else draft.shared[Role.BROKER].place


def _operator(cluster: Cluster, place: Place, problems: Problems) -> None:
    security = cluster.security or Security()
    given = (security.operator_user, security.operator_password)
    if cluster.operator_protocol.sasl and None in given:
        problems.error(
            place,
            f"found no user for kafab itself, whose listener is {cluster.operator_protocol}; expected operator_user and "
            "operator_password, or `use: operator` at a listener with SSL",
        )
    elif not cluster.operator_protocol.sasl and given != (None, None):
        text = f"found a user for kafab itself, whose listener is {cluster.operator_protocol}; expected one with SASL_SSL or SASL_PLAINTEXT"
        problems.error(place, text)
