"""One connection to each broker, on kafka-python's protocol layer, for questions that one broker alone must answer.

librdkafka and kafka-python's own admin client choose which broker they ask: bootstrapped at broker 1 they may be answered
by broker 2, so a frozen broker looks healthy. Here a connection is only ever a connection to its own address. All of them
live on one I/O thread, and every question has a deadline.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
)
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.sockets import proxy_url
from kafab.login import IN_THE_CLEAR, Login
from kafab.model import Endpoint
from kafab.unknown import Unknown

_ANSWER_LIMIT = (
    100 * 1024 * 1024
)  # Kafka's own socket.request.max.bytes; metadata of 100000 partitions is about 10 MB
_IN_FLIGHT = 10000  # kafka-python's 5 would make a frozen broker, asked often, "not ready" in place of silent
_GRACE = timedelta(seconds=1)  # what the I/O thread may be late by before it is given up
_WAY = timedelta(seconds=25)
"""What the way to a broker may take beside its answer: a login, or several where there is a bastion."""
_READY = object()
_THROTTLED = 0.05  # seconds between two looks at a connection that a quota holds up
_ONLY = (
    "bootstrap-0"  # kafka-python's name for the first, here the only, server a connection manager was given
)

# Every fault comes back as a value; kafka-python's own lines about it would only repeat it on stderr.
logging.getLogger("kafka").addHandler(logging.NullHandler())

AT_THE_LOGIN = (
    "closed the connection at the login: it does not take the certificate, the user or the password"
)

K = TypeVar("K")


@dataclass(frozen=True)
class _Question:
    """A request for one broker; ``answer`` takes what comes of it."""

    at: Endpoint
    make: Callable[[], Any]
    timeout: timedelta
    answer: Callable[[Any], object]

    def fail(self, error: Exception) -> None:
        """Answer with the reason why there is no answer."""
        self.answer(Unknown(f"{self.at}: {_told(error, self.timeout)}"))


class BrokerConnections:
    """Connections by address, opened on first use and kept. Safe to use from several threads."""

    def __init__(
        self,
        login: Login = IN_THE_CLEAR,
        logins_at: Mapping[Endpoint, Login] | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        """``logins_at`` has the addresses at which another login than ``login`` is the right one; ``dialer`` makes connections."""
        self._dialer = dialer
        self._login = login
        self._logins_at = dict(logins_at or {})
        self._lock = threading.Lock()
        self._net: Any = None
        self._managers: dict[Endpoint, Any] = {}
        self._closed = False

    def ask(
        self, requests: Mapping[K, tuple[Endpoint, Callable[[], Any]]], timeout: timedelta
    ) -> dict[K, Any | Unknown]:
        """Send one request each, side by side, and return each broker's response, or Unknown with the reason.

        A value is the broker's address and a maker of the request: kafka-python writes the negotiated version into it.
        """
        found = dict(self._sent(requests, timeout))
        return {key: found.get(key, _late(at, timeout)) for key, (at, _) in requests.items()}

    def ask_any(
        self,
        at: Sequence[Endpoint],
        make: Callable[[], Any],
        timeout: timedelta,
        *,
        read: Callable[[Any], Any | Unknown] = lambda response: response,
        nobody: str = "no broker answers",
    ) -> Any | Unknown:
        """Ask all of them and return the first response as ``read`` gives it; Unknown with every reason when none answers.

        A response that ``read`` makes Unknown is passed over: the others are waited for. ``nobody`` opens the reason
        where several were asked.
        """
        requests = {endpoint: (endpoint, make) for endpoint in at}
        reasons = {endpoint: _late(endpoint, timeout).reason for endpoint in at}
        for endpoint, answer in self._sent(requests, timeout):
            if isinstance(answer, Unknown):
                reasons[endpoint] = answer.reason
            elif isinstance(found := read(answer), Unknown):
                reasons[endpoint] = f"{endpoint}: {found.reason}"
            else:
                return found
        told = "; ".join(reasons.values())
        return Unknown(told if len(reasons) == 1 else f"{nobody}: {told}")

    def close(self) -> None:
        """Close every connection and end the I/O thread."""
        with self._lock:
            self._closed = True
            net, self._net = self._net, None
            managers, self._managers = self._managers, {}
        if net is None:
            return
        for manager in managers.values():
            with contextlib.suppress(KafkaError, OSError):
                net.run(_closed, manager)
        net.stop(timeout_ms=_GRACE.total_seconds() * 1000)
        net.close()

    def _sent(
        self, requests: Mapping[K, tuple[Endpoint, Callable[[], Any]]], timeout: timedelta
    ) -> Iterator[tuple[K, Any | Unknown]]:
        """Send all requests at once, and yield the answers as they come, as long as any may come in time."""
        answers: queue.SimpleQueue[tuple[K, Any]] = queue.SimpleQueue()
        limit = (timeout + _GRACE).total_seconds()
        waiting = {key: time.monotonic() + limit for key in requests}
        for key, (at, make) in requests.items():
            question = _Question(at, make, timeout, partial(_put, answers, key))
            way = self._dialer
            if way is None or self._is_connected(at) or not way.needs_login(at.host, at.port):
                self._send(question)
            else:
                waiting[key] += _WAY.total_seconds()
                threading.Thread(target=self._send_when_ready, args=(question, way), daemon=True).start()
        while waiting:
            try:
                key, answer = answers.get(timeout=max(max(waiting.values()) - time.monotonic(), 0))
            except queue.Empty:
                return
            if answer is _READY:
                waiting[key] = time.monotonic() + limit
            else:
                waiting.pop(key, None)
                yield key, answer

    def _send_when_ready(self, question: "_Question", way: Dialer) -> None:
        """Send once the way is there: a login through a bastion may take longer than a question."""
        try:
            way.ready(question.at.host, question.at.port, question.timeout.total_seconds())
        except OSError as error:
            question.fail(error)
            return
        question.answer(_READY)
        if self._closed:
            return
        try:
            self._send(question)
        except (
            KafkaError,
            RuntimeError,
            OSError,
        ) as error:  # closed meanwhile; files of a login that cannot be read
            question.fail(error)

    def _send(self, question: "_Question") -> None:
        manager = self._manager(question.at)
        future = manager.call_soon(_asked, manager, question.make, question.timeout.total_seconds() * 1000)
        future.add_callback(question.answer)
        future.add_errback(question.fail)

    def _is_connected(self, at: Endpoint) -> bool:
        with self._lock:
            return at in self._managers and _ONLY in self._managers[at]._conns  # noqa: SLF001  # as in _asked

    def _manager(self, at: Endpoint) -> Any:
        with self._lock:  # or two that ask at once would start two I/O threads, of which one is never ended
            if self._net is None:
                self._net = NetworkSelector(client_id="kafab")
                self._net.start()
            if at not in self._managers:
                self._managers[at] = KafkaConnectionManager(
                    self._net,
                    bootstrap_servers=[str(at)],
                    client_id="kafab",
                    receive_message_max_bytes=_ANSWER_LIMIT,
                    max_in_flight_requests_per_connection=_IN_FLIGHT,
                    proxy_url=proxy_url(self._dialer),
                    **logins.kafka_python(self._logins_at.get(at, self._login)),
                )
            return self._managers[at]


def _put(answers: "queue.SimpleQueue[tuple[K, Any]]", key: K, answer: Any) -> None:
    answers.put((key, answer))


async def _asked(manager: Any, make: Callable[[], Any], timeout_ms: float) -> Any:
    # A connection that was kept may have died unnoticed (the broker was restarted): that one is tried again, once, anew.
    kept = _ONLY in manager._conns  # noqa: SLF001  # kafka-python has no other way to tell a kept connection from a new one
    try:
        return await _sent_once(manager, make, timeout_ms)
    except KafkaConnectionError:
        if not kept:
            raise
        return await _sent_once(manager, make, timeout_ms)


async def _sent_once(manager: Any, make: Callable[[], Any], timeout_ms: float) -> Any:
    manager.reset_backoff(_ONLY)  # pauses between attempts are the asking gate's business
    connection = manager.get_connection(_ONLY, timeout_ms=timeout_ms, refresh_metadata_on_err=False)
    until = time.monotonic() + timeout_ms / 1000
    while "throttle" in connection.paused and time.monotonic() < until:
        # A quota of kafab's own user or client id: the broker has said for how long, and kafka-python would refuse to send.
        await connection.net.sleep(_THROTTLED)
    try:
        return await connection.send_request(make(), request_timeout_ms=timeout_ms)
    except KafkaConnectionError as error:
        # A broker that refuses a login says so and closes the connection at once: kafka-python 3.0.12 sees the end before it
        # has read the answer. A connection that was made, and never came to be ready, was closed at the login.
        made, ready = connection.parser is not None, connection._init_future.succeeded()  # noqa: SLF001
        if made and not ready and manager.config["security_protocol"] != "PLAINTEXT":
            raise SaslAuthenticationFailedError from error
        raise


async def _closed(manager: Any) -> None:
    manager.close()


def _late(at: Endpoint, timeout: timedelta) -> Unknown:
    return Unknown(f"{at}: did not answer within {timeout.total_seconds():g} s")


def _told(error: Exception, timeout: timedelta) -> str:
    if isinstance(error, (KafkaTimeoutError, RequestTimedOutError, TimeoutError)) or "timed out" in str(
        error
    ):
        return f"did not answer within {timeout.total_seconds():g} s"
    if isinstance(error, SaslAuthenticationFailedError):
        return AT_THE_LOGIN
    if isinstance(error, ConnectionRefusedError) or "ECONNREFUSED" in str(error):
        return "connection refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
