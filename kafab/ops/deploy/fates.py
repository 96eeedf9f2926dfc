"""How each host came out of a run of steps: the one reader of what a script of steps answers, and the table for people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice, zip_longest

from kafab.command import Outcome
from kafab.errors import Failed, KafabError, OutcomeUnknown
from kafab.shell.frame import answers
from kafab.unknown import Unknown


class Fate(str, Enum):
    """How a host came out of a run (invariant: each host's fate is told)."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "UNKNOWN"
    NOT_STARTED = "not started"


@dataclass(frozen=True)
class HostResult:
    """A host's fate, and why, where it is not DONE."""

    fate: Fate
    detail: str = ""


def read(steps: Sequence[object], outcome: Outcome) -> tuple[int, HostResult]:
    """Return how many of a script's steps are done for certain, and what that makes of its host.

    A step without an answer is UNKNOWN: it may have been carried out.
    """
    if isinstance(outcome, Unknown):
        return 0, HostResult(Fate.UNKNOWN, outcome.reason)
    for number, (step, answer) in enumerate(zip_longest(steps, islice(answers(outcome), len(steps)))):
        if answer is None:
            reason = f"{step}: no answer (exit {outcome.code}: {outcome.err.strip()})"
            return number, HostResult(Fate.UNKNOWN, reason)
        if not answer.done:
            return number, HostResult(Fate.FAILED, f"{step}: {answer.said}")
    return len(steps), HostResult(Fate.DONE)


def table(results: Mapping[str, HostResult]) -> str:
    """Return each host's fate in a line of its own."""
    return "\n".join(
        f"  {host}: {result.fate.value}{': ' * bool(result.detail)}{result.detail}"
        for host, result in results.items()
    )


def raise_unless_done(what: str, results: Mapping[str, HostResult], *, hint: str) -> None:
    """Raise Failed or OutcomeUnknown with the fate of every host, unless all are done."""
    if error := not_done(what, results, hint=hint):
        raise error


def not_done(what: str, results: Mapping[str, HostResult], *, hint: str = "") -> KafabError | None:
    """Return what `raise_unless_done` would raise."""
    fate = worst(results.values())
    if fate is Fate.DONE:
        return None
    error: type[KafabError] = OutcomeUnknown if fate is Fate.UNKNOWN else Failed
    return error(f"the {what} is not complete:\n{table(results)}", hint=hint)


def worst(results: Iterable[HostResult]) -> Fate:
    """Return the fate that decides the exit code: a failure is certain, an UNKNOWN is not, the rest follows from them."""
    fates = {result.fate for result in results}
    return next((fate for fate in (Fate.FAILED, Fate.UNKNOWN, Fate.NOT_STARTED) if fate in fates), Fate.DONE)
