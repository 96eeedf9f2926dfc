"""Refuses a change that would cut a running cluster in two: nodes that are restarted one after another must understand those that are not yet.

Brokers find each other at one listener by name and protocol, controllers at theirs, servers of ZooKeeper at their ports. Pure.
"""

from collections.abc import Iterator, Mapping

from kafab.errors import Unsafe
from kafab.hosts.facts import NodeFacts
from kafab.listeners import PLAINTEXT
from kafab.model import Node, Role
from kafab.plans.persisted import Change, Values, changes
from kafab.plans.state import Desired

_AT_ONCE = "stop the whole cluster first: `fab stop deploy start`"
_IN_STEPS = (
    "or in steps, each with `fab deploy restart`: give the new protocol a listener of its own beside the old one, move "
    "`use: brokers` to it, then take the old one away"
)


def guard_protocols(desired: Desired, facts: Mapping[Node, NodeFacts]) -> None:
    """Refuse what nodes that still run would not understand. Raises Unsafe with each node, and the ways."""
    found = [
        (change.node, problem)
        for change in changes(desired, facts)
        if change.facts.running and change.before
        for problem in _problems(change)
    ]
    if found:
        lines = "\n  ".join(f"{node.name}: {problem}" for node, problem in found)
        brokers = any(node.role is Role.BROKER for node, _ in found)
        raise Unsafe(
            f"restarted one after another, nodes would not find each other:\n  {lines}",
            hint=f"{_AT_ONCE}; {_IN_STEPS}" if brokers else _AT_ONCE,
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
        among = "the listener of the brokers among themselves"
        old, new = (one.get("inter.broker.listener.name", PLAINTEXT) for one in (change.before, change.after))
        if old not in after:
            yield f"{old}, {among}, is gone"
        if new not in before:
            yield f"{new}, {among}, is new"
        for name in dict.fromkeys((old, new)):
            if name in before and name in after and before[name] != after[name]:
                yield f"{name}, {among}, would change from {before[name]} to {after[name]}"
    name = change.before.get("controller.listener.names", "")
    if name and before.get(name) != after.get(name):
        yield f"{name}, the controllers' listener, would change from {before.get(name)} to {after.get(name)}"


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
