import pytest

from kafab.adapters.ssh.frame import Frame
from kafab.adapters.ssh.sudo import PROMPT, Shell, refusal
from kafab.command import Secret

OPS = Shell("ops", become=True)


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        (Shell("ops"), False),
        (Shell("root"), False),
        (Shell("root", become=True), False),
        (Shell("root", become=True, password=Secret("x")), False),
        (OPS, True),
    ],
)
def test_sudo_is_used_only_where_it_is_needed(shell: Shell, expected: bool) -> None:
    """Neither a root login nor a script for the login user goes through sudo."""
    lines = [shell.line(Frame(sudo=shell.sudo), feeds=feeds) for feeds in (False, True)]
    assert ["sudo" in line for line in lines] == [expected, expected]


def test_password_is_on_no_command_line_of_ours() -> None:
    """We let sudo ask, with a prompt that nothing else prints; the answer is not in the command."""
    line = Shell("ops", become=True, password=Secret("hunter2")).line(Frame(sudo=True))
    assert "sudo -k -S" in line
    assert PROMPT in line
    assert "hunter2" not in line


def test_sudo_never_waits_for_a_password_that_we_have_not() -> None:
    """Without a password sudo must not ask."""
    assert "sudo -n" in OPS.line(Frame(sudo=True))


def test_shell_shows_no_password() -> None:
    """A shell in an exception or a log has no secret in it."""
    assert "hunter2" not in repr(Shell("ops", become=True, password=Secret("hunter2")))


def test_command_that_sudo_quotes_is_not_taken_for_the_marks() -> None:
    """A refusal of sudo may show the whole command; a mark in it is written otherwise than it is printed."""
    frame = Frame(sudo=True)
    line = OPS.line(frame)
    for gate in (frame.out, frame.err):
        gate.passed(f"Sorry, user ops is not allowed to execute '{line}' as root on node1.\n".encode())
    assert (frame.shell, frame.begun) == (False, False)


ADD = "ops ALL=(root) NOPASSWD: ALL"


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("sudo: a password is required\n", ("sudo wants a password for ops", "not in sudoers", ADD)),
        ("sudo: a terminal is required to read the password; either use ssh's -t option", (ADD,)),
        ("ops is not in the sudoers file.\nThis incident has been reported.\n", ("not in sudoers", ADD)),
        ("ops is not in the sudoers file.  This incident will be reported.\n", ("not in sudoers", ADD)),
        ("Sorry, user ops is not allowed to execute '/bin/sh' as root on h.\n", ("all commands", ADD)),
        ("sudo: sorry, you must have a tty to run sudo\n", ("requiretty", "Defaults:ops !requiretty")),
        ("Sorry, try again.\nsudo: 1 incorrect password attempt\n", ("refused the password", ADD)),
        ("env: 'sudo': No such file or directory\n", ("there is no sudo", ADD, "root")),
        ("env: can't execute 'sudo': No such file or directory\n", ("there is no sudo",)),
        ("env: sudo: not found\n", ("there is no sudo",)),
        ("This account is currently not available.\n", ("no root shell for ops: This account is",)),
        ('sudo: The "no new privileges" flag is set\n', ("no root shell for ops: sudo: The",)),
        ("", ("no root shell for ops: sudo ended without a word",)),
    ],
)  # fmt: skip
def test_reason_has_the_line_to_add(said: str, parts: tuple[str, ...]) -> None:
    """Each way in which sudo refuses, of several versions, is told with what would mend it."""
    told = refusal(said, "ops")
    assert [part for part in parts if part not in told] == []
