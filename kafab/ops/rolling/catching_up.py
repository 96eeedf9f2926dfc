"""How far replicas are behind while a roll waits for them: bytes, how fast they shrink, and how long that takes."""

import math
from collections.abc import Collection
from datetime import timedelta

from kafab.cluster.metadata import Partition
from kafab.cluster.seen import Seen
from kafab.model import Cluster
from kafab.ops.world import World
from kafab.rolling.readiness import Missing
from kafab.rolling.safety import merged
from kafab.unknown import Unknown
from kafab.words import size

LOOK_EVERY = timedelta(seconds=5)
TOPICS = 20
"""How many topics' sizes are read at a time: a broker that was away for long is behind in all of them."""


class CatchingUp:
    """Tells of replicas that are waited for how many bytes they lack; for the length of one wait.

    ``steps`` counts how often less was left to do than ever before: another value is progress.
    """

    def __init__(self, cluster: Cluster, world: World) -> None:
        self._cluster, self._world = cluster, world
        self._looked = world.clock.now()
        self._before: tuple[float, int] | None = None
        self._words = ""
        self._best: tuple[int, float] = (0, 0)
        self._begun = False
        self.steps = 0

    def told(self, missing: Missing, seen: Seen) -> Missing:
        """Return what is missing, with the bytes behind where replicas are out of sync for a while."""
        partitions = [one for one in merged(seen.known_views.values()) if len(one.isr) < len(one.replicas)]
        count = sum(len(one.replicas) - len(one.isr) for one in partitions)
        now = self._world.clock.now()
        if now - self._looked >= LOOK_EVERY.total_seconds():
            self._looked = now
            self._read(partitions, now)
        # Bytes that were not read yet are not none: they would be the least that there ever was.
        reached = (count, self._before[1] if self._before else math.inf)
        if not self._begun or reached < self._best:
            # The first bytes that are read tell where it begins.
            self.steps += self._begun and (reached[0] < self._best[0] or self._best[1] < math.inf)
            self._best, self._begun = reached, True
        if not count or not self._words:
            return missing
        return {name: f"{text}, {self._words}" if "ISR" in text else text for name, text in missing.items()}

    def _read(self, partitions: Collection[Partition], now: float) -> None:
        """Read how many bytes lie on the leaders that the replicas behind them lack; nothing new where a broker does not say."""
        topics = sorted({one.topic for one in partitions})[:TOPICS]
        lacking = 0
        for topic in topics:
            found = self._world.brokers.replicas(topic)
            if isinstance(found, Unknown):
                self._words = ""
                return
            sizes = {(each.partition, each.broker): each.size for each in found}
            for one in partitions:
                if one.topic == topic and one.leader is not None:
                    ahead = sizes.get((one.number, one.leader), 0)
                    late = [broker for broker in one.replicas if broker not in one.isr]
                    lacking += sum(max(ahead - sizes.get((one.number, broker), 0), 0) for broker in late)
        self._words = f"{size(lacking)} behind{self._left(lacking, now)}" if lacking else ""
        self._before = (now, lacking)

    def _left(self, lacking: int, now: float) -> str:
        """Return how long it will take at the pace since the last look; "" where that is not known."""
        if self._before is None or self._before[1] <= lacking:
            return ""
        pace = (self._before[1] - lacking) / (now - self._before[0])
        return f", about {max(round(lacking / pace), 1)} s more"
