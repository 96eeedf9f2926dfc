"""The gates of KRaft: controllers with a leader that a majority has elected, brokers that are registered and unfenced."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from kafab.command import Unknown
from kafab.events import Note
from kafab.metadata import Metadata
from kafab.model import Cluster, Node
from kafab.ops.broker_gates import Introductions, settle, until_served
from kafab.ops.gates import ASK, QUORUM_LIMIT, Missing, Watch, plural, side_by_side, wait
from kafab.ops.world import World

REREAD_EVERY = timedelta(seconds=3)
OLD_SESSION = "its old session has not ended yet (broker.session.timeout.ms); this is no fault"
OLD_SESSION_LIMIT = timedelta(seconds=30)
"""Longer than any sensible session: who is registered and silent by then is the new process, under the same id."""


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
    """Wait until each broker answers on its listener, is registered and unfenced, and names the others; and a controller leads.

    A broker that was started a moment after it ended is refused until its old session is over
    (broker.session.timeout.ms, 9 s), also after a clean stop: that is waited for and said, it is no fault.
    """
    sessions = _OldSessions([broker for broker in brokers if broker.name in started], world)
    introductions = Introductions(brokers, started)
    leads: list[str] = []

    def ask(broker: Node) -> Metadata | str:
        view = world.admin.metadata(broker.endpoint, timeout=ASK)
        if isinstance(view, Unknown):
            return f"{view.reason}; {OLD_SESSION}" if broker.id in sessions.left else view.reason
        # Clients, and so this view, are told of unfenced brokers only.
        return view if broker.id in view.brokers else "answers, and is fenced still"

    def look() -> Missing:
        sessions.look()
        if missing := introductions.look(ask):
            return missing
        state = world.quorum.describe(timeout=ASK)
        if isinstance(state, Unknown):
            return {cluster.name: state.reason}
        leads.append(f"leader {state.leader}, epoch {state.epoch}")
        return {}

    until_served(look, brokers, world, started)
    world.emit(Note(cluster.name, f"{plural(len(brokers), 'broker')} registered and unfenced, {leads[0]}"))
    settle(cluster, introductions, world)


class _OldSessions:
    """Which of the started brokers are held up by the registration of the process before them, read anew while one is."""

    def __init__(self, started: Sequence[Node], world: World) -> None:
        self._quorum, self._clock = world.quorum, world.clock
        # Registered before it could do so itself: that is the process before it.
        self.left = self._registered() & {broker.id for broker in started} if started else set()
        self._begun = self._read = self._clock.now()

    def look(self) -> None:
        """Forget those whose old registration is fenced or gone; where nobody can tell, they stay."""
        if self.left and self._clock.now() - self._read >= REREAD_EVERY.total_seconds():
            self.left &= self._registered(otherwise=self.left)
            self._read = self._clock.now()
        if self._clock.now() - self._begun >= OLD_SESSION_LIMIT.total_seconds():
            self.left = set()

    def _registered(self, otherwise: Collection[int] = ()) -> set[int]:
        found = self._quorum.brokers(timeout=ASK)
        if isinstance(found, Unknown):
            return set(otherwise)
        return {broker for broker, known in found.items() if not known.fenced}
