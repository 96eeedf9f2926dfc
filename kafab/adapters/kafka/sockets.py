"""How kafka-python is given sockets that somebody else has connected: by the scheme of its ``proxy_url``.

librdkafka has no such place in confluent-kafka: it has to reach the brokers directly.
"""

import socket
import threading
import time
from contextlib import suppress
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from kafka.errors import KafkaConnectionError
from kafka.net.inet import KafkaNetSocket

from kafab.adapters.kafka.dialer import Dialer

DIRECT = "direct://"
"""The proxy_url that makes kafka-python connect through `_Direct`."""
_REACHED = "kafab"
_SECONDS = 30.0
_GRACE = 0.5
"""Seconds for which a connection's own reason is waited for behind its deadline."""


class NotReached(KafkaConnectionError):  # type: ignore[misc]  # kafka-python ships no types
    """A connection that did not come about; its text is for the operator."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Direct(KafkaNetSocket):  # type: ignore[misc]  # kafka-python ships no types
    """A plain connection. kafka-python leaves a refused socket to the garbage collector; this one is closed."""

    SCHEMES = (DIRECT.partition(":")[0],)

    async def sock_connect(
        self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None
    ) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


_DIALERS: "WeakValueDictionary[str, Dialer]" = WeakValueDictionary()
_NUMBERS = count(1)
_OWN: list[Dialer] = []


def use(dialer: Dialer) -> None:
    """Let all connections of this process come from a dialer that are not another one's: a child's, from its owner."""
    _OWN.append(dialer)


def own() -> Dialer | None:
    """Return the process's own dialer, if it was given one."""
    return _OWN[-1] if _OWN else None


def proxy_url(dialer: Dialer | None) -> str:
    """Return the proxy_url that makes kafka-python take its connections from a dialer; None: the process's own, or plain ones."""
    dialer = dialer or own()
    if dialer is None:
        return DIRECT
    known = next((name for name, one in _DIALERS.items() if one is dialer), None)
    if known is None:
        known = f"d{next(_NUMBERS)}"
        _DIALERS[known] = dialer
    return f"{_REACHED}://{known}"


class _Reached(KafkaNetSocket):  # type: ignore[misc]  # kafka-python ships no types
    """A connection that a dialer makes, in a thread beside kafka-python's own, which must not wait for it."""

    SCHEMES = (_REACHED,)

    def __init__(self, proxy_url: str) -> None:
        super().__init__(proxy_url)
        self._dialer = _DIALERS.get(proxy_url.rpartition("/")[2])

    def dns_lookup(self, host: str, port: int, raise_error: bool = False) -> list[Any]:  # noqa: ARG002  # its signature
        # The name is the far end's to resolve, where the way leads through it.
        return [(socket.AF_UNSPEC, socket.SOCK_STREAM, 0, "", (host, port))]

    async def connect(
        self, net: Any, addrinfo: Any, socket_options: Any = (), timeout_at: float | None = None
    ) -> socket.socket:
        if self._dialer is None:
            raise NotReached("the session has ended")
        until = time.monotonic() + _SECONDS if timeout_at is None else timeout_at
        host, port = addrinfo[-1]
        attempt = _Attempt(self._dialer, host, port, max(until - time.monotonic(), 0.1))
        try:
            await net.wait_read(attempt.bell, timeout_at=until + _GRACE)
            made = attempt.made()
        finally:
            attempt.close()
        made.setblocking(False)
        if made.family in (socket.AF_INET, socket.AF_INET6):
            for option in socket_options:
                made.setsockopt(*option)
        return made


class _Attempt:
    """A connection that is being made in a thread; ``bell`` becomes readable when that is over."""

    def __init__(self, dialer: Dialer, host: str, port: int, seconds: float) -> None:
        self.bell, self._rope = socket.socketpair()
        self._lock = threading.Lock()
        self._wanted = True
        self._found: socket.socket | OSError | None = None
        threading.Thread(target=self._make, args=(dialer, host, port, seconds), daemon=True).start()

    def made(self) -> socket.socket:
        """Return the socket, which is the caller's from then on. Raises NotReached."""
        with self._lock:
            found, self._found = self._found, None
        if isinstance(found, socket.socket):
            return found
        if isinstance(found, ConnectionRefusedError):
            raise NotReached("connection refused")
        if isinstance(found, TimeoutError):
            raise NotReached("timed out")
        said = found.strerror.lower() if found is not None and found.strerror else str(found)
        raise NotReached(said)

    def close(self) -> None:
        """Want nothing of it any more."""
        with self._lock:
            self._wanted = False
            found, self._found = self._found, None
        if isinstance(found, socket.socket):
            found.close()
        self.bell.close()

    def _make(self, dialer: Dialer, host: str, port: int, seconds: float) -> None:
        found: socket.socket | OSError
        try:
            found = dialer.connect(host, port, seconds)
        except OSError as error:
            found = error
        except Exception as error:  # noqa: BLE001  # else nobody would hear of it
            found = OSError(f"{type(error).__name__}: {error}")
        with self._lock:
            if self._wanted:
                self._found = found
            elif isinstance(found, socket.socket):
                found.close()
        with suppress(OSError):
            self._rope.send(b".")
        self._rope.close()
