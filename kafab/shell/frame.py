"""How scripts are framed, so that an answer that was cut off is never taken for a whole one, and how answers are read.

A script that asks ends with a line ``end``: `asking` and `whole`. A script that changes says of each of its calls how it
came out, and goes no further than the first that failed: `numbered` and `answers`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from kafab.command import Cmd, Outcome, Result, Script, Word
from kafab.shell.library import compose
from kafab.shell.ownership import as_account
from kafab.unknown import Unknown

END = "end"


def framed(
    libraries: Iterable[str],
    *calls: Cmd,
    timeout: timedelta,
    given: Mapping[str, Word] | None = None,
    account: str | None = None,
) -> Script:
    """Return the script that makes these calls, of the functions in these libraries, as `library.compose` has it.

    ``account``: with that account's rights.
    """
    return _script(libraries, calls, calls, timeout=timeout, given=given, account=account)


def asking(
    libraries: Iterable[str],
    *calls: Cmd,
    timeout: timedelta,
    given: Mapping[str, Word] | None = None,
    account: str | None = None,
) -> Script:
    """Return the script that makes these calls and then says that its answer is whole."""
    closed = (*calls, Cmd("echo", END))
    return _script(libraries, calls, closed, timeout=timeout, given=given, account=account)


def numbered(
    libraries: Iterable[str],
    *calls: Cmd,
    timeout: timedelta,
    given: Mapping[str, Word] | None = None,
) -> Script:
    """Return the script that makes these calls up to the first that fails, and says of each how it came out."""
    counted = [Cmd("run", number, *call.words, stdin=call.stdin) for number, call in enumerate(calls)]
    return _script((*libraries, "numbered"), calls, counted, timeout=timeout, given=given)


def _script(
    libraries: Iterable[str],
    calls: tuple[Cmd, ...],
    lines: Iterable[Cmd],
    *,
    timeout: timedelta,
    given: Mapping[str, Word] | None = None,
    account: str | None = None,
) -> Script:
    text = compose(libraries, *lines, given=given)
    if account:
        text = compose(("as_account",), as_account(account, text))
    return Script(text, timeout, calls)


def whole(outcome: Outcome, what: str) -> list[str] | Unknown:
    """Return the lines of the answer to `asking`; Unknown where it failed or was cut off. ``what`` names the script."""
    if isinstance(outcome, Unknown):
        return outcome
    lines = outcome.text.split("\n")
    if outcome.code or lines[-2:] != [END, ""]:
        return Unknown(f"{what} ended with {outcome.code}: {outcome.err.strip() or 'no message'}")
    return lines[:-2]


@dataclass(frozen=True)
class Answer:
    """How one call of a `numbered` script came out; ``said`` is what a call that failed printed."""

    done: bool
    said: str = ""


def answers(outcome: Result) -> Iterator[Answer]:
    """Yield how the calls of a `numbered` script came out, in order: none after the first that failed, or is missing.

    Each call answers with a line ``step NUMBER CODE``, and what a failed call printed follows its line. A call whose line
    is missing, or cut off in the middle, may have been carried out.
    """
    lines, number = outcome.text.splitlines(), 0
    while True:
        begin = f"step {number} "
        at = next((at for at, line in enumerate(lines) if line.startswith(begin) and line != begin), None)
        if at is None:
            return
        if lines[at] != f"{begin}0":
            yield Answer(done=False, said=" ".join(lines[at + 1 :]) or lines[at])
            return
        yield Answer(done=True)
        number += 1
