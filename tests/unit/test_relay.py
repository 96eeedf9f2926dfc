"""The relay that cuts a producer's connection: what the broker has and the client does not hear of, and the addresses in between."""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from kafka.protocol.metadata import MetadataResponse
from kafka.protocol.producer import ProduceResponse

from kafab.adapters.kafka.drills.relay import Relay

PRODUCE, METADATA = ProduceResponse.API_KEY, MetadataResponse.API_KEY
LIMIT = 20


@dataclass
class Broker:
    """A server that answers each request with what a test has for its API key, behind the request's correlation id."""

    answers: Mapping[int, bytes] = field(default_factory=dict)
    heard: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen on a free port."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Take one connection after the other until the listener is closed."""
        with suppress(OSError):
            while True:
                with closing(self.listener.accept()[0]) as taken, suppress(EOFError):
                    while True:
                        request = receive(taken)
                        self.heard.append(request)
                        send(taken, request[4:8] + self.answers.get(request[1], b"answer"))


@contextmanager
def serving(broker: Broker) -> Iterator[Broker]:
    """Serve for the length of the block."""
    thread = threading.Thread(target=broker.serve)
    thread.start()
    try:
        yield broker
    finally:
        with suppress(OSError):
            broker.listener.shutdown(socket.SHUT_RDWR)
        broker.listener.close()
        thread.join(LIMIT)


def request(key: int, correlation: int, version: int = 9) -> bytes:
    """Return a request that has a header and no more."""
    return struct.pack(">hhi", key, version, correlation)


def send(to: socket.socket, frame: bytes) -> None:
    """Send one frame."""
    to.sendall(struct.pack(">i", len(frame)) + frame)


def receive(of: socket.socket) -> bytes:
    """Receive one frame. Raises EOFError where the connection ends."""
    return _exactly(of, struct.unpack(">i", _exactly(of, 4))[0])


def _exactly(of: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        chunk = of.recv(size - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found


def connected(relay: Relay) -> socket.socket:
    """Return a connection to the relay's first address."""
    host, _, port = relay.bootstrap.split(",")[0].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=LIMIT)


def test_answer_is_withheld_and_the_connection_cut() -> None:
    """The broker has every request, the client every answer but each third one, with which its connection ends."""
    cuts: list[None] = []
    with serving(Broker()) as broker, Relay(broker.address, 3, lambda: cuts.append(None)) as relay:
        with closing(connected(relay)) as client:
            for number in range(3):
                send(client, request(PRODUCE, number))
            answers = [receive(client), receive(client)]
            with pytest.raises(EOFError):
                receive(client)
        assert (answers, len(broker.heard), len(cuts)) == (
            [struct.pack(">i", number) + b"answer" for number in range(2)],
            3,
            1,
        )


@pytest.mark.parametrize(("key", "every"), [(PRODUCE, 0), (18, 1)])
def test_other_answers_pass(key: int, every: int) -> None:
    """Where no answer is to be withheld, and for requests that write nothing, the relay is a wire."""
    with (
        serving(Broker()) as broker,
        Relay(broker.address, every, lambda: None) as relay,
        closing(connected(relay)) as client,
    ):
        for number in range(5):
            send(client, request(key, number))
            assert receive(client) == struct.pack(">i", number) + b"answer"


@pytest.mark.parametrize("version", range(MetadataResponse.min_version, MetadataResponse.max_version + 1))
def test_brokers_are_behind_the_relay(version: int) -> None:
    """In every version of the metadata each broker has an address of the relay's, at which that broker answers; all else stays."""
    other = Broker({18: b"other"})
    with serving(Broker()) as broker, serving(other), Relay(broker.address, 0, lambda: None) as relay:
        told = _metadata(version, {1: broker.address, 2: other.address})
        broker.answers = {METADATA: (b"\0" if _flexible(version) else b"") + told.encode(version=version)}
        with closing(connected(relay)) as client:
            send(client, request(METADATA, 7, version))
            found: Any = MetadataResponse.decode(receive(client), version=version, header=True)
        assert found.header.correlation_id == 7
        assert f"{found.brokers[0].host}:{found.brokers[0].port}" == relay.bootstrap
        with closing(socket.create_connection((found.brokers[1].host, found.brokers[1].port))) as client:
            send(client, request(18, 1))
            assert receive(client) == b"\0\0\0\1other"
        for each, address in zip(found.brokers, (broker.address, other.address), strict=True):
            each.host, each.port = address.split(":")[0], int(address.split(":")[1])
        assert found.encode() == told.encode(version=version)


def _metadata(version: int, brokers: Mapping[int, str]) -> Any:
    broker = MetadataResponse.MetadataResponseBroker
    return MetadataResponse(
        throttle_time_ms=0,
        brokers=[
            broker(node_id=node, host=at.split(":")[0], port=int(at.split(":")[1]), rack=None)
            for node, at in brokers.items()
        ],
        cluster_id="c",
        controller_id=1,
        topics=[],
    )


def _flexible(version: int) -> bool:
    return bool(MetadataResponse.flexible_version_q(version))


def test_client_of_a_broker_that_is_gone_is_cut_off() -> None:
    """Where the broker does not listen the client's connection ends, as it would without the relay."""
    gone = Broker()
    gone.listener.close()
    with (
        Relay(gone.address, 0, lambda: None) as relay,
        closing(connected(relay)) as client,
        pytest.raises(EOFError),
    ):
        receive(client)


def test_end_of_the_relay_cuts_what_is_open() -> None:
    """A connection that is open when the relay ends is closed, and no thread stays."""
    with serving(Broker()) as broker, Relay(broker.address, 0, lambda: None) as relay:
        client = connected(relay)
        send(client, request(PRODUCE, 1))
        receive(client)
    with closing(client), pytest.raises((EOFError, ConnectionError)):
        receive(client)
