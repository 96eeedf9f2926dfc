"""The effects of a drill's records as counts in Redis, with and without marks of what is done: the cures of a second delivery.

A mark is kept under the record's own number, never under its offset: a producer's duplicate has another one.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from redis import Redis

from kafab.drills.orders import Marks, Order

TIMES = "times"
"""The hash of the effects: number of a record -> how often it had one."""
_MARK = "done:{}"
_ONCE = """
if redis.call('SET', KEYS[1], 1, 'NX') then
    redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
    return 1
end
return 0
"""
"""Mark and effect: Redis runs a script whole or not at all, and nothing in between."""


class Effects:
    """The effects of one member."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._redis: Any = Redis(unix_socket_path=order.redis)
        self._script = self._redis.register_script(_ONCE)

    def have(self, number: int, done: Callable[[], object], between: Callable[[], object]) -> None:
        """Have the effect of a record unless its mark says that it was had.

        ``done`` is called after the effect; ``between`` after the first of two steps, where mark and effect are two.
        """
        marks, mark = self._order.marks, _MARK.format(number)
        if marks is Marks.ATOMIC:
            if self._script(keys=[mark, TIMES], args=[number]):
                done()
        elif marks is Marks.BEFORE:
            if self._redis.set(mark, 1, nx=True):
                between()
                self._count(number, done)
        elif marks is Marks.AFTER:
            if not self._redis.exists(mark):
                self._count(number, done)
                between()
                self._redis.set(mark, 1)
        else:
            self._count(number, done)

    def kill(self) -> None:
        """Kill the Redis server, which is of this machine and of the drill alone."""
        os.kill(int(self._redis.info("server")["process_id"]), signal.SIGKILL)

    def _count(self, number: int, done: Callable[[], object]) -> None:
        if self._order.counts:
            self._redis.hincrby(TIMES, str(number), 1)
        done()


def counted(order: Order) -> Iterator[int]:
    """Yield the number of a record as often as it had an effect."""
    redis: Any = Redis(unix_socket_path=order.redis)
    for number, times in redis.hgetall(TIMES).items():
        yield from [int(number)] * int(times)
