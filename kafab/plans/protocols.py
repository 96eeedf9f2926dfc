"""Refuses a change that would cut a running cluster in two: nodes that are restarted one after another must understand those that are not yet.

Brokers find each other at one listener by name and protocol, and log in there where it has SASL; controllers have a listener of
theirs, servers of ZooKeeper their ports. Pure.
"""

from collections.abc import Iterator, Mapping

from kafab.config import jaas
from kafab.config.catalogue.values import items
from kafab.config.security import ACCEPTED, MECHANISM_AMONG_BROKERS, jaas_property, mechanisms_property
from kafab.errors import Unsafe
from kafab.hosts.facts import NodeFacts
from kafab.listeners import PLAINTEXT, Protocol
from kafab.model import Node, Role
from kafab.plans.persisted import Change, Values, changes
from kafab.plans.state import Desired

_AT_ONCE = "stop the whole cluster first: `fab stop deploy start`"
_IN_STEPS = (
    "or in steps, each with `fab deploy restart`: give the new protocol a listener of its own beside the old one, move "
    "`use: brokers` to it, then take the old one away"
)
_AMONG = "the listener of the brokers among themselves"
_SASL = {str(one) for one in Protocol if one.sasl}
_MECHANISMS = "sasl.enabled.mechanisms"


def guard_protocols(desired: Desired, facts: Mapping[Node, NodeFacts]) -> None:
    """Refuse what nodes that still run would not understand. Raises Unsafe with each node, and the ways."""
    running = [change for change in changes(desired, facts) if change.facts.running and change.before]
    found = [(change.node, problem) for change in running for problem in _problems(change)]
    logins = [(change.node, problem) for change in running for problem in _of_logins(change)]
    if found or logins:
        lines = "\n  ".join(f"{node.name}: {problem}" for node, problem in (*found, *logins))
        # A listener beside the old one takes the brokers' login only when they have moved to it.
        login = any(
            MECHANISM_AMONG_BROKERS in values for one in running for values in (one.before, one.after)
        )
        steps = not login and any(node.role is Role.BROKER for node, _ in found)
        raise Unsafe(
            f"restarted one after another, nodes would not find each other:\n  {lines}",
            hint=f"{_AT_ONCE}; {_IN_STEPS}" if steps else _AT_ONCE,
        )


def _problems(change: Change) -> Iterator[str]:
    yield from (_of_server if change.node.role is Role.ZOOKEEPER else _of_listeners)(change)


def _of_server(change: Change) -> Iterator[str]:
    for name, what in (("secureClientPort", "client port"), ("sslQuorum", "quorum")):
        if (name in change.before) != (name in change.after):
            yield f"its {what} would be {'encrypted' if name in change.after else 'in the clear'}"


def _of_listeners(change: Change) -> Iterator[str]:
    before, after = _protocols(change.before), _protocols(change.after)
    if change.node.role is Role.BROKER:
        old, new = _among_brokers(change.before), _among_brokers(change.after)
        if old not in after:
            yield f"{old}, {_AMONG}, is gone"
        if new not in before:
            yield f"{new}, {_AMONG}, is new"
        for name in dict.fromkeys((old, new)):
            if name in before and name in after and before[name] != after[name]:
                yield f"{name}, {_AMONG}, would change from {before[name]} to {after[name]}"
    name = change.before.get("controller.listener.names", "")
    if name and before.get(name) != after.get(name):
        yield f"{name}, the controllers' listener, would change from {before.get(name)} to {after.get(name)}"


def _among_brokers(values: Values) -> str:
    return values.get("inter.broker.listener.name", PLAINTEXT)


def _of_logins(change: Change) -> Iterator[str]:
    """Yield how a broker with one of the files would be refused at the login by one with the other."""
    if change.node.role is not Role.BROKER:
        return
    for which, comes, takes in (
        ("new", change.after, change.before),
        ("old", change.before, change.after),
    ):
        name, mechanism = _among_brokers(comes), comes.get(MECHANISM_AMONG_BROKERS, "GSSAPI")
        protocol = _protocols(comes).get(name)
        if protocol not in _SASL or protocol != _protocols(takes).get(name):
            continue
        who = f"a broker with the {which} file would log in at {name}, {_AMONG},"
        if mechanism not in items(takes.get(mechanisms_property(name), takes.get(_MECHANISMS, "GSSAPI"))):
            yield f"{who} by {mechanism}, which the others do not take there"
            return
        if not _takes(_options(takes, name, mechanism), _options(comes, name, mechanism)):
            yield f"{who} as a user, or with a password, that the others do not take"
            return


def _options(values: Values, listener: str, mechanism: str) -> Mapping[str, str]:
    statement = jaas.read(values.get(jaas_property(listener, mechanism), ""))
    return statement.options if statement else {}


def _takes(accepted: Mapping[str, str], shown: Mapping[str, str]) -> bool:
    """Tell whether a broker with the one login of PLAIN takes another one; what is not kafab's is not judged."""
    if "username" not in shown:
        return True
    return accepted.get(f"{ACCEPTED}{shown['username']}") == shown.get("password")


def _protocols(values: Values) -> dict[str, str]:
    """Return each listener's protocol: that of the map; a name that is in no map is a protocol itself."""
    pairs = (
        pair.rpartition(":") for pair in values.get("listener.security.protocol.map", "").split(",") if pair
    )
    mapped = {name.strip(): protocol.strip() for name, _, protocol in pairs}
    listening = values.get("listeners", f"{PLAINTEXT}://")
    names = (text.partition("://")[0].strip() for text in listening.split(",") if text)
    return {name: mapped.get(name, name) for name in names} | {
        name: protocol for name, protocol in mapped.items() if name == values.get("controller.listener.names")
    }
