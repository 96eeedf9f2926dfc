"""Whose data the data directories of a KRaft cluster hold: what hosts said of them, judged. See `kafab.checks.brokers`."""

from collections.abc import Mapping

from kafab.findings import Finding, Severity
from kafab.hosts.belonging import HINT, belonging
from kafab.hosts.facts import HostFacts
from kafab.model import Cluster
from kafab.unknown import Unknown
from kafab.words import few

OK, UNKNOWN, CRIT = Severity.OK, Severity.UNKNOWN, Severity.CRIT


def judge_storage(cluster: Cluster, hosts: Mapping[str, HostFacts | Unknown]) -> Finding:
    """The cluster ids in meta.properties of every data directory: one, and the inventory's where that pins one.

    ``hosts`` is by host name. Where they differ the finding has the table of them.
    """
    silent = [f"{name}: {fact.reason}" for name, fact in hosts.items() if isinstance(fact, Unknown)]
    facts = {
        node: host.nodes[node.instance]
        for node in cluster.nodes
        if isinstance(host := hosts[node.host.name], HostFacts)
    }
    found = belonging(cluster, facts)
    ids = {id_: [str(place) for place in places] for id_, places in found.ids.items()}
    bare = [str(place) for place in (*found.bare, *found.places) if place.cluster_id is None]
    evidence: dict[str, object] = {"ids": ids, "not_formatted": bare, "pinned": cluster.cluster_id}

    def finding(severity: Severity, detail: str, hint: str | None = None) -> Finding:
        return Finding("storage.cluster-id", cluster.name, severity, detail, evidence, hint)

    if not found.agreed:
        table = "; ".join(f"{id_} on {few(places)}" for id_, places in ids.items())
        pinned = f", the inventory says {cluster.cluster_id}" if cluster.cluster_id else ""
        return finding(CRIT, f"{len(ids)} cluster id{'' if len(ids) == 1 else 's'}{pinned}: {table}", HINT)
    if silent:
        return finding(UNKNOWN, f"not told by {'; '.join(silent)}")
    if bare:
        return finding(CRIT, f"not formatted: {few(bare)}", "fab deploy")
    (only,) = ids
    return finding(OK, f"{only} in all {len(ids[only])} data directories")
