"""When a wait is worth a line where no terminal shows it in place: in a build's log, in a file, through a pipe."""

from kafab.events import Waiting

FIRST = 1.0
"""Seconds that a wait lasts before it is worth a line."""
APART = 2.0
"""Seconds between two lines, whatever they are about."""
AGAIN = 10.0
"""Seconds after which the same is said once more."""


class Waits:
    """Decides, of a wait that is reported many times a second, which reports become lines.

    A line is due when something changed, and else every 10 s. Something changed when the wording is another than
    each of the last 10 s: the subject, and the words of the text that have a letter. So a counter that ticks with
    every report is no change, and two states that take turns are told once each.

    Two lines are 2 s apart, also those of different waits: neither a hundred nodes nor a text that never settles fills
    a log. A change that comes sooner is told once the 2 s are over, if it still holds. A wait of less than 1 s has no line.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], float] = {}
        self._latest = float("-inf")

    def worth(self, event: Waiting, now: float) -> bool:
        """Return whether this report becomes a line, and take it for told then. ``now`` is in monotonic seconds."""
        if event.elapsed.total_seconds() < FIRST or now - self._latest < APART:
            return False
        self._told = {said: at for said, at in self._told.items() if now - at < AGAIN}
        wording = (event.subject, *_words(event.what))
        if wording in self._told:
            return False
        self._told[wording] = self._latest = now
        return True


def _words(text: str) -> list[str]:
    """Return the words without those that have no letter, which count, measure or address something."""
    return [word for word in text.split() if any(map(str.isalpha, word))]
