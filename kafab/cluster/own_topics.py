"""The topics that kafab makes for itself and takes away again: their names tell what for, and since when.

The time in a name tells a topic that a killed run has left behind from one that another operator's run is using now.
"""

from datetime import datetime, timedelta
from enum import Enum

_DIGITS = 8
KAFKAS_OWN = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
"""Topics that Kafka keeps for itself (`Topic.INTERNAL_TOPICS`)."""


class Purpose(str, Enum):
    """What a topic of kafab's own is for; the value is the prefix of its name."""

    PROBE = "kafab-probe-"
    CANARY = "kafab-canary-"
    DRILL = "kafab-drill-"

    @property
    def word(self) -> str:
        """What a message calls the topic."""
        return self.value.split("-")[1]

    @property
    def left_behind_after(self) -> timedelta:
        """The age from which on a topic is taken for one that was left behind. A canary goes on as long as a roll."""
        return timedelta(minutes=10) if self is Purpose.PROBE else timedelta(hours=1)


def own_name(purpose: Purpose, now: datetime, salt: str) -> str:
    """Return a new topic's name: the prefix, the time in seconds as 8 hex digits, and ``salt``, which tells two runs apart."""
    return f"{purpose.value}{int(now.timestamp()):0{_DIGITS}x}-{salt}"


def purpose_of(topic: str) -> Purpose | None:
    """Return what a topic was made for by kafab; None for any other topic."""
    return next((purpose for purpose in Purpose if topic.startswith(purpose.value)), None)


def is_own(topic: str) -> bool:
    """True for a topic that kafab made for itself."""
    return purpose_of(topic) is not None


def is_left_behind(topic: str, now: datetime) -> bool:
    """True for a topic of kafab's own that is too old to be in use, or that has a name which kafab never gives."""
    purpose = purpose_of(topic)
    if purpose is None:
        return False
    try:
        made = datetime.fromtimestamp(int(topic[len(purpose.value) :][:_DIGITS], 16)).astimezone()
    except (ValueError, OverflowError, OSError):
        return True
    return now - made > purpose.left_behind_after
