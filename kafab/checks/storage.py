"""Whose data the data directories of a KRaft cluster hold: what hosts said of them, judged. See `kafab.checks.brokers`."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from kafab.findings import Finding, Severity
from kafab.hosts.facts import HostFacts
from kafab.model import Cluster, Node
from kafab.unknown import Unknown
from kafab.words import few

OK, UNKNOWN, CRIT = Severity.OK, Severity.UNKNOWN, Severity.CRIT


def judge_storage(cluster: Cluster, hosts: Mapping[str, HostFacts | Unknown]) -> Finding:
    """The cluster ids in meta.properties of every data directory: one, and the inventory's where that pins one.

    ``hosts`` is by host name. Where they differ the finding has the table of them.
    """
    ids: dict[str, list[str]] = {}
    silent, bare = [], []
    for node in cluster.nodes:
        facts = hosts[node.host.name]
        if isinstance(facts, Unknown):
            silent.append(f"{node.host.name}: {facts.reason}")
            continue
        for path in node.data:
            id_ = _stored_id(facts, node, path)
            if id_ is None:
                bare.append(f"{node.name} {path}")
            else:
                ids.setdefault(id_, []).append(f"{node.name} {path}")
    evidence: dict[str, object] = {"ids": ids, "not_formatted": bare, "pinned": cluster.cluster_id}

    def finding(severity: Severity, detail: str, hint: str | None = None) -> Finding:
        return Finding("storage.cluster-id", cluster.name, severity, detail, evidence, hint)

    foreign = len(ids) > 1 or (cluster.cluster_id is not None and set(ids) - {cluster.cluster_id})
    if foreign:
        table = "; ".join(f"{id_} on {few(places)}" for id_, places in ids.items())
        pinned = f", the inventory says {cluster.cluster_id}" if cluster.cluster_id else ""
        hint = (
            "the data of another cluster is never mixed in: move it away by hand, or name the right folders"
        )
        return finding(CRIT, f"{len(ids)} cluster id{'' if len(ids) == 1 else 's'}{pinned}: {table}", hint)
    if silent:
        return finding(UNKNOWN, f"not told by {'; '.join(dict.fromkeys(silent))}")
    if bare:
        return finding(CRIT, f"not formatted: {few(bare)}", "fab deploy")
    (only,) = ids
    return finding(OK, f"{only} in all {len(ids[only])} data directories")


def _stored_id(facts: HostFacts, node: Node, path: PurePosixPath) -> str | None:
    identity = facts.nodes[node.instance].identities.get(path)
    return identity.cluster_id if identity else None
