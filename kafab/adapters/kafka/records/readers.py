"""Reading records with either client: its members are threads, each with a consumer of its own."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from kafab.adapters.kafka.records.consumers import Consumer, Refused, consumer
from kafab.records.reading import Books, Commits, Found, Order, Read, Take
from kafab.records.settings import Client, ConsumerSettings

_POLL = 0.2
"""Seconds of a poll: so long a member may take to hear that the reading is over."""
_LOOK_EVERY = 0.05
SILENCE = 60.0
"""Seconds without a record after which a reading with an end is given up: brokers are gone, and neither client says so."""


class KafkaReaders:
    """`kafab.ports.Readers`."""

    def read(
        self,
        client: Client,
        settings: ConsumerSettings,
        order: Order,
        take: Take,
        alive: Callable[[int, bool], None],
    ) -> Read:
        """Start the members and wait until the reading is over; each of them commits as the order says, and leaves."""
        reading = _Reading(client, settings, order, take)
        members = [
            threading.Thread(target=reading.be, args=(number,), daemon=True)
            for number in range(1, order.members + 1)
        ]
        interrupted = False
        try:
            for each in members:
                each.start()
            while any(each.is_alive() for each in members):
                alive(reading.books.count, reading.books.steady)
                time.sleep(_LOOK_EVERY)
        except KeyboardInterrupt:
            interrupted = True
            reading.stopped.set()
        # At the second Ctrl-C the members are waited for no more, and end with this process.
        with suppress(KeyboardInterrupt):
            for each in members:
                each.join()
        return reading.books.read(interrupted=interrupted)


class _Reading:
    """What the members of one reading share."""

    def __init__(self, client: Client, settings: ConsumerSettings, order: Order, take: Take) -> None:
        self.client, self.settings, self.order, self.take = client, settings, order, take
        self.books = Books(order)
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._begun = self._heard = time.monotonic()

    def be(self, number: int) -> None:
        """Be a member until the reading is over."""
        try:
            self._work(number)
        except Exception as error:  # noqa: BLE001  # of a client's; it is told, and ends the reading
            self.trouble(f"{type(error).__name__}: {error}")
        finally:
            self.stopped.set()

    def _work(self, number: int) -> None:
        order = self.order
        settings = replace(self.settings, client_id=f"{self.settings.client_id}-{number}")
        me = consumer(
            self.client, settings, order.topic, _Member(self, number), batch=order.batch, starts=order.starts
        )
        try:
            while not self.stopped.is_set():
                found = me.poll(_POLL)
                self._take(me, number, found)
                with self._lock:
                    self.books.at(me.positions())
                    self._look(bool(found))
        finally:
            me.close()

    def _look(self, found: bool) -> None:
        now = time.monotonic()
        self._heard = now if found else self._heard
        if self.order.stops is not None and now - self._heard > SILENCE:
            what = (
                "no record has come"
                if self.books.steady
                else "the group has not given all members their partitions"
            )
            self.books.trouble = self.books.trouble or f"{what} for {SILENCE:g} s"
        if self.books.over:
            self.stopped.set()

    def _take(self, me: Consumer, number: int, found: Sequence[Found]) -> None:
        """Hand a poll's records on, and commit them as the order says."""
        order = self.order
        with self._lock:
            wanted = self.books.take(number, found, time.monotonic())
        if not wanted:
            return
        if order.commits is Commits.BEFORE:
            self._commit(me, _nexts(wanted))
        if order.commits is Commits.EACH:
            for each in wanted:
                self._hand_on(number, (each,))
                self._commit(me, _nexts((each,)))
            return
        self._hand_on(number, wanted)
        if order.commits in (Commits.BATCH, Commits.ASYNC):
            self._commit(me, _nexts(wanted), wait=order.commits is Commits.BATCH)

    def _hand_on(self, number: int, found: Sequence[Found]) -> None:
        with self._lock:
            self.take(number, found)

    def _commit(self, me: Consumer, nexts: Mapping[int, int], *, wait: bool = True) -> None:
        try:
            me.commit(nexts, wait=wait)
        except Refused as error:
            with self._lock:
                self.books.refused(str(error))

    def trouble(self, text: str) -> None:
        """The reading cannot go on."""
        with self._lock:
            self.books.trouble = self.books.trouble or text
        self.stopped.set()

    def seconds(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._begun

    def changed(self, number: int, partitions: Sequence[int], *, given: bool) -> None:
        """A member has heard of a rebalance; those of its own end are none."""
        if self.stopped.is_set():
            return
        with self._lock:
            self._heard = time.monotonic()
            enter = self.books.given if given else self.books.taken
            enter(number, partitions, self.seconds())


class _Member:
    """What the consumer of one member tells."""

    def __init__(self, reading: _Reading, number: int) -> None:
        self._reading, self._number = reading, number

    def given(self, partitions: Sequence[int]) -> None:
        """Enter it."""
        self._reading.changed(self._number, partitions, given=True)

    def taken(self, partitions: Sequence[int]) -> None:
        """Enter it."""
        self._reading.changed(self._number, partitions, given=False)

    def committed(self, nexts: Mapping[int, int], error: str) -> None:  # noqa: ARG002
        """Those that are waited for tell it themselves."""
        if error and self._reading.order.commits in (Commits.AUTO, Commits.ASYNC):
            self._reading.books.refused(error)

    def trouble(self, error: str) -> None:
        """End the reading."""
        self._reading.trouble(error)


def _nexts(found: Sequence[Found]) -> dict[int, int]:
    return {each.partition: each.offset + 1 for each in found}
