"""Runs a Plan over a Fleet: one script a host and stage, compiled from steps that each report their own outcome."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import PurePath

from kafab.command import Cmd, Outcome, Script
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
from kafab.shell.layout import MANIFEST
from kafab.shell.library import compose
from kafab.shell.ownership import as_account
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
    functions = [f"step{number}() {{\n{_body(step)}\n}}" for number, step in enumerate(steps)]
    calls = [f"run {number}" for number in range(len(steps))]
    return Script(compose(("rooted", "as_account", "put", "steps"), *functions, *calls), SCRIPT_TIMEOUT)


def _body(step: Configuring) -> str:
    match step:
        case MakeDirectory():
            return Cmd("folder", step.path, step.mode, step.owner or "").sh
        case MakeAccount():
            return Cmd("account", step.name).sh
        case UseUnit():
            return Cmd("enable", step.unit).sh
        case FlipLink():
            return Cmd("flip", step.path, step.target).sh
        case WriteFile():
            # The delimiter is the digest of the content, which the content cannot contain.
            end = f"KAFAB_{step.file.sha256}"
            return f"{_put(step.file).sh} <<'{end}'\n{step.file.text}{end}"
        case FormatStorage():
            return _format(step)


def _put(file: RenderedFile) -> Cmd:
    """Return what writes a file: one that belongs to an account lies in a folder of that account, who writes it itself."""
    account, _, _ = (file.owner or "root").partition(":")
    if account == "root":
        return Cmd("put", file.path, file.mode, file.sha256, file.owner or "")
    return Cmd("as_account", account, compose(("put",), 'put "$@"'), file.path, file.mode, file.sha256)


def _format(step: FormatStorage) -> str:
    """Return the call of StorageTool, as the user that the node will run as: the files are that user's."""
    id_ = step.cluster_id or ""
    words: list[str | PurePath] = ["-t", id_, "-c", step.config, "--ignore-formatted"]
    if step.voters:
        words += ["--initial-controllers", initial_controllers(step)]
    if step.joins:
        words.append("--no-initial-controllers")
    call = Cmd("storage", step.java, step.release, *words).sh
    calls = f"if {Cmd('bare', id_, *step.data).sh}; then\n{call}\nfi"
    return as_account(step.user, compose(("plain", "settled", "format"), calls))


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
