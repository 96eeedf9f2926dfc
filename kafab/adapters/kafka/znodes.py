"""Users and quotas in ZooKeeper, where Kafka before 2.6 (quotas) and 2.7 (credentials) has them changed: `kafka.zk.AdminZkClient`.

A user's credentials and quotas are one znode, so that each change reads, alters and writes it whole, on the version that was
read. A notification tells the brokers; one that has missed it hears of it at its next start, so it is written last.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from kafab.access.scram import desanitized, kept, mechanisms_of, sanitized
from kafab.access.values import CLIENT, FEWEST, MOST, QUOTAS, USER, Account, Credential, Entity, Limit
from kafab.adapters.kafka.zookeeper import KazooEnsemble
from kafab.errors import Failed
from kafab.unknown import Unknown

_DEFAULT = "<default>"
_FOLDERS = {USER: "users", CLIENT: "clients"}
_TRIES = 10


class Znodes:
    """Credentials and quotas below ``/config``, over the session of an ensemble."""

    def __init__(self, ensemble: KazooEnsemble) -> None:
        self._ensemble = ensemble

    def logins(self) -> dict[Account, int] | Unknown:
        """Read every user's credentials."""
        found = self._ensemble.ask("/config/users", lambda client, root: _all(client, root, users_alone=True))
        if isinstance(found, Unknown):
            return found
        return {
            Account(name, mechanism): iterations
            for entity, config in found.items()
            for _, name in entity.parts
            if name is not None
            for mechanism, iterations in mechanisms_of(config).items()
        }

    def quotas(self) -> dict[Limit, float] | Unknown:
        """Read every entity's numbers."""
        found = self._ensemble.ask("/config", _all)
        if isinstance(found, Unknown):
            return found
        return {
            Limit(entity, key): float(value)
            for entity, config in found.items()
            for key, value in config.items()
            if key in QUOTAS[USER]
        }

    def set_logins(self, credentials: Mapping[Account, Credential]) -> Unknown | None:
        """Write them; iterations that Kafka's own tool refuses raise Failed."""
        for login, one in credentials.items():
            if not FEWEST <= one.iterations <= MOST:
                raise Failed(f"user {login}: {one.iterations} iterations; Kafka takes {FEWEST} to {MOST}")
        return self._change(
            {
                Entity(((USER, login.user),)): {login.mechanism: kept(login.mechanism, one)}
                for login, one in part.items()
            }
            for part in _once_each(credentials)
        )

    def remove_logins(self, logins: Sequence[Account]) -> Unknown | None:
        """Take them away."""
        return self._change(
            {Entity(((USER, login.user),)): {login.mechanism: None} for login in part}
            for part in _once_each(dict.fromkeys(logins))
        )

    def set_limits(self, values: Mapping[Limit, float | None]) -> Unknown | None:
        """Write them, or (None) take them away."""
        changes: dict[Entity, dict[str, str | None]] = {}
        for limit, value in values.items():
            changes.setdefault(limit.entity, {})[limit.key] = None if value is None else _java(value)
        return self._change([changes])

    def _change(self, parts: "Iterable[Mapping[Entity, Mapping[str, str | None]]]") -> Unknown | None:
        for part in parts:
            done = self._ensemble.ask("/config", partial(_write, changes=part))
            if isinstance(done, Unknown):
                return done
        return None


def path(entity: Entity) -> str:
    """Return an entity's path below /config: ``users/ann/clients/app``."""
    return "/".join(
        f"{_FOLDERS[kind]}/{_DEFAULT if name is None else sanitized(name)}" for kind, name in entity.parts
    )


def _all(client: KazooClient, root: str, *, users_alone: bool = False) -> dict[Entity, dict[str, str]]:
    users = _children(client, f"{root}/config/users")
    entities = [Entity(((USER, name),)) for name in users]
    if not users_alone:
        entities += [Entity(((CLIENT, name),)) for name in _children(client, f"{root}/config/clients")]
        inner = {
            user: client.get_children_async(f"{root}/config/{path(Entity(((USER, user),)))}/clients")
            for user in users
        }
        for user, answer in inner.items():
            with suppress(NoNodeError):
                entities += [Entity(((USER, user), (CLIENT, _named(name)))) for name in answer.get()]
    answers = {entity: client.get_async(f"{root}/config/{path(entity)}") for entity in entities}
    found = {}
    for entity, answer in answers.items():
        with suppress(NoNodeError):
            found[entity] = _config(answer.get()[0])
    return found


def _children(client: KazooClient, at: str) -> list[str | None]:
    try:
        return [_named(name) for name in client.get_children(at)]
    except NoNodeError:
        return []


def _named(name: str) -> str | None:
    return None if name == _DEFAULT else desanitized(name)


def _config(data: bytes | None) -> dict[str, str]:
    # An entity that has only others below it has a znode without text.
    if not data:
        return {}
    return {str(key): str(value) for key, value in json.loads(data)["config"].items()}


def _write(client: KazooClient, root: str, *, changes: Mapping[Entity, Mapping[str, str | None]]) -> None:
    for entity, values in changes.items():
        at = f"{root}/config/{path(entity)}"
        _altered(client, at, values)
        text = json.dumps({"version": 2, "entity_path": path(entity)}, separators=(",", ":"))
        client.create(f"{root}/config/changes/config_change_", text.encode(), sequence=True, makepath=True)


def _altered(client: KazooClient, at: str, values: Mapping[str, str | None]) -> None:
    """Set, or (None) take away, single values of a znode's configuration; another writer in between is no harm."""
    for _ in range(_TRIES):
        try:
            data, stat = client.get(at)
            version = stat.version
        except NoNodeError:
            data, version = None, None
        config = {**_config(data), **values}
        text = json.dumps(
            {"version": 1, "config": {key: value for key, value in config.items() if value is not None}},
            separators=(",", ":"),
        ).encode()
        with suppress(BadVersionError, NodeExistsError, NoNodeError):
            if version is None:
                client.create(at, text, makepath=True)
            else:
                client.set(at, text, version)
            return
    raise ValueError(f"{at} is changed by others all the time")


def _once_each(logins: Mapping[Account, Any]) -> list[dict[Account, Any]]:
    """Return the logins in parts that name each user once."""
    parts: dict[str, dict[Account, Any]] = {}
    for login, value in logins.items():
        parts.setdefault(login.mechanism, {})[login] = value
    return list(parts.values())


def _java(value: float) -> str:
    """Return a number as a Java Double writes itself where it has no exponent, and reads in any case."""
    return repr(float(value))
