"""What is far away, made on loopback: servers behind an sshd, and a line that takes its time."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from tests.ports import ADDRESS


@contextmanager
def echo() -> Iterator[int]:
    """Run a server that says back what it hears, and ends when its client does; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError), closing(writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    with _serving(serve) as port:
        yield port


@contextmanager
def slow(to: int, seconds: float, host: str = ADDRESS) -> Iterator[int]:
    """Run a relay to a port that keeps every byte for so long, each way; yields its port."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        clock = asyncio.get_running_loop().time

        async def deliver() -> None:
            with suppress(OSError), closing(writer):
                while True:
                    due, data = await late.get()
                    await asyncio.sleep(max(due - clock(), 0))
                    if not data:
                        break
                    writer.write(data)
                    await writer.drain()

        delivery = asyncio.ensure_future(deliver())
        data = b"."
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            late.put_nowait((clock() + seconds, data))
        await delivery

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(host, to)
        with closing(writer), closing(to_there):
            await asyncio.gather(carry(reader, to_there), carry(there, writer))

    with _serving(serve) as port:
        yield port


@contextmanager
def _serving(serve: object) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    listening = socket.create_server((ADDRESS, 0))
    port: int = listening.getsockname()[1]
    server = loop.run_until_complete(asyncio.start_server(serve, sock=listening))  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.05)  # transports close in the loop's next turns
