"""Which of a node's files have run, are kept before a deploy replaces them, and are there to go back to. Pure.

A generation is what a process of the node was last started from: the files of its configuration folder, its units and the
name of its release, copied on the host before the first of them changes. So files that were deployed and never started, and
what an interrupted deploy has left half-way, never take the place of what is known to have run. Two are kept, and the one
that a node went back to besides.

Where a node goes back to follows from what its process was started from. It is noted on the host with that process: until it
is restarted the same command leads to the same files, whatever has interrupted it; after that it leads forward again.
"""

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath

from kafab.config.render import configuration_digest
from kafab.config.units import unit_paths
from kafab.hosts.facts import Aim, Generation, NodeFacts
from kafab.model import Node, Supervisor
from kafab.plans.removing import PLAIN
from kafab.plans.steps import KeepGeneration
from kafab.shell.layout import MANIFEST

KEPT = 2


def configurations(facts: NodeFacts) -> frozenset[str]:
    """Return what a process that is started from the files there may record: one with the key of the digest, one without."""
    names = facts.deployed.keys()
    if not names:
        return frozenset()
    digests = {
        name: facts.files[name].sha256 if name in facts.files else facts.deployed[name] for name in names
    }
    return frozenset({configuration_digest(digests), configuration_digest(digests, facts.key)})


def has_run(facts: NodeFacts) -> bool:
    """Tell whether the node's last process was started from the files and the release that are there now."""
    process = facts.process
    return (
        process is not None
        and process.release == facts.release
        and process.configuration in configurations(facts)
    )


def stale(facts: NodeFacts) -> bool:
    """Tell whether a process runs that was started from something else than what is there now."""
    return facts.process is not None and facts.process.alive and not has_run(facts)


def went_back(facts: NodeFacts) -> bool:
    """Tell whether what is there now is what the node went back to: a deploy by the inventory ends that."""
    aim, now = facts.aim, configurations(facts)
    return aim is not None and any(
        one.number in aim.numbers and one.release == facts.release and one.configuration in now
        for one in facts.generations
    )


def units(node: Node, facts: NodeFacts) -> str:
    """Return the digest of the node's unit files; "-" where no unit keeps it."""
    if node.host.supervisor is not Supervisor.SYSTEMD:
        return "-"
    there = [f"{facts.units[path].sha256} {path}\n" for path in unit_paths(node) if path in facts.units]
    return hashlib.sha256("".join(there).encode()).hexdigest()


def keep_step(node: Node, facts: NodeFacts, *, back_to: Sequence[Generation] = ()) -> KeepGeneration | None:
    """Return what is to be kept before the node's files change; None where nothing is.

    ``back_to`` are the generations that the node may go back to, where that is what changes its files.
    """
    aim = _aim(facts, back_to) if back_to else ""
    about, kept = _about(node, facts), facts.generations
    number, dropped = 0, tuple[str, ...]()
    if about and not (kept and _said(kept[0]) == about):
        number = max((one.number for one in kept), default=0) + 1
        stay = back_to or [one for one in kept if _said(one) != about][: KEPT - 1]
        dropped = tuple(str(one.number) for one in kept if one not in stay)
    if not number and not aim and facts.aim is None:
        return None
    return KeepGeneration(
        node.host.name,
        node.name,
        node.config,
        number,
        about if number else "",
        _files(node, facts) if number else (),
        unit_paths(node) if number and node.host.supervisor is Supervisor.SYSTEMD else (),
        dropped,
        aim,
    )


def ways_back(node: Node, facts: NodeFacts) -> tuple[Generation, ...]:
    """Return the generations that a node may go back to, at most two: the one that ran before first.

    Files that are there and have never run were not what ran before: then what runs now is the first.
    """
    kept = facts.generations
    if (aim := facts.aim) and _still(aim, facts):
        return tuple(one for number in aim.numbers for one in kept if one.number == number)
    if has_run(facts):
        now = _about(node, facts)
        return tuple(one for one in kept if _said(one) != now)[:KEPT]
    runs = [one for one in kept if _ran(one, facts)]
    return tuple([*runs, *(one for one in kept if one not in runs)][:KEPT])


def _about(node: Node, facts: NodeFacts) -> str:
    """Return what a generation of what is there now would say of itself; empty where that has not run."""
    if facts.process is None or not has_run(facts):
        return ""
    return f"{facts.process.release} {facts.process.configuration} {units(node, facts)}"


def _said(generation: Generation) -> str:
    return f"{generation.release} {generation.configuration} {generation.units}"


def _ran(generation: Generation, facts: NodeFacts) -> bool:
    process = facts.process
    return process is not None and (generation.release, generation.configuration) == (
        process.release,
        process.configuration,
    )


def _files(node: Node, facts: NodeFacts) -> tuple[PurePosixPath, ...]:
    names = sorted(name for name in facts.deployed if PLAIN.fullmatch(name) and name != MANIFEST)
    return tuple(node.config / name for name in (*names, MANIFEST))


def _process(facts: NodeFacts) -> tuple[int, int]:
    return (facts.process.pid, facts.process.start) if facts.process else (0, 0)


def _aim(facts: NodeFacts, back_to: Sequence[Generation]) -> str:
    pid, start = _process(facts)
    return " ".join(map(str, (pid, start, *(one.number for one in back_to))))


def _still(aim: Aim, facts: NodeFacts) -> bool:
    """Tell whether the process that ran when the node went back is the last one still."""
    return (aim.pid, aim.start) == _process(facts)
