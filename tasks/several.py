"""A positional argument that takes several words: `fab smoke a.yaml b.yaml`, as a shell writes `*.yaml` out.

Invoke takes one word for each positional argument, and any other word for a task's name. Here a task whose positional
argument is a list (``iterable`` in its decorator) is given the words that name no task as well.
"""

from invoke.parser.argument import Argument
from invoke.parser.parser import ParseMachine

_HANDLE = ParseMachine.handle


def _handled(machine: ParseMachine, token: str) -> None:
    """Take one word of a command line: the first in any case, more as long as they are no task's name."""
    several = _several(machine)
    if (
        several is None
        or machine.waiting_for_flag_value
        or token.startswith("-")
        or (several.value and token in machine.contexts)
    ):
        _HANDLE(machine, token)
    else:
        several.value = token


def _several(machine: ParseMachine) -> Argument | None:
    if machine.context is None or machine.current_state != "context":
        return None
    return next((one for one in machine.context.positional_args if one.kind is list), None)


# The machine's class keeps its states to itself, so that one derived from it has none.
ParseMachine.handle = _handled  # type: ignore[method-assign, assignment]
