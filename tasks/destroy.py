"""The end of a cluster: destroy."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from invoke.context import Context

from kafab.console import Console
from kafab.errors import UsageError
from kafab.events import Note
from kafab.ops import destroy as operation
from kafab.removal import Removals

from .boundary import task
from .chain import CHAIN
from .cluster import JSON, LIMIT, YES

T = TypeVar("T")


@task(
    help={
        "limit": LIMIT,
        "data": "Also remove data and logs; the value is the cluster's name, typed again.",
        "yes": YES,
        "json": JSON,
    }
)
def destroy(
    _context: Context,
    limit: str | None = None,
    data: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Remove units, releases and configuration that kafab placed, and nothing else.

    The nodes must be stopped. Data and logs stay, unless --data names the cluster; then only data directories whose own
    mark (meta.properties, myid) says that they are these nodes' are removed. Files in the configuration folders that
    kafab did not place stay and are named. It shows what it will remove and asks; a lab never asks.
    """
    session, console = CHAIN.session(), Console(json=json)
    name = session.cluster.name
    if data not in (None, name):
        raise UsageError(f"found --data {data}; expected the name of the cluster that loses its data, {name}")
    agreed = operation.prepare(session.cluster, limit, session, data=bool(data))
    for lines, hosts in _grouped((host, tuple(map(str, agreed.on(host)))) for host in agreed.hosts):
        session.emit(Note(hosts, "\n".join(["will lose:", *lines])))
    if agreed:
        where = f"{len(agreed.hosts)} host{'s' * (len(agreed.hosts) > 1)} of {name}"
        question = f"Remove this from {where}{', data included' * bool(data)}?"
        # Without a terminal the name that was typed is the answer.
        answered = yes or (bool(data) and not sys.stdin.isatty())
        console.confirm(question, yes=answered, lab=session.cluster.lab)
    done = operation.destroy(session.cluster, limit, session, agreed, data=bool(data))
    done.raise_unless_done()
    console.data(_document(done.removals), _text(done.removals))


def _grouped(pairs: Iterable[tuple[str, T]]) -> list[tuple[T, str]]:
    """Say once what is the same on many hosts."""
    groups: dict[T, list[str]] = {}
    for host, value in pairs:
        groups.setdefault(value, []).append(host)
    return [(value, ", ".join(hosts)) for value, hosts in groups.items()]


def _text(found: Removals) -> str:
    left = _grouped((kept.host, str(kept)) for kept in found.kept)
    done = f"destroyed on {', '.join(found.hosts)}" if found else "nothing to do"
    return "\n".join([*(f"{hosts}: left {kept}" for kept, hosts in left), f"{found.cluster}: {done}"])


def _document(found: Removals) -> dict[str, object]:
    return {
        "schema": "kafab.destroy/1",
        "cluster": found.cluster,
        "changed": bool(found),
        "hosts": list(found.hosts),
        "removed": [step.document for step in found.steps],
        "kept": [{"host": kept.host, "path": str(kept.path), "why": kept.why} for kept in found.kept],
    }
