"""What former applies have set, as one line of text: hosts keep it. It has names only, and no secret."""

import json
from base64 import b64decode, b64encode
from zlib import compress, decompressobj

from kafab.access.values import Account, Acl, Entity, Limit, Pattern, Permission, Recorded
from kafab.unknown import Unknown

SCHEMA = "kafab.access-record/1"
MOST = 64 * 1024 * 1024
"""Bytes of a record, unpacked; 100 000 ACLs are a fifth of it."""


def text(recorded: Recorded, serial: int) -> str:
    """Return the line; of several the one with the highest ``serial`` counts."""
    values = {
        "schema": SCHEMA,
        "users": sorted([one.user, one.mechanism] for one in recorded.users),
        "acls": [
            [
                one.kind,
                one.name,
                str(one.pattern),
                one.principal,
                one.host,
                one.operation,
                str(one.permission),
            ]
            for one in sorted(recorded.acls)
        ],
        "quotas": [
            [[list(part) for part in one.entity.parts], one.key]
            for one in sorted(recorded.quotas, key=lambda one: one.order)
        ],
        "topics": sorted(recorded.topics),
    }
    packed = compress(json.dumps(values, separators=(",", ":")).encode(), 9)
    return f"{serial} {b64encode(packed).decode()}"


def parse(line: str) -> tuple[int, Recorded] | Unknown:
    """Return the serial and what was recorded; Unknown where it is not what this version has written."""
    serial, _, packed = line.partition(" ")
    try:
        unpacked = decompressobj().decompress(b64decode(packed, validate=True), MOST)
        values = json.loads(unpacked)
        if values["schema"] != SCHEMA:
            return Unknown(f"it is {values['schema']}, which this version does not know")
        return int(serial), Recorded(
            frozenset(Account(str(user), str(mechanism)) for user, mechanism in values["users"]),
            frozenset(
                Acl(str(a), str(b), Pattern(c), str(d), str(e), str(f), Permission(g))
                for a, b, c, d, e, f, g in values["acls"]
            ),
            frozenset(
                Limit(Entity(tuple((str(kind), name) for kind, name in parts)), str(key))
                for parts, key in values["quotas"]
            ),
            frozenset(map(str, values["topics"])),
        )
    except (ValueError, KeyError, TypeError, OSError, ArithmeticError):
        return Unknown("it is damaged")
    except Exception as error:  # zlib.error has no better base
        if type(error).__module__ != "zlib":
            raise
        return Unknown("it is damaged")
