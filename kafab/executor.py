"""Runs a Plan over a Fleet: one script a host and stage, compiled from steps that each report their own outcome."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kafab.command import Cmd, Outcome, Script, Unknown
from kafab.events import Emit, Note
from kafab.plan import FlipLink, InstallRelease, MakeDirectory, Plan, Stage, Step, WriteFile, with_offset_zero
from kafab.ports import Fleet, Upload
from kafab.render import MANIFEST

SCRIPT_TIMEOUT = timedelta(minutes=2)
UNPACK_TIMEOUT = timedelta(minutes=10)
STALE_PART = 75
"""Exit code of the install script: what lay there was not what the offset said; send everything."""


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


def execute(plan: Plan, fleet: Fleet, emit: Emit) -> dict[str, HostResult]:
    """Run the stages in order; a stage begins only when every host is done with the one before it."""
    results = {step.host: HostResult(Fate.NOT_STARTED) for step in plan.steps}
    for number, stage in enumerate(plan.stages):
        outcomes = _install(stage, fleet, emit) if stage.name == "release" else _configure(stage, fleet, emit)
        ahead = {step.host for later in plan.stages[number + 1 :] for step in later.steps}
        for host, result in outcomes.items():
            # Done with this stage is not done with the plan.
            more = result.fate is Fate.DONE and host in ahead
            results[host] = HostResult(Fate.NOT_STARTED, f"after the {stage.name}") if more else result
        if any(result.fate is not Fate.DONE for result in outcomes.values()):
            break
    return results


def _install(stage: Stage, fleet: Fleet, emit: Emit) -> dict[str, HostResult]:
    steps = [step for step in stage.steps if isinstance(step, InstallRelease)]
    outcomes = fleet.send({step.host: _upload(step) for step in steps}, emit)
    again = [step for step in steps if _code(outcomes[step.host]) == STALE_PART]
    if again:
        outcomes |= fleet.send({step.host: _upload(with_offset_zero(step)) for step in again}, emit)
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
            emit(Note(step.host, f"release {step.artifact.folder} installed"))
    return results


def _code(outcome: Outcome) -> int | None:
    return None if isinstance(outcome, Unknown) else outcome.code


def _upload(step: InstallRelease) -> Upload:
    artifact = step.artifact
    call = Cmd(
        "install", step.root, artifact.folder, artifact.name.__str__(), artifact.sha256, artifact.size, step.offset,
        "-xzf" if artifact.file.suffix in {".tgz", ".gz"} else "-xf",
    )  # fmt: skip
    return Upload(artifact.file, Script(f"{_INSTALL}\n{call.sh}\n", UNPACK_TIMEOUT), step.offset)


_INSTALL = rf"""
umask 022
give_up() {{ rm -rf -- "$part" "$new"; echo "$1" >&2; exit 1; }}
install() {{  # ROOT FOLDER TOP SHA256 SIZE OFFSET TARFLAGS, the artifact's bytes from OFFSET on stdin
  root=$1 folder=$2 top=$3 sha=$4 size=$5 offset=$6 flags=$7
  part=$root/.incoming/$sha.part new=$root/.incoming/$folder.new
  mkdir -p -- "$root/.incoming"
  if [ "$offset" -eq 0 ]; then : > "$part"; fi
  have=$(wc -c < "$part") || have=0
  [ "$have" -eq "$offset" ] || {{ rm -f -- "$part"; echo "$have bytes were there, not $offset" >&2; exit {STALE_PART}; }}
  cat >> "$part" || give_up "could not write $part"
  have=$(wc -c < "$part")
  # A lost connection ends here: the part stays, and the next upload goes on behind it.
  [ "$have" -eq "$size" ] || {{ echo "the upload ended after $have of $size bytes" >&2; exit 1; }}
  sum=$(sha256sum < "$part")
  [ "${{sum%% *}}" = "$sha" ] || give_up "sha256 is ${{sum%% *}}, not $sha"
  rm -rf -- "$new"
  mkdir -- "$new"
  tar "$flags" "$part" -o -C "$new" < /dev/null || give_up "could not unpack it"
  [ -d "$new/$top/libs" ] || give_up "it has no $top/libs"
  [ -d "$root/$folder" ] || mv -T -- "$new/$top" "$root/$folder" || give_up "could not put it in place"
  rm -rf -- "$new" "$part"
}}
""".strip()


def _configure(stage: Stage, fleet: Fleet, emit: Emit) -> dict[str, HostResult]:
    by_host: dict[str, list[Step]] = {}
    for step in stage.steps:
        by_host.setdefault(step.host, []).append(step)
    results: dict[str, HostResult] = {}

    def told(host: str, outcome: Outcome) -> None:
        results[host] = _read(by_host[host], outcome, emit)

    fleet.run({host: compile_steps(steps) for host, steps in by_host.items()}, each=told)
    return results


def compile_steps(steps: Sequence[Step]) -> Script:
    """Return one script for one host: each step in a subshell, its exit code in a line of its own, none after a failure."""
    functions = [f"step{number}() {{\n{_body(step)}\n}}" for number, step in enumerate(steps)]
    calls = [f"run {number}" for number in range(len(steps))]
    return Script("\n".join([_STEPS, *functions, *calls]) + "\n", SCRIPT_TIMEOUT)


_STEPS = r"""
umask 027
run() {  # a plain assignment keeps `set -e` at work inside; in a condition the shell would ignore it
  set +e
  said=$(set -e; "step$1" 2>&1)
  code=$?
  set -e
  printf 'step %s %s\n' "$1" "$code"
  [ "$code" -eq 0 ] || { printf '%s\n' "$said"; exit 0; }
}
put() {  # PATH MODE SHA256, the content on stdin: whole under its name, or not at all
  new=$1.kafab-new
  [ ! -d "$1" ] || { echo "$1 is a directory"; return 1; }
  cat > "$new" || { rm -f -- "$new"; return 1; }
  sum=$(sha256sum < "$new")
  [ "${sum%% *}" = "$3" ] || { rm -f -- "$new"; echo "$1 arrived with sha256 ${sum%% *}, not $3"; return 1; }
  chmod "$2" "$new"
  mv -f -- "$new" "$1"
}
folder() {  # PATH MODE: the parents keep the mode of the place
  (umask 022; mkdir -p -- "${1%/*}")
  [ -d "$1" ] || mkdir -m "$2" -- "$1"
}
flip() {  # LINK TARGET: readers see the old or the new release, never none
  ln -s -f -n -- "$2" "$1.kafab-new"
  mv -f -T -- "$1.kafab-new" "$1"
}
""".strip()


def _body(step: Step) -> str:
    if isinstance(step, MakeDirectory):
        return Cmd("folder", step.path, step.mode).sh
    if isinstance(step, FlipLink):
        return Cmd("flip", step.path, step.target).sh
    if isinstance(step, WriteFile):
        # The delimiter is the digest of the content, which the content cannot contain.
        end = f"KAFAB_{step.file.sha256}"
        return f"{Cmd('put', step.file.path, step.file.mode, step.file.sha256).sh} <<'{end}'\n{step.file.text}{end}"
    raise TypeError(f"{step!r} is not a configuration step")


def _read(steps: Sequence[Step], outcome: Outcome, emit: Emit) -> HostResult:
    if isinstance(outcome, Unknown):
        return HostResult(Fate.UNKNOWN, outcome.reason)
    lines = outcome.text.splitlines()
    done: list[Step] = []
    result = HostResult(Fate.DONE)
    for number, step in enumerate(steps):
        answer = next((at for at, line in enumerate(lines) if line.startswith(f"step {number} ")), None)
        if answer is None:
            reason = f"{step}: no answer (exit {outcome.code}: {outcome.err.strip()})"
            result = HostResult(Fate.UNKNOWN, reason)
        elif lines[answer] != f"step {number} 0":
            result = HostResult(Fate.FAILED, f"{step}: {' '.join(lines[answer + 1 :]) or lines[answer]}")
        else:
            done.append(step)
            continue
        break
    for subject, text in _told(done).items():
        emit(Note(subject, text))
    return result


def _told(steps: Sequence[Step]) -> dict[str, str]:
    """Return one line a node of what was done: three hundred hosts must not scroll their plan past the operator."""
    told: dict[str, list[str]] = {}
    for step in steps:
        parts = told.setdefault(step.subject, [])
        if isinstance(step, WriteFile) and step.file.path.name != MANIFEST:
            parts.append(f"{'wrote' if step.before is None else 'changed'} {step.file.path.name}")
        elif isinstance(step, FlipLink):
            parts.append(f"switched to {step.target}")
    for subject, parts in told.items():
        if made := sum(isinstance(step, MakeDirectory) and step.subject == subject for step in steps):
            parts.insert(0, f"made {made} folder{'s' if made > 1 else ''}")
    return {subject: ", ".join(parts) for subject, parts in told.items() if parts}


def worst(results: Iterable[HostResult]) -> Fate:
    """Return the fate that decides the exit code: a failure is certain, an UNKNOWN is not, the rest follows from them."""
    fates = {result.fate for result in results}
    return next((fate for fate in (Fate.FAILED, Fate.UNKNOWN, Fate.NOT_STARTED) if fate in fates), Fate.DONE)
