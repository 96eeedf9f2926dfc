"""Changes of topics as requests of Kafka's own protocol, over connections that may lead through SSH, where librdkafka cannot go."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from kafab.adapters.kafka import configs
from kafab.adapters.kafka.brokers import BrokerConnections
from kafab.cluster.metadata import Metadata, TopicSpec
from kafab.errors import Failed
from kafab.unknown import Unknown

_LIMIT = timedelta(seconds=15)
_PAUSE = 0.1
# org.apache.kafka.common.protocol.Errors
_NOT_CONTROLLER, _NOT_NEEDED = 41, 84
_OUTCOME_UNKNOWN = (7, 13, _NOT_CONTROLLER)  # a timeout, a network exception: carried out or not
HINTS: Mapping[int, str] = {
    36: "`topics.describe NAME` shows it, `topics.alter NAME` changes it; where `topics.list` does not have it, it is being"
    " deleted, which waits for every broker with a replica: `status` shows which are up",
    3: "`topics.list` shows what there is",
    38: "a topic needs as many live brokers as replicas: `status` shows them",
}
"""What to do about a refusal, by Kafka's error code."""


class RequestedChanges:
    """What `clients.TopicChanges` does, asked of the controller in Kafka's protocol."""

    def __init__(
        self, connections: Callable[[], BrokerConnections], metadata: Callable[[], Metadata | Unknown]
    ) -> None:
        self._connections = connections
        self._metadata = metadata

    def create(self, spec: TopicSpec) -> Unknown | None:
        """Ask the controller to create; returns when it has answered. Raises Failed when it refuses."""
        return self._done(lambda: _creation(spec), _of_topics, f"create topic {spec.name}")

    def delete(self, name: str) -> Unknown | None:
        """Ask the controller to delete; returns when it has answered. Raises Failed when it refuses."""
        return self._done(lambda: _deletion(name), _of_responses, f"delete topic {name}")

    def grow(self, name: str, total: int) -> Unknown | None:
        """Ask the controller for ``total`` partitions. Raises Failed when it refuses."""
        what = f"grow topic {name} to {total} partitions"
        return self._done(lambda: _growth(name, total), lambda answer: answer.results, what)

    def configure(self, name: str, values: Mapping[str, str | None]) -> Unknown | None:
        """Set or (None) reset single properties, KIP-339. Raises Failed when the broker refuses."""
        return self._done(lambda: configs.change_topic(name, values), _of_responses, f"alter topic {name}")

    def elect(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str] | Unknown:
        """Ask the controller to elect the preferred leaders, KIP-460; return why it did not, for those that it refused."""
        what = "elect the preferred leaders"
        answer = self._asked(lambda: _election(partitions), lambda answer: [answer], what)
        if isinstance(answer, Unknown):
            return answer
        return {
            (topic.topic, found.partition_id): _words(found)
            for topic in answer.replica_election_results
            for found in topic.partition_result
            if found.error_code not in (0, _NOT_NEEDED)
        }

    def _done(
        self, make: Callable[[], Any], results: Callable[[Any], Sequence[Any]], what: str
    ) -> Unknown | None:
        answer = self._asked(make, results, what)
        return answer if isinstance(answer, Unknown) else None

    def _asked(
        self, make: Callable[[], Any], results: Callable[[Any], Sequence[Any]], what: str
    ) -> Any | Unknown:
        deadline = time.monotonic() + _LIMIT.total_seconds()
        while True:
            answer = self._once(make, timedelta(seconds=max(deadline - time.monotonic(), 1)))
            if isinstance(answer, Unknown):
                return Unknown(f"{what}: {answer.reason}")
            if answer is not None:
                bad = next((found for found in results(answer) if found.error_code), None)
                if bad is None:
                    return answer
                if bad.error_code != _NOT_CONTROLLER or time.monotonic() >= deadline:
                    return _judged(bad, what)
            elif time.monotonic() >= deadline:
                return Unknown(f"{what}: no broker names a controller")
            # Nothing was done, and an election is on.
            time.sleep(_PAUSE)

    def _once(self, make: Callable[[], Any], limit: timedelta) -> Any | Unknown | None:
        """Ask the broker that a view names as the controller, in KRaft mode any, which passes it on; None: it names none."""
        view = self._metadata()
        if isinstance(view, Unknown):
            return view
        at = None if view.controller is None else view.brokers.get(view.controller)
        return None if at is None else self._connections().ask_any((at,), make, limit)


def _judged(refusal: Any, what: str) -> Unknown:
    if refusal.error_code in _OUTCOME_UNKNOWN:
        return Unknown(f"{what}: {_words(refusal)}")
    raise Failed(f"{what}: {_words(refusal)}", hint=HINTS.get(refusal.error_code))


def _words(refusal: Any) -> str:
    from kafka.errors import for_code

    said = getattr(refusal, "error_message", None)
    return str(said or for_code(refusal.error_code).__name__)


def _of_topics(answer: Any) -> Sequence[Any]:
    found: Sequence[Any] = answer.topics
    return found


def _of_responses(answer: Any) -> Sequence[Any]:
    found: Sequence[Any] = answer.responses
    return found


def _milliseconds() -> int:
    return int(_LIMIT.total_seconds() * 1000)


def _creation(spec: TopicSpec) -> Any:
    from kafka.protocol.admin import CreateTopicsRequest

    topic = CreateTopicsRequest.CreatableTopic
    placed = [
        topic.CreatableReplicaAssignment(partition_index=number, broker_ids=list(replicas))
        for number, replicas in enumerate(spec.assignment or ())
    ]
    # -1 is "the broker's default" since Kafka 2.4 (KIP-464), and where the places are given.
    partitions = -1 if placed or spec.partitions is None else spec.partitions
    factor = -1 if placed or spec.replication_factor is None else spec.replication_factor
    wanted = topic(
        name=spec.name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=placed,
        configs=[topic.CreatableTopicConfig(name=key, value=value) for key, value in spec.configs.items()],
    )
    return CreateTopicsRequest(topics=[wanted], timeout_ms=_milliseconds(), validate_only=False)


def _deletion(name: str) -> Any:
    from kafka.protocol.admin import DeleteTopicsRequest

    return DeleteTopicsRequest(
        topics=[DeleteTopicsRequest.DeleteTopicState(name=name)], timeout_ms=_milliseconds()
    )


def _growth(name: str, total: int) -> Any:
    from kafka.protocol.admin import CreatePartitionsRequest

    topic = CreatePartitionsRequest.CreatePartitionsTopic(name=name, count=total, assignments=None)
    return CreatePartitionsRequest(topics=[topic], timeout_ms=_milliseconds(), validate_only=False)


def _election(partitions: Sequence[tuple[str, int]]) -> Any:
    from kafka.protocol.admin import ElectLeadersRequest

    topics: dict[str, list[int]] = {}
    for topic, number in partitions:
        topics.setdefault(topic, []).append(number)
    wanted = [
        ElectLeadersRequest.TopicPartitions(topic=name, partitions=numbers)
        for name, numbers in topics.items()
    ]
    return ElectLeadersRequest(election_type=0, topic_partitions=wanted, timeout_ms=_milliseconds())
