"""The settings of a producer and of a consumer, in kafka-python's names."""

from importlib.util import find_spec
from typing import Any

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.sockets import proxy_url
from kafab.errors import UsageError
from kafab.records.settings import (
    Acks,
    Client,
    ConsumerSettings,
    ProducerSettings,
    idempotence,
    isolation,
    milliseconds,
)

_ACKS = {Acks.NONE: 0, Acks.LEADER: 1, Acks.ALL: "all"}
_CODECS = {"snappy": ("snappy", "python-snappy"), "lz4": ("lz4", "lz4"), "zstd": ("zstandard", "zstandard")}
"""The module that kafka-python compresses with, and the package that has it."""


def producer_config(settings: ProducerSettings, dialer: Dialer | None = None) -> dict[str, Any]:
    """Return the arguments of KafkaProducer. Raises UsageError for settings that exclude each other."""
    idempotent = idempotence(Client.KAFKA_PYTHON, settings)
    # The client refuses a delivery limit that is not longer than one request's and the linger together.
    one = min(settings.request_limit, (settings.waits - settings.linger) / 2)
    _refuse_codec(settings.compression)
    config: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap.split(","),
        "client_id": settings.client_id,
        "proxy_url": proxy_url(dialer),
        **logins.kafka_python(settings.login),
        "acks": _ACKS[settings.acks],
        # Given, it is never dropped silently.
        "enable_idempotence": idempotent,
        "compression_type": None if settings.compression == "none" else settings.compression,
        "linger_ms": milliseconds(settings.linger),
        "delivery_timeout_ms": milliseconds(settings.waits),
        "request_timeout_ms": milliseconds(one),
        # How long a send may wait for metadata; 60 s of its own otherwise.
        "max_block_ms": milliseconds(settings.request_limit),
        "allow_auto_create_topics": False,
    }
    if settings.retries is not None:
        config["retries"] = settings.retries
    if settings.in_flight is not None:
        config["max_in_flight_requests_per_connection"] = settings.in_flight
    if settings.batch_bytes is not None:
        config["batch_size"] = settings.batch_bytes
    if settings.transactional_id is not None:
        config["transactional_id"] = settings.transactional_id
        config["transaction_timeout_ms"] = milliseconds(settings.transaction_limit)
    return config


def consumer_config(settings: ConsumerSettings, dialer: Dialer | None = None) -> dict[str, Any]:
    """Return the arguments of KafkaConsumer."""
    config: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap.split(","),
        "client_id": settings.client_id,
        "proxy_url": proxy_url(dialer),
        **logins.kafka_python(settings.login),
        "group_id": settings.group,
        "auto_offset_reset": settings.reset.value,
        "enable_auto_commit": settings.group is not None and settings.auto_commit is not None,
        "isolation_level": isolation(Client.KAFKA_PYTHON, settings).value,
        "allow_auto_create_topics": False,
    }
    if settings.auto_commit is not None:
        config["auto_commit_interval_ms"] = milliseconds(settings.auto_commit)
    if settings.member_id is not None:
        config["group_instance_id"] = settings.member_id
    if settings.session_limit is not None:
        config["session_timeout_ms"] = milliseconds(settings.session_limit)
    if settings.heartbeat is not None:
        config["heartbeat_interval_ms"] = milliseconds(settings.heartbeat)
    return config


def _refuse_codec(compression: str) -> None:
    module, package = _CODECS.get(compression, (None, None))
    if module is not None and find_spec(module) is None:
        raise UsageError(
            f"kafka-python cannot compress with {compression}: the package {package} is missing",
            hint=f"install {package}, or use --client confluent, which has every compression built in",
        )
