"""Looks at the ISR while a script holds a roll up, so that the strips of its report have what a stopped broker lacks."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeAlias

from kafab.cluster.metadata import Metadata
from kafab.ops.world import World
from kafab.rolling.course import FINEST, Looks
from kafab.unknown import Unknown

EVERY = FINEST
"""Seconds between two looks."""
SHARE = 4
"""A look that takes long is followed by a pause so many times as long: the roll itself goes before."""
_Found: TypeAlias = "SimpleQueue[tuple[float, Metadata]]"


class Onlooker:
    """Takes looks beside what the roll does; nothing of the roll depends on them."""

    def __init__(self, world: World, looks: Looks, brokers: Collection[int]) -> None:
        self._world, self._looks, self._brokers = world, looks, brokers

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Look during the block. What is being asked at its end is not waited for, and is no look."""
        over, found = Event(), _queue()
        Thread(target=_look, args=(self._world, over, found), name="kafab-onlooker", daemon=True).start()
        try:
            yield
        finally:
            over.set()
            while not found.empty():
                at, view = found.get()
                self._looks.take([view], self._brokers, at)


def _queue() -> _Found:
    return SimpleQueue()


def _look(world: World, over: Event, found: _Found) -> None:
    pause = EVERY
    while not over.wait(pause):
        began = world.clock.now()
        with suppress(Exception):
            view = world.brokers.metadata()
            if not isinstance(view, Unknown):
                found.put((world.clock.now(), view))
        pause = max(EVERY, SHARE * (world.clock.now() - began))
