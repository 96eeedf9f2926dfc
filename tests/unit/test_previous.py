"""deploy --previous on a host that is a folder: what ran is kept, and put back whole, whatever interrupts it."""

import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from invoke.collection import Collection

import tasks.cluster
from kafab.command import Outcome, Script
from kafab.errors import Failed, OutcomeUnknown, Unsafe
from kafab.events import Note
from kafab.hosts.facts import NodeFacts, Process
from kafab.model import Cluster, Node, Version
from kafab.ops import upgrades
from kafab.ops.deploy.compiler import compile_steps
from kafab.ops.deploy.deploy import make_plan
from kafab.ops.deploy.online import apply
from kafab.ops.deploy.previous import deploy_previous, make_previous
from kafab.ops.observing import observe
from kafab.ops.run.goal import Asked, prepare
from kafab.plans.generations import stale
from kafab.plans.plan import Plan, known
from kafab.plans.state import desire
from kafab.plans.steps import InstallRelease, WriteFile
from kafab.plans.versions import guard_line
from kafab.shell.layout import BEFORE, LAUNCH, SERVER_PROPERTIES
from kafab.testing.fleet import Fault, Faulty
from kafab.testing.secrets import FakeSecrets
from kafab.unknown import Unknown
from kafab.upgrading.record import Upgrade
from tests.command_line import on_fakes
from tests.conftest import cluster_in
from tests.cosmos import Cosmos
from tests.deployed import Lab, Shell, one_release
from tests.fab import Done

REFERENCE = "${env:KEY}"
OLD, NEW = Version(3, 9, 2), Version(4, 3, 1)


class Host1(Lab):
    """One host with a server of ZooKeeper and a broker, whose Java ends at once."""

    @property
    def broker(self) -> Node:
        """Its broker."""
        return self.cluster.brokers[0]

    def heap(self, heap: str) -> None:
        """Ask for another heap of the broker in the inventory."""
        nodes = (replace(node, heap=heap) if node == self.broker else node for node in self.cluster.nodes)
        self.cluster = replace(self.cluster, nodes=tuple(nodes))

    def ran(self, *heaps: str) -> None:
        """Deploy each of these heaps, and start the broker with it."""
        for heap in heaps:
            self.heap(heap)
            self.deploy()
            self.start()

    def start(self) -> None:
        """Start the broker as its host would."""
        subprocess.run(["sh", self.broker.config / LAUNCH], check=True)

    def back(self, *, older: bool = False) -> Plan:
        """Put back what ran before; return what was done."""
        return deploy_previous(self.cluster, None, self.world, older=older).deployed.plan

    def files(self) -> dict[str, tuple[str, int]]:
        """Return text and mode of each file of the broker's configuration."""
        found = [path for path in Path(self.broker.config).iterdir() if path.is_file()]
        return {path.name: (path.read_text(), stat.S_IMODE(path.stat().st_mode)) for path in found}

    def has(self) -> str:
        """Return the heap that the broker would be started with now."""
        found = re.search(r"-Xmx(\S+)", (Path(self.broker.config) / LAUNCH).read_text())
        assert found
        return found[1]

    def kept(self) -> list[str]:
        """Return the heaps of the generations, newest first."""
        folder = Path(self.broker.config) / BEFORE
        found = sorted((int(path.name), path) for path in folder.glob("[0-9]*"))
        texts = [(path / LAUNCH).read_text() for _, path in reversed(found)]
        return [text.rpartition("-Xmx")[2].split()[0] for text in texts]

    def told(self) -> str:
        """Return everything that was told."""
        return "\n".join(event.text for event in self.events if isinstance(event, Note))


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> Host1:
    """The host, deployed with a heap of 1g, and the broker started; beside it a copy of its folder as it is then."""
    root = tmp_path_factory.mktemp("previous")
    java = root / "java"
    (java / "bin").mkdir(parents=True)
    (java / "bin" / "java").write_text("#!/bin/sh\n")
    (java / "bin" / "java").chmod(0o755)
    small = cluster_in(root)
    own = replace(small.hosts[0], java=PurePosixPath(java))
    cluster = replace(small, hosts=(own,), nodes=tuple(replace(node, host=own) for node in small.nodes))
    made = Host1(cluster, root, shell, one_release(cluster, root))
    made.ran("1g")
    shutil.copytree(root / "node1", root / "kept", symlinks=True)
    return made


@pytest.fixture
def host(once: Host1) -> Host1:
    """The host as it was then; what a test before made of it is gone."""
    shutil.rmtree(once.root / "node1", ignore_errors=True)
    shutil.copytree(once.root / "kept", once.root / "node1", symlinks=True)
    return Host1(once.cluster, once.root, once.shell, once.store)


def test_what_ran_before_is_put_back(host: Host1) -> None:
    """Every file with its mode, and the way it was; what is replaced now is kept in its place."""
    before = host.files()
    host.ran("2g")
    plan = host.back()
    assert host.files() == before
    assert [step.subject for step in plan.steps] == ["node1/broker"] * 3
    assert host.kept() == ["2g", "1g"]


def test_plan_shows_the_difference_and_changes_nothing(host: Host1) -> None:
    """It is the plan of the deploy, with the diff of each file."""
    host.ran("2g")
    found = make_previous(host.cluster, None, host.world).plan
    diff = "".join(step.diff for step in found.steps if isinstance(step, WriteFile))
    assert ("+  -Xms1g -Xmx1g" in diff, "-  -Xms2g -Xmx2g" in diff, host.has()) == (True, True, "2g")
    assert host.back().digest == found.digest


def test_property_that_is_set_online_needs_no_restart_for_it(host: Host1) -> None:
    """`config.apply` writes the file as a deploy does, which keeps what ran: that is no more than a change of properties."""
    world = host.world
    nodes = (
        replace(node, properties={"num.io.threads": "16"}) if node == host.broker else node
        for node in host.cluster.nodes
    )
    done = apply(replace(host.cluster, nodes=tuple(nodes)), None, world)
    assert (done.set, host.kept()) == ({"node1/broker": {"num.io.threads": "16"}}, ["1g"])


def test_idle_deploy_keeps_nothing(host: Host1) -> None:
    """With nothing to change nothing is written, and one script is run."""
    host.fleet.ran.clear()
    host.deploy()
    assert (host.kept(), len(host.fleet.ran)) == ([], 1)


def test_node_that_has_not_run_keeps_nothing(host: Host1) -> None:
    """Files that no process was started from are replaced, and what runs is what is gone back to."""
    host.heap("2g")
    host.deploy()
    host.heap("3g")
    host.deploy()
    assert host.kept() == ["1g"]
    host.back()
    assert host.has() == "1g"


def test_same_command_leads_to_the_same_until_a_restart(host: Host1) -> None:
    """Whatever became of the first one; after the restart it leads forward again."""
    host.ran("2g")
    host.back()
    again = host.back()
    assert (host.has(), again.steps) == ("1g", ())
    host.start()
    host.back()
    assert host.has() == "2g"


def test_older_leads_to_the_one_before(host: Host1) -> None:
    """Two generations are kept, and the second one is there as well when the first was gone back to and has run."""
    host.ran("2g", "3g")
    host.back()
    assert host.has() == "2g"
    host.back(older=True)
    assert host.has() == "1g"
    host.back()
    host.start()
    host.back(older=True)
    assert host.has() == "1g"


def test_two_are_kept(host: Host1) -> None:
    """The third goes, and what is deployed twice is kept once."""
    host.ran("2g", "3g", "4g")
    assert host.kept() == ["3g", "2g"]
    host.ran("3g", "4g")
    assert host.kept() == ["3g", "4g"]


def test_deploy_ends_the_way_back(host: Host1) -> None:
    """After it what ran before is decided anew, by what runs."""
    host.ran("2g")
    host.back()
    host.heap("3g")
    host.deploy()
    host.back()
    assert host.has() == "2g"


def test_nothing_kept_is_told(host: Host1) -> None:
    """Where no node has anything to go back to that is a failure; where one has, the others are named."""
    with pytest.raises(Failed, match="nothing is kept of what ran before"):
        host.back()
    host.ran("2g")
    host.back()
    assert "it stays as it is" in host.told()


def test_difference_to_the_inventory_is_told(host: Host1) -> None:
    """The next deploy would bring back what the inventory asks for, unless it asks for what is there."""
    host.ran("2g")
    done = deploy_previous(host.cluster, None, host.world)
    assert (done.differing, "brings it there" in host.told()) == (("node1/broker",), True)
    host.heap("1g")
    assert deploy_previous(host.cluster, None, host.world).differing == ()


def test_other_release_is_put_back(host: Host1, tmp_path: Path) -> None:
    """The link leads to it again; where it is gone from the host nothing is changed."""
    before = Path(host.broker.current).readlink()
    (tmp_path / "newer").mkdir()
    host.cluster = replace(host.cluster, version=Version(3, 9, 3))
    host.store = one_release(host.cluster, tmp_path / "newer")
    host.ran("2g")
    assert Path(host.broker.current).readlink() != before
    moved = Path(host.broker.current).parent / before
    moved.rename(moved.with_name("elsewhere"))
    with pytest.raises(Unsafe, match="is not on the hosts"):
        host.back()
    moved.with_name("elsewhere").rename(moved)
    host.back()
    assert (Path(host.broker.current).readlink(), host.has()) == (before, "1g")


def test_roll_of_what_is_pending_takes_what_was_put_back(host: Host1) -> None:
    """What a start would take decides, not the inventory: first the process runs what that asks for, then what is there."""
    host.ran("2g")
    host.back()
    with subprocess.Popen(["sleep", "60"]) as process:
        _recorded(host, process.pid)
        before = stale(_facts(host))
        host.start()
        _recorded(host, process.pid)
        after = stale(_facts(host))
        process.kill()
    assert (before, after) == (True, False)


def test_deploy_that_is_pending_is_no_restart_that_is(tmp_path: Path) -> None:
    """A changed inventory that was not deployed leaves a roll of what is pending nothing to do: it would change nothing."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    asked = replace(cosmos.cluster, nodes=tuple(replace(node, heap="333m") for node in cosmos.cluster.nodes))
    assert prepare(asked, Asked(pending=True), cosmos.world).goal.replaced == {}


def _facts(host: Host1) -> NodeFacts:
    desired = desire(host.cluster, host.cluster.brokers, None)
    (found,) = known(observe(desired, host.fleet)).values()
    return found.nodes["broker"]


def _recorded(host: Host1, pid: int) -> None:
    """Let the broker's record name this process as the one that was started."""
    start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    record = Path(host.broker.run) / "process"
    _, _, *rest = record.read_text().split()
    record.write_text(" ".join([str(pid), start, *rest]) + "\n")


# Interrupted.


@pytest.mark.parametrize("done", [1, 2, 3])
def test_interrupted_way_back_goes_on(host: Host1, done: int) -> None:
    """After so many of its steps, the same command comes to the same end, and both generations are whole."""
    before = host.files()
    host.ran("2g")
    steps = make_previous(host.cluster, None, host.world).plan.steps
    host.shell(compile_steps([step for step in steps[:done] if not isinstance(step, InstallRelease)]))
    host.back()
    assert (host.files(), host.kept()) == (before, ["2g", "1g"])
    host.start()
    host.back()
    assert host.has() == "2g"


def test_interrupted_deploy_is_taken_back(host: Host1) -> None:
    """What it has left half-way is not kept for what ran: the way back leads to what runs."""
    before = host.files()
    host.heap("2g")
    _, plan = make_plan(host.cluster, None, host.world)
    keep, launch, _manifest = (step for step in plan.steps if not isinstance(step, InstallRelease))
    host.shell(compile_steps([keep, launch]))
    host.deploy()
    assert host.kept() == ["1g"]
    host.heap("3g")
    _, plan = make_plan(host.cluster, None, host.world)
    (launch, _manifest) = (step for step in plan.steps if not isinstance(step, InstallRelease))
    host.shell(compile_steps([launch]))
    host.back()
    assert (host.files(), host.kept()) == (before, ["1g"])


def test_killed_copy_is_no_generation(host: Host1) -> None:
    """What is not whole has no number, and is made anew."""
    new = Path(host.broker.config) / BEFORE / "new"
    (new / "unit").mkdir(parents=True)
    (new / LAUNCH).write_text("half")
    host.ran("2g")
    host.back()
    assert (host.has(), new.exists()) == ("1g", False)


def test_full_disk_keeps_the_old_state(host: Host1) -> None:
    """Where what ran cannot be kept no file changes, and nothing half-way is left."""
    text = 'cp() { echo "cp: No space left on device" >&2; return 1; }\n'

    def full(script: Script, stdin: bytes | None = None) -> Outcome:
        return host.shell(replace(script, text=text + script.text), stdin)

    before = host.files()
    host.fleet.hosts["node1"] = full
    host.heap("2g")
    with pytest.raises(Failed, match="No space left on device"):
        host.deploy()
    assert (host.files(), host.kept(), list((Path(host.broker.config) / BEFORE).iterdir())) == (
        before,
        [],
        [],
    )


def test_lost_answer_is_looked_at_again(host: Host1) -> None:
    """A connection that was lost says nothing of what was done: here all of it."""
    host.ran("2g")
    host.fleet.faulty["node1"] = Faulty(Fault.DROPPED, at="put_back")
    host.back()
    assert host.has() == "1g"


def test_silent_host_is_unknown(host: Host1) -> None:
    """Where it does not answer again its fate is not known."""
    host.ran("2g")

    def silent(script: Script) -> Outcome:
        if script.called("put_back"):
            host.fleet.unreachable["node1"] = "no route"
            return Unknown("the connection was lost")
        return host.shell(script)

    host.fleet.hosts["node1"] = silent
    with pytest.raises(OutcomeUnknown):
        host.back()


def test_damaged_copy_is_not_put_back(host: Host1) -> None:
    """A generation that was changed since the plan was made does not reach the node."""
    host.ran("2g")
    plan = make_previous(host.cluster, None, host.world).plan
    kept = Path(host.broker.config) / BEFORE / "1" / LAUNCH
    kept.write_text(kept.read_text() + "# more\n")
    said = host.shell(compile_steps([one for one in plan.steps if not isinstance(one, InstallRelease)]))
    assert ("did not arrive" in said.text, host.has()) == (True, "2g")


# Secrets.


def test_secret_stays_on_its_host(host: Host1) -> None:
    """It is put back with its mode, closed to all others, and its value is neither shown nor sent."""
    host.secrets = FakeSecrets({REFERENCE: "first-word"})
    nodes = tuple(
        replace(node, properties={"ssl.key.password": REFERENCE} if node == host.broker else {})
        for node in host.cluster.nodes
    )
    host.cluster = replace(host.cluster, nodes=nodes)
    host.deploy()
    host.start()
    before = host.files()
    host.secrets.values = {REFERENCE: "second-word"}
    host.deploy()
    host.start()
    shown = make_previous(host.cluster, None, host.world).plan
    host.fleet.ran.clear()
    host.back()
    sent = "".join(script.text for _, script in host.fleet.ran)
    told = str(shown.document) + host.told()
    assert host.files() == before
    assert [word for word in ("first-word", "second-word") if word in sent + told] == []
    folder = Path(host.broker.config) / BEFORE
    assert (stat.S_IMODE(folder.stat().st_mode), before[SERVER_PROPERTIES][1]) == (0o700, 0o600)


# What refuses it.


def test_data_elsewhere_refuse_it(host: Host1) -> None:
    """Files that name other data directories are of another state of the cluster."""
    more = host.broker.data[0].with_name("more")
    nodes = tuple(
        replace(node, data=(*node.data, more)) if node == host.broker else node for node in host.cluster.nodes
    )
    host.cluster = replace(host.cluster, nodes=nodes)
    host.ran("2g")
    with pytest.raises(Unsafe, match=r"log\.dirs is .*more, and was"):
        host.back()
    assert host.has() == "2g"


def test_upgrade_under_way_has_its_own_way_back(host: Host1) -> None:
    """It is named with both of its commands."""
    host.ran("2g")
    upgrades.write(host.cluster, Upgrade("ann", OLD, NEW), host.world)
    with pytest.raises(Unsafe, match="an upgrade from") as caught:
        host.back()
    assert "`fab upgrade.rollback` goes back" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("runs", "before", "word"),
    [
        (NEW, OLD, "does not read what the newer one has written"),
        (OLD, NEW, "must understand each other"),
        (OLD, Version(3, 9, 0), ""),
    ],
)
def test_other_line_is_refused(runs: Version, before: Version, word: str, small: Cluster) -> None:
    """An older one would not read the data, a newer one is for an upgrade; releases of a line may follow each other."""
    broker = small.brokers[0]
    facts = {broker: NodeFacts(release=f"kafka_2.13-{runs}-0123456789ab")}
    releases = {broker: f"kafka_2.13-{before}-0123456789ab"}
    if not word:
        guard_line(facts, releases)
        return
    with pytest.raises(Unsafe, match=word):
        guard_line(facts, releases)


def test_release_that_never_ran_has_written_nothing(small: Cluster) -> None:
    """A newer one that was deployed to a stopped node, and never started, is gone back on."""
    broker = small.brokers[0]
    ran = Process(7, f"kafka_2.13-{OLD}-0123456789ab", "", alive=False)
    guard_line(
        {broker: NodeFacts(release=f"kafka_2.13-{NEW}-0123456789ab", process=ran)}, {broker: ran.release}
    )


@pytest.fixture
def typed(
    host: Host1, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """What runs a line of `plan` or `deploy` on the host."""

    def run(*words: str) -> Done:
        tree = Collection()
        for one in (tasks.cluster.plan, tasks.cluster.deploy):
            tree.add_task(one)
        code = on_fakes(monkeypatch, host.cluster, host.world, tree)(*words)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("deploy", "--older"), 2, "found --older alone; expected it with --previous"),
        (("plan", "--previous", "--accept-empty", "node1/broker"), 2, "expected it without"),
        (("deploy", "--previous", "--skip-preflight"), 2, "expected it without"),
        (("plan", "--previous", "--detailed-exitcode"), 10, "node1/broker: put back"),
        (("deploy", "--previous"), 0, "deployed to node1"),
        (("deploy", "--previous", "--older"), 1, "nothing is kept of what ran before that"),
    ],
)
def test_flags(typed: Callable[..., Done], host: Host1, words: tuple[str, ...], code: int, said: str) -> None:
    """As they are typed: what goes together, what is shown, and the exit code."""
    host.ran("2g")
    done = typed(*words)
    assert (done.code, said in done.out + done.err) == (code, True), done


def test_destroy_takes_the_generations(host: Host1) -> None:
    """They go with the configuration, and nothing of it is left."""
    host.ran("2g")
    host.destroy()
    assert not Path(host.broker.config).exists()
