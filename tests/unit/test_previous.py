"""deploy --previous on a host that is a folder: what ran is kept, and put back whole; flags and messages."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from invoke.collection import Collection

import tasks.cluster
from kafab.errors import Failed, Unsafe
from kafab.hosts.facts import NodeFacts
from kafab.model import Version
from kafab.ops.check.status import status
from kafab.ops.deploy import deploy as deploying
from kafab.ops.deploy.online import apply
from kafab.ops.deploy.previous import deploy_previous, make_previous
from kafab.ops.observing import observe
from kafab.ops.run.goal import Asked, prepare
from kafab.plans.generations import stale
from kafab.plans.plan import known
from kafab.plans.state import desire
from kafab.plans.steps import WriteFile
from tests.command_line import on_fakes
from tests.conftest import cluster_in
from tests.cosmos import Cosmos
from tests.deployed import Shell, one_release
from tests.fab import Done
from tests.one_host import OneHost, one_host


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> OneHost:
    """The host that each test has anew."""
    return one_host(tmp_path_factory.mktemp("previous"), shell)


@pytest.fixture
def host(once: OneHost) -> OneHost:
    """The host, deployed with a heap of 1g, and the broker started."""
    return once.again()


def test_what_ran_before_is_put_back(host: OneHost) -> None:
    """Every file with its mode, and the way it was; what is replaced now is kept in its place."""
    before = host.files()
    host.ran("2g")
    plan = host.back()
    assert host.files() == before
    assert [step.subject for step in plan.steps] == ["node1/broker"] * 3
    assert host.kept() == ["2g", "1g"]


def test_plan_shows_the_difference_and_changes_nothing(host: OneHost) -> None:
    """It is the plan of the deploy, with the diff of each file."""
    host.ran("2g")
    found = make_previous(host.cluster, None, host.world).plan
    diff = "".join(step.diff for step in found.steps if isinstance(step, WriteFile))
    assert ("+  -Xms1g -Xmx1g" in diff, "-  -Xms2g -Xmx2g" in diff, host.has()) == (True, True, "2g")
    assert host.back().digest == found.digest


def test_property_that_is_set_online_needs_no_restart_for_it(
    host: OneHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`config.apply` writes the file as a deploy does, which keeps what ran: that is no more than a change of properties."""
    # What else this machine does is no matter here.
    monkeypatch.setattr(deploying, "blocking", lambda _report: ())
    world = host.world
    nodes = (
        replace(node, properties={"num.io.threads": "16"}) if node == host.broker else node
        for node in host.cluster.nodes
    )
    done = apply(replace(host.cluster, nodes=tuple(nodes)), None, world)
    assert (done.set, host.kept()) == ({"node1/broker": {"num.io.threads": "16"}}, ["1g"])


def test_idle_deploy_keeps_nothing(host: OneHost) -> None:
    """With nothing to change nothing is written, and one script is run."""
    host.fleet.ran.clear()
    host.deploy()
    assert (host.kept(), len(host.fleet.ran)) == ([], 1)


def test_node_that_has_not_run_keeps_nothing(host: OneHost) -> None:
    """Files that no process was started from are replaced, and what runs is what is gone back to."""
    host.heap("2g")
    host.deploy()
    host.heap("3g")
    host.deploy()
    assert host.kept() == ["1g"]
    host.back()
    assert host.has() == "1g"


def test_same_command_leads_to_the_same_until_a_restart(host: OneHost) -> None:
    """Whatever became of the first one; after the restart it leads forward again."""
    host.ran("2g")
    host.back()
    again = host.back()
    assert (host.has(), again.steps) == ("1g", ())
    host.start()
    host.back()
    assert host.has() == "2g"


def test_older_leads_to_the_one_before(host: OneHost) -> None:
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


def test_two_are_kept(host: OneHost) -> None:
    """The third goes, and what is deployed twice is kept once."""
    host.ran("2g", "3g", "4g")
    assert host.kept() == ["3g", "2g"]
    host.ran("3g", "4g")
    assert host.kept() == ["3g", "4g"]


def test_deploy_ends_the_way_back(host: OneHost) -> None:
    """After it what ran before is decided anew, by what runs."""
    host.ran("2g")
    host.back()
    host.heap("3g")
    host.deploy()
    host.back()
    assert host.has() == "2g"


def test_nothing_kept_is_told(host: OneHost) -> None:
    """Where no node has anything to go back to that is a failure; where one has, the others are named."""
    with pytest.raises(Failed, match="nothing is kept of what ran before"):
        host.back()
    host.ran("2g")
    host.back()
    assert "it stays as it is" in host.told()


def test_difference_to_the_inventory_is_told(host: OneHost) -> None:
    """The next deploy would bring back what the inventory asks for, unless it asks for what is there."""
    host.ran("2g")
    done = deploy_previous(host.cluster, None, host.world)
    assert (done.differing, "brings it there" in host.told()) == (("node1/broker",), True)
    host.heap("1g")
    assert deploy_previous(host.cluster, None, host.world).differing == ()


def test_status_tells_what_was_put_back(host: OneHost) -> None:
    """It is no deploy that is pending: whoever followed that would bring back what was worse. A deploy ends it."""

    def state() -> str:
        return {line.node.name: line.configuration for line in status(host.cluster, None, host.world)}[
            "node1/broker"
        ]

    host.ran("2g")
    before = state()
    host.back()
    back = state()
    host.start()
    rolled = state()
    host.heap("3g")
    asked_for_more = state()
    host.deploy()
    assert (before, back, rolled, asked_for_more, state()) == (
        "as deployed",
        "put back",
        "put back",
        "put back",
        "as deployed",
    )
    host.heap("4g")
    assert state() == "deploy pending"


def test_other_release_is_put_back(host: OneHost, tmp_path: Path) -> None:
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


def test_roll_of_what_is_pending_takes_what_was_put_back(host: OneHost) -> None:
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


def _facts(host: OneHost) -> NodeFacts:
    desired = desire(host.cluster, host.cluster.brokers, None)
    (found,) = known(observe(desired, host.fleet)).values()
    return found.nodes["broker"]


def _recorded(host: OneHost, pid: int) -> None:
    """Let the broker's record name this process as the one that was started."""
    start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    record = Path(host.broker.run) / "process"
    _, _, *rest = record.read_text().split()
    record.write_text(" ".join([str(pid), start, *rest]) + "\n")


@pytest.fixture
def typed(
    host: OneHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
def test_flags(
    typed: Callable[..., Done], host: OneHost, words: tuple[str, ...], code: int, said: str
) -> None:
    """As they are typed: what goes together, what is shown, and the exit code."""
    host.ran("2g")
    done = typed(*words)
    assert (done.code, said in done.out + done.err) == (code, True), done
