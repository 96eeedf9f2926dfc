"""An election of preferred leaders, as text and as a document."""

from kafab.model import Cluster
from kafab.ops.leaders import Restored
from kafab.screens.console import Console
from kafab.words import SHOWN, plural


def text(found: Restored) -> str:
    """Return what was elected, and for the first partitions that were not, why."""
    many = plural(found.partitions, "partition")
    if not found.moved and not found.left:
        return f"all of {many} are led by their preferred leader"
    lines = [f"  {name}: {why}" for name, why in list(found.left.items())[:SHOWN]]
    more = [f"  and {len(found.left) - SHOWN} more"] if len(found.left) > SHOWN else []
    left = f", {len(found.left)} could not be:" if found.left else ""
    return "\n".join(
        [f"{len(found.moved)} of {many} given back to their preferred leader{left}", *lines, *more]
    )


def document(found: Restored) -> dict[str, object]:
    """Return it for ``--json``, without a schema."""
    return {"moved": list(found.moved), "left": dict(found.left), "partitions": found.partitions}


def show_restored(console: Console, cluster: Cluster, found: Restored) -> None:
    """Write what was elected."""
    whole = {"schema": "kafab.leaders/1", "cluster": cluster.name, **document(found)}
    console.data(whole, f"{cluster.name}: {text(found)}")
