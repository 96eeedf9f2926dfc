import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from kafab.adapters.ssh.faults import LinkError
from kafab.adapters.ssh.sidebyside import FINISHES, LEFT, WORKERS, Job, side_by_side
from kafab.events import Event, Note
from kafab.unknown import Unknown


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """What a hung call waits for; let go at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def test_call_past_its_deadline_is_unknown_and_aborted(stuck: threading.Event) -> None:
    """A thread that never comes back is reported with its limit, and its host is aborted."""

    def hang(job: Job) -> str:
        job.allow(0.1, "hanging")
        stuck.wait()
        return "late"

    aborted: list[str] = []
    assert side_by_side({"a": hang, "b": lambda _job: "fine"}, abort=aborted.append) == {
        "a": Unknown("no answer within 0.1 s (hanging)"),
        "b": "fine",
    }
    assert aborted == ["a"]


def test_hung_threads_are_replaced(stuck: threading.Event) -> None:
    """More hung hosts than threads do not keep the others from their turn."""

    def hang(job: Job) -> str:
        job.allow(0.1, "hanging")
        stuck.wait()
        return "late"

    work = {f"hung{number}": hang for number in range(WORKERS)} | {"last": lambda _job: "fine"}
    assert side_by_side(work, abort=lambda _name: None)["last"] == "fine"


def test_whatever_a_host_makes_fail_is_unknown() -> None:
    """An exception from a host's work is a reason, whatever its type."""

    def refuse(_job: Job) -> str:
        raise LinkError("the name does not resolve")

    def stumble(_job: Job) -> str:
        raise IndexError("a malformed packet")

    assert side_by_side({"a": refuse, "b": stumble}, abort=lambda _name: None) == {
        "a": Unknown("the name does not resolve"),
        "b": Unknown("SSH failed: IndexError('a malformed packet')"),
    }


def test_events_reach_the_caller_s_own_thread() -> None:
    """Progress is told where the caller runs: a console needs no lock for it."""
    seen: list[tuple[Event, threading.Thread]] = []
    side_by_side(
        {"a": lambda job: job.tell(Note("a", "half"))},
        abort=lambda _name: None,
        emit=lambda event: seen.append((event, threading.current_thread())),
    )
    assert seen == [(Note("a", "half"), threading.current_thread())]


def test_exception_of_a_callback_aborts_the_others(stuck: threading.Event) -> None:
    """What the caller raises goes on, and who is still at work is cut off."""

    def hang(job: Job) -> str:
        job.allow(60, "hanging")
        stuck.wait()
        return "late"

    def each(_name: str, _outcome: str | Unknown) -> None:
        raise LookupError

    aborted: list[str] = []
    with pytest.raises(LookupError):
        side_by_side({"a": hang, "b": lambda _job: "fine"}, abort=aborted.append, each=each)
    assert aborted == ["a"]


def test_no_work_is_no_outcome() -> None:
    """An empty call returns at once."""
    assert side_by_side({}, abort=lambda _name: None) == {}


def test_call_handed_over_is_made_in_the_caller_s_own_thread() -> None:
    """A thread waits until what it hands over has been taken: nothing piles up between the two."""
    seen: list[tuple[int, threading.Thread]] = []

    def note(number: int) -> None:
        seen.append((number, threading.current_thread()))

    def talk(job: Job) -> int:
        for number in range(3):
            job.hand(partial(note, number))
            assert len(seen) == number + 1
        return len(seen)

    assert side_by_side({"a": talk}, abort=lambda _name: None) == {"a": 3}
    assert seen == [(number, threading.current_thread()) for number in range(3)]


def test_host_is_not_given_up_while_the_caller_takes_its_time() -> None:
    """A reader that takes longer than a host may leaves the host time to conclude."""

    def talk(job: Job) -> str:
        job.allow(0.2, "talking")
        job.hand(lambda: time.sleep(0.5))
        return "fine"

    assert side_by_side({"a": talk}, abort=lambda _name: None) == {"a": "fine"}


def test_exception_of_a_call_handed_over_frees_its_thread() -> None:
    """The caller goes on at once, and the thread that waited for it ends."""
    ended = threading.Event()

    def stumble() -> None:
        raise LookupError

    def talk(job: Job) -> str:
        try:
            job.hand(stumble)
        finally:
            ended.set()
        return "late"

    with pytest.raises(LookupError):
        side_by_side({"a": talk}, abort=lambda _name: None)
    assert ended.wait(10)


def interrupted(work: dict[str, Callable[[Job], str]], times: int, *, to_the_end: bool = True) -> list[str]:
    """Do the work, with Ctrl-C at each of the first outcomes; return what happened, in order."""
    seen: list[str] = []

    def each(name: str, _outcome: object) -> None:
        seen.append(name)
        if len(seen) - sum(text in (FINISHES, LEFT) for text in seen) <= times:
            raise KeyboardInterrupt

    def emit(event: Event) -> None:
        assert isinstance(event, Note)
        seen.append(event.text)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, abort=seen.append, each=each, emit=emit, to_the_end=to_the_end)
    return seen


def test_ctrl_c_waits_for_what_changes_something() -> None:
    """A host that is at work is waited for, and said to be; then the interruption goes on."""
    go = threading.Event()

    def late(_job: Job) -> str:
        go.wait(10)
        return "done"

    def quick(_job: Job) -> str:
        threading.Timer(0.2, go.set).start()
        return "done"

    assert interrupted({"quick": quick, "late": late}, 1) == ["quick", FINISHES, "late"]


def test_second_ctrl_c_leaves_at_once(stuck: threading.Event) -> None:
    """Whoever does not want to wait is told what goes on without him."""

    def late(_job: Job) -> str:
        stuck.wait()
        return "done"

    def slow(_job: Job) -> str:
        time.sleep(0.2)
        return "done"

    work: dict[str, Callable[[Job], str]] = {"quick": lambda _job: "done", "slow": slow, "late": late}
    assert interrupted(work, 2) == ["quick", FINISHES, "slow", LEFT, "late"]


def test_ctrl_c_waits_for_no_look(stuck: threading.Event) -> None:
    """What only looks is left at once."""

    def late(_job: Job) -> str:
        stuck.wait()
        return "done"

    work: dict[str, Callable[[Job], str]] = {"quick": lambda _job: "done", "late": late}
    assert interrupted(work, 1, to_the_end=False) == ["quick", "late"]
