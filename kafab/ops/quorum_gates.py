"""The gates of KRaft: controllers with a leader that a majority has elected, brokers that are registered and unfenced."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from kafab.command import Unknown
from kafab.errors import Failed
from kafab.events import Note
from kafab.metadata import Metadata
from kafab.model import Cluster, Node
from kafab.ops.gates import (
    QUORUM_LIMIT,
    REGISTERED_LIMIT,
    Introductions,
    Missing,
    Watch,
    plural,
    side_by_side,
    wait,
)
from kafab.ops.world import World

ASK = timedelta(seconds=2)


def elected(cluster: Cluster, awaited: Sequence[Node], world: World) -> None:
    """Wait until a majority of the controllers has a leader and each awaited one names it."""
    named: dict[str, int] = {}
    size = len(cluster.controllers)

    def ask(node: Node) -> str:
        leader = world.quorum.leader(node.controller_endpoint, timeout=ASK)
        if isinstance(leader, Unknown):
            return leader.reason
        if leader is None:
            return "knows no leader yet"
        named[node.name] = leader
        return ""

    def look() -> Missing:
        named.clear()
        missing = {name: text for name, text in side_by_side(awaited, ask).items() if text}
        if missing:
            return missing
        # A controller names the leader that it last heard of; one that answers as the leader has a majority.
        state = world.quorum.describe(timeout=ASK)
        if isinstance(state, Unknown):
            return {cluster.name: f"no leader among {plural(size, 'controller')}: {state.reason}"}
        return {
            name: f"names {other}, the leader is {state.leader}"
            for name, other in named.items()
            if other != state.leader
        }

    watch = Watch(awaited, world).alive if awaited else None
    wait(look, "KRaft quorum", QUORUM_LIMIT, world, watch=watch)
    world.emit(
        Note(cluster.name, f"the controllers have a majority and one leader ({plural(size, 'controller')})")
    )


def unfenced(cluster: Cluster, brokers: Sequence[Node], world: World, *, started: Collection[str]) -> None:
    """Wait until each broker answers on its listener, is registered and unfenced, and names the others.

    A broker that was started a moment after it ended is refused until its old session is over
    (broker.session.timeout.ms, 9 s), also after a clean stop: that is waited for and said, it is no fault.
    """
    # Registered before it could do so itself: that is the process before it.
    registered = world.quorum.brokers()
    left = (
        set() if isinstance(registered, Unknown) else {b for b, seen in registered.items() if not seen.fenced}
    )

    def ask(broker: Node) -> Metadata | str:
        view = world.admin.metadata(broker.endpoint, timeout=ASK)
        if isinstance(view, Unknown):
            if broker.id in left and broker.name in started:
                return "its old session has not ended yet (broker.session.timeout.ms); this is no fault"
            return view.reason
        # Clients, and so this view, are told of unfenced brokers only.
        return view if broker.id in view.brokers else "answers, and is fenced still"

    introductions = Introductions(brokers)
    watch = Watch(brokers, world, {broker.name for broker in brokers} - set(started))
    wait(lambda: introductions.look(ask), "brokers to serve", REGISTERED_LIMIT, world, watch=watch.alive)
    state = world.quorum.describe()
    if isinstance(state, Unknown):
        raise Failed(f"{cluster.name}: no controller leads: {state.reason}", hint="`fab verify` tells more")
    leads = f"leader {state.leader}, epoch {state.epoch}"
    world.emit(Note(cluster.name, f"{plural(len(brokers), 'broker')} registered and unfenced, {leads}"))
