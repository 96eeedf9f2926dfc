"""What must be true between the properties of one broker: Kafka's rules at start, and what it regrets only later.

The rules are those of kafka.server.KafkaConfig.validateValues and of the configuration classes it calls; Kafka tells
the first one that is broken and exits. A warning is what Kafka accepts and nobody means.
"""

from collections.abc import Callable, Iterator
from typing import Final

from kafab.cautions import Caution
from kafab.config.catalogue import protocols
from kafab.config.catalogue.broker import Broker
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import items


def remarks(broker: Broker) -> Iterator[Remark]:
    """Yield every rule between properties that is broken."""
    for rule in _RULES:
        yield from rule(broker)


def _cleaner(broker: Broker) -> Iterator[Remark]:
    buffer, threads = broker.number("log.cleaner.dedupe.buffer.size"), broker.number("log.cleaner.threads")
    if buffer is not None and threads and buffer // threads <= 1024 * 1024:
        name = broker.blamed("log.cleaner.dedupe.buffer.size", "log.cleaner.threads")
        yield Remark(
            name,
            f"found {buffer:.0f} bytes and log.cleaner.threads {threads:.0f}; expected over 1 MiB for each",
        )


def _retention(broker: Broker) -> Iterator[Remark]:
    for unit, names in (
        ("log.retention", ("log.retention.ms", "log.retention.minutes", "log.retention.hours")),
        ("log.roll", ("log.roll.ms", "log.roll.hours")),
        ("log.roll.jitter", ("log.roll.jitter.ms", "log.roll.jitter.hours")),
    ):
        given = [name for name in names if name in broker.properties]
        for name in given[1:]:
            yield Remark(
                name, f"found it beside {given[0]}, which wins; expected one {unit}.*", Caution.WITHOUT_EFFECT
            )
        if unit == "log.roll.jitter":
            continue
        value = broker.number(given[0]) if given else None
        # Any negative retention is no limit, by LogConfig's own reading; only 0 is refused.
        unlimited = ", or -1 for no limit" if unit == "log.retention" else ""
        if value is not None and (value == 0 or (value < 0 and not unlimited)):
            yield Remark(given[0], f"found {value:.0f}; expected a whole number from 1{unlimited}")


def _format(broker: Broker) -> Iterator[Remark]:
    """Of ``log.message.format.version``: never of newer records than the protocol has, and without effect from 3.0 on."""
    name, of_brokers = "log.message.format.version", "inter.broker.protocol.version"
    if name not in broker.catalogue.known or not broker.properties.keys() & {name, of_brokers}:
        return
    found, spoken = protocols.parsed(broker.text(name)), protocols.parsed(broker.text(of_brokers))
    if found is None or spoken is None:
        return
    what = (
        f"found {name} {broker.text(name)} with {of_brokers} {broker.text(of_brokers)}; expected it not above"
    )
    if protocols.records(found) > protocols.records(spoken):
        yield Remark(broker.blamed(name, of_brokers), what)
    elif name not in broker.properties:
        return
    elif broker.kraft or (found < protocols.FIRST_WITH_NEWEST_FORMAT <= spoken):
        text = f"found {broker.text(name)}; expected it left out: records have the newest format since 3.0 (KIP-724)"
        yield Remark(name, text, Caution.WITHOUT_EFFECT)
    elif found > spoken:
        yield Remark(name, what, Caution.LIMITS_APART)


def _providers(broker: Broker) -> Iterator[Remark]:
    for provider in items(broker.text("config.providers")):
        if f"config.providers.{provider}.class" not in broker.properties:
            text = f"found {provider}; expected its class in config.providers.{provider}.class"
            yield Remark("config.providers", text)


def _connections(broker: Broker) -> Iterator[Remark]:
    name = "max.connections.per.ip"
    if broker.number(name) == 0 and not broker.text("max.connections.per.ip.overrides"):
        yield Remark(name, "found 0; expected max.connections.per.ip.overrides beside it, or nobody connects")


def _tiered(broker: Broker) -> Iterator[Remark]:
    name = "remote.log.storage.system.enable"
    if not broker.true(name):
        return
    for needed in ("remote.log.storage.manager.class.name", "remote.log.metadata.manager.class.name"):
        if not broker.text(needed):
            yield Remark(name, f"found true without {needed}; expected it, too")
    listener = "remote.log.metadata.manager.listener.name"
    names = [given.partition("://")[0] for given in items(broker.text("listeners"))]
    if (found := broker.text(listener)) and found not in names:
        yield Remark(listener, f"found {found}; expected a listener of the broker: {', '.join(names)}")


def _rebalances(broker: Broker) -> Iterator[Remark]:
    """KafkaConfig.groupCoordinatorRebalanceProtocols: the others may be left out, classic may not."""
    name = "group.coordinator.rebalance.protocols"
    given = broker.properties.get(name)
    if given is not None and name in broker.catalogue.known and "classic" not in items(given):
        yield Remark(name, f"found {given.strip() or 'none'}; expected classic among them")


def _cordoned(broker: Broker) -> Iterator[Remark]:
    """KafkaConfig.validateCordonedLogDirs: folders of the broker, or all of them by a star alone."""
    name = "cordoned.log.dirs"
    given = items(broker.properties.get(name, ""))
    folders = items(broker.text("log.dirs") or broker.text("log.dir"))
    if "broker" not in items(broker.text("process.roles")) or given == ["*"]:
        return
    if strange := [folder for folder in given if folder not in folders]:
        yield Remark(name, f"found {strange[0]}; expected folders of log.dirs, or * alone")


def _local(broker: Broker) -> Iterator[Remark]:
    """LogConfig.validateRemoteStorageRetention*: what stays on the broker is part of what is kept; -2 means all of it."""
    if not broker.true("remote.log.storage.system.enable"):
        return
    kept = {
        "log.local.retention.ms": broker.retention_ms,
        "log.local.retention.bytes": broker.number("log.retention.bytes"),
    }
    for name, whole in kept.items():
        local = broker.number(name) if name in broker.properties else None
        if local is not None and whole is not None and local != -2 and whole >= 0 and not 0 <= local <= whole:
            text = f"found {local:.0f}; expected it not above the {whole:.0f} that are kept in all, or -2 for as many"
            yield Remark(name, text)


_RULES: Final[tuple[Callable[[Broker], Iterator[Remark]], ...]] = (
    _cleaner,
    _retention,
    _providers,
    _connections,
    _tiered,
    _format,
    _rebalances,
    _cordoned,
    _local,
)
