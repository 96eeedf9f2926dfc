"""A diagnosis on the screen: the likely cause first, then the nodes, then where the archive is."""

from collections.abc import Iterator

from kafab.diagnosis.result import NOTHING_SENT, Diagnosis, OfNode
from kafab.ops.diagnosing.diagnose import Diagnosed
from kafab.screens.console import Console
from kafab.words import plural, size


def show_diagnosed(console: Console, done: Diagnosed) -> None:
    """Write causes, table and the file's name; or one document."""
    found = done.diagnosis
    document = found.document | {
        "file": str(done.file),
        "bytes": done.bytes,
        "files": done.files,
        "sent": NOTHING_SENT,
    }
    rows = (
        (node.node, node.state, _serves(node), plural(len(node.gathered), "part")) for node in found.nodes
    )
    table = console.table(("node", "state", "serves", "gathered"), rows)
    ending = f"archive: {done.file} ({size(done.bytes)}, {plural(done.files, 'file')}, for you alone: mode 0600; secrets are hidden)"
    console.data(document, "\n".join([*found.head, "", table, *_besides(found), ending, NOTHING_SENT]))


def _serves(node: OfNode) -> str:
    return node.serves if node.serves in ("yes", "unknown") else "no"


def _besides(found: Diagnosis) -> Iterator[str]:
    """Yield why nodes do not serve, and what nodes, hosts and the cluster have not told."""
    for node in found.nodes:
        if node.serves not in ("", "yes", "unknown"):
            yield f"{node.node}: {node.serves}"
        for reason in node.not_read:
            yield f"{node.node}: not read: {reason}"
    for host in found.hosts:
        for reason in (host.reason, *host.not_read):
            if reason:
                yield f"{host.host}: {reason}"
    if found.cluster_unknown:
        yield f"the cluster could not be asked: {found.cluster_unknown}"
