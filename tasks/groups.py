"""Groups of consumers: groups.list, groups.describe, groups.reset, groups.restore, groups.delete."""

from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

if TYPE_CHECKING:
    from pathlib import Path

    from kafab.groups.snapshot import Snapshot
    from kafab.groups.targets import Target

_NAME = "the group's name"
_JSON = "print one JSON document on stdout"
_YES = "do not ask"
_TOPICS = "a topic, or some of its partitions as orders:0,2; may be given again; without it all with committed offsets"


@task(name="list", help={"lag": "show members, lag and its age, too", "json": _JSON})
def list_(_context: Context, lag: bool = False, json: bool = False) -> int:
    """Print all groups with their type, state and coordinator. Exit 5 where a coordinator does not answer."""
    from kafab.ops.groups import changing, seeing
    from kafab.screens import groups as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    name = session.cluster.name
    if lag:
        groups, silent = seeing.describe(session, None, changing.now())
        console.data(screen.document(name, groups, silent), screen.summary(groups))
    else:
        found = seeing.listing(session)
        groups, silent = {}, found.silent
        console.data(screen.listed_document(name, found), screen.listed(found))
    for who, why in silent.items():
        console.warn(f"groups may be missing: {who}: {why}")
    return 5 if silent or seeing.unknown(groups) else 0


@task(positional=["name"], help={"name": _NAME, "json": _JSON})
def describe(_context: Context, name: str, json: bool = False) -> int:
    """Show a group's members and, for each partition, committed offset, ends, and lag in records and in time.

    BEHIND is the age of the first record that the group has not consumed. Exit 5 where something could not be read.
    """
    from kafab.ops.groups import changing, seeing
    from kafab.screens import groups as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    found, silent = seeing.describe(session, name, changing.now())
    console.data(screen.document(session.cluster.name, found, silent), screen.texts(found))
    return 5 if seeing.unknown(found) else 0


@task(
    positional=["name"],
    iterable=["topics"],
    help={
        "name": _NAME,
        "to": "earliest, latest, an offset (1200), a shift (--to=-50, --to=+50), a time (2026-11-26T10:00:00Z) or snapshot:FILE",
        "topics": _TOPICS,
        "new": "make the group if there is none of that name; needs --topics",
        "yes": _YES,
        "json": _JSON,
    },
)
def reset(
    _context: Context,
    name: str,
    *,
    to: str = "",
    topics: list[str] | None = None,
    new: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Set a group's committed offsets, after a plan of what is read again and what is skipped.

    Saves the offsets as they are in a file first, and reads back at the end. A group with members is refused. Asks on a terminal and needs --yes without one;
    a lab never asks.
    """
    from kafab.groups import targets

    _reset("groups.reset", name, targets.target(to), topics or [], new=new, yes=yes, json=json)


@task(
    positional=["file"],
    help={"file": "a snapshot that groups.reset or groups.delete has saved", "yes": _YES, "json": _JSON},
)
def restore(_context: Context, file: str, yes: bool = False, json: bool = False) -> None:
    """Set a group's committed offsets back to those of a snapshot; otherwise as groups.reset."""
    from pathlib import Path

    from kafab.groups import snapshot, targets

    path = Path(file).expanduser()
    _reset("groups.restore", snapshot.read(path).group, targets.Saved(path), [], new=True, yes=yes, json=json)


@task(positional=["name"], help={"name": _NAME, "yes": _YES, "json": _JSON})
def delete(_context: Context, name: str, yes: bool = False, json: bool = False) -> None:
    """Delete a group without members, with its offsets, which are saved in a file first.

    Asks on a terminal and needs --yes without one; a lab never asks.
    """
    from kafab.ops.groups import changing
    from kafab.ops.history import remembered
    from kafab.screens import groups as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    found = changing.deletable(session, name)
    question = (
        f"Delete group {name} of {session.cluster.name}, with its offsets of {len(found.before)} partitions?"
    )
    console.confirm(question, yes=yes, lab=session.cluster.lab)
    saved = _save(found.snapshot(session.cluster.name, changing.now()))
    with remembered(session.cluster, session, "groups.delete"):
        changing.delete(session, found)
    console.data(screen.deleted(name, saved), f"Deleted group {name}; its offsets are saved in {saved}")


def _reset(
    command: str, name: str, target: "Target", topics: list[str], *, new: bool, yes: bool, json: bool
) -> None:
    from kafab.ops.groups import changing
    from kafab.ops.history import remembered
    from kafab.screens import groups as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    planned = changing.plan(session, name, target, topics, new=new)
    if not planned.changes:
        console.data(
            screen.reset_document("unchanged", planned, None), f"{screen.plan(planned)}\nnothing to do"
        )
        return
    console.lines(screen.plan(planned) + "\n", errors=json)
    console.confirm(f"Reset group {name} of {session.cluster.name} so?", yes=yes, lab=session.cluster.lab)
    saved = None if planned.makes else _save(planned.snapshot(session.cluster.name, changing.now()))
    with remembered(session.cluster, session, command) as run:
        changing.apply(session, planned)
        run.figures["partitions"] = len(planned.changes)
    console.data(screen.reset_document("reset", planned, saved), screen.done(planned, saved))


def _save(taken: "Snapshot") -> "Path":
    import os

    from kafab.folders import state_folder
    from kafab.ops.groups import changing

    return changing.save(state_folder(os.environ) / "groups" / taken.cluster, taken)
