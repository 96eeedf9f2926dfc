"""What may stop, and what a stop would cost: can-stop; node after node anew: restart."""

from typing import TYPE_CHECKING

from invoke.context import Context

from . import options
from .boundary import task
from .chain import CHAIN
from .cluster import JSON, LIMIT, UNSAFE, YES
from .reporting import REPORT_TO, reported

if TYPE_CHECKING:
    from kafab.ops.run.goal import Asked


@task(
    positional=["nodes"],
    help={
        "nodes": "Nodes that would stop together, comma-separated: node1/broker, or a host for all of its nodes.",
        "json": JSON,
    },
)
def can_stop(_context: Context, nodes: str, json: bool = False) -> int:
    """Tell whether the rest can spare these nodes: exit 0, or 3 with everything that speaks against it."""
    from kafab.ops.run.guards import can_stop as run
    from kafab.plans.state import limited
    from kafab.screens.rolling import show_can_stop

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    stopping = limited(cluster, nodes, "can-stop")
    verdict = run(cluster, stopping, session)
    show_can_stop(console, cluster, stopping, verdict)
    return 0 if verdict.refusal is None else 3


@task(
    recorded=True,
    help={
        "limit": LIMIT,
        "pending": "Only nodes that run from another configuration or release than the inventory asks for.",
        "width": "How many brokers may be down together, or `rack` for all brokers of a rack; 1 unless it is given.",
        "isr_margin": "So many in-sync replicas more than min.insync.replicas stay; 0 unless it is given.",
        "accept_unavailable": "Topics that may be unavailable meanwhile, comma-separated: those without a replica to spare.",
        "pause_limit": "How long to wait where nothing gets better, such as 90s or 10m; 5m unless it is given.",
        "gap_budget": "The longest time without an acknowledgement to the canary at which the roll goes on; 5s unless it is given.",
        "leaders": "When restarted brokers lead again what they led: each (after each node), end, never; end unless it is given.",
        "no_canary": "No canary: what clients meet during the roll is then unproven.",
        "at_once": "Stop everything, then start it: this interrupts service.",
        "unsafe": f"With --at-once: {UNSAFE[0].lower()}{UNSAFE[1:]}",
        "report": f"{REPORT_TO[0].upper()}{REPORT_TO[1:]}.",
        "forget": "Give up a roll that is not finished: its nodes stay as they are.",
        "yes": YES,
        "json": JSON,
    },
)
def restart(
    _context: Context,
    limit: str | None = None,
    pending: bool = False,
    *,
    width: str | None = None,
    isr_margin: str | None = None,
    accept_unavailable: str | None = None,
    pause_limit: str | None = None,
    gap_budget: str | None = None,
    leaders: str | None = None,
    no_canary: bool = False,
    at_once: bool = False,
    unsafe: bool = False,
    forget: bool = False,
    report: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> int:
    """Restart node after node while the cluster goes on serving; the same command goes on where one was interrupted.

    Nothing is stopped that the cluster cannot spare: what blocks is named and waited for. Before it asks it shows the order and
    what will move. See docs/rolling.md.
    """
    from kafab.errors import UsageError

    if at_once or forget:
        given = {
            "pending": pending,
            "width": width,
            "isr-margin": isr_margin,
            "accept-unavailable": accept_unavailable,
            "pause-limit": pause_limit,
            "gap-budget": gap_budget,
            "leaders": leaders,
            "no-canary": no_canary,
            "report": report,
        }
        if found := [f"--{flag}" for flag, value in given.items() if value] + ["--forget"] * (
            at_once and forget
        ):
            raise UsageError(f"{', '.join(found)} goes with neither --at-once nor --forget")
        return _restart_at_once(limit, unsafe, yes, json) if at_once else _forget(json)
    if unsafe:
        raise UsageError(
            "--unsafe goes with --at-once only",
            hint="`--accept-unavailable TOPIC` names what may be unavailable",
        )
    wanted = asked(
        limit=limit,
        pending=pending,
        width=width,
        margin=isr_margin,
        unavailable=accept_unavailable,
        pause_limit=pause_limit,
        gap_budget=gap_budget,
        leaders=leaders,
        canary=not no_canary,
    )
    return _roll(wanted, report, yes, json)


def asked(
    *,
    limit: str | None,
    pending: bool,
    width: str | None,
    margin: str | None,
    unavailable: str | None,
    pause_limit: str | None,
    gap_budget: str | None,
    leaders: str | None,
    canary: bool,
) -> "Asked":
    """Return what the flags of a roll ask for. Raises UsageError for a value that cannot be."""
    from kafab.canary.verdict import GAP_BUDGET
    from kafab.ops.run.goal import PAUSE_LIMIT, Asked, Leaders
    from kafab.rolling.safety import Spared

    return Asked(
        limit,
        pending=pending,
        width=options.count("width", None if width == "rack" else width, 1, 1),
        rack=width == "rack",
        spared=Spared(options.count("isr-margin", margin, 0, 0), frozenset(options.names(unavailable))),
        pause_limit=options.span("pause-limit", pause_limit, PAUSE_LIMIT),
        leaders=options.choice("leaders", Leaders, leaders) or Leaders.END,
        canary=canary,
        gap_budget=options.span("gap-budget", gap_budget, GAP_BUDGET),
    )


def _roll(wanted: "Asked", report: str | None, yes: bool, json: bool) -> int:
    from kafab.ops.rolling.roll import roll
    from kafab.ops.run.goal import prepare
    from kafab.screens.rolling import exit_code, show_forecast, show_rolled

    session, console = CHAIN.session(), CHAIN.console(json=json)
    cluster = session.cluster
    with reported(report, "restart", session) as draft:
        prepared = prepare(cluster, wanted, session)
        if prepared.goal.replaced or prepared.begun:
            show_forecast(console, cluster, prepared)
            if prepared.goal.replaced:
                console.confirm(f"Restart these nodes of {cluster.name}?", yes=yes, lab=cluster.lab)
            roll(cluster, wanted, prepared, session, rolled=draft.rolled)
        show_rolled(console, cluster, draft.rolled)
        draft.exit_code = exit_code(draft.rolled)
    return draft.exit_code


def _restart_at_once(limit: str | None, unsafe: bool, yes: bool, json: bool) -> int:
    from kafab.ops.run import lifecycle
    from kafab.screens.cluster import show_changed

    session, console = CHAIN.session(), CHAIN.console(json=json)
    what = limit or "the whole cluster"
    console.warn(f"--at-once stops {what} and then starts it: meanwhile it does not serve")
    question = f"Interrupt the service of {limit or 'all'} of {session.cluster.name}?"
    console.confirm(question, yes=yes, lab=session.cluster.lab)
    started = lifecycle.restart(session.cluster, limit, session, unsafe=unsafe)
    show_changed(console, "restarted", session.cluster, started, nothing="nothing was started")
    return 0


def _forget(json: bool) -> int:
    from kafab.ops.rolling.roll import give_up
    from kafab.screens.rolling import show_forgotten

    session, console = CHAIN.session(), CHAIN.console(json=json)
    show_forgotten(console, session.cluster, give_up(session.cluster, session))
    return 0
