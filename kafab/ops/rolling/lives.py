"""Which nodes end and come again by themselves during a roll: once is told, twice ends it, however patient systemd is."""

from collections import Counter
from collections.abc import Mapping

from kafab.cluster.seen import Seen
from kafab.errors import Failed
from kafab.events import Note
from kafab.hosts import last_words
from kafab.hosts.supervisor import Report, State
from kafab.ops.world import World

MOST = 2
"""So often a node may not end by itself: a host that reboots has its nodes end once."""


class Lives:
    """Follows the process of each node from look to look."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, str] = {}
        self._ours: set[tuple[str, str]] = set()
        self._ends: Counter[str] = Counter()

    def began(self, processes: Mapping[str, str]) -> None:
        """Take these for started by the roll: node name -> its process, see `Report.process`."""
        self._ours |= processes.items()

    def look(self, seen: Seen) -> None:
        """Tell of each node whose process is another one that the roll has not started. Raises Failed for the second one of a node."""
        for name, report in seen.processes.items():
            if not isinstance(report, Report) or report.state not in (State.RUNNING, State.RESTARTING):
                continue
            before = self._known.get(name, report.process)
            self._known[name] = report.process
            if report.process == before or (name, report.process) in self._ours:
                continue
            self._ends[name] += 1
            why = last_words.cause(report.log)
            told = f"the process exited and was started again{f': {why}' if why else ''}"
            if self._ends[name] == MOST:
                hint = f"`fab logs {name} --lines 200` shows why"
                raise Failed(f"{name}: {told}; that was the second time during this roll", hint=hint)
            self._world.emit(Note(name, f"{told}, by its host and not by the roll"))
