"""The topics' command line: its flags reach the operation, and its exit codes and streams are right."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from invoke.collection import Collection
from invoke.program import Program

from kafab.cluster.metadata import ConfigEntry, Metadata, Partition, TopicSpec
from kafab.events import silent
from kafab.model import Cluster, Endpoint
from kafab.unknown import Unknown
from tasks import topics
from tasks.chain import CHAIN

Fab = Callable[..., int]


class _Brokers:
    """Three brokers with the topic orders; they keep what they are told to do."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def metadata(self) -> Metadata:
        brokers = {broker: Endpoint("127.0.0.1", 9090 + broker) for broker in (1, 2, 3)}
        return Metadata("id", 1, brokers, (Partition("orders", 0, 1, (1, 2, 3), (1, 2, 3)),))

    def topic_configs(self, names: list[str]) -> dict[str, dict[str, ConfigEntry]]:
        known = {
            "retention.ms": ConfigEntry("retention.ms", "5", is_default=False),
            "segment.ms": ConfigEntry("segment.ms", "7", is_default=True),
        }
        return dict.fromkeys(names, known)

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        self.told.append(spec)
        return Unknown("connection reset") if spec.name == "lost" else None

    def alter_configs(self, topic: str, values: dict[str, str | None]) -> None:
        self.told.append((topic, dict(values)))

    def add_partitions(self, name: str, total: int) -> None:
        self.told.append((name, total))

    def delete_topic(self, name: str) -> None:
        self.told.append(f"delete {name}")


@pytest.fixture
def brokers() -> _Brokers:
    """Return the brokers that the commands of a test talk to."""
    return _Brokers()


@pytest.fixture
def fab(brokers: _Brokers, small: Cluster, monkeypatch: pytest.MonkeyPatch) -> Fab:
    """Return a function that runs one command line on a real (no lab) cluster and returns its exit code."""
    cluster = replace(small, name="prod", lab=False)
    session = SimpleNamespace(cluster=cluster, brokers=brokers, topics=brokers, emit=silent)
    monkeypatch.setattr(CHAIN, "session", lambda: session)
    tree = Collection()
    tree.add_collection(Collection.from_module(topics), name="topics")

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            _run(tree, words)
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def _run(tree: Collection, words: tuple[str, ...]) -> None:
    Program(namespace=tree).run(["fab", *words])
    raise SystemExit(0)  # Invoke returns where a command line worked


def test_create_passes_its_flags_on(fab: Fab, brokers: _Brokers) -> None:
    """Counts are numbers, and --config may be given again."""
    code = fab(
        *("topics.create", "new", "--partitions", "6", "--replication-factor", "3"),
        *("--config", "retention.ms=1=2", "--config", "segment.ms=9"),
    )
    assert code == 0
    assert brokers.told == [TopicSpec("new", 6, 3, {"retention.ms": "1=2", "segment.ms": "9"})]


def test_alter_passes_its_flags_on(fab: Fab, brokers: _Brokers) -> None:
    """Setting, resetting and growing arrive as what they are."""
    words = ("--config", "segment.ms=9", "--delete-config", "retention.ms", "--partitions", "2")
    assert fab("topics.alter", "orders", *words) == 0
    assert brokers.told == [("orders", {"segment.ms": "9", "retention.ms": None}), ("orders", 2)]


def test_alter_to_the_same_says_so(fab: Fab, brokers: _Brokers, capsys: pytest.CaptureFixture[str]) -> None:
    """A topic that is as asked is a success without a change."""
    assert fab("topics.alter", "orders", "--config", "retention.ms=5", "--json") == 0
    assert (brokers.told, json.loads(capsys.readouterr().out)["action"]) == ([], "unchanged")


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


def test_delete_with_yes(fab: Fab, brokers: _Brokers) -> None:
    """--yes deletes without a terminal."""
    assert fab("topics.delete", "orders", "--yes") == 0
    assert brokers.told == ["delete orders"]


def test_list_prints_names(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """One name a line, for scripts."""
    assert fab("topics.list") == 0
    assert capsys.readouterr().out == "orders\n"


def test_empty_list_prints_nothing(
    fab: Fab, brokers: _Brokers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster without topics gives no line at all."""
    monkeypatch.setattr(brokers, "metadata", lambda: Metadata("id", 1, {}, ()))
    assert fab("topics.list") == 0
    assert capsys.readouterr().out == ""
