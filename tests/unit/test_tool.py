"""One of Kafka's own tools on a host: a real shell runs scripts of a release that a test has made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.command import Outcome, Result, Script
from kafab.errors import Failed, OutcomeUnknown, Unreachable, UsageError
from kafab.events import Event, Note
from kafab.model import Cluster
from kafab.ops.hosts.tool import run
from kafab.releases.names import Artifact, release_for
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in

SAYS = '#!/bin/sh\nprintf "<%s>\\n" "$@"\necho "Java ${JAVA_HOME-none}"\necho trouble >&2\nread -r line || exit 7\n'
Shell = Callable[[Script], Result]


@dataclass
class Host:
    """A host whose broker has a release with one tool, and what a run of a tool there has shown."""

    cluster: Cluster
    shell: Shell
    out: list[bytes] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def run(self, *command: str, fleet: FakeFleet | None = None, store: FakeStore | None = None) -> int:
        """Run a tool on the broker."""
        world = FakeWorld.of(
            FakeKafka(self.cluster),
            fleet=fleet or FakeFleet({"node1": self.shell}),
            store=store or FakeStore.for_cluster(self.cluster),
            emit=self.events.append,
        )
        return run(self.cluster, "node1/broker", command, world, out=self.out.append, err=self.err.append)

    @property
    def lines(self) -> Sequence[str]:
        """What was printed."""
        return b"".join(self.out).decode().splitlines()


@pytest.fixture
def host(tmp_path: Path, shell: Shell) -> Host:
    """A deployed host."""
    cluster = cluster_in(tmp_path)
    current = Path(cluster.brokers[0].current)
    program = current.parent / "kafka_2.13-3.9.2-abababababab" / "bin" / "kafka-topics.sh"
    program.parent.mkdir(parents=True)
    program.write_text(SAYS)
    program.chmod(0o755)
    current.symlink_to(program.parent.parent.name)
    return Host(cluster, shell)


def test_tool_runs_with_the_addresses_and_its_words(host: Host) -> None:
    """The words reach it whole, behind the addresses of the brokers."""
    host.run("kafka-topics.sh", "--topic", "a 'b' $c")
    assert host.lines[:4] == [
        "<--bootstrap-server>",
        f"<{host.cluster.bootstrap}>",
        "<--topic>",
        "<a 'b' $c>",
    ]


def test_tools_exit_code_and_errors_are_passed_on(host: Host) -> None:
    """What it returns and what it complains of is the tool's own; it has no input to wait for."""
    assert (host.run("kafka-topics.sh", "--list"), host.err) == (7, ["trouble\n"])


def test_what_was_filled_in_is_told(host: Host) -> None:
    """An operator sees which cluster was asked."""
    host.run("kafka-topics.sh", "--list")
    told = f"kafka-topics.sh is given --bootstrap-server {host.cluster.bootstrap}"
    assert host.events == [Note("node1/broker", told)]


def test_tool_has_the_nodes_java(host: Host) -> None:
    """The Java of the inventory is the tool's, too."""
    changed = replace(host.cluster.hosts[0], java=PurePosixPath("/srv/java"))
    nodes = tuple(replace(node, host=changed) for node in host.cluster.nodes)
    host.cluster = replace(host.cluster, hosts=(changed,), nodes=nodes)
    host.run("kafka-topics.sh", "--list")
    assert host.lines[-1] == "Java /srv/java"


@pytest.mark.parametrize("script", ["../libs/evil.sh", "/bin/sh", "bin/kafka-topics.sh"])
def test_path_is_refused(script: str, host: Host) -> None:
    """What has a slash in it is refused before a host is asked."""
    fleet = FakeFleet({"node1": host.shell})
    with pytest.raises(UsageError, match="expected the name of a script"):
        host.run(script, fleet=fleet)
    assert fleet.ran == []


@pytest.mark.parametrize("script", ["..", "sh", "kafka-topic.sh", "-x"])
def test_what_is_no_tool_of_the_release_is_refused(script: str, host: Host) -> None:
    """A name that is no file of bin/ is not run, whatever the PATH has under it."""
    with pytest.raises(UsageError, match=f"has no {script} in its bin/"):
        host.run(script)


def test_nearest_tool_is_named(host: Host) -> None:
    """A slip of the finger gets the right name."""
    with pytest.raises(UsageError) as refused:
        host.run("kafka-topic.sh")
    assert refused.value.hint == "did you mean kafka-topics.sh?"


def test_no_tool_at_all_is_a_usage_error(host: Host) -> None:
    """Nothing behind the dashes is told with an example."""
    with pytest.raises(UsageError) as refused:
        host.run()
    assert refused.value.hint == "type `fab tool node1/broker -- kafka-topics.sh --list`"


def test_node_without_a_release_is_told(host: Host) -> None:
    """Nothing was deployed: the next step is named."""
    Path(host.cluster.brokers[0].current).unlink()
    with pytest.raises(Failed) as refused:
        host.run("kafka-topics.sh", "--list")
    assert refused.value.hint == "`fab deploy` brings it"


def test_release_without_tools_is_told_with_the_way_to_one(host: Host) -> None:
    """An old release from Maven is in the store, too: its folder there is named, and what brings another."""
    (program,) = Path(host.cluster.brokers[0].current).glob("bin/*")
    program.unlink()
    name = release_for(host.cluster.version)
    store = FakeStore(Artifact(name, Path("/cache/abab/a.tar"), "ab" * 32, 1, "maven"))
    with pytest.raises(Failed, match="has no bin/") as refused:
        host.run("kafka-topics.sh", "--list", store=store)
    assert refused.value.hint == (
        "`rm -r /cache/abab` here, then `fab releases.fetch deploy` brings a release that has it"
    )


def test_silent_host_is_unreachable(host: Host) -> None:
    """Nothing has run where nobody answered."""
    with pytest.raises(Unreachable):
        host.run("kafka-topics.sh", "--list", fleet=FakeFleet({}, unreachable={"node1": "no route"}))


def test_tool_whose_end_was_not_seen_is_unknown(host: Host) -> None:
    """A connection that drops under a tool says nothing of what the tool has done."""

    def answer(script: Script) -> Outcome:
        return Unknown("dropped") if script.called("tool") else host.shell(script)

    fleet = FakeFleet({"node1": answer})
    with pytest.raises(OutcomeUnknown, match=r"the end of kafka-topics\.sh was not seen: dropped"):
        host.run("kafka-topics.sh", "--list", fleet=fleet)
