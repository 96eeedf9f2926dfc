"""The row of an upgrade: its roll against a restart of the same cluster, both without the archives of classes that only a lab has."""

from pathlib import Path

from scripts.benches import running
from scripts.benches.kraft import VERSION as AFTER
from scripts.benches.labs import Lab, lab
from scripts.benches.measuring import VERSION as BEFORE
from scripts.benches.measuring import Row, ratio

SHAPE = ("--mode", "kraft", "--controllers", "combined")


def upgrade(runs: int) -> list[Row]:
    """Measure both in turn, with the release on the hosts already: staging stops nothing."""
    with lab(3, BEFORE, *SHAPE) as here:
        here.fab("deploy", "start")
        there_and_back(here)
        seconds = []
        for _ in range(runs):
            plain = timed(here, "restart", "--no-canary")
            seconds.append((timed(here, "upgrade", "--to", AFTER, "--no-canary"), plain))
            timed(here, "upgrade.rollback", "--no-canary")
        here.fab("stop", "--yes")
    ours, theirs = zip(*seconds, strict=True)
    what = f"upgrade of 3 nodes, {BEFORE} to {AFTER} / restart of them"
    return [ratio(what, ours, theirs, 1.25)]


def there_and_back(here: Lab) -> None:
    """Have the release on the hosts."""
    timed(here, "upgrade", "--to", AFTER, "--no-canary")
    timed(here, "upgrade.rollback", "--no-canary")


def timed(here: Lab, *words: str) -> float:
    """Return the seconds of a command whose starts find no archive, and that nobody makes one beside."""
    running.wait_for_archives(here)
    for archive in (each for node in here.cluster.nodes for each in Path(node.run).glob("classes/*.jsa")):
        archive.unlink()
    return here.fab(*words)
