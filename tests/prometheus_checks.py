"""A real Prometheus over a cluster that runs: what it sees, and which alerts fire."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from kafab.metrics import prometheus
from kafab.metrics.alerts import ALERTS, Alert
from kafab.metrics.dashboards import BOARDS
from kafab.model import Cluster
from kafab.ops.author.metrics import render
from tests.conftest import cannot_run
from tests.ports import reserved_ports

Alerts: TypeAlias = set[tuple[str, str]]
"""Names of alerts, each with its node; "" for those of a cluster."""
PATIENCE = 180.0
OFTEN = 3
"""Seconds between two scrapes, and for each: on a busy machine one takes longer than a second."""


@dataclass(frozen=True)
class Prometheus:
    """One that runs, by its address."""

    url: str

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

    def up(self) -> int:
        """Return how many nodes it reads."""
        return len(self.asked('up{job="kafab"} == 1'))


def check_panels(watcher: Prometheus, cluster: Cluster) -> None:
    """Each panel of each dashboard has data before long, but for those of the other mode; a rate needs two scrapes."""
    deadline = time.monotonic() + PATIENCE
    while empty := _empty(watcher, cluster):
        assert time.monotonic() < deadline, empty
        time.sleep(1)


def _empty(watcher: Prometheus, cluster: Cluster) -> list[str]:
    other = "zookeeper" if cluster.kraft else "kraft"
    return [
        f"{board.name}: {panel.title}"
        for board in BOARDS
        for panel in board.panels
        if panel.mode != other and not watcher.asked(_filled(panel.expr, cluster))
    ]


def _filled(expr: str, cluster: Cluster) -> str:
    """Put in what Grafana does."""
    return expr.replace("$cluster", cluster.name).replace("$node", ".*").replace("$__rate_interval", "30s")


@contextmanager
def watching(cluster: Cluster, folder: Path, hurry: int) -> Iterator[Prometheus]:
    """Run a Prometheus that reads the nodes every `OFTEN` seconds, and whose alerts wait only a part of their time."""
    program = shutil.which("prometheus")
    if program is None:
        cannot_run(
            "no prometheus on this machine; on Debian, as root: apt-get install prometheus (scripts/bootstrap --test does)"
        )
    render(cluster, folder)
    quick = [hurried(alert, hurry) for alert in ALERTS]
    (folder / "rules" / "kafab.yml").write_text(prometheus.rules(quick))
    (folder / "prometheus.yml").write_text(prometheus.configuration(str(folder), step=OFTEN))
    (port,) = reserved_ports(1)
    words = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([program, *words], stdout=log, stderr=log) as process,
    ):
        try:
            found = Prometheus(f"http://127.0.0.1:{port}")
            until(
                lambda: process.poll() is not None or (_answers(found) and found.up() == len(cluster.nodes))
            )
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            yield found
        finally:
            process.terminate()


def hurried(alert: Alert, hurry: int) -> Alert:
    """Return an alert whose times are all shorter: how long it waits, how old a process must be, how far it looks back."""
    aged = alert.expr.replace("> 600", f"> {600 // hurry}")
    looked = aged.replace("[10m]", f"[{max(600 // hurry, 4 * OFTEN)}s]")
    return replace(alert, expr=looked, wait=alert.wait // hurry)


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
