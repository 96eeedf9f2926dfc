"""A row about secure clusters: start against the same JVMs by hand, with the very files and data that kafab has written."""

import subprocess
import time

from kafab.listeners import Protocol
from kafab.login import Identity, Login
from scripts.benches.kraft import VERSION
from scripts.benches.labs import Lab, lab
from scripts.benches.measuring import DEADLINE, Row, ratio
from scripts.benches.running import JVM, await_views, last, libs, starts


class SameFiles:
    """The nodes of a lab that is stopped, started without kafab: all JVMs at once."""

    def __init__(self, here: Lab) -> None:
        self._nodes, self._libs = here.cluster.nodes, libs(here)
        source = here.cluster.source
        if source is None:
            raise TypeError("a lab's cluster is of a file")
        pki = source.parent / "pki"
        own = pki / "operator"
        self._login = Login(Protocol.SSL, Identity(pki / "ca.crt", own / "node.crt", own / "node.key"))
        self._brokers = [node.endpoint for node in here.cluster.brokers]
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> float:
        """Start all and return the seconds until each broker names all of them, and all have lasted for a second."""
        started = time.monotonic()
        self._running = [
            subprocess.Popen(
                [
                    *("java", *JVM, f"-Xmx{node.heap}", "-cp", f"{self._libs}/*", "kafka.Kafka"),
                    str(node.config / "server.properties"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for node in self._nodes
        ]
        await_views(self._brokers, started, self._login)
        last(self._running)
        return time.monotonic() - started

    def stop(self) -> None:
        """End what was started."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(timeout=DEADLINE)
        self._running = []


def start(runs: int) -> list[Row]:
    """Measure `start` of a secure lab of three combined nodes until its proofs hold, against the same JVMs by hand."""
    with lab(3, VERSION, "--secure") as here:
        here.fab("deploy")
        mine, plain = starts(here, SameFiles(here), runs)
    return [ratio("start of 3 secure KRaft nodes / the same JVMs and files by hand", [mine], [plain], 1.25)]
