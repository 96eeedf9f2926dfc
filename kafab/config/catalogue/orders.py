"""Pairs of limits of which one must not be above the other: Kafka's own rules at its start, and what it regrets only later.

The rules are those of kafka.server.KafkaConfig.validateValues and of GroupCoordinatorConfig, ShareGroupConfig and LogConfig.
What Kafka only logs, or notices when a record comes, is a warning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kafab.cautions import Caution
from kafab.config.catalogue.broker import Broker
from kafab.config.catalogue.remarks import Remark
from kafab.config.defaults import MIN_IN_SYNC

_BATCH_OVERHEAD = 12
"""Records.LOG_OVERHEAD: Kafka's own default of message.max.bytes is 1 MiB and this, beside a fetch of 1 MiB."""


@dataclass(frozen=True)
class _Order:
    low: str
    high: str
    warning: bool = False
    below: bool = False
    """Equal is too much."""
    unlimited: float | None = None
    """The value of ``high`` that means no limit, and everything below it."""
    times: int = 1
    """``high`` must be so many times ``low``."""
    given: bool = False
    """Only where both were given: a topic may ask for more replicas than the default, and mostly does."""
    slack: int = 0
    """By how much ``low`` may be above ``high``."""


_ORDERS: Final = (
    _Order("replica.fetch.wait.max.ms", "replica.socket.timeout.ms"),
    _Order("replica.fetch.wait.max.ms", "replica.lag.time.max.ms"),
    _Order("offsets.commit.required.acks", "offsets.topic.replication.factor"),
    _Order("socket.request.max.bytes", "queued.max.request.bytes", unlimited=0),
    _Order("connection.failed.authentication.delay.ms", "connections.max.idle.ms", below=True, unlimited=-1),
    *(_Order(low, high, given=low == "min.insync.replicas") for low, high in MIN_IN_SYNC.items()),
    _Order("group.share.max.size", "group.share.max.share.sessions"),
    *(
        _Order(f"group.{kind}.heartbeat.interval.ms", f"group.{kind}.session.timeout.ms", below=True)
        for kind in ("consumer", "share", "streams")
    ),
    # Kafka has no rule for these, or only logs it; what they break shows up in production.
    _Order("group.min.session.timeout.ms", "group.max.session.timeout.ms", warning=True),
    _Order("broker.heartbeat.interval.ms", "broker.session.timeout.ms", warning=True, times=2),
    _Order("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", warning=True),
    *(
        _Order("message.max.bytes", high, warning=True, slack=_BATCH_OVERHEAD)
        for high in ("log.segment.bytes", "socket.request.max.bytes", "replica.fetch.max.bytes")
    ),
    _Order("log.segment.bytes", "log.retention.bytes", warning=True, unlimited=-1),
    _Order("log.roll.jitter.ms", "log.roll.ms", warning=True),
)


def remarks(broker: Broker) -> Iterator[Remark]:
    """Yield each pair that is the wrong way round, and of which a person wrote one at least."""
    for order in (*_ORDERS, *_of_groups(broker)):
        written = [name in broker.properties for name in (order.low, order.high)]
        if not any(written) or (order.given and not all(written)):
            continue
        low, high = broker.number(order.low), broker.number(order.high)
        if low is None or high is None or (order.unlimited is not None and high <= order.unlimited):
            continue
        wanted = low * order.times - order.slack
        if wanted > high or (order.below and wanted == high):
            name = broker.blamed(order.low, order.high)
            text = f"found {order.low} {low:.0f} and {order.high} {high:.0f}; expected {_relation(order)}"
            yield Remark(name, text, Caution.LIMITS_APART if order.warning else None)


def _relation(order: _Order) -> str:
    if order.times > 1:
        return f"the second at least {order.times} times the first"
    return f"the first {'below' if order.below else 'not above'} the second"


def _of_groups(broker: Broker) -> Iterator[_Order]:
    """Yield the limits of a group coordinator: whatever it has as ``group.KIND.min.NAME`` or ``.max.NAME`` beside ``NAME``.

    Where Kafka calls it ``num.NAME``, the limit is that of ``NAME``.
    """
    known = broker.catalogue.known
    for name in known:
        kind = name.split(".")[1] if name.startswith("group.") and name.count(".") > 2 else None
        if kind not in ("consumer", "share", "streams"):
            continue
        start = f"group.{kind}."
        what = name.removeprefix(start)
        least, most = f"{start}min.{what}", f"{start}max.{what.removeprefix('num.')}"
        if least in known:
            yield _Order(least, name)
        if most in known:
            yield _Order(name, most)
        if least in known and most in known:
            yield _Order(least, most)
