"""A host that goes silent: told once and at once, remembered for a minute, and not paid for twice."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import paramiko
import pytest

from kafab.adapters.ssh import faults as sshfaults
from kafab.adapters.ssh import link as sshlink
from kafab.adapters.ssh.faults import LinkError, Silence
from kafab.adapters.ssh.link import WENT_SILENT, Dialer, Link
from kafab.events import Event, Note
from kafab.model import Host

TIMED_OUT = LinkError("no answer from 10.0.0.1 port 22 within 10 s")


class Transport:
    """A connection's transport: it opens a session while the host is there."""

    alive = True

    def open_session(self, **_limits: object) -> str:
        """Open a session. Raises SSHException, as Paramiko does where the peer is gone."""
        if not self.alive:
            raise paramiko.SSHException("Timeout opening channel.")
        return "a session"


class Dials:
    """What dials the one host of a test: it counts, and fails with what it is told."""

    def __init__(self) -> None:
        self.count = 0
        self.fault: LinkError | None = None
        self.events: list[Event] = []
        self.transport = Transport()
        self.went_silent: Callable[[], None] = lambda: None

    def silence(self, name: str) -> Silence:
        """Return a memory that tells this test."""
        return Silence(name, self.events.append)

    def connect(self, _host: Host, _at_turn: object, silent: Callable[[], None]) -> Any:
        """Connect, or fail."""
        self.count += 1
        if self.fault is not None:
            raise self.fault
        self.transport, self.went_silent = Transport(), silent
        return SimpleNamespace(transport=self.transport, user="ann")


@pytest.fixture
def dials(monkeypatch: pytest.MonkeyPatch) -> Dials:
    """Return the dialer of a test, in which any dial counts as one that took its time."""
    monkeypatch.setattr(sshlink, "CONNECT_SECONDS", 0)
    monkeypatch.setattr(sshlink, "hang_up", lambda _connection: None)
    return Dials()


@pytest.fixture
def link(dials: Dials) -> Link:
    """Return the link of a host that has answered once."""
    made = Link(Host("node1", "10.0.0.1"), cast("Dialer", dials))
    session(made)
    return made


def session(link: Link) -> object:
    """Open a channel."""
    return link.channel(lambda: None)


def refused(link: Link) -> str:
    """Return why no channel was opened."""
    with pytest.raises(LinkError) as caught:
        session(link)
    return str(caught.value)


def test_connection_that_died_of_silence_is_not_dialled_again(link: Link, dials: Dials) -> None:
    """What the wire has noticed is the answer to the next question, without another timeout."""
    dials.transport.alive = False
    dials.went_silent()
    assert (refused(link), dials.count) == (WENT_SILENT, 1)


def test_dial_that_times_out_is_paid_for_once(link: Link, dials: Dials) -> None:
    """A host that had answered and can not be dialled any more is asked once, not once a question."""
    dials.transport.alive, dials.fault = False, TIMED_OUT
    reasons = [refused(link), refused(link)]
    assert (reasons, dials.count) == (
        [str(TIMED_OUT), f"it has answered before and went silent: {TIMED_OUT}"],
        2,
    )


def test_silence_is_told_at_once_and_once(link: Link, dials: Dials) -> None:
    """The operator reads it while other hosts are still at work, however often it is found again."""
    dials.went_silent()
    dials.went_silent()
    assert (dials.events, link.silence) == ([Note("node1", f"UNKNOWN: {WENT_SILENT}")], WENT_SILENT)


def test_host_that_never_answered_is_dialled_each_time(dials: Dials) -> None:
    """A host that is still booting is asked again: it has not gone silent."""
    link, dials.fault = Link(Host("node1", "10.0.0.1"), cast("Dialer", dials)), TIMED_OUT
    reasons = [refused(link), refused(link)]
    assert (reasons, dials.count, dials.events) == ([str(TIMED_OUT)] * 2, 2, [])


def test_silence_is_forgotten(link: Link, dials: Dials, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later in the same process the host is looked at again: it may be back."""
    monkeypatch.setattr(sshfaults, "SPARED_SECONDS", 0)
    dials.transport.alive = False
    dials.went_silent()
    assert (session(link), dials.count) == ("a session", 2)


def test_dead_connection_of_a_host_that_is_there_is_replaced(link: Link, dials: Dials) -> None:
    """A connection can end by itself (sshd was restarted): the host is dialled again, and nothing is told."""
    dials.transport.alive = False
    assert (session(link), dials.events) == ("a session", [])
