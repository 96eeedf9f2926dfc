"""Preflight of a host that let nobody in, or that talks at its login: which door it was, and what to do."""

import pytest

from kafab.checks.preflight.doors import greets, unreached
from kafab.findings import Severity
from kafab.hosts.doors import told
from kafab.unknown import Unknown
from tests.preflight_hosts import NODE


def test_greeting_is_a_note() -> None:
    """What a login prints before each command is told in its own words, and blames nobody: it is left out."""
    (finding,) = greets(NODE.host, "\nWelcome to node1\n")
    assert (finding.check, finding.severity, '"Welcome to node1"' in finding.detail) == (
        "ssh.shell",
        Severity.OK,
        True,
    )


def test_login_without_a_word_is_no_finding() -> None:
    """A login shell that is silent, as it should be, is not worth a line."""
    assert list(greets(NODE.host, "")) == []


def test_next_step_is_told_apart() -> None:
    """The detail has what was seen, the remedy what to do, though the reason has both."""
    finding = unreached(NODE.host, Unknown(told("10.0.0.1 port 22: connection refused")))
    assert finding.detail == "10.0.0.1 port 22: connection refused"
    assert "start sshd" in (finding.hint or "")


@pytest.mark.parametrize(
    ("reason", "check"),
    [
        ("no answer from 10.0.0.1 port 22 within 10 s", "ssh.reachable"),
        (
            "host key changed: 10.0.0.1 port 22 presented x, but y; another machine may be answering",
            "ssh.hostkey",
        ),
        ("gateway b: host key unknown: b port 22 presented x", "ssh.hostkey"),
        ("user ops at 10.0.0.1 port 22: public key refused; tried ~/.ssh/id_*", "ssh.login"),
        ("sudo wants a password for ops, or ops is not in sudoers: as root run", "sudo"),
        ("there is no sudo: install it", "sudo"),
        ("sudo insists on a terminal (requiretty)", "sudo"),
        ("no root shell for ops: sudo ended without a word", "sudo"),
        ("ops is not in sudoers with all commands: as root run", "sudo"),
    ],
)
def test_closed_door_is_named(reason: str, check: str) -> None:
    """A host that could not be asked is one CRIT line: which door was closed, and why."""
    finding = unreached(NODE.host, Unknown(reason))
    assert (finding.check, finding.severity, finding.detail) == (check, Severity.CRIT, reason)
