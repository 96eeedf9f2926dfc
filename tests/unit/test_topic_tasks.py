"""The topics' command line: its flags reach the operation, and its exit codes and streams are right."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.cluster.metadata import TopicSpec
from kafab.testing.admin import FakeAdmin
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tasks import topics
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in


class LossyAdmin(FakeAdmin):
    """The answer to the creation of the topic lost is lost."""

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        """Create it."""
        outcome = super().create_topic(spec)
        return Unknown("connection reset") if spec.name == "lost" else outcome


@pytest.fixture
def kafka(tmp_path: Path) -> FakeKafka:
    """Three brokers, no lab's, with the topic orders."""
    made = FakeKafka(replace(cluster_in(tmp_path, 3), name="prod", lab=False))
    made.add("orders", [(1, 2, 3)])
    made.configs["orders"] = {"retention.ms": "5"}
    return made


@pytest.fixture
def admin(kafka: FakeKafka) -> FakeAdmin:
    """What the commands of a test talk to."""
    return LossyAdmin(kafka)


@pytest.fixture
def fab(kafka: FakeKafka, admin: FakeAdmin, monkeypatch: pytest.MonkeyPatch) -> Fab:
    """Return a function that runs one command line and returns its exit code."""
    world = FakeWorld.of(kafka, admin)
    return on_fakes(monkeypatch, kafka.cluster, world, tree_of(topics))


def partitions(kafka: FakeKafka, topic: str) -> list[int]:
    """Return how many replicas each partition of a topic has."""
    return [len(partition.replicas) for partition in kafka.partitions if partition.topic == topic]


def test_create_passes_its_flags_on(fab: Fab, kafka: FakeKafka) -> None:
    """Counts are numbers, and --config may be given again."""
    code = fab(
        *("topics.create", "new", "--partitions", "6", "--replication-factor", "3"),
        *("--config", "retention.ms=1=2", "--config", "min.insync.replicas=2"),
    )
    assert (code, partitions(kafka, "new")) == (0, [3] * 6)
    assert kafka.configs["new"] == {"retention.ms": "1=2", "min.insync.replicas": "2"}


def test_alter_passes_its_flags_on(fab: Fab, kafka: FakeKafka) -> None:
    """Setting, resetting and growing arrive as what they are."""
    words = ("--config", "min.insync.replicas=2", "--delete-config", "retention.ms", "--partitions", "2")
    assert fab("topics.alter", "orders", *words) == 0
    assert (kafka.configs["orders"], partitions(kafka, "orders")) == ({"min.insync.replicas": "2"}, [3, 3])


def test_alter_to_the_same_says_so(fab: Fab, admin: FakeAdmin, capsys: pytest.CaptureFixture[str]) -> None:
    """A topic that is as asked is a success without a change."""
    assert fab("topics.alter", "orders", "--config", "retention.ms=5", "--json") == 0
    assert (admin.calls, json.loads(capsys.readouterr().out)["action"]) == ([], "unchanged")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("topics.create", "orders"), 2),
        (("topics.create", "new", "--partitions", "many"), 2),
        (("topics.create", "lost"), 5),
        (("topics.describe", "nothing"), 2),
        (("topics.delete", "__consumer_offsets", "--yes"), 3),
        (("topics.delete", "orders"), 2),
    ],
)
def test_errors_have_their_code_in_the_document(
    fab: Fab, words: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error has its exit code and stands on stderr, and with --json the document on stdout is that error."""
    assert fab(*words, "--json") == code
    captured = capsys.readouterr()
    assert (json.loads(captured.out)["exit_code"], captured.err.startswith("error: ")) == (code, True)


def test_delete_with_yes(fab: Fab, kafka: FakeKafka) -> None:
    """--yes deletes without a terminal."""
    assert fab("topics.delete", "orders", "--yes") == 0
    assert kafka.configs == {}


def test_list_prints_names(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """One name a line, for scripts."""
    assert fab("topics.list") == 0
    assert capsys.readouterr().out == "orders\n"


def test_empty_list_prints_nothing(fab: Fab, kafka: FakeKafka, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster without topics gives no line at all."""
    kafka.partitions.clear()
    kafka.configs.clear()
    assert fab("topics.list") == 0
    assert capsys.readouterr().out == ""
