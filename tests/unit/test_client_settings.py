"""What a producer and a consumer are asked to be, and what each client is told of it."""

from datetime import timedelta
from typing import Any
from unittest.mock import MagicMock

import pytest
from confluent_kafka import Consumer, Producer

from kafab.adapters.kafka.records import confluent, kafka_python
from kafab.adapters.kafka.records.consumers import consumer
from kafab.errors import UsageError
from kafab.records.settings import (
    Acks,
    Client,
    ConsumerSettings,
    Isolation,
    ProducerSettings,
    Reset,
    idempotence,
    isolation,
)

AT = "127.0.0.1:1"


@pytest.mark.parametrize("client", Client)
@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"acks": Acks.LEADER}, "acks=1"),
        ({"acks": Acks.NONE}, "acks=0"),
        ({"retries": 0}, "retries=0"),
        ({"in_flight": 6}, "6 requests in flight"),
    ],
)
@pytest.mark.parametrize("asked", [{"idempotent": True}, {"transactional_id": "t"}])
def test_idempotence_that_was_asked_for_is_never_dropped(
    client: Client, wanted: dict[str, Any], named: str, asked: dict[str, Any]
) -> None:
    """What excludes idempotence is refused by its name where idempotence or a transaction was asked for."""
    with pytest.raises(UsageError, match=named):
        idempotence(client, ProducerSettings(AT, **wanted, **asked))


@pytest.mark.parametrize(("client", "default"), [(Client.KAFKA_PYTHON, True), (Client.CONFLUENT, False)])
def test_the_clients_own_default_is_told(client: Client, default: bool) -> None:
    """kafka-python is idempotent unless it is told otherwise, librdkafka only when it is told."""
    assert idempotence(client, ProducerSettings(AT)) is default


def test_kafka_python_is_told_that_idempotence_is_off() -> None:
    """The default that a conflict excludes is switched off by name, and not by the client with a line in its log."""
    assert kafka_python.producer_config(ProducerSettings(AT, acks=Acks.LEADER))["enable_idempotence"] is False


def test_a_transaction_without_idempotence_is_refused() -> None:
    """A transactional producer that must not be idempotent cannot be."""
    with pytest.raises(UsageError, match="needs an idempotent producer"):
        idempotence(Client.CONFLUENT, ProducerSettings(AT, transactional_id="t", idempotent=False))


@pytest.mark.parametrize(
    "wrong", [{"retries": -1}, {"in_flight": 0}, {"compression": "rar"}, {"transactional_id": ""}]
)
def test_what_no_producer_can_have_is_refused(wrong: dict[str, Any]) -> None:
    """Values that no client takes are refused before a client is made."""
    with pytest.raises(UsageError):
        idempotence(Client.CONFLUENT, ProducerSettings(AT, **wrong))


@pytest.mark.parametrize(
    "settings",
    [
        ProducerSettings(AT),
        ProducerSettings(AT, acks=Acks.NONE, retries=0, compression="gzip", batch_bytes=65536),
        ProducerSettings(AT, acks=Acks.LEADER, in_flight=10),
        ProducerSettings(AT, idempotent=True, retries=3, in_flight=5),
        ProducerSettings(AT, transactional_id="t"),
    ],
)
def test_librdkafka_takes_the_settings_of_a_producer(settings: ProducerSettings) -> None:
    """Every name and value is one that librdkafka knows."""
    assert Producer(confluent.producer_config(settings)) is not None


def test_kafka_python_takes_the_settings_of_a_producer() -> None:
    """Every name is one that kafka-python knows."""
    from kafka import KafkaProducer

    settings = ProducerSettings(AT, retries=3, in_flight=2, batch_bytes=1, transactional_id="t")
    assert set(kafka_python.producer_config(settings)) <= set(KafkaProducer.DEFAULT_CONFIG)


FULL = ConsumerSettings(
    AT,
    group="g",
    member_id="m",
    reset=Reset.NONE,
    auto_commit=timedelta(seconds=1),
    session_limit=timedelta(seconds=6),
    heartbeat=timedelta(seconds=2),
)


def test_librdkafka_takes_the_settings_of_a_consumer() -> None:
    """Every name and value is one that librdkafka knows."""
    Consumer(confluent.consumer_config(FULL)).close()


def test_a_reading_asks_for_more_as_soon_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause of 1 s that librdkafka makes at each full queue made a million small records take 6.5 s in place of 0.8 s."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(
        "confluent_kafka.Consumer", lambda config, **_named: told.update(config) or MagicMock()
    )
    consumer(Client.CONFLUENT, FULL, "orders", MagicMock(), batch=1, starts={0: 0}, stores=False)
    assert told["fetch.queue.backoff.ms"] == 10


def test_kafka_python_takes_the_settings_of_a_consumer() -> None:
    """Every name is one that kafka-python knows."""
    from kafka import KafkaConsumer

    assert set(kafka_python.consumer_config(FULL)) <= set(KafkaConsumer.DEFAULT_CONFIG)


def test_a_consumer_without_a_group_commits_nothing() -> None:
    """A timed commit makes no sense without a group, and kafka-python refuses it."""
    config = kafka_python.consumer_config(ConsumerSettings(AT, auto_commit=timedelta(seconds=1)))
    assert config["enable_auto_commit"] is False


def test_librdkafka_without_a_group_is_refused() -> None:
    """A consumer of librdkafka cannot be made without a group."""
    with pytest.raises(UsageError, match="has to have a group"):
        confluent.consumer_config(ConsumerSettings(AT))


def test_the_default_isolation_is_the_clients() -> None:
    """Left alone, librdkafka reads what is committed and kafka-python all."""
    found = [isolation(client, ConsumerSettings(AT)) for client in (Client.CONFLUENT, Client.KAFKA_PYTHON)]
    assert found == [Isolation.READ_COMMITTED, Isolation.READ_UNCOMMITTED]
