"""Rows about a roll of 300 brokers that exists in memory only: the CPU of one decision, and the waves of the whole roll."""

import sys
import time

from kafab.cluster.seen import Seen
from kafab.model import Cluster
from kafab.rolling.decide import Done, Goal, Move, decide
from scripts.benches.measuring import Row
from tests.rolling_world import racked, rolled_by_racks

BROKERS, RACKS, PARTITIONS = 300, 10, 30_000
WAVES = 3 * RACKS
SEED = 1


def decide_300(_runs: int) -> list[Row]:
    """Roll 300 brokers rack by rack, with brokers that are slow or die; once, as it takes minutes."""
    moves: list[float] = []

    def measured(cluster: Cluster, goal: Goal, seen: Seen) -> Move:
        started = time.process_time()
        try:
            return decide(cluster, goal, seen)
        finally:
            moves.append(time.process_time() - started)

    world = racked(SEED, BROKERS, RACKS, PARTITIONS)
    move, waves, harmed = rolled_by_racks(world, SEED, measured)
    if not isinstance(move, Done) or harmed:
        sys.exit(f"the roll ended with {move}, and harmed {harmed}")
    slowest = max(moves)
    what = f"one decision, {BROKERS} brokers, {PARTITIONS} partitions"
    return [
        Row(f"{what}, the slowest: CPU", slowest, None, "1 s", slowest <= 1),
        Row(f"waves of that roll by {RACKS} racks", waves, None, str(WAVES), waves <= WAVES, unit=""),
    ]
