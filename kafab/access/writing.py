"""What a cluster has as the file that asks for it: an export, whose plan is empty."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from kafab.access.planning import BORROWED
from kafab.access.values import CLIENT, IP, USER, Acl, Entity, Have, Pattern, Permission
from kafab.cluster.own_topics import KAFKAS_OWN, is_own
from kafab.inventory.access import DEFAULT

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)?", re.ASCII)
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))
_KINDS = {
    "Topic": "topic",
    "Group": "group",
    "Cluster": "cluster",
    "TransactionalId": "transactional_id",
    "DelegationToken": "delegation_token",
    "User": "user",
}
_ENTITIES = {USER: "user", CLIENT: "client_id", IP: "ip"}


def export(have: Have) -> tuple[str, tuple[str, ...]]:
    """Return the text of the file, and what cannot be written into one.

    Users have no passwords there, as Kafka tells none: they stay as they are until the file names one.
    """
    left: list[str] = []
    lines: list[str] = []
    for name, part in (
        ("users", _users(have, left)),
        ("acls", _acls(have.acls or (), left)),
        ("quotas", _quotas(have, left)),
        ("topics", _topics(have)),
    ):
        found = list(part)
        lines += [f"{name}:", *found] if found else []
    return "\n".join(lines or ["{}"]) + "\n", tuple(left)


def _users(have: Have, left: list[str]) -> Iterator[str]:
    mechanisms: dict[str, list[str]] = {}
    for login in sorted(have.users):
        mechanisms.setdefault(login.user, []).append(login.mechanism)
    for user, named in mechanisms.items():
        if not user.isprintable() or not user.isascii() or user == DEFAULT:
            left.append(f"user {user!r}")
            continue
        yield f"  {_word(user)}: {{mechanisms: [{', '.join(named)}]}}"


def _acls(acls: Iterable[Acl], left: list[str]) -> Iterator[str]:
    groups: dict[tuple[str, str, str, Pattern, str, Permission], list[str]] = {}
    for acl in sorted(acls, key=lambda acl: (acl.principal, acl)):
        if (
            acl.kind not in _KINDS
            or acl.operation.isdecimal()
            or not (acl.name + acl.principal).isprintable()
        ):
            left.append(f"acl {acl!r}")
            continue
        key = (acl.principal, acl.kind, acl.name, acl.pattern, acl.host, acl.permission)
        groups.setdefault(key, []).append(acl.operation)
    for (principal, kind, name, pattern, host, permission), operations in groups.items():
        words = {
            "principal": _word(principal),
            _KINDS[kind]: "true" if kind == "Cluster" else _word(name),
            **({"prefixed": "true"} if pattern is Pattern.PREFIXED else {}),
            **({"host": _word(host)} if host != "*" else {}),
            str(permission).lower(): f"[{', '.join(sorted(operations))}]",
        }
        yield f"  - {_flow(words)}"


def _quotas(have: Have, left: list[str]) -> Iterator[str]:
    entities: dict[Entity, dict[str, float]] = {}
    for limit in sorted(have.quotas, key=lambda limit: limit.order):
        entities.setdefault(limit.entity, {})[limit.key] = have.quotas[limit]
    for entity, rates in entities.items():
        if any(name is not None and (name == DEFAULT or not name.isprintable()) for _, name in entity.parts):
            left.append(f"quota of {entity!r}")
            continue
        words = {_ENTITIES[kind]: _word(DEFAULT if name is None else name) for kind, name in entity.parts}
        yield f"  - {_flow({**words, **{key: _number(value) for key, value in rates.items()}})}"


def _topics(have: Have) -> Iterator[str]:
    for name, topic in sorted(have.topics.items()):
        if name in KAFKAS_OWN or is_own(name):
            continue
        yield f"  {_word(name)}:"
        yield f"    partitions: {topic.partitions}"
        yield f"    replication_factor: {topic.replication_factor}"
        own = {key: value for key, value in sorted(topic.properties.items()) if key not in BORROWED}
        if own:
            yield "    properties:"
            for key, value in own.items():
                yield f"      {key}: {_quoted(value)}"


def _flow(words: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in words.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.9f}".rstrip("0")


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    # JSON's strings are YAML's, in double quotes.
    return json.dumps(text, ensure_ascii=False)
