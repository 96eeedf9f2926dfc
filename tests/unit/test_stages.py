"""A plan's stages on hosts that answer fully, partly or not at all: each host's fate, and what is never begun."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.command import Outcome, Result, Script
from kafab.errors import Interrupted
from kafab.ops.deploy.executor import execute
from kafab.ops.deploy.fates import Fate, HostResult, read
from kafab.plans.plan import Plan, Stage
from kafab.plans.steps import MakeDirectory
from kafab.testing.fleet import FakeFleet
from kafab.unknown import Unknown
from tests.conftest import cluster_in

LINE = len("step 0 0\n")
WHOLE = b"step 0 0\nstep 1 0\nstep 2 0\n"


def folders(host: str) -> tuple[MakeDirectory, ...]:
    """Return the steps of one host."""
    return tuple(MakeDirectory(host, f"{host}/broker", PurePosixPath(f"/d{at}")) for at in range(3))


@given(st.integers(0, len(WHOLE) - 2))
def test_an_answer_that_is_cut_off_is_unknown(end: int) -> None:
    """Wherever an answer breaks off, the steps whose lines are whole are done, and the next is neither done nor failed."""
    done, result = read(folders("h1"), Result(0, WHOLE[:end], ""))
    assert (done, result.fate) == ((end + 1) // LINE, Fate.UNKNOWN)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (Result(0, WHOLE[:LINE], ""), Fate.UNKNOWN),
        (Unknown("the connection dropped"), Fate.UNKNOWN),
        (Result(0, b"step 0 0\nstep 1 1\nno space\n", ""), Fate.FAILED),
    ],
)
def test_no_stage_begins_before_the_last_is_done_everywhere(
    tmp_path: Path, outcome: Outcome, fate: Fate
) -> None:
    """A host that is not done with a stage keeps every host from the next one."""
    fleet = FakeFleet({"h1": lambda _: Result(0, WHOLE, ""), "h2": lambda _: outcome})
    results = run(tmp_path, fleet)
    assert ([result.fate for result in results.values()], len(fleet.ran)) == ([Fate.NOT_STARTED, fate], 2)


def test_an_interrupt_tells_each_hosts_fate(tmp_path: Path) -> None:
    """Ctrl-C within a stage leaves its hosts UNKNOWN: what they were doing may have been done."""

    def interrupted(_: Script) -> Outcome:
        raise KeyboardInterrupt

    fleet = FakeFleet({"h1": lambda _: Result(0, WHOLE, ""), "h2": interrupted})
    with pytest.raises(Interrupted) as caught:
        run(tmp_path, fleet)
    assert [line for line in str(caught.value).splitlines() if "UNKNOWN: interrupted in the one" in line] == [
        f"  {host}: UNKNOWN: interrupted in the one" for host in ("h1", "h2")
    ]


def run(folder: Path, fleet: FakeFleet) -> dict[str, HostResult]:
    """Run two stages of the same steps on two hosts."""
    steps = (*folders("h1"), *folders("h2"))
    plan = Plan("c", (Stage("one", steps), Stage("two", steps)), ())
    return execute(plan, cluster_in(folder, hosts=2), fleet, lambda _: None)
