"""Runs a Plan over a Fleet: one script a host and stage, compiled from steps that each report their own outcome."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import PurePath

from kafab.command import Cmd, Outcome, Raw, Script
from kafab.config.render import RenderedFile
from kafab.events import Emit, Note
from kafab.interruption import interruptible
from kafab.model import Cluster
from kafab.ops.deploy.delivery import deliver
from kafab.ops.deploy.fates import Fate, HostResult, read, table
from kafab.plans.plan import Plan, Stage
from kafab.plans.steps import (
    Configuring,
    FlipLink,
    FormatStorage,
    InstallRelease,
    MakeAccount,
    MakeDirectory,
    UseUnit,
    WriteFile,
)
from kafab.plans.storage import initial_controllers
from kafab.ports import Fleet
from kafab.shell.frame import numbered
from kafab.shell.layout import MANIFEST
from kafab.shell.library import compose
from kafab.unknown import Unknown
from kafab.words import plural

SCRIPT_TIMEOUT = timedelta(minutes=2)


def execute(plan: Plan, cluster: Cluster, fleet: Fleet, emit: Emit) -> dict[str, HostResult]:
    """Run the stages in order; a stage begins only when every host is done with the one before it."""
    results = {step.host: HostResult(Fate.NOT_STARTED) for step in plan.steps}
    for number, stage in enumerate(plan.stages):
        with interruptible(partial(_interrupted, stage, results)):
            releases = [step for step in stage.steps if isinstance(step, InstallRelease)]
            others = [step for step in stage.steps if not isinstance(step, InstallRelease)]
            outcomes = _install(releases, cluster, fleet, emit) if releases else {}
            outcomes |= _configure(others, fleet, emit) if others else {}
        ahead = {step.host for later in plan.stages[number + 1 :] for step in later.steps}
        for host, result in outcomes.items():
            # Done with this stage is not done with the plan.
            more = result.fate is Fate.DONE and host in ahead
            results[host] = HostResult(Fate.NOT_STARTED, f"after the {stage.name}") if more else result
        if any(result.fate is not Fate.DONE for result in outcomes.values()):
            break
    return results


def _interrupted(stage: Stage, results: Mapping[str, HostResult]) -> str:
    in_flight = HostResult(Fate.UNKNOWN, f"interrupted in the {stage.name}")
    fates = {**results, **{step.host: in_flight for step in stage.steps}}
    return table(fates)


def _install(
    steps: Sequence[InstallRelease], cluster: Cluster, fleet: Fleet, emit: Emit
) -> dict[str, HostResult]:
    outcomes = deliver(steps, cluster, fleet, emit)
    results = {}
    for step in steps:
        outcome = outcomes[step.host]
        if isinstance(outcome, Unknown):
            results[step.host] = HostResult(Fate.UNKNOWN, outcome.reason)
        elif outcome.code:
            results[step.host] = HostResult(
                Fate.FAILED, f"{step}: {outcome.err.strip() or f'exit {outcome.code}'}"
            )
        else:
            results[step.host] = HostResult(Fate.DONE)
    return results


def _configure(steps: Sequence[Configuring], fleet: Fleet, emit: Emit) -> dict[str, HostResult]:
    by_host: dict[str, list[Configuring]] = {}
    for step in steps:
        by_host.setdefault(step.host, []).append(step)
    results: dict[str, HostResult] = {}

    def told(host: str, outcome: Outcome) -> None:
        results[host] = _read(by_host[host], outcome, emit)

    fleet.run({host: compile_steps(steps) for host, steps in by_host.items()}, each=told)
    return results


def compile_steps(steps: Sequence[Configuring]) -> Script:
    """Return one script for one host: each step in a subshell, its exit code in a line of its own, none after a failure."""
    libraries = ("rooted", "as_account", "put", "plain", "settled", "format", "steps")
    return numbered(libraries, *map(_call, steps), timeout=SCRIPT_TIMEOUT)


def _call(step: Configuring) -> Cmd:
    match step:
        case MakeDirectory():
            return Cmd("folder", step.path, step.mode, step.owner or "")
        case MakeAccount():
            return Cmd("account", step.name)
        case UseUnit():
            return Cmd("enable", step.unit)
        case FlipLink():
            return Cmd("flip", step.path, step.target)
        case WriteFile():
            return _put(step.file)
        case FormatStorage():
            return _format(step)


def _put(file: RenderedFile) -> Cmd:
    """Return what writes a file: one that belongs to an account lies in a folder of that account, who writes it itself."""
    account, _, _ = (file.owner or "root").partition(":")
    if account == "root":
        return Cmd("put", file.path, file.mode, file.sha256, file.owner or "", stdin=file.text)
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


def _read(steps: Sequence[Configuring], outcome: Outcome, emit: Emit) -> HostResult:
    done, result = read(steps, outcome)
    for subject, text in _told(steps[:done]).items():
        emit(Note(subject, text))
    return result


def _told(steps: Sequence[Configuring]) -> dict[str, str]:
    """Return one line a node of what was done: three hundred hosts must not scroll their plan past the operator."""
    told: dict[str, list[str]] = {}
    for step in steps:
        told.setdefault(step.subject, []).extend(_done(step))
    for subject, parts in told.items():
        if made := sum(isinstance(step, MakeDirectory) and step.subject == subject for step in steps):
            parts.insert(0, f"made {plural(made, 'folder')}")
    return {subject: ", ".join(parts) for subject, parts in told.items() if parts}


def _done(step: Configuring) -> list[str]:
    match step:
        case WriteFile() if step.file.path.name != MANIFEST:
            return [f"{'wrote' if step.before is None else 'changed'} {step.file.path.name}"]
        case WriteFile() | MakeDirectory():
            return []  # a manifest repeats the other files; folders are counted
        case FlipLink():
            return [f"switched to {step.target}"]
        case MakeAccount():
            return [f"made the account {step.name}"]
        case UseUnit():
            return [f"enabled {step.unit}"]
        case FormatStorage():
            return [f"formatted for cluster {step.cluster_id}"]
