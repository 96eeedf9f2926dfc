"""What could not be read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unknown:
    """A state that could not be read, and why. Unknown is never healthy, never stopped, never empty."""

    reason: str

    def __bool__(self) -> bool:
        # `if outcome:` must not read an unknown as an answer of either kind.
        raise TypeError("Unknown is neither true nor false: test with isinstance")
