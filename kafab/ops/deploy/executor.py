"""Runs a Plan, a deploy's or a destroy's: one script a host and stage, compiled from steps that each report their outcome."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from kafab.command import Outcome
from kafab.events import Emit, Note
from kafab.interruption import interruptible
from kafab.model import Cluster
from kafab.ops.deploy.compiler import compile_steps
from kafab.ops.deploy.delivery import deliver
from kafab.ops.deploy.fates import Fate, HostResult, read, table
from kafab.plans.plan import Plan, Stage
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
    StayStopped,
)
from kafab.plans.steps import (
    DropFile,
    FlipLink,
    FormatStorage,
    InstallRelease,
    KeepGeneration,
    MakeAccount,
    MakeDirectory,
    Scripted,
    Step,
    UseUnit,
    WriteFile,
)
from kafab.ports import Fleet
from kafab.shell.layout import MANIFEST
from kafab.unknown import Unknown
from kafab.words import plural


def execute(plan: Plan, cluster: Cluster, fleet: Fleet, emit: Emit) -> dict[str, HostResult]:
    """Run the stages in order; a stage begins only when every host is done with the one before it."""
    results = {step.host: HostResult(Fate.NOT_STARTED) for step in plan.steps}
    for number, stage in enumerate(plan.stages):
        with interruptible(partial(_interrupted, stage, results)):
            releases, others = _ways(stage.steps)
            outcomes = _install(releases, cluster, fleet, emit) if releases else {}
            outcomes |= _run(others, fleet, emit) if others else {}
        ahead = {step.host for later in plan.stages[number + 1 :] for step in later.steps}
        for host, result in outcomes.items():
            # Done with this stage is not done with the plan.
            more = result.fate is Fate.DONE and host in ahead
            results[host] = HostResult(Fate.NOT_STARTED, f"after the {stage.name}") if more else result
        if any(result.fate is not Fate.DONE for result in outcomes.values()):
            break
    return results


def _ways(steps: Iterable[Step]) -> tuple[list[InstallRelease], list[Scripted]]:
    """Return the steps that stream a release, and those that a script on the host does."""
    releases: list[InstallRelease] = []
    scripted: list[Scripted] = []
    for step in steps:
        match step:
            case InstallRelease():
                releases.append(step)
            case _:
                scripted.append(step)
    return releases, scripted


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


def _run(steps: Sequence[Scripted], fleet: Fleet, emit: Emit) -> dict[str, HostResult]:
    by_host: dict[str, list[Scripted]] = {}
    for step in steps:
        by_host.setdefault(step.host, []).append(step)
    results: dict[str, HostResult] = {}

    def told(host: str, outcome: Outcome) -> None:
        results[host] = _read(by_host[host], outcome, emit)

    fleet.run({host: compile_steps(steps) for host, steps in by_host.items()}, each=told)
    return results


def _read(steps: Sequence[Scripted], outcome: Outcome, emit: Emit) -> HostResult:
    done, result = read(steps, outcome)
    for subject, text in _told(steps[:done]).items():
        emit(Note(subject, text))
    return result


def _told(steps: Sequence[Scripted]) -> dict[str, str]:
    """Return one line a node of what was done: three hundred hosts must not scroll their plan past the operator."""
    told: dict[str, list[str]] = {}
    for step in steps:
        told.setdefault(step.subject, []).extend(_done(step))
    for subject, parts in told.items():
        if made := sum(isinstance(step, MakeDirectory) and step.subject == subject for step in steps):
            parts.insert(0, f"made {plural(made, 'folder')}")
    return {subject: ", ".join(parts) for subject, parts in told.items() if parts}


def _done(step: Scripted) -> list[str]:  # noqa: PLR0911  # an arm a kind
    match step:
        case WriteFile() if step.file.path.name != MANIFEST:
            return [f"{_wrote(step)} {step.file.path.name}"]
        case WriteFile() | MakeDirectory() | KeepGeneration():
            return []  # a manifest repeats the other files; folders are counted; what is kept changes nothing
        case DropFile():
            return [f"removed {step.path.name}"]
        case FlipLink():
            return [f"switched to {step.target}"]
        case MakeAccount():
            return [f"made the account {step.name}"]
        case UseUnit():
            return [f"enabled {step.unit}"]
        case FormatStorage():
            return [f"formatted for cluster {step.cluster_id}"]
        case StayStopped() | RemoveInstance() | RemoveData() | RemoveFiles() | RemoveRun() | RemoveLogs():
            return []  # what is removed is counted when all is done
        case (
            RemoveLink()
            | RemoveRelease()
            | RemoveUploads()
            | RemoveUnit()
            | RemoveFolder()
            | RemoveGenerations()
        ):
            return []  # what is removed is counted when all is done


def _wrote(step: WriteFile) -> str:
    if step.source is not None:
        return "put back"
    return "wrote" if step.before is None else "changed"
