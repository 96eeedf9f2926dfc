"""The life of a cluster: on, plan, deploy, start, stop, status, logs."""

from contextlib import suppress
from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

if TYPE_CHECKING:
    from kafab.model import Cluster

LIMIT = "Only these hosts and nodes, comma-separated: node1,node2/broker."
JSON = "Print one JSON document."
YES = "Go ahead without asking."
UNSAFE = "Stop even what the rest of the cluster needs."
NEW_ENSEMBLE = "Let ZooKeeper servers that lost their data begin with nothing; the value is the cluster's name, typed again."
PREVIOUS = "Put back what ran before, in the place of what the inventory asks for; see docs/rolling.md."
OLDER = "With --previous: what ran before that."
ACCEPT_EMPTY = (
    "Nodes whose disks are really new, comma-separated: their folders may lack the data that they have held."
)


@task(
    positional=["name"],
    help={
        "name": "An inventory's name or the path of its file.",
        "accept_new_host_keys": "Trust hosts that no known_hosts file knows yet, and write their keys down.",
        "allow_unknown_properties": "Take properties that no Kafka knows, for a plug-in that reads them.",
    },
)
def on(
    _context: Context,
    name: str,
    accept_new_host_keys: bool = False,
    allow_unknown_properties: bool = False,
) -> None:
    """Select the cluster for the rest of the command line: fab on prod deploy start."""
    CHAIN.select(
        name,
        accept_new_host_keys=accept_new_host_keys,
        allow_unknown_properties=allow_unknown_properties,
    )


@task(
    help={
        "limit": LIMIT,
        "json": JSON,
        "detailed_exitcode": "Exit with 10 when changes are pending.",
        "new_ensemble": NEW_ENSEMBLE,
        "accept_empty": ACCEPT_EMPTY,
        "previous": PREVIOUS,
        "older": OLDER,
    }
)
def plan(
    _context: Context,
    limit: str | None = None,
    json: bool = False,
    detailed_exitcode: bool = False,
    new_ensemble: str | None = None,
    accept_empty: str | None = None,
    *,
    previous: bool = False,
    older: bool = False,
) -> int:
    """Show what deploy would change: files as a diff, secrets masked. Changes nothing."""
    from kafab.ops.deploy.deploy import make_plan
    from kafab.screens.cluster import show_plan

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    anew, accepted = _anew(cluster, new_ensemble), _accepted(cluster, accept_empty)
    if _previous(previous, older, anew or accepted):
        from kafab.ops.deploy.previous import make_previous

        found = make_previous(cluster, limit, session, older=older).plan
    else:
        _, found = make_plan(cluster, limit, session, anew=anew, accepted=accepted)
    show_plan(console, cluster, found)
    return 10 if found and detailed_exitcode else 0


@task(
    recorded=True,
    help={
        "limit": LIMIT,
        "json": JSON,
        "skip_preflight": "Deploy also where preflight says that it will fail.",
        "new_ensemble": NEW_ENSEMBLE,
        "accept_empty": ACCEPT_EMPTY,
        "previous": PREVIOUS,
        "older": OLDER,
    },
)
def deploy(
    _context: Context,
    limit: str | None = None,
    json: bool = False,
    skip_preflight: bool = False,
    new_ensemble: str | None = None,
    accept_empty: str | None = None,
    *,
    previous: bool = False,
    older: bool = False,
) -> None:
    """Put release and configuration on the hosts. Starts and restarts nothing.

    With --previous it puts back what ran before, from what each host has kept; `restart --pending` rolls to it.
    """
    from kafab.ops.deploy.deploy import deploy as run
    from kafab.screens.cluster import show_deployed

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    anew, accepted = _anew(cluster, new_ensemble), _accepted(cluster, accept_empty)
    if _previous(previous, older, anew or accepted or skip_preflight):
        from kafab.ops.deploy.previous import deploy_previous

        show_deployed(console, deploy_previous(cluster, limit, session, older=older).deployed.plan)
        return
    done = run(cluster, limit, session, check=not skip_preflight, anew=anew, accepted=accepted)
    done.raise_unless_done()
    show_deployed(console, done.plan)


@task(
    recorded=True,
    help={"limit": LIMIT, "json": JSON, "new_ensemble": NEW_ENSEMBLE, "accept_empty": ACCEPT_EMPTY},
)
def start(
    _context: Context,
    limit: str | None = None,
    json: bool = False,
    new_ensemble: str | None = None,
    accept_empty: str | None = None,
) -> None:
    """Start what does not run: ZooKeeper or controllers, then brokers; and prove that they serve."""
    from kafab.ops.run import lifecycle
    from kafab.screens.cluster import show_changed

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    anew, accepted = _anew(cluster, new_ensemble), _accepted(cluster, accept_empty)
    started = lifecycle.start(cluster, limit, session, anew=anew, accepted=accepted)
    show_changed(console, "started", session.cluster, started, nothing="everything runs already")


@task(help={"limit": LIMIT, "json": JSON, "yes": YES, "unsafe": UNSAFE})
def stop(
    _context: Context, limit: str | None = None, json: bool = False, yes: bool = False, unsafe: bool = False
) -> None:
    """Stop the cluster, or some nodes that the rest can spare: brokers first, then ZooKeeper or controllers."""
    from kafab.ops.run import lifecycle
    from kafab.screens.cluster import show_changed

    session, console = CHAIN.session(), CHAIN.console(json=json)
    console.confirm(f"Stop {limit or 'all'} of {session.cluster.name}?", yes=yes, lab=session.cluster.lab)
    stopped = lifecycle.stop(session.cluster, limit, session, unsafe=unsafe)
    show_changed(console, "stopped", session.cluster, stopped, nothing="nothing was running")


@task(help={"limit": LIMIT, "json": JSON})
def status(_context: Context, limit: str | None = None, json: bool = False) -> int:
    """Show every node on one screen: state, release, configuration, what it leads."""
    from datetime import datetime, timezone

    from kafab.checks.certificates import next_expiry
    from kafab.ops.check.certificates import expiries
    from kafab.ops.check.status import exit_code, unfinished_roll
    from kafab.ops.check.status import status as run
    from kafab.screens.cluster import show_status

    session, console = CHAIN.session(), CHAIN.console(json=json)
    lines = run(session.cluster, limit, session)
    running = [line.node for line in lines if line.state == "running"]
    expiry = next_expiry(expiries(running, session), datetime.now(timezone.utc))
    show_status(console, session.cluster, lines, unfinished_roll(session.cluster, session), expiry)
    return exit_code(lines)


@task(
    positional=["node"],
    help={
        "node": "A node's name: node1/broker.",
        "lines": "How many of the last lines to show.",
        "follow": "Go on until Ctrl-C.",
    },
)
def logs(_context: Context, node: str, lines: str = "50", follow: bool = False) -> None:
    """Show a node's log."""
    from kafab.ops.hosts import logs as run

    session, console = CHAIN.session(), CHAIN.console()
    found, wanted = run.node_named(session.cluster, node), run.line_count(lines)
    if follow:
        with suppress(KeyboardInterrupt):  # which is how one stops to look
            console.stream(run.follow(found, wanted, session.fleet))
    else:
        run.last_lines(found, wanted, session.fleet, console.piecewise())


def _previous(previous: bool, older: bool, others: object) -> bool:
    """Tell whether what ran before was asked for. Raises UsageError for flags that do not go together."""
    from kafab.errors import UsageError

    if older and not previous:
        raise UsageError("found --older alone; expected it with --previous")
    if previous and others:
        raise UsageError(
            "found --previous with --new-ensemble, --accept-empty or --skip-preflight; expected it without: "
            "what ran before is put back over the data that are there"
        )
    return previous


def _anew(cluster: "Cluster", name: str | None) -> bool:
    """Tell whether an empty ensemble was asked for. Raises UsageError for another name, and where there is none."""
    from kafab.errors import UsageError

    if name is None:
        return False
    if cluster.kraft:
        raise UsageError(
            f"{cluster.name} has no ZooKeeper; a quorum of controllers never begins anew over data of brokers",
            hint="for a new cluster move all data away",
        )
    if name != cluster.name:
        raise UsageError(
            f"found --new-ensemble {name}; expected the name of the cluster whose metadata begins anew, {cluster.name}"
        )
    return True


def _accepted(cluster: "Cluster", names: str | None) -> frozenset[str]:
    """Return the nodes whose folders may be empty. Raises UsageError for what names no node; a host is not enough."""
    from kafab.errors import UsageError

    words = [word.strip() for word in (names or "").split(",") if word.strip()]
    known = [node.name for node in cluster.nodes]
    strangers = [word for word in words if word not in known]
    if strangers or (names is not None and not words):
        raise UsageError(
            f"--accept-empty {names}: no such node in {cluster.name}: {', '.join(strangers) or '(nothing named)'}",
            hint=f"known are: {', '.join(known[:40])}",
        )
    return frozenset(words)
