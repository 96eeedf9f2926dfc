"""Members of groups as a worker of a drill needs them, and the events of what they hear."""

from collections.abc import Callable, Mapping, Sequence

from kafab.adapters.kafka.records.consumers import Consumer, consumer
from kafab.drills.history import Kind
from kafab.drills.orders import BY_TIME, Commits, Order

Tell = Callable[[Kind, int, int, str], None]
"""``tell(kind, partition, offset, detail)``."""


class _Told:
    def __init__(self, order: Order, tell: Tell) -> None:
        self._order, self._tell = order, tell

    def given(self, partitions: Sequence[int]) -> None:
        for each in partitions:
            self._tell(Kind.ASSIGNED, each, -1, "")

    def taken(self, partitions: Sequence[int], *, lost: bool) -> None:  # noqa: ARG002
        for each in partitions:
            self._tell(Kind.REVOKED, each, -1, "")

    def committed(self, nexts: Mapping[int, int], error: str) -> None:
        # Of commits that are waited for the worker tells itself.
        if self._order.commits not in (*BY_TIME, Commits.ASYNC, Commits.CLOSE):
            return
        for partition, offset in nexts.items():
            self._tell(Kind.UNCOMMITTED if error else Kind.COMMIT, partition, offset, error)

    def trouble(self, error: str) -> None:
        self._tell(Kind.TROUBLE, -1, -1, error)


def member(order: Order, tell: Tell) -> Consumer:
    """Return a member of the order's group, with the order's client."""
    return consumer(
        order.client,
        order.consumer,
        order.topic,
        _Told(order, tell),
        batch=order.batch,
        stores=order.commits is Commits.STORED,
    )
