"""Rows about KRaft: start of three combined nodes against the same three JVMs by hand, and what formatting costs."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from kafab.model import Endpoint
from kafab.plans.storage import directory_id, uuid
from kafab.shell.layout import HELD
from scripts.benches.labs import Lab, lab
from scripts.benches.measuring import DEADLINE, Row, alternate, ratio
from scripts.benches.running import JVM, await_views, free_ports, last, libs, starts

VERSION = "4.3.1"
SESSION_MS = 6000


class ByHand:
    """Three combined nodes without any tool, formatted once: three JVMs at once."""

    def __init__(self, folder: Path, libs: Path) -> None:
        self._folder = folder
        self._libs = libs
        ports = free_ports(6)
        self.brokers = [Endpoint("127.0.0.1", port) for port in ports[:3]]
        controllers = [Endpoint("127.0.0.1", port) for port in ports[3:]]
        cluster_id = uuid(b"0123456789abcdef")
        voters = ",".join(f"{n}@{at}:{directory_id(cluster_id, n)}" for n, at in enumerate(controllers, 1))
        for number, (broker, controller) in enumerate(zip(self.brokers, controllers, strict=True), 1):
            listeners = f"PLAINTEXT://{broker},CONTROLLER://{controller}"
            self._file(number).write_text(
                f"process.roles=broker,controller\nnode.id={number}\nlisteners={listeners}\n"
                f"advertised.listeners={listeners}\ncontroller.listener.names=CONTROLLER\n"
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
                f"controller.quorum.bootstrap.servers={','.join(map(str, controllers))}\n"
                f"log.dirs={folder / f'node-{number}'}\n"
                # That of labs: a broker that comes back is refused until its old session has ended.
                f"broker.session.timeout.ms={SESSION_MS}\n"
                "offsets.topic.replication.factor=3\ntransaction.state.log.replication.factor=3\n"
            )
            words = [
                "format",
                "-t",
                cluster_id,
                "-c",
                str(self._file(number)),
                "--initial-controllers",
                voters,
            ]
            self._java("kafka.tools.StorageTool", *words).wait(timeout=DEADLINE)
        self._running: list[subprocess.Popen[bytes]] = []

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.properties"

    def start(self) -> float:
        """Start all three and return the seconds until each knows all of them, unfenced, and all have lasted for a second."""
        started = time.monotonic()
        self._running = [self._start_node(number) for number in (1, 2, 3)]
        await_views(self.brokers, started)
        last(self._running)
        return time.monotonic() - started

    def _start_node(self, number: int) -> subprocess.Popen[bytes]:
        return self._java("kafka.Kafka", str(self._file(number)))

    def restart(self, number: int) -> None:
        """Let one node end, and start it again; the first one is number 0."""
        self._running[number].terminate()
        self._running[number].wait(timeout=DEADLINE)
        self._running[number] = self._start_node(number + 1)

    def stop(self) -> None:
        """End what was started."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(timeout=DEADLINE)

    def _java(self, main: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / "out.log").open("ab") as log:
            return subprocess.Popen(
                ["java", *JVM, "-Xmx256m", "-cp", f"{self._libs}/*", main, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )


def start(runs: int) -> list[Row]:
    """Measure `start` of three combined nodes until its proofs hold, and what formatting adds, against three JVMs by hand."""
    with lab(3, VERSION) as here, tempfile.TemporaryDirectory(prefix="kafab-by-hand-") as folder:
        here.fab("deploy")
        mine, plain = starts(here, ByHand(Path(folder), libs(here)), runs)
        formatted = mine + _formatting(here, runs)
    what, by_hand = "start of 3 combined KRaft nodes", "three JVMs by hand"
    limit = 1.25 * plain + 1
    return [
        ratio(f"{what} / {by_hand}", [mine], [plain], 1.25),
        Row(f"{what}, formatted / {by_hand}", formatted, plain, "1.25x + 1 s", formatted <= limit),
    ]


def _formatting(here: Lab, runs: int) -> float:
    """Return the seconds that formatting adds to a deploy: one that makes and formats data folders, less one that makes others."""

    def without(folders: list[Path]) -> float:
        for folder in folders:
            shutil.rmtree(folder)
        for node in here.cluster.nodes:
            # Or the deploy would refuse: the data that has been there is gone.
            Path(node.config / HELD).unlink(missing_ok=True)
        return here.fab("deploy")

    nodes = here.cluster.nodes
    formats, makes = alternate(
        runs,
        lambda: without([Path(path) for node in nodes for path in node.data]),
        lambda: without([Path(node.logs) for node in nodes]),
    )
    return formats - makes
