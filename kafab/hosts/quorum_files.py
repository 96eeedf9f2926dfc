"""What KRaft's own files say of its quorum: `quorum-state`, and the record of voters in the metadata log or a snapshot.

No JVM is needed to read them. A quorum without a record of voters is static (kraft.version 0): its voters are those of
the configuration, and `quorum-state` has their ids. Where there is one it is dynamic (kraft.version 1, KIP-853), also
where `quorum-state` is still of the older form: Kafka writes that file anew at the next election only.
"""

import base64
import binascii
import json
import struct
from typing import Any

from kafab.hosts.facts import Formed
from kafab.model import Endpoint, VoterSource
from kafab.unknown import Unknown

KEY = b"\x08\x00\x00\x00\x06"
"""A control record's key of four bytes: version 0, type 6, which is KRAFT_VOTERS (ControlRecordType)."""


def formed(state: str | None, record: str | None) -> Formed | Unknown | None:
    """Return how a quorum was formed. ``state`` is the text of quorum-state; ``record`` the last record of voters.

    The record is in base64, from its key on with anything behind it; ``?`` where nobody could look for one. None where
    there is neither: the node has not followed a quorum yet.
    """
    if record == "?":
        return Unknown("this host's grep cannot look for the record of voters")
    if record is not None:
        return _dynamic(record)
    return None if state is None else _static(state)


def _static(state: str) -> Formed | Unknown:
    try:
        found = json.loads(state)
        version, voters = found["data_version"], found.get("currentVoters") or []
        ids = [int(voter["voterId"]) for voter in voters]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Unknown(f"quorum-state cannot be read: {error!r}")
    if version != 0:
        return Unknown(f"quorum-state has version {version}, and no record of voters was found")
    return (
        Formed(VoterSource.STATIC, dict.fromkeys(ids, frozenset()))
        if ids
        else Unknown("quorum-state has no voters")
    )


def _dynamic(record: str) -> Formed | Unknown:
    try:
        voters = _voters(_Bytes(base64.b64decode(record, validate=True)))
    except (ValueError, IndexError, struct.error, binascii.Error) as error:
        return Unknown(f"the record of voters cannot be read: {error!r}")
    return Formed(VoterSource.DYNAMIC, voters)


class _Bytes:
    """Reads Kafka's flexible message format; raises struct.error, IndexError or ValueError where it is something else."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, form: str) -> Any:
        (value,) = struct.unpack_from(f">{form}", self.data, self.at)
        self.at += struct.calcsize(f">{form}")
        return value

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = int(self.take("B"))
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number has more than five bytes")

    def length(self) -> int:
        """Return the length of a compact array or text, which is written as one more."""
        return self.varint() - 1

    def text(self) -> str:
        size = self.length()
        return str(self.take(f"{size}s"), "utf-8")

    def tags(self) -> None:
        if self.varint():
            raise ValueError("it has fields that are not known")


def _voters(data: _Bytes) -> dict[int, frozenset[Endpoint]]:
    """Read the value of a VotersRecord (raft/src/main/resources/common/message/VotersRecord.json)."""
    if data.take(f"{len(KEY)}s") != KEY:
        raise ValueError("it does not begin with the key of a record of voters")
    size = data.varint() >> 1  # a signed one, of which a length is never negative
    begin = data.at
    if data.take("h"):
        raise ValueError("its version is not 0")
    voters = {}
    for _ in range(data.length()):
        id_ = data.take("i")
        data.take("16s")  # the directory id
        endpoints = set()
        for _ in range(data.length()):
            data.text()  # the listener's name
            endpoints.add(Endpoint(data.text(), data.take("H")))
            data.tags()
        data.take("4s")  # the versions of KRaft that it supports, from and to
        data.tags()
        data.tags()
        voters[id_] = frozenset(endpoints)
    data.tags()
    if data.at - begin != size or not voters:
        raise ValueError(f"{data.at - begin} bytes of {size} are a record of voters")
    return voters
