"""destroy against hosts that are folders: the real scripts in a real shell, after a real deploy.

The file is over 400 lines long because every test begins with the two deployed labs of its fixtures.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Outcome, Result, Script
from kafab.errors import Failed, Interrupted, Locked, OutcomeUnknown, Unreachable, Unsafe, UsageError
from kafab.ops.deploy.compiler import compile_steps
from kafab.plans.removing import RemoveData, RemoveFiles
from kafab.testing.fleet import Fault, Faulty, Handler
from kafab.unknown import Unknown
from tests.conftest import cluster_in
from tests.deployed import Deployed, Lab, Shell, one_release

HEX = "ab" * 6


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> Deployed:
    """What a deploy leaves on two hosts."""
    folder = tmp_path_factory.mktemp("two")
    return Deployed.once(cluster_in(folder / "hosts", 2), folder, shell)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> Deployed:
    """What a deploy leaves on one host."""
    folder = tmp_path_factory.mktemp("one")
    return Deployed.once(cluster_in(folder / "hosts"), folder, shell)


@pytest.fixture
def lab(two: Deployed) -> Lab:
    """Two hosts, deployed, with data and logs as if they had run."""
    return two.lab()


@pytest.fixture
def single(one: Deployed) -> Lab:
    """One such host."""
    return one.lab()


def test_destroy_leaves_data_and_logs_and_nothing_else(single: Lab) -> None:
    """Releases, links, configuration and run records go; data and logs are evidence, and stay whole."""
    before = [path for path in single.tree() if path.startswith(("node1/data", "node1/log"))]
    single.destroy()
    assert single.tree() == sorted(["node1", *before])


def test_destroy_with_data_leaves_nothing(lab: Lab) -> None:
    """With data asked for, the hosts are as before the first deploy."""
    lab.destroy(data=True)
    assert lab.tree() == ["node1", "node2"]


@pytest.mark.parametrize("data", [False, True])
def test_second_destroy_does_nothing(lab: Lab, data: bool) -> None:
    """With nothing to do no script but the look is run, and no lock is taken."""
    lab.destroy(data=data)
    lab.fleet.ran.clear()
    found = lab.destroy(data=data)
    assert (bool(found), [script.called("lock") for _, script in lab.fleet.ran]) == (False, [()] * 4)


def test_deploy_works_after_destroy(lab: Lab) -> None:
    """After a destroy a deploy makes the same tree again, over the data that stayed."""
    lab.deploy()
    before = [path for path in lab.tree() if not path.endswith("/process")]
    lab.destroy()
    lab.deploy()
    assert [path for path in lab.tree() if path != "node1/run/process"] == before


@pytest.mark.parametrize("data", [False, True])
def test_interrupted_destroy_converges(single: Lab, data: bool, tmp_path: Path) -> None:
    """Cut off behind any of its steps, the next destroy ends at the tree of an undisturbed one (fault 2)."""
    steps = single.prepare(data=data).steps
    trees = []
    shutil.copytree(single.root, tmp_path / "deployed", symlinks=True)
    for cut in range(1, len(steps)):
        single.shell(compile_steps(steps[:cut]))
        single.destroy(data=data)
        trees.append(single.tree())
        shutil.rmtree(single.root)
        shutil.copytree(tmp_path / "deployed", single.root, symlinks=True)
    assert (len(trees) > 5, [tree for tree in trees if tree != trees[0]]) == (True, [])


def test_interrupted_removal_of_a_release_is_no_release(single: Lab) -> None:
    """What is half removed is under a name that no deploy takes for a release, and goes next time, others or not."""
    opt, release = single.place("opt"), single.store.only.folder
    (opt / release).rename(opt / ".incoming" / f"{release}.gone")
    (opt / "current-other").symlink_to("elsewhere")
    single.destroy()
    assert [*(opt / ".incoming").iterdir()] == []


def test_interrupted_first_deploy_is_taken_away(tmp_path: Path, shell: Shell) -> None:
    """Files that were written before the manifest are known by their content; temporary ones by their name."""
    cluster = cluster_in(tmp_path / "hosts", 1)
    single = Lab(cluster, tmp_path / "hosts", shell, one_release(cluster, tmp_path))
    single.deploy()
    config = single.place("etc/broker")
    (config / ".deployed").unlink()
    (config / "launch").rename(config / "launch.kafab-new")
    single.destroy()
    assert not config.exists()


def test_file_of_somebody_else_stays_and_is_named(single: Lab) -> None:
    """What kafab did not place in a configuration folder is left there, named, and keeps the folder."""
    (single.place("etc/broker") / "jaas.conf").write_text("mine")
    found = single.destroy()
    assert [path for path in single.tree() if "etc" in path] == [
        "node1/etc",
        "node1/etc/broker",
        "node1/etc/broker/jaas.conf",
    ]
    assert [str(kept.path) for kept in found.kept if kept.why == "not kafab's"] == [
        str(single.place("etc/broker/jaas.conf"))
    ]


def test_edited_file_is_marked_in_the_plan(single: Lab) -> None:
    """A file that somebody changed goes, too, but is shown before."""
    target = single.place("etc/broker/server.properties")
    target.write_text(target.read_text() + "mine=yes\n")
    shown = [str(step) for step in single.prepare().steps if isinstance(step, RemoveFiles)]
    assert any("server.properties: edited by hand" in line for line in shown)


def test_manifest_cannot_name_a_file_elsewhere(single: Lab, tmp_path: Path) -> None:
    """A manifest is data: a name with a slash or dots in it removes nothing outside the folder (fault 30)."""
    victim = tmp_path / "victim"
    victim.write_text("dear")
    with single.place("etc/broker/.deployed").open("a") as manifest:
        manifest.write(f"{'0' * 64}  ../../../../victim\n{'0' * 64}  {victim}\n{'0' * 64}  -rf\n")
    single.destroy()
    assert victim.read_text() == "dear"


@pytest.mark.parametrize("what", ["etc/broker", "log/broker", "opt", "run/broker"])
def test_folder_that_is_a_link_is_not_followed(single: Lab, tmp_path: Path, what: str) -> None:
    """A folder that somebody has replaced by a link keeps all its content, and the link stays."""
    place, elsewhere = single.place(what), tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    before = sorted(str(path) for path in elsewhere.rglob("*"))
    found = single.destroy(data=True)
    assert (sorted(str(path) for path in elsewhere.rglob("*")), place.is_symlink()) == (before, True)
    assert any(str(kept.path) == str(place) for kept in found.kept)


def test_link_in_a_data_directory_is_removed_and_not_followed(single: Lab, tmp_path: Path) -> None:
    """Where a data directory has a link in it, the link goes and what it leads to stays."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "dear").write_text("dear")
    (single.place("data/broker") / "link").symlink_to(tmp_path / "elsewhere")
    single.destroy(data=True)
    assert ((tmp_path / "elsewhere" / "dear").exists(), single.tree()) == (True, ["node1"])


@pytest.mark.parametrize(
    ("link", "target"),
    [("current-other", ""), ("current", "/libs"), ("of-an-administrator", "/../RELEASE/libs")],
)
def test_release_that_another_link_uses_stays(single: Lab, link: str, target: str) -> None:
    """Another node's, another cluster's or an administrator's link keeps the release, and is named."""
    release = single.store.only.folder
    (single.place("opt") / link).symlink_to(release + target.replace("RELEASE", release))
    found = single.destroy()
    assert (single.place("opt") / release / "libs" / "kafka.jar").exists()
    assert [kept.why for kept in found.kept if kept.path.name == release] == [
        f"{single.place('opt') / link} leads to it"
    ]


def test_release_that_a_process_uses_stays(single: Lab) -> None:
    """A process that was started from a release keeps it, whichever link leads where."""
    release = single.place("opt") / single.store.only.folder
    code = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, f"{release}/libs/*"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as user:
        assert user.stdout is not None
        user.stdout.readline()
        found = single.destroy()
        user.communicate(timeout=60)
    assert (release.exists(), "a process runs from it" in {kept.why for kept in found.kept}) == (True, True)


def test_old_releases_go_and_other_names_stay(single: Lab) -> None:
    """Every unused release goes; what is not named like one of kafab's releases stays."""
    for name in (f"kafka_2.12-2.4.1-{HEX}", "kafka_2.13-3.9.2", "jdk"):
        (single.place("opt") / name).mkdir()
    single.destroy()
    assert sorted(path.name for path in single.place("opt").iterdir()) == ["jdk", "kafka_2.13-3.9.2"]


def test_uploads_of_another_cluster_are_left(single: Lab) -> None:
    """While another cluster has a link in the releases folder, an upload that lies there may be its own."""
    root = single.place("opt")
    (root / ".incoming" / "x.part").write_text("half")
    (root / "current-other").symlink_to(single.store.only.folder)
    single.destroy()
    assert (root / ".incoming" / "x.part").exists()


def test_limit_leaves_the_other_nodes_startable(single: Lab) -> None:
    """Without the broker its neighbour keeps release, link and configuration."""
    single.destroy("node1/broker")
    opt = single.place("opt")
    assert (
        sorted(path.name for path in opt.glob("[!.]*")),
        single.place("etc/zookeeper/zoo.cfg").exists(),
    ) == (
        ["current-zookeeper", single.store.only.folder],
        True,
    )


def test_running_nodes_are_refused_by_name(lab: Lab) -> None:
    """A node that runs is named, nothing is changed, and the hint is to stop."""
    start = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    (lab.place("run/broker") / "process").write_text(f"{os.getpid()} {start} release digest\n")
    before = lab.tree()
    with pytest.raises(Unsafe, match=r"1 node of small run: node1/broker") as caught:
        lab.destroy()
    assert ("fab stop" in str(caught.value.hint), lab.tree()) == (True, before)


def test_node_that_starts_meanwhile_is_left_alone(single: Lab) -> None:
    """The script on the host looks again: nothing is removed under a process that runs."""
    agreed = single.prepare()
    start = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    (single.place("run/broker") / "process").write_text(f"{os.getpid()} {start} release digest\n")
    before = single.tree()
    done = single.shell(compile_steps((*agreed.stopped, *agreed.steps)))
    assert ("step 1 1\nnode1/broker runs, pid" in done.text, single.tree()) == (True, before)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("broker.id=7\ncluster.id=abc\n", "belongs to broker.id 7, not broker.id 1"),
        (None, "no meta.properties that says whose they are"),
        ("", "no meta.properties that says whose they are"),
    ],
)
def test_foreign_data_is_refused(lab: Lab, mark: str | None, said: str) -> None:
    """Data of another id, or without a mark, is refused before anything is removed anywhere (fault 22)."""
    file = lab.place("data/broker/meta.properties")
    file.unlink()
    if mark is not None:
        file.write_text(mark)
    before = lab.tree()
    with pytest.raises(Unsafe, match=said):
        lab.destroy(data=True)
    assert lab.tree() == before


def test_data_of_two_clusters_is_refused(lab: Lab) -> None:
    """Two cluster ids among the nodes' data: one of them is another cluster's."""
    file = lab.place("data/broker/meta.properties")
    file.write_text(file.read_text().replace("abc", "xyz"))
    with pytest.raises(Unsafe, match=r"cluster\.id xyz"):
        lab.destroy(data=True)


def test_data_directory_that_is_a_link_is_refused(single: Lab, tmp_path: Path) -> None:
    """Data behind a link is never removed through it."""
    place, elsewhere = single.place("data/broker"), tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    with pytest.raises(Unsafe, match="is a link, which kafab does not follow"):
        single.destroy(data=True)
    assert (elsewhere / "orders-0" / "0.log").exists()


def data_step(single: Lab) -> RemoveData:
    """Return the step that removes the broker's data."""
    steps = single.prepare(data=True).steps
    return next(step for step in steps if isinstance(step, RemoveData) and step.path.name == "broker")


def test_mark_goes_last(single: Lab) -> None:
    """What an interrupted removal of data leaves still says whose it is."""
    script = compile_steps([data_step(single)])
    single.shell(replace(script, text='rm() { command rm "$@"; exit 9; }\n' + script.text))
    assert [path.name for path in single.place("data/broker").iterdir()] == ["meta.properties"]


def test_host_looks_at_the_mark_itself(single: Lab) -> None:
    """Data that has become another's since the plan was made stays."""
    step, data = data_step(single), single.place("data/broker")
    (data / "meta.properties").write_text("broker.id=8\n")
    done = single.shell(compile_steps([step]))
    assert ("does not say 1" in done.text, (data / "orders-0" / "0.log").exists()) == (True, True)


def test_many_partitions_are_removed(single: Lab) -> None:
    """More entries than one rm is given, hidden ones and odd names among them."""
    data = single.place("data/broker")
    for number in range(250):
        (data / f"topic-{number}").mkdir()
    for name in (".kafka_cleanshutdown", "..odd", "a b", "-rf", "line\nbreak", "*"):
        (data / name).write_text("x")
    single.destroy(data=True)
    assert single.tree() == ["node1"]


def test_limited_destroy_compares_with_the_others(lab: Lab) -> None:
    """Data of the same id and another cluster is found where only the hosts that are left out show it (fault 22)."""
    (lab.root / "node2/data/broker/meta.properties").write_text("version=0\nbroker.id=2\ncluster.id=other\n")
    with pytest.raises(Unsafe, match=r"node2/broker .*: cluster\.id other"):
        lab.prepare("node2", data=True)


def test_limited_destroy_does_without_the_others(lab: Lab) -> None:
    """A host that is left out and silent does not keep another one's data from going: --limit leaves it out."""
    lab.fleet.unreachable = {"node1": "no route"}
    assert lab.prepare("node2", data=True).hosts == ("node2",)


def test_unreachable_hosts_are_all_named_and_nothing_is_changed(lab: Lab) -> None:
    """With a host down nothing is removed from the others (fault 5)."""
    lab.fleet.unreachable = {"node2": "no route"}
    before = lab.tree()
    with pytest.raises(Unreachable, match="node2: no route"):
        lab.destroy()
    assert lab.tree() == before


def test_lost_answer_is_looked_at_again(lab: Lab) -> None:
    """A host whose answer was lost and on which nothing is left is done."""
    agreed = lab.prepare()
    lab.fleet.faulty["node2"] = Faulty(Fault.DROPPED, at="remove_uploads")
    lab.destroy(agreed=agreed)
    assert not (lab.root / "node2" / "opt").exists()


def test_half_an_answer_is_looked_at_again(lab: Lab) -> None:
    """What a killed script has not said may be done: a host on which it was is done, with the other one."""
    agreed = lab.prepare()
    lab.fleet.faulty["node1"] = Faulty(Fault.HALF, at="remove_uploads")
    lab.destroy(agreed=agreed)
    assert not (lab.root / "node1" / "opt").exists()


def test_host_that_stays_silent_is_unknown(lab: Lab) -> None:
    """A host whose fate cannot be read is UNKNOWN, and each host's fate is told."""
    agreed, handler = lab.prepare(), lab.fleet.hosts["node2"]

    def silent(script: Script) -> Outcome:
        return Unknown("lost") if script.called("remove_uploads") else handler(script)

    lab.fleet.hosts["node2"] = silent
    with pytest.raises(OutcomeUnknown, match=r"(?s)node1: done.*node2: UNKNOWN: lost"):
        lab.destroy(agreed=agreed)


def failing(handler: Handler) -> Handler:
    """Let a host fail in its second step, and do nothing."""

    def broken(script: Script) -> Outcome:
        if not script.called("remove_uploads"):
            return handler(script)
        return Result(0, b"step 0 0\nstep 1 1\nrm: cannot remove: Read-only file system\n", "")

    return broken


def test_failed_step_is_named(lab: Lab) -> None:
    """What could not be removed is named with the reason, the other host is done, and its fate is told."""
    agreed = lab.prepare()
    lab.fleet.hosts["node1"] = failing(lab.fleet.hosts["node1"])
    with pytest.raises(Failed, match=r"(?s)node1: failed: .*Read-only file system.*node2: done"):
        lab.destroy(agreed=agreed)


def test_host_that_was_not_reached_is_told(lab: Lab) -> None:
    """The folder of the lock goes last: a host that has nothing else to lose is named as well when another one fails."""
    lab.destroy("node2", data=True)
    (lab.root / "node2" / "run").mkdir()
    agreed = lab.prepare()
    lab.fleet.hosts["node1"] = failing(lab.fleet.hosts["node1"])
    with pytest.raises(
        Failed, match=r"(?s)node2: not started.*node1: failed|node1: failed.*node2: not started"
    ):
        lab.destroy(agreed=agreed)


def test_more_than_was_shown_is_refused(lab: Lab) -> None:
    """What has come up since the plan was agreed to is not removed unseen."""
    agreed = lab.prepare()
    (lab.place("opt") / f"kafka_2.12-2.4.1-{HEX}").mkdir()
    before = lab.tree()
    with pytest.raises(Unsafe, match="there is more now"):
        lab.destroy(agreed=agreed)
    assert lab.tree() == before


def test_more_files_than_were_shown_are_refused(single: Lab) -> None:
    """A file that a deploy has placed in a folder since the plan was agreed to is not removed unseen with the others."""
    agreed = single.prepare()
    folder = single.place("etc/broker")
    (folder / "jaas.conf").write_text("new")
    with (folder / ".deployed").open("a") as manifest:
        manifest.write(f"{'0' * 64}  jaas.conf\n")
    with pytest.raises(Unsafe, match=r"there is more now:\n.*jaas\.conf"):
        single.destroy(agreed=agreed)


def test_interrupted_destroy_tells_each_hosts_fate(lab: Lab) -> None:
    """Ctrl-C while hosts are at work: what was under way may be done, and is told as unknown (fault 1)."""
    agreed, handler = lab.prepare(), lab.fleet.hosts["node2"]

    def interrupted(script: Script) -> Outcome:
        if script.called("remove_uploads"):
            raise KeyboardInterrupt
        return handler(script)

    lab.fleet.hosts["node2"] = interrupted
    with pytest.raises(Interrupted, match=r"(?s)node1: UNKNOWN: interrupted in the removal.*node2: UNKNOWN"):
        lab.destroy(agreed=agreed)


def test_other_operator_is_named(lab: Lab) -> None:
    """While another operator is at work nothing is removed (fault 20)."""
    agreed, handler = lab.prepare(), lab.fleet.hosts["node1"]

    def held(script: Script) -> Outcome:
        return Result(0, b"held 5 bob on desk\n", "") if script.called("lock") else handler(script)

    lab.fleet.hosts["node1"] = held
    with pytest.raises(Locked, match="bob on desk"):
        lab.destroy(agreed=agreed)


def test_unknown_limit_is_a_usage_error(lab: Lab) -> None:
    """A name that is neither host nor node is told with the known ones."""
    with pytest.raises(UsageError, match="no such host or node"):
        lab.prepare("node9")
