"""The one boundary between kafab's errors and the shell: a task decorator.

Invoke turns only its own `Exit` into a message; everything else would be a traceback. This decorator turns
kafab's errors into a message with a hint and an exit code, keeps tracebacks of our own mistakes in a file, and
refuses the two Fabric flags that would do harm.
"""

import functools
import inspect
import logging
import os
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeAlias, overload

import fabric
import invoke.parser.parser
import invoke.program
from invoke.context import Context
from invoke.exceptions import Exit, ParseError
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

from kafab.command import Secret
from kafab.errors import Interrupted, KafabError, UsageError
from kafab.interruption import by_operations, leave

from .chain import CHAIN
from .recorder import record

P = ParamSpec("P")
Body: TypeAlias = Callable[Concatenate[Context, P], int | None]


class Mistake(ParseError, Exit):
    """What Invoke finds wrong with a command line, with the exit code of every other mistake there; Invoke itself ends with 1."""

    def __init__(self, told: str, context: Any = None) -> None:
        super().__init__(told, context)
        # Invoke prints the text of a ParseError, and the message of an Exit besides.
        self.args, self.message = (told,), None

    @property
    def code(self) -> int:
        """The exit code."""
        return UsageError.exit_code


# Invoke's program and its parser take the class from these places, and catch it as what it is derived from.
for _module in (invoke.program, invoke.parser.parser):
    vars(_module)["ParseError"] = Mistake


@overload
def task(body: Body[P]) -> Task[Any]: ...
@overload
def task(body: None = None, **options: Any) -> Callable[[Callable[..., int | None]], Task[Any]]: ...
def task(body: Callable[..., int | None] | None = None, **options: Any) -> Any:
    """Make a task, as Invoke's ``@task``, with the boundary around it. A body returns its exit code, or None for 0.

    A non-zero exit code ends the chain: `fab deploy start` does not start what could not be deployed. ``recorded``: after an
    error of nodes what an expert would ask for is gathered, see `recorder`.
    """
    if body is None:
        return functools.partial(task, **options)
    recorded = options.pop("recorded", False)

    @functools.wraps(body)
    def run(context: Context, *args: Any, **kwargs: Any) -> None:
        # A chain ends with an error: whoever asked any task of it for JSON reads that.
        json = bool(kwargs.get("json")) or "--json" in before_dashes(sys.argv)
        CHAIN.arguments = _typed(body, kwargs, options.get("positional", ()))
        with by_operations():
            code = _guarded(
                lambda: _called(body, context, *args, **_values(kwargs, options.get("positional", ()))),
                json=json,
                recorded=recorded,
            )
        if CHAIN.left_at_work:
            leave(code)
        if code:
            raise Exit(code=code)

    # Short flags made from parameter names would shadow Fabric's own -i, -t, -H and -c.
    return invoke_task(run, auto_shortflags=False, **options)


def before_dashes(argv: Sequence[str]) -> Sequence[str]:
    """Return the words of a command line that are kafab's: those before ``--``."""
    return argv[1 : argv.index("--")] if "--" in argv else argv[1:]


def after_dashes(argv: Sequence[str]) -> Sequence[str]:
    """Return the words behind ``--``, each of them whole."""
    return argv[argv.index("--") + 1 :] if "--" in argv else ()


def _typed(body: Callable[..., int | None], given: Mapping[str, Any], positional: Sequence[str]) -> str:
    """Return the arguments that differ from what a task takes without them, as they are typed; how it prints is left out."""
    from kafab.config.masking import without_secrets

    words = []
    for name, parameter in inspect.signature(body).parameters.items():
        value = given.get(name, parameter.default)
        if name in ("json", "_context") or value in (parameter.default, None):
            continue
        flag = f"--{name.strip('_').replace('_', '-')}"
        for each in value if isinstance(value, list | tuple) else (value,):
            word = without_secrets(str(each))
            words += [word] if name in positional else [flag] if each is True else [flag, word]
    return shlex.join(words)


def _values(given: Mapping[str, Any], positional: Sequence[str]) -> Mapping[str, Any]:
    """Return the arguments. Raises UsageError where an option, which Invoke does not know there, stands in the place of a value."""
    for name in positional:
        value = given.get(name)
        if isinstance(value, str) and (value.startswith("--") or value == "-h"):
            raise UsageError(
                f"found {value} where {name.upper()} is expected",
                hint="--help before the command's name shows what it takes",
            )
    return given


def _called(body: Callable[..., int | None], context: Context, *args: Any, **kwargs: Any) -> int:
    if isinstance(context, fabric.Connection):
        raise UsageError(
            "-H/--hosts would run a command for the whole cluster once a host",
            hint="name the cluster with `on NAME` and, for some nodes only, use --limit node1,node2/broker",
        )
    if context.config.run.dry:
        raise UsageError(
            "-R/--dry would only pretend that remote commands succeeded",
            hint="`plan` shows what `deploy` would do",
        )
    if context.config.sudo.password is not None:
        CHAIN.sudo_password = Secret(context.config.sudo.password)
    return body(context, *args, **kwargs) or 0


def _guarded(call: Callable[[], int], *, json: bool, recorded: bool = False) -> int:
    # Paramiko logs tracebacks to stderr where logging is not configured; every fault of its reaches us as a value.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    logging.getLogger("kazoo").addHandler(logging.NullHandler())
    documents = CHAIN.documents

    def told(error: KafabError) -> int:
        # A program that reads the document is told why there is none; one that has it is not given a second one.
        CHAIN.console(json=json and CHAIN.documents == documents).error(error)
        return error.exit_code

    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # an orderly end, with the same goodbye as Ctrl-C
    try:
        return call()
    except KafabError as error:
        if isinstance(error, Interrupted):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the goodbye
        code = told(error)
        if recorded:
            record(error)
        return code
    except KeyboardInterrupt as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        again = "run the same command again: it observes and goes on"
        return told(_on_its_way(error) or Interrupted("interrupted", hint=again))
    except BrokenPipeError:
        # The reader of stdout went away (`| head`): nothing is lost, and the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exit:
        raise
    except Exception as error:  # noqa: BLE001  # our own mistake: the operator gets a sentence, the file the traceback
        return told(
            KafabError(f"a mistake in kafab: {error!r}", hint=f"please report it with {_kept_traceback()}")
        )


def _on_its_way(error: BaseException) -> Interrupted | None:
    """Return what an earlier Ctrl-C has told, where another one replaced it while a lock was being let go."""
    before: BaseException | None = error
    while before is not None and not isinstance(before, Interrupted):
        before = before.__context__
    return before


def _kept_traceback() -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="kafab-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exc(file=file)
    return Path(file.name)
