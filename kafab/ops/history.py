"""The history of a cluster's changes: each leaves a line on the hosts that it touched, and `past` shows them merged.

A line costs no round trip on the hosts of the lock: it is written with the lock's taking and with its release. The other
hosts that were touched get it side by side, before the release. A command that takes no lock is `remembered`: its beginning
is written beside what it does, its end costs one round trip. Whatever goes wrong with it is told and fails nothing.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from kafab.command import Outcome
from kafab.errors import Interrupted, KafabError, Unreachable
from kafab.events import Note
from kafab.hosts import history
from kafab.hosts.history import Entry, Figure
from kafab.model import Cluster, Host, Node
from kafab.ops.world import World
from kafab.plans.state import limited
from kafab.unknown import Unknown
from kafab.words import few, plural


@dataclass
class Run:
    """A change that is on its way: what its line is to say at its end."""

    began: Entry
    world: World
    started: float
    """By the clock of the world."""
    touched: dict[str, Host] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    counted: dict[str, Sized] = field(default_factory=dict)
    """Collections that grow meanwhile: how many each has at the end is a figure."""
    exit_code: int = 0
    result: str = ""
    over: bool = False

    def about(self, touched: Iterable[Host | Node], **counted: Sized) -> None:
        """Say what the run is about: these hosts, or those of these nodes, and collections to count at its end."""
        hosts = [each.host if isinstance(each, Node) else each for each in touched]
        self.touched |= {host.name: host for host in hosts}
        self.counted |= counted

    def failed(self, error: BaseException) -> None:
        """Take an error for how the run ends."""
        if isinstance(error, KafabError):
            self.exit_code, self.result = error.exit_code, error.message.partition("\n")[0]
        elif isinstance(error, KeyboardInterrupt):
            self.exit_code, self.result = Interrupted.exit_code, "interrupted"
        else:
            self.exit_code, self.result = KafabError.exit_code, f"a mistake in kafab: {error!r}"

    def entry(self) -> Entry:
        """Return the line as it is now."""
        figures = {name: len(each) for name, each in self.counted.items() if len(each)} | self.figures
        took = timedelta(seconds=max(0.0, self.world.clock.now() - self.started))
        return replace(self.began, took=took, exit_code=self.exit_code, result=self.result, figures=figures)

    def last_words(self) -> str:
        """Return what a host is told with which the lock ends; nothing while the run goes on without that host."""
        return self.entry().line if self.over else ""

    def write(self, besides: Container[Host]) -> None:
        """Write the line on the hosts that were touched, but for some, side by side. What cannot be written is told."""
        hosts = [host for host in self.touched.values() if host not in besides]
        for name, reason in self.lacking(self.entry(), hosts).items():
            self.unwritten(name, reason)

    def lacking(self, entry: Entry, hosts: Iterable[Host]) -> dict[str, str]:
        """Write a line on these hosts, side by side; return host -> why it is not there."""
        scripts = {host.name: history.remember(host, entry) for host in hosts}
        outcomes = self.world.fleet.run(scripts) if scripts else {}
        return {name: reason for name, outcome in outcomes.items() if (reason := _unwritten(outcome))}

    def unwritten(self, host: str, reason: str) -> None:
        """Tell that a host does not remember this run."""
        self.world.emit(Note(host, f"its history lacks this command: {reason}"))


def begun(cluster: Cluster, world: World, command: str) -> Run:
    """Return the run that begins now."""
    operator = world.operator(command)
    entry = Entry(operator.run, cluster.name, operator.user, operator.machine, operator.command, operator.at)
    return Run(entry, world, world.clock.now())


@contextmanager
def remembered(
    cluster: Cluster,
    world: World,
    command: str,
    hosts: Iterable[Host] | None = None,
    *,
    words: str | None = None,
) -> Iterator[Run]:
    """Leave a line of what the block does, without the lock: on these hosts, or on those that keep the metadata.

    ``words`` are kept in the place of the command with its arguments, where those may hold what nobody can tell from a secret.
    """
    run = begun(cluster, world, command)
    if words is not None:
        run.began = replace(run.began, command=words)
    run.about(cluster.voter_hosts if hosts is None else hosts)
    told = True
    with ThreadPoolExecutor(1) as pool:
        begins = pool.submit(run.lacking, run.began, run.touched.values())
        try:
            yield run
        except BaseException as error:
            # That names the hosts that do not answer itself.
            told = not isinstance(error, Unreachable)
            run.failed(error)
            raise
        finally:
            silent = begins.result()
            # A host that had no answer to the first line is not waited for a second time.
            others = [host for name, host in run.touched.items() if name not in silent]
            lacking = silent | run.lacking(run.entry(), others)
            for reason in dict.fromkeys(lacking.values() if told else ()):
                names = few(name for name, why in lacking.items() if why == reason)
                world.emit(Note(cluster.name, f"the history of {names} lacks this command: {reason}"))


def program(command: str) -> str:
    """Return the program that a shell command begins with, for a line of the history; "" where that cannot be told.

    The rest is left out, as any word of it may be a secret.
    """
    read = re.match(r"(?:[A-Za-z_]\w*=[\w./:@%+,-]*\s+)*([\w./+-]+)(?:\s|$)", command.strip(), re.ASCII)
    return read[1] if read else ""


def _unwritten(outcome: Outcome) -> str:
    """Return why a host has not written a line; "" where it has."""
    if isinstance(outcome, Unknown):
        return outcome.reason
    return (outcome.text.strip() or outcome.err.strip() or f"exit {outcome.code}") if outcome.code else ""


def past(cluster: Cluster, limit: str | None, world: World) -> tuple[Entry, ...]:
    """Return what these hosts remember of this cluster's changes, each run once, the oldest first.

    Hosts that do not answer are told and left out. Raises Unreachable where none answers, UsageError for a bad limit.
    """
    hosts = {node.host.name: node.host for node in limited(cluster, limit)}
    outcomes = world.fleet.run({name: history.past(host) for name, host in hosts.items()})
    entries: list[Entry] = []
    silent: dict[str, str] = {}
    for name, outcome in outcomes.items():
        found = history.read(name, outcome)
        if isinstance(found, Unknown):
            silent[name] = found.reason
            continue
        entries += found[0]
        if found[1]:
            told = f"{plural(found[1], 'line')} of its history cannot be read, and are left out"
            world.emit(Note(name, told))
    if len(silent) == len(hosts):
        raise Unreachable(silent)
    for name, reason in silent.items():
        world.emit(Note(name, f"its history is left out: {reason}"))
    return history.merged(entry for entry in entries if entry.cluster == cluster.name)
