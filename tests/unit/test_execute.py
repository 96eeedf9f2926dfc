"""execute: the stages of a plan over hosts that answer late, half or not at all, and each host's fate."""

from pathlib import PurePosixPath

import pytest

from kafab.command import Outcome, Result, Script
from kafab.errors import Interrupted
from kafab.events import Event, Note
from kafab.model import Cluster
from kafab.ops.deploy.executor import execute
from kafab.ops.deploy.fates import Fate, HostResult
from kafab.plans.plan import Plan, Stage
from kafab.plans.steps import FlipLink, MakeAccount
from kafab.testing.fleet import FakeFleet, Fault, Faulty

HOSTS = ("a", "b")


def well(script: Script) -> Outcome:
    """Answer as a host does that carries out every step."""
    return Result(0, "".join(f"step {number} 0\n" for number in range(len(script.calls))).encode(), "")


def refused(_script: Script) -> Outcome:
    """Answer as a host does that fails in its first step."""
    return Result(0, b"step 0 1\nno space left\n", "")


@pytest.fixture
def fleet() -> FakeFleet:
    """Two hosts that carry out every step."""
    return FakeFleet(dict.fromkeys(HOSTS, well))


@pytest.fixture
def plan() -> Plan:
    """Two stages on two hosts: two accounts, then a link."""
    accounts = tuple(MakeAccount(host, name) for host in HOSTS for name in ("kafka", "other"))
    links = tuple(FlipLink(host, f"{host}/broker", PurePosixPath("/opt/x"), "new", None) for host in HOSTS)
    return Plan("small", (Stage("accounts", accounts), Stage("links", links)), ())


def ran(
    plan: Plan, cluster: Cluster, fleet: FakeFleet, events: list[Event] | None = None
) -> dict[str, HostResult]:
    """Carry out a plan."""
    return execute(plan, cluster, fleet, (events if events is not None else []).append)


def asked(fleet: FakeFleet) -> list[tuple[str, str]]:
    """Return host and function of the first call of each script, in order."""
    return [(host, str(script.calls[0].words[0])) for host, script in fleet.ran]


def test_every_host_is_done(plan: Plan, small: Cluster, fleet: FakeFleet) -> None:
    """Where every step of every stage is carried out, every host is done, with one script a stage."""
    assert ran(plan, small, fleet) == dict.fromkeys(HOSTS, HostResult(Fate.DONE))
    assert asked(fleet) == [("a", "account"), ("b", "account"), ("a", "flip"), ("b", "flip")]


def test_late_host_holds_up_the_next_stage(plan: Plan, small: Cluster, fleet: FakeFleet) -> None:
    """No host begins a stage before the last one is done with the stage before it; what is done is told as it comes."""
    fleet.faulty["a"] = Faulty(Fault.LATE, at="account")
    events: list[Event] = []
    ran(plan, small, fleet, events)
    assert asked(fleet) == [("b", "account"), ("a", "account"), ("a", "flip"), ("b", "flip")]
    told = [event.subject for event in events if isinstance(event, Note)]
    assert told == ["b", "a", "a/broker", "b/broker"]


def test_failure_stops_every_host_behind_its_stage(plan: Plan, small: Cluster, fleet: FakeFleet) -> None:
    """One host's failure keeps the next stage from all; the other host has not started what is left of the plan."""
    fleet.hosts["b"] = refused
    assert ran(plan, small, fleet) == {
        "a": HostResult(Fate.NOT_STARTED, "after the accounts"),
        "b": HostResult(Fate.FAILED, "make the account kafka: no space left"),
    }
    assert ("a", "flip") not in asked(fleet)


def test_half_an_answer_is_unknown_from_there_on(plan: Plan, small: Cluster, fleet: FakeFleet) -> None:
    """The step that a killed script has not spoken of may be done, and is named."""
    fleet.faulty["b"] = Faulty(Fault.HALF, at="account")
    found = ran(plan, small, fleet)["b"]
    assert found == HostResult(Fate.UNKNOWN, "make the account other: no answer (exit 137: Killed)")


def test_dropped_connection_is_unknown(plan: Plan, small: Cluster, fleet: FakeFleet) -> None:
    """Of a lost answer nothing is guessed, and what was done of the plan by then is not told as done."""
    fleet.faulty["b"] = Faulty(Fault.DROPPED, at="flip")
    assert ran(plan, small, fleet) == {
        "a": HostResult(Fate.DONE),
        "b": HostResult(Fate.UNKNOWN, "the connection was lost"),
    }


def test_interruption_tells_every_hosts_fate(plan: Plan, small: Cluster, fleet: FakeFleet) -> None:
    """Ctrl-C in a stage leaves each of its hosts unknown, with the stage (fault 1)."""

    def interrupts(script: Script) -> Outcome:
        if script.called("flip"):
            raise KeyboardInterrupt
        return well(script)

    fleet.hosts["a"] = interrupts
    with pytest.raises(Interrupted) as caught:
        ran(plan, small, fleet)
    assert caught.value.message.splitlines()[1:] == [
        "  a: UNKNOWN: interrupted in the links",
        "  b: UNKNOWN: interrupted in the links",
    ]


def test_plan_without_steps_asks_nobody(small: Cluster, fleet: FakeFleet) -> None:
    """Nothing to do is nothing sent."""
    assert (ran(Plan("small", (Stage("links", ()),), ()), small, fleet), fleet.ran) == ({}, [])
