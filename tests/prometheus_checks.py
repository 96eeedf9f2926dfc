"""A real Prometheus over a cluster that runs: what it sees, and which alerts fire."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias

import yaml
from kafka.protocol.admin import AlterPartitionReassignmentsRequest

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.brokers import BrokerConnections
from kafab.cluster.metadata import Metadata
from kafab.metrics import prometheus
from kafab.metrics.alerting import Alert
from kafab.metrics.alerts import ALERTS
from kafab.metrics.dashboards import BOARDS
from kafab.model import Cluster
from kafab.ops.author.metrics import render
from kafab.ops.check.figures import THROTTLES
from kafab.unknown import Unknown
from tests.conftest import cannot_run
from tests.disturbances import frozen
from tests.group_checks import reading, topic_of_one
from tests.labs import LocalLab
from tests.ports import reserved_ports

Alerts: TypeAlias = set[tuple[str, str]]
"""Names of alerts, each with its node; "" for those of a cluster."""
PATIENCE = 180.0
THROTTLE = "KafkaThrottleLeftBehind"
UNITS = {"m": 60, "h": 3600, "d": 86400}
LONGEST = 10
"""Seconds that an alert of tests waits at most: some wait a day."""
OFTEN = 3
"""Seconds between two scrapes, and for each: on a busy machine one takes longer than a second."""


@dataclass(frozen=True)
class Prometheus:
    """One that runs, by its address."""

    url: str
    textfile: Path | None = None
    """What it reads beside the nodes."""

    def asked(self, query: str) -> list[dict[str, Any]]:
        """Return what a query finds now."""
        with urllib.request.urlopen(
            f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=30
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def firing(self) -> Alerts:
        """Return the alerts that fire now, each with its node."""
        found = self.asked('ALERTS{alertstate="firing"}')
        return {(one["metric"]["alertname"], one["metric"].get("node", "")) for one in found}

    def fires(self, expected: Alerts) -> None:
        """Wait until all of these fire."""
        deadline = time.monotonic() + PATIENCE
        while missing := expected - self.firing():
            assert time.monotonic() < deadline, f"silent: {missing}"
            time.sleep(0.5)

    def fired(self, seconds: int) -> set[str]:
        """Return the names of the alerts that have fired in the seconds before now."""
        found = self.asked(f'max_over_time(ALERTS{{alertstate="firing"}}[{seconds}s])')
        return {one["metric"]["alertname"] for one in found}

    def write(self, lab: LocalLab) -> None:
        """Have the textfile written anew, as a timer would; a node that is frozen is unknown in it."""
        assert lab.fab("observe.textfile", "--out", str(self.textfile)).code in (0, 5)

    def up(self) -> int:
        """Return how many nodes it reads."""
        return len(self.asked('up{job="kafab"} == 1'))


def check_panels(watcher: Prometheus, lab: LocalLab) -> None:
    """Each panel of each dashboard has data before long, but for those of another kind of cluster; a rate needs two scrapes."""
    with reading(lab):
        watcher.write(lab)
        deadline = time.monotonic() + PATIENCE
        while empty := _empty(watcher, lab.cluster):
            assert time.monotonic() < deadline, empty
            time.sleep(1)


def check_throttle_left_behind(watcher: Prometheus, lab: LocalLab) -> None:
    """A throttle without a move fires its alert at its broker; while a partition is moved, and once it is gone, nothing does."""
    fires = (THROTTLE, "node2/broker")
    second, third = lab.node("node2/broker"), lab.node("node3/broker")
    with (
        closing(ClientsAdmin([node.endpoint for node in lab.cluster.brokers])) as admin,
        topic_of_one(lab) as name,
    ):
        assert admin.alter_broker_configs(second.id, second.endpoint, {THROTTLES[1]: "1000"}) is None
        try:
            watcher.write(lab)
            until(lambda: fires in watcher.firing())
            view = admin.metadata()
            assert isinstance(view, Metadata)
            number = next(
                one.number for one in view.partitions if one.topic == name and one.leader != third.id
            )
            # A broker that is frozen gets no replica: the move goes on until it is called off.
            with frozen(lab.pid(third.name)):
                move(lab.cluster, name, number, [third.id])
                assert admin.reassigning() == frozenset({(name, number)})
                watcher.write(lab)
                until(lambda: fires not in watcher.firing())
                move(lab.cluster, name, number, None)
            watcher.write(lab)
            until(lambda: fires in watcher.firing())
        finally:
            assert admin.alter_broker_configs(second.id, second.endpoint, {THROTTLES[1]: None}) is None
    watcher.write(lab)
    until(lambda: fires not in watcher.firing())


def move(cluster: Cluster, topic: str, number: int, replicas: list[int] | None) -> None:
    """Ask for a partition of a topic to be moved to these brokers, or (None) for its move to be called off."""
    request = AlterPartitionReassignmentsRequest
    part = request.ReassignableTopic.ReassignablePartition(partition_index=number, replicas=replicas)
    asked = request.ReassignableTopic(name=topic, partitions=[part])

    def read(response: Any) -> str | Unknown:
        codes = {one.error_code for found in response.responses for one in found.partitions}
        return "done" if {response.error_code, *codes} == {0} else Unknown(str(response))

    with closing(BrokerConnections()) as brokers:
        at = [node.endpoint for node in cluster.brokers]
        said = brokers.ask_any(
            at, lambda: request(timeout_ms=5000, topics=[asked]), timedelta(seconds=10), read=read
        )
    assert said == "done"


def _empty(watcher: Prometheus, cluster: Cluster) -> list[str]:
    others = {"zookeeper" if cluster.kraft else "kraft"}
    others |= set() if any(one.protocol.tls for node in cluster.nodes for one in node.listeners) else {"tls"}
    return [
        f"{board.name}: {panel.title}"
        for board in BOARDS
        for panel in board.panels
        if panel.mode not in others and not watcher.asked(_filled(panel.expr, cluster))
    ]


def _filled(expr: str, cluster: Cluster) -> str:
    """Put in what Grafana does."""
    return expr.replace("$cluster", cluster.name).replace("$node", ".*").replace("$__rate_interval", "30s")


@contextmanager
def watching(cluster: Cluster, folder: Path, hurry: int) -> Iterator[Prometheus]:
    """Run a Prometheus that reads the nodes and the textfile every `OFTEN` seconds, and whose alerts wait only a part of their time."""
    program = shutil.which("prometheus")
    if program is None:
        cannot_run(
            "no prometheus on this machine; on Debian, as root: apt-get install prometheus (scripts/bootstrap --test does)"
        )
    render(cluster, folder)
    quick = [hurried(alert, hurry) for alert in ALERTS]
    (folder / "rules" / "kafab.yml").write_text(prometheus.rules(quick))
    file = folder / "kafab.prom"
    file.touch()
    (port,) = reserved_ports(1)
    with _collector(file) as at, (folder / "log").open("wb") as log:
        configuration = yaml.safe_load(prometheus.configuration(str(folder), step=OFTEN))
        configuration["scrape_configs"].append(
            {
                "job_name": "node",
                "scrape_interval": f"{OFTEN}s",
                "scrape_timeout": f"{OFTEN}s",
                "static_configs": [{"targets": [at]}],
            }
        )
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        words = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with subprocess.Popen([program, *words], stdout=log, stderr=log) as process:
            try:
                found = Prometheus(f"http://127.0.0.1:{port}", file)
                until(
                    lambda: (
                        process.poll() is not None or (_answers(found) and found.up() == len(cluster.nodes))
                    )
                )
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                yield found
            finally:
                process.terminate()


@contextmanager
def _collector(file: Path) -> Iterator[str]:
    """Stand for node-exporter's textfile collector: show the file as it is whenever it is asked; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def hurried(alert: Alert, hurry: int) -> Alert:
    """Return an alert whose times are all shorter: how old something must be, how far it looks back, and how long it waits, `LONGEST` at most."""

    def shorter(span: re.Match[str]) -> str:
        return f"{max(int(span[1]) * UNITS[span[2]] // hurry, 4 * OFTEN)}s"

    looked = re.sub(r"\b(\d+)([mhd])\b", shorter, alert.expr)
    aged = looked.replace("> 600", f"> {600 // hurry}")
    return replace(alert, expr=aged, wait=min(alert.wait // hurry, LONGEST))


def until(look: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + patience
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def of_lab(log: Sequence[str]) -> Prometheus:
    """Return the Prometheus that `lab.up --observe` has told of."""
    return Prometheus(next(word for line in log for word in line.split() if word.startswith("http://")))


def _answers(found: Prometheus) -> bool:
    try:
        with urllib.request.urlopen(f"{found.url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
