"""What holds for drills on a cluster that runs, of whichever version."""

from collections.abc import Sequence

from kafab.drills.rows import Verdict
from kafab.events import silent
from kafab.ops.drills import running
from kafab.records.settings import Client
from kafab.wiring import Session
from tests.group_checks import Lab


def check_drills_hold(lab: Lab, drill: str, *words: str) -> None:
    """Every cell is as allowed, the controls show their anomalies, and nothing is left on the cluster."""
    document = lab.fab.must("drill.run", drill, "--seed", "1", *words, "--json").document
    rows = [row for table in document["drills"] for row in table["rows"]]
    assert {row["verdict"] for row in rows} <= {Verdict.HELD.value, Verdict.SHOWN.value, Verdict.CANNOT.value}
    assert sum(row["control"] for row in rows) > 0
    assert _left(lab) == []


def check_controls_turn_red(lab: Lab, drill: str, stay: Sequence[str]) -> None:
    """With the faults withheld every control but those of ``stay``, which need none, fails."""
    session = Session(lab.cluster, silent)
    try:
        (table,) = running.run(
            lab.cluster, session, running.chosen(drill), [Client.CONFLUENT], seed=1, orderly=True
        )
    finally:
        session.close()
    controls = {row.cell.name: row.verdict for row in table.rows if row.cell.control}
    assert controls == {name: Verdict.SHOWN if name in stay else Verdict.NOT_SHOWN for name in controls}
    assert len(controls) > len(stay)


def _left(lab: Lab) -> list[str]:
    groups = [one["group"] for one in lab.fab.must("groups.list", "--json").document["groups"]]
    topics = [one["topic"] for one in lab.fab.must("topics.list", "--json").document["topics"]]
    return [name for name in (*groups, *topics) if name.startswith("kafab-drill-")]
