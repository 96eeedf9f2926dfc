"""Gather, judge, pack: what `fab diagnose` does, in order."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kafab.diagnosis.archive import packed
from kafab.diagnosis.result import Diagnosis
from kafab.errors import KafabError
from kafab.events import Note
from kafab.model import Cluster
from kafab.ops.diagnosing.assembling import assemble
from kafab.ops.diagnosing.gathering import gather
from kafab.ops.diagnosing.writing import ArchiveFile
from kafab.ops.reporting.draft import begun
from kafab.ops.world import World
from kafab.plans.state import limited
from kafab.ports import Fleet
from kafab.words import plural

ENDING = ".tar.gz"


@dataclass(frozen=True)
class Diagnosed:
    """What was found, and where it was written."""

    diagnosis: Diagnosis
    file: Path
    bytes: int
    files: int


def name(cluster: Cluster, at: datetime) -> str:
    """Return what an archive is called that nobody has named: the cluster's name and the time, without the ending."""
    return f"diagnosis-{cluster.name}-{at.strftime('%Y%m%dT%H%M%SZ')}"


def diagnose(
    cluster: Cluster,
    limit: str | None,
    world: World,
    out: Path | None,
    *,
    error: KafabError | None = None,
    plain: Callable[[], Fleet] | None = None,
) -> Diagnosed:
    """Gather from the hosts of these nodes and from the cluster, and write one archive; without ``out`` into the working directory.

    ``error`` is that of the command after which this is done; ``plain`` is as `gather` has it. Raises UsageError for a bad limit and a file that is there, Failed
    where none can be written; a cluster's fault is what the archive is about.
    """
    nodes = limited(cluster, limit)
    draft = begun("diagnose", cluster, world)
    draft.error = error
    called = name(cluster, draft.operator.at)
    with ArchiveFile(out or Path(f"{called}{ENDING}")) as file:
        asked = plural(len({node.host.name for node in nodes}), "host")
        world.emit(Note(cluster.name, f"asking {asked} and the cluster; nothing is changed"))
        found = assemble(gather(cluster, limit, world, plain), draft)
        text = json.dumps(found.diagnosis.document, indent=2, ensure_ascii=False)
        files = {**found.files, "diagnosis.json": f"{text}\n"}
        folder = file.path.name.removesuffix(ENDING).strip(".") or called
        content = packed(folder, files, draft.operator.at)
        file.write(content)
    return Diagnosed(found.diagnosis, file.path, len(content), len(files))
