"""The run record as root keeps it for a unit under systemd, in a real shell."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.config.render import configuration_digest, configuration_files, node_files
from kafab.model import Cluster, Node, Supervisor
from kafab.plans.state import desire

RELEASE = "kafka_2.13-3.9.2-0123456789ab"


@pytest.fixture
def broker(small: Cluster) -> Node:
    """Return a deployed broker under systemd, whose run folder is ours alone."""
    host = replace(small.hosts[0], supervisor=Supervisor.SYSTEMD)
    node = replace(small.brokers[0], host=host)
    for folder in (node.config, node.run, node.host.paths.releases / RELEASE):
        Path(folder).mkdir(parents=True)
    for path in (Path(node.run), *Path(node.run).parents[:2]):
        path.chmod(0o755)
    Path(node.current).symlink_to(RELEASE)
    for file in node_files(small, node):
        Path(file.path).write_text(file.text)
    return node


def record(node: Node, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the unit's script, as systemd does before and behind the process."""
    return subprocess.run(["sh", node.config / "record", *words], capture_output=True, text=True, check=False)


def test_record_has_what_a_start_was_from(broker: Node, small: Cluster) -> None:
    """Pid, start time, release and the configuration's digest, as `observation` reads them."""
    record(broker, "begin")
    record(broker, "started", str(os.getpid()))
    start = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    digest = configuration_digest(configuration_files(node_files(small, broker)))
    kept = Path(broker.run / "process").read_text()
    assert kept == f"{os.getpid()} {start} {RELEASE} {digest}\n"


def test_record_of_a_node_with_a_secret_has_a_keyed_digest(broker: Node, small: Cluster) -> None:
    """Root's script takes the key of the host into the digest that everybody may read."""
    node = replace(broker, properties={"ssl.key.password": "${env:KEY}"})
    (wanted,) = desire(small, [node], None).nodes
    assert wanted.key
    for file in (*wanted.files, wanted.key):
        Path(file.path).write_text(file.text)
    record(node, "begin")
    digest = (Path(node.run) / "begun").read_text().split()[1]
    plain = configuration_digest(configuration_files(wanted.files))
    assert (digest == wanted.configuration(wanted.key.sha256), digest == plain) == (True, False)


def test_release_is_that_of_the_moment_before_the_process(broker: Node) -> None:
    """A deploy that flips the link meanwhile does not change what was started."""
    record(broker, "begin")
    Path(broker.current).unlink()
    Path(broker.current).symlink_to("another")
    record(broker, "started", str(os.getpid()))
    assert Path(broker.run / "process").read_text().split()[2] == RELEASE


@pytest.mark.parametrize("pid", [(), ("",), ("2147483647",)])
def test_process_that_is_gone_leaves_the_record_of_one(broker: Node, pid: tuple[str, ...]) -> None:
    """Its start time is nobody's, so no process is taken for it."""
    record(broker, "begin")
    done = record(broker, "started", *pid)
    kept = Path(broker.run / "process").read_text().split()
    assert (done.returncode, kept[0], kept[1]) == (0, pid[0] if pid and pid[0] else "0", "0")


@pytest.mark.parametrize("words", [("begin",), ("started", "1")])
def test_folder_that_is_not_roots_gets_no_record(
    broker: Node, words: tuple[str, ...], tmp_path: Path
) -> None:
    """Nothing is written through what another account may have put there; the unit fails, and its journal says why."""
    (tmp_path / "outside").touch()
    for name in ("begun.new", "process.new"):
        Path(broker.run / name).symlink_to(tmp_path / "outside")
    Path(broker.run).chmod(0o777)
    done = record(broker, *words)
    assert (done.returncode, f"everybody can write in {broker.run}" in done.stderr) == (1, True)
    assert (tmp_path / "outside").read_text() == ""


def test_launch_script_writes_no_record(broker: Node, small: Cluster) -> None:
    """It runs as the service account; under `process` it is the one that records."""
    texts = {
        supervisor: next(
            file.text
            for file in node_files(small, replace(broker, host=replace(broker.host, supervisor=supervisor)))
            if file.path.name == "launch"
        )
        for supervisor in Supervisor
    }
    assert {name: "process.new" in text for name, text in texts.items()} == {
        Supervisor.SYSTEMD: False,
        Supervisor.PROCESS: True,
    }
