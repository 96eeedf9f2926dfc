"""The inventories that a cluster begins with: each can be used as it stands, and says which mode to choose."""

import re
from pathlib import Path

import pytest

from kafab.errors import UsageError
from kafab.model import Mode, Version
from kafab.ops.author import inventories


@pytest.mark.parametrize(
    ("mode", "version", "summary"),
    [
        (None, None, "prod: 3 hosts, 3 controllers, 3 brokers, Kafka 4.3.1: OK"),
        (Mode.KRAFT, Version(3, 9, 2), "prod: 3 hosts, 3 controllers, 3 brokers, Kafka 3.9.2: OK"),
        (Mode.ZOOKEEPER, None, "prod: 3 hosts, 3 zookeeper, 3 brokers, Kafka 3.9.2: OK"),
        (Mode.ZOOKEEPER, Version(2, 4, 1), "prod: 3 hosts, 3 zookeeper, 3 brokers, Kafka 2.4.1: OK"),
    ],
)
def test_starter_loads(tmp_path: Path, mode: Mode | None, version: Version | None, summary: str) -> None:
    """The starter that `inventory.new` writes is a cluster of three without a warning: in KRaft mode unless told."""
    path = inventories.create("prod", tmp_path, mode, version)
    verdict = inventories.check(path)
    assert (path, verdict.summary, verdict.problems) == (
        tmp_path / "inventory" / "prod.yaml",
        summary,
        (),
    )


@pytest.mark.parametrize("mode", [*Mode])
def test_starters_comments_are_inventory(tmp_path: Path, mode: Mode) -> None:
    """What a starter shows behind a # can be used as its comments say, but for the id that is only hinted at."""
    path = inventories.create("prod", tmp_path, mode)
    text = re.sub(r"^( *)# ( *[a-z][\w.]*:)", r"\1\2", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = "".join(line for line in text.splitlines(keepends=True) if not re.search(r"^prod:|: \.\.\.", line))
    if "controller1:" in text:
        text = re.sub(r"controller: \d, ", "", text)
    path.write_text(text, encoding="utf-8")
    verdict = inventories.check(path)
    assert (verdict.problems, verdict.cluster and len(verdict.cluster.brokers)) == ((), 4)


@pytest.mark.parametrize("mode", [*Mode])
def test_starter_says_which_mode_a_new_cluster_should_have(tmp_path: Path, mode: Mode) -> None:
    """Whoever reads a starter learns that a new cluster should not start on ZooKeeper, and how to get the other one."""
    text = inventories.create("prod", tmp_path, mode).read_text(encoding="utf-8")
    other = "fab inventory.new NAME" + (" --mode zookeeper" if mode is Mode.KRAFT else "")
    assert (
        f"`{other}`" in text,
        "A new cluster should not start on" in text or "For a new cluster" in text,
    ) == (
        True,
        True,
    )


@pytest.mark.parametrize(("mode", "version"), [(None, Version(2, 4, 1)), (Mode.ZOOKEEPER, Version(4, 3, 1))])
def test_starter_of_a_version_without_that_mode_is_refused(
    tmp_path: Path, mode: Mode | None, version: Version
) -> None:
    """No file is written that could not be used, and the hint names the way out."""
    with pytest.raises(UsageError) as refused:
        inventories.create("prod", tmp_path, mode, version)
    assert ("--mode" in str(refused.value.hint), [*tmp_path.iterdir()]) == (True, [])


def test_starter_never_overwrites(tmp_path: Path) -> None:
    """An inventory that exists stays as it is."""
    path = inventories.create("prod", tmp_path)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="exists and stays as it is"):
        inventories.create("prod", tmp_path)
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["", "../prod", "a b", "-prod", ".hidden", "a/b", "pr\u043ed"])
def test_starter_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    """A name that could not be a cluster's writes nothing."""
    with pytest.raises(UsageError):
        inventories.create(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("mode", "version"),
    [(Mode.KRAFT, None), (Mode.ZOOKEEPER, None), (Mode.ZOOKEEPER, Version(2, 8, 2))],
)
def test_secure_starter_loads(tmp_path: Path, mode: Mode, version: Version | None) -> None:
    """The starter of a secure cluster can be used as it stands, too, and has an authorizer."""
    verdict = inventories.check(inventories.create("prod", tmp_path, mode, version, secure=True))
    cluster = verdict.cluster
    assert (cluster and cluster.security and cluster.security.authorizer, verdict.problems) == (True, ())
