"""What former applies have set, kept on the hosts of the voters: another laptop removes it, and none what it has not set.

It is written under the cluster's lock, before anything is set and again at the end: where an apply was cut off, it names more
than there is, which does no harm. The copy with the highest serial counts; a majority of the hosts has it.
"""

from kafab.access import record
from kafab.access.values import Recorded
from kafab.errors import Failed
from kafab.interruption import AGAIN
from kafab.model import Cluster
from kafab.ops.kept import Kept
from kafab.ops.world import World
from kafab.shell.layout import ACCESS
from kafab.unknown import Unknown

KEPT = Kept("the record of what is applied", ACCESS)


def read(cluster: Cluster, world: World) -> tuple[int, Recorded]:
    """Return the serial of the last record and what it has; 0 and nothing where no apply was ever made.

    Raises Unreachable where too few hosts answer to know it, Failed where it cannot be read.
    """
    hint = "these hosts keep what former applies have set; nothing was changed"
    newest = (0, Recorded())
    for host, text in KEPT.read(cluster, world, hint=hint).texts.items():
        found = record.parse(text)
        if isinstance(found, Unknown):
            path = KEPT.path(cluster, cluster.host(host))
            raise Failed(
                f"{host}: the record of what was applied cannot be read, {path}: {found.reason}",
                hint=f"where another host has a good one, `rm {path}` on {host}; without any, nothing is removed that is not in the file",
            )
        newest = max(newest, found, key=lambda one: one[0])
    return newest


def write(cluster: Cluster, recorded: Recorded, serial: int, world: World) -> None:
    """Put it on the disks of a majority. Raises OutcomeUnknown where it is not on so many: nothing may be set then."""
    KEPT.write(cluster, record.text(recorded, serial), world, hint=AGAIN)
