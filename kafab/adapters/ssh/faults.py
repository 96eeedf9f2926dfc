"""Why a connection could not be opened, in one sentence for the operator."""

import os
import re
import socket
import threading
import time
from typing import Any

import paramiko
from paramiko import ssh_exception

from kafab.adapters.ssh.frame import NotBegun
from kafab.adapters.ssh.sudo import refusal
from kafab.adapters.ssh.wire import MoreThanKey, Noting, ProxyProcess, Watched
from kafab.events import Emit, Note
from kafab.hosts.doors import quoted

SPARED_SECONDS = 60
"""A peer that has gone silent is not dialled again for so long: that would only cost its callers another timeout."""


class LinkError(Exception):
    """The host cannot be talked to; the text is one sentence for the operator."""


class Silence:
    """What is known of a peer's silence: it is told at once, whatever else its caller is doing, and remembered for a minute.

    ``name`` is what the operator calls the peer. Safe to use from several threads.
    """

    def __init__(self, name: str, emit: Emit) -> None:
        self._name = name
        self._emit = emit
        self._lock = threading.Lock()
        self._until = 0.0
        self._how = ""

    @property
    def reason(self) -> str:
        """Say how the peer went silent; empty where it has not, or not lately."""
        with self._lock:
            return self._how if time.monotonic() < self._until else ""

    def found(self, how: str) -> None:
        """Tell and remember that the peer, which has answered before, does not any more."""
        with self._lock:
            known = time.monotonic() < self._until
            if not known:
                self._until, self._how = time.monotonic() + SPARED_SECONDS, how
        if not known:
            self._emit(Note(self._name, f"UNKNOWN: {how}"))


class KeyRefused(paramiko.SSHException):
    """A host key that known_hosts does not trust."""


def no_script(error: NotBegun, user: str, where: str) -> str:
    """Say why a login led to no script, in the words of who refused: sudo, or what the user is let in to."""
    frame, login = error.frame, f"user {user} at {where}"
    words = quoted(frame.said)
    if frame.terminal:
        return f"{login}: the login gave it a terminal, and a script needs none; nothing has run"
    if frame.mixed:
        return f"{login}: the login mixed its errors with its output; {_MAY_RUN}"
    if frame.shell:
        return refusal(frame.said, user)
    if error.code is None:
        silence = f", and said {words}" if words else ""
        return f"{login}: the login started no sh within {error.seconds:g} s{silence}; {_MAY_RUN}"
    return f"{login}: the login started no sh: exit {error.code} and {f'said {words}' if words else 'not a word'}"


_MAY_RUN = "the script may be running there"


def sentence(error: Exception, connection: Any, tried: str, limit: float, took: float) -> str:
    """Say why a Fabric connection could not be opened: each stage has ``limit`` seconds, all of it took ``took``.

    ``tried`` names its keys.
    """
    where = f"{connection.host} port {connection.port}"
    if isinstance(connection.gateway, str):
        where += f" through `{connection.gateway}`"
    made: paramiko.Transport | None = connection.client.get_transport()
    if isinstance(error, KeyRefused):
        return str(error)
    if isinstance(error, paramiko.SSHException) and (why := _login_sentence(error, made)):
        return f"user {connection.user} at {where}: {why}; tried {tried}"
    return _way_sentence(error, made, connection.host, where, limit, took)


def _way_sentence(  # noqa: PLR0917  # all that is known of the way
    error: Exception, made: paramiko.Transport | None, name: str, where: str, limit: float, took: float
) -> str:
    """Say why the login was not reached."""
    if isinstance(error, ssh_exception.ChannelException):
        return f"{where} cannot be reached from the gateway ({error.text.lower()})"
    if isinstance(error, ssh_exception.IncompatiblePeer) and isinstance(made, Noting):
        return f"{where} and kafab have {made.differ(str(error))}"
    if made is not None and not made.remote_version:
        return _banner_sentence(made, where, limit, took)
    if isinstance(error, EOFError):
        return f"{where} closed the connection while it was being set up{_farewell(made)}"
    if isinstance(error, OSError):
        return _network_sentence(error, name, where, limit)
    return f"{where}: {error}{_farewell(made)}"


def hung_up_at_once(connection: Any) -> bool:
    """Tell whether the peer hung up before its banner, as sshd does past MaxStartups: asking again is harmless.

    A ProxyCommand that has ended is not asked again: it has said why.
    """
    made = connection.client.get_transport()
    return made is not None and not made.remote_version and not isinstance(connection.gateway, str)


def _banner_sentence(made: paramiko.Transport, where: str, limit: float, took: float) -> str:
    """Say what came in place of sshd's banner."""
    watched = made.sock
    assert isinstance(watched, Watched)  # noqa: S101  # `transport` has put it there
    first = watched.first.decode("utf-8", errors="replace")
    if isinstance(watched.sock, ProxyProcess) and (ended := watched.sock.ended()) is not None:
        code, words = ended
        return f"the ProxyCommand to {where} ended with exit {code} and {_said(words)}"
    # sshd's own refusals come as a line in place of the banner.
    if first.strip() and not re.match(r"exceeded maxstartups|not allowed at this time", first, re.IGNORECASE):
        return f"{where} is no sshd: it said {quoted(first[:200])}"
    if took >= limit:
        return f"{where} took the connection and said nothing for {limit:g} s"
    return f"{where} hung up before its SSH banner{f' and said {quoted(first)}' if first.strip() else ''}"


def _said(words: str) -> str:
    return f"said {quoted(words)}" if words.strip() else "said nothing"


def _login_sentence(error: paramiko.SSHException, made: paramiko.Transport | None) -> str:
    """Say why sshd did not let the user in; empty where the login was not reached."""
    if isinstance(error, paramiko.PasswordRequiredException):
        return "the key file is encrypted"
    if isinstance(error, MoreThanKey):
        return f"sshd wants more than a key, {error}"
    # Paramiko's last exception may as well be "not a valid ED25519 private key file" of the last type it guessed.
    if made is None or not made.initial_kex_done or made.is_authenticated():
        return ""
    if said := _farewell(made):
        return f"sshd ended the login{said}"
    # A refused key leaves the connection open. sshd hangs up where it took the key and PAM refuses the account.
    return "public key refused" if made.is_active() else f"sshd ended the login and {_said(_banner(made))}"


def _banner(made: paramiko.Transport) -> str:
    """Return what sshd said to the user during the login: PAM's words, where it ended then."""
    # Transport.get_banner has it only as long as the connection is open.
    said: Any = made.auth_handler.banner if made.auth_handler else None
    return said.decode("utf-8", errors="replace") if said else ""


def _farewell(made: paramiko.Transport | None) -> str:
    words = made.farewell if isinstance(made, Noting) else ""
    return f" and said {quoted(words)}" if words.strip() else ""


def _network_sentence(error: OSError, name: str, where: str, seconds: float) -> str:
    if isinstance(error, socket.gaierror):
        return f"the name {name} does not resolve ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"no answer from {where} within {seconds:g} s"
    if isinstance(error, ssh_exception.NoValidConnectionsError):
        reasons = {
            os.strerror(each.errno)
            for each in error.errors.values()
            if isinstance(each, OSError) and each.errno
        }
        return f"{where}: {', '.join(sorted(reasons)).lower()}"
    return f"{where}: {(error.strerror or str(error)).lower()}"
