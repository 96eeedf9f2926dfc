"""Users, ACLs and quotas of a cluster, by the brokers' own requests, and by znodes where the brokers have none for them.

Changes go to the controller: in ZooKeeper mode a broker that is not the controller refuses credentials. A change is done once
every broker that is in the cluster shows it: each decides from a copy of its own, and hears of changes a moment later.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from kafab.access.values import Account, Acl, Credential, Limit
from kafab.adapters.kafka import access_messages as messages
from kafab.adapters.kafka.brokers import BrokerConnections
from kafab.adapters.kafka.dialer import Dialer
from kafab.adapters.kafka.znodes import Znodes
from kafab.adapters.kafka.zookeeper import KazooEnsemble
from kafab.errors import Failed
from kafab.login import IN_THE_CLEAR, Login
from kafab.model import Endpoint, Version
from kafab.unknown import Unknown

QUOTAS_SINCE, LOGINS_SINCE = Version(2, 6, 0), Version(2, 7, 0)
"""The versions from which brokers have requests about quotas (KIP-546) and credentials (KIP-554)."""
_READ = timedelta(seconds=15)
_CHANGE = timedelta(seconds=60)
_SEEN = timedelta(seconds=30)
_POLL = 0.05
_TOGETHER = 2000
"""ACLs of one request. KRaft's controller takes 10000 records at most (ControllerResult); they are one batch there."""
_USERS_TOGETHER = 500

T = TypeVar("T")


class KafkaAccess:
    """`kafab.ports.Access` on kafka-python's protocol layer. Safe to use from several threads.

    ``ensemble`` is asked for what the brokers of ``version`` have no requests for.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        version: Version,
        ensemble: KazooEnsemble | None = None,
        login: Login = IN_THE_CLEAR,
        logins_at: Mapping[Endpoint, Login] | None = None,
        *,
        dialer: Dialer | None = None,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._connections = BrokerConnections(login, logins_at, dialer)
        znodes = Znodes(ensemble) if ensemble else None
        self._users = znodes if version < LOGINS_SINCE else None
        self._quotas = znodes if version < QUOTAS_SINCE else None

    def acls(self) -> frozenset[Acl] | Unknown | None:
        """Ask all brokers, and take the first answer."""
        found: frozenset[Acl] | Unknown | None = self._first(
            messages.acls_request, lambda answer: (messages.acls(answer),)
        )
        return found

    def logins(self) -> Mapping[Account, int] | Unknown:
        """Ask all brokers, and take the first answer; or look into ZooKeeper."""
        if self._users:
            return self._users.logins()
        found: dict[Account, int] | Unknown = self._first(
            messages.logins_request, lambda answer: (messages.logins(answer),)
        )
        return found

    def quotas(self) -> Mapping[Limit, float] | Unknown:
        """Ask all brokers, and take the first answer; or look into ZooKeeper."""
        if self._quotas:
            return self._quotas.quotas()
        found: dict[Limit, float] | Unknown = self._first(
            messages.quotas_request, lambda answer: (messages.quotas(answer),)
        )
        return found

    def add_acls(self, acls: Sequence[Acl]) -> Unknown | None:
        """Add them in as few requests as can be, then wait until every broker shows them."""
        return self._changed(
            _parts(acls, _TOGETHER),
            messages.add_acls_request,
            messages.acls_added,
            look=messages.acls_request,
            shown=lambda answer: _holds(messages.acls(answer), lambda found: found.issuperset(acls)),
            what="the ACLs that were added",
        )

    def remove_acls(self, acls: Sequence[Acl]) -> Unknown | None:
        """Remove them in as few requests as can be, then wait until no broker shows them."""
        return self._changed(
            _parts(acls, _TOGETHER),
            messages.remove_acls_request,
            messages.acls_removed,
            look=messages.acls_request,
            shown=lambda answer: _holds(messages.acls(answer), lambda found: found.isdisjoint(acls)),
            what="that ACLs are removed",
        )

    def set_logins(self, credentials: Mapping[Account, Credential]) -> Unknown | None:
        """Set them, then wait until every broker shows their iterations."""
        if self._users:
            return self._users.set_logins(credentials)
        wanted = {login: one.iterations for login, one in credentials.items()}
        return self._changed(
            _by_mechanism(list(credentials)),
            lambda part: messages.set_logins_request({login: credentials[login] for login in part}),
            lambda _part, answer: messages.logins_changed(answer),
            look=messages.logins_request,
            shown=lambda answer: _holds(
                messages.logins(answer), lambda found: wanted.items() <= found.items()
            ),
            what="the users that were set",
        )

    def remove_logins(self, logins: Sequence[Account]) -> Unknown | None:
        """Remove them, then wait until no broker shows them."""
        if self._users:
            return self._users.remove_logins(logins)
        return self._changed(
            _by_mechanism(logins),
            messages.remove_logins_request,
            lambda _part, answer: messages.logins_changed(answer),
            look=messages.logins_request,
            shown=lambda answer: _holds(
                messages.logins(answer), lambda found: found.keys().isdisjoint(logins)
            ),
            what="that users are removed",
        )

    def set_limits(self, values: Mapping[Limit, float | None]) -> Unknown | None:
        """Set them, then wait until every broker shows them."""
        if self._quotas:
            return self._quotas.set_limits(values)
        # The numbers of one entity are one request's: a broker takes an entity once.
        ordered = sorted(values, key=lambda limit: limit.order)
        entities = list(dict.fromkeys(limit.entity for limit in ordered))
        return self._changed(
            [
                [limit for limit in ordered if limit.entity in chosen]
                for chosen in map(frozenset, _parts(entities, _USERS_TOGETHER))
            ],
            lambda part: messages.set_limits_request({limit: values[limit] for limit in part}),
            lambda _part, answer: messages.limits_set(answer),
            look=messages.quotas_request,
            shown=lambda answer: _holds(
                messages.quotas(answer),
                lambda found: all(found.get(limit) == value for limit, value in values.items()),
            ),
            what="the quotas that were set",
        )

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def _first(self, make: Callable[[], Any], read: Callable[[Any], tuple[T]]) -> Any:
        # In a tuple, as None is an answer, too.
        def whole(answer: Any) -> tuple[T] | Unknown:
            (found,) = read(answer)
            return found if isinstance(found, Unknown) else (found,)

        answer = self._connections.ask_any(self._endpoints, make, _READ, read=whole)
        return answer if isinstance(answer, Unknown) else answer[0]

    def _changed(
        self,
        parts: Sequence[Sequence[T]],
        make: Callable[[Sequence[T]], Any],
        read: Callable[[Sequence[T], Any], bool | Unknown],
        *,
        look: Callable[[], Any],
        shown: Callable[[Any], bool],
        what: str,
    ) -> Unknown | None:
        for part in parts:
            outcome = self._sent(part, make, read)
            if isinstance(outcome, Unknown):
                return outcome
        return self._awaited(look, shown, what) if parts else None

    def _sent(
        self,
        part: Sequence[T],
        make: Callable[[Sequence[T]], Any],
        read: Callable[[Sequence[T], Any], bool | Unknown],
    ) -> bool | Unknown:
        deadline = time.monotonic() + _CHANGE.total_seconds()
        while True:
            at = self._controller()
            if isinstance(at, Unknown):
                return at
            # The answer is judged here, not where it arrives: a refusal has to reach the caller.
            answer = self._connections.ask_any((at,), lambda: make(part), _CHANGE)
            if isinstance(answer, Unknown):
                return answer
            try:
                return read(part, answer)
            except messages.NotController:
                if time.monotonic() > deadline:
                    return Unknown(f"{at} is not the controller, and no other broker is")
                time.sleep(_POLL)
            except messages.Refused as refusal:
                raise Failed(str(refusal)) from refusal

    def _controller(self) -> Endpoint | Unknown:
        """Return where the controller is; in KRaft mode brokers name one of themselves, which passes changes on."""
        answer = self._connections.ask_any(self._endpoints, _metadata_request, _READ)
        if isinstance(answer, Unknown):
            return answer
        at = {one.node_id: Endpoint(one.host, one.port) for one in answer.brokers}
        if answer.controller_id not in at:
            return Unknown("no broker knows the controller")
        return at[answer.controller_id]

    def _awaited(self, look: Callable[[], Any], shown: Callable[[Any], bool], what: str) -> Unknown | None:
        deadline = time.monotonic() + _SEEN.total_seconds()
        seen: set[int] = set()
        while True:
            answer = self._connections.ask_any(self._endpoints, _metadata_request, _READ)
            if isinstance(answer, Unknown):
                return answer
            at = {one.node_id: Endpoint(one.host, one.port) for one in answer.brokers}
            left = {broker: (place, look) for broker, place in at.items() if broker not in seen}
            for broker, found in self._connections.ask(left, _READ).items():
                if not isinstance(found, Unknown) and shown(found):
                    seen.add(broker)
            if seen >= at.keys():
                return None
            if time.monotonic() > deadline:
                silent = ", ".join(str(broker) for broker in sorted(at.keys() - seen))
                return Unknown(
                    f"after {_SEEN.total_seconds():g} s these brokers do not show {what}: {silent}"
                )
            time.sleep(_POLL)


def _metadata_request() -> Any:
    from kafka.protocol.metadata import MetadataRequest

    return MetadataRequest(topics=[], allow_auto_topic_creation=False)


def _holds(found: T | Unknown | None, true: Callable[[T], bool]) -> bool:
    return found is not None and not isinstance(found, Unknown) and true(found)


def _parts(every: Sequence[T], size: int) -> list[Sequence[T]]:
    return [every[at : at + size] for at in range(0, len(every), size)]


def _by_mechanism(logins: Sequence[Account]) -> list[Sequence[Account]]:
    """Return the logins as requests: a broker takes a user once a request."""
    mechanisms = dict.fromkeys(login.mechanism for login in logins)
    return [
        part
        for mechanism in mechanisms
        for part in _parts([login for login in logins if login.mechanism == mechanism], _USERS_TOGETHER)
    ]
