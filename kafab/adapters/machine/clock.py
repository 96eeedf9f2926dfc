"""Real time."""

import time


class SystemClock:
    """The monotonic clock of this machine."""

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
