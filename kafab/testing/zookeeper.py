"""The ZooKeeper ensemble of a `FakeKafka`, behind its port."""

from collections.abc import Mapping
from typing import TypeVar

from kafab.cluster.metadata import (
    Controller,
    Member,
    Registration,
)
from kafab.model import Endpoint
from kafab.testing.kafka import FakeKafka
from kafab.unknown import Unknown

_T = TypeVar("_T")


class FakeZooKeeper:
    """`kafab.ports.ZooKeeper` over a `FakeKafka`. ``calls`` counts elections that were forced."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.calls: list[str] = []

    def member(self, at: Endpoint) -> Member | Unknown:
        """The lowest live server leads, all others follow in sync."""
        servers = {node.endpoint: node.id for node in self._kafka.cluster.zookeepers}
        alive = sorted(set(servers.values()) - self._kafka.stopped_servers)
        if servers.get(at) not in alive:
            return Unknown(f"{at}: connection refused")
        if not self._kafka.serving:
            return Unknown(f"{at}: This ZooKeeper instance is not currently serving requests")
        if len(servers) == 1:
            return Member("standalone", 1, "3.8.4")
        if servers[at] == alive[0]:
            return Member("leader", 1, "3.8.4", len(alive) - 1)
        return Member("follower", 1, "3.8.4")

    def registrations(self) -> Mapping[int, Registration] | Unknown:
        """The brokers that live or are frozen."""
        return self._or_unknown(dict(self._kafka.registrations))

    def controller(self) -> Controller | Unknown:
        """The controller and its epoch."""
        return self._or_unknown(Controller(self._kafka.controller, self._kafka.epoch))

    def cluster_id(self) -> str | Unknown | None:
        """The id."""
        return self._or_unknown(self._kafka.cluster_id)

    def force_election(self) -> Unknown | None:
        """Another live broker controls at once."""
        self.calls.append("force_election")
        if self._kafka.serving:
            self._kafka.elect()
        return self._or_unknown(None)

    def close(self) -> None:
        """Nothing was opened."""
        self.calls.append("close")

    def _or_unknown(self, value: _T) -> _T | Unknown:
        return value if self._kafka.serving else Unknown("ZooKeeper: no quorum")
