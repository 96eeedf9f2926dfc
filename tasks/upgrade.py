"""Another version of Kafka, while the cluster serves: upgrade, upgrade.plan, upgrade.status, upgrade.rollback, upgrade.finalize."""

from typing import TYPE_CHECKING

from invoke.context import Context

from . import options
from .boundary import task
from .chain import CHAIN
from .cluster import JSON, LIMIT, YES
from .reporting import REPORT_TO, reported
from .rolling import asked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from kafab.inventory.rewriting import Edit
    from kafab.model import Cluster, Version
    from kafab.ops.run.goal import Asked, Pause
    from kafab.ops.upgrade.going import Staged
    from kafab.upgrading.record import Upgrade
    from kafab.wiring import Session

_TO = "the version to upgrade to; the inventory's unless it is given"
_WRITE = "write the version that runs then into the inventory; comments and order stay"
_OF_THE_ROLL = {
    "width": "how many brokers may be down together, or `rack` for all brokers of a rack; 1 unless it is given",
    "isr_margin": "so many in-sync replicas more than min.insync.replicas stay; 0 unless it is given",
    "accept_unavailable": "topics that may be unavailable meanwhile, comma-separated: those without a replica to spare",
    "pause_limit": "how long to wait where nothing gets better, such as 90s or 10m; 5m unless it is given",
    "gap_budget": "the longest time without an acknowledgement to the canary at which the roll goes on; 5s unless it is given",
    "no_canary": "no canary: what clients meet during the roll is then unproven",
}


@task(
    default=True,
    help={
        "to": _TO,
        "limit": LIMIT,
        "pause_after": "end for now after the `first` broker, after so many, or after the `rack` of the first one",
        "soak": "how long the first broker is on trial before the next one stops, such as 10m; 1m unless it is given, in a lab none",
        **_OF_THE_ROLL,
        "write": _WRITE,
        "report": REPORT_TO,
        "yes": YES,
        "json": JSON,
    },
)
def go(
    _context: Context,
    to: str | None = None,
    limit: str | None = None,
    *,
    pause_after: str | None = None,
    soak: str | None = None,
    width: str | None = None,
    isr_margin: str | None = None,
    accept_unavailable: str | None = None,
    pause_limit: str | None = None,
    gap_budget: str | None = None,
    no_canary: bool = False,
    write: bool = False,
    report: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> int:
    """Upgrade node after node while the cluster goes on serving; the way back stays open until upgrade.finalize.

    The release is staged on every host first. Then each node is stopped, switched and started, as with `restart`: ZooKeeper
    servers or controllers, then brokers. The same command goes on where one was interrupted. See docs/upgrade.md.
    """
    from dataclasses import replace

    from kafab.ops.upgrade.going import guard_mode, prepare_up
    from kafab.screens.upgrade import show_nothing

    session, console = CHAIN.session(), CHAIN.console(json=json)
    flags = (width, isr_margin, accept_unavailable, pause_limit, gap_budget)
    wanted = _asked(limit, flags, canary=not no_canary)
    wanted = replace(wanted, pause_after=_pause(pause_after), soak=_soak(soak, lab=session.cluster.lab))
    version = options.kafka_version(to, "to") or session.cluster.version
    guard_mode(session.cluster, version)
    target = CHAIN.at(version)
    staged = prepare_up(session.cluster, target, wanted, session)
    if staged is None:
        with reported(report, "upgrade", session) as draft:
            draft.cluster, draft.versions = target, (str(version),)
            show_nothing(console, target, f"every node runs {version} already; nothing is under way")
        return 0
    question = f"Upgrade {target.name} to {version}?"
    return _go(session, staged, wanted, question, write=write, report=report, yes=yes, json=json)


@task(help={"to": _TO, "limit": LIMIT, "json": JSON})
def plan(_context: Context, to: str | None = None, limit: str | None = None, *, json: bool = False) -> int:
    """Show what an upgrade would do: what changes, in which order, how far the way back leads. Changes nothing.

    Exit 3 where there is no such way, or where a host is not ready for it.
    """
    from kafab.ops.run.goal import Asked
    from kafab.ops.upgrade.going import guard_mode, prepare_up
    from kafab.screens.upgrade import show_nothing, show_staged

    session, console = CHAIN.session(), CHAIN.console(json=json)
    version = options.kafka_version(to, "to") or session.cluster.version
    guard_mode(session.cluster, version)
    staged = prepare_up(session.cluster, CHAIN.at(version), Asked(limit, pending=True), session)
    if staged is None:
        show_nothing(console, session.cluster, f"every node runs {version} already; nothing is under way")
    else:
        show_staged(console, staged)
    return 0


@task(help={"json": JSON})
def status(_context: Context, *, json: bool = False) -> int:
    """Show each node's version, what is finalized, whether the way back is open and why, and what comes next."""
    from kafab.ops.upgrade.looking import sight
    from kafab.screens.upgrade import show_sight

    session, console = CHAIN.session(), CHAIN.console(json=json)
    show_sight(console, session.cluster, sight(session.cluster, session))
    return 0


@task(
    help={
        "limit": LIMIT,
        **_OF_THE_ROLL,
        "write": _WRITE,
        "report": REPORT_TO,
        "yes": YES,
        "json": JSON,
    }
)
def rollback(
    _context: Context,
    limit: str | None = None,
    *,
    width: str | None = None,
    isr_margin: str | None = None,
    accept_unavailable: str | None = None,
    pause_limit: str | None = None,
    gap_budget: str | None = None,
    no_canary: bool = False,
    write: bool = False,
    report: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> int:
    """Go back to the version before, node after node, while the cluster goes on serving.

    Exit 3 with the reason where the way back is closed: the cluster uses by then what the old version does not know.
    """
    from kafab.errors import Unsafe
    from kafab.ops.upgrade.going import prepare_back

    session = CHAIN.session()
    flags = (width, isr_margin, accept_unavailable, pause_limit, gap_budget)
    wanted = _asked(limit, flags, canary=not no_canary)
    begun = _begun(session)
    if begun is None:
        raise Unsafe(
            "no upgrade is under way: it was finalized, taken back already, or never begun",
            hint="`fab upgrade.status` shows each node's version",
        )
    staged = prepare_back(CHAIN.at(begun.before), begun, wanted, session)
    question = f"Take {session.cluster.name} back to {begun.before}?"
    return _go(session, staged, wanted, question, write=write, report=report, yes=yes, json=json)


@task(
    help={
        "confirm": "the cluster's name, typed: there is no way back from here; a lab needs none",
        "quorum": "`dynamic` makes a static quorum of controllers dynamic, for good; it is left as it is unless this is given",
        **_OF_THE_ROLL,
        "json": JSON,
        "report": REPORT_TO,
    }
)
def finalize(
    _context: Context,
    confirm: str | None = None,
    *,
    quorum: str | None = None,
    width: str | None = None,
    isr_margin: str | None = None,
    accept_unavailable: str | None = None,
    pause_limit: str | None = None,
    gap_budget: str | None = None,
    no_canary: bool = False,
    json: bool = False,
    report: str | None = None,
) -> int:
    """End an upgrade: have the cluster use what only the new version knows. From here on there is no way back."""
    from kafab.errors import UsageError
    from kafab.ops.upgrade.finalizing import finalize as run
    from kafab.ops.upgrade.finalizing import prepare_final, prepare_quorum
    from kafab.screens.upgrade import show_finalized, show_nothing, tell_finalizing

    session, console = CHAIN.session(), CHAIN.console(json=json)
    name = session.cluster.name
    flags = (width, isr_margin, accept_unavailable, pause_limit, gap_budget)
    wanted = _asked(None, flags, canary=not no_canary)
    if confirm not in (None, name):
        raise UsageError(f"found --confirm {confirm}; expected the name of the cluster, {name}")
    if quorum not in (None, "dynamic"):
        raise UsageError(f"found --quorum {quorum}; expected dynamic: no quorum becomes static again")
    begun = _begun(session)
    if begun is None and not quorum:
        show_nothing(console, session.cluster, "no upgrade is under way")
        return 0
    target = CHAIN.at(begun.after) if begun else session.cluster
    found = (
        prepare_final(target, begun, wanted, session, dynamic=bool(quorum))
        if begun
        else prepare_quorum(target, session)
    )
    if not begun and not found.levels:
        show_nothing(console, session.cluster, "no upgrade is under way, and the quorum is dynamic already")
        return 0
    tell_finalizing(console, found)
    if confirm is None and not session.cluster.lab:
        raise UsageError(
            "nothing was changed; what is shown above cannot be undone", hint=f"--confirm {name} does it"
        )
    edit = _edit(session.cluster, begun.after) if begun else None
    with reported(report, "finalize", session) as draft:
        draft.cluster = target
        draft.raised = {name: (found.before.get(name, 0), level) for name, level in found.levels.items()}
        run(found, wanted, session, rolled=draft.rolled)
        draft.exit_code = show_finalized(console, target, found, draft.rolled, edit)
    return draft.exit_code


def _asked(limit: str | None, flags: "Sequence[str | None]", *, canary: bool) -> "Asked":
    """Return what is asked of the roll of an upgrade; ``flags`` are those of `_OF_THE_ROLL` with a value, in that order."""
    width, margin, unavailable, pause_limit, gap_budget = flags
    return asked(
        limit=limit,
        pending=True,
        width=width,
        margin=margin,
        unavailable=unavailable,
        pause_limit=pause_limit,
        gap_budget=gap_budget,
        leaders=None,
        canary=canary,
    )


def _begun(session: "Session") -> "Upgrade | None":
    from kafab.ops import upgrades

    return upgrades.read(session.cluster, session)


def _go(
    session: "Session",
    staged: "Staged",
    wanted: "Asked",
    question: str,
    *,
    write: bool,
    report: str | None,
    yes: bool,
    json: bool,
) -> int:
    from kafab.ops.upgrade.going import go as run
    from kafab.screens.upgrade import show_upgraded, tell_staged
    from kafab.upgrading.record import Direction

    console, upgrade = CHAIN.console(json=json), staged.upgrade
    with reported(report, "upgrade", session) as draft:
        draft.cluster = staged.target
        draft.versions = (str(upgrade.before), str(upgrade.after))
        if upgrade.direction is Direction.BACK:
            draft.versions = draft.versions[::-1]
        tell_staged(console, staged)
        console.confirm(question, yes=yes, lab=session.cluster.lab)
        draft.upgraded = done = run(staged, wanted, session, rolled=draft.rolled)
        edit = _edit(session.cluster, upgrade.target)
        if edit and write and session.cluster.source and not done.left:
            from kafab.events import Note
            from kafab.ops.author.rewriting import rewrite

            rewrite(session.cluster.source, edit)
            told = f"line {edit.number} of {session.cluster.source}: {edit.after.strip()}"
            session.emit(Note(session.cluster.name, told))
            edit = None
        draft.exit_code = show_upgraded(console, staged.target, done, edit if not done.left else None)
    return draft.exit_code


def _edit(cluster: "Cluster", version: "Version") -> "Edit | None":
    from kafab.inventory.rewriting import version_edit

    return version_edit(cluster.source, version) if cluster.source else None


def _pause(text: str | None) -> "Pause | None":
    from kafab.ops.run.goal import Pause

    if text is None:
        return None
    if text == "rack":
        return Pause(rack=True)
    return Pause(1 if text == "first" else options.count("pause-after", text, 1, 1))


def _soak(text: str | None, *, lab: bool) -> "timedelta":
    from datetime import timedelta

    return options.span("soak", text, timedelta(minutes=0 if lab else 1))
