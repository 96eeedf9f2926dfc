"""The settings of a producer and of a consumer, in librdkafka's names."""

from typing import TypeAlias

from kafab.adapters.kafka import logins
from kafab.errors import UsageError
from kafab.records.settings import (
    Client,
    ConsumerSettings,
    ProducerSettings,
    Reset,
    idempotence,
    isolation,
    milliseconds,
)

Config: TypeAlias = dict[str, str | int | float | bool]

_RESETS = {Reset.EARLIEST: "earliest", Reset.LATEST: "latest", Reset.NONE: "error"}


def producer_config(settings: ProducerSettings) -> Config:
    """Return the configuration of a Producer. Raises UsageError for settings that exclude each other."""
    config: Config = {
        "bootstrap.servers": settings.bootstrap,
        "client.id": settings.client_id,
        **logins.librdkafka(settings.login),
        "acks": settings.acks.value,
        "enable.idempotence": idempotence(Client.CONFLUENT, settings),
        "compression.type": settings.compression,
        "linger.ms": milliseconds(settings.linger),
        "delivery.timeout.ms": milliseconds(settings.waits),
        "request.timeout.ms": milliseconds(settings.request_limit),
        "allow.auto.create.topics": False,
    }
    if settings.retries is not None:
        config["retries"] = settings.retries
    if settings.in_flight is not None:
        config["max.in.flight.requests.per.connection"] = settings.in_flight
    if settings.batch_bytes is not None:
        config["batch.size"] = settings.batch_bytes
    if settings.transactional_id is not None:
        config["transactional.id"] = settings.transactional_id
        config["transaction.timeout.ms"] = milliseconds(settings.transaction_limit)
    return config


def consumer_config(settings: ConsumerSettings) -> Config:
    """Return the configuration of a Consumer. Raises UsageError without a group, which librdkafka cannot be without."""
    if settings.group is None:
        raise UsageError(
            "librdkafka's consumer has to have a group", hint="kafka-python's can read without one"
        )
    config: Config = {
        "bootstrap.servers": settings.bootstrap,
        "client.id": settings.client_id,
        **logins.librdkafka(settings.login),
        "group.id": settings.group,
        "auto.offset.reset": _RESETS[settings.reset],
        "enable.auto.commit": settings.auto_commit is not None,
        "isolation.level": isolation(Client.CONFLUENT, settings).value,
        "allow.auto.create.topics": False,
        "enable.partition.eof": False,
    }
    if settings.auto_commit is not None:
        config["auto.commit.interval.ms"] = milliseconds(settings.auto_commit)
    if settings.member_id is not None:
        config["group.instance.id"] = settings.member_id
    if settings.session_limit is not None:
        config["session.timeout.ms"] = milliseconds(settings.session_limit)
    if settings.heartbeat is not None:
        config["heartbeat.interval.ms"] = milliseconds(settings.heartbeat)
    return config
