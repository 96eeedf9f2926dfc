"""Real KRaft clusters, formatted and started by hand on loopback: what the quorum's adapter is held against."""

import base64
import signal
import subprocess
import uuid
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path, PurePosixPath

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.controllers import KraftControllers
from kafab.cluster.metadata import Metadata, QuorumReplica, QuorumState
from kafab.config.properties import broker_properties, format_properties
from kafab.listeners import Listener, controller_listener
from kafab.model import Cluster, Host, Node, Role, Version, VoterSource
from kafab.unknown import Unknown
from tests.kafka_by_hand import BARE_JAVA, LOG4J, START_LIMIT, until
from tests.ports import free_ports

_HEAP = "256m"
_HEALTHY_LIMIT = 300.0
_LOG4J2 = """appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger=WARN, out
"""
# A fenced broker is noticed sooner than by default; a machine that is busy does not cost a leader its office.
_PATIENCE = {
    "broker.session.timeout.ms": "6000",
    "controller.quorum.fetch.timeout.ms": "6000",
    "controller.quorum.election.timeout.ms": "3000",
    # A broker that cannot register by then exits; a busy machine may need longer than Kafka's minute.
    "initial.broker.registration.timeout.ms": "240000",
}


def kraft_in(
    root: Path,
    version: Version,
    *,
    isolated: bool = False,
    quorum: VoterSource = VoterSource.DYNAMIC,
    ports: Iterable[int] = range(24400, 24500),
) -> Cluster:
    """Return a KRaft cluster of three hosts: brokers 1 to 3 that are controllers, too, or have controllers 11 to 13 beside them."""
    free = iter(ports)
    hosts = tuple(Host(f"node{number}", "127.0.0.1") for number in (1, 2, 3))
    nodes: list[Node] = []
    for number, host in enumerate(hosts, 1):
        folder = PurePosixPath(root) / host.name
        port, controller = next(free), next(free)
        brokers = (Listener("PLAINTEXT", port, host.address),)
        controllers = (controller_listener(host.address, controller),)
        properties = {**_PATIENCE, "num.network.threads": "2", "num.io.threads": "4"}
        if isolated:
            nodes.append(
                Node(
                    *(host, Role.CONTROLLER, 10 + number, controllers, _HEAP, (folder / "controller-data",)),
                    properties=properties,
                )
            )
        nodes.append(
            Node(
                *(host, Role.BROKER, number, brokers if isolated else brokers + controllers, _HEAP),
                (folder / "broker-data",),
                properties=properties,
            )
        )
    return Cluster("hand", version, hosts, tuple(nodes), voter_source=quorum, lab=True)


def new_id() -> str:
    """Return what `kafka-storage random-uuid` prints: 22 letters, the first one no hyphen."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _follows(voter: QuorumReplica) -> bool:
    # The leader remembers one that is gone, or not up again yet, with an old time.
    return voter.caught_up is not None and voter.caught_up < timedelta(seconds=2)


class KraftByHand:
    """Three combined JVMs, or three controllers and three brokers. Every process is known by its pid and ended by it."""

    def __init__(
        self,
        root: Path,
        libs: Path,
        version: Version,
        *,
        isolated: bool = False,
        quorum: VoterSource = VoterSource.DYNAMIC,
    ) -> None:
        self.root = root
        self.libs = libs
        self.cluster = kraft_in(root, version, isolated=isolated, quorum=quorum, ports=free_ports(6))
        self.cluster_id = new_id()
        self.directories = {node.id: new_id() for node in self.cluster.controllers}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.quorum = KraftControllers(
            [node.controller_endpoint for node in self.cluster.controllers],
            [node.endpoint for node in self.cluster.brokers],
        )

    def node(self, number: int) -> Node:
        """Return the node of that id; ids are unique in KRaft."""
        return next(node for node in self.cluster.nodes if node.id == number)

    def format(self, nodes: Iterable[Node]) -> None:
        """Format the nodes' data folders, side by side."""
        running = [
            self._java(node, "format", "kafka.tools.StorageTool", *self._formatting(node)) for node in nodes
        ]
        for process in running:
            assert process.wait(timeout=START_LIMIT) == 0, f"storage tool failed in {self.root}"

    def start(self, nodes: Iterable[Node]) -> None:
        """Start processes: the nodes that are only brokers once the controllers have a leader, as kafab does.

        A broker that asked to be registered while the leader was being elected was seen not to ask again until it gave up (4.3.1).
        """
        chosen = list(nodes)
        only_brokers = [node for node in chosen if not node.is_controller]
        controllers = [node for node in chosen if node.is_controller]
        for node in controllers:
            self._start(node)
        if only_brokers and controllers:
            until(lambda: isinstance(self.quorum.describe(), QuorumState), f"a leader in {self.root}")
        for node in only_brokers:
            self._start(node)

    def stop(self, node: Node) -> None:
        """End one process the way an operator would, and wait for it."""
        process = self.processes.pop(node.name)
        process.terminate()
        process.wait(timeout=START_LIMIT)

    def kill(self, node: Node) -> None:
        """End one process without a word, and wait for it."""
        process = self.processes.pop(node.name)
        process.kill()
        process.wait(timeout=START_LIMIT)

    def signal(self, node: Node, number: signal.Signals) -> None:
        """Send a signal to one process."""
        self.processes[node.name].send_signal(number)

    def wait_until_healthy(self) -> None:
        """Wait until one controller leads voters that have all caught up, and every broker is registered and unfenced."""
        with closing(ClientsAdmin([node.endpoint for node in self.cluster.brokers])) as admin:
            until(lambda: self._healthy(admin), f"a healthy cluster in {self.root}", _HEALTHY_LIMIT)

    def close(self) -> None:
        """End every process and client."""
        self.quorum.close()
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(timeout=START_LIMIT)

    def _healthy(self, admin: ClientsAdmin) -> bool:
        ended = [
            f"{name} with {process.returncode}: {self._last_words(name)}"
            for name, process in self.processes.items()
            if process.poll() is not None
        ]
        assert not ended, "processes ended while the cluster was starting:\n" + "\n".join(ended)
        state = self.quorum.describe()
        if not isinstance(state, QuorumState) or not all(map(_follows, state.voters)):
            return False
        if any(isinstance(self.quorum.describe(node.endpoint), Unknown) for node in self.cluster.brokers):
            return False
        views = [admin.metadata(node.endpoint) for node in self.cluster.brokers]
        return all(isinstance(view, Metadata) and len(view.brokers) == len(views) for view in views)

    def _start(self, node: Node) -> None:
        self.processes[node.name] = self._java(node, "out", "kafka.Kafka", str(self._file(node)))

    def _last_words(self, name: str) -> str:
        node = next(node for node in self.cluster.nodes if node.name == name)
        return (self.root / node.name / "out").read_text(errors="replace")[-3000:]

    def _formatting(self, node: Node) -> list[str]:
        words = ["format", "--cluster-id", self.cluster_id, "--config", str(self._file(node))]
        if self.cluster.voter_source is VoterSource.STATIC or not node.is_controller:
            return words
        initial = [
            f"{v.id}@{v.controller_endpoint}:{self.directories[v.id]}" for v in self.cluster.controllers
        ]
        return [*words, "--initial-controllers", ",".join(initial)]

    def _file(self, node: Node) -> Path:
        folder = self.root / node.name
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "server.properties"
        file.write_text(format_properties(broker_properties(self.cluster, node)))
        return file

    def _java(self, node: Node, out: str, *words: str) -> "subprocess.Popen[bytes]":
        folder = self.root / node.name
        (folder / "log4j.properties").write_text(LOG4J)
        (folder / "log4j2.properties").write_text(_LOG4J2)
        logging = (
            f"-Dlog4j.configuration=file:{folder}/log4j.properties",
            f"-Dlog4j2.configurationFile={folder}/log4j2.properties",
        )
        with (folder / out).open("ab") as told:
            return subprocess.Popen(
                [*BARE_JAVA, f"-Xmx{_HEAP}", *logging, "-cp", f"{self.libs}/*", *words],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
            )
