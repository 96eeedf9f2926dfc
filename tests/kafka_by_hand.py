"""A real cluster of three ZooKeeper servers and three brokers, started by hand on loopback: what adapters are held against."""

import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.zookeeper import KazooEnsemble
from kafab.cluster.metadata import Metadata
from kafab.events import silent
from kafab.listeners import Listener
from kafab.model import Cluster, Host, Node, Role, Version
from kafab.releases.names import release_for
from kafab.unknown import Unknown
from kafab.wiring import open_store
from tests.ports import free_ports

START_LIMIT = 240.0
# As in a lab: quick to start.
BARE_JAVA = (
    "java",
    "-Xshare:auto",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
)
_MAIN = {
    Role.ZOOKEEPER: ("-Xmx64m", "org.apache.zookeeper.server.quorum.QuorumPeerMain"),
    Role.BROKER: ("-Xmx256m", "kafka.Kafka"),
}
LOG4J = """log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
"""


def unpacked(version: Version, into: Path) -> Path:
    """Return the folder of a release's jars, unpacked from kafab's own store."""
    name = release_for(version)
    with tarfile.open(open_store().fetch(name, silent).file) as archive:
        archive.extractall(into, filter="data")
    return into / str(name) / "libs"


@contextmanager
def six_jvms(version: Version, root: Path) -> Iterator["KafkaByHand"]:
    """Run a cluster for the block, healthy when it begins."""
    with closing(KafkaByHand(root, unpacked(version, root), version)) as hand:
        hand.start(hand.cluster.nodes)
        with hand.asked():
            hand.wait_until_healthy()
        yield hand


def until(look: Callable[[], bool], what: str, limit: float = START_LIMIT) -> None:
    """Look until it is true; an AssertionError at the deadline."""
    deadline = time.monotonic() + limit
    while not look():
        assert time.monotonic() < deadline, f"{what}: not within {limit:.0f} s"
        time.sleep(0.1)


class KafkaByHand:
    """Six JVMs in one folder, and clients of them. Every process is known by its pid and ended by it."""

    zookeeper: KazooEnsemble
    admin: ClientsAdmin

    def __init__(self, root: Path, libs: Path, version: Version) -> None:
        self.root = root
        self.libs = libs
        self.cluster = _cluster(version, free_ports(16))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Have clients for the block. No thread of theirs outlives it, though the processes may be others' after it."""
        self.zookeeper = KazooEnsemble(
            [node.endpoint for node in self.cluster.zookeepers], self.cluster.chroot
        )
        self.admin = ClientsAdmin([node.endpoint for node in self.cluster.brokers])
        try:
            yield
        finally:
            self.admin.close()
            self.zookeeper.close()

    def node(self, role: Role, number: int) -> Node:
        """Return the node of that role and id."""
        return next(node for node in self.cluster.nodes if (node.role, node.id) == (role, number))

    def start(self, nodes: Iterable[Node]) -> None:
        """Start processes, all at once."""
        for node in nodes:
            folder = self.root / node.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "log4j.properties").write_text(LOG4J)
            heap, main = _MAIN[node.role]
            with (folder / "out").open("ab") as out:
                self.processes[node.name] = subprocess.Popen(
                    [
                        *BARE_JAVA,
                        heap,
                        f"-Dlog4j.configuration=file:{folder}/log4j.properties",
                        "-cp",
                        f"{self.libs}/*",
                        main,
                        str(self._configured(node, folder)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )

    def stop(self, node: Node) -> None:
        """End one process the way an operator would, and wait for it."""
        process = self.processes.pop(node.name)
        process.terminate()
        process.wait(timeout=START_LIMIT)

    def signal(self, node: Node, number: signal.Signals) -> None:
        """Send a signal to one process."""
        self.processes[node.name].send_signal(number)

    def wait_until_healthy(self) -> None:
        """Wait until every broker has registered, is known to every other one, and every partition has all its replicas."""
        until(self._healthy, f"a healthy cluster in {self.root}")

    def wait_until_agreed(self, *away: Node) -> None:
        """Wait until all but these brokers tell of each other only, in every ISR too, and of ZooKeeper's controller."""
        names = ", ".join(node.name for node in away)
        until(lambda: self._agreed(away), f"agreement without {names} in {self.root}")

    def close(self) -> None:
        """End every process."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait(timeout=START_LIMIT)

    def _healthy(self) -> bool:
        ended = {
            name: process.returncode for name, process in self.processes.items() if process.poll() is not None
        }
        assert not ended, f"processes ended while the cluster was starting: {ended}"
        members = [self.zookeeper.member(node.endpoint) for node in self.cluster.zookeepers]
        synced = [m.synced_followers for m in members if not isinstance(m, Unknown)]
        return len(members) - 1 in synced and self._agreed()

    def _agreed(self, away: Collection[Node] = ()) -> bool:
        left = [node for node in self.cluster.brokers if node not in away]
        ids = {node.id for node in left}
        registered, controller = self.zookeeper.registrations(), self.zookeeper.controller()
        if isinstance(registered, Unknown) or isinstance(controller, Unknown) or set(registered) != ids:
            return False
        views = [self.admin.metadata(node.endpoint) for node in left]
        return controller.broker in ids and all(
            isinstance(view, Metadata) and view.controller == controller.broker and _complete(view, ids)
            for view in views
        )

    def _configured(self, node: Node, folder: Path) -> Path:
        file = folder / "node.properties"
        if node.role is Role.ZOOKEEPER:
            (folder / "data").mkdir(exist_ok=True)
            (folder / "data" / "myid").write_text(f"{node.id}\n")
            lines = [
                f"dataDir={folder}/data",
                f"clientPort={node.endpoint.port}",
                "tickTime=500",
                "initLimit=20",
                "syncLimit=10",
                "admin.enableServer=false",
                "4lw.commands.whitelist=srvr,ruok,mntr",
                *(
                    f"server.{peer.id}=127.0.0.1:{peer.quorum_port}:{peer.election_port}"
                    for peer in self.cluster.zookeepers
                ),
            ]
        else:
            lines = [
                f"broker.id={node.id}",
                f"listeners=PLAINTEXT://{node.endpoint}",
                f"zookeeper.connect={self.cluster.zookeeper_connect}",
                "zookeeper.session.timeout.ms=6000",
                # All processes start at once, and a broker that meets no ZooKeeper exits.
                "zookeeper.connection.timeout.ms=120000",
                f"log.dirs={folder}/data",
                "default.replication.factor=3",
                "min.insync.replicas=2",
                "auto.create.topics.enable=false",
                "unclean.leader.election.enable=false",
                "num.network.threads=2",
                "num.io.threads=4",
            ]
        file.write_text("\n".join(lines) + "\n")
        return file


def _complete(view: Metadata, ids: set[int]) -> bool:
    whole = all(p.leader in ids and set(p.isr) == ids.intersection(p.replicas) for p in view.partitions)
    return whole and set(view.brokers) == ids


def _cluster(version: Version, ports: list[int]) -> Cluster:
    hosts = tuple(Host(f"node{number}", "127.0.0.1") for number in (1, 2, 3))
    free = iter(ports)
    nodes = []
    for number, host in enumerate(hosts, 1):
        folder = (PurePosixPath("unused"),)
        quorum, election = next(free), next(free)
        nodes.append(
            Node(
                host,
                Role.ZOOKEEPER,
                number,
                (Listener("CLIENT", next(free), host.address),),
                "64m",
                folder,
                quorum_port=quorum,
                election_port=election,
            )
        )
        nodes.append(
            Node(
                host, Role.BROKER, number, (Listener("PLAINTEXT", next(free), host.address),), "256m", folder
            )
        )
    return Cluster("hand", version, hosts, tuple(nodes), "/kafka", lab=True)
