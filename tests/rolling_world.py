"""A cluster that exists in memory only, as `ops.see` would see it: what the laws of a roll are tried on.

Processes end and begin at once. A broker that comes back is in its ISRs again after some ticks, and a partition is led by
the first replica that is in sync. Whoever led the voters is followed by the next one that runs.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TypeAlias

from kafab.cluster.metadata import (
    ConfigEntry,
    Controller,
    KraftBroker,
    Member,
    Metadata,
    Partition,
    QuorumReplica,
    QuorumState,
    Registration,
)
from kafab.cluster.seen import ControllerAnswers, EnsembleAnswers, Leader, Seen
from kafab.hosts.supervisor import Report, State
from kafab.listeners import Listener, Use, controller_listener
from kafab.model import Cluster, Host, Node, Role, Version
from kafab.rolling.decide import Blocked, Done, Goal, Move, Start, Stop, decide
from kafab.rolling.safety import MIN_ISR
from kafab.unknown import Unknown

Decide: TypeAlias = Callable[[Cluster, Goal, Seen], Move]
ENOUGH = 400
"""Moves and ticks after which a roll of these sizes is taken for one that does not end."""
CATCH_UP = 2
"""Ticks from a broker's start until its replicas are in sync."""


def cluster_of(brokers: int, mode: str, racks: int = 0) -> Cluster:
    """Return a cluster of so many brokers in a mode of tests: "" for ZooKeeper, combined, isolated; three voters at most."""
    hosts = tuple(
        Host(f"node{number}", f"10.0.0.{number}", rack=f"rack{number % racks}" if racks else None)
        for number in range(1, brokers + 1)
    )
    nodes: list[Node] = []
    for number, host in enumerate(hosts, 1):
        folder = (PurePosixPath("/data"),)
        listeners: tuple[Listener, ...] = (Listener("PLAINTEXT", 9092, host.address),)
        voter = controller_listener(host.address, 9093)
        if number <= 3 and not mode:
            client = Listener("CLIENT", 2181, host.address, uses=frozenset({Use.CLIENTS}))
            nodes.append(Node(host, Role.ZOOKEEPER, number, (client,), "1g", folder))
        if number <= 3 and mode == "isolated":
            nodes.append(Node(host, Role.CONTROLLER, 100 + number, (voter,), "1g", folder))
        if number <= 3 and mode == "combined":
            listeners = (*listeners, voter)
        nodes.append(Node(host, Role.BROKER, number, listeners, "1g", folder))
    version = Version(4, 3, 1) if mode else Version(3, 9, 2)
    return Cluster("simulated", version, hosts, tuple(nodes))


@dataclass
class RollingWorld:
    """Processes, replicas and voters of one cluster, and what was done to them."""

    cluster: Cluster
    topics: Mapping[str, tuple[int, Sequence[tuple[int, ...]]]]
    """Topic -> its min.insync.replicas, and the replicas of each partition."""
    generation: dict[str, int] = field(default_factory=dict)
    """Node -> how often its process was started."""
    down: set[str] = field(default_factory=set)
    behind: dict[int, int] = field(default_factory=dict)
    """Broker -> ticks until its replicas are in sync."""
    slow: dict[int, int] = field(default_factory=dict)
    """Broker -> how many more ticks than others it takes to be in sync."""
    silent: set[str] = field(default_factory=set)
    """Nodes whose hosts do not answer."""
    moves: list[Move] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.generation = {node.name: 1 for node in self.cluster.nodes}
        self.leader = self._voters[0].id
        self.controller = self.cluster.brokers[0].id

    @property
    def _voters(self) -> Sequence[Node]:
        return self.cluster.controllers or self.cluster.zookeepers

    def _up(self, nodes: Sequence[Node]) -> list[Node]:
        return [node for node in nodes if node.name not in self.down]

    @property
    def majority(self) -> bool:
        """True where the voters that run are a majority."""
        return len(self._up(self._voters)) > len(self._voters) // 2

    def goal(self, nodes: Collection[str] | None = None, **asked: object) -> Goal:
        """Return the goal of replacing every process, or those of some nodes, as they are now."""
        names = [node.name for node in self.cluster.nodes if nodes is None or node.name in nodes]
        replaced = {name: None if name in self.down else f"{self.generation[name]} 7" for name in names}
        return Goal(replaced, **asked)  # type: ignore[arg-type]  # the tests name the goal's own fields

    def partitions(self) -> tuple[Partition, ...]:
        """Return every partition as all brokers see it."""
        in_sync = {node.id for node in self._up(self.cluster.brokers)} - self.behind.keys()
        return tuple(
            Partition(topic, number, next(iter(isr), None), replicas, isr)
            for topic, (_, assignment) in self.topics.items()
            for number, replicas in enumerate(assignment)
            for isr in [tuple(broker for broker in replicas if broker in in_sync)]
        )

    def stop(self, node: Node) -> None:
        """End a node's process."""
        self.down.add(node.name)
        self.behind.pop(node.id, None)
        self._elect()

    def start(self, node: Node) -> None:
        """Begin another process."""
        self.down.discard(node.name)
        self.generation[node.name] += 1
        if node.role is Role.BROKER:
            self.behind[node.id] = CATCH_UP + self.slow.get(node.id, 0)
        self._elect()

    def tick(self) -> None:
        """Let a moment pass."""
        self.behind = {broker: left - 1 for broker, left in self.behind.items() if left > 1}

    def apply(self, move: Move) -> None:
        """Do what a move says, or wait."""
        self.moves.append(move)
        if isinstance(move, Stop):
            for node in move.nodes:
                self.stop(node)
        elif isinstance(move, Start):
            for node in move.nodes:
                self.start(node)
        else:
            self.tick()

    def _elect(self) -> None:
        if voters := self._up(self._voters):
            self.leader = self.leader if self.leader in {n.id for n in voters} else voters[0].id
        if brokers := self._up(self.cluster.brokers):
            alive = {node.id for node in brokers}
            self.controller = self.controller if self.controller in alive else brokers[0].id

    def seen(self) -> Seen:
        """Return what `ops.see` would return now."""
        alive = {node.id: node.endpoint for node in self._up(self.cluster.brokers)}
        metadata = Metadata("id", self.controller, alive, self.partitions())
        views = {
            node.id: metadata if node.id in alive else Unknown("connection refused")
            for node in self.cluster.brokers
        }
        configs = {
            topic: {MIN_ISR: ConfigEntry(MIN_ISR, str(least), is_default=False)}
            for topic, (least, _) in self.topics.items()
        }
        processes = {
            node.name: Unknown("no answer") if node.name in self.silent else self._report(node)
            for node in self.cluster.nodes
        }
        return Seen(
            processes, views, ensemble=self._ensemble(), controllers=self._controllers(), configs=configs
        )

    def _report(self, node: Node) -> Report:
        if node.name in self.down:
            return Report(State.STOPPED, "")
        return Report(
            State.RUNNING, str(self.generation[node.name]), process=f"{self.generation[node.name]} 7"
        )

    def _ensemble(self) -> EnsembleAnswers:
        if self.cluster.kraft:
            return EnsembleAnswers()
        members = {
            node.name: Unknown("connection refused")
            if node.name in self.down or not self.majority
            else Member("leader" if node.id == self.leader else "follower", 1, "3.8.4")
            for node in self.cluster.zookeepers
        }
        if not self.majority:
            return EnsembleAnswers(members, Unknown("no majority"), Unknown("no majority"))
        sessions = {
            node.id: Registration(node.id, (node.endpoint,), 1) for node in self._up(self.cluster.brokers)
        }
        return EnsembleAnswers(members, sessions, Controller(self.controller, 1))

    def _controllers(self) -> ControllerAnswers:
        if not self.cluster.kraft:
            return ControllerAnswers()
        up = {node.id for node in self._up(self.cluster.controllers)}
        leaders: dict[str, Leader] = {
            node.name: self.leader if node.id in up else Unknown("connection refused")
            for node in self.cluster.controllers
        }
        voters = tuple(
            QuorumReplica(node.id, 1, 0, timedelta(0) if node.id in up else None)
            for node in self.cluster.controllers
        )
        state = QuorumState(self.leader, 1, 1, voters, ()) if self.majority else Unknown("no leader")
        brokers = {
            node.id: KraftBroker(node.id, (node.endpoint,), fenced=False)
            for node in self._up(self.cluster.brokers)
        }
        return ControllerAnswers(leaders, {}, state, {}, brokers)


def stops(world: RollingWorld) -> list[list[str]]:
    """Return who was stopped, in order."""
    return [[node.name for node in move.nodes] for move in world.moves if isinstance(move, Stop)]


def harm(world: RollingWorld, stopped: Sequence[Node]) -> list[str]:
    """Return what these nodes' stop has cost."""
    gone = {node.id for node in stopped if node.role is Role.BROKER}
    lost = [
        partition.name
        for partition in world.partitions()
        if gone & set(partition.replicas) and len(partition.isr) < world.topics[partition.topic][0]
    ]
    return lost if world.majority else [*lost, "no majority"]


def racked(seed: int, brokers: int, racks: int, partitions: int) -> RollingWorld:
    """Return a cluster in racks, with three replicas of each partition in different ones, and some slow brokers."""
    chance = random.Random(seed)
    cluster = cluster_of(brokers, "isolated", racks)
    assignment = [
        tuple(
            chance.choice(range(rack or racks, brokers + 1, racks)) for rack in chance.sample(range(racks), 3)
        )
        for _ in range(partitions)
    ]
    slow = {node.id: chance.randint(1, 9) for node in cluster.brokers if chance.random() < 0.1}
    return RollingWorld(cluster, {"orders": (2, assignment)}, slow=slow)


def rolled_by_racks(world: RollingWorld, seed: int, decide: Decide = decide) -> tuple[Move, int, list[str]]:
    """Roll rack by rack while brokers die now and then; return the last move, how many waves there were, and what they cost."""
    chance, harmed = random.Random(seed), list[str]()
    goal = world.goal([node.name for node in world.cluster.brokers], rack=True)
    for _ in range(ENOUGH):
        move = decide(world.cluster, goal, world.seen())
        if isinstance(move, Done | Blocked):
            break
        world.apply(move)
        if isinstance(move, Stop):
            harmed += harm(world, move.nodes)
        elif chance.random() < 0.05:
            world.stop(chance.choice([node for node in world.cluster.brokers if node.name not in world.down]))
    return move, len(stops(world)), harmed
