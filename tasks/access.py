"""Users, ACLs, quotas and topics as code: access.plan, access.apply, access.export and access.drift."""

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .cluster import JSON, YES

if TYPE_CHECKING:
    from kafab.ops.access.applying import Asked
    from kafab.screens.console import Console

_FILE = "the file that says what there is to be, in place of the inventory's access:"
_PRUNE = "also remove what former applies have set, or what is of a thing that the file names, and is not in the file"
_DELETE_TOPIC = "with --prune: a topic that may be deleted with its records; may be given again"
_SET_PASSWORDS = "set every password that the file names, also where it is right or cannot be tried"


@task(
    iterable=["delete_topic"],
    help={
        "file": _FILE,
        "prune": _PRUNE,
        "delete_topic": _DELETE_TOPIC,
        "set_passwords": _SET_PASSWORDS,
        "detailed_exitcode": "exit with 10 when something differs",
        "json": JSON,
    },
)
def plan(
    _context: Context,
    file: str | None = None,
    *,
    prune: bool = False,
    delete_topic: list[str] | None = None,
    set_passwords: bool = False,
    detailed_exitcode: bool = False,
    json: bool = False,
) -> int:
    """Show what access.apply would change of users, ACLs, quotas and topics. Changes nothing.

    Passwords are tried by logging in, where a listener has SASL; none is shown.
    """
    from kafab.ops.access.applying import make_plan
    from kafab.screens import access as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    asked, path = _asked(console, file, prune=prune, typed=delete_topic, set_passwords=set_passwords)
    found, _ = make_plan(session.cluster, asked, session)
    document = screen.document(session.cluster, found, path, schema="kafab.access-plan/1")
    console.data(document, screen.text(session.cluster, found, path))
    for warning in screen.warnings(found):
        console.warn(warning)
    return 10 if detailed_exitcode and found.differs else 0


@task(
    iterable=["delete_topic"],
    help={
        "file": _FILE,
        "prune": _PRUNE,
        "delete_topic": _DELETE_TOPIC,
        "set_passwords": _SET_PASSWORDS,
        "yes": YES,
        "json": JSON,
    },
)
def apply(
    _context: Context,
    file: str | None = None,
    *,
    prune: bool = False,
    delete_topic: list[str] | None = None,
    set_passwords: bool = False,
    yes: bool = False,
    json: bool = False,
) -> int:
    """Make users, ACLs, quotas and topics what the file says; nobody is without access in between.

    Adds before it removes, and removes only with --prune. Exit 3 where a difference is left that it does not settle. Asks on a
    terminal and needs --yes without one; a lab never asks.
    """
    from kafab.ops.access import applying
    from kafab.screens import access as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    asked, path = _asked(console, file, prune=prune, typed=delete_topic, set_passwords=set_passwords)
    found, sight = applying.make_plan(cluster, asked, session)
    for warning in screen.warnings(found):
        console.warn(warning)
    if found.steps:
        console.lines(screen.text(cluster, found, path) + "\n", errors=True)
        counts = found.counts
        removed = f", and remove {counts['remove']}" if counts["remove"] else ""
        question = f"Add {counts['add']} and change {counts['change']}{removed} in {cluster.name}?"
        console.confirm(question, yes=yes, lab=cluster.lab)
    applying.apply(cluster, asked, found, sight, session)
    document = screen.document(cluster, found, path, schema="kafab.access-applied/1")
    done = f"{cluster.name}: {len(found.steps)} of {len(found.steps)} steps done"
    console.data(document, done if found.steps else screen.text(cluster, found, path))
    return 3 if found.refused else 0


@task(help={"file": _FILE, "json": JSON})
def drift(_context: Context, file: str | None = None, json: bool = False) -> int:
    """Tell where the cluster is not as the file says: exit 10 where it is not.

    What former applies have set and is not in the file any more is a difference, too. Exit 5 where a password could not be tried although a listener has SASL.
    """
    from kafab.ops.access.applying import make_plan
    from kafab.screens import access as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    asked, path = _asked(console, file)
    found, _ = make_plan(session.cluster, asked, session)
    document = screen.document(
        session.cluster, found, path, schema="kafab.access-drift/1", differs=found.differs
    )
    console.data(document, screen.text(session.cluster, found, path))
    for warning in screen.warnings(found):
        console.warn(warning)
    if found.differs:
        return 10
    return 5 if found.unchecked and session.logins.missing() is None else 0


@task(help={"json": JSON})
def export(_context: Context, json: bool = False) -> None:
    """Print the users, ACLs, quotas and topics of the cluster as the file that asks for them; its plan is empty.

    Kafka tells no password: users stand there without one, and stay as they are.
    """
    from kafab.access import writing
    from kafab.ops.access.seeing import see
    from kafab.screens import access as screen

    session, console = CHAIN.session(), CHAIN.console(json=json)
    have = see(session.cluster, None, session).have
    yaml, left = writing.export(have)
    for each in left:
        console.warn(f"left out, as no file can say it: {each}")
    console.data(screen.exported(session.cluster, have, yaml), yaml)


def _asked(
    console: "Console",
    file: str | None,
    *,
    prune: bool = False,
    typed: list[str] | None = None,
    set_passwords: bool = False,
) -> "tuple[Asked, Path]":
    """Return what the file asks for, and which file it is. Raises UsageError."""
    from kafab.access import reading
    from kafab.errors import UsageError
    from kafab.ops.access.applying import Asked

    if typed and not prune:
        raise UsageError("--delete-topic deletes nothing without --prune", hint="give both")
    cluster = CHAIN.session().cluster
    given = Path(file).expanduser() if file is not None else None
    if cluster.source is None and given is None:
        raise UsageError("this cluster has no inventory file", hint="--file names a file")
    want, path, warnings = reading.load(
        cluster.source or Path(), cluster.version, given.absolute() if given else None
    )
    for warning in warnings:
        console.warn(str(warning))
    return Asked(want, prune, tuple(typed or ()), set_passwords), path
