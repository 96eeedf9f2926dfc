"""Ask hosts and cluster what an expert would ask: nothing is changed, and nobody who is silent holds up the others.

The hosts are looked at first, as `status` does; those that answer tell the rest side by side, each within one deadline, and
what a host says before it falls silent is kept. Then the cluster is asked as by `verify --read-only`, and JVMs that run and do not answer
are asked for their threads.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

from kafab.cluster.seen import NOT_ASKED
from kafab.command import Outcome, Script
from kafab.diagnosis import asking
from kafab.diagnosis.asking import Answer
from kafab.errors import KafabError
from kafab.events import Waiting
from kafab.hosts.facts import HostFacts
from kafab.hosts.history import Entry
from kafab.hosts.sights import Trouble, troubles
from kafab.model import Cluster, Host, Node
from kafab.ops.check.status import NodeStatus, node_status, with_words
from kafab.ops.check.verify import Checked, check
from kafab.ops.history import past
from kafab.ops.observing import look
from kafab.ops.world import World
from kafab.plans.state import Observed, limited
from kafab.ports import Fleet
from kafab.unknown import Unknown

T = TypeVar("T")
ANSWER_LIMIT = 2 * asking.NODE_LIMIT
"""Bytes that are kept of a host with one node; see `asking.NODE_LIMIT`."""


@dataclass
class Raw:
    """What was told, secrets included: for this process alone, until `assembling` has hidden them."""

    cluster: Cluster
    nodes: tuple[Node, ...]
    lines: dict[Node, NodeStatus] = field(default_factory=dict)
    pids: dict[Node, int] = field(default_factory=dict)
    troubles: dict[Node, tuple[Trouble, ...]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    """Host -> what it has told."""
    silent: dict[str, str] = field(default_factory=dict)
    """Host -> why it told nothing, or not all."""
    ahead: dict[str, float] = field(default_factory=dict)
    """Host -> seconds that its clock is ahead of ours, at least; negative where it is behind."""
    checked: Checked | Unknown = NOT_ASKED
    history: tuple[Entry, ...] | Unknown = NOT_ASKED
    timings: dict[str, float] = field(default_factory=dict)
    """Question -> seconds."""


def gather(
    cluster: Cluster, limit: str | None, world: World, plain: Callable[[], Fleet] | None = None
) -> Raw:
    """Ask the hosts of these nodes, and the whole cluster. Raises UsageError for a bad limit, nothing for a cluster's fault.

    ``plain`` returns the same hosts as their login users: for those that let nobody become root.
    """
    return _Gathering(cluster, limited(cluster, limit), world, plain).run()


class _Gathering:
    def __init__(
        self, cluster: Cluster, nodes: tuple[Node, ...], world: World, plain: Callable[[], Fleet] | None
    ) -> None:
        self.world = world
        self.plain = plain
        self.raw = Raw(cluster, nodes)
        self.began = world.clock.now()
        self.day = world.operator("diagnose").at.timestamp() - self.began
        """The time of the day when the clock was at 0."""

    def run(self) -> Raw:
        raw, cluster, world = self.raw, self.raw.cluster, self.world
        looked = self.timed("look at the hosts", lambda: look(cluster, cluster.nodes, world))
        desired, observed = looked
        for wanted in desired.nodes:
            if wanted.node in raw.nodes:
                raw.lines[wanted.node] = node_status(desired, wanted, observed)
        self.facts(observed)
        shut = self.shut()
        self.timed(
            "ask the hosts", lambda: self.ask(self.by_host(raw.nodes), asking.questions, asking.TIMEOUT)
        )
        if shut:
            fleet = self.plain() if self.plain else world.fleet
            ask_plainly = partial(asking.questions, plain=True)
            self.timed("ask hosts without root", lambda: self.ask(shut, ask_plainly, asking.TIMEOUT, fleet))
        try:
            raw.checked = self.timed(
                "ask the cluster", lambda: check(cluster, world, probe=False, looked=looked)
            )
        except KafabError as error:
            raw.checked = Unknown(error.message)
        self.words()
        hanging = [node for node, line in raw.lines.items() if not line.answers or line.state == "stopping"]
        if hanging:
            ask = lambda: self.ask(self.by_host(hanging), asking.threads, asking.THREADS_TIMEOUT)  # noqa: E731
            self.timed("ask for threads", ask)
        raw.history = self.timed("read the history", self.past)
        return raw

    def timed(self, question: str, ask: Callable[[], T]) -> T:
        begun = self.world.clock.now()
        try:
            return ask()
        finally:
            self.raw.timings[question] = round(self.world.clock.now() - begun, 2)

    def facts(self, observed: Observed) -> None:
        """Take what the look has shown besides the lines of `status`."""
        for node in self.raw.nodes:
            host = observed[node.host.name]
            if not isinstance(host, HostFacts):
                self.raw.silent[node.host.name] = host.reason
                continue
            facts = host.nodes[node.instance]
            if facts.process:
                self.raw.pids[node] = facts.process.pid
            found = troubles(node, facts.sights, facts.strange, account=host.account)
            self.raw.troubles[node] = tuple(found)

    def by_host(self, nodes: Iterable[Node]) -> dict[Host, list[Node]]:
        """Return the nodes of the hosts that have answered the look."""
        there: dict[Host, list[Node]] = {}
        for node in nodes:
            if node.host.name not in self.raw.silent:
                there.setdefault(node.host, []).append(node)
        return there

    def shut(self) -> dict[Host, list[Node]]:
        """Return the nodes of the hosts that have let us in, and would not have us look as root."""
        there: dict[Host, list[Node]] = {}
        for node in self.raw.nodes if self.plain else ():
            host = node.host.name
            if host in self.raw.silent and not isinstance(self.world.fleet.host_key(host), Unknown):
                there.setdefault(node.host, []).append(node)
        return there

    def ask(
        self,
        there: Mapping[Host, list[Node]],
        script: Callable[[Host, list[Node]], Script],
        limit: timedelta,
        as_login: Fleet | None = None,
    ) -> None:
        """Run a script a host, and keep what each says, however far it comes."""
        if not there:
            return
        heard: dict[str, bytearray] = {host.name: bytearray() for host in there}
        most = {host.name: ANSWER_LIMIT + asking.NODE_LIMIT * (len(on) - 1) for host, on in there.items()}
        sent, done = self.world.clock.now(), 0

        def hear(host: str, out: bytes, _err: bytes) -> None:
            if not heard[host]:
                self.clock(host, out, sent)
            heard[host] += out[: max(0, most[host] - len(heard[host]))]

        def each(_host: str, _outcome: Outcome) -> None:
            nonlocal done
            done += 1
            waited = timedelta(seconds=self.world.clock.now() - sent)
            what = f"gathering: {done} of {len(there)} hosts have told"
            self.world.emit(Waiting(self.raw.cluster.name, what, waited, limit))

        fleet = as_login or self.world.fleet
        outcomes = fleet.stream({host.name: script(host, on) for host, on in there.items()}, hear, each=each)
        for host, outcome in outcomes.items():
            self.told(host, asking.read(bytes(heard[host])), outcome)

    def told(self, host: str, answer: Answer, outcome: Outcome) -> None:
        before = self.raw.answers.get(host)
        self.raw.answers[host] = replace(before, parts=(*before.parts, *answer.parts)) if before else answer
        if isinstance(outcome, Unknown):
            self.broken_off(host, outcome.reason)
        elif not answer.whole:
            self.broken_off(host, outcome.err.strip() or f"the script ended with {outcome.code}")

    def broken_off(self, host: str, why: str) -> None:
        """Note why the end of what a host told did not come, behind what was said of it before."""
        before = f"{self.raw.silent[host]}; " if host in self.raw.silent else ""
        self.raw.silent[host] = f"{before}what it told breaks off: {why}"

    def clock(self, host: str, out: bytes, sent: float) -> None:
        """Compare the clock of a host, which its first line has, with ours: it was read between the two moments."""
        theirs = asking.read(out[:100]).clock
        if theirs is None:
            return
        least, most = theirs - (self.day + self.world.clock.now()), theirs - (self.day + sent)
        self.raw.ahead[host] = round(least if least > 0 else min(most, 0.0), 2)

    def words(self) -> None:
        """Say of the nodes that run whether they serve, by what the cluster has shown."""
        raw = self.raw
        if isinstance(raw.checked, Unknown):
            return
        for node, line in raw.lines.items():
            if line.state == "running":
                raw.lines[node] = with_words(raw.cluster, line, raw.checked.seen)

    def past(self) -> tuple[Entry, ...] | Unknown:
        there = [host.name for host in self.by_host(self.raw.nodes)]
        if not there:
            return Unknown("no host answers")
        try:
            return past(self.raw.cluster, ",".join(there), self.world)
        except KafabError as error:
            return Unknown(error.message)
