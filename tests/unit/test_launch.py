"""A node's launch script in a real shell, with a stand-in for Java: which archive of classes it uses, records for and makes."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.config.render import node_files
from kafab.model import Cluster, Node, Role

JAVA = """#!/bin/sh
printf '%s\\n' "$@" > "${0%/bin/java}/arguments"
for word do
  case $word in
    -XX:DumpLoadedClassList=*) echo java/lang/Object > "${word#*=}" ;;
    -XX:SharedArchiveFile=*) archive=${word#*=} ;;
  esac
done
case " $* " in *" -Xshare:dump "*) [ ! -e "${0%/bin/java}/broken" ] && echo classes > "$archive" ;; esac
"""


@dataclass(frozen=True)
class Launcher:
    """A deployed node, the home of its Java, and what that Java was started with."""

    node: Node
    home: Path

    def __call__(self, *words: str) -> int:
        """Run the launch script and return its exit code."""
        return subprocess.run(["sh", self.node.config / "launch", *words], check=False).returncode

    @property
    def arguments(self) -> list[str]:
        """What Java was started with last."""
        return (self.home / "arguments").read_text().splitlines()

    @property
    def class_path(self) -> str:
        """The class path Java was started with last."""
        return self.arguments[self.arguments.index("-cp") + 1]

    @property
    def archives(self) -> list[Path]:
        """The archives that the node has."""
        return list(Path(self.node.run / "classes").glob("*.jsa"))

    @property
    def way(self) -> str:
        """How Java was started last: with an archive, recording the classes for one, or plainly."""
        if any(word.startswith("-XX:SharedArchiveFile=") for word in self.arguments):
            return "archive"
        return "recording" if any("DumpLoadedClassList" in word for word in self.arguments) else "plain"

    def with_archive(self) -> "Launcher":
        """Start the node, and let its archive be made."""
        assert (self(), self("archive")) == (0, 0)
        return self

    def update_java(self) -> None:
        """Put another virtual machine in the place of this one."""
        (self.home / "lib/server/libjvm.so").write_text("another one")

    def upgrade(self) -> None:
        """Let the node start from another release."""
        current = Path(self.node.current)
        release = current.parent / "kafka_2.13-3.9.3-000000000000"
        (release / "libs").mkdir(parents=True)
        current.unlink()
        current.symlink_to(release.name)


@pytest.fixture
def broker(small: Cluster, tmp_path: Path) -> Launcher:
    """Return a deployed broker that has never been started."""
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    (home / "bin/java").write_text(JAVA)
    (home / "bin/java").chmod(0o755)
    (home / "lib/server").mkdir(parents=True)
    (home / "lib/server/libjvm.so").write_text("one")
    host = replace(small.hosts[0], java=PurePosixPath(home))
    nodes = tuple(replace(node, host=host) for node in small.nodes)
    cluster = replace(small, hosts=(host,), nodes=nodes)
    node = cluster.brokers[0]
    for folder in (node.config, node.run, node.logs):
        Path(folder).mkdir(parents=True)
    for file in node_files(cluster, node):
        Path(file.path).write_text(file.text)
    libs = Path(node.host.paths.releases / "kafka_2.13-3.9.2-0123456789ab" / "libs")
    libs.mkdir(parents=True)
    for jar in ("b.jar", "a.jar", "B.jar"):
        (libs / jar).touch()
    Path(node.current).symlink_to(libs.parent.name)
    return Launcher(node, home)


def test_first_start_records(broker: Launcher) -> None:
    """Without an archive Java writes down which classes it loads."""
    broker()
    assert (broker.way, Path(broker.node.run / "classes/list").exists()) == ("recording", True)


def test_second_start_uses_the_archive(broker: Launcher) -> None:
    """With the archive made, Java starts from it, and verifies it: a damaged one would end the process."""
    broker.with_archive()()
    assert (broker.way, "-XX:+VerifySharedSpaces" in broker.arguments) == ("archive", True)


def test_archive_is_made_with_the_class_path_of_the_process(broker: Launcher) -> None:
    """Every jar is named, in an order that is the same on every host: Java refuses an archive of another class path."""
    broker()
    started = broker.class_path
    broker("archive")
    names = [path.rpartition("/")[2] for path in started.split(":")]
    assert (broker.class_path, names) == (started, ["B.jar", "a.jar", "b.jar"])


@pytest.mark.parametrize("change", [Launcher.update_java, Launcher.upgrade])
def test_archive_of_another_java_or_release_is_not_used(
    broker: Launcher, change: Callable[[Launcher], None]
) -> None:
    """Java would refuse it, and be slower than without one: the classes are recorded anew."""
    broker.with_archive()
    change(broker)
    broker()
    assert broker.way == "recording"


def test_new_archive_takes_the_place_of_the_old_one(broker: Launcher) -> None:
    """Archives of earlier releases and Javas do not pile up, nor does anything that was needed to make one."""
    broker.with_archive().update_java()
    old = broker.archives
    broker.with_archive()
    left = {path.name for path in Path(broker.node.run / "classes").iterdir()}
    assert (len(broker.archives), broker.archives != old, left - {broker.archives[0].name}) == (
        1,
        True,
        {"making"},
    )


def test_archive_that_cannot_be_made_costs_nothing(broker: Launcher) -> None:
    """Where Java gives up the node starts as before, and the next start tries again."""
    broker()
    (broker.home / "broken").touch()
    failed = broker("archive")
    broker()
    assert (failed, broker.archives, broker.way) == (1, [], "recording")


def test_archive_needs_a_start_before_it(broker: Launcher) -> None:
    """Without a list of classes there is nothing to make one of."""
    assert (broker("archive") != 0, broker.archives) == (True, [])


def test_java_without_shared_archives_starts_plainly(broker: Launcher) -> None:
    """Java 8 keeps its virtual machine elsewhere, and would refuse the flags."""
    (broker.home / "lib/server/libjvm.so").unlink()
    assert (broker(), broker.way) == (0, "plain")


def test_node_starts_where_no_classes_can_be_recorded(broker: Launcher) -> None:
    """A folder that cannot be made costs the archive only."""
    Path(broker.node.run / "classes").touch()
    assert (broker(), broker.way) == (0, "plain")


def test_making_an_archive_leaves_the_run_record(broker: Launcher) -> None:
    """The process that the record tells of runs on."""
    broker()
    record = Path(broker.node.run / "process")
    before = (record.read_text(), record.stat().st_ino)
    broker("archive")
    assert (record.read_text(), record.stat().st_ino) == before


def test_flags_of_the_inventory_win(broker: Launcher, small: Cluster) -> None:
    """Java takes the last of two equal flags, so whoever sets one of these in `jvm:` gets it."""
    node = replace(broker.node, jvm=("-XX:SharedArchiveFile=/mine.jsa",))
    launch = next(file for file in node_files(small, node) if file.path.name == "launch")
    Path(launch.path).write_text(launch.text)
    broker.with_archive()()
    given = [word for word in broker.arguments if word.startswith("-XX:SharedArchiveFile=")]
    assert (len(given), given[-1]) == (2, "-XX:SharedArchiveFile=/mine.jsa")


@pytest.mark.parametrize("role", [Role.ZOOKEEPER, Role.BROKER])
def test_archive_is_no_part_of_the_configuration(small: Cluster, role: Role) -> None:
    """What the hosts make for themselves is none of a node's files, so it is never a change to deploy."""
    node = next(node for node in small.nodes if node.role is role)
    assert {file.path.parent for file in node_files(small, node)} == {node.config}
