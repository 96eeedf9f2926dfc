"""`security:` of an inventory, and what the protocols of listeners ask of it and of Kafka's version."""

from kafab.config import security as config
from kafab.inventory.rules import Draft
from kafab.inventory.sections import Section
from kafab.listeners import Use
from kafab.model import Cluster, Role, Security
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
    )


def check(cluster: Cluster, draft: Draft, top: Section, problems: Problems) -> None:
    """Report what cannot be had in this version, and what would lock brokers or kafab out."""
    section: Section | None = top.get("security")
    _versions(cluster, draft, problems)
    _among_brokers(cluster, draft, problems)
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


def _among_brokers(cluster: Cluster, draft: Draft, problems: Problems) -> None:
    """A password between brokers would have to be there before the first of them starts."""
    listeners: Section | None = draft.shared[Role.BROKER].get("listeners")
    for node in cluster.brokers[:1]:
        found = node.peer_listener
        if listeners is not None and found.protocol.sasl and found.name in listeners.values:
            text = f"found {found.protocol} for the brokers among themselves; expected SSL, by which each shows a certificate"
            problems.error(listeners.values[found.name].at("protocol"), text)


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
