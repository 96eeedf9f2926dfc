"""A relay between a client and the brokers that cuts a connection when a broker has answered and the client has not heard it.

Clients go to the addresses that brokers tell in their metadata, so the relay puts addresses of its own in their place. It listens on
loopback in the process of the client alone: no broker and no other client is touched, and it ends with its process.
"""

import asyncio
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from functools import partial
from typing import Any, TypeAlias

from kafka.protocol.metadata import MetadataResponse
from kafka.protocol.producer import ProduceResponse

from kafab.adapters.kafka.dialer import Dialer

Address: TypeAlias = tuple[str, int]

LOOPBACK = "127.0.0.1"
MOST_CUTS = 5
"""A client may wait longer after each cut: with so many it gets to its end."""
_START_LIMIT = 10.0
_ENDS = (OSError, EOFError)
_SIZE = struct.Struct(">i")
_ASKED = struct.Struct(">hhi")
"""What a request begins with in each of its versions: API key, version, correlation id."""


class Relay:
    """To be used in a ``with`` block, in which ``bootstrap`` leads to the brokers. Plaintext listeners only.

    ``every``: each so many-th answer to a Produce request is withheld, and the connection cut on which it came; ``cut`` hears of it.
    """

    def __init__(
        self, bootstrap: str, every: int, cut: Callable[[], object], dialer: Dialer | None = None
    ) -> None:
        self._dialer = dialer
        self.bootstrap = ""
        self._brokers = [_address(one) for one in bootstrap.split(",")]
        self._every, self._cut = every, cut
        self._answers = 0
        self._listening: dict[Address, Address] = {}
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Relay":  # noqa: PYI034  # nothing is derived from it
        """Listen. Raises OSError where that cannot be."""
        self._thread.start()
        self.bootstrap = self._started.result(_START_LIMIT)
        return self

    def __exit__(self, *_error: object) -> None:
        """Cut what is open, and listen no longer."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_START_LIMIT)

    async def _run(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            places = [await self._place(broker) for broker in self._brokers]
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(",".join(f"{host}:{port}" for host, port in places))
        await self._ended.wait()
        for server in self._servers:
            server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _place(self, broker: Address) -> Address:
        """Return where the relay listens for this broker."""
        if broker not in self._listening:
            server = await asyncio.start_server(partial(self._accept, broker), LOOPBACK, 0)
            self._servers.append(server)
            self._listening[broker] = (LOOPBACK, server.sockets[0].getsockname()[1])
        return self._listening[broker]

    async def _accept(
        self, broker: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.ensure_future(self._carry(broker, reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(
        self, broker: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry requests and answers until one end closes, or the connection is to be cut."""
        with closing(writer), suppress(*_ENDS):
            there, to_broker = await self._open_to(broker)
            with closing(to_broker):
                asked: dict[int, tuple[int, int]] = {}
                ways = [
                    asyncio.ensure_future(_requests(reader, to_broker, asked)),
                    asyncio.ensure_future(self._answered(there, writer, asked)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    ends = await asyncio.gather(*ways, return_exceptions=True)
                    # An end of the connection is one; anything else is a mistake of the relay's, which its client only sees as a cut.
                    wrong = [end for end in ends if isinstance(end, Exception) and not isinstance(end, _ENDS)]
                    sys.stderr.writelines(f"relay: {error!r}\n" for error in wrong)

    async def _open_to(self, broker: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._dialer is None:
            return await asyncio.open_connection(*broker)
        made = await self._loop.run_in_executor(None, self._dialer.connect, *broker, _START_LIMIT)
        return await asyncio.open_connection(sock=made)

    async def _answered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[int, tuple[int, int]]
    ) -> None:
        while True:
            frame = await _frame(reader)
            key, version = asked.pop(*_SIZE.unpack(frame[: _SIZE.size]))
            if key == ProduceResponse.API_KEY and self._withheld():
                self._cut()
                return
            if key == MetadataResponse.API_KEY:
                frame = await self._replaced(frame, version)
            writer.write(_SIZE.pack(len(frame)) + frame)
            await writer.drain()

    def _withheld(self) -> bool:
        if not self._every or self._answers >= MOST_CUTS * self._every:
            return False
        self._answers += 1
        return self._answers % self._every == 0

    async def _replaced(self, frame: bytes, version: int) -> bytes:
        """Return an answer about metadata with the relay's addresses in the place of the brokers'."""
        found: Any = MetadataResponse.decode(frame, version=version, header=True)
        for broker in found.brokers:
            broker.host, broker.port = await self._place((broker.host, broker.port))
        return bytes(found.encode(header=True))


async def _requests(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[int, tuple[int, int]]
) -> None:
    while True:
        frame = await _frame(reader)
        key, version, correlation = _ASKED.unpack(frame[: _ASKED.size])
        asked[correlation] = (key, version)
        writer.write(_SIZE.pack(len(frame)) + frame)
        await writer.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
    return await reader.readexactly(size)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
