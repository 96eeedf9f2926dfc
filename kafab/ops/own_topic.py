"""A topic that kafab makes for itself, and takes away again in every case."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from kafab.cluster.metadata import TopicSpec
from kafab.errors import Failed
from kafab.findings import Severity
from kafab.model import Cluster, Endpoint
from kafab.ops.until import until
from kafab.ops.world import World
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown

APPEARS_LIMIT = timedelta(seconds=5)
"""How long a topic is waited for whose creation was not seen to be done."""
LOOK_EVERY = 0.05


@dataclass(frozen=True)
class Removal:
    """How a topic's removal went; the hint is the command that deletes it where it may still be there."""

    severity: Severity
    detail: str
    hint: str | None


def removal_command(cluster: Cluster, topics: Sequence[str]) -> str:
    """Return the command line that deletes these topics."""
    where = cluster.source or cluster.name
    return f"fab on {where} {' '.join(f'topics.delete {topic}' for topic in topics)}"


class OwnTopic:
    """One topic of kafab's own, from its creation to its removal."""

    def __init__(self, cluster: Cluster, spec: TopicSpec, world: World) -> None:
        self.name = spec.name
        self._cluster = cluster
        self._spec = spec
        self._world = world
        self._answered = False

    def create(self) -> Unknown | None:
        """Create it. Raises Failed with the broker's message where that refuses."""
        try:
            created = self._world.topics.create_topic(self._spec)
        except Failed:
            self._answered = True
            raise
        self._answered = created is None
        return created

    def removed(self) -> Removal:
        """Delete the topic. Where its creation was not answered, wait for it to appear, and then ask once more."""
        answer = self._deleted()
        if isinstance(answer, Failed) and not self._answered:
            until(self._absent, "the topic to appear", APPEARS_LIMIT, self._world, every=LOOK_EVERY)
            answer = self._deleted()
        if answer is None:
            return self._removal(Severity.OK, f"{self.name} is gone")
        if isinstance(answer, Unknown):
            return self._removal(Severity.UNKNOWN, f"{self.name} may be left behind: {answer.reason}")
        # A broker that froze with the request may still carry it out: only when all answer, it is absent for good.
        asked = (None,) if self._answered else tuple(node.endpoint for node in self._cluster.brokers)
        with ThreadPoolExecutor(max_workers=min(32, len(asked))) as pool:
            views = list(pool.map(self._shown, asked))
        silent = [view.reason for view in views if isinstance(view, Unknown)]
        if silent and not self._answered:
            told = f"{self.name} may appear later: its creation was not answered, and {'; '.join(silent)}"
            return self._removal(Severity.UNKNOWN, told)
        if silent or any(view is True for view in views):
            return self._removal(Severity.WARN, answer.message)
        return self._removal(Severity.OK, f"{self.name} was never made")

    def _deleted(self) -> Unknown | Failed | None:
        try:
            return self._world.topics.delete_topic(self.name)
        except Failed as error:
            return error

    def _absent(self) -> Missing:
        return {} if self._shown() is True else {self._cluster.name: f"{self.name} is not shown"}

    def _shown(self, at: Endpoint | None = None) -> bool | Unknown:
        seen = self._world.brokers.metadata(at)
        return seen if isinstance(seen, Unknown) else any(p.topic == self.name for p in seen.partitions)

    def _removal(self, severity: Severity, detail: str) -> Removal:
        hint = None if severity is Severity.OK else removal_command(self._cluster, [self.name])
        return Removal(severity, detail, hint)
