"""Groups and offsets, asked of the one broker that knows: the coordinator of a group, the leader of a partition.

All questions go out side by side, and to each broker one for all its partitions: 2,000 partitions are three requests a leader.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from kafka.protocol.admin import DescribeGroupsRequest

from kafab.adapters.kafka import configs
from kafab.adapters.kafka import group_messages as messages
from kafab.adapters.kafka.brokers import BrokerConnections
from kafab.adapters.kafka.dialer import Dialer
from kafab.cluster.metadata import Metadata
from kafab.groups import coordinating
from kafab.groups.values import (
    CLASSIC,
    CONSUMER,
    GONE,
    SHARE,
    At,
    Commit,
    Ends,
    Group,
    Listed,
    Listing,
)
from kafab.login import IN_THE_CLEAR, Login
from kafab.model import Endpoint
from kafab.unknown import Unknown

_TIMEOUT = timedelta(seconds=5)
_CHANGE = timedelta(seconds=15)
_FIRST, _MORE = 16 << 10, 1 << 20
"""Bytes that are fetched of a partition to see when a record was written, and where its batch is larger than that."""
_TOGETHER = 500
"""Partitions of one fetch: 8 MB of records at most."""


class KafkaGroups:
    """`kafab.ports.Groups` and `kafab.ports.Offsets`."""

    def __init__(self, login: Login = IN_THE_CLEAR, dialer: Dialer | None = None) -> None:
        self._connections = BrokerConnections(login, dialer=dialer)

    def list(self, metadata: Metadata) -> Listing:
        """Ask every broker; a partition of the offsets' topic that nobody leads has groups that nobody lists."""
        answers = self._connections.ask(
            {broker: (at, messages.list_request) for broker, at in metadata.brokers.items()}, _TIMEOUT
        )
        found: dict[str, Listed] = {}
        silent: dict[str, str] = {}
        for broker, answer in answers.items():
            groups = answer if isinstance(answer, Unknown) else messages.listed(broker, answer)
            if isinstance(groups, Unknown):
                silent[f"broker {broker}"] = groups.reason
            else:
                found |= {group.name: group for group in groups}
        kept = [partition for partition in metadata.partitions if partition.topic == coordinating.TOPIC]
        if lost := [partition for partition in kept if partition.leader is None]:
            silent[coordinating.TOPIC] = f"{len(lost)} of its {len(kept)} partitions have no leader"
        return Listing(tuple(found[name] for name in sorted(found)), silent)

    def describe(self, metadata: Metadata, groups: Sequence[Listed]) -> Mapping[str, Group | Unknown]:
        """Ask each coordinator once a type of groups, and once a group for its offsets."""
        by_kind: dict[tuple[int, str], list[str]] = defaultdict(list)
        for group in groups:
            by_kind[group.coordinator, group.kind].append(group.name)
        requests: dict[Any, tuple[Endpoint, Callable[[], Any]]] = {}
        for (broker, kind), names in by_kind.items():
            if kind in _ASKED and broker in metadata.brokers:
                ask = partial(messages.describe_request, _ASKED[kind], names)
                requests["of", broker, kind] = (metadata.brokers[broker], ask)
        for group in groups:
            if group.kind != SHARE and group.coordinator in metadata.brokers:
                ask = partial(messages.committed_request, group.name)
                requests["offsets", group.name] = (metadata.brokers[group.coordinator], ask)
        answers = self._connections.ask(requests, _TIMEOUT)
        found: dict[str, Group | Unknown] = {}
        for (broker, kind), names in by_kind.items():
            answer = answers.get(("of", broker, kind), Unknown(f"broker {broker} is gone"))
            if kind not in _ASKED:
                continue
            if isinstance(answer, Unknown):
                found |= dict.fromkeys(names, answer)
            elif kind == CLASSIC:
                found |= messages.classic(broker, answer)
            else:
                found |= messages.modern(kind, broker, answer)
        return {group.name: self._whole(group, found, answers) for group in groups}

    def commit(
        self, metadata: Metadata, group: Listed, offsets: Mapping[At, Commit]
    ) -> Mapping[At, str] | Unknown:
        """Commit them in one request."""
        answer = self._one(metadata, group, lambda: messages.commit_request(group.name, offsets))
        return answer if isinstance(answer, Unknown) else messages.uncommitted(answer)

    def delete(self, metadata: Metadata, group: Listed) -> str | Unknown | None:
        """Delete it."""
        answer = self._one(metadata, group, lambda: messages.delete_request(group.name))
        return answer if isinstance(answer, Unknown) else messages.deleted(answer)

    def configure(
        self, metadata: Metadata, group: str, values: Mapping[str, str | None]
    ) -> str | Unknown | None:
        """Ask any broker: it passes the change on to the controller."""
        at = next(iter(metadata.brokers.values()))
        found = self._connections.ask({group: (at, lambda: configs.change_group(group, values))}, _CHANGE)[
            group
        ]
        if isinstance(found, Unknown):
            return found
        (one,) = found.responses
        return (one.error_message or messages.error(one.error_code)) if one.error_code else None

    def ends(self, metadata: Metadata, partitions: Collection[At]) -> Mapping[At, Ends | Unknown]:
        """Ask each leader three times, side by side."""
        questions = {
            "earliest": (messages.EARLIEST, messages.UNCOMMITTED),
            "stable": (messages.LATEST, messages.COMMITTED),
            "high": (messages.LATEST, messages.UNCOMMITTED),
        }
        answers = self._offsets(metadata, partitions, questions)
        found: dict[At, Ends | Unknown] = {}
        for at in partitions:
            earliest, stable, high = (answers[name][at] for name in questions)
            if isinstance(earliest, Unknown):
                found[at] = earliest
            elif isinstance(stable, Unknown):
                found[at] = stable
            else:
                found[at] = high if isinstance(high, Unknown) else Ends(earliest, min(stable, high), high)
        return found

    def since(
        self, metadata: Metadata, partitions: Collection[At], moment: datetime
    ) -> Mapping[At, int | Unknown | None]:
        """Ask each leader once."""
        asked = {"since": (int(moment.timestamp() * 1000), messages.UNCOMMITTED)}
        found = self._offsets(metadata, partitions, asked)["since"]
        return {at: None if offset == -1 else offset for at, offset in found.items()}

    def written(
        self, metadata: Metadata, offsets: Collection[tuple[At, int]]
    ) -> Mapping[tuple[At, int], datetime | Unknown | None]:
        """Fetch what stands there: a little of each partition, and more of those whose batch is larger."""
        found: dict[tuple[At, int], datetime | Unknown | None] = {}
        left = self._fetched(metadata, set(offsets), _FIRST, found)
        left = self._fetched(metadata, left, _MORE, found) if left else left
        return found | dict.fromkeys(left, Unknown("no record came of it"))

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def _whole(
        self, group: Listed, found: Mapping[str, Group | Unknown], answers: Mapping[Any, Any]
    ) -> Group | Unknown:
        one = found.get(group.name, Unknown("its coordinator did not tell it"))
        if group.kind not in _ASKED:
            untold = Unknown(f"members of groups of type {group.kind} are not asked for")
            one = Group(group.name, group.kind, group.state or "?", group.coordinator, "", untold, {})
        if isinstance(one, Unknown):
            return one
        committed: Mapping[At, Commit] | Unknown = Unknown("share groups commit no offsets")
        if group.kind != SHARE:
            answer = answers.get(("offsets", group.name), Unknown(f"broker {group.coordinator} is gone"))
            committed = answer if isinstance(answer, Unknown) else messages.committed(answer)
        return Group(one.name, one.kind, one.state, one.coordinator, one.protocol, one.members, committed)

    def _one(self, metadata: Metadata, group: Listed, make: Callable[[], Any]) -> Any | Unknown:
        at = metadata.brokers.get(group.coordinator)
        if at is None:
            return Unknown(f"its coordinator, broker {group.coordinator}, is gone")
        return self._connections.ask({group.name: (at, make)}, _CHANGE)[group.name]

    def _offsets(
        self, metadata: Metadata, partitions: Collection[At], questions: Mapping[str, tuple[int, int]]
    ) -> dict[str, dict[At, int | Unknown]]:
        led, found = _led(metadata, partitions), {name: dict[At, int | Unknown]() for name in questions}
        requests = {
            (name, broker): (metadata.brokers[broker], partial(messages.offsets_request, ats, *asked))
            for name, asked in questions.items()
            for broker, ats in led.items()
        }
        for (name, broker), answer in self._connections.ask(requests, _TIMEOUT).items():
            silent = isinstance(answer, Unknown)
            found[name] |= dict.fromkeys(led[broker], answer) if silent else messages.offsets(answer)
        known = {(one.topic, one.number) for one in metadata.partitions}
        for at in partitions:
            reason = "it has no leader" if at in known else GONE
            for answers in found.values():
                answers.setdefault(at, Unknown(reason))
        return found

    def _fetched(
        self,
        metadata: Metadata,
        asked: Collection[tuple[At, int]],
        size: int,
        found: dict[tuple[At, int], datetime | Unknown | None],
    ) -> set[tuple[At, int]]:
        """Write into ``found`` what came; return the offsets of which no whole record came."""
        requests: dict[Any, tuple[Endpoint, Callable[[], Any]]] = {}
        told: dict[Any, dict[At, int]] = {}
        led = _led(metadata, {at for at, _ in asked})
        leader = {at: broker for broker, ats in led.items() for at in ats}
        for number, places in enumerate(_rounds(asked, leader, _TOGETHER if size == _FIRST else 1)):
            broker = leader.get(next(iter(places)))
            if broker is None:
                found |= {place: Unknown("it has no leader") for place in places.items()}
                continue
            told[number] = places
            requests[number] = (metadata.brokers[broker], partial(messages.fetch_request, places, size))
        left: set[tuple[At, int]] = set()
        for number, answer in self._connections.ask(requests, _TIMEOUT).items():
            places = told[number]
            times = {} if isinstance(answer, Unknown) else messages.fetched(answer, places)
            for place in places.items():
                if isinstance(answer, Unknown):
                    found[place] = answer
                elif place[0] in times:
                    found[place] = times[place[0]]
                else:
                    left.add(place)
        return left


_ASKED: Mapping[str, Any] = {
    CLASSIC: DescribeGroupsRequest,
    CONSUMER: messages.ConsumerGroupDescribeRequest,
    SHARE: messages.ShareGroupDescribeRequest,
}
"""The types whose members are asked for, with the request."""


def _led(metadata: Metadata, partitions: Collection[At]) -> dict[int, set[At]]:
    """Return the partitions by their leader, as far as they have one."""
    wanted, led = set(partitions), defaultdict[int, set[At]](set)
    for one in metadata.partitions:
        if one.leader is not None and one.leader in metadata.brokers and (one.topic, one.number) in wanted:
            led[one.leader].add((one.topic, one.number))
    return led


def _rounds(
    asked: Collection[tuple[At, int]], leader: Mapping[At, int], together: int
) -> list[dict[At, int]]:
    """Return the offsets as requests: each of one leader, of a partition one offset, and not too many."""
    made: dict[tuple[int | None, int], list[dict[At, int]]] = defaultdict(lambda: [{}])
    times: dict[At, int] = defaultdict(int)
    for at, offset in sorted(asked):
        requests = made[leader.get(at), times[at]]
        times[at] += 1
        if len(requests[-1]) >= together:
            requests.append({})
        requests[-1][at] = offset
    return [places for requests in made.values() for places in requests]
