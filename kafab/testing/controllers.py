"""The KRaft quorum of a `FakeKafka`, behind its port."""

from collections.abc import Mapping
from datetime import timedelta

from kafab.cluster.metadata import KraftBroker, QuorumReplica, QuorumState
from kafab.config.defaults import FIRST_WITHOUT_ZOOKEEPER
from kafab.model import Endpoint, VoterSource
from kafab.testing.kafka import FakeKafka
from kafab.unknown import Unknown

LOG_END = 1000
BEHIND = 40
"""Records that a voter lacks which is stopped, frozen or lagging."""
CAUGHT_UP = timedelta(seconds=30)
"""How long ago such a voter had everything."""
_TIMEOUT = timedelta(seconds=5)


class FakeControllers:
    """`kafab.ports.Controllers` over a `FakeKafka`. ``strangers`` are observers that the inventory does not know."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.strangers: set[int] = set()
        self.levels: dict[str, int] = _levels(kafka)
        """The finalized features."""
        self.known = {name: (1, level) for name, level in self.levels.items()}
        """The levels that every node's release knows."""

    def describe(self, at: Endpoint | None = None, *, timeout: timedelta = _TIMEOUT) -> QuorumState | Unknown:
        """The leader's description; a broker that lives passes the question on."""
        leader = self._kafka.voters.vote()
        if at is None:
            return Unknown("no controller leads") if leader is None else self._state(leader)
        if (silence := self._silence(at, timeout)) is not None:
            return silence
        asked = self._controllers.get(at)
        if asked is None and leader is None:
            return Unknown(f"{at}: did not answer within {timeout.total_seconds():g} s")
        if leader is None or asked not in (None, leader):
            return Unknown(f"{at}: does not lead the quorum")
        return self._state(leader)

    def leader(self, at: Endpoint, *, timeout: timedelta = _TIMEOUT) -> int | Unknown | None:
        """The leader, as every controller knows it that answers; without one a follower of Kafka 4 names the last one."""
        if (silence := self._silence(at, timeout)) is not None:
            return silence
        voters = self._kafka.voters
        if (leader := voters.vote()) is not None:
            return leader
        remembers = self._kafka.cluster.version >= FIRST_WITHOUT_ZOOKEEPER
        return voters.last if remembers and self._controllers.get(at) != voters.last else None

    def features(self, at: Endpoint | None = None) -> Mapping[str, int] | Unknown:
        """``levels``, of whoever answers."""
        nodes = [*self._controllers, *(node.endpoint for node in self._kafka.cluster.brokers)]
        nodes = nodes if at is None else [at]
        silent = [self._silence(at, _TIMEOUT) for at in nodes]
        return dict(self.levels) if None in silent else Unknown("no node answers")

    def known_levels(self, at: Endpoint) -> Mapping[str, tuple[int, int]] | Unknown:
        """``known``, of a node that answers."""
        return self._silence(at, _TIMEOUT) or dict(self.known)

    def finalize(self, levels: Mapping[str, int], *, try_only: bool) -> Mapping[str, str] | Unknown:
        """Refuse what is beyond ``known``, and all of it then."""
        if isinstance(found := self.features(), Unknown):
            return found
        refused = {
            name: f"Invalid update version {level} for feature {name}."
            for name, level in levels.items()
            if level > self.known.get(name, (0, 0))[1]
        }
        if not refused and not try_only:
            self.levels |= levels
        return refused

    def brokers(self, *, timeout: timedelta = _TIMEOUT) -> Mapping[int, KraftBroker] | Unknown:  # noqa: ARG002  # the port's signature; a fake answers at once
        """The registrations that any broker has heard of; before 4.0 without the fenced ones, and of what a majority heard."""
        kafka = self._kafka
        answering = set(kafka.registrations) - kafka.silent_brokers
        if not answering:
            return Unknown("no broker answers")
        known = {
            broker: KraftBroker(broker, seen.endpoints[kafka.operator :][:1], broker in kafka.fenced)
            for broker, seen in sorted({**kafka.registrations, **kafka.left}.items())
        }
        tells_fenced = kafka.cluster.version >= FIRST_WITHOUT_ZOOKEEPER
        needed = 1 if tells_fenced else len(answering) // 2 + 1
        heard = {one: sum(one not in kafka.unheard.get(asked, ()) for asked in answering) for one in known}
        return {
            broker: one
            for broker, one in known.items()
            if heard[broker] >= needed and (tells_fenced or not one.fenced)
        }

    def close(self) -> None:
        """Nothing was opened."""

    @property
    def _controllers(self) -> dict[Endpoint, int]:
        return {node.controller_endpoint: node.id for node in self._kafka.cluster.controllers}

    def _silence(self, at: Endpoint, timeout: timedelta) -> Unknown | None:
        """Return why there is no answer from an address, None where there is one."""
        kafka, controller = self._kafka, self._controllers.get(at)
        broker = next((broker for broker, seen in kafka.registrations.items() if at in seen.endpoints), None)
        if broker is None and (controller is None or controller in kafka.voters.stopped):
            return Unknown(f"{at}: connection refused")
        if controller in kafka.voters.silent or broker in kafka.silent_brokers:
            return Unknown(f"{at}: did not answer within {timeout.total_seconds():g} s")
        return None

    def _state(self, leader: int) -> QuorumState:
        kafka, voters = self._kafka, self._kafka.voters
        late = (voters.stopped | voters.silent | voters.lagging) - voters.remembered
        observers = {broker for broker in kafka.registrations if broker not in voters.ids} | self.strangers
        late_brokers = kafka.silent_brokers
        return QuorumState(
            leader,
            voters.epoch,
            LOG_END,
            tuple(self._replica(voter, late=voter != leader and voter in late) for voter in voters.ids),
            tuple(self._replica(one, late=one in late_brokers) for one in sorted(observers)),
        )

    def _replica(self, number: int, *, late: bool) -> QuorumReplica:
        directory = (
            f"directory-of-node-{number:04}"
            if self._kafka.cluster.voter_source is VoterSource.DYNAMIC
            else None
        )
        if late:
            return QuorumReplica(number, LOG_END - BEHIND, BEHIND, CAUGHT_UP, directory)
        return QuorumReplica(number, LOG_END, 0, timedelta(0), directory)


def _levels(kafka: FakeKafka) -> dict[str, int]:
    # What 3.9.2 and 4.3.1 finalize when they format with their own defaults.
    old = kafka.cluster.version < FIRST_WITHOUT_ZOOKEEPER
    return {"metadata.version": 21 if old else 30}
