"""Hosts compared with each other: clocks, the memory of machines that several hosts share, names, cluster ids."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kafab.cautions import Caution
from kafab.checks.preflight.local import Look
from kafab.checks.preflight.network import names, targets
from kafab.checks.preflight.sizes import heap_bytes
from kafab.findings import Finding, Severity
from kafab.hosts import sharing
from kafab.hosts.belonging import HINT, belonging
from kafab.hosts.facts import NodeFacts
from kafab.listeners import is_loopback
from kafab.model import Cluster, Node, Role
from kafab.unknown import Unknown
from kafab.words import few, plural, size

SKEW_WARN, SKEW_FAIL = 1.0, 30.0
"""Seconds. Kafka orders records by time stamps of many machines, and expires tokens and segments by them."""
HERE = "this machine"
_NOTHING = NodeFacts()


@dataclass(frozen=True)
class Ahead:
    """Seconds that a host's clock is ahead of ours: ``least`` if it was read as the answer came, ``most`` as we asked.

    When it was read in between is unknown, so a slow answer must not look like a wrong clock.
    """

    least: float
    most: float

    def beyond(self, reference: float) -> float:
        """Return the smallest difference from ``reference`` that fits, in seconds: positive is ahead, 0 means they may agree."""
        return max(self.least - reference, 0.0) or min(self.most - reference, 0.0)


def judge_across(
    cluster: Cluster, looks: Mapping[str, Look], sent: float, arrivals: Mapping[str, float]
) -> tuple[Finding, ...]:
    """Judge what only a comparison shows.

    ``sent`` is our clock (epoch seconds) when all hosts were asked, ``arrivals`` host name -> when its answer came.
    """
    skews = {name: Ahead(look.clock - arrivals[name], look.clock - sent) for name, look in looks.items()}
    return (
        *judge_clocks(cluster, skews),
        *judge_memory(cluster, looks),
        *judge_machines(cluster, looks),
        *judge_names(cluster, looks),
        *judge_cluster_ids(cluster, looks),
    )


def judge_clocks(cluster: Cluster, skews: Mapping[str, Ahead]) -> Iterator[Finding]:
    """Judge how far each host is ahead of this machine.

    The majority of hosts is right: one wrong clock is one finding, be it a host's or ours. Without a majority ours is
    the measure. A single host that differs from us does not say whose clock is wrong.
    """
    reference = _majority(list(skews.values()))
    if reference is None:
        for name, ahead in skews.items():
            yield _clock(name, ahead, 0.0, HERE, Severity.CRIT if len(skews) > 1 else Severity.WARN)
        return
    for name, ahead in skews.items():
        yield _clock(name, ahead, reference, "the other hosts", Severity.CRIT)
    if abs(reference) > SKEW_WARN:
        # Our own clock dates no record: it is worth a word, and stops nothing.
        ours = Ahead(-reference, -reference)
        yield _clock(HERE, ours, 0.0, f"the hosts of {cluster.name}", Severity.WARN)


def _majority(ahead: Sequence[Ahead]) -> float | None:
    """Return the seconds ahead of us that most hosts may share, as close to our own clock as can be.

    None for a single host, and where no more than half share any.
    """
    least, most = sorted(each.least for each in ahead), sorted(each.most for each in ahead)

    def sharing(seconds: float) -> int:
        """Count those that `Ahead.beyond` puts within SKEW_WARN; sorted, so that a thousand hosts take no second."""
        not_ahead = bisect_right(least, SKEW_WARN, key=lambda end: end - seconds)
        return not_ahead - bisect_left(most, -SKEW_WARN, key=lambda end: end - seconds)

    # Where most intervals overlap, one of them ends; 0 stands for our own clock inside of all of them.
    best = max(sorted([0.0, *least, *most], key=abs), key=sharing)
    return best if len(ahead) > 1 and 2 * sharing(best) > len(ahead) else None


def _clock(subject: str, ahead: Ahead, reference: float, against: str, worst: Severity) -> Finding:
    skew, took = ahead.beyond(reference), ahead.most - ahead.least
    evidence = {"host": subject, "found": round(skew, 3), "wanted": SKEW_WARN, "unit": "s"}
    if abs(skew) <= SKEW_WARN:
        vague = f", as far as an answer that took {took:.1f} s tells" if took > SKEW_WARN else ""
        return Finding("clock", subject, Severity.OK, f"within {SKEW_WARN:g} s of {against}{vague}", evidence)
    detail = (
        f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} {against}; wanted: within {SKEW_WARN:g} s"
    )
    severity = worst if abs(skew) > SKEW_FAIL else Severity.WARN
    return Finding(
        "clock", subject, severity, detail, evidence, f"start chrony or systemd-timesyncd on {subject}"
    )


def judge_memory(cluster: Cluster, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """Judge the heaps of all nodes of a machine against its memory; hosts with one address are one machine."""
    machines: dict[str, list[str]] = {}
    for host in cluster.hosts:
        machines.setdefault(host.address, []).append(host.name)
    for hosts in machines.values():
        asked = next((name for name in hosts if name in looks), None)
        if asked is None:
            continue
        memory = looks[asked].memory
        nodes = [node for node in cluster.nodes if node.host.name in hosts]
        total = memory.get("cgroup", memory.get("MemTotal"))
        subject = asked if len(hosts) == 1 else f"{asked} and {len(hosts) - 1} more"
        if total is None:
            yield Finding(
                "memory", subject, Severity.UNKNOWN, "/proc/meminfo cannot be read", {"host": asked}
            )
            continue
        yield _memory(cluster, nodes, total, host=asked, subject=subject)


def _memory(cluster: Cluster, nodes: list[Node], total: int, *, host: str, subject: str) -> Finding:
    heaps = sum(heap_bytes(node.heap) for node in nodes)
    detail = f"{size(total)} memory, {size(heaps)} heaps of {plural(len(nodes), 'node')}"
    evidence = {"host": host, "found": total, "heaps": heaps, "wanted": heaps * 2, "unit": "bytes"}
    hint = "make heap: smaller, or move nodes: Kafka reads and writes through the memory that is left"
    if heaps > 0.9 * total:
        text = f"{detail}; wanted: heaps below 90 %"
        return Finding("memory", subject, Severity.CRIT, text, evidence, hint)
    if heaps > total / 2 and not cluster.lab and any(node.role is Role.BROKER for node in nodes):
        reason = cluster.accepted.get(Caution.HEAP_ABOVE_HALF.value)
        if reason is not None:
            text = f"{detail}; above half, accepted: {reason}"
            return Finding("memory", subject, Severity.OK, text, evidence)
        text = f"{detail}; wanted: half of it left for the page cache [{Caution.HEAP_ABOVE_HALF}]"
        return Finding("memory", subject, Severity.WARN, text, evidence, hint)
    return Finding("memory", subject, Severity.OK, detail, evidence)


def judge_machines(cluster: Cluster, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """Name the hosts that are one machine and have one set of folders; one finding that all differ where none are."""
    found = sharing.shared(cluster, {name: look.facts for name, look in looks.items()})
    for pair in found:
        evidence = {
            "hosts": [pair.first.name, pair.second.name],
            "boot_id": pair.boot,
            "folders": list(map(str, pair.paths)),
        }
        yield Finding(
            "machine",
            pair.second.name,
            Severity.CRIT,
            f"{pair}; wanted: a machine of its own",
            evidence,
            sharing.HINT,
        )
    if not found and len(looks) > 1:
        text = f"{len(looks)} hosts have no folder in common"
        yield Finding("machine", cluster.name, Severity.OK, text, {"hosts": list(looks)})


def judge_names(cluster: Cluster, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """One finding for each name that somebody cannot resolve, or that leads a peer back to itself."""
    missing: dict[str, list[str]] = {}
    astray: dict[str, list[str]] = {}
    alive = {node.peer_listener.advertised for node in cluster.nodes if node.host.name in looks}
    machines = len({host.address for host in cluster.hosts})
    for name, look in looks.items():
        host = cluster.host(name)
        wanted = [word for word in names(cluster, host) if word in alive]
        if isinstance(look.names, Unknown):
            if wanted:
                yield Finding("names", name, Severity.UNKNOWN, look.names.reason, {"host": name})
            continue
        peers = {target.endpoint.host for target in targets(cluster, host) if target.node.host.name != name}
        # ZooKeeper binds its quorum port to what its own name resolves to; Kafka binds to every address.
        bound = {
            node.endpoint.host
            for node in cluster.on(host)
            if node.role is Role.ZOOKEEPER and node.quorum_port
        }
        bad = 0
        for word in wanted:
            addresses = look.names.get(word, ())
            if not addresses:
                missing.setdefault(word, []).append(name)
                bad += 1
            elif machines > 1 and word in peers | bound and all(map(is_loopback, addresses)):
                astray.setdefault(word, []).append(f"{name} ({addresses[0]})")
                bad += 1
        if wanted and not bad:
            yield Finding("names", name, Severity.OK, f"{len(wanted)} names resolve", {"host": name})
    for word, hosts in missing.items():
        detail = f"{word} ({_whose(cluster, word)}) does not resolve on {few(hosts)}; wanted: on every host"
        yield Finding(
            "names",
            word,
            Severity.CRIT,
            detail,
            {"hosts": hosts},
            f"add {word} to DNS or to /etc/hosts of these hosts",
        )
    for word, hosts in astray.items():
        detail = f"{word} ({_whose(cluster, word)}) is a loopback address on {few(hosts)}; wanted: an address peers reach"
        yield Finding(
            "names",
            word,
            Severity.CRIT,
            detail,
            {"hosts": hosts},
            f"take {word} off the 127.* line of /etc/hosts there",
        )


def _whose(cluster: Cluster, name: str) -> str:
    return ", ".join(node.name for node in cluster.nodes if node.peer_listener.advertised == name)


def judge_cluster_ids(cluster: Cluster, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """Name the data directories of another cluster: those whose cluster.id is not the one that most of them have.

    Where the inventory pins the id of a KRaft cluster, that one is right, however many have another.
    """
    nodes = [node for node in cluster.nodes if node.host.name in looks]
    facts = {node: looks[node.host.name].facts.nodes.get(node.instance, _NOTHING) for node in nodes}
    found = belonging(cluster, facts)
    wanted = f"{found.right}, {found.source}"
    if found.right is None:
        wanted = f"one cluster.id on every {'node' if cluster.kraft else 'broker'}"
    for place in found.foreign:
        detail = f"{place.path} belongs to cluster.id {place.cluster_id}; wanted: {wanted}"
        evidence = {"host": place.node.host.name, "found": place.cluster_id, "wanted": found.right}
        yield Finding("data", place.node.name, Severity.CRIT, detail, evidence, HINT)
