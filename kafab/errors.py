"""Every error a user can meet, each with its exit code and a hint at what to type next.

One boundary (``tasks.boundary``) turns them into a message; nothing below it prints or exits.
Exit codes: 0 done, 1 failed, 2 usage or inventory, 3 refused for safety, 4 host unreachable,
5 outcome unknown, 6 another operator holds the lock, 10 changes pending, 130 interrupted.
"""

from collections.abc import Mapping

from kafab.words import plural


class KafabError(Exception):
    """The root: a message for the operator, a hint at the next step, and the process's exit code."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.stopped: tuple[str, ...] = ()
        """The nodes that the command has stopped, and that are not known to run again."""


class Failed(KafabError):
    """Something was tried and did not work; the message names the host and shows the evidence."""


class NotTold(Failed):
    """What decides whether to act could not be asked of the cluster; nothing was changed. A later try may find it out."""

    exit_code = 4


class UsageError(KafabError):
    """The command line, an environment variable or the inventory asks for what cannot be."""

    exit_code = 2


class Unsafe(KafabError):
    """Refused: it would cost data or availability. The message has the counts, the hint the flag that overrides."""

    exit_code = 3


WHICH_RUN = "`fab status` shows which nodes run, `fab start` starts them"
"""The hint where no broker answers."""


class Unreachable(KafabError):
    """Hosts that did not answer, all of them at once; nothing was changed."""

    exit_code = 4

    def __init__(self, reasons: Mapping[str, str], *, hint: str | None = None) -> None:
        self.reasons = dict(reasons)
        lines = "".join(f"\n  {host}: {reason}" for host, reason in self.reasons.items())
        hosts = plural(len(self.reasons), "host")
        super().__init__(f"{hosts} did not answer:{lines}", hint=hint)


class OutcomeUnknown(KafabError):
    """A change was sent and its result was not seen; running the same command again observes and converges."""

    exit_code = 5


class Locked(KafabError):
    """Another operator is changing this cluster, or the same run of a timer is at work; the message names who, from where, since when."""

    exit_code = 6


class Interrupted(KafabError):
    """Ctrl-C: stopped at a safe point; the message says what was done and how to go on."""

    exit_code = 130
