"""The gates of brokers: that they serve, that the other brokers have heard of them, that their replicas are in the ISR again.

Only the first one decides about a start. A broker that was cut off before, or a replica with much to catch up, is waited for
a moment, so that the next command finds a whole cluster, and is told where it takes longer.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from kafab.command import Unknown
from kafab.errors import Failed
from kafab.events import Note
from kafab.metadata import Metadata, Partition
from kafab.model import Cluster, Node
from kafab.ops.gates import (
    ASK,
    LOOK_AT_HOSTS_EVERY,
    Look,
    Missing,
    Watch,
    late,
    plural,
    side_by_side,
    until,
)
from kafab.ops.world import World
from kafab.supervisor import State

SERVE = "brokers to serve"
REGISTERED_LIMIT = timedelta(minutes=5)
"""Log recovery after an unclean stop can take minutes; a broker that recovers is watched, never restarted."""
WITNESS_LIMIT = timedelta(seconds=10)
"""How long the other brokers are given to hear of those that serve; one that is cut off hears nothing for long."""
IN_SYNC_LIMIT = timedelta(seconds=60)
"""How long a start waits for the replicas of what it started; a broker that was away for hours catches up by itself."""

Question: TypeAlias = Callable[[Node], Metadata | str]
"""Returns the view of a broker that serves, or what it lacks."""


class Introductions:
    """Asks brokers until each of the ``held`` ones names all awaited ones to its clients.

    A broker answers from its own copy of the metadata, which follows the controller a moment later: until all name all,
    a client (`fab verify` is one) may be told that a broker is missing which serves already.
    """

    def __init__(self, awaited: Sequence[Node], held: Collection[str]) -> None:
        self._awaited = awaited
        self.held = [broker for broker in awaited if broker.name in held]
        self.views: dict[str, Metadata] = {}
        """Node name -> what it answered last."""

    def look(self, ask: Question, controller: int | None = None) -> Missing:
        """Ask the awaited brokers that do not serve yet; once all do, the held ones that lack something.

        Returns what is missing. A broker that ran before may be cut off: `settle` waits for it, and fails for nothing.

        With a ``controller`` (ZooKeeper mode) each must name that one, too.
        """
        missing = self.ask([broker for broker in self._awaited if broker.name not in self.views], ask)
        missing = missing or self.ask([node for node in self.held if self.lack(node, controller)], ask)
        return missing or self.lacking(self.held, controller)

    def ask(self, brokers: Sequence[Node], ask: Question) -> Missing:
        """Ask these, side by side, and keep their views. Returns what those lack that gave none."""
        answers = side_by_side(brokers, ask)
        self.views |= {name: view for name, view in answers.items() if not isinstance(view, str)}
        return {name: lack for name, lack in answers.items() if isinstance(lack, str)}

    def lacking(self, brokers: Sequence[Node], controller: int | None) -> Missing:
        """Return what the views of these brokers lack."""
        return {broker.name: lack for broker in brokers if (lack := self.lack(broker, controller))}

    def lack(self, broker: Node, controller: int | None) -> str:
        """Return what a broker's view lacks, nothing where it is as it should be."""
        view = self.views.get(broker.name)
        if view is None:
            return "was not asked yet"
        others = [node.name for node in self._awaited if node.id not in view.brokers]
        if others:
            return f"does not name {', '.join(others)} to its clients yet"
        if controller is not None and view.controller != controller:
            known = "no controller" if view.controller is None else f"controller {view.controller}"
            return f"names {known} to its clients still, ZooKeeper names {controller}"
        return ""


def serving(cluster: Cluster, brokers: Sequence[Node], world: World, *, started: Collection[str]) -> None:
    """Wait until each broker is registered, answers on its listener, and names the others and the elected controller.

    ``started`` names those that we started just now: one that exits is told at once, and their replicas are waited for.
    """
    introductions = Introductions(brokers, started)
    elected: list[str] = []

    def look() -> Missing:
        elected.clear()
        registered = world.zookeeper.registrations()
        if isinstance(registered, Unknown):
            return {cluster.name: registered.reason}
        controller = world.zookeeper.controller()
        if isinstance(controller, Unknown):
            return {cluster.name: controller.reason}
        missing = {broker.name: "not registered" for broker in brokers if broker.id not in registered}

        def ask(broker: Node) -> Metadata | str:
            if broker.name in missing:
                return missing[broker.name]
            view = world.admin.metadata(broker.endpoint, timeout=ASK)
            if isinstance(view, Unknown):
                return f"registered, and silent on {broker.endpoint}: {view.reason}"
            return "knows no controller yet" if view.controller is None else view

        missing |= introductions.look(ask, controller.broker)
        if controller.broker is None:
            return missing or {cluster.name: "no controller is elected"}
        elected.append(f"controller {controller.broker}, epoch {controller.epoch}")
        return missing

    def controller() -> int | None:
        found = world.zookeeper.controller()
        return None if isinstance(found, Unknown) else found.broker

    until_served(look, brokers, world, started)
    world.emit(Note(cluster.name, f"{plural(len(brokers), 'broker')} registered and answering, {elected[0]}"))
    settle(cluster, introductions, world, controller)


def until_served(look: Look, brokers: Sequence[Node], world: World, started: Collection[str]) -> None:
    """Look until every broker serves. Raises Failed at the deadline; a process that still runs then is left alone."""
    watch = Watch(brokers, world, {broker.name for broker in brokers} - set(started))
    missing = until(look, SERVE, REGISTERED_LIMIT, world, watch=watch.alive)
    if not missing:
        return
    watch.alive()
    reports = watch.look([broker.name for broker in brokers if broker.name in missing])
    running = {name for name, report in reports.items() if report.state is State.RUNNING}
    told = {
        name: f"{text}; its process runs and was left alone" if name in running else text
        for name, text in missing.items()
    }
    on = "run `fab start` again to go on waiting; " if running else ""
    raise Failed(late(SERVE, REGISTERED_LIMIT, told), hint=f"{on}`fab status` and `fab logs NODE` tell more")


def settle(
    cluster: Cluster,
    introductions: Introductions,
    world: World,
    controller: Callable[[], int | None] = lambda: None,
) -> None:
    """Wait for what follows by itself once brokers serve: the others hear of them, their replicas catch up.

    Fails for neither: what takes longer than its limit is told.
    """
    held = introductions.held
    others = [node for node in cluster.brokers if node not in held]
    witnesses = _witnesses(others, introductions, world, controller)
    views = {node: introductions.views[node.name] for node in (*held, *witnesses)}
    await_replicas(cluster, held, views, world)


def _witnesses(
    others: Sequence[Node],
    introductions: Introductions,
    world: World,
    controller: Callable[[], int | None],
) -> list[Node]:
    """Wait until the other brokers name the awaited ones; return those that do. A silent one is not waited for."""
    silent: set[str] = set()

    def ask(node: Node) -> Metadata | str:
        view = world.admin.metadata(node.endpoint, timeout=ASK)
        return view.reason if isinstance(view, Unknown) else view

    def look() -> Missing:
        now = controller()
        asked = [node for node in others if node.name not in silent and introductions.lack(node, now)]
        silent.update(introductions.ask(asked, ask))
        return introductions.lacking([node for node in others if node.name not in silent], now)

    missing = until(look, "the other brokers to hear of it", WITNESS_LIMIT, world) if others else {}
    for name, text in missing.items():
        told = (
            f"{text}, after {WITNESS_LIMIT.total_seconds():.0f} s: it may be cut off, `fab verify` tells more"
        )
        world.emit(Note(name, told))
    return [node for node in others if node.name not in silent and node.name not in missing]


def await_replicas(
    cluster: Cluster, started: Sequence[Node], views: Mapping[Node, Metadata], world: World
) -> None:
    """Wait until the started brokers are in the ISR of each partition that has a replica on them; tell what takes longer.

    ``views`` are those of the brokers that serve, which are asked again only where one of them says otherwise.
    """
    behind = out_of_sync(views.values(), started)
    if not behind:
        return

    def look() -> Missing:
        nonlocal behind
        answers = side_by_side(list(views), lambda node: world.admin.metadata(node.endpoint))
        heard = [view for view in answers.values() if not isinstance(view, Unknown)]
        if not heard:
            return {cluster.name: "no broker answers"}
        behind = out_of_sync(heard, started)
        return {name: f"{plural(count, 'replica')} not in the ISR yet" for name, count in behind.items()}

    watch = Watch(started, world).alive
    what = "replicas to catch up"
    if until(look, what, IN_SYNC_LIMIT, world, watch=watch, every=LOOK_AT_HOSTS_EVERY):
        told = ", ".join(f"{plural(count, 'replica')} on {name}" for name, count in behind.items())
        after = f"after {IN_SYNC_LIMIT.total_seconds():.0f} s"
        world.emit(Note(cluster.name, f"{after} still catching up: {told}; `fab verify` tells more"))


def out_of_sync(views: Iterable[Metadata], brokers: Sequence[Node]) -> dict[str, int]:
    """Count the replicas on these brokers that any view shows outside of the ISR: node name -> replicas, without zeros.

    A partition that none of its in-sync brokers is there to lead cannot take anybody in: it is no matter of waiting.
    """
    names = {node.id: node.name for node in brokers}
    outside = {
        (partition.name, broker)
        for view in views
        for partition in view.partitions
        for broker in partition.replicas
        if broker in names and broker not in partition.isr and _can_be_led(partition, view)
    }
    return dict(Counter(names[broker] for _, broker in sorted(outside)))


def _can_be_led(partition: Partition, view: Metadata) -> bool:
    return partition.leader is not None or any(broker in view.brokers for broker in partition.isr)
