"""What the admin adapter decides by itself, without a broker."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from kafab.adapters.kafka import admin as admin_module
from kafab.adapters.kafka import clients
from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.kafka.brokers import BrokerConnections
from kafab.cluster.metadata import ConfigEntry, Metadata
from kafab.model import Endpoint
from kafab.unknown import Unknown

LISTED = [Endpoint("10.0.0.1", 9092), Endpoint("10.0.0.2", 9092), Endpoint("10.0.0.3", 9092)]
LIMIT = timedelta(seconds=1)


def test_reader_starts_at_the_brokers_that_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen broker of the list takes no part: it would accept the reader's connection and hold it up."""
    admin = ClientsAdmin(LISTED)
    asked: list[str] = []

    def read(bootstrap: str, *_rest: object, **_limits: object) -> dict[int, tuple[bytes, ...]]:
        asked.append(bootstrap)
        return {}

    seen = Metadata("id", 2, {2: LISTED[1], 3: LISTED[2]})
    monkeypatch.setattr(admin, "metadata", lambda: seen)
    monkeypatch.setattr(clients, "read", read)
    admin.consume("orders", {0: 1}, timeout=LIMIT)
    assert asked == ["10.0.0.2:9092,10.0.0.3:9092"]


def test_nothing_is_read_where_no_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nobody answers is Unknown, and not an empty topic."""
    admin = ClientsAdmin(LISTED)
    monkeypatch.setattr(admin, "metadata", lambda: Unknown("nobody answers"))
    assert admin.consume("orders", {0: 1}, timeout=LIMIT) == Unknown("nobody answers")


class _Canned(BrokerConnections):
    """Brokers at the listed addresses that answer each request with what a function of (address, request) says."""

    def __init__(self, answer: Callable[[Endpoint, Any], Any]) -> None:
        super().__init__()
        self._answer = answer

    def _sent(
        self,
        requests: Mapping[Any, tuple[Endpoint, Callable[[], Any]]],
        timeout: timedelta,
    ) -> Iterator[tuple[Any, Any]]:
        return iter([(key, self._answer(at, make())) for key, (at, make) in requests.items()])


class _Willing:
    """A controller that agrees to every change."""

    def configure(self, _name: str, _values: Mapping[str, str | None]) -> None:
        """Agree."""

    def delete(self, _name: str) -> None:
        """Agree."""


def _with(answer: Callable[[Endpoint, Any], Any], monkeypatch: pytest.MonkeyPatch) -> ClientsAdmin:
    made, brokers, changes = ClientsAdmin(LISTED), _Canned(answer), _Willing()
    monkeypatch.setattr(made, "_brokers", lambda: brokers)
    monkeypatch.setattr(made, "_topics", lambda: changes)
    return made


def _configs(topics: Mapping[str, Mapping[str, str] | int]) -> Any:
    """Return the answer to DescribeConfigs: a topic's own values, or the error code that it has."""
    return SimpleNamespace(
        results=[
            SimpleNamespace(
                resource_name=topic,
                error_code=own if isinstance(own, int) else 0,
                error_message=None,
                configs=[
                    SimpleNamespace(name=name, value=value, config_source=1, is_sensitive=False)
                    for name, value in ({} if isinstance(own, int) else own).items()
                ],
            )
            for topic, own in topics.items()
        ]
    )


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ({}, {"retention.ms": "1000"}, {"retention.ms": "1000"}),
        ({"retention.ms": "5"}, {"retention.ms": "1000"}, {"retention.ms": "1000"}),
        ({"retention.ms": "1000"}, {"retention.ms": None}, {}),
        ({}, {"retention.ms": "01000"}, {"retention.ms": "1000"}),
        ({}, {"cleanup.policy": "compact, delete"}, {"cleanup.policy": "compact,delete"}),
        ({}, {"preallocate": "TRUE"}, {"preallocate": "true"}),
        ({}, {"min.cleanable.dirty.ratio": "0.50"}, {"min.cleanable.dirty.ratio": "0.5"}),
        ({}, {"min.cleanable.dirty.ratio": "0.5f"}, {"min.cleanable.dirty.ratio": "0.5"}),
    ],
)
def test_altered_properties_are_waited_for(
    before: dict[str, str],
    values: dict[str, str | None],
    after: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A KRaft broker that still shows the old value is asked again, until all show the new one as they write it."""
    slow = iter([before, before])

    def answer(at: Endpoint, request: Any) -> Any:
        assert list(request.resources[0].configuration_keys) == list(values)
        return _configs({"orders": after if at != LISTED[1] else next(slow, after)})

    assert _with(answer, monkeypatch).alter_configs("orders", values) is None
    assert next(slow, None) is None


def test_properties_that_no_broker_shows_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is agreed to and never shown is Unknown, and says what of."""
    monkeypatch.setattr(admin_module, "_SEEN", timedelta(0))
    admin = _with(lambda _at, _request: _configs({"orders": {}}), monkeypatch)
    assert admin.alter_configs("orders", {"retention.ms": "5"}) == Unknown(
        "orders does not show the change of retention.ms on every broker after 0 s, 3 brokers answering"
    )


def test_configs_come_from_a_broker_that_knows_all_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without one of the topics is passed over: its broker has not heard of it yet."""
    behind, whole = _configs({"a": {}, "b": 3}), _configs({"a": {}, "b": {"retention.ms": "5"}})
    admin = _with(lambda at, _request: behind if at == LISTED[0] else whole, monkeypatch)
    found = admin.topic_configs(["a", "b"])
    assert found == {
        "a": {},
        "b": {"retention.ms": ConfigEntry("retention.ms", "5", is_default=False)},
    }


def test_configs_of_a_topic_that_is_gone_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no broker knows all the topics, the answer is what all of them know together."""
    answers = dict(
        zip(
            LISTED,
            [
                _configs({"a": 3, "b": {}, "c": 3}),
                _configs({"a": {}, "b": 3, "c": 3}),
                Unknown("10.0.0.3:9092: connection refused"),
            ],
            strict=True,
        )
    )
    admin = _with(lambda at, _request: answers[at], monkeypatch)
    assert admin.topic_configs(["a", "b", "c"]) == {"a": {}, "b": {}}


def test_refused_configs_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that may not be described makes the answer Unknown, by its name."""
    admin = _with(lambda _at, _request: _configs({"a": {}, "b": 29}), monkeypatch)
    found = admin.topic_configs(["a", "b"])
    assert isinstance(found, Unknown)
    assert "b: TopicAuthorizationFailedError" in found.reason


@pytest.mark.parametrize("keys", [None, ["min.insync.replicas"]])
def test_only_the_wanted_properties_are_asked_for(
    keys: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys travel in the request, so that a broker answers with no more than those."""
    asked: list[Any] = []

    def answer(_at: Endpoint, request: Any) -> Any:
        asked.append(request)
        return _configs({"orders": {}})

    _with(answer, monkeypatch).topic_configs(["orders"], keys)
    assert [request.resources[0].configuration_keys for request in asked] == [keys] * 3


def _controller(*codes: int) -> Callable[[Endpoint, Any], Any]:
    """Return brokers without any topic, of which the first controls and answers a trial creation with these codes."""
    verdicts = list(codes)

    def answer(at: Endpoint, request: Any) -> Any:
        if not hasattr(request, "validate_only"):
            return SimpleNamespace(cluster_id="id", controller_id=1, brokers=[], topics=[])
        assert request.validate_only
        code = 41 if at != LISTED[0] else verdicts.pop(0) if len(verdicts) > 1 else verdicts[0]
        return SimpleNamespace(topics=[SimpleNamespace(error_code=code)])

    return answer


def test_a_deletion_is_done_when_the_name_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that metadata no longer shows and whose name is still taken for a moment is waited for."""
    admin = _with(_controller(36, 36, 0), monkeypatch)
    assert admin.delete_topic("orders") is None


def test_a_queued_deletion_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ZooKeeper a replica on a dead broker keeps the topic: it is marked for deletion, and not deleted."""
    monkeypatch.setattr(admin_module, "_SEEN", timedelta(0))
    unknown = _with(_controller(36), monkeypatch).delete_topic("orders")
    assert isinstance(unknown, Unknown)
    assert unknown.reason.startswith("orders is marked for deletion and hidden from clients")


def test_a_name_that_nobody_judges_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """While no controller answers, nobody knows whether a deletion is done."""
    monkeypatch.setattr(admin_module, "_SEEN", timedelta(0))
    unknown = _with(_controller(41), monkeypatch).delete_topic("orders")
    assert isinstance(unknown, Unknown)
    assert "whether its name is free is unknown" in unknown.reason


def test_log_directories_are_told_with_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that the broker has taken offline has Kafka's error (56), the others none."""
    results = [
        SimpleNamespace(log_dir="/data1", error_code=0, topics=[]),
        SimpleNamespace(log_dir="/data2", error_code=56, topics=[]),
    ]
    admin = _with(lambda _at, _request: SimpleNamespace(results=results), monkeypatch)
    assert admin.log_dirs(LISTED[0]) == {"/data1": None, "/data2": "KafkaStorageError"}


def test_refused_question_for_log_directories_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that refuses to tell (31, not authorised) has not said that all is well."""
    admin = _with(lambda _at, _request: SimpleNamespace(error_code=31, results=[]), monkeypatch)
    assert admin.log_dirs(LISTED[0]) == Unknown("ClusterAuthorizationFailedError")
