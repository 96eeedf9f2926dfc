"""What interrupts or refuses deploy --previous, on a host that is a folder; and where secrets are meanwhile."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.command import Outcome, Script
from kafab.errors import Failed, OutcomeUnknown, Unsafe
from kafab.hosts.facts import NodeFacts, Process
from kafab.model import Cluster, Version
from kafab.ops import upgrades
from kafab.ops.deploy.compiler import compile_steps
from kafab.ops.deploy.deploy import make_plan
from kafab.ops.deploy.previous import make_previous
from kafab.plans.steps import InstallRelease
from kafab.plans.versions import guard_line
from kafab.shell.layout import BEFORE, LAUNCH, SERVER_PROPERTIES
from kafab.testing.fleet import Fault, Faulty
from kafab.testing.secrets import FakeSecrets
from kafab.unknown import Unknown
from kafab.upgrading.record import Upgrade
from tests.deployed import Shell
from tests.one_host import OneHost, one_host

REFERENCE = "${env:KEY}"
OLD, NEW = Version(3, 9, 2), Version(4, 3, 1)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, shell: Shell) -> OneHost:
    """The host that each test has anew."""
    return one_host(tmp_path_factory.mktemp("previous"), shell)


@pytest.fixture
def host(once: OneHost) -> OneHost:
    """The host, deployed with a heap of 1g, and the broker started."""
    return once.again()


# Interrupted.


@pytest.mark.parametrize("done", [1, 2, 3])
def test_interrupted_way_back_goes_on(host: OneHost, done: int) -> None:
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


def test_interrupted_deploy_is_taken_back(host: OneHost) -> None:
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


def test_killed_copy_is_no_generation(host: OneHost) -> None:
    """What is not whole has no number, and is made anew."""
    new = Path(host.broker.config) / BEFORE / "new"
    (new / "unit").mkdir(parents=True)
    (new / LAUNCH).write_text("half")
    host.ran("2g")
    host.back()
    assert (host.has(), new.exists()) == ("1g", False)


def test_full_disk_keeps_the_old_state(host: OneHost) -> None:
    """Where what ran cannot be kept no file changes, and nothing half-way is left."""
    text = 'cp() { echo "cp: No space left on device" >&2; return 1; }\n'

    def full(script: Script, stdin: bytes | None = None) -> Outcome:
        return host.shell(replace(script, text=text + script.text), stdin)

    before = host.files()
    host.fleet.hosts["node1"] = full
    host.heap("2g")
    with pytest.raises(Failed, match="No space left on device"):
        host.deploy()
    assert (host.files(), host.kept(), (Path(host.broker.config) / BEFORE).exists()) == (before, [], False)


def test_lost_answer_is_looked_at_again(host: OneHost) -> None:
    """A connection that was lost says nothing of what was done: here all of it."""
    host.ran("2g")
    host.fleet.faulty["node1"] = Faulty(Fault.DROPPED, at="put_back")
    host.back()
    assert host.has() == "1g"


def test_silent_host_is_unknown(host: OneHost) -> None:
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


def test_damaged_copy_is_not_put_back(host: OneHost) -> None:
    """A generation that was changed since the plan was made does not reach the node."""
    host.ran("2g")
    plan = make_previous(host.cluster, None, host.world).plan
    kept = Path(host.broker.config) / BEFORE / "1" / LAUNCH
    kept.write_text(kept.read_text() + "# more\n")
    said = host.shell(compile_steps([one for one in plan.steps if not isinstance(one, InstallRelease)]))
    assert ("did not arrive" in said.text, host.has()) == (True, "2g")


# Secrets.


def test_secret_stays_on_its_host(host: OneHost) -> None:
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


def test_data_elsewhere_refuse_it(host: OneHost) -> None:
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


def test_upgrade_under_way_has_its_own_way_back(host: OneHost) -> None:
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


def test_destroy_takes_the_generations(host: OneHost) -> None:
    """They go with the configuration, and nothing of it is left."""
    host.ran("2g")
    host.destroy()
    assert not Path(host.broker.config).exists()
