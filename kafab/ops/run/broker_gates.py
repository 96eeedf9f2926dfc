"""The gates of brokers: that they serve, that the other brokers have heard of them, that their replicas are in the ISR again.

Only the first gate decides about a start. A broker that was cut off before, or a replica with much to catch up, is waited
for a moment, so that the next command finds a whole cluster; what takes longer is told.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from kafab.cluster.metadata import Metadata
from kafab.cluster.seen import Ask, Seen
from kafab.events import Note
from kafab.hosts.supervisor import State
from kafab.model import Cluster, Node
from kafab.ops.run.gates import ASK, LOOK_AT_HOSTS_EVERY, Recovery, Watch
from kafab.ops.see import see
from kafab.ops.until import late, not_passed, until
from kafab.ops.world import World
from kafab.rolling import readiness
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown
from kafab.words import plural

SERVE = "brokers to serve"
REGISTERED_LIMIT = timedelta(minutes=5)
"""How long nothing may move. Log recovery takes longer: a broker that recovers is watched, and waited for while logs are done."""
HEARD_LIMIT = timedelta(seconds=10)
"""How long the other brokers are given to hear of those that serve; a broker that is cut off hears nothing for long."""
IN_SYNC_LIMIT = timedelta(seconds=60)
"""How long a start waits for the replicas of what it started; a broker that was away for hours catches up by itself."""


def serving(
    cluster: Cluster, brokers: Sequence[Node], world: World, *, started: Collection[str], settled: bool = True
) -> float:
    """Wait until each broker is registered, answers on its listener, and names the others and the elected controller.

    ``started`` names those that we started just now: one that exits is told at once, and their replicas are waited for.
    Returns the time of the clock at which all of them served.
    """
    ours, seen = [broker for broker in brokers if broker.name in started], Seen()

    def look() -> Missing:
        nonlocal seen
        asked = readiness.to_ask(cluster, brokers, ours, seen)
        ask = Ask(views=asked, registrations=True, controller=True, timeout=ASK)
        seen = seen.later(see(cluster, world, ask))
        return readiness.brokers(cluster, brokers, ours, seen)

    until_served(look, brokers, world, started)
    since = world.clock.now()
    controller = seen.ensemble.controller
    epoch = (
        "" if isinstance(controller, Unknown) else f"controller {controller.broker}, epoch {controller.epoch}"
    )
    world.emit(Note(cluster.name, f"{plural(len(brokers), 'broker')} registered and answering, {epoch}"))
    if settled:
        settle(cluster, brokers, ours, seen, world)
    return since


def until_served(
    look: Callable[[], Missing], brokers: Sequence[Node], world: World, started: Collection[str]
) -> None:
    """Look until every broker serves. Raises what `not_passed` returns at the deadline; a process that still runs then is left alone."""
    watch = Watch(brokers, world, {broker.name for broker in brokers} - set(started))
    recovery = Recovery(brokers, world)
    missing = until(
        lambda: recovery.told(look()),
        SERVE,
        REGISTERED_LIMIT,
        world,
        watch=watch.alive,
        progress=lambda: recovery.words,
    )
    if not missing:
        return
    watch.alive()
    found = watch.look([broker.name for broker in brokers if broker.name in missing])
    running = {name for name, report in found.items() if report.state is State.RUNNING}
    lines = {
        name: f"{text}; its process runs and was left alone" if name in running else text
        for name, text in missing.items()
    }
    on = "run `fab start` again to go on waiting; " if running else ""
    raise not_passed(missing, late(SERVE, REGISTERED_LIMIT, lines), first=on)


def settle(
    cluster: Cluster, awaited: Sequence[Node], started: Sequence[Node], seen: Seen, world: World
) -> None:
    """Wait for what follows by itself once the awaited brokers serve: the others hear of them, replicas catch up.

    Fails for neither: what takes longer than its limit is told. ``seen`` has the views of those that were started.
    """
    others = [node for node in cluster.brokers if node not in started]
    heard = _heard_of(cluster, others, awaited, seen, world)
    views = {node: seen.known_views[node.id] for node in started}
    _await_replicas(cluster, started, views | heard, world)


def _heard_of(
    cluster: Cluster, others: Sequence[Node], awaited: Sequence[Node], seen: Seen, world: World
) -> dict[Node, Metadata]:
    """Wait until the other brokers name the awaited ones; return the views of those that do. Silent ones are left out."""
    left = list(others)

    def look() -> Missing:
        nonlocal seen
        asked = [node for node in left if readiness.peers_lack(cluster, node, awaited, seen)]
        ask = Ask(views=asked, controller=not cluster.kraft, timeout=ASK)
        seen = seen.later(see(cluster, world, ask))
        left[:] = [node for node in left if node.id in seen.known_views]
        return {
            node.name: lack for node in left if (lack := readiness.peers_lack(cluster, node, awaited, seen))
        }

    missing = until(look, "the other brokers to hear of it", HEARD_LIMIT, world) if others else {}
    after = f"after {HEARD_LIMIT.total_seconds():.0f} s"
    for name, text in missing.items():
        world.emit(Note(name, f"{text}, {after}: it may be cut off, `fab verify` tells more"))
    return {node: seen.known_views[node.id] for node in left if node.name not in missing}


def _await_replicas(
    cluster: Cluster, started: Sequence[Node], views: dict[Node, Metadata], world: World
) -> None:
    """Wait until the started brokers are in the ISR of each partition that has a replica on them; tell what takes longer.

    ``views`` are those of the brokers that serve, which are asked again only where one of them says otherwise.
    """
    behind = readiness.out_of_sync(views.values(), started)
    if not behind:
        return

    def look() -> Missing:
        nonlocal behind
        heard = see(cluster, world, Ask(views=list(views))).known_views
        if not heard:
            return {cluster.name: "no broker answers"}
        behind = readiness.out_of_sync(heard.values(), started)
        return {name: f"{plural(count, 'replica')} not in the ISR yet" for name, count in behind.items()}

    watch = Watch(started, world).alive
    if until(look, "replicas to catch up", IN_SYNC_LIMIT, world, watch=watch, every=LOOK_AT_HOSTS_EVERY):
        late_ones = ", ".join(f"{plural(count, 'replica')} on {name}" for name, count in behind.items())
        after = f"after {IN_SYNC_LIMIT.total_seconds():.0f} s"
        world.emit(Note(cluster.name, f"{after} still catching up: {late_ones}; `fab verify` tells more"))
