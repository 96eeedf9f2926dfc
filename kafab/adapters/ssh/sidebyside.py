"""Work on many hosts side by side, with a deadline for each and Ctrl-C at any time.

Not a ThreadPoolExecutor: that one waits for its threads when the interpreter ends, and a thread that hangs on a host
would keep kafab from ending. Callbacks run in the caller's thread, so they need no locks.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from kafab.adapters.ssh.faults import LinkError
from kafab.events import Emit, Event, Note, silent
from kafab.unknown import Unknown
from kafab.words import few

T = TypeVar("T")

WORKERS = 64
FINISHES = "Ctrl-C waits for what has begun there, and keeps the lock until then; another Ctrl-C ends at once"
LEFT = "left at work: nodes may still start or stop there, while another operator may have the lock"
_IDLE_SECONDS = 60.0
_CONCLUDE_SECONDS = 5.0


class Job:
    """One host's work, as the thread that does it sees it: it states its deadlines and tells of its progress."""

    def __init__(self, name: str, call: Callable[["Job"], Any], messages: "SimpleQueue[_Message]") -> None:
        self.name = name
        self.deadline: float | None = None
        self.limit = ""
        self._call = call
        self._messages = messages
        self._taken = threading.Event()
        self._given_up = False

    def allow(self, seconds: float, doing: str) -> None:
        """State that this stage takes no longer than this; past it the caller gives the host up."""
        self.limit = f"no answer within {seconds:g} s ({doing})"
        self.deadline = time.monotonic() + seconds

    def tell(self, event: Event) -> None:
        """Hand an event to the caller's thread."""
        self._messages.put((self, event))

    def hand(self, call: Callable[[], object]) -> None:
        """Let the caller's thread make a call, and wait until it has; then there are some seconds left to conclude."""
        deadline, self.deadline = self.deadline, None
        self._taken.clear()
        if not self._given_up:
            self._messages.put((self, _Handed(call)))
            self._taken.wait()
        if self._given_up:
            raise LinkError("given up")
        self.deadline = deadline and max(deadline, time.monotonic() + _CONCLUDE_SECONDS)

    def taken(self) -> None:
        """Let the thread go on that has handed something over."""
        self._taken.set()

    def give_up(self) -> None:
        """Nobody waits for this host any more: what it hands over from now on is not taken."""
        self._given_up = True
        self._taken.set()

    def work(self) -> None:
        """Do the work and post its outcome; whatever goes wrong with a host is Unknown."""
        outcome: object
        try:
            outcome = self._call(self)
        except LinkError as error:
            outcome = Unknown(str(error))
        except Exception as error:  # noqa: BLE001  # Paramiko raises anything at all on a peer that talks nonsense
            outcome = Unknown(f"SSH failed: {error!r}")
        self._messages.put((self, _Done(outcome)))


class _Done:
    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome


class _Handed:
    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call


_Message = tuple[Job, "Event | _Done | _Handed"]


def side_by_side(
    work: Mapping[str, Callable[[Job], T]],
    *,
    abort: Callable[[str], None],
    each: Callable[[str, T | Unknown], None] | None = None,
    emit: Emit = silent,
    to_the_end: bool = False,
) -> dict[str, T | Unknown]:
    """Do each host's work in up to 64 threads; return the outcomes in the order of ``work``.

    A host past its deadline is Unknown, and ``abort`` is called to free the thread that waits for it. On Ctrl-C, or
    when a callback raises, all hosts still at work are aborted and the exception goes on at once. With ``to_the_end``
    Ctrl-C waits until the hosts at work are done, and only another one aborts them; no other host begins then.
    """
    crew = _Crew(work, abort, each, emit)
    try:
        crew.start(min(WORKERS, len(work)))
        crew.collect(work)
    except KeyboardInterrupt:
        begun = crew.begin_no_more()
        if to_the_end and (left := crew.at_work(begun)):
            _wait_on(crew, begun, left, emit)
        crew.give_up()
        raise
    except BaseException:
        crew.give_up()
        raise
    return {name: crew.done[name] for name in work}


def _wait_on(crew: "_Crew", begun: Collection[str], left: Sequence[str], emit: Emit) -> None:
    """Wait for the hosts that are at work. Raises KeyboardInterrupt at once where it comes again."""
    emit(Note(few(left), FINISHES))
    try:
        crew.collect(begun)
    except KeyboardInterrupt:
        emit(Note(few(crew.at_work(begun)), LEFT))
        raise
    finally:
        crew.give_up()


class _Crew:
    """The threads, what they still have to do, and what they report; ``done`` has the outcomes."""

    def __init__(
        self,
        work: Mapping[str, Callable[[Job], Any]],
        abort: Callable[[str], None],
        each: Callable[[str, Any], None] | None,
        emit: Emit,
    ) -> None:
        self.done: dict[str, Any] = {}
        self._each = each
        self._emit = emit
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self._jobs = [Job(name, call, self._messages) for name, call in work.items()]
        self._todo = deque(self._jobs)
        self._abort = abort

    def start(self, count: int) -> None:
        for _ in range(count):
            threading.Thread(target=self._work, name="kafab-ssh", daemon=True).start()

    def collect(self, names: Collection[str]) -> None:
        """Take what the threads report until these hosts are done."""
        while self.at_work(names):
            for job, message in self.news(self.done):
                if isinstance(message, _Handed):
                    message.call()
                    job.taken()
                elif not isinstance(message, _Done):
                    self._emit(message)
                elif job.name not in self.done:
                    self.done[job.name] = message.outcome
                    if self._each:
                        self._each(job.name, message.outcome)

    def at_work(self, names: Collection[str]) -> list[str]:
        """Return which of these hosts are not done."""
        return [name for name in names if name not in self.done]

    def news(self, done: Container[str]) -> list[_Message]:
        """Wait for the next report, or for the next deadline to pass: then abort who is late."""
        waited_for = [job for job in self._jobs if job.name not in done and job.deadline is not None]
        deadlines = [job.deadline for job in waited_for if job.deadline is not None]
        patience = min([_IDLE_SECONDS, *(deadline - time.monotonic() for deadline in deadlines)])
        try:
            job, message = self._messages.get(timeout=max(0.0, patience))
        except Empty:
            now = time.monotonic()
            late = [job for job in waited_for if job.deadline is not None and job.deadline <= now]
            for job in late:
                job.give_up()
                self._abort(job.name)
            self.start(len(late))  # those that hang may take their time to notice
            return [(job, _Done(Unknown(job.limit))) for job in late]
        return [(job, message)]

    def begin_no_more(self) -> list[str]:
        """Let no other host begin; return those that have."""
        waiting: set[str] = set()
        while self._todo:
            with suppress(IndexError):  # a thread took the last one
                waiting.add(self._todo.popleft().name)
        return [job.name for job in self._jobs if job.name not in waiting]

    def give_up(self) -> None:
        self._todo.clear()
        for job in self._jobs:
            if job.name not in self.done:
                job.give_up()
                self._abort(job.name)

    def _work(self) -> None:
        while self._todo:
            try:
                job = self._todo.popleft()
            except IndexError:  # another thread took the last one
                return
            job.work()
