"""The gates of KRaft: controllers with a leader that a majority has elected, brokers that are registered and unfenced."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from kafab.cluster.seen import Ask, Seen
from kafab.events import Note
from kafab.model import Cluster, Node
from kafab.ops.run.broker_gates import settle, until_served
from kafab.ops.run.gates import ASK, QUORUM_LIMIT, Watch
from kafab.ops.see import see
from kafab.ops.until import wait
from kafab.ops.world import World
from kafab.rolling import readiness
from kafab.rolling.readiness import Missing, Unanswered
from kafab.unknown import Unknown
from kafab.words import plural

REREAD_EVERY = timedelta(seconds=3)
OLD_SESSION = "its old session has not ended yet (broker.session.timeout.ms); this is no fault"
OLD_SESSION_LIMIT = timedelta(seconds=30)
"""Longer than any sensible session: a broker that is registered and silent by then is the new process, under the same id."""
LEADER = Ask(controller=True, timeout=ASK)


def elected(cluster: Cluster, awaited: Sequence[Node], world: World) -> None:
    """Wait until a majority of the controllers has a leader and each awaited one names it."""

    def look() -> Missing:
        seen = see(cluster, world, Ask(voters=awaited, timeout=ASK))
        if missing := readiness.controllers_know_a_leader(awaited, seen):
            return missing
        # A controller names the leader that it last heard of; a leader that answers has a majority.
        return readiness.leader_is_agreed(cluster, awaited, seen.later(see(cluster, world, LEADER)))

    watch = Watch(awaited, world).alive if awaited else None
    wait(look, "KRaft quorum", QUORUM_LIMIT, world, watch=watch)
    size = plural(len(cluster.controllers), "controller")
    world.emit(Note(cluster.name, f"the controllers have a majority and one leader ({size})"))


def unfenced(
    cluster: Cluster, brokers: Sequence[Node], world: World, *, started: Collection[str], settled: bool = True
) -> float:
    """Wait until each broker answers on its listener, is registered and unfenced, and names the others; and a controller leads.

    A broker that was started a moment after it ended is refused until its old session is over
    (broker.session.timeout.ms, 9 s), also after a clean stop: that is waited for and said, it is no fault.
    Returns the time of the clock at which all of them served.
    """
    ours, seen = [broker for broker in brokers if broker.name in started], Seen()
    sessions = _OldSessions(cluster, ours, world)

    def look() -> Missing:
        nonlocal seen
        held_up = sessions.look()
        asked = readiness.to_ask(cluster, brokers, ours, seen)
        seen = seen.later(see(cluster, world, Ask(views=asked, timeout=ASK)))
        missing = readiness.brokers(cluster, brokers, ours, seen)
        silent = held_up - seen.known_views.keys()
        waiting = {node.name for node in ours if node.id in silent}
        if missing:
            return {
                name: readiness.with_more(text, f"; {OLD_SESSION}") if name in waiting else text
                for name, text in missing.items()
            }
        seen = seen.later(see(cluster, world, LEADER))
        state = seen.controllers.state
        return {cluster.name: Unanswered(state.reason)} if isinstance(state, Unknown) else {}

    until_served(look, brokers, world, started)
    since = world.clock.now()
    state = seen.controllers.state
    leads = "" if isinstance(state, Unknown) else f"leader {state.leader}, epoch {state.epoch}"
    world.emit(Note(cluster.name, f"{plural(len(brokers), 'broker')} registered and unfenced, {leads}"))
    if settled:
        settle(cluster, brokers, ours, seen, world)
    return since


class _OldSessions:
    """Which of the started brokers are held up by the registration of the process before them, read anew while one is."""

    def __init__(self, cluster: Cluster, started: Sequence[Node], world: World) -> None:
        self._cluster, self._world = cluster, world
        # Registered before it could do so itself: that is the process before it.
        self._left = self._registered() & {broker.id for broker in started} if started else set()
        self._begun = self._read = world.clock.now()

    def look(self) -> set[int]:
        """Return the brokers that are held up, without those whose old registration is fenced or gone by now.

        Where nobody can tell, they stay.
        """
        now = self._world.clock.now()
        if self._left and now - self._read >= REREAD_EVERY.total_seconds():
            self._left &= self._registered(otherwise=self._left)
            self._read = self._world.clock.now()
        if now - self._begun >= OLD_SESSION_LIMIT.total_seconds():
            self._left = set()
        return self._left

    def _registered(self, otherwise: Collection[int] = ()) -> set[int]:
        found = see(self._cluster, self._world, Ask(registrations=True, timeout=ASK)).controllers.brokers
        if isinstance(found, Unknown):
            return set(otherwise)
        return {broker for broker, known in found.items() if not known.fenced}
