"""Plans, outcomes and status as text and as documents; `console` decides which of the two is shown."""

import re
from collections.abc import Sequence
from datetime import timedelta

from kafab.model import Cluster
from kafab.ops.check.status import NodeStatus
from kafab.plans.in_force import ONLINE
from kafab.plans.plan import Plan
from kafab.plans.steps import WriteFile
from kafab.plans.updates import updates
from kafab.screens.console import Console
from kafab.words import few

DIGEST_SHOWN = 12


def show_plan(console: Console, cluster: Cluster, plan: Plan) -> None:
    """Write a plan: its steps by stage, files as a diff, which properties need a restart, one summary line, the digest."""
    lines, changed = [], updates(cluster, plan)
    for stage in plan.stages:
        lines.append(console.paint(stage.name, "bold"))
        for step in stage.steps:
            lines.append(f"  {step.subject}: {step}")
            if isinstance(step, WriteFile) and step.diff:
                lines += [f"    {line}" for line in console.diff(step.diff).splitlines()]
    lines += [f"{update.node}: {update.text}" for update in changed]
    lines += _left(plan)
    lines.append(f"{plan.summary} (plan {plan.digest[:DIGEST_SHOWN]})")
    told = [
        {"node": one.node, "property": one.name, "update_mode": one.mode, "restart": one.restart}
        for one in changed
    ]
    document = plan.document | {"properties": told, "summary": plan.summary, "digest": plan.digest}
    console.data(document, "\n".join(lines))


def show_deployed(console: Console, plan: Plan) -> None:
    """Write what a deploy has done, and what it left running with an older configuration."""
    hosts = sorted({step.host for step in plan.steps})
    summary = f"deployed to {', '.join(hosts)}" if plan else plan.summary
    document = plan.document | {"schema": "kafab.deploy/1", "changed": bool(plan), "hosts": hosts}
    console.data(document, "\n".join([summary, *_left(plan)]))


def _left(plan: Plan) -> list[str]:
    """Return what a deploy does not change: processes, and what others have added to a unit."""
    names = ", ".join(plan.restart_pending)
    pending = [f"restart pending, `fab restart --pending`: {names}"] if names else []
    return [*pending, *(f"in effect, and not kafab's: {place}" for place in plan.foreign)]


def show_changed(
    console: Console, verb: str, cluster: Cluster, nodes: Sequence[str], *, nothing: str
) -> None:
    """Write which nodes a lifecycle command changed."""
    text = f"{cluster.name}: {verb} {', '.join(nodes)}" if nodes else f"{cluster.name}: {nothing}"
    document = {"schema": "kafab.lifecycle/1", "cluster": cluster.name, "verb": verb, "nodes": list(nodes)}
    console.data(document, text)


BUILD = re.compile(r"-[0-9a-f]{12}$")
COLUMNS = ("HOST", "NODE", "ID", "STATE", "PID", "UPTIME", "RELEASE", "CONFIGURATION", "LEADS")


def show_status(
    console: Console, cluster: Cluster, lines: Sequence[NodeStatus], roll: str = "", expiry: str = ""
) -> None:
    """Write the status screen: a line a node, reasons for what is UNKNOWN below it, and a ``roll`` that is not finished.

    The digest in a release's name is shown where nodes have different releases; the document always has it.
    """
    releases = {line.release for line in lines if line.release}
    shown = {name: BUILD.sub("", name) if len(releases) == 1 else name for name in releases}
    rows = [
        (
            line.node.host.name,
            line.node.instance,
            line.node.id,
            _coloured(console, line.state),
            line.pid or "-",
            "-" if line.uptime is None else _rounded(line.uptime),
            shown.get(line.release, "-"),
            _configuration(line),
            line.leads or "-",
        )
        for line in lines
    ]
    running = sum(line.state == "running" for line in lines)
    reasons = {f"  {line.node.host.name}: {line.reason}" for line in lines if line.reason}
    reasons |= {f"  {line.node.name}: {line.lacks}" for line in lines if line.lacks}
    reasons |= {
        f"  {line.node.name}: {path} is in effect, and not kafab's" for line in lines for path in line.foreign
    }
    lacking = [line.node.name for line in lines if line.lacks]
    but = f", {len(lacking)} of them do not serve as they should ({few(lacking)})" if lacking else ""
    summary = f"{cluster.name}: {running} of {len(lines)} nodes run{but}, Kafka {cluster.version}"
    upgrade = next((line.upgrade for line in lines if line.upgrade), "")
    left = [f"{cluster.name}: {text}" for text in (roll, upgrade, expiry) if text]
    text = "\n".join([console.table(COLUMNS, rows), *sorted(reasons), *left, summary])
    document = {
        "schema": "kafab.status/1",
        "cluster": cluster.name,
        "version": str(cluster.version),
        "unfinished_roll": roll or None,
        "upgrade": upgrade or None,
        "next_expiry": expiry or None,
        "nodes": [line.document for line in lines],
    }
    console.data(document, text)


STATE_STYLES = {
    "running": "green",
    "stopped": "dim",
    "restarting": "yellow",
    "stopping": "yellow",
    "exited": "red",
    "UNKNOWN": "magenta",
    "not deployed": "dim",
}


def _configuration(line: NodeStatus) -> str:
    return f"{len(line.online)} {ONLINE}" if line.online else line.configuration or "-"


def _coloured(console: Console, state: str) -> str:
    return console.paint(state, STATE_STYLES[state])


def _rounded(uptime: timedelta) -> str:
    seconds = round(uptime.total_seconds())
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {seconds % 60}s" if minutes else f"{seconds}s"
