import pytest

from kafab.adapters.ssh.sudo import BEGAN, PROMPT, Shell, refusal
from kafab.command import Outcome, Result, Secret
from kafab.unknown import Unknown

OPS = Shell("ops", become=True)
MARK = BEGAN.decode()


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
    assert ("sudo" in shell.on_stdin(), "sudo" in shell.with_argument("true")) == (expected, expected)


def test_password_is_on_no_command_line_of_ours() -> None:
    """We let sudo ask, with a prompt that nothing else prints; the answer is not in the command."""
    line = Shell("ops", become=True, password=Secret("hunter2")).on_stdin()
    assert "sudo -k -S" in line
    assert PROMPT in line
    assert "hunter2" not in line


def test_sudo_never_waits_for_a_password_that_we_have_not() -> None:
    """Without a password sudo must not ask."""
    assert "sudo -n" in OPS.on_stdin()


def test_shell_shows_no_password() -> None:
    """A shell in an exception or a log has no secret in it."""
    assert "hunter2" not in repr(Shell("ops", become=True, password=Secret("hunter2")))


def test_command_that_sudo_quotes_is_not_taken_for_the_mark() -> None:
    """A refusal of sudo may show the whole command; the mark in it is written otherwise than it is printed."""
    said = f"Sorry, user ops is not allowed to execute '{OPS.on_stdin()}' as root on node1.\n"
    outcome = OPS.begun(Result(1, b"", said))
    assert isinstance(outcome, Unknown)
    assert "ops is not in sudoers" in outcome.reason


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Result(3, b"out", f"{MARK}err\n"), Result(3, b"out", "err\n")),
        (Result(0, b"", f"sudo: unable to resolve host node1\n{MARK}"), Result(0, b"", "")),
        (Unknown("lost"), Unknown("lost")),
    ],
)
def test_mark_is_taken_off(outcome: Outcome, expected: Outcome) -> None:
    """What stands before the mark is not the script's; what stands behind it is."""
    assert OPS.begun(outcome) == expected


def test_without_sudo_nothing_is_taken_off() -> None:
    """A script's errors are its own, whatever they are."""
    outcome = Result(1, b"", f"sudo: a password is required {MARK}")
    assert Shell("root", become=True).begun(outcome) is outcome


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
