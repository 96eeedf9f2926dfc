"""Scripts as root: directly for a root login, through sudo for any other, and what sudo says when it will not.

sudo runs under LC_ALL=C, so its messages are its own. Before the first line of a script root's shell writes marks
(`frame`): without them nothing of the script has run, and what stands there instead is sudo's reason. Nothing of a
password is ever on a command line: it is written to sudo's stdin when sudo asks with our own prompt, and only then.
"""

import re
from dataclasses import dataclass

from kafab.adapters.ssh.frame import AS_ROOT, READ, Frame, line
from kafab.adapters.ssh.talk import Output
from kafab.command import Secret

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROMPT = "kafab\x1epassword\x1e"


@dataclass(frozen=True)
class Shell:
    """How scripts are begun on one host."""

    user: str
    become: bool = False
    """False: as the login user. True: as root; a login as root needs no sudo for that."""
    password: Secret | None = None

    @property
    def sudo(self) -> bool:
        """Say whether sudo stands between the login and the script."""
        return self.become and self.user != "root"

    @property
    def asks(self) -> bool:
        """Say whether sudo has to be talked to before a script may be sent."""
        return self.sudo and self.password is not None

    def line(self, frame: Frame, *, feeds: bool = False) -> str:
        """Return the command line that begins a script which comes on stdin; with ``feeds`` stdin goes on behind it."""
        if not self.sudo:
            return line(["sh", "-euc", READ] if feeds else ["sh", "-eu"], frame.number, PATH)
        # -k: a password that sudo remembers of another command must not make it skip ours half of the time.
        ask = ["-k", "-S", "-p", PROMPT] if self.password else ["-n"]
        begin = f"{AS_ROOT}; {READ if feeds else 'exec sh -eu'}"
        root = [
            "env",
            "-i",
            f"PATH={PATH}",
            "LC_ALL=C",
            "HOME=/root",
            "sh",
            "-euc",
            begin,
            "sh",
            frame.number,
        ]
        return line(["sudo", *ask, "--", *root], frame.number, PATH)


class Dialogue:
    """The talk with sudo before a script: what to answer, and when it is over."""

    def __init__(self, output: Output, password: Secret) -> None:
        self._output = output
        self._password = password
        self._answered = 0

    def next(self) -> bytes | None:
        """Return what to write now: a password, or an empty text for the end of stdin; None: wait for more."""
        asked = self._output.frame.err.held.count(PROMPT.encode())
        if asked <= self._answered:
            return None
        self._answered = asked
        # Once only: each wrong try counts towards a lock of the account.
        return f"{self._password.value}\n".encode() if asked == 1 else b""

    @property
    def over(self) -> bool:
        """Say whether the script has begun, or never will."""
        return self._output.frame.begun or self._output.ended


_LINE = "as root run `visudo -f /etc/sudoers.d/kafab` there and add: "
_REASONS = (
    (
        r"Sorry, try again|incorrect password|no password was provided",
        "sudo refused the password given for {user}. To need none, " + _LINE + "{user} ALL=(root) NOPASSWD: ALL",
    ),
    (
        r"a password is required|a terminal is required",
        # With -n sudo says the same to a user that it knows and to one that it does not.
        "sudo wants a password for {user}, or {user} is not in sudoers: " + _LINE
        + "{user} ALL=(root) NOPASSWD: ALL (or type the password: --prompt-for-sudo-password)",
    ),
    (
        r"not in the sudoers file|not allowed to (execute|run)|may not run sudo",
        "{user} is not in sudoers with all commands: " + _LINE + "{user} ALL=(root) NOPASSWD: ALL",
    ),
    (r"must have a tty", "sudo insists on a terminal (requiretty): " + _LINE + "Defaults:{user} !requiretty"),
    (
        r"sudo\W*: (No such file|not found|command not found|inaccessible)|can't execute 'sudo'",
        "there is no sudo: install it and add {user} ALL=(root) NOPASSWD: ALL to /etc/sudoers.d/kafab, or log in as root",
    ),
)  # fmt: skip


def refusal(said: str, user: str) -> str:
    """Return one sentence on why sudo did not begin a script, with the line that would let it."""
    for pattern, sentence in _REASONS:
        if re.search(pattern, said):
            return sentence.format(user=user)
    lines = [line.strip() for line in said.replace(PROMPT, "").splitlines() if line.strip()]
    return f"no root shell for {user}: {lines[-1] if lines else 'sudo ended without a word'}"
