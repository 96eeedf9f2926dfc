"""A small world for tests of operations: hosts that answer the real scripts, and a Kafka in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kafab.command import Outcome, Result, Script
from kafab.events import Event
from kafab.model import Cluster, Role
from kafab.plans.state import Desired, desire
from kafab.releases.names import release_for
from kafab.shell.layout import UPGRADE
from kafab.testing.canaries import FakeCanaries
from kafab.testing.fleet import FakeClock, FakeFleet
from kafab.testing.hosts import FakeHost, State, fresh_answer
from kafab.testing.kafka import FakeKafka
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld

ALL = ["node1", "node2", "node3"]


@dataclass
class Cosmos:
    """Three hosts with a ZooKeeper server and a broker each; ``calls`` records what was asked of a node's process."""

    cluster: Cluster
    deployed: bool = True
    running: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    answers: dict[tuple[str, str], str] = field(default_factory=dict)
    """(call, node name) -> answer in the place of the usual one."""
    stubborn: set[str] = field(default_factory=set)
    """Nodes that do not end when they are asked to."""
    lock: str = "locked"
    let_go: set[str] = field(default_factory=set)
    """Hosts that have let go of the lock, though its holder lives."""
    asked: set[str] = field(default_factory=set)
    """Nodes that were asked to stop and still run."""
    java: bool = True
    on_lock: Callable[[], None] | None = None
    """What happens between the first look and the lock."""
    cluster_ids: dict[str, str] = field(default_factory=dict)
    """Host -> cluster.id of its broker's data, in KRaft of all its nodes'; else KRaft's data are of one cluster."""
    bare: set[str] = field(default_factory=set)
    """KRaft nodes that are not formatted, and ZooKeeper servers without a myid."""
    emptied: set[str] = field(default_factory=set)
    """Voters that hold nothing of the cluster's metadata; all others do."""
    held: dict[str, str] = field(default_factory=dict)
    """Node -> the mount point of the file system on which it has held data, by its record; now all is on ``/``."""
    ctrl_c: int | None = None
    """Ctrl-C comes once so many moves have been carried out."""
    drop_ins: dict[str, str] = field(default_factory=dict)
    """Node -> a file in effect for its unit that is not kafab's."""
    edits: dict[PurePosixPath, str] = field(default_factory=dict)
    """Path of a configuration file -> its text now."""
    started: dict[str, str] = field(default_factory=dict)
    """Node -> the digest of the configuration that its process was started from, where that was another one."""
    releases: dict[str, str] = field(default_factory=dict)
    """Node -> the release that it runs, where that is another one than the cluster's."""
    quorum_state: str = ""
    """Text of quorum-state on each KRaft node."""
    pids: dict[str, int] = field(default_factory=dict)
    """Node -> the pid of its process, another one each time that it is started."""
    journals: dict[str, str] = field(default_factory=dict)
    """Host -> the journal of a roll that lies there."""
    upgrades: dict[str, str] = field(default_factory=dict)
    """Host -> the record of an upgrade that lies there."""
    _made: Desired | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.kafka = FakeKafka(self.cluster)
        self.clock = FakeClock()
        self.canaries = FakeCanaries()
        for broker in self.cluster.brokers:
            self.kafka.stop_broker(broker.id)
        self.kafka.stopped_servers = {node.id for node in self.cluster.zookeepers}
        self.kafka.voters.stopped = {node.id for node in self.cluster.controllers}
        self.kafka.left.clear()
        self.nodes = {node.name: node for node in self.cluster.nodes}
        self.store = FakeStore.for_cluster(self.cluster)
        self.fleet = FakeFleet({host.name: self.handler(host.name) for host in self.cluster.hosts})

    @property
    def world(self) -> FakeWorld:
        """The ports, faked."""
        return FakeWorld.of(
            self.kafka,
            fleet=self.fleet,
            store=self.store,
            clock=self.clock,
            emit=self.events.append,
            canaries=self.canaries,
        )

    def up(self) -> "Cosmos":
        """Let everything run."""
        for name in self.nodes:
            self.change(name, True)
        return self

    def kill(self, name: str) -> None:
        """End a process without kafab; its registration stays for now."""
        self.running.discard(name)

    def told(self, kind: type[Event]) -> list[Event]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def of(self, call: str) -> list[str]:
        """Return the nodes that this was asked of, in order."""
        return [name for called, name in self.calls if called == call]

    def change(self, name: str, runs: bool) -> None:
        """Let a node's process run, or be gone, as kafab has not seen it happen."""
        node = self.nodes[name]
        if runs and name not in self.running:
            self.pids[name] = self.pids.get(name, 122) + 1
        (self.running.add if runs else self.running.discard)(name)
        if node in self.cluster.zookeepers:
            (self.kafka.stopped_servers.discard if runs else self.kafka.stopped_servers.add)(node.id)
        elif node.role is Role.CONTROLLER:
            (self.kafka.voters.start if runs else self.kafka.voters.stop)(node.id)
        elif runs:
            self.kafka.start_broker(node.id, node.endpoint)
        elif node.id in self.kafka.registrations:
            self.kafka.stop_broker(node.id)

    def handler(self, host: str) -> Callable[[Script], Outcome]:
        """Return what a host answers to a script."""

        def answer(script: Script) -> Outcome:
            if script.called("node"):
                return self._observed(host)
            if script.called("lock"):
                if self.on_lock:
                    self.on_lock()
                return Result(0, f"{self.lock}\n".encode(), "")
            if script.called("still"):
                return Result(0, b"lost\n" if host in self.let_go else b"still\n", "")
            for call in script.calls:
                if str(call.words[0]).startswith("journal_"):
                    return self._journal(host, *map(str, call.words))
            answers = [self._call(*map(str, call.words[:2])) for call in script.calls]
            return Result(0, "".join(answers).encode(), "")

        return answer

    def _journal(self, host: str, call: str, *words: str) -> Result:
        path = words[1] if call == "journal_write" else words[0]
        kept = self.upgrades if path.endswith(UPGRADE) else self.journals
        if call == "journal_write":
            kept[host] = words[0]
        elif call == "journal_forget":
            kept.pop(host, None)
        said = f"{kept[host]}\n" if call == "journal_read" and host in kept else ""
        return Result(0, f"{said}end\n".encode(), "")

    def _observed(self, host: str) -> Result:
        if not self.deployed:
            return fresh_answer()
        desired = self._desired()
        cluster_id = self.cluster_ids.get(host, self.kafka.cluster_id if self.cluster.kraft else None)
        nodes, mode = (self.cluster.nodes, 1) if self.cluster.kraft else (self.cluster.brokers, 0)
        data = {
            node.data[0]: f"version={mode}\n{self._id_key}={node.id}\ncluster.id={cluster_id}"
            for node in nodes
            if node.host.name == host and cluster_id is not None and node.name not in self.bare
        }
        holding = self.nodes.keys() - self.emptied
        kept = {
            node.data[
                0
            ]: f"{node.data[0]} {node.id} - meta.properties {self.held[node.name]} ext4 /dev/sdb1 -"
            for node in self.cluster.nodes
            if node.name in self.held
        }
        fake = FakeHost(
            desired,
            states={name: self._state(name) for name in self.nodes},
            java=self.java,
            unmarked=self.bare,
            identities=data,
            metadata=holding,
            held=kept,
            quorum_state=self.quorum_state,
            drop_ins=self.drop_ins,
            edits=self.edits,
            started=self.started,
            releases=self.releases,
        )
        return fake.answer(host, desired)

    def _desired(self) -> Desired:
        """Return what the nodes should be: made anew for another cluster or release only, as it is most of an answer's time."""
        stored = self.store.find(release_for(self.cluster.version, self.cluster.scala))
        if self._made is None or self._made.cluster is not self.cluster or self._made.artifact != stored:
            self._made = desire(self.cluster, self.cluster.nodes, stored)
        return self._made

    def _state(self, name: str) -> State:
        if name not in self.running:
            return State.GONE
        return State.ASKED if name in self.asked else State.RUNNING

    @property
    def _id_key(self) -> str:
        return "node.id" if self.cluster.kraft else "broker.id"

    @property
    def moves(self) -> list[tuple[str, str]]:
        """What was asked of processes beyond looking, in order."""
        return [call for call in self.calls if call[0] in ("start", "stop")]

    def _call(self, call: str, name: str) -> str:
        if call in ("start", "stop") and len(self.moves) == self.ctrl_c:
            raise KeyboardInterrupt
        self.calls.append((call, name))
        return self._answer(call, name)

    def _answer(self, call: str, name: str) -> str:
        if (call, name) in self.answers:
            return f"{name} {self.answers[call, name]}\n"
        if call == "start":
            self.change(name, True)
            return f"{name} started {self.pids[name]}\n"
        if call == "stop" and name not in self.stubborn:
            self.change(name, False)
        pid = self.pids.get(name)
        state = (
            f"stopping {pid}"
            if name in self.asked
            else f"running {pid}"
            if name in self.running
            else "stopped"
        )
        return f"{name} {state}\n"


def names(role: str) -> list[str]:
    """Return the names of this role's nodes."""
    return [f"{host}/{role}" for host in ALL]
