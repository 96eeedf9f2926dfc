"""The rows by name, and the table of those that were asked for."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence

from scripts.benches import deploys, servers
from scripts.benches.access import plan as access_plan
from scripts.benches.deciding import decide_300
from scripts.benches.groups import groups
from scripts.benches.kraft import start as start_kraft
from scripts.benches.measuring import Measurement, Row
from scripts.benches.planning import inventory, plan
from scripts.benches.reaching import reach
from scripts.benches.records import write
from scripts.benches.rolling import roll, roll_kraft
from scripts.benches.running import start, verify
from scripts.benches.secure import start as start_secure
from scripts.benches.starting import listing
from scripts.benches.upgrading import upgrade

ROWS: Mapping[str, Measurement] = {
    "list": listing,
    "deploy-3": deploys.deploy_again(3),
    "deploy-12": deploys.deploy_again(12),
    "first-deploy": deploys.first_deploy,
    "start": start,
    "start-kraft": start_kraft,
    "start-secure": start_secure,
    "roll": roll,
    "roll-kraft": roll_kraft,
    "upgrade": upgrade,
    "decide-300": decide_300,
    "verify": verify,
    "reach": reach,
    "groups": groups,
    "access-plan": access_plan,
    "records": write,
    "inventory-300": inventory,
    "plan-300": plan,
    "servers-deploy": servers.deploy_again,
    "servers-first": servers.first_deploy,
}


def show(rows: Sequence[Row]) -> None:
    """Print lines of the table."""
    for row in rows:
        plain = "" if row.plain is None else f"{row.plain:.2f} {row.unit}"
        ratio = "" if row.plain is None else f"{row.kafab / row.plain:.3g}"
        verdict = "ok" if row.within else "OVER"
        print(f"{row.what:62} {row.kafab:>6.2f} {row.unit:2} {plain:>9} {ratio:>6}  {row.limit:22} {verdict}")
        if row.note:
            print(f"  {row.note}")
    sys.stdout.flush()


def main() -> int:
    """Measure and print each row when it is there, so that an interrupted run has something to show.

    Returns 1 when a limit is passed, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(description="Measure kafab against the same work done by hand.")
    parser.add_argument("--only", action="append", choices=ROWS, help="this row only; may be repeated")
    parser.add_argument("--runs", type=int, default=5, help="runs a side; the median counts")
    wanted = parser.parse_args()
    logging.getLogger("kazoo").addHandler(logging.NullHandler())
    rows: list[Row] = []
    print(f"{'what':62} {'kafab':>9} {'plain':>9} {'ratio':>6}  {'limit':22} verdict", flush=True)
    try:
        for name in wanted.only or ROWS:
            print(f"measuring {name} ({wanted.runs} runs a side) ...", file=sys.stderr)
            found = ROWS[name](wanted.runs)
            show(found)
            rows += found
    except KeyboardInterrupt:
        print(f"interrupted; {len(rows)} rows were measured", file=sys.stderr)
        return 130
    return int(not all(row.within for row in rows))
