"""Why a connection could not be opened, in one sentence for the operator."""

import os
import socket
import threading
import time
from typing import Any

import paramiko
from paramiko import ssh_exception

from kafab.events import Emit, Note

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


def sentence(error: Exception, connection: Any, tried: str, seconds: float) -> str:
    """Say why a Fabric connection could not be opened within ``seconds`` a stage. ``tried`` names its keys."""
    where = f"{connection.host} port {connection.port}"
    if isinstance(connection.gateway, str):
        where += f" through `{connection.gateway}`"
    login = f"user {connection.user} at {where}"
    if isinstance(error, KeyRefused):
        text = str(error)
    elif isinstance(error, paramiko.PasswordRequiredException):
        text = f"{login}: the key file is encrypted; load it into ssh-agent with ssh-add"
    elif isinstance(error, paramiko.SSHException) and _stood_at_login(connection):
        text = f"{login}: public key refused; tried {tried}"
    elif isinstance(error, ssh_exception.ChannelException):
        text = f"{where} cannot be reached from the gateway ({error.text.lower()})"
    elif sent_no_banner(connection):
        text = f"{where} sent no SSH banner: no sshd, or one with too many logins at once (MaxStartups)"
    elif isinstance(error, EOFError):
        text = f"{where} closed the connection while it was being set up"
    elif isinstance(error, OSError):
        text = _network_sentence(error, connection.host, where, seconds)
    else:
        text = f"{where}: {error}"
    return text


def sent_no_banner(connection: Any) -> bool:
    """Tell whether the peer hung up before its banner, as sshd does past MaxStartups: asking again is harmless."""
    transport = connection.client.get_transport()
    return transport is not None and not transport.remote_version


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


def _stood_at_login(connection: Any) -> bool:
    # Paramiko's last exception may as well be "not a valid ED25519 private key file" of the last type it guessed.
    transport = connection.client.get_transport()
    return bool(transport and transport.initial_kex_done and not transport.is_authenticated())
