"""The canary's producer against real brokers, behind a relay that loses an answer: no duplicate is of the canary's own making."""

import asyncio
import secrets
import struct
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any

import pytest
from kafka.protocol.metadata import MetadataResponse
from kafka.protocol.producer import ProduceResponse

from kafab.adapters.kafka.canary import Reader, Writer
from kafab.adapters.kafka.drills.relay import Address, Relay
from kafab.canary.ledger import Written
from kafab.cluster.metadata import TopicSpec
from kafab.ports import Perch
from tests.kafka_by_hand import KafkaByHand

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("contract 3.9.2"), pytest.mark.timeout(600)]

STEP = timedelta(milliseconds=20)
NOT_ENOUGH_REPLICAS = 19
TOGETHER = 0.5
"""Seconds in which a request follows another one of its partition, where the client has more than one under way."""
LIMIT = 30.0


class Disordering(Relay):
    """Once ``armed`` it does to two partitions of one producer what a leader's move can do.

    An answer about the first is lost with its connection, which cannot be opened again for a moment. Then a request of the
    second, which is led by another broker, is refused before that broker has it, while what is behind it goes through.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(bootstrap, 0, lambda: None)
        self.armed = self.lost = False
        self.refused = asyncio.Event()
        self.held: bytes | None = None
        """The correlation id of the request that is to be refused."""
        self._values = [f"{topic}/{number}/".encode() for number in (0, 1)]
        self._good: bytes = b""
        """An answer about the second partition, which the refusal is made of."""

    def partition(self, request: bytes) -> int | None:
        """Return the partition whose records are in a request."""
        return next((number for number, value in enumerate(self._values) if value in request), None)

    async def _carry(
        self, broker: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.lost:
            await self.refused.wait()
            # What follows from the refusal comes first.
            await asyncio.sleep(TOGETHER)
        with closing(writer), suppress(OSError, EOFError):
            there, to_broker = await asyncio.open_connection(*broker)
            with closing(to_broker):
                asked: dict[bytes, bytes] = {}
                ways = [
                    asyncio.ensure_future(self._carried_there(reader, to_broker, writer, asked)),
                    asyncio.ensure_future(self._carried_back(there, writer, asked)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _carried_there(
        self,
        reader: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
        asked: dict[bytes, bytes],
    ) -> None:
        while True:
            request = await _frame(reader)
            asked[request[4:8]] = request
            if self.lost and self.held is None and self.partition(request) == 1:
                self.held = request[4:8]
                later = asyncio.get_running_loop().call_later
                later(TOGETHER, self._refuse, writer, struct.unpack(">h", request[2:4])[0])
            else:
                _send(to_broker, request)

    async def _carried_back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[bytes, bytes]
    ) -> None:
        while True:
            answer = await _frame(reader)
            request = asked.pop(answer[:4])
            key, version = struct.unpack(">hh", request[:4])
            partition = self.partition(request)
            if self.armed and not self.lost and partition == 0:
                self.lost = True
                return
            if key == MetadataResponse.API_KEY:
                answer = await self._replaced(answer, version)
            if partition == 1:
                # What is behind the held one is answered behind it.
                if self.held:
                    await self.refused.wait()
                self._good = self._good or answer
            _send(writer, answer)

    def _refuse(self, writer: asyncio.StreamWriter, version: int) -> None:
        found: Any = ProduceResponse.decode(self._good, version=version, header=True)
        found.responses[0].partition_responses[0].error_code = NOT_ENOUGH_REPLICAS
        _send(writer, (self.held or b"") + bytes(found.encode(header=True))[4:])
        self.refused.set()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(*struct.unpack(">i", await reader.readexactly(4)))


def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)


@pytest.fixture
def topic(hand_3_9_2: KafkaByHand) -> Iterator[str]:
    """Yield a topic of two partitions, led by brokers 1 and 2."""
    name = f"contract-{secrets.token_hex(4)}"
    with hand_3_9_2.asked():
        assert hand_3_9_2.admin.create_topic(TopicSpec(name, assignment=((1, 2, 3), (2, 3, 1)))) is None
        yield name
        hand_3_9_2.admin.delete_topic(name)


def test_lost_answer_and_a_refusal_elsewhere_make_no_duplicate(hand_3_9_2: KafkaByHand, topic: str) -> None:
    """With several requests under way librdkafka begins a new epoch for all partitions, and writes what had no answer anew."""
    bootstrap, written = hand_3_9_2.cluster.bootstrap, [Written(), Written()]
    relay = Disordering(bootstrap, topic)
    with relay:
        writer = Writer(Perch(relay.bootstrap, topic, (1, 2), STEP), written)
        writer.begin(time.monotonic() + LIMIT)
        writer.write(time.monotonic() + 1)
        relay.armed = True
        until = time.monotonic() + LIMIT
        while not relay.refused.is_set() and time.monotonic() < until:
            writer.write(time.monotonic() + 1)
        writer.flush(LIMIT)
        writer.close()
    reader = Reader(Perch(bootstrap, topic, (1, 2), STEP), written)
    reader.read(lambda: None)
    reader.close()
    assert (relay.refused.is_set(), [log.duplicates for log in reader.logs]) == (True, [0, 0])
