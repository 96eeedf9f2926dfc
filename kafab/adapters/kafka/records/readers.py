"""Reading records with either client: each member of a group, or the one reader without, is a thread with a consumer of its own.

Threads are right for both clients: librdkafka fetches and decompresses in threads of its own, outside of Python's lock, and a reader of
kafka-python shares the processor whichever way it runs. So Ctrl-C comes to one process, which lets all members leave in order.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.records.consumers import Consumer, Refused, consumer
from kafab.login import IN_THE_CLEAR, Login
from kafab.records.reading import Commits, Found, Progress, Reading, ReadOrder, Turn
from kafab.records.settings import Client, ConsumerSettings

POLL = 0.1
LOOK_EVERY = 0.02
BATCH = 5000
"""Records that are taken of a consumer at once."""
SILENCE = 60.0
"""Seconds without a record, an end or a rebalance after which a reading that has an end is given up."""
LEAVE_LIMIT = 30.0
HOPELESS = frozenset(
    {
        "UNKNOWN_TOPIC_OR_PART",
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
        "_AUTO_OFFSET_RESET",
        "_MAX_POLL_EXCEEDED",
        "_FATAL",
        "_FENCED",
        "FENCED_INSTANCE_ID",
        "TOPIC_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "INCONSISTENT_GROUP_PROTOCOL",
        "INVALID_GROUP_ID",
        "GROUP_MAX_SIZE_REACHED",
    }
)
"""Errors, in librdkafka's names, after which a member reads no more; a broker that is away comes back."""


class KafkaReaders:
    """`kafab.ports.Readers`. librdkafka connects by itself; kafka-python's connections are those of ``dialer``, where there is one."""

    def __init__(self, login: Login = IN_THE_CLEAR, dialer: Dialer | None = None) -> None:
        self._login, self._dialer = login, dialer

    def read(
        self,
        client: Client,
        settings: ConsumerSettings,
        order: ReadOrder,
        hear: Callable[[Found], bool],
        alive: Callable[[Progress], None],
    ) -> Reading:
        """Read until the order's end, Ctrl-C, an error or a long silence; then let every member leave."""
        run = _Run(client, replace(settings, login=self._login), order, self._dialer)
        interrupted, silent = False, ""
        run.start()
        try:
            silent = _watch(run, hear, alive)
        except KeyboardInterrupt:
            interrupted = True
        run.over.set()
        try:
            run.join()
        except KeyboardInterrupt:
            # The second one: members that are still at their last commit are left to it.
            interrupted = True
        run.hand_over(hear)
        return run.reading(interrupted=interrupted, silent=silent)


def _watch(run: "_Run", hear: Callable[[Found], bool], alive: Callable[[Progress], None]) -> str:
    """Hand records over until all is read; return why it was given up, empty where it was not."""
    moved, before = time.monotonic(), (-1, -1, -1)
    while run.working:
        run.changed.wait(LOOK_EVERY)
        run.changed.clear()
        if not run.hand_over(hear) or run.finished:
            return ""
        progress = run.progress
        alive(progress)
        now, state = time.monotonic(), (progress.records, progress.joined, run.ended)
        if state != before:
            moved, before = now, state
        elif run.order.stops is not None and now - moved > SILENCE:
            if progress.joined < progress.members:
                return f"{progress.joined} of {progress.members} members have joined, and nothing came for {SILENCE:.0f} s"
            return f"nothing came for {SILENCE:.0f} s, before the end"
    return ""


class _Run:
    """What all members of one reading share."""

    def __init__(
        self, client: Client, settings: ConsumerSettings, order: ReadOrder, dialer: Dialer | None
    ) -> None:
        self.client, self.settings, self.order, self.dialer = client, settings, order, dialer
        self.over, self.gate, self.changed = threading.Event(), threading.Event(), threading.Event()
        self.begun, self.reading_since, self.last = time.monotonic(), 0.0, 0.0
        self.turns: list[Turn] = []
        self._lock = threading.Lock()
        self._left = order.most
        self._kept = 0
        self._shown: deque[Found] = deque()
        self._to_show = order.shown
        self.members = [_Member(self, number) for number in range(1, order.members + 1)]
        self._threads = [
            threading.Thread(target=each.run, name=f"member {each.number}", daemon=True)
            for each in self.members
        ]

    @property
    def working(self) -> bool:
        """Whether every member is still at it: one that cannot go on ends the reading."""
        return not any(each.ended for each in self.members)

    @property
    def finished(self) -> bool:
        """Whether all was read that is asked for."""
        if self.order.most is not None and self._kept >= self.order.most:
            return True
        return self.gate.is_set() and all(each.at_end for each in self.members)

    @property
    def ended(self) -> int:
        """How many partitions are read to their end."""
        return sum(len(each.held) for each in self.members)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        joined = sum(each.mine is not None for each in self.members)
        return Progress(self._kept, joined, len(self.members))

    def start(self) -> None:
        """Let all members begin."""
        for each in self._threads:
            each.start()

    def join(self) -> None:
        """Wait until all have left."""
        until = time.monotonic() + LEAVE_LIMIT
        for each in self._threads:
            while each.is_alive() and time.monotonic() < until:
                each.join(POLL)

    def open_gate(self) -> None:
        """Let reading begin once all members have their partitions: who joins first would have read all before the next comes."""
        with self._lock:
            if not self.gate.is_set() and all(each.mine is not None for each in self.members):
                self.reading_since = time.monotonic()
                self.gate.set()

    def ask(self, wanted: int) -> int:
        """Return how many of so many records may be read now; what is not used comes back in `give`."""
        if self._left is None:
            return wanted
        with self._lock:
            allowed = min(self._left, wanted)
            self._left -= allowed
            return allowed

    def give(self, asked: int, kept: Sequence[Found]) -> None:
        """Take what was read of so many that were allowed."""
        with self._lock:
            if self._left is not None:
                self._left += asked - len(kept)
            if not kept:
                return
            self._kept += len(kept)
            self.last = time.monotonic()
            if self.order.streams:
                self._shown.extend(kept)
            elif self._to_show > 0:
                self._shown.extend(kept[: self._to_show])
                self._to_show -= len(kept)
        self.changed.set()

    def hand_over(self, hear: Callable[[Found], bool]) -> bool:
        """Hand over what is to be shown; say whether anybody hears."""
        while self._shown:
            if not hear(self._shown.popleft()):
                self._shown.clear()
                return False
        return True

    def turn(self, member: int, what: str, partitions: Sequence[int]) -> None:
        """Write down a change of what a member has."""
        seconds = time.monotonic() - self.begun
        self.turns.append(Turn(datetime.now(timezone.utc), seconds, member, what, tuple(partitions)))
        self.changed.set()

    def reading(self, *, interrupted: bool, silent: str) -> Reading:
        """Return the figures."""
        books = [dict(sorted(each.counts.items())) for each in self.members]
        all_partitions: Counter[int] = Counter()
        refused: Counter[str] = Counter()
        for each in self.members:
            all_partitions.update(each.counts)
            refused.update(each.refused)
        return Reading(
            records=all_partitions.total(),
            size=sum(each.size for each in self.members),
            by_partition=dict(sorted(all_partitions.items())),
            by_member=books,
            seconds=max(self.last - self.reading_since, 0.0) if self.reading_since else 0.0,
            turns=tuple(self.turns),
            refused=dict(refused),
            interrupted=interrupted,
            trouble="; ".join(dict.fromkeys(each.wrong for each in self.members if each.wrong)),
            silent=silent,
        )


class _Member:
    """One thread of a reading: what it has, what it has read, and what it has not committed yet."""

    def __init__(self, run: _Run, number: int) -> None:
        self._run, self.number = run, number
        self._order = run.order
        self._consumer: Consumer | None = None
        self.mine: frozenset[int] | None = None
        """None before it has been told its partitions, and while they are given anew."""
        self.held: set[int] = set()
        """Those that are read to their end."""
        self._waiting = False
        """Whether its partitions are paused until all members have theirs."""
        self._pending: dict[int, int] = {}
        self._since = 0
        self.counts: Counter[int] = Counter()
        self.size = 0
        self.refused: Counter[str] = Counter()
        self.wrong, self.ended = "", False

    @property
    def at_end(self) -> bool:
        """Whether there is nothing more that it has to read."""
        return self.mine is not None and self._order.stops is not None and self.mine <= self.held

    def run(self) -> None:
        """Read until all is over, and leave."""
        run = self._run
        settings = replace(run.settings, client_id=f"{run.settings.client_id}-{self.number}")
        made: Consumer | None = None
        try:
            starts = None if settings.group else self._order.starts
            made = self._consumer = consumer(
                run.client,
                settings,
                self._order.topic,
                self,
                batch=BATCH,
                starts=starts,
                stores=self._order.committing.how is Commits.AUTO,
                dialer=run.dialer,
            )
            if starts is not None:
                self.mine = frozenset(starts)
                run.open_gate()
            while not run.over.is_set() and not self.wrong:
                self._once(made)
            if self._pending:
                self._commit(made, self._pending)
        except Exception as error:  # noqa: BLE001  # a thread's own end must not be silent
            self.wrong = f"{type(error).__name__}: {error}"
        finally:
            self._close(made)
            self.ended = True
            run.changed.set()

    def given(self, partitions: Sequence[int]) -> None:
        """Take them, and wait where other members have not got theirs."""
        self.mine = (self.mine or frozenset()) | frozenset(partitions)
        self._run.turn(self.number, "assigned", partitions)
        self._run.open_gate()
        # Resumed in any case: librdkafka keeps a pause over a rebalance.
        self._waiting = bool(partitions)
        if partitions and not self._run.gate.is_set() and self._consumer is not None:
            self._consumer.pause(partitions)

    def taken(self, partitions: Sequence[int], *, lost: bool) -> None:
        """Commit what is theirs, if it may still do so, and let them go."""
        going = {number: at for number, at in self._pending.items() if number in partitions}
        if going and not lost and self._consumer is not None:
            self._commit(self._consumer, going)
        for number in partitions:
            self._pending.pop(number, None)
        if self._run.over.is_set():
            return
        self.mine, self._waiting = None, False
        self.held.clear()
        if partitions:
            self._run.turn(self.number, "lost" if lost else "revoked", partitions)

    def committed(self, nexts: Mapping[int, int], error: str) -> None:  # noqa: ARG002
        """Count the refused ones that nobody waited for. Nothing to commit is no refusal."""
        if self._order.committing.how in (Commits.AUTO, Commits.ASYNC) and error not in ("", "_NO_OFFSET"):
            self.refused[error.lstrip("_")] += 1

    def trouble(self, error: str) -> None:
        """End where it does not mend itself."""
        if error in HOPELESS:
            self.wrong = error.lstrip("_")

    def _once(self, made: Consumer) -> None:
        if self._waiting and self._run.gate.is_set():
            made.resume(tuple(self.mine or ()))
            self._waiting = False
        asked = self._run.ask(self._most())
        if not asked:
            self._run.over.wait(LOOK_EVERY)  # another member has what is left of the count
            return
        kept: Sequence[Found] = ()
        try:
            kept = self._within(made.poll(POLL, asked))
            if kept and self._order.committing.how is Commits.BEFORE:
                self._commit(made, _nexts(kept))
        finally:
            self._run.give(asked, kept)
        if kept:
            self._take(made, kept)
        if not self._waiting:
            self._hold(made, full=bool(kept))

    def _most(self) -> int:
        how, every = self._order.committing.how, self._order.committing.every
        return min(BATCH, every - self._since) if how is Commits.BATCH else BATCH

    def _within(self, found: Sequence[Found]) -> Sequence[Found]:
        stops = self._order.stops
        return found if stops is None else [each for each in found if each.offset < stops[each.partition]]

    def _take(self, made: Consumer, kept: Sequence[Found]) -> None:
        self.counts.update([each.partition for each in kept])
        self.size += sum(len(each.key or b"") + len(each.value or b"") for each in kept)
        how, every = self._order.committing.how, self._order.committing.every
        if how is Commits.EACH:
            for each in kept:
                self._commit(made, {each.partition: each.offset + 1})
        elif how is Commits.AUTO:
            if self._run.client is Client.CONFLUENT:
                for each in {one.partition: one for one in kept}.values():
                    made.store(each)
        elif how is Commits.BATCH:
            self._pending.update(_nexts(kept))
            self._since += len(kept)
            if self._since >= every:
                self._commit(made, self._pending)
        elif how is Commits.ASYNC:
            # Committed again with waiting when it leaves: the last one that nobody waited for may be refused.
            self._pending.update(_nexts(kept))
            made.commit(_nexts(kept), wait=False)

    def _hold(self, made: Consumer, *, full: bool) -> None:
        """Fetch no more of the partitions that are read to their end."""
        stops = self._order.stops
        if stops is None or not self.mine or self.mine <= self.held:
            return
        # Asking the client costs: while records come, only what they have passed is of interest.
        if full and self._run.client is Client.KAFKA_PYTHON:
            return
        for number, at in made.positions().items():
            if number in self.mine and number not in self.held and at >= stops[number]:
                made.hold(number, stops[number])
                self.held.add(number)
                self._run.changed.set()

    def _commit(self, made: Consumer, nexts: Mapping[int, int]) -> None:
        try:
            made.commit(dict(nexts), wait=True)
        except Refused as error:
            self.refused[str(error).lstrip("_")] += 1
        if nexts is self._pending:
            self._pending = {}
            self._since = 0

    def _close(self, made: Consumer | None) -> None:
        if made is None:
            return
        try:
            made.close()
        except Exception as error:  # noqa: BLE001  # clients raise of everything here
            self.wrong = self.wrong or f"left without order: {error}"


def _nexts(found: Sequence[Found]) -> dict[int, int]:
    return {each.partition: each.offset + 1 for each in found}
