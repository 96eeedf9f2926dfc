"""The figures that `observe.textfile` writes: what each is of, what is unknown, and the file."""

import json
import os
import stat
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kafab.command import Outcome, Result, Script
from kafab.groups.values import CLASSIC, Commit, Described, Ends, Group, Member, Place
from kafab.listeners import Protocol
from kafab.metrics import textfile
from kafab.metrics.exposition import Sample, text
from kafab.metrics.group_figures import MOST_LAGS, groups
from kafab.metrics.textfile import HELPS
from kafab.model import Cluster, Version
from kafab.ops.alone import alone
from kafab.ops.check import figures
from kafab.ops.check.figures import DEADLINE, THROTTLES, Gathered, gather
from kafab.plans.state import desire
from kafab.testing.admin import FakeAdmin
from kafab.testing.fleet import FakeFleet
from kafab.testing.groups import FakeGroups
from kafab.testing.hosts import FakeHost
from kafab.testing.kafka import FakeKafka
from kafab.testing.store import FakeStore
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from kafab.upgrading.record import Direction, Upgrade
from tasks import observe
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in
from tests.fab import CHECKOUT

NOW = 1_800_000_000.0
ODD = 'pay "all"\\\nof it'
Values = Mapping[tuple[str, ...], float]


@dataclass
class Watched:
    """A cluster of three brokers whose hosts answer, with a disk each, and what it has besides."""

    cluster: Cluster
    groups: FakeGroups = field(default_factory=FakeGroups)
    clocks: dict[str, float] = field(default_factory=dict)
    """Host -> seconds that its clock is ahead."""
    started: dict[str, str] = field(default_factory=dict)
    """Node -> the digest of the configuration that its process was started with, where that is another one."""

    def __post_init__(self) -> None:
        self.kafka = FakeKafka(self.cluster)
        self.kafka.add("orders", [(1, 2, 3), (2, 3, 1)])
        self.admin = FakeAdmin(self.kafka)
        desired = desire(self.cluster, self.cluster.nodes, FakeStore.for_cluster(self.cluster).only)

        def answers(host: str) -> Callable[[Script], Outcome]:
            def answer(script: Script) -> Outcome:
                if places := script.called("places"):
                    return self._glance(host, [str(path) for path in places[0].words[1:]])
                return FakeHost(desired, started=self.started).answer(host, desired)

            return answer

        self.fleet = FakeFleet({host.name: answers(host.name) for host in self.cluster.hosts})

    def _glance(self, host: str, paths: list[str]) -> Result:
        lines = [f"place {path} {path} yes" for path in paths]
        lines.append("df 1K-blocks Avail Inodes IFree Type Mounted on")
        lines += ["df 1000 250 10 5 ext4 /data" for _ in paths]
        lines += [f"clock {NOW + self.clocks.get(host, 0.0)}", "end", ""]
        return Result(0, "\n".join(lines).encode(), "")

    @property
    def world(self) -> FakeWorld:
        """Its ports."""
        ports = {"fleet": self.fleet, "groups": self.groups, "offsets": self.groups}
        return FakeWorld.of(self.kafka, self.admin, **ports)

    def run(self, deadline: timedelta = DEADLINE) -> Gathered:
        """Gather its figures."""
        return gather(self.cluster, self.world, deadline, lambda: NOW)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A cluster that is well, with a group which is 50 and 3 records behind, of an odd name."""
    at, other = ("orders", 0), ("orders", 1)
    member = Member("m-1", "ann", "10.0.0.7", None, (at,))
    groups = FakeGroups(
        {ODD: Group(ODD, CLASSIC, "Stable", 1, "range", (member,), {at: Commit(50), other: Commit(5)})},
        {at: Ends(0, 100, 100), other: Ends(0, 8, 8)},
        {
            (at, 50): datetime.fromtimestamp(NOW - 5, timezone.utc),
            (other, 5): datetime.fromtimestamp(NOW - 300, timezone.utc),
        },
    )
    return Watched(replace(cluster_in(tmp_path, 3, "combined"), name="prod"), groups)


def values(run: Gathered, name: str, *labels: str) -> Values:
    """Return the values of a name by these labels."""
    found = (one for one in run.written.samples if one.name == name)
    return {tuple(one.labels.get(label, "") for label in labels): one.value for one in found}


def unknown(run: Gathered) -> dict[str, float]:
    """Return how many of which part are unknown, of those that are."""
    counts = values(run, "kafab_unknown", "part")
    return {part: count for (part,), count in counts.items() if count}


def test_promtool_takes_every_figure(watched: Watched, promtool: str) -> None:
    """A cluster with TLS has each name of the table, with its labels, and promtool finds nothing wrong in the file."""
    nodes = tuple(
        replace(node, listeners=tuple(replace(one, protocol=Protocol.SSL) for one in node.listeners))
        for node in watched.cluster.nodes
    )
    watched.cluster = replace(watched.cluster, nodes=nodes)
    run = watched.run()
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=run.written.text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ({one.name for one in run.written.samples}, run.exit_code) == (set(HELPS), 0)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_figure_is_documented() -> None:
    """The table in docs/observe.md has each name that a file may have."""
    page = (CHECKOUT / "docs" / "observe.md").read_text()
    assert [name for name in HELPS if f"`{name}`" not in page] == []


def test_names_of_strangers_are_quoted() -> None:
    """A quotation mark, a backslash and a line break in a name end neither its label nor its line."""
    written = text([Sample("a", {"group": ODD}, 1)], {"a": "One."})
    assert written == '# HELP a One.\n# TYPE a gauge\na{group="pay \\"all\\"\\\\\\nof it"} 1\n'


def test_lag_is_of_a_group_and_a_topic(watched: Watched) -> None:
    """Records are the sum of the partitions, seconds the age of the oldest record that was not consumed."""
    run = watched.run()
    of = ("group", "topic")
    assert (values(run, "kafab_group_lag_records", *of), values(run, "kafab_group_lag_seconds", *of)) == (
        {(ODD, "orders"): 53},
        {(ODD, "orders"): 300.0},
    )


def test_partition_without_leader_leaves_no_sum(watched: Watched) -> None:
    """A topic of which a partition has no leader is unknown for the group; a sum of the others would be too small."""
    del watched.groups.logs["orders", 1]
    run = watched.run()
    assert (values(run, "kafab_group_lag_records", "group"), unknown(run), run.exit_code) == (
        {},
        {"groups": 1},
        5,
    )


def test_offsets_of_a_deleted_topic_are_no_lag(watched: Watched) -> None:
    """Offsets that a group keeps of a topic which is gone are neither a figure nor unknown."""
    group = watched.groups.groups[ODD]
    assert not isinstance(group.committed, Unknown)
    watched.groups.groups[ODD] = replace(group, committed={**group.committed, ("gone", 0): Commit(7)})
    run = watched.run()
    assert (set(values(run, "kafab_group_lag_records", "topic")), unknown(run)) == ({("orders",)}, {})


def test_ages_are_read_where_the_lag_is_greatest(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more partitions that lag than reads, the topic with the most lag has its age, and the others are counted as left out."""
    monkeypatch.setattr(figures, "READ", 1)
    group = watched.groups.groups[ODD]
    watched.groups.groups["late"] = replace(group, name="late", committed={("orders", 0): Commit(0)})
    watched.groups.times[("orders", 0), 0] = datetime.fromtimestamp(NOW - 9, timezone.utc)
    run = watched.run()
    left_out = values(run, "kafab_group_topics_left_out", "figure")
    assert (values(run, "kafab_group_lag_seconds", "group"), left_out, run.exit_code) == (
        {("late",): 9.0},
        {("lag_records",): 0, ("lag_seconds",): 1},
        0,
    )


def test_cluster_of_many_groups_has_few_series() -> None:
    """The topics of groups with the most lag have figures, up to a limit, and the others are counted."""
    many = MOST_LAGS + 7
    described = {
        name: Described(
            Group(name, CLASSIC, "Empty", 1, "", (), {}),
            (Place(("orders", 0), Commit(number), Ends(0, many, many), None),),
        )
        for number, name in enumerate(f"g{number:04}" for number in range(many))
    }
    found = groups(described, {}).samples
    lags = [one.labels["group"] for one in found if one.name == "kafab_group_lag_records"]
    left_out = [one.value for one in found if one.name == "kafab_group_topics_left_out"]
    assert (lags, left_out) == ([f"g{number:04}" for number in range(MOST_LAGS)], [7, 7])


def test_silent_host_has_no_figures(watched: Watched) -> None:
    """Nothing is made up for a host that does not answer: its node, disk and clock are counted as unknown."""
    watched.fleet.unreachable["node2"] = "no route"
    run = watched.run()
    told = {
        name: set(values(run, f"kafab_{name}", "host")) for name in ("disk_free_bytes", "restart_pending")
    }
    there = {("node1",), ("node3",)}
    assert told == {"disk_free_bytes": there, "restart_pending": there}
    assert (unknown(run), run.exit_code) == ({"nodes": 1, "disks": 1, "clocks": 1}, 5)


def test_cluster_that_does_not_answer_has_a_file(watched: Watched) -> None:
    """Where nobody answers the file says so of each part, has no figure but the run's own, and the exit code is 4."""
    watched.fleet.unreachable |= {host.name: "no route" for host in watched.cluster.hosts}
    for broker in watched.cluster.brokers:
        watched.kafka.stop_broker(broker.id)
    run = watched.run()
    assert ({one.name for one in run.written.samples}, run.exit_code) == (
        {
            "kafab_unknown",
            "kafab_textfile_run_seconds",
            "kafab_textfile_last_run_timestamp_seconds",
        },
        4,
    )
    assert unknown(run) == {
        "nodes": 3,
        "disks": 3,
        "clocks": 3,
        "upgrade": 1,
        "throttles": 4,
        "groups": 1,
    }


def test_deadline_leaves_what_hangs(watched: Watched) -> None:
    """Hosts that hang are unknown at the deadline, and what the brokers have said is there."""
    hangs = threading.Event()

    def answer(_script: Script) -> Outcome:
        hangs.wait(60)
        return Unknown("late")

    watched.fleet.hosts["node1"] = answer
    run = watched.run(timedelta(seconds=0.5))
    hangs.set()
    assert (unknown(run), run.unfinished) == (dict.fromkeys(("nodes", "disks", "clocks", "upgrade"), 1), True)
    assert values(run, "kafab_group_lag_records", "group") == {(ODD,): 53}


@pytest.mark.parametrize(
    ("broken", "parts"),
    [
        ("standing", {"nodes", "upgrade", "disks", "clocks"}),
        ("expiries", {"certificates"}),
        ("_throttles", {"throttles"}),
        ("groups", {"groups"}),
    ],
)
def test_mistake_in_one_part_hides_no_other(
    broken: str, parts: set[str], watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody expected is told for what needs that answer, and the file has all else."""
    monkeypatch.delattr(figures, broken)
    run = watched.run()
    assert (set(unknown(run)), run.exit_code, run.unfinished) == (parts, 5, False)


def test_restart_pending_is_of_its_node(watched: Watched) -> None:
    """A process that was started with other files has a 1, the others a 0."""
    watched.started["node2/broker"] = "0" * 64
    assert values(watched.run(), "kafab_restart_pending", "node") == {
        ("node1/broker",): 0,
        ("node2/broker",): 1,
        ("node3/broker",): 0,
    }


def test_throttle_and_what_is_moved_are_told_apart(watched: Watched) -> None:
    """A limit that was set on one broker is its own, and the partitions that are moved are counted for all."""
    watched.kafka.dynamic[2] = {THROTTLES[0]: "1000000"}
    watched.admin.moving = {("orders", 0)}
    run = watched.run()
    throttled = {
        node for (node,), value in values(run, "kafab_replication_throttled", "node").items() if value
    }
    assert (throttled, values(run, "kafab_reassigning_partitions")) == ({"node2/broker"}, {(): 1})


def test_clock_is_held_against_this_machine(watched: Watched) -> None:
    """A host that is ahead has its seconds, one that is behind has them with a minus."""
    watched.clocks |= {"node1": 2.5, "node2": -40.0}
    found = values(watched.run(), "kafab_clock_skew_seconds", "host")
    assert found == {("node1",): 2.5, ("node2",): -40.0, ("node3",): 0.0}


@pytest.mark.parametrize(
    ("direction", "told"),
    [(None, [0, 0]), (Direction.UP, [1, 1]), (Direction.BACK, [1, 1]), (Direction.FINAL, [1, 0])],
)
def test_way_back_is_open_until_it_is_finalized(direction: Direction | None, told: list[int]) -> None:
    """An upgrade that is being finalized is open, and nothing leads back from it."""
    upgrade = None if direction is None else Upgrade("ann", Version(3, 9, 1), Version(3, 9, 2), direction)
    assert [one.value for one in textfile.upgrade(upgrade).samples] == told


@pytest.fixture
def fab(watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fab:
    """Return a function that runs one command line and returns its exit code; its folder for files is ``out``."""
    monkeypatch.setenv("KAFAB_HOME", str(tmp_path / "home"))
    (tmp_path / "out").mkdir()
    return on_fakes(monkeypatch, watched.cluster, watched.world, tree_of(observe))


def test_file_is_for_everybody_and_alone(fab: Fab, tmp_path: Path) -> None:
    """Whatever the umask, node-exporter's user may read it, and nothing else is left in its folder."""
    before = os.umask(0o077)
    try:
        code = fab("observe.textfile", "--out", str(tmp_path / "out/prod.prom"))
    finally:
        os.umask(before)
    (file,) = (tmp_path / "out").iterdir()
    assert (code, file.name, stat.S_IMODE(file.stat().st_mode)) == (0, "prod.prom", 0o644)


def test_document_has_the_figures_of_the_file(
    fab: Fab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json the same values are told as are written, under the same names."""
    fab("observe.textfile", "--out", str(tmp_path / "out/prod.prom"), "--json")
    told = json.loads(capsys.readouterr().out)
    samples = [Sample(one["name"], one["labels"], one["value"]) for one in told["figures"]]
    assert (tmp_path / "out/prod.prom").read_text() == text(samples, HELPS)


@pytest.mark.parametrize(("name", "code"), [("out/prod.txt", 2), ("away/prod.prom", 1), ("out/.prom", 2)])
def test_file_that_nobody_would_read_is_refused(
    name: str, code: int, fab: Fab, watched: Watched, tmp_path: Path
) -> None:
    """A name without .prom, or a folder that is not there, is told before any host is asked."""
    assert (fab("observe.textfile", "--out", str(tmp_path / name)), watched.fleet.ran) == (code, [])


def test_run_that_fails_leaves_the_old_file(
    fab: Fab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for the new text the old one stays, whole, and nothing lies beside it."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "out/prod.prom"
    file.write_text("old\n")
    monkeypatch.setattr(os, "fsync", full)
    code = fab("observe.textfile", "--out", str(file))
    assert (code, file.read_text(), [one.name for one in file.parent.iterdir()]) == (
        1,
        "old\n",
        ["prod.prom"],
    )


def test_second_run_of_a_file_ends(fab: Fab, watched: Watched, tmp_path: Path) -> None:
    """A run that meets another one at work asks nobody; one that writes another file does."""
    out = tmp_path / "out"
    with alone(tmp_path / "home", "observe.textfile", [out.resolve() / "prod.prom"], "ann"):
        code = fab("observe.textfile", "--out", str(out / "prod.prom"))
        assert (code, watched.fleet.ran) == (6, [])
        assert fab("observe.textfile", "--out", str(out / "test.prom")) == 0
