"""Does every node reach its peers: which connections are needed, the scripts that try them, and the judgement.

A connection is tried with bash's /dev/tcp, which sends nothing, else with ssh. Where no node runs yet nobody would answer:
there systemd-socket-activate listens for the length of the trial, and ends by itself after a minute whatever happens.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kafab.checks.preflight.local import chosen
from kafab.command import Cmd, Outcome, Raw, Script
from kafab.findings import Finding, Severity
from kafab.listeners import is_address, is_loopback
from kafab.model import Cluster, Endpoint, Host, Node, Role
from kafab.shell.frame import asking, framed, whole
from kafab.unknown import Unknown
from kafab.words import SHOWN, few

LISTENER = "KAFAB_PREFLIGHT"
"""In the command line of a temporary listener, so that nobody takes it for a stranger."""
LISTEN_SECONDS = 60
TRY_SECONDS = 3
AT_ONCE = 50


class Answer(str, Enum):
    """How a connection ended."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "no answer"
    NO_ROUTE = "no route"
    NO_NAME = "its name does not resolve"
    FAILED = "failed"


@dataclass(frozen=True)
class Target:
    """Where a node must be reached, and by which use of its port: client, controller, quorum or election."""

    node: Node
    use: str
    endpoint: Endpoint

    @property
    def loopback(self) -> bool:
        """True where no network lies between."""
        return is_loopback(self.endpoint.host)


def targets(cluster: Cluster, host: Host) -> tuple[Target, ...]:
    """Return what the nodes of a host must reach: of a broker's listeners the one that the brokers use.

    Brokers reach every broker and every ZooKeeper server or controller, servers and controllers only each other.
    """
    here = cluster.on(host)
    roles = {node.role for node in here}
    needed: dict[Target, None] = {}
    if cluster.kraft:
        if Role.BROKER in roles:
            needed |= {_peer(node): None for node in cluster.brokers}
        if here:
            needed |= {
                Target(node, "controller", node.controller_endpoint): None for node in cluster.controllers
            }
        return tuple(needed)
    if Role.BROKER in roles:
        needed |= {_peer(node): None for node in cluster.nodes}
    if Role.ZOOKEEPER in roles:
        for node in cluster.zookeepers:
            if node.host.name == host.name:
                continue
            for use in ("quorum", "election"):
                if use in node.ports:
                    needed[Target(node, use, Endpoint(node.endpoint.host, node.ports[use]))] = None
    return tuple(needed)


def _peer(node: Node) -> Target:
    return Target(node, node.use(node.peer_listener), node.peer_listener.endpoint)


def names(cluster: Cluster, host: Host) -> tuple[str, ...]:
    """Return the names (not addresses) that a host must resolve: clients' names may exist on their networks only."""
    own = [node.peer_listener.advertised for node in cluster.on(host)]
    own += [address for node in cluster.on(host) for address in chosen(node).values()]
    wanted = dict.fromkeys([*own, *(target.endpoint.host for target in targets(cluster, host))])
    return tuple(name for name in wanted if not is_address(name))


def listen(ports: Collection[int]) -> Script:
    """Listen on these free ports for a minute at most; the answer is read by `listening`."""
    flags = [word for port in ports for word in ("-l", str(port))]
    command = ("systemd-socket-activate", "-E", f"{LISTENER}=1", "-a", "--inetd", *flags, "/bin/true")
    call = Cmd("listen", " ".join(map(str, ports)), "timeout", LISTEN_SECONDS, *command)
    return framed(("alive", "holder", "listen"), call, timeout=timedelta(seconds=30))


@dataclass(frozen=True)
class Listener:
    """A temporary listener on a host, by pid and start time."""

    pid: int
    start: int


def listening(outcome: Outcome) -> Listener | Unknown:
    """Read the answer to `listen`."""
    if isinstance(outcome, Unknown):
        return outcome
    word, _, rest = outcome.text.strip().partition(" ")
    numbers = rest.split()
    if (
        outcome.code == 0
        and word == "listening"
        and len(numbers) == 2
        and rest.isascii()
        and all(map(str.isdecimal, numbers))
    ):
        return Listener(int(numbers[0]), int(numbers[1]))
    return Unknown(rest if word == "none" else outcome.err.strip() or "no answer from the listener")


def hush(listener: Listener) -> Script:
    """End a temporary listener, if it still is that very process."""
    call = Cmd("hush", listener.pid, listener.start)
    return framed(("alive", "listen"), call, timeout=timedelta(seconds=10))


def reach(wanted: Sequence[Target]) -> Script:
    """Try these connections from one host, fifty at once, each for three seconds."""
    endpoints = dict.fromkeys(target.endpoint for target in wanted)
    calls = [Cmd("tool")]
    for number, endpoint in enumerate(endpoints, 1):
        calls.append(Cmd("reach", TRY_SECONDS, endpoint.host, endpoint.port, Raw("&")))
        if number % AT_ONCE == 0:
            calls.append(Cmd("wait"))
    rounds = len(endpoints) // AT_ONCE + 1
    limit = timedelta(seconds=30 + (TRY_SECONDS + 1) * rounds)
    return asking(("reach",), *calls, Cmd("wait"), timeout=limit)


def reached(outcome: Outcome) -> Mapping[Endpoint, Answer] | Unknown:
    """Read the answer to `reach`."""
    if isinstance(outcome, Unknown):
        return outcome
    if outcome.text.startswith("notool "):
        return Unknown(outcome.text.splitlines()[0].partition(" ")[2])
    lines = whole(outcome, "the trial")
    if isinstance(lines, Unknown):
        return lines
    found = {}
    for line in lines:
        word, host, port, code, said = [*line.split(" ", 4), "", "", "", ""][:5]
        if word != "tcp" or not (port.isdecimal() and port.isascii()):
            return Unknown(f"the trial's answer cannot be read: {line[:80]!r}")
        found[Endpoint(host, int(port))] = _answer(code, said)
    return found


def _answer(code: str, said: str) -> Answer:
    if code == "0":
        return Answer.OPEN
    if "refused" in said:
        return Answer.REFUSED
    if code == "124" or "timed out" in said:
        return Answer.SILENT
    if "No route" in said or "unreachable" in said:
        return Answer.NO_ROUTE
    if "not known" in said or "resolve" in said or "name resolution" in said:
        return Answer.NO_NAME
    return Answer.FAILED


@dataclass(frozen=True)
class Trial:
    """Every connection that was tried. ``answers``: host name -> endpoint -> how it ended, or why none was tried."""

    answers: Mapping[str, Mapping[Endpoint, Answer] | Unknown]
    running: frozenset[str]
    """Nodes that run, by name."""
    listeners: frozenset[str]
    """Hosts on which something listened in place of the nodes that do not run."""
    unreached: frozenset[str]
    """Hosts that could not be asked: whether they can be reached says nothing new."""


def judge(cluster: Cluster, trial: Trial) -> tuple[Finding, ...]:
    """Return one finding for each host that reaches its peers, and one for each that is not reached or reaches nobody."""
    findings: list[Finding] = []
    failed: dict[str, dict[Target, Answer]] = {}
    silent = Severity.OK if cluster.lab else Severity.WARN
    for name, answers in trial.answers.items():
        if isinstance(answers, Unknown):
            findings.append(Finding("network", name, Severity.UNKNOWN, answers.reason, {"host": name}))
            continue
        wanted = [
            target for target in targets(cluster, cluster.host(name))
            if target.node.host.name not in trial.unreached and target.endpoint in answers
        ]  # fmt: skip
        bad = {target: answers[target.endpoint] for target in wanted if _bad(target, answers, trial)}
        untried = [target for target in wanted if target not in bad and _unproven(target, answers, trial)]
        others = {target.node.host.name for target in wanted} - {name}
        if len(others) > 1 and {target.node.host.name for target in bad} >= others:
            findings.append(_cut_off(name, bad))
            continue
        failed[name] = bad
        if bad:
            continue
        detail = f"reaches {len(wanted) - len(untried)} of {len(wanted)} addresses of its peers"
        evidence = {"host": name, "tried": len(wanted), "not_proven": len(untried)}
        if untried:
            places = few([str(target.endpoint) for target in untried])
            detail += f"; {places} refuse, and nothing listens there yet: run this again after the start"
        findings.append(Finding("network", name, silent if untried else Severity.OK, detail, evidence))
    return (*findings, *_not_reached(failed))


def _bad(target: Target, answers: Mapping[Endpoint, Answer], trial: Trial) -> bool:
    answer = answers[target.endpoint]
    if answer is Answer.REFUSED:
        return not _idle(target, trial)
    return answer not in (Answer.OPEN, Answer.NO_NAME)  # a missing name has a finding of its own


def _idle(target: Target, trial: Trial) -> bool:
    """Tell whether it is right that nobody listens: only a ZooKeeper leader has its quorum port open."""
    if target.node.name in trial.running:
        return target.use == "quorum"
    return target.loopback or target.node.host.name not in trial.listeners


def _unproven(target: Target, answers: Mapping[Endpoint, Answer], trial: Trial) -> bool:
    answer = answers[target.endpoint]
    return answer is Answer.REFUSED and not target.loopback and target.node.name not in trial.running


def _cut_off(name: str, bad: Mapping[Target, Answer]) -> Finding:
    ways = few([f"{target.endpoint}" for target in bad])
    kinds = ", ".join(sorted({answer.value for answer in bad.values()}))
    return Finding(
        "network", name, Severity.CRIT, f"reaches no other host: {ways} ({kinds}); wanted: every peer's ports",
        {"host": name, "failed": {str(target.endpoint): answer.value for target, answer in bad.items()}},
        f"look at {name}'s routes and at the firewall for what goes out of it",
    )  # fmt: skip


def _not_reached(failed: Mapping[str, Mapping[Target, Answer]]) -> Iterator[Finding]:
    """One finding for each host that peers cannot reach, with the ports and who tried."""
    by_host: dict[str, dict[Target, dict[str, Answer]]] = {}
    for source, bad in failed.items():
        for target, answer in bad.items():
            by_host.setdefault(target.node.host.name, {}).setdefault(target, {})[source] = answer
    for host, missed in by_host.items():
        ways = [
            f"{target.endpoint} ({target.node.name} {target.use}) from {few(list(sources))}: "
            + ", ".join(sorted({answer.value for answer in sources.values()}))
            for target, sources in missed.items()
        ]
        evidence = {
            "host": host,
            "failed": {
                f"{source} -> {target.endpoint}": answer.value
                for target, sources in missed.items()
                for source, answer in sources.items()
            },
        }
        hint = f"open these ports in the firewalls on and before {host}, or mend advertised: and address: in the inventory"
        yield Finding(
            "network", host, Severity.CRIT, f"not reached at {'; '.join(ways[:SHOWN])}", evidence, hint
        )
