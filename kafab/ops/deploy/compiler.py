"""What each step of a plan calls on its host, and one script of the steps of one host."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePath

from kafab.command import Cmd, Raw, Script, Word
from kafab.config.render import RenderedFile
from kafab.plans.removing import (
    RemoveData,
    RemoveFiles,
    RemoveFolder,
    RemoveGenerations,
    RemoveInstance,
    RemoveLink,
    RemoveLogs,
    RemoveRelease,
    RemoveRun,
    RemoveUnit,
    RemoveUploads,
    Removing,
    StayStopped,
)
from kafab.plans.steps import (
    Configuring,
    DropFile,
    FlipLink,
    FormatStorage,
    KeepGeneration,
    MakeAccount,
    MakeDirectory,
    Scripted,
    UseUnit,
    WriteFile,
)
from kafab.plans.storage import initial_controllers
from kafab.shell.frame import numbered
from kafab.shell.library import compose, library

CHANGE_TIMEOUT = timedelta(minutes=2)
REMOVAL_TIMEOUT = timedelta(minutes=10)
DATA_TIMEOUT = timedelta(hours=1)
"""Some file systems take minutes to let go of terabytes."""

_CHANGING = ("rooted", "as_account", "put", "plain", "settled", "format", "generations", "steps")
_REMOVING = ("plain", "alive", "rooted", "as_account", "removal")


@dataclass(frozen=True)
class _Part:
    """A step's call, the libraries that it needs, and the time that it may take."""

    call: Cmd
    libraries: tuple[str, ...]
    limit: timedelta


def compile_steps(steps: Sequence[Scripted]) -> Script:
    """Return one script for one host: each step says how it came out, and none is taken after a failure."""
    parts = [_part(step) for step in steps]
    libraries = [name for part in parts for name in part.libraries]
    script = numbered(libraries, *(part.call for part in parts), timeout=max(part.limit for part in parts))
    return replace(script, changes=True)


# A step type without an arm of its own is an error of the type check, here and below: a return would be missing.
def _part(step: Scripted) -> _Part:
    match step:
        case RemoveData():
            return _Part(_removal(step), _REMOVING, DATA_TIMEOUT)
        case StayStopped() | RemoveInstance() | RemoveFiles() | RemoveRun() | RemoveLogs() | RemoveLink():
            return _Part(_removal(step), _REMOVING, REMOVAL_TIMEOUT)
        case RemoveRelease() | RemoveUploads() | RemoveUnit() | RemoveFolder() | RemoveGenerations():
            return _Part(_removal(step), _REMOVING, REMOVAL_TIMEOUT)
        case MakeDirectory() | MakeAccount() | UseUnit() | FlipLink() | WriteFile() | FormatStorage():
            return _Part(_change(step), _CHANGING, CHANGE_TIMEOUT)
        case KeepGeneration():
            return _Part(_change(step), _CHANGING, CHANGE_TIMEOUT)
        case DropFile():
            call = Cmd("remove_files", step.path.parent, step.path.name)
            return _Part(call, _REMOVING, CHANGE_TIMEOUT)


def _change(step: Configuring) -> Cmd:  # noqa: PLR0911  # an arm a kind
    match step:
        case MakeDirectory():
            return Cmd("folder", step.path, step.mode, step.owner or "")
        case MakeAccount():
            return Cmd("account", step.name)
        case UseUnit():
            return Cmd("enable", step.unit)
        case FlipLink():
            return Cmd("flip", step.path, step.target)
        case KeepGeneration():
            words: list[Word] = [step.config, step.number, step.about, step.aim, *step.files]
            return Cmd("keep_generation", *words, "--", *step.units, "--", *step.dropped)
        case WriteFile() if step.source is not None:
            file = step.file
            return Cmd("put_back", step.source, file.path, file.mode, file.sha256, file.owner or "")
        case WriteFile():
            return _put(step.file)
        case FormatStorage():
            return _format(step)


def _removal(step: Removing) -> Cmd:
    match step:
        case StayStopped():
            return Cmd("idle", step.node, step.run, step.unit or "")
        case RemoveInstance():
            return Cmd("remove_instance", step.path, step.unit)
        case RemoveData():
            return Cmd("remove_data", step.path, step.mark, step.id, step.user or "", library("marked"))
        case RemoveFiles():
            return Cmd("remove_files", step.path, *step.names)
        case RemoveRun() | RemoveLogs() | RemoveGenerations():
            return Cmd("remove_tree", step.path, step.user or "")
        case RemoveLink() | RemoveRelease() | RemoveUploads() | RemoveUnit() | RemoveFolder():
            besides = step.besides if isinstance(step, RemoveFolder) else ()
            return Cmd(f"remove_{step.what}", step.path, *besides)


def _put(file: RenderedFile) -> Cmd:
    """Return what writes a file: one that belongs to an account lies in a folder of that account, who writes it itself."""
    account, _, _ = (file.owner or "root").partition(":")
    encoded = ("base64",) if file.encoded else ()
    if account == "root":
        return Cmd("put", file.path, file.mode, file.sha256, file.owner or "", *encoded, stdin=file.text)
    itself = compose(("put",), 'put "$@"')
    return Cmd("as_account", account, itself, file.path, file.mode, file.sha256, stdin=file.text)


def _format(step: FormatStorage) -> Cmd:
    """Return the call of StorageTool, as the user that the node will run as: the files are that user's."""
    id_ = step.cluster_id or ""
    words: list[str | PurePath] = [id_, *step.data, "--", step.java, step.release]
    words += ["-t", id_, "-c", step.config, "--ignore-formatted"]
    if step.voters:
        words += ["--initial-controllers", initial_controllers(step)]
    if step.joins:
        words.append("--no-initial-controllers")
    if step.user is None:
        return Cmd("format", *words)
    itself = compose(("plain", "settled", "format"), 'format "$@"')
    return Cmd("as_account", step.user, itself, *words, Raw("< /dev/null"))
