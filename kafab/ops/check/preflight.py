"""Look at the hosts before anything is put on them: observe side by side, judge, and mend what is safe to mend.

One round trip a host for all it can say of itself, one more to try the network; where nodes do not run yet, one
before it and one behind it for the temporary listeners.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from kafab.checks.preflight import across, listening, local, network, passing, sysctl
from kafab.checks.preflight.doors import greets, unreached
from kafab.checks.preflight.judge import judge_host
from kafab.checks.preflight.local import Look
from kafab.command import Outcome
from kafab.config.security import needs_certificate
from kafab.events import Note
from kafab.findings import Finding, Report, Severity
from kafab.model import Cluster, Endpoint, Host, Node
from kafab.ops.world import World
from kafab.plans.state import limited
from kafab.ports import Fleet
from kafab.releases.names import Artifact, release_for
from kafab.unknown import Unknown

UNREACHED = frozenset({"ssh.reachable", "ssh.hostkey", "ssh.login", "ssh.shell"})
UNREACHABLE = 4


@dataclass(frozen=True)
class Preflight:
    """A report, and the exit code that says more than its verdict: 4 where a host could not be logged in to."""

    report: Report
    fixes: Mapping[str, str] = field(default_factory=dict)
    """Host name -> the sysctl drop-in that `--fix` would write there."""

    @property
    def exit_code(self) -> int:
        """4 if a host could not be asked, else the report's own."""
        closed = any(
            finding.check in UNREACHED and finding.severity is Severity.CRIT
            for finding in self.report.findings
        )
        return UNREACHABLE if closed else self.report.exit_code


def blocking(report: Report) -> tuple[Finding, ...]:
    """Return the findings that a deploy must not go past: what is certain to fail or to endanger data."""
    return tuple(finding for finding in report.findings if finding.severity is Severity.CRIT)


def preflight(
    cluster: Cluster,
    limit: str | None,
    world: World,
    *,
    now: Callable[[], float] = time.time,
    connections: bool = True,
) -> Preflight:
    """Return every finding about the hosts of these nodes. Changes nothing on them.

    ``connections`` also tries every connection between them. Raises UsageError for a wrong limit, and nothing for a
    host's fault.
    """
    nodes, fleet = limited(cluster, limit), world.fleet
    on = {host: tuple(node for node in nodes if node.host.name == host.name) for host in cluster.hosts}
    on = {host: here for host, here in on.items() if here}
    arrivals: dict[str, float] = {}

    def arrived(name: str, _outcome: Outcome) -> None:
        arrivals[name] = now()

    scripts = {host.name: local.probe(host, here, network.names(cluster, host)) for host, here in on.items()}
    sent = now()
    outcomes = fleet.run(scripts, each=arrived)
    answers = {host: local.parse(host, here, outcomes[host.name]) for host, here in on.items()}
    looks = {host.name: look for host, look in answers.items() if not isinstance(look, Unknown)}
    release = _release(world.store.find(release_for(cluster.version, cluster.scala)))
    findings: list[Finding] = []
    for host, look in answers.items():
        if isinstance(look, Unknown):
            findings.append(unreached(host, look))
        else:
            findings += judge_host(cluster, host, on[host], look, release)
            findings += greets(host, fleet.greeting(host.name))
            findings += listening.judge_binds(host, on[host], look)
    findings += across.judge_across(cluster, looks, sent, arrivals)
    there = [node for node in nodes if node.host.name in looks]
    running = frozenset(
        node.name for node in there if looks[node.host.name].facts.nodes[node.instance].running
    )
    if connections and looks:
        findings += _connections(cluster, on, looks, running, world)
    elif looks:
        # Nodes that run have been reached since, one way or the other.
        findings += _passages(cluster, [node for node in there if node.name not in running], world, ())
    if asked := [node for node in nodes if needs_certificate(cluster, node)]:
        clocks = {name: datetime.fromtimestamp(look.clock, timezone.utc) for name, look in looks.items()}
        findings += world.certificates.findings(asked, clocks)
    if looks:
        findings.append(listening.judge_listening(replace(cluster, nodes=nodes)))
    return Preflight(
        Report(cluster.name, tuple(findings)),
        {name: sysctl.text(look) for name, look in looks.items() if sysctl.lacking(look)},
    )


def _release(artifact: Artifact | None) -> tuple[str, int] | None:
    return None if artifact is None else (artifact.folder, artifact.size)


def _connections(
    cluster: Cluster,
    on: Mapping[Host, Collection[Node]],
    looks: Mapping[str, Look],
    running: frozenset[str],
    world: World,
) -> tuple[Finding, ...]:
    """Try every connection that the nodes of these hosts need, and kafab's own, with temporary listeners where no node runs."""
    fleet, nodes = world.fleet, [node for host, here in on.items() if host.name in looks for node in here]
    wanted = {host.name: network.targets(cluster, host) for host in on if host.name in looks}
    with _listening(_idle_ports(wanted, running, looks), fleet) as ports:
        outcomes = fleet.run({name: network.reach(targets) for name, targets in wanted.items() if targets})
        listened = {at for node in nodes for at in _served(node, running, ports)}
        passages = _passages(cluster, nodes, world, listened)
    trial = network.Trial(
        {name: network.reached(outcome) for name, outcome in outcomes.items()},
        running,
        frozenset(ports),
        frozenset(host.name for host in on if host.name not in looks),
    )
    return (*network.judge(cluster, trial), *passages)


@contextmanager
def _listening(ports: Mapping[str, Collection[int]], fleet: Fleet) -> Iterator[Mapping[str, Collection[int]]]:
    """Have temporary listeners on hosts for the length of the block; yields host name -> the ports at which one is there."""
    told = fleet.run({name: network.listen(free) for name, free in ports.items()}) if ports else {}
    listeners = {name: network.listening(outcome) for name, outcome in told.items()}
    there = {name: found for name, found in listeners.items() if not isinstance(found, Unknown)}
    try:
        yield {name: ports[name] for name in there}
    finally:
        if there:
            fleet.run({name: network.hush(listener) for name, listener in there.items()})


def _served(node: Node, running: Collection[str], ports: Mapping[str, Collection[int]]) -> Iterator[Endpoint]:
    """Yield the addresses of a node at which something listens."""
    for listener in node.listeners:
        if node.name in running or listener.port in ports.get(node.host.name, ()):
            yield listener.endpoint


def _passages(
    cluster: Cluster, nodes: Collection[Node], world: World, listened: Collection[Endpoint]
) -> tuple[Finding, ...]:
    """Find out whether sshd lets kafab itself through to these nodes, where it may have to."""
    asked = passing.addresses(cluster, nodes)
    return tuple(passing.judge(cluster, asked, world.passages.tried(asked), listened)) if asked else ()


def _idle_ports(
    wanted: Mapping[str, Collection[network.Target]], running: Collection[str], looks: Mapping[str, Look]
) -> dict[str, list[int]]:
    """Return host name -> free ports that peers want to reach and no node holds; not on loopback, where nothing is between."""
    ports: dict[str, dict[int, None]] = {}
    for targets in wanted.values():
        for target in targets:
            host, port = target.node.host.name, target.endpoint.port
            here = host in looks and target.node.instance in looks[host].facts.nodes
            if (
                here
                and not target.loopback
                and target.node.name not in running
                and port not in looks[host].held
            ):
                ports.setdefault(host, {})[port] = None
    return {host: list(free) for host, free in ports.items()}


def fix(drop_ins: Mapping[str, str], world: World) -> tuple[str, ...]:
    """Set the kernel's settings on hosts (name -> drop-in), now and for the next boot. Needs root there.

    Returns the hosts that refused; each host's outcome is told by a Note.
    """
    refused = []
    scripts = {name: sysctl.script(drop_in) for name, drop_in in drop_ins.items()}
    for name, outcome in world.fleet.run(scripts).items():
        if isinstance(outcome, Unknown):
            reason = f"UNKNOWN: {outcome.reason}"
        elif outcome.code:
            reason = f"refused, nothing was written: {outcome.err.strip() or outcome.code}"
        else:
            world.emit(Note(name, f"wrote {sysctl.FILE} and applied it"))
            continue
        refused.append(name)
        world.emit(Note(name, reason))
    return tuple(refused)
