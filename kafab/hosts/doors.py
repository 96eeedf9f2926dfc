"""Why a host did not let a script in: what was seen, which check of preflight that is, and what to do about it.

The adapter says what it saw, in the words of who refused and with where that stood. This table has the next step. "Mend
the network" stands only where the network was seen to fail.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Door:
    """A way of being refused. ``seen`` is searched in our words, ``words`` in those of who refused, which are quoted."""

    check: str
    seen: str
    hint: str
    words: str = ""


REACHABLE, LOGIN, SHELL = "ssh.reachable", "ssh.login", "ssh.shell"
_OTHER_SHELL = "give the account a login shell there (as root: `chsh -s /bin/sh USER`), or name another user: under ssh: in the inventory"

DOORS = (
    # Before anything of SSH.
    Door(
        REACHABLE,
        r"the name .* does not resolve \(Temporary failure",
        "this machine's own name service gave no answer: try again, or write the host's number as address: in the inventory",
    ),
    Door(REACHABLE, r"the name .* does not resolve", "correct address: in the inventory, or make the name known to this machine"),
    Door(
        REACHABLE,
        r"no answer from .* within|no route to host|network is unreachable|host is down|timed out",
        "mend the network or the machine, then run this again",
    ),
    Door(
        REACHABLE,
        r"cannot be reached from the gateway \(administratively prohibited",
        "sshd of the gateway forbids it: AllowTcpForwarding and PermitOpen of its sshd_config, and what authorized_keys says before the key",
    ),
    Door(
        REACHABLE,
        r"cannot be reached from the gateway",
        "the gateway's own network, name service and firewall decide: try `ssh` from there to this address",
    ),
    Door(
        REACHABLE,
        r"connection refused",
        "the machine answers and nothing listens on that port: start sshd there, or correct address: and port: in the inventory",
    ),
    # Before the login.
    Door(
        REACHABLE,
        r"the ProxyCommand .* ended",
        "it is ssh_config's: do what it asks for and try it by hand, or name a gateway: under ssh: in the inventory",
    ),
    Door(
        REACHABLE,
        r"took the connection and said nothing",
        "the machine hangs (look at its console), or what listens on that port is no sshd",
    ),
    Door(
        REACHABLE,
        r"hung up before its SSH banner",
        "sshd refuses this address for a while: wait a minute, or raise MaxStartups or PerSourcePenalties in its sshd_config",
        r"MaxStartups|[Nn]ot allowed at this time",
    ),
    Door(
        REACHABLE,
        r"hung up before its SSH banner",
        "sshd's own log says why (`journalctl -u ssh` there): too many logins at once (MaxStartups), a ban of this address, or no sshd at all",
    ),
    Door(REACHABLE, r"is no sshd", "correct address: and port: in the inventory"),
    Door(
        REACHABLE,
        r"no (key exchange|host key|cipher|MAC) in common",
        "add one of kafab's to KexAlgorithms, HostKeyAlgorithms, Ciphers or MACs of sshd_config there",
    ),
    Door(
        REACHABLE,
        r"closed the connection while it was being set up",
        "sshd's own log says why (`journalctl -u ssh` there)",
    ),
    # The login.
    Door(LOGIN, r"the key file is encrypted", "load it into ssh-agent with ssh-add"),
    Door(
        LOGIN,
        r"sshd ended the login",
        "name the one right key as identity: under ssh: in the inventory, or set IdentitiesOnly yes in ssh_config: sshd takes a few tries only (MaxAuthTries), and each key of ssh-agent is one",
        r"[Tt]oo many authentication failures",
    ),
    Door(
        LOGIN,
        r"sshd ended the login",
        "the key is right; as root there: `chage -l USER` shows when the account ends, `chage -E -1 USER` lets it go on",
        r"account has expired",
    ),
    Door(
        LOGIN,
        r"sshd ended the login and said nothing",
        "the key is right, the account is not let in: sshd's own log says why (`journalctl -u ssh` there)",
    ),
    Door(LOGIN, r"sshd ended the login", "sshd's own log says why (`journalctl -u ssh` there)"),
    Door(
        LOGIN,
        r"wants more than a key",
        "let this user in by the key alone: `AuthenticationMethods publickey` in a Match block of sshd_config there",
    ),
    Door(LOGIN, r"\(a public key\)", "name the private key, the file beside it without .pub"),
    Door(
        LOGIN,
        r"\(a key of PuTTY\)",
        "make OpenSSH's form of it, `puttygen KEY.ppk -O private-openssh -o KEY`, and name that",
    ),
    Door(LOGIN, r"\(no private key\)", "name the file of a private key, as ssh-keygen makes it"),
    Door(
        LOGIN,
        r"public key refused|the identity file .* cannot be read|ssh_config (cannot|can not)",
        "name the right user and identity under ssh: in the inventory, or put the key on the host",
    ),
    # The session.
    Door(
        SHELL,
        r"sshd refused a session",
        "MaxSessions of sshd_config has to be 2 or more there (10 without the line), since a lock and a command need one each",
    ),
    Door(
        SHELL,
        r"gave it a terminal",
        "a session recorder or a forced command does that: leave this user out of it (a Match block of sshd_config there)",
    ),
    Door(
        SHELL,
        r"mixed its errors with its output",
        "a session recorder or a forced command does that: leave this user out of it (a Match block of sshd_config there)",
    ),
    Door(
        SHELL,
        r"started no sh",
        "set a new one by a login with a terminal (`ssh -t`); for an account that has keys only, as root there: `chage -M -1 USER`",
        r"[Pp]assword (has |is )?(expired|change required)|change your password",
    ),
    Door(
        SHELL,
        r"started no sh",
        "name that user under ssh: in the inventory; an image's first user becomes root by sudo",
        r"[Pp]lease log ?in as",
    ),
    Door(
        SHELL,
        r"started no sh",
        "the login is for file transfer only: take ForceCommand off for this user, or name another user: under ssh: in the inventory",
        r"sftp",
    ),
    Door(SHELL, r"started no sh", _OTHER_SHELL, r"not (currently )?available|nologin|no (login )?shell"),
    Door(
        SHELL,
        r"started no sh",
        "a restricted shell starts only what its list has: " + _OTHER_SHELL,
        r"restricted|not allowed|[Aa]llowed commands|forbidden|not permitted",
    ),
    Door(
        SHELL,
        r"started no sh: exit 11 and not a word",
        "so ends sftp-server: take ForceCommand off for this user, or name another user: under ssh: in the inventory",
    ),
    Door(
        SHELL,
        r"started no sh: exit 255 and not a word|sshd opened no session|dropped the connection",
        "sshd's own log says why (`journalctl -u ssh` there); a ChrootDirectory that is missing or not root's ends so",
    ),
    Door(SHELL, r"started no sh: exit 1 and not a word", "so ends /bin/false: " + _OTHER_SHELL),
    Door(
        SHELL,
        r"started no sh within",
        "a login shell that waits for a key or a menu does that: `ssh` to it with `true` behind must end at once",
    ),
    Door(SHELL, r"started no sh", "a POSIX sh is needed, and a login shell that starts it: `ssh` to it with `exec sh -c true` behind must say nothing and succeed"),
)  # fmt: skip


def door(reason: str) -> Door | None:
    """Return the row that a reason belongs to, with its hint behind it or without; None for what is in no row."""
    cause = without_hint(reason)
    ours = re.sub(r'"[^"]*"', '""', cause)
    words = " ".join(re.findall(r'"([^"]*)"', cause))
    return next((row for row in DOORS if re.search(row.seen, ours) and re.search(row.words, words)), None)


def told(cause: str) -> str:
    """Return what was seen with the next step behind it."""
    row = door(cause)
    return cause if row is None else f"{without_hint(cause)}; {row.hint}"


def without_hint(reason: str) -> str:
    """Return a reason without the next step."""
    return next(
        (reason.removesuffix(f"; {row.hint}") for row in DOORS if reason.endswith(f"; {row.hint}")), reason
    )


def quoted(said: str) -> str:
    """Return the last words of who refused, in quotation marks: three lines and 300 characters at most."""
    lines = [" ".join(line.split()) for line in re.sub(r"[^\n\x20-\x7e\xa0-\uffff]", " ", said).splitlines()]
    last = " / ".join([line for line in lines if line][-3:]).replace('"', "'")
    return f'"{last if len(last) <= _WORDS else "…" + last[-_WORDS:]}"' if last else ""


_WORDS = 300
