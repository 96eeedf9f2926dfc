"""What a refusal tells to type, typed in the state that was refused: the real command lines, over a small world."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kafab.errors import Interrupted
from kafab.ops.rolling.roll import roll
from kafab.ops.run.goal import Asked, prepare
from tasks import namespace
from tasks.chain import CHAIN
from tests.command_line import Fab, on_fakes
from tests.conftest import cluster_in
from tests.cosmos import Cosmos

pytestmark = pytest.mark.usefixtures("signals_given_back")

QUOTED = re.compile(r"`fab ([^`]*)`|(?<=hint: )fab (.*)")
FLAGS = re.compile(r"`(--[^`]*)`")


@dataclass
class Shell:
    """A terminal of one operator: runs command lines, and keeps what the last one said."""

    cosmos: Cosmos
    fab: Fab
    capsys: pytest.CaptureFixture[str]
    told: str = ""

    def run(self, line: str) -> int:
        """Run a command line without `fab`; return its exit code."""
        code = self.fab(*shlex.split(line))
        shown = self.capsys.readouterr()
        self.told = shown.out + shown.err
        return code

    def hinted(self, line: str) -> list[str]:
        """Return the command lines that the last one told to type; flags alone are added to ``line``, which was refused."""
        hint = "\n".join(row for row in self.told.splitlines() if row.startswith("hint: "))
        typed = [quoted or bare for quoted, bare in QUOTED.findall(hint)]
        return typed or [f"{line} {flags}" for flags in FLAGS.findall(hint)]


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Three hosts with a ZooKeeper server and a broker each, all running, and a topic that needs two in-sync replicas."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    cosmos.kafka.min_isr = 2
    cosmos.kafka.add("orders", [(1, 2, 3)])
    monkeypatch.setattr(CHAIN, "_console", None)
    return Shell(cosmos, on_fakes(monkeypatch, cosmos.cluster, cosmos.world, namespace), capsys)


def _broker_down(cosmos: Cosmos) -> None:
    cosmos.change("node2/broker", False)


def _server_down(cosmos: Cosmos) -> None:
    cosmos.change("node2/zookeeper", False)


def _host_down(cosmos: Cosmos) -> None:
    _broker_down(cosmos)
    cosmos.fleet.unreachable = {"node3": "no route"}


def _nothing_runs(cosmos: Cosmos) -> None:
    for name in list(cosmos.running):
        cosmos.change(name, False)


def _host_down_and_nothing_runs(cosmos: Cosmos) -> None:
    _nothing_runs(cosmos)
    cosmos.fleet.unreachable = {"node3": "no route"}


def _interrupted(cosmos: Cosmos) -> None:
    cosmos.ctrl_c = 4


def _topic_without_a_spare(cosmos: Cosmos) -> None:
    cosmos.kafka.add("alone", [(1,)])


def _damaged_journal(cosmos: Cosmos) -> None:
    cosmos.journals = dict.fromkeys(("node1", "node2", "node3"), "{}")


def _roll_of_others(cosmos: Cosmos) -> None:
    cosmos.ctrl_c = 2
    with pytest.raises(Interrupted):
        roll(cosmos.cluster, ONE, prepare(cosmos.cluster, ONE, cosmos.world), cosmos.world)
    cosmos.ctrl_c = None


State = Callable[[Cosmos], object]
ONE = Asked("node1", canary=False)
ROLL = "restart --no-canary --yes"


@pytest.mark.parametrize(
    ("state", "line", "typed"),
    [
        (_host_down_and_nothing_runs, "start", ["start --limit node1,node2"]),
        (_broker_down, "stop --limit node1/broker --yes", ["start", "can-stop node1/broker"]),
        (_broker_down, "restart --at-once --limit node1/broker --yes", ["start", "can-stop node1/broker"]),
        (_server_down, "stop --limit node1/zookeeper --yes", ["start"]),
        (_broker_down, "verify --read-only", ["start"]),
        (_host_down, "verify --read-only", ["start --limit node2/broker"]),
        (_interrupted, "restart --at-once --yes", ["start", "status"]),
        (_roll_of_others, ROLL, ["restart --limit node1", "restart --forget"]),
        (_damaged_journal, ROLL, ["restart --forget"]),
        (_topic_without_a_spare, ROLL, ["restart --at-once"]),
        (_nothing_runs, "verify --read-only", ["start"]),
        (_nothing_runs, "leaders.restore", ["status", "start"]),
        (_nothing_runs, "topics.list", ["status", "start"]),
        (_nothing_runs, "groups.list", ["status", "start"]),
        (_host_down, "plan", ["plan --limit node1,node2"]),
    ],
)
def test_hint_names_what_to_type(shell: Shell, state: State, line: str, typed: list[str]) -> None:
    """A refused or interrupted command names the next ones."""
    state(shell.cosmos)
    assert shell.run(line) != 0
    assert shell.hinted(line) == typed


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (_host_down_and_nothing_runs, "start"),
        (_broker_down, "stop --limit node1/broker --yes"),
        (_server_down, "stop --limit node1/zookeeper --yes"),
        (_broker_down, "verify --read-only"),
        (_host_down, "verify --read-only"),
        (_interrupted, "restart --at-once --yes"),
        (_roll_of_others, ROLL),
        (_damaged_journal, ROLL),
        (_topic_without_a_spare, ROLL),
        (_nothing_runs, "verify --read-only"),
        (_host_down, "plan"),
    ],
)
def test_hint_works_where_it_is_printed(shell: Shell, state: State, line: str) -> None:
    """Each command of the hint, typed in order, does what it says: none is refused."""
    state(shell.cosmos)
    shell.run(line)
    typed = shell.hinted(line)
    shell.cosmos.ctrl_c = None
    assert {again: shell.run(again) for again in typed} == dict.fromkeys(typed, 0), shell.told


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (_broker_down, "stop --limit node1/broker --yes"),
        (_server_down, "stop --limit node1/zookeeper --yes"),
        (_roll_of_others, ROLL),
        (_damaged_journal, ROLL),
        (_nothing_runs, "leaders.restore"),
        (_nothing_runs, "topics.list"),
        (_nothing_runs, "groups.list"),
    ],
)
def test_hint_opens_the_way(shell: Shell, state: State, line: str) -> None:
    """After the commands of the hint, what was refused is done."""
    state(shell.cosmos)
    assert shell.run(line) != 0
    for again in shell.hinted(line):
        shell.run(again)
    assert shell.run(line) == 0, shell.told


def test_flag_that_a_refused_roll_names_lets_it_go_on(shell: Shell) -> None:
    """The topic that cannot be spared is accepted by its name, and every node is restarted."""
    _topic_without_a_spare(shell.cosmos)
    assert shell.run(ROLL) == 3
    (flag,) = FLAGS.findall(shell.told)
    assert shell.run(f"{ROLL} {flag}") == 0, shell.told
