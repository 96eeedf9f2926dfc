"""Verify many clusters side by side, read-only, with a deadline for all of them.

A thread a cluster: they wait for hosts and brokers most of the time (decision 34 has the figures). The threads are
daemons and nobody waits for one that is late: what a run leaves at work reads only, and ends with the process.
"""

import errno
import shlex
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias

from kafab.checks.smoke import UNFINISHED, UNUSABLE, UNVERIFIED, Checked
from kafab.errors import KafabError, UsageError
from kafab.events import Emit, Waiting
from kafab.findings import Finding, Report, Severity
from kafab.inventory import InventoryError
from kafab.inventory.fleet import Member
from kafab.model import Cluster
from kafab.ops.check.verify import verify
from kafab.ops.world import World
from kafab.words import few, plural

JOBS = 8
"""How many clusters are verified at the same time, where nobody says otherwise."""
DEADLINE = timedelta(minutes=10)
_TICK = 0.1
_SLOW = 10.0
"""Seconds after which a cluster is named: one that does not answer takes about as long."""
_NO_MORE = (errno.EMFILE, errno.ENFILE)

Open: TypeAlias = Callable[[Cluster], AbstractContextManager[World]]
"""Opens what a cluster is asked with, and closes it again."""


@dataclass(frozen=True)
class Smoked:
    """What a run has found, in the order of the inventories."""

    clusters: tuple[Checked, ...]
    seconds: float
    interrupted: bool = False

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The clusters that were not checked."""
        return tuple(
            one.name
            for one in self.clusters
            if any(finding.check == UNFINISHED for finding in one.report.findings)
        )


@dataclass(frozen=True)
class Limits:
    """How many clusters at once, and how long the whole may take."""

    jobs: int = JOBS
    deadline: timedelta = DEADLINE


def smoke(members: Sequence[Member], opened: Open, limits: Limits, emit: Emit) -> Smoked:
    """Verify each cluster without writing to it. Raises nothing for a cluster's fault.

    Ctrl-C and the deadline end the run: what has not come to its end by then is UNKNOWN, and what was found is returned.
    """
    run = _Run(members, opened, limits)
    interrupted = False
    try:
        why = run.to_the_end(emit)
    except KeyboardInterrupt:
        interrupted, why = True, "interrupted"
    finally:
        run.begin_no_more()
    return Smoked(run.found(why), run.elapsed.total_seconds(), interrupted)


class _Run:
    """The threads, and what they have found. Only `to_the_end` is called while they are at work."""

    def __init__(self, members: Sequence[Member], opened: Open, limits: Limits) -> None:
        self._members, self._opened, self._limits = members, opened, limits
        self._begun = time.monotonic()
        self._todo = deque(members)
        self._at_work: dict[str, float] = {}
        self._done: dict[str, Checked] = {}
        self._news: SimpleQueue[tuple[str, Checked | None]] = SimpleQueue()

    @property
    def elapsed(self) -> timedelta:
        """The time since its beginning."""
        return timedelta(seconds=time.monotonic() - self._begun)

    def to_the_end(self, emit: Emit) -> str:
        """Verify until all is done or the time is over; return why something may be left."""
        for _ in range(min(self._limits.jobs, len(self._members))):
            Thread(target=self._work, name="kafab-smoke", daemon=True).start()
        while len(self._done) < len(self._members):
            elapsed, limit = self.elapsed, self._limits.deadline
            left = (limit - elapsed).total_seconds()
            if left <= 0:
                return f"the deadline of {limit.total_seconds():g} s was over"
            emit(Waiting("smoke", self._progress(), elapsed, limit))
            with suppress(Empty):
                self._hear(*self._news.get(timeout=min(left, _TICK)))
        return ""

    def begin_no_more(self) -> None:
        """Let the threads end behind what they do now."""
        self._todo.clear()

    def found(self, why: str) -> tuple[Checked, ...]:
        """Return what is known of each cluster; ``why`` the others are left."""
        while not self._news.empty():
            self._hear(*self._news.get())
        return tuple(self._done.get(each.name) or self._left(each, why) for each in self._members)

    def _hear(self, name: str, checked: Checked | None) -> None:
        if checked is None:
            self._at_work[name] = time.monotonic()
        else:
            self._at_work.pop(name, None)
            self._done[name] = checked

    def _progress(self) -> str:
        """Say how far it is; only a cluster that takes long is named, so that a log gets few lines."""
        now = time.monotonic()
        slow = [name for name, since in self._at_work.items() if now - since > _SLOW]
        done = f"{len(self._done)} of {plural(len(self._members), 'cluster')} checked"
        return f"{done}; {few(slow)} {'take' if len(slow) > 1 else 'takes'} long" if slow else done

    def _left(self, member: Member, why: str) -> Checked:
        since = self._at_work.get(member.name)
        how = "it had not begun" if since is None else f"{time.monotonic() - since:.1f} s after it had begun"
        found = Finding(UNFINISHED, member.name, Severity.UNKNOWN, f"not checked: {why}, {how}")
        return Checked(member.name, str(member.source), Report(member.name, (found,)), None)

    def _work(self) -> None:
        while True:
            try:
                member = self._todo.popleft()
            except IndexError:
                return
            self._news.put((member.name, None))
            begun = time.monotonic()
            report = _report(member, self._opened)
            seconds = time.monotonic() - begun
            self._news.put((member.name, Checked(member.name, str(member.source), report, seconds)))


def _report(member: Member, opened: Open) -> Report:
    """Verify one cluster; whatever is in the way of that is a finding."""
    name = member.name
    if isinstance(member.cluster, UsageError):
        return Report(name, (_unusable(name, member.source, member.cluster),))
    try:
        with opened(member.cluster) as world:
            found = verify(member.cluster, world, probe=False)
    except KafabError as error:
        return Report(name, (Finding(UNVERIFIED, name, Severity.UNKNOWN, error.message, hint=error.hint),))
    except OSError as error:
        told = f"this machine refuses: {error.strerror or error!r}"
        hint = "give fewer --jobs, or more with `ulimit -n`" if error.errno in _NO_MORE else None
        return Report(name, (Finding(UNVERIFIED, name, Severity.UNKNOWN, told, hint=hint),))
    except Exception as error:  # noqa: BLE001  # a mistake of ours in one cluster must not hide all others
        told = f"a mistake in kafab: {error!r}"
        hint = f"`fab on {shlex.quote(str(member.source))} verify --read-only` keeps its traceback"
        return Report(name, (Finding(UNVERIFIED, name, Severity.UNKNOWN, told, hint=hint),))
    return Report(name, found.findings)


def _unusable(name: str, source: Path, error: UsageError) -> Finding:
    problems = [str(each) for each in error.problems] if isinstance(error, InventoryError) else []
    more = f" (and {plural(len(problems) - 1, 'more problem')})" if len(problems) > 1 else ""
    detail = f"the inventory cannot be used: {problems[0] if problems else error.message}{more}"
    hint = f"`fab inventory.check --cluster {shlex.quote(str(source))}` shows all of it"
    return Finding(UNUSABLE, name, Severity.UNKNOWN, detail, {"problems": problems}, hint)
