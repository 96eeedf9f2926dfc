"""A member of a share group (KIP-932): librdkafka's ShareConsumer, which is a preview in 2.16. kafka-python 3.0 has none."""

import logging
import os
import signal
import threading
import time
from typing import Any

from kafab.adapters.kafka import logins
from kafab.adapters.kafka.drills.transactions import Tell
from kafab.drills import orders
from kafab.drills.history import Kind
from kafab.drills.orders import Order, Shares

_POLL = 0.2
_ACKNOWLEDGE_LIMIT = 10.0


def share(order: Order, tell: Tell, ended: threading.Event) -> None:
    """Take records until the word comes, and acknowledge them as the order says. READ has the delivery's number as its detail."""
    from confluent_kafka import ShareConsumer

    quiet = logging.getLogger("kafab.librdkafka.drill")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    config = {
        "bootstrap.servers": order.bootstrap,
        "client.id": order.consumer.client_id,
        **logins.librdkafka(order.login),
        "group.id": order.group,
        "share.acknowledgement.mode": "explicit",
        "max.poll.records": order.batch,
    }
    consumer = ShareConsumer(config, logger=quiet)
    consumer.subscribe([order.topic])
    while not ended.is_set():
        taken = _polled(order, tell, consumer)
        if taken and order.dies_after is not None and not order.orderly:
            os.kill(os.getpid(), signal.SIGKILL)  # with records that it has not acknowledged
        if taken and order.shares is Shares.KEEP and not order.orderly:
            ended.wait()
            break
        _acknowledge(order, tell, consumer, taken)
    consumer.close()


def _polled(order: Order, tell: Tell, consumer: Any) -> list[Any]:
    taken = []
    for message in consumer.poll(_POLL):
        error = message.error()
        if error is None:
            taken.append(message)
            number = orders.number_in(message.value(), order.topic)
            count = str(message.delivery_count())
            tell(Kind.READ, message.partition(), message.offset(), count, number=number)
        elif not error.retriable():
            tell(Kind.TROUBLE, detail=error.str())
    return taken


def _acknowledge(order: Order, tell: Tell, consumer: Any, taken: list[Any]) -> None:
    """Have the effects and say so; a record that cannot be worked is released, to be delivered again."""
    from confluent_kafka import AcknowledgeType

    for message in taken:
        number = orders.number_in(message.value(), order.topic)
        if order.shares is Shares.RELEASE_FIRST and number == order.first and not order.orderly:
            consumer.acknowledge(message, AcknowledgeType.RELEASE)
            continue
        time.sleep(order.effect)
        tell(Kind.EFFECT, message.partition(), message.offset(), number=number)
        consumer.acknowledge(message)
    if taken:
        for place, error in consumer.commit_sync(_ACKNOWLEDGE_LIMIT).items():
            if error is not None:
                tell(Kind.UNCOMMITTED, place.partition, detail=str(error))
