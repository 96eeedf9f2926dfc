"""An upgrade as text and as documents: what it would do, what it has done, where it is."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from kafab.events import Note
from kafab.inventory.rewriting import Edit
from kafab.model import Cluster, Version, VoterSource
from kafab.ops.rolling.roll import Rolled
from kafab.ops.upgrade.finalizing import KRAFT_VERSION, Finalizing
from kafab.ops.upgrade.going import Staged, Upgraded
from kafab.ops.upgrade.looking import NodeVersion, Sight
from kafab.plans.steps import DropFile, FlipLink, InstallRelease, WriteFile
from kafab.plans.updates import updates
from kafab.screens.console import Console
from kafab.screens.rolling import exit_code, rolled_document, rolled_text
from kafab.unknown import Unknown
from kafab.upgrading.levels import PROTOCOL
from kafab.upgrading.record import Direction, Upgrade
from kafab.upgrading.routes import notes
from kafab.words import few, plural

T = TypeVar("T")


def show_staged(console: Console, staged: Staged) -> None:
    """Write what an upgrade, or the way back, would do: to people and to programs."""
    console.data(staged_document(staged), "\n".join(_staged_lines(staged)))


def tell_staged(console: Console, staged: Staged) -> None:
    """Say it on stderr, before the question."""
    for line in _staged_lines(staged):
        console.emit(Note(staged.target.name, line))


def _staged_lines(staged: Staged) -> Iterator[str]:
    upgrade, roll = staged.upgrade, staged.roll
    yield f"{_what(upgrade)}; now {_versions(staged.versions)}"
    if staged.begun:
        yield f"goes on with the upgrade of {staged.begun.owner}"
    if upgrade.direction is Direction.UP:
        yield from notes(upgrade.before, upgrade.after)
    for one in staged.findings:
        yield f"{one.severity.name} {one.check} {one.subject}: {one.detail}"
    if hosts := [step.host for step in staged.releases.steps if isinstance(step, InstallRelease)]:
        yield f"first, while everything runs: the release {staged.target.version} to {few(hosts)}"
    for text, nodes in _changes(staged).items():
        yield f"{text}: {few(nodes)}"
    if roll.forecast.down:
        yield f"started first, as they do not run: {few(roll.forecast.down)}"
    for number, wave in enumerate(roll.forecast.waves, 1):
        moved = sum(roll.forecast.leaders.get(name, 0) for name in wave)
        yield f"{number}. {', '.join(wave)}" + f" ({plural(moved, 'partition')} to be led by others)" * bool(
            moved
        )
    for name, blockers in roll.forecast.waits.items():
        yield f"{name} cannot be spared now, and is waited for: {blockers[0].subject}: {blockers[0].reason}"
    yield _back(upgrade)


def _what(upgrade: Upgrade) -> str:
    return {
        Direction.UP: f"upgrade from {upgrade.before} to {upgrade.after}",
        Direction.BACK: f"back from {upgrade.after} to {upgrade.before}",
        Direction.FINAL: f"the end of the upgrade from {upgrade.before} to {upgrade.after}",
    }[upgrade.direction]


def _back(upgrade: Upgrade) -> str:
    if upgrade.direction is Direction.UP:
        held = (
            f"{PROTOCOL} stays {upgrade.protocol}" if upgrade.protocol else "every feature stays at its level"
        )
        return f"{held}: `fab upgrade.rollback` leads back until `fab upgrade.finalize`"
    if upgrade.direction is Direction.BACK:
        return f"every node runs {upgrade.before} then, and nothing is under way any more"
    return f"from here on there is no way back to {upgrade.before}"


def _versions(versions: Mapping[str, Version | None]) -> str:
    counted: dict[str, int] = {}
    for version in versions.values():
        counted[str(version or "no known version")] = counted.get(str(version or "no known version"), 0) + 1
    return ", ".join(f"{plural(count, 'node')} at {version}" for version, count in sorted(counted.items()))


def _changes(staged: Staged) -> dict[str, list[str]]:
    """Return what changes beside the release -> the nodes of which it does."""
    found: dict[str, list[str]] = {}
    for update in updates(staged.target, staged.plan):
        found.setdefault(f"changes the property {update.name}", []).append(update.node)
    told = {text for nodes in found.values() for text in nodes}
    for step in staged.switches:
        if isinstance(step, DropFile):
            found.setdefault(f"removes {step.path.name}", []).append(step.node)
        if isinstance(step, WriteFile) and step.diff and not (step.node in told and step.before is not None):
            verb = "writes" if step.before is None else "changes"
            found.setdefault(f"{verb} {step.file.path.name}", []).append(step.node)
    return found


def staged_document(staged: Staged) -> dict[str, object]:
    """Return it for `--json`."""
    upgrade, forecast = staged.upgrade, staged.roll.forecast
    return {
        "schema": "kafab.upgrade-plan/1",
        "cluster": staged.target.name,
        "direction": str(upgrade.direction),
        "before": str(upgrade.before),
        "after": str(upgrade.after),
        "held_protocol": upgrade.protocol,
        "levels": dict(upgrade.levels),
        "versions": {name: version and str(version) for name, version in staged.versions.items()},
        "stages_release_on": [s.host for s in staged.releases.steps if isinstance(s, InstallRelease)],
        "changes": [{"text": text, "nodes": nodes} for text, nodes in _changes(staged).items()],
        "switches": [s.node for s in staged.switches if isinstance(s, FlipLink)],
        "order": [list(wave) for wave in forecast.waves],
        "down": list(forecast.down),
        "findings": [
            {"check": one.check, "subject": one.subject, "severity": one.severity.name, "detail": one.detail}
            for one in staged.findings
        ],
        "notes": list(notes(upgrade.before, upgrade.after)) if upgrade.direction is Direction.UP else [],
    }


def show_upgraded(console: Console, cluster: Cluster, done: Upgraded, edit: Edit | None) -> int:
    """Write what was done, how far the upgrade is, and what comes next; return the exit code."""
    upgrade = done.upgrade
    lines = [rolled_text(console, cluster, done.rolled)]
    if done.compared:
        rows = [(one.what, one.count, one.text) for one in done.compared]
        lines.append(console.table(("BEFORE AND AFTER", "COUNT", "FOUND"), rows))
    if done.left:
        lines.append(f"{plural(len(done.left), 'node')} left: {few(done.left)}; `{upgrade.command}` goes on")
    elif done.over:
        lines.append(f"every node runs {upgrade.before} again; nothing is under way")
    else:
        lines.append(
            f"every node runs {upgrade.after}; `fab upgrade.finalize` ends the upgrade, until then `fab upgrade.rollback` goes back"
        )
    lines += _edit_lines(cluster, edit)
    document = {
        "schema": "kafab.upgrade/1",
        "cluster": cluster.name,
        "direction": str(upgrade.direction),
        "before": str(upgrade.before),
        "after": str(upgrade.after),
        "left": list(done.left),
        "over": done.over,
        "inventory_line": edit and {"number": edit.number, "before": edit.before, "after": edit.after},
        "compared": [
            {
                "what": one.what,
                "count": one.count,
                "changed": list(one.changed),
                "lost": one.lost and bool(one.changed),
                "unknown": one.unknown or None,
            }
            for one in done.compared
        ],
        "roll": rolled_document(cluster, done.rolled),
    }
    console.data(document, "\n".join(lines))
    if any(one.lost and one.changed for one in done.compared):
        return 1
    return exit_code(done.rolled) or (5 if any(one.unknown for one in done.compared) else 0)


def _edit_lines(cluster: Cluster, edit: Edit | None) -> list[str]:
    if edit is None:
        return []
    return [
        f"the inventory still has the other version; --write changes it, or change line {edit.number} of {cluster.source}:",
        f"- {edit.before}",
        f"+ {edit.after}",
    ]


def show_nothing(console: Console, cluster: Cluster, text: str) -> None:
    """Write that there is nothing to do."""
    console.data(
        {"schema": "kafab.upgrade/1", "cluster": cluster.name, "left": [], "roll": None},
        f"{cluster.name}: {text}",
    )


def tell_finalizing(console: Console, found: Finalizing) -> None:
    """Say on stderr what finalizing would do, before it is confirmed."""
    say = partial(_say, console, found.target.name)
    if found.roll:
        tell_staged(console, found.roll)
        return
    for name, level in found.levels.items():
        say(f"{name}: {found.before.get(name, 0)} becomes {level}")
    if not found.levels:
        say("no feature is to be raised")
    if KRAFT_VERSION in found.levels:
        say("the quorum is dynamic then, for good")
    if found.upgrade:
        say(_back(found.upgrade))


def show_finalized(
    console: Console, cluster: Cluster, found: Finalizing, rolled: Rolled, edit: Edit | None
) -> int:
    """Write what was finalized; return the exit code."""
    lines = [rolled_text(console, cluster, rolled)] if found.roll else []
    upgrade = found.upgrade
    if upgrade:
        lines.append(f"{cluster.name}: the upgrade from {upgrade.before} to {upgrade.after} is finalized")
    else:
        lines.append(f"{cluster.name}: the quorum is dynamic")
    lines += _edit_lines(cluster, edit)
    if KRAFT_VERSION in found.levels and cluster.voter_source is VoterSource.STATIC:
        lines.append(
            "the controllers find each other as before; with `quorum: dynamic` below kraft: in the inventory "
            "`fab deploy restart --pending` has them do it by the metadata log"
        )
    document = {
        "schema": "kafab.upgrade-finalized/1",
        "cluster": cluster.name,
        "before": upgrade and str(upgrade.before),
        "after": upgrade and str(upgrade.after),
        "levels": dict(found.levels),
        "roll": rolled_document(cluster, rolled) if found.roll else None,
    }
    console.data(document, "\n".join(lines))
    return exit_code(rolled)


def _say(console: Console, subject: str, text: str) -> None:
    console.emit(Note(subject, text))


def show_sight(console: Console, cluster: Cluster, found: Sight) -> None:
    """Write where an upgrade is."""
    rows = [(one.node.name, one.runs or "-", one.starts or "-", _said(one)) for one in found.nodes]
    lines = [console.table(("NODE", "RUNS", "STARTS AS", "PROTOCOL" if not cluster.kraft else "KNOWS"), rows)]
    if cluster.kraft:
        if isinstance(found.finalized, Unknown):
            lines.append(f"finalized features: UNKNOWN: {found.finalized.reason}")
        else:
            to_raise = found.to_raise
            features = [
                (name, found.finalized.get(name, 0), to_raise.get(name, "-"))
                for name in sorted(found.finalized.keys() | to_raise.keys())
            ]
            lines.append(console.table(("FEATURE", "FINALIZED", "MAY BE"), features))
    if found.upgrade:
        way = f"closed: {found.closed}" if found.closed else f"open, to {found.upgrade.before}"
        lines += [f"{cluster.name}: {found.upgrade}", f"way back: {way}"]
    lines.append(f"next: {found.next}")
    console.data(_sight_document(cluster, found), "\n".join(lines))


def _said(one: NodeVersion) -> str:
    if one.reason:
        return f"UNKNOWN: {one.reason}"
    if isinstance(one.protocol, Unknown):
        return f"UNKNOWN: {one.protocol.reason}"
    if isinstance(one.knows, Unknown):
        return f"UNKNOWN: {one.knows.reason}"
    if one.knows is not None:
        return f"metadata.version {one.knows.get('metadata.version', (0, 0))[1]}"
    return one.protocol or ""


def _sight_document(cluster: Cluster, found: Sight) -> dict[str, object]:
    upgrade = found.upgrade
    return {
        "schema": "kafab.upgrade-status/1",
        "cluster": cluster.name,
        "upgrade": upgrade
        and {
            "owner": upgrade.owner,
            "before": str(upgrade.before),
            "after": str(upgrade.after),
            "direction": str(upgrade.direction),
            "held_protocol": upgrade.protocol,
        },
        "nodes": [
            {
                "node": one.node.name,
                "runs": one.runs and str(one.runs),
                "starts_as": one.starts and str(one.starts),
                "knows": _plain(one.knows, lambda known: {name: list(each) for name, each in known.items()}),
                "protocol": _plain(one.protocol, str),
                "reason": one.reason or None,
            }
            for one in found.nodes
        ],
        "finalized": _plain(found.finalized, dict),
        "may_be": found.to_raise,
        "left": list(found.left),
        "rollback": {"open": bool(upgrade) and found.closed is None, "why": found.closed},
        "next": found.next,
    }


def _plain(value: "T | Unknown | None", of: Callable[["T"], object]) -> object:
    return None if value is None or isinstance(value, Unknown) else of(value)
