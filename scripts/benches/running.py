"""Rows about running clusters: start against six JVMs by hand, and verify."""

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.login import IN_THE_CLEAR, Login
from kafab.model import Endpoint
from kafab.ops.run.gates import STEADY_IN_A_LAB
from kafab.unknown import Unknown
from scripts.benches.labs import Lab, lab
from scripts.benches.measuring import DEADLINE, Row, alternate, ratio

PARTITIONS = 200
# What facts were measured with: quick to start, small, not for production.
JVM = ("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class ByHand:
    """Three ZooKeeper and three Kafka processes without any tool: six JVMs at once."""

    def __init__(self, folder: Path, libs: Path) -> None:
        self._folder = folder
        self._libs = libs
        ports = free_ports(12)
        self._quorum, self._election, self._client, self._broker = (
            ports[start : start + 3] for start in (0, 3, 6, 9)
        )
        self._running: list[list[subprocess.Popen[bytes]]] = []
        self.brokers = [Endpoint("127.0.0.1", port) for port in self._broker]
        self._write()

    def _write(self) -> None:
        servers = "".join(
            f"server.{number + 1}=127.0.0.1:{self._quorum[number]}:{self._election[number]}\n"
            for number in range(3)
        )
        connect = ",".join(f"127.0.0.1:{port}" for port in self._client)
        (self._folder / "log4j.properties").write_text(
            "log4j.rootLogger=INFO, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n"
        )
        for number in range(3):
            data = self._folder / f"zookeeper-{number}"
            data.mkdir()
            (data / "myid").write_text(f"{number + 1}\n")
            (self._folder / f"zookeeper-{number}.cfg").write_text(
                f"tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={data}\nadmin.enableServer=false\n"
                f"clientPort={self._client[number]}\nclientPortAddress=127.0.0.1\n{servers}"
            )
            (self._folder / f"broker-{number}.properties").write_text(
                f"broker.id={number + 1}\nlisteners=PLAINTEXT://127.0.0.1:{self._broker[number]}\n"
                f"zookeeper.connect={connect}\nlog.dirs={self._folder / f'broker-{number}'}\n"
                "offsets.topic.replication.factor=3\ntransaction.state.log.replication.factor=3\n"
            )

    def start(self) -> float:
        """Start all six and return the seconds until they are as `fab start` leaves them.

        All brokers have registered, each names all of them and a controller to its clients, and all six last for a second.
        """
        started = time.monotonic()
        zookeepers = [
            self._java("64m", "org.apache.zookeeper.server.quorum.QuorumPeerMain", f"zookeeper-{n}.cfg")
            for n in range(3)
        ]
        brokers = [self._start_broker(n) for n in range(3)]
        self._running = [brokers, zookeepers]
        self._await_registrations(started)
        await_views(self.brokers, started)
        last([*brokers, *zookeepers])
        return time.monotonic() - started

    def _await_registrations(self, started: float) -> None:
        client = KazooClient(",".join(f"127.0.0.1:{port}" for port in self._client), timeout=10)
        client.start(timeout=60)
        try:
            while time.monotonic() - started < DEADLINE:
                try:
                    if len(client.get_children("/brokers/ids")) == 3:
                        return
                except NoNodeError:
                    pass
                time.sleep(0.02)
        finally:
            client.stop()
            client.close()
        sys.exit(f"six JVMs by hand did not register within {DEADLINE:.0f} s: see {self._folder}")

    def _start_broker(self, number: int) -> subprocess.Popen[bytes]:
        return self._java("256m", "kafka.Kafka", f"broker-{number}.properties")

    def restart(self, number: int) -> None:
        """Let one broker end, and start it again."""
        brokers = self._running[0]
        brokers[number].terminate()
        brokers[number].wait(timeout=DEADLINE)
        brokers[number] = self._start_broker(number)

    def _java(self, heap: str, main: str, file: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{file}.log").open("ab") as log:
            return subprocess.Popen(
                [
                    *(
                        "java",
                        *JVM,
                        f"-Xmx{heap}",
                        f"-Dlog4j.configuration=file:{self._folder}/log4j.properties",
                    ),
                    *("-cp", f"{self._libs}/*", main, str(self._folder / file)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )

    def stop(self) -> None:
        """End what was started: brokers first, since one whose ensemble is gone hangs in its shutdown."""
        for group in self._running:
            for process in group:
                process.terminate()
            for process in group:
                process.wait(timeout=DEADLINE)
        self._running = []


def await_views(brokers: Sequence[Endpoint], started: float, login: Login = IN_THE_CLEAR) -> None:
    """Wait until each broker answers, and names all of them and a controller to its clients."""
    admin = ClientsAdmin(brokers, login)
    try:
        while time.monotonic() - started < DEADLINE:
            views = [admin.metadata(at, timeout=timedelta(seconds=2)) for at in brokers]
            if all(
                not isinstance(view, Unknown)
                and len(view.brokers) == len(brokers)
                and view.controller is not None
                for view in views
            ):
                return
            time.sleep(0.02)
    finally:
        admin.close()
    sys.exit(f"{len(brokers)} JVMs by hand did not serve within {DEADLINE:.0f} s")


def last(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Let processes go on for as long as `fab start` wants them to in a lab: a broker has died 0.7 s after it served."""
    time.sleep(STEADY_IN_A_LAB.total_seconds())
    if any(process.poll() is not None for process in processes):
        sys.exit("a JVM that was started by hand has ended")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Rival(Protocol):
    """A cluster that is started and stopped without kafab."""

    def start(self) -> float:
        """Start it and return the seconds until it serves."""

    def stop(self) -> None:
        """End what was started."""


def start(runs: int) -> list[Row]:
    """Measure `start` against six JVMs by hand, both until every broker names all and all have lasted for a second.

    By hand that second and those questions were left out once: what is compared then is a proof with none.
    """
    with lab(3) as here, tempfile.TemporaryDirectory(prefix="kafab-by-hand-") as folder:
        here.fab("deploy")
        mine, plain = starts(here, ByHand(Path(folder), libs(here)), runs)
    return [ratio("start of 3 + 3 until healthy / six JVMs by hand until so, too", [mine], [plain], 1.25)]


def libs(here: Lab) -> Path:
    """Return the folder of the release's jars on the lab's first host."""
    return next(Path(here.cluster.hosts[0].paths.releases).rglob("libs"))


def starts(here: Lab, rival: Rival, runs: int) -> list[float]:
    """Return the medians of `start` of a deployed lab and of the rival's start, measured in turn."""

    def ours() -> float:
        seconds = here.fab("start")
        here.fab("stop", "--yes")
        return seconds

    def theirs() -> float:
        try:
            return rival.start()
        finally:
            rival.stop()

    # The first start makes the data directories and, behind it, the archives of classes; every measured one finds them.
    here.fab("start")
    wait_for_archives(here)
    here.fab("stop", "--yes")
    theirs()
    return alternate(runs, ours, theirs)


def wait_for_archives(here: Lab) -> None:
    """Wait until every node has its archive of classes, which its host makes when it has nothing else to do."""
    deadline = time.monotonic() + DEADLINE
    while not all(list(Path(node.run).glob("classes/*.jsa")) for node in here.cluster.nodes):
        if time.monotonic() > deadline:
            sys.exit(f"no archives of classes within {DEADLINE:.0f} s: see `classes` below the run folders")
        time.sleep(0.2)


def verify(runs: int) -> list[Row]:
    """Measure `verify --read-only` of a running cluster with 200 partitions."""
    with lab(3) as here:
        here.fab("deploy", "start", "topics.create", "bench", "--partitions", str(PARTITIONS))
        try:
            ours = statistics.median(here.fab("verify", "--read-only") for _ in range(runs))
        finally:
            here.fab("stop", "--yes")
    return [Row(f"verify --read-only, {PARTITIONS} partitions", ours, None, "2 s", ours <= 2)]
