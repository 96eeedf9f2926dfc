"""A running cluster at one moment, as one frozen value: what guards, gates, status, verify and elections judge.

`ops.see` reads it, side by side; every judgement is a pure function of it. What was not asked is absent from a mapping or
is ``NOT_ASKED``; what was asked and did not answer is Unknown with the reason. Neither is ever taken for healthy.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeAlias, TypeVar

from kafab.cluster.metadata import (
    ConfigEntry,
    Controller,
    KraftBroker,
    Member,
    Metadata,
    QuorumState,
    Registration,
    Setting,
)
from kafab.config.security import may_ask
from kafab.hosts.supervisor import Report, State
from kafab.model import Cluster, Endpoint, Node
from kafab.unknown import Unknown

NOT_ASKED = Unknown("it was not asked")
ANSWER = timedelta(seconds=5)
"""How long one question to one node may take, unless it is asked again and again."""

Views: TypeAlias = Mapping[int, Metadata | Unknown]
"""broker id -> what that broker alone answered."""
LogDirs: TypeAlias = Mapping[int, Mapping[str, str | None] | Unknown]
"""broker id -> path of each of its log directories -> the error that it is offline with, None where it is online."""
RunningConfigs: TypeAlias = Mapping[int, Mapping[str, Setting] | Unknown]
"""broker id -> property -> what that broker runs with, of the properties that can be changed while it runs."""
ListenerAnswers: TypeAlias = Mapping[Endpoint, Metadata | Unknown]
"""Where a broker was asked, besides kafab's own listener -> what it answered there."""


@dataclass(frozen=True)
class Registered:
    """A broker's registration in either mode: where it says it listens, and what else is known of it."""

    endpoints: tuple[Endpoint, ...]
    fenced: bool = False
    """The KRaft controllers let it serve nobody."""
    evidence: Mapping[str, object] = field(default_factory=dict)


Registrations: TypeAlias = Mapping[int, Registered] | Unknown
Configs: TypeAlias = Mapping[str, Mapping[str, ConfigEntry]] | Unknown
Leader: TypeAlias = int | Unknown | None
"""Whom a controller takes for the leader; None: it knows none."""
_V = TypeVar("_V")


@dataclass(frozen=True)
class EnsembleAnswers:
    """What the ZooKeeper ensemble answered."""

    members: Mapping[str, Member | Unknown] = field(default_factory=dict)
    """By node name."""
    sessions: Mapping[int, Registration] | Unknown = NOT_ASKED
    """By broker id: the brokers whose session lives."""
    controller: Controller | Unknown = NOT_ASKED
    cluster_id: str | Unknown | None = NOT_ASKED


@dataclass(frozen=True)
class ControllerAnswers:
    """What KRaft controllers answered, and brokers about them."""

    leaders: Mapping[str, Leader] = field(default_factory=dict)
    """Controller's node name -> whom it takes for the leader."""
    reached: Mapping[str, QuorumState | Unknown] = field(default_factory=dict)
    """Broker's node name -> the description of the leader that it reaches."""
    state: QuorumState | Unknown = NOT_ASKED
    """The leader's own description."""
    features: Mapping[str, int] | Unknown = NOT_ASKED
    brokers: Mapping[int, KraftBroker] | Unknown = NOT_ASKED
    """The registered brokers by id."""


@dataclass(frozen=True)
class Seen:
    """What was seen of a running cluster. Of ``ensemble`` and ``controllers`` the one of the cluster's mode was asked."""

    processes: Mapping[str, Report | Unknown] = field(default_factory=dict)
    """Node name -> what its host says of its process."""
    views: Views = field(default_factory=dict)
    """Broker id -> the metadata as that broker alone shows it."""
    listeners: ListenerAnswers = field(default_factory=dict)
    """Where brokers were asked besides kafab's own listener -> the metadata as clients are shown it there."""
    ensemble: EnsembleAnswers = field(default_factory=EnsembleAnswers)
    controllers: ControllerAnswers = field(default_factory=ControllerAnswers)
    configs: Configs = NOT_ASKED
    """Topic -> property -> entry, of the properties that safety needs."""
    log_dirs: LogDirs = field(default_factory=dict)
    running: RunningConfigs = field(default_factory=dict)

    @property
    def known_views(self) -> dict[int, Metadata]:
        """The views of the brokers that answered."""
        return {broker: view for broker, view in self.views.items() if isinstance(view, Metadata)}

    def stays(self, node: Node) -> bool:
        """True where a node's process runs and was not asked to stop: a process that was asked is as good as gone."""
        report = self.processes.get(node.name)
        return isinstance(report, Report) and report.state is State.RUNNING

    def serves(self, node: Node) -> bool:
        """True where a ZooKeeper server answered as one that serves."""
        return isinstance(self.ensemble.members.get(node.name), Member)

    def registered(self, cluster: Cluster) -> Registrations:
        """Return the registered brokers as they are judged in either mode."""
        if cluster.kraft:
            return registered_with_controllers(self.controllers.brokers)
        return registered_with_zookeeper(self.ensemble.sessions)

    def live(self, cluster: Cluster) -> tuple[Node, ...]:
        """Return the inventory's brokers that are registered, not fenced, and answer."""
        found, known = self.registered(cluster), self.known_views
        if isinstance(found, Unknown):
            return ()
        return tuple(
            node
            for node in cluster.brokers
            if node.id in known and node.id in found and not found[node.id].fenced
        )

    def later(self, seen: "Seen") -> "Seen":
        """Return this moment with what was asked anew in its place: a gate asks again only who was not ready."""
        ensemble, controllers = seen.ensemble, seen.controllers
        return Seen(
            {**self.processes, **seen.processes},
            {**self.views, **seen.views},
            {**self.listeners, **seen.listeners},
            EnsembleAnswers(
                {**self.ensemble.members, **ensemble.members},
                _newer(self.ensemble.sessions, ensemble.sessions),
                _newer(self.ensemble.controller, ensemble.controller),
                _newer(self.ensemble.cluster_id, ensemble.cluster_id),
            ),
            ControllerAnswers(
                {**self.controllers.leaders, **controllers.leaders},
                {**self.controllers.reached, **controllers.reached},
                _newer(self.controllers.state, controllers.state),
                _newer(self.controllers.features, controllers.features),
                _newer(self.controllers.brokers, controllers.brokers),
            ),
            _newer(self.configs, seen.configs),
            {**self.log_dirs, **seen.log_dirs},
            {**self.running, **seen.running},
        )


def registered_with_zookeeper(found: Mapping[int, Registration] | Unknown) -> Registrations:
    """Return what ZooKeeper holds of the brokers as it is judged in either mode."""
    if isinstance(found, Unknown):
        return found
    return {
        broker: Registered(known.endpoints, evidence={"session": f"0x{known.session:x}"})
        for broker, known in found.items()
    }


def registered_with_controllers(found: Mapping[int, KraftBroker] | Unknown) -> Registrations:
    """Return what the KRaft controllers hold of the brokers as it is judged in either mode."""
    if isinstance(found, Unknown):
        return found
    return {
        broker: Registered(known.endpoints, known.fenced, {"fenced": known.fenced})
        for broker, known in found.items()
    }


def _newer(before: _V, now: _V) -> _V:
    return before if now is NOT_ASKED else now


@dataclass(frozen=True)
class Ask:
    """What is to be looked at: nodes by question, and questions to the cluster as a whole. The default asks nothing."""

    processes: Collection[Node] = ()
    """Nodes whose hosts are asked about their processes."""
    views: Collection[Node] = ()
    """Brokers whose own view of the metadata is asked for."""
    listeners: Collection[Endpoint] = ()
    """Where brokers are asked for it besides: their listeners that kafab does not use itself."""
    voters: Collection[Node] = ()
    """ZooKeeper servers, each asked for its mode, or controllers, each asked whom it takes for the leader."""
    reached: Collection[Node] = ()
    """Brokers through which the KRaft leader is asked to describe the quorum."""
    log_dirs: Collection[Node] = ()
    """Brokers that are asked which of their log directories are offline."""
    running: Collection[Node] = ()
    """Brokers that are asked for the values in force of what can be changed without a restart."""
    registrations: bool = False
    controller: bool = False
    """ZooKeeper's ``/controller``, or the KRaft leader's own description of the quorum."""
    identity: bool = False
    """ZooKeeper's ``/cluster/id``. In KRaft mode the brokers' views have the id."""
    features: bool = False
    settings_of: Collection[int] | None = ()
    """Broker ids: topics with a replica there have their settings read. None: all topics."""
    timeout: timedelta = ANSWER

    def within(self, timeout: timedelta) -> "Ask":
        """Return the same questions with another timeout."""
        return replace(self, timeout=timeout)


def other_listeners(cluster: Cluster) -> tuple[Endpoint, ...]:
    """Return where brokers are to be asked besides kafab's own listener."""
    return tuple(
        listener.endpoint
        for node in cluster.brokers
        for listener in node.broker_listeners
        if listener.endpoint != node.endpoint and may_ask(cluster, listener)
    )


def everything(cluster: Cluster) -> Ask:
    """Return every question that `verify` asks of a cluster's own words; processes are asked by other means."""
    kraft = cluster.kraft
    return Ask(
        views=cluster.brokers,
        listeners=other_listeners(cluster),
        log_dirs=cluster.brokers,
        running=cluster.brokers,
        voters=cluster.controllers if kraft else cluster.zookeepers,
        reached=cluster.brokers if kraft else (),
        registrations=True,
        controller=True,
        identity=not kraft,
        features=kraft,
        settings_of=None,
    )
