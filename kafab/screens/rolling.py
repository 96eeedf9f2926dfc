"""What a node's stop would cost, as text and as a document."""

from collections.abc import Sequence

from kafab.model import Cluster, Node
from kafab.rolling.safety import Blocker, Verdict
from kafab.screens.console import Console
from kafab.words import plural

COLUMNS = ("BLOCKED BY", "LEADER", "REPLICAS", "ISR", "MIN ISR", "WHY", "UNBLOCKED BY")


def show_can_stop(console: Console, cluster: Cluster, stopping: Sequence[Node], verdict: Verdict) -> None:
    """Write whether these nodes can be spared: a row for each thing that speaks against it, then the answer."""
    names = [node.name for node in stopping]
    what = f"{cluster.name}: {', '.join(names)}"
    if verdict.refusal is None:
        text = f"{what} can stop"
    else:
        table = console.table(COLUMNS, [_row(blocker) for blocker in verdict.blockers])
        text = f"{table}\n{what} cannot stop: {plural(len(verdict.blockers), 'reason')}"
    document = {
        "schema": "kafab.can-stop/1",
        "cluster": cluster.name,
        "nodes": names,
        "can_stop": verdict.refusal is None,
        "blockers": [_document(blocker) for blocker in verdict.blockers],
    }
    console.data(document, text)


def _row(blocker: Blocker) -> tuple[object, ...]:
    figures: tuple[object, ...] = ("-",) * 4
    if blocker.danger:
        partition = blocker.danger.partition
        leader = "none" if partition.leader is None else partition.leader
        figures = (leader, _ids(partition.replicas), _ids(partition.isr), blocker.danger.min_isr)
    return (blocker.subject, *figures, blocker.reason, blocker.unblocks)


def _ids(brokers: Sequence[int]) -> str:
    return ",".join(map(str, brokers)) or "none"


def _document(blocker: Blocker) -> dict[str, object]:
    found: dict[str, object] = {
        "subject": blocker.subject,
        "reason": blocker.reason,
        "unblocked_by": blocker.unblocks,
    }
    if blocker.danger:
        partition = blocker.danger.partition
        found |= {
            "topic": partition.topic,
            "partition": partition.number,
            "leader": partition.leader,
            "replicas": list(partition.replicas),
            "isr": list(partition.isr),
            "min_isr": blocker.danger.min_isr,
        }
    return found
