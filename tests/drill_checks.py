"""What holds for drills on a cluster that runs, of whichever version."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kafab.drills.rows import Table, Verdict
from kafab.events import silent
from kafab.ops.drills import running
from kafab.ops.drills.trials import Drill
from kafab.records.settings import Client
from kafab.wiring import Session
from tests.group_checks import Lab
from tests.labs import LocalLab

PATIENCE = 60.0


def check_drills_hold(lab: Lab, drill: str, *words: str) -> None:
    """Every cell is as allowed, the controls show their anomalies, and nothing is left on the cluster."""
    document = lab.fab.must("drill.run", drill, "--seed", "1", *words, "--json").document
    rows = [row for table in document["drills"] for row in table["rows"]]
    assert {row["verdict"] for row in rows} <= {Verdict.HELD.value, Verdict.SHOWN.value, Verdict.CANNOT.value}
    assert sum(row["control"] for row in rows) > 0
    assert _left(lab) == []


def check_phases_hold(lab: Lab, drill: Drill) -> None:
    """Every cell of a part of a drill is as allowed, with one client, and the controls show their anomalies."""
    table = _table(lab, drill)
    assert {row.verdict for row in table.rows} == {Verdict.HELD, Verdict.SHOWN}, table.report("lab")
    assert _left(lab) == []


def check_controls_turn_red(lab: Lab, drill: str, stay: Sequence[str]) -> None:
    """With the faults withheld every control but those of ``stay``, which need none, fails."""
    (whole,) = running.chosen(drill)
    controls = replace(
        whole, trials=lambda client: [trial for trial in whole.trials(client) if trial.cell.control]
    )
    table = _table(lab, controls, orderly=True)
    verdicts = {row.cell.name: row.verdict for row in table.rows if row.cell.control}
    quiet = {name: Verdict.SHOWN if name in stay else Verdict.NOT_SHOWN for name in verdicts}
    assert verdicts == quiet, table.report("lab")
    assert len(verdicts) > len(stay)


def check_frozen_goes_on_after_kill(lab: LocalLab, drill: str) -> None:
    """A drill that is killed with kill -9 while brokers are frozen leaves none of them so; the next one removes its topics."""
    pids = [lab.pid(node.name) for node in lab.cluster.brokers]
    with lab.fab.start("drill.run", drill, "--client", "confluent") as process:
        try:
            _until(lambda: any(map(_frozen, pids)))
        finally:
            process.kill()
    _until(lambda: not any(map(_frozen, pids)))


def _frozen(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _table(lab: Lab, drill: Drill, *, orderly: bool = False) -> Table:
    session = Session(lab.cluster, silent)
    try:
        (table,) = running.run(lab.cluster, session, [drill], [Client.CONFLUENT], seed=1, orderly=orderly)
    finally:
        session.close()
    return table


def _left(lab: Lab) -> list[str]:
    groups = [one["group"] for one in lab.fab.must("groups.list", "--json").document["groups"]]
    topics = [one["topic"] for one in lab.fab.must("topics.list", "--json").document["topics"]]
    return [name for name in (*groups, *topics) if name.startswith("kafab-drill-")]
