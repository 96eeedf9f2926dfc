"""observe.deploy on a host with a real Prometheus: what it reads then, and that whatever goes wrong leaves it what it had."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from kafab.metrics import configuration, placing, prometheus
from kafab.metrics.alerts import ALERTS, TESTED
from kafab.metrics.placing import Loaded, Place, Seen, decide
from kafab.model import Cluster
from kafab.ops.author.metrics import render
from tests.command_line import run_alone
from tests.conftest import cannot_run, cluster_in
from tests.fab import Done
from tests.fab import Fab as Typed
from tests.ports import ADDRESS, free_ports
from tests.sshds import Sshd, sshd, until

pytestmark = pytest.mark.e2e
OWN = """\
# Somebody's own.
global:
  scrape_interval: 15s   # often

rule_files:
  # - "first_rules.yml"

scrape_configs:
  - job_name: 'somebody'
    static_configs:
      - targets: ['127.0.0.1:9']
"""
AGENT = "scrape_configs:\n- job_name: somebody\nremote_write:\n- url: http://127.0.0.1:9/\n"
WHOLE = {"prometheus.yml", "kafab/rules/kafab.yml", "kafab/targets/prod.json"}
Fab = Callable[[int, Sequence[str]], Done]
INVENTORY = {
    "kafka": {"version": "4.3.1"},
    "observe": {"jmx": {"bind": ADDRESS}},
    "hosts": {f"node{at}": {"address": f"10.0.0.{at}", "controller": at, "broker": at} for at in (1, 2, 3)},
}


@dataclass(frozen=True)
class Site:
    """A host with a Prometheus that runs."""

    etc: Path
    port: int
    home: Path
    at: Sshd

    def line(self, *words: str, name: str = "prod", config: Path | None = None) -> tuple[str, ...]:
        """Return the words of observe.deploy for a cluster of that name.

        The host is none of its own, and is logged in to as those are.
        """
        ssh = self.at.host.ssh
        login = {"user": ssh.user, "identity": str(ssh.identity), "known_hosts": str(ssh.known_hosts)}
        inventory = self.home / f"{name}.yaml"
        inventory.write_text(yaml.safe_dump({**INVENTORY, "ssh": login}))
        where = (f"{ADDRESS}:{ssh.port}", "--config", str(config or self.config))
        return ("on", str(inventory), "observe.deploy", *where, *words)

    @property
    def config(self) -> Path:
        """The configuration that Prometheus was started with."""
        return self.etc / "prometheus.yml"

    def says(self, path: str) -> Any:
        """Ask Prometheus itself."""
        with urllib.request.urlopen(f"http://{ADDRESS}:{self.port}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def asks(self) -> set[tuple[str, str]]:
        """Return cluster and node of each target that Prometheus asks as kafab's."""
        found = (one["labels"] for one in self.says("targets?state=active")["activeTargets"])
        return {(labels["cluster"], labels["node"]) for labels in found if labels["job"] == "kafab"}

    def alerts(self) -> list[str]:
        """Return the names of the rules that Prometheus has."""
        return [rule["name"] for group in self.says("rules")["groups"] for rule in group["rules"]]

    def read_at(self) -> float:
        """Return when Prometheus has last read its files and taken them."""
        with urllib.request.urlopen(f"http://{ADDRESS}:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        name = "prometheus_config_last_reload_success_timestamp_seconds "
        return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    def files(self) -> dict[str, str]:
        """Return the text of every file below the configuration's folder, but for the lock."""
        found = (path for path in self.etc.rglob("*") if path.is_file() and path.name != "lock")
        return {str(path.relative_to(self.etc)): path.read_text() for path in found}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A host that root logs in to."""
    if os.geteuid() != 0:
        cannot_run("it takes root to be root on a host")
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def site(host: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Prometheus that watches something else, and what each test leaves there."""
    folder = tmp_path_factory.mktemp("prometheus")
    with _running(host, folder, OWN, f"--storage.tsdb.path={folder / 'data'}") as found:
        yield found


@pytest.fixture(autouse=True)
def _few_tests_of_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them take promtool 4 s, and are run by tests/unit/test_alerts.py."""
    monkeypatch.setattr(prometheus, "TESTED", {"kafab.yml": ALERTS[:1]})


@pytest.fixture
def fab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fab:
    """Run a command line, which must end with the code that is given first."""

    def run(code: int, words: Sequence[str]) -> Done:
        done = run_alone(tmp_path, capsys, *words)
        assert done.code == code, f"{done.out}\n{done.err}"
        return done

    return run


@contextmanager
def _running(host: Sshd, folder: Path, text: str, *words: str) -> Iterator[Site]:
    program = shutil.which("prometheus")
    if program is None:
        cannot_run(
            "no prometheus on this machine; on Debian, as root: apt-get install prometheus (scripts/bootstrap --test does)"
        )
    port = free_ports(1)[0]
    site = Site(folder / "etc", port, folder, host)
    site.etc.mkdir()
    site.config.write_text(text)
    options = [f"--config.file={site.config}", f"--web.listen-address={ADDRESS}:{port}", *words]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([program, *options], stdout=log, stderr=log) as process,
    ):
        try:
            assert until(lambda: _answers(site)), (folder / "log").read_text()
            yield site
        finally:
            process.send_signal(signal.SIGKILL)


def _answers(site: Site) -> bool:
    try:
        return bool(site.says("status/buildinfo"))
    except OSError:
        return False


def _nodes(*clusters: str) -> set[tuple[str, str]]:
    return {(cluster, f"node{at}/broker") for cluster in clusters for at in (1, 2, 3)}


def test_second_operator_is_kept_out(site: Site, fab: Fab) -> None:
    """Whoever holds the host's lock is told, exit 6, and nothing is changed."""
    lock = site.etc / "kafab" / "lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("ann on desk\n")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = fab(6, site.line())
    assert "ann on desk" in done.err
    assert site.files() == {"prometheus.yml": OWN}


def test_full_disk_changes_nothing(site: Site, fab: Fab) -> None:
    """Where the new files have no room the old ones stay, and nothing of the new ones is left."""
    folder = site.etc / "kafab"
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "kafab", folder], check=True)
    try:
        done = fab(1, site.line())
        assert "No space left on device" in done.err
        assert site.files() == {"prometheus.yml": OWN}
    finally:
        subprocess.run(["umount", folder], check=True)


def test_other_configuration_than_the_one_in_use_is_told(site: Site, fab: Fab) -> None:
    """A file that no Prometheus was started with is not changed, and the one that is read is named."""
    done = fab(1, site.line(config=Path("/etc/ssl/openssl.cnf")))
    assert str(site.config) in done.err.partition("was started with")[2]


def test_plan_changes_nothing(site: Site, fab: Fab) -> None:
    """With --plan the files and lines are told that would come, and none does."""
    told = fab(0, site.line("--plan")).out
    assert "+   - job_name: kafab" in told
    assert site.files() == {"prometheus.yml": OWN}


def test_host_goes_on_when_kafab_is_killed(site: Site, fab: Fab) -> None:
    """Killed while promtool is at work, a deploy comes to its end on the host, and leaves nothing beside the files."""
    with Typed(site.home).start(*site.line()) as process:
        assert until((site.etc / "kafab" / ".incoming" / "tests").exists)
        process.kill()
    assert until(lambda: set(site.files()) == WHOLE), site.files()
    again = fab(0, site.line("--json")).document
    assert (again["changes"], again["reload"], site.asks()) == ([], False, _nodes("prod"))


def test_tests_that_are_delivered_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promtool runs the files of tests as `observe.render` writes them, over all rules at once."""
    monkeypatch.undo()
    promtool = shutil.which("promtool") or cannot_run("no promtool on this machine")
    files = [
        str(file) for file in render(_observed(cluster_in(tmp_path)), tmp_path) if file.parent.name == "tests"
    ]
    done = subprocess.run([promtool, "test", "rules", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, len(files)) == (0, len(TESTED)), done.stdout + done.stderr


def test_clusters_come_and_go(site: Site, fab: Fab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus has targets and rules beside what it had; what is there, or is refused, changes nothing; with the last cluster all goes."""
    fab(0, site.line())
    assert (site.asks(), site.alerts()) == (_nodes("prod"), [alert.name for alert in ALERTS])
    assert "job_name: 'somebody'" in site.config.read_text()

    before, read_at = site.files(), site.read_at()
    again = fab(0, site.line("--json")).document
    assert (again["changes"], again["reload"]) == ([], False)
    assert (site.files(), site.read_at()) == (before, read_at)

    rules = prometheus.rules([replace(ALERTS[0], expr="up ==="), *ALERTS[1:]])
    with monkeypatch.context() as patched:
        patched.setattr(prometheus, "rules", lambda: rules)
        assert "parse error" in fab(1, site.line()).err
    assert (site.files(), site.read_at()) == (before, read_at)

    fab(0, site.line(name="test"))
    assert (site.asks(), site.read_at()) == (_nodes("prod", "test"), read_at)

    fab(0, site.line("--remove"))
    assert site.asks() == _nodes("test")
    fab(0, site.line("--remove", name="test"))
    assert (site.asks(), site.alerts(), site.files()) == (set(), [], {"prometheus.yml": OWN})


def test_lines_of_somebodys_own_that_are_broken_are_told(site: Site, fab: Fab) -> None:
    """What promtool says of the whole configuration is told, and the configuration stays as somebody has left it."""
    broken = OWN.replace("job_name", "jobname")
    site.config.write_text(broken)
    assert "jobname" in fab(1, site.line()).err
    assert site.files() == {"prometheus.yml": broken}


def test_what_prometheus_does_not_take_is_put_back(host: Sshd, tmp_path: Path, fab: Fab) -> None:
    """A Prometheus in agent mode refuses rules, which promtool does not know of it: it gets its old configuration again."""
    words = ("--enable-feature=agent", f"--storage.agent.path={tmp_path / 'data'}")
    with _running(host, tmp_path, AGENT, *words) as agent:
        read_at = agent.read_at()
        assert "has read them" in fab(1, agent.line()).err
        assert (agent.files(), agent.read_at() > read_at) == ({"prometheus.yml": AGENT}, True)


@pytest.mark.parametrize("remove", [False, True], ids=["added", "removed"])
def test_every_step_leaves_files_that_prometheus_takes(remove: bool, tmp_path: Path) -> None:
    """Cut off after any of its steps, an exchange leaves a configuration that Prometheus starts with."""
    promtool = shutil.which("promtool") or cannot_run("no promtool on this machine")
    place = Place(PurePosixPath(tmp_path) / "prometheus.yml", "small")
    cluster = _observed(cluster_in(tmp_path))
    new = [
        placing.File(text)
        for text in (
            configuration.edited(OWN, str(place.folder)),
            prometheus.targets(cluster),
            prometheus.rules(),
        )
    ]
    paths = (place.config, place.targets, place.rules)
    there = dict(zip(paths, new, strict=True)) if remove else {place.config: placing.File(OWN)}
    for path, file in there.items():
        _write(Path(path), file.text)
    steps = decide(cluster, place, Seen(files=there), Loaded(True, 0.0), remove=remove).changes
    assert len(steps) == 3
    for step in steps:
        _write(Path(step.path), step.after)
        done = subprocess.run(
            [promtool, "check", "config", place.config], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _observed(cluster: Cluster) -> Cluster:
    return replace(cluster, nodes=tuple(replace(node, metrics_port=7071) for node in cluster.nodes))


def _write(path: Path, text: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
