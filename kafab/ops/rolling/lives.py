"""Which nodes end and are started again by their host during a roll: the first time is told, the second ends the roll."""

from collections import Counter

from kafab.cluster.seen import Seen
from kafab.errors import Failed
from kafab.events import Note
from kafab.hosts import last_words
from kafab.hosts.supervisor import Report, State
from kafab.ops.world import World

MOST = 2
"""How often a node ends before its roll does. A broker that was killed is refused by its own old session for a while: not counted."""


class Lives:
    """Follows the nodes' exits from look to look; those that systemd answers with another start are seen between the two."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: set[tuple[str, str]] = set()
        self._ends: Counter[str] = Counter()

    def look(self, seen: Seen) -> None:
        """Tell each exit once. Raises Failed with the last lines for the second one of a node that time does not mend."""
        for name, report in seen.processes.items():
            if not isinstance(report, Report) or report.state is not State.RESTARTING:
                continue
            if (name, report.process) in self._told:
                continue
            self._told.add((name, report.process))
            why = last_words.cause(report.log)
            told = f"the process exited{f': {why}' if why else ''}"
            self._ends[name] += not last_words.mended_by_time(why)
            if self._ends[name] == MOST:
                lines = "".join(f"\n  {line}" for line in report.log)
                text = f"{name}: {told}, for the second time during this roll, and its host starts it again{lines}"
                raise Failed(text, hint="`fab logs NODE --lines 200` shows more")
            self._world.emit(Note(name, f"{told}; systemd starts it again"))
