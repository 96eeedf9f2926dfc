"""Look at a running cluster once: all questions side by side, each node on its own; one value comes back."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeAlias, TypeVar

from kafab.cluster.metadata import Metadata, QuorumState
from kafab.cluster.seen import NOT_ASKED, Ask, Configs, ControllerAnswers, EnsembleAnswers, Seen
from kafab.command import Script
from kafab.config.catalogue.definitions import catalogue
from kafab.hosts import supervisor
from kafab.hosts.supervisor import Report
from kafab.model import Cluster, Node
from kafab.ops.world import World
from kafab.ports import Fleet
from kafab.unknown import Unknown

SETTINGS = ("min.insync.replicas",)
"""The topic properties that safety needs."""
MOST_AT_ONCE = 64

P = ParamSpec("P")
T = TypeVar("T")
Pending: TypeAlias = Callable[[], T]
"""Gives an answer once it is there."""


def see(cluster: Cluster, world: World, ask: Ask) -> Seen:
    """Ask what ``ask`` names, all at the same time: silent nodes must not add up. Raises nothing for a cluster's fault.

    Only the topics' settings are read after the views, which say what topics there are.
    """
    with _beside(ask) as pool:
        pending = {
            node.id: pool.submit(world.brokers.metadata, node.endpoint, timeout=ask.timeout)
            for node in ask.views
        }
        others = {at: pool.submit(world.brokers.metadata, at, timeout=ask.timeout) for at in ask.listeners}
        folders = {
            node.id: pool.submit(world.brokers.log_dirs, node.endpoint, timeout=ask.timeout)
            for node in ask.log_dirs
        }
        running = {
            node.id: pool.submit(
                world.brokers.broker_configs,
                node.id,
                node.endpoint,
                catalogue(cluster.version).changeable,
                timeout=ask.timeout,
            )
            for node in ask.running
        }
        ensemble = _ensemble(world, Ask() if cluster.kraft else ask, pool)
        controllers = _controllers(world, ask if cluster.kraft else Ask(), pool)
        processes = reports(supervisor.check, ask.processes, world.fleet)
        views = {broker: answer.result() for broker, answer in pending.items()}
        configs = _settings(views.values(), ask, world)
        shown = {at: answer.result() for at, answer in others.items()}
        kept = {broker: answer.result() for broker, answer in folders.items()}
        told = {broker: answer.result() for broker, answer in running.items()}
        return Seen(processes, views, shown, ensemble(), controllers(), configs, kept, told)


class _AtOnce(Executor):
    """Answers a single question in the caller's thread: a gate that looks ten times a second starts no threads for it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call it, and return its answer as one that is there."""
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def _beside(ask: Ask) -> Executor:
    """Return what asks these questions beside each other."""
    each = sum(map(len, (ask.views, ask.listeners, ask.voters, ask.reached, ask.log_dirs, ask.running)))
    whole = sum((ask.registrations, ask.controller, ask.identity, ask.features))
    questions = each + whole + bool(ask.processes)
    return ThreadPoolExecutor(min(questions, MOST_AT_ONCE)) if questions > 1 else _AtOnce()


def reports(
    script: Callable[[Sequence[Node]], Script],
    nodes: Collection[Node],
    fleet: Fleet,
    *,
    together: bool = False,
) -> dict[str, Report | Unknown]:
    """Run one supervisor script on the hosts of these nodes: node name -> report. ``together``: see `Fleet.together`."""
    if not nodes:
        return {}
    there = by_host(nodes)
    scripts = {host: script(on) for host, on in there.items()}
    outcomes = fleet.together(scripts) if together else fleet.run(scripts)
    return {
        name: one for host, on in there.items() for name, one in supervisor.read(outcomes[host], on).items()
    }


def by_host(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    """Group nodes by host name, in order."""
    grouped: dict[str, list[Node]] = {}
    for node in nodes:
        grouped.setdefault(node.host.name, []).append(node)
    return grouped


def _ensemble(world: World, ask: Ask, pool: Executor) -> Pending[EnsembleAnswers]:
    """Begin to ask ZooKeeper; an ``ask`` that asks nothing does not touch the port."""
    members = {node.name: pool.submit(world.zookeeper.member, node.endpoint) for node in ask.voters}
    sessions = pool.submit(world.zookeeper.registrations) if ask.registrations else None
    controller = pool.submit(world.zookeeper.controller) if ask.controller else None
    cluster_id = pool.submit(world.zookeeper.cluster_id) if ask.identity else None
    return lambda: EnsembleAnswers(
        _answers(members), _answer(sessions), _answer(controller), _answer(cluster_id)
    )


def _controllers(world: World, ask: Ask, pool: Executor) -> Pending[ControllerAnswers]:
    """Begin to ask KRaft's controllers; an ``ask`` that asks nothing does not touch the port."""
    limit = ask.timeout
    leaders = {
        node.name: pool.submit(world.controllers.leader, node.controller_endpoint, timeout=limit)
        for node in ask.voters
    }
    reached = {
        node.name: pool.submit(world.controllers.describe, node.endpoint, timeout=limit)
        for node in ask.reached
    }
    state = pool.submit(world.controllers.describe, timeout=limit) if ask.controller else None
    features = pool.submit(world.controllers.features) if ask.features else None
    brokers = pool.submit(world.controllers.brokers, timeout=limit) if ask.registrations else None

    def answers() -> ControllerAnswers:
        through = _answers(reached)
        described = _described(_answer(state), through)
        return ControllerAnswers(_answers(leaders), through, described, _answer(features), _answer(brokers))

    return answers


def _described(
    state: QuorumState | Unknown, through: Mapping[str, QuorumState | Unknown]
) -> QuorumState | Unknown:
    """Return the leader's description; a leader that does not answer here may have been reached through a broker."""
    if state is NOT_ASKED:
        return state
    return next((found for found in (state, *through.values()) if not isinstance(found, Unknown)), state)


def _settings(views: Iterable[Metadata | Unknown], ask: Ask, world: World) -> Configs:
    """Read the settings of the topics that any view shows with a replica on the brokers that ``ask`` names."""
    if ask.settings_of is not None and not ask.settings_of:
        return NOT_ASKED
    known = [view for view in views if isinstance(view, Metadata)]
    if not known:
        return Unknown("no broker answers")
    topics = {
        partition.topic
        for view in known
        for partition in view.partitions
        if ask.settings_of is None or set(ask.settings_of).intersection(partition.replicas)
    }
    return world.brokers.topic_configs(sorted(topics), SETTINGS)


def _answers(pending: Mapping[str, "Future[T]"]) -> dict[str, T]:
    return {name: answer.result() for name, answer in pending.items()}


def _answer(pending: "Future[T] | None") -> "T | Unknown":
    return NOT_ASKED if pending is None else pending.result()
