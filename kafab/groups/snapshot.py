"""The offsets of a group at one moment, as a file: what a reset leaves behind and a restore brings back."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kafab.errors import UsageError
from kafab.groups.targets import MOST
from kafab.groups.values import At, Commit

SCHEMA = "kafab.group-offsets/1"
_NAME_LIMIT = 100
_SIZE_LIMIT = 64 << 20


@dataclass(frozen=True)
class Snapshot:
    """All committed offsets of a group, and of which cluster it is."""

    cluster: str
    cluster_id: str | None
    group: str
    taken: datetime
    offsets: Mapping[At, Commit]

    @property
    def text(self) -> str:
        """The file's content."""
        document = {
            "schema": SCHEMA,
            "cluster": self.cluster,
            "cluster_id": self.cluster_id,
            "group": self.group,
            "taken": self.taken.isoformat(),
            "offsets": [
                {
                    "topic": at[0],
                    "partition": at[1],
                    "offset": one.offset,
                    "leader_epoch": one.epoch,
                    "metadata": one.metadata,
                }
                for at, one in sorted(self.offsets.items())
            ],
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    @property
    def file(self) -> str:
        """A name for the file: of the group, whose letters may be any, and of the time to the millisecond."""
        name = quote(self.group, safe="")
        if len(name) > _NAME_LIMIT:
            name = f"{name[:_NAME_LIMIT]}-{hashlib.sha256(self.group.encode()).hexdigest()[:8]}"
        return f"{name}-{self.taken:%Y%m%dT%H%M%S}{self.taken.microsecond // 1000:03d}.json"


def read(file: Path) -> Snapshot:
    """Read a snapshot. Raises UsageError for a file that cannot be read, or is none, with the reason."""
    try:
        if file.stat().st_size > _SIZE_LIMIT:
            raise UsageError(f"{file}: too large to be the snapshot of a group")
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise UsageError(f"{file}: its schema is {document['schema']!r}, not {SCHEMA}")
        offsets = dict(_offset(one) for one in document["offsets"])
        taken = datetime.fromisoformat(document["taken"])
        return Snapshot(
            str(document["cluster"]), document["cluster_id"], str(document["group"]), taken, offsets
        )
    except OSError as error:
        raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file}: no snapshot of a group's offsets ({error!r})") from error


def _offset(found: Any) -> tuple[At, Commit]:
    number, offset = int(found["partition"]), int(found["offset"])
    if not 0 <= offset <= MOST or number < 0:
        raise ValueError(f"offset {offset} of partition {number}")
    epoch = int(found.get("leader_epoch", -1))
    return (str(found["topic"]), number), Commit(offset, epoch, str(found.get("metadata") or ""))
