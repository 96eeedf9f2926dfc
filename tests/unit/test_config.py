"""What a broker runs with, beside its file."""

import json
from pathlib import Path

import pytest

from kafab.cluster.metadata import Source
from kafab.config.render import MAIN_FILE, node_files
from kafab.errors import UsageError
from kafab.ops.config import SECRET, Line, show
from kafab.screens.config import show_config
from kafab.screens.console import Console
from tests.conftest import cluster_in
from tests.cosmos import Cosmos


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """A cluster of three brokers, all up."""
    return Cosmos(cluster_in(tmp_path, 3)).up()


def edited(cosmos: Cosmos, text: str) -> None:
    """Let the file of the first broker have these lines as well."""
    node = cosmos.cluster.brokers[0]
    path = node.config / MAIN_FILE[node.role]
    before = next(file.text for file in node_files(cosmos.cluster, node) if file.path == path)
    cosmos.edits[path] = f"{before}{text}"


def line(cosmos: Cosmos, key: str) -> Line:
    """Return what is shown of one property of the first broker."""
    (found,) = show(cosmos.cluster, "node1/broker", key, cosmos.world).lines
    return found


@pytest.mark.parametrize(
    ("broker", "source"), [(1, Source.BROKER), (None, Source.CLUSTER), (2, Source.DEFAULT)]
)
def test_running_value_has_its_source(cosmos: Cosmos, broker: int | None, source: Source) -> None:
    """A value that was set for this broker, for all, and one that was set for another broker."""
    cosmos.kafka.dynamic[broker] = {"num.io.threads": "16"}
    found = line(cosmos, "num.io.threads")
    assert (found.file, found.running and found.running.source) == (None, source)


def test_file_is_read_on_the_host(cosmos: Cosmos) -> None:
    """A file that differs from the inventory's is shown as it is, beside the value that the broker was started with."""
    edited(cosmos, "num.io.threads=5\n")
    found = line(cosmos, "num.io.threads")
    assert (found.file, found.value) == ("5", "8")


def test_without_key_defaults_are_left_out(cosmos: Cosmos) -> None:
    """What the file has and what was set is shown, sorted; Kafka's own defaults are not."""
    cosmos.kafka.dynamic[1] = {"background.threads": "11"}
    names = [found.name for found in show(cosmos.cluster, "node1", None, cosmos.world).lines]
    assert names == sorted(names)
    assert {"background.threads", "broker.id"} <= set(names)
    assert "num.io.threads" not in names


def test_secrets_are_hidden(cosmos: Cosmos) -> None:
    """Neither the file's value nor the running one is shown, only that there is one."""
    edited(cosmos, "ssl.key.password=one\n")
    found = line(cosmos, "ssl.key.password")
    assert (found.file, found.value) == (SECRET, SECRET)


@pytest.mark.parametrize(
    ("node", "key", "said"),
    [("node1/zookeeper", None, "no such broker or controller"), ("node9", None, "no such broker or controller"), ("node1", "nonsense", "no property nonsense")],
)  # fmt: skip
def test_strangers_are_refused(cosmos: Cosmos, node: str, key: str | None, said: str) -> None:
    """A node that is no broker, and a property that neither file nor broker has."""
    with pytest.raises(UsageError, match=said):
        show(cosmos.cluster, node, key, cosmos.world)


def test_silent_broker_leaves_the_file(cosmos: Cosmos, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the broker does not answer the file is shown, and the reason."""
    cosmos.change("node1/broker", False)
    found = show(cosmos.cluster, "node1", "broker.id", cosmos.world)
    show_config(Console(json=True), cosmos.cluster, found)
    document = json.loads(capsys.readouterr().out)
    assert document["properties"] == [{"property": "broker.id", "file": "1", "running": None, "source": None}]
    assert "refused" in document["running_unknown"]
