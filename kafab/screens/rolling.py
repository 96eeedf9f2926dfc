"""What a node's stop would cost, what a roll will do and what it has done, as text and as documents."""

from collections.abc import Sequence
from functools import partial

from kafab.canary.verdict import judge
from kafab.events import Note
from kafab.findings import Finding, Report, Severity
from kafab.model import Cluster, Node
from kafab.ops.rolling.roll import Rolled
from kafab.ops.run.goal import Prepared, Unfinished
from kafab.ops.run.journal import Journal
from kafab.rolling.safety import Blocker, Verdict
from kafab.screens import layout, leaders
from kafab.screens.canary import canary_document
from kafab.screens.canary import text as canary_text
from kafab.screens.console import Console
from kafab.words import plural

COLUMNS = ("BLOCKED BY", "LEADER", "REPLICAS", "ISR", "MIN ISR", "WHY", "UNBLOCKED BY")


def show_can_stop(console: Console, cluster: Cluster, stopping: Sequence[Node], verdict: Verdict) -> None:
    """Write whether these nodes can be spared: a row for each thing that speaks against it, then the answer."""
    names = [node.name for node in stopping]
    what = f"{cluster.name}: {', '.join(names)}"
    if verdict.refusal is None:
        text = f"{what} can stop"
    else:
        table = console.table(COLUMNS, [_row(blocker) for blocker in verdict.blockers])
        text = f"{table}\n{what} cannot stop: {plural(len(verdict.blockers), 'reason')}"
    document = {
        "schema": "kafab.can-stop/1",
        "cluster": cluster.name,
        "nodes": names,
        "can_stop": verdict.refusal is None,
        "blockers": [_document(blocker) for blocker in verdict.blockers],
    }
    console.data(document, text)


def _row(blocker: Blocker) -> tuple[object, ...]:
    figures: tuple[object, ...] = ("-",) * 4
    if blocker.danger:
        partition = blocker.danger.partition
        leader = "none" if partition.leader is None else partition.leader
        figures = (leader, _ids(partition.replicas), _ids(partition.isr), blocker.danger.min_isr)
    return (blocker.subject, *figures, blocker.reason, blocker.unblocks)


def _ids(brokers: Sequence[int]) -> str:
    return ",".join(map(str, brokers)) or "none"


def _document(blocker: Blocker) -> dict[str, object]:
    found: dict[str, object] = {
        "subject": blocker.subject,
        "reason": blocker.reason,
        "unblocked_by": blocker.unblocks,
    }
    if blocker.danger:
        partition = blocker.danger.partition
        found |= {
            "topic": partition.topic,
            "partition": partition.number,
            "leader": partition.leader,
            "replicas": list(partition.replicas),
            "isr": list(partition.isr),
            "min_isr": blocker.danger.min_isr,
        }
    return found


def show_forecast(console: Console, cluster: Cluster, prepared: Prepared) -> None:
    """Say on stderr what a roll will do: what it goes on with, its order, and what is to be known before."""
    found, say = prepared.forecast, partial(_say, console, cluster.name)
    if prepared.begun:
        say(f"{Unfinished(prepared.begun, prepared.finished).text}; this goes on with it")
    if found.down:
        say(f"started first, as they do not run: {', '.join(found.down)}")
    for number, wave in enumerate(found.waves, 1):
        moved = sum(found.leaders.get(name, 0) for name in wave)
        leads = f" ({plural(moved, 'partition')} to be led by others)" if moved else ""
        say(f"{number}. {', '.join(wave)}{leads}")
    for name, blockers in found.waits.items():
        first = blockers[0]
        say(f"{name} cannot be spared now, and is waited for: {first.subject}: {first.reason}")
    for name, text in prepared.warnings.items():
        console.warn(f"{name}: {text}")


def show_rolled(console: Console, cluster: Cluster, rolled: Rolled) -> None:
    """Write what a roll has done, node by node, and what the check after it has found."""
    console.data(rolled_document(cluster, rolled), rolled_text(console, cluster, rolled))


def rolled_text(console: Console, cluster: Cluster, rolled: Rolled) -> str:
    """Return it for people."""
    lines = []
    if rolled.nodes:
        lines.append(
            console.table(("NODE", "SECONDS"), [(one.name, f"{one.seconds:.1f}") for one in rolled.nodes])
        )
    findings = _findings(rolled)
    if findings:
        lines.append(layout.report(Report(cluster.name, findings), console.paint))
    if rolled.leaders:
        lines.append(f"leaders: {leaders.text(rolled.leaders)}")
    if rolled.canary:
        verdict = judge(rolled.canary)
        lines.append(canary_text(console, cluster, rolled.canary, rolled.absent, verdict))
    elif rolled.nodes:
        lines.append("no canary: what clients met during the roll is not proven")
    before = f", {plural(len(rolled.before), 'node')} before" if rolled.before else ""
    if rolled.before and not rolled.nodes:
        lines.append(
            f"{cluster.name}: nothing was left of the roll: {plural(len(rolled.before), 'node')} had another process "
            "by then; the same command again begins a new one"
        )
    elif rolled.nodes:
        lines.append(
            f"{cluster.name}: restarted {plural(len(rolled.nodes), 'node')} in {rolled.seconds:.0f} s{before}"
        )
    else:
        lines.append(f"{cluster.name}: nothing to restart")
    return "\n".join(lines)


def _findings(rolled: Rolled) -> tuple[Finding, ...]:
    found = rolled.report.findings if rolled.report else ()
    return tuple(one for one in found if one.severity is not Severity.OK)


def rolled_document(cluster: Cluster, rolled: Rolled) -> dict[str, object]:
    """Return it for `--json`."""
    report = rolled.report
    told = layout.report_document(Report(cluster.name, _findings(rolled)))["findings"]
    return {
        "schema": "kafab.restart/1",
        "cluster": cluster.name,
        "nodes": [{"node": one.name, "seconds": round(one.seconds, 1)} for one in rolled.nodes],
        "before": list(rolled.before),
        "seconds": round(rolled.seconds, 1),
        "leaders": rolled.leaders and leaders.document(rolled.leaders),
        "canary": rolled.canary and canary_document(cluster, rolled.canary, rolled.absent),
        "check": report and layout.report_document(report) | {"findings": told},
    }


def exit_code(rolled: Rolled) -> int:
    """Return 1 where something is broken or lost, 5 where that could not be told, 0 otherwise."""
    codes = [rolled.report.exit_code] if rolled.report else []
    codes += [judge(rolled.canary).exit_code] if rolled.canary else []
    return next((code for code in (1, 5) if code in codes), 0)


def show_forgotten(console: Console, cluster: Cluster, found: Journal | None) -> None:
    """Write which roll was given up."""
    document = {
        "schema": "kafab.restart-forgotten/1",
        "cluster": cluster.name,
        "owner": found.owner if found else None,
    }
    text = f"gave up the roll of {found.owner}" if found else "no roll was unfinished"
    console.data(document, f"{cluster.name}: {text}")


def _say(console: Console, subject: str, text: str) -> None:
    console.emit(Note(subject, text))
