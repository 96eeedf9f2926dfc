"""Runs a Plan over a Fleet: one script a host and stage, compiled from steps that each report their own outcome."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import partial
from pathlib import PurePath

from kafab.command import Cmd, Outcome, Script, Unknown
from kafab.delivery import deliver
from kafab.events import Emit, Note
from kafab.interruption import interruptible
from kafab.model import Cluster
from kafab.ownership import AS_ACCOUNT, PLAIN, ROOTED, as_account
from kafab.plan import Plan, Stage
from kafab.ports import Fleet
from kafab.render import MANIFEST, RenderedFile
from kafab.steps import (
    Configuring,
    FlipLink,
    FormatStorage,
    InstallRelease,
    MakeAccount,
    MakeDirectory,
    UseUnit,
    WriteFile,
)
from kafab.storage import initial_controllers
from kafab.supervisor import SETTLED
from kafab.words import plural

SCRIPT_TIMEOUT = timedelta(minutes=2)


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


def table(results: Mapping[str, HostResult]) -> str:
    """Return each host's fate in a line of its own."""
    return "\n".join(
        f"  {host}: {result.fate.value}{': ' * bool(result.detail)}{result.detail}"
        for host, result in results.items()
    )


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
    return Script("\n".join([ROOTED, AS_ACCOUNT, _PUT, _STEPS, *functions, *calls]) + "\n", SCRIPT_TIMEOUT)


_PUT = r"""
put() {  # PATH MODE SHA256 [OWNER], the content on stdin: whole under its name, or not at all
  new=$1.kafab-new
  [ ! -d "$1" ] || { echo "$1 is a directory"; return 1; }
  [ -d "${1%/*}" ] || (umask 022; mkdir -p -- "${1%/*}")
  # A file of our own: not through a link that lies there.
  rm -f -- "$new"
  (set -C; cat > "$new") || { rm -f -- "$new"; return 1; }
  sum=$(sha256sum < "$new")
  [ "${sum%% *}" = "$3" ] || { rm -f -- "$new"; echo "$1 did not arrive as it was sent"; return 1; }
  [ -z "${4-}" ] || chown "$4" "$new"
  chmod "$2" "$new"
  mv -f -T -- "$new" "$1"
}
""".strip()

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
folder() {  # PATH MODE [OWNER]: the parents keep the mode of the place
  new=$1.kafab-new up=${1%/*} owner=${3-}
  [ "$owner" != root:root ] || [ ! -d "$1" ] || { take "$1" "$2"; return; }
  [ ! -d "$1" ] || return 0
  if [ -n "$owner" ] && ! why=$(rooted "$up"); then
    case $owner in root:*) echo "root makes $1 only where it alone can write:" $why; return 1 ;; esac
    as_account "${owner%:*}" 'umask 022; mkdir -p -- "${1%/*}"; mkdir -m "$2" -- "$1"' "$1" "$2" < /dev/null
    return
  fi
  (umask 022; mkdir -p -- "$up")
  # Its final name only when it is its owner's: a folder that is there is never given to anybody.
  [ -d "$new" ] || mkdir -- "$new"
  [ -z "$owner" ] || chown "$owner" "$new"
  chmod "$2" "$new"
  mv -T -- "$new" "$1"
}
take() {  # FOLDER MODE: it becomes root's; of what another account has left in it only that account's own tmp stays
  why=$(rooted "${1%/*}") || { echo "root takes $1 only where it alone can write:" $why; return 1; }
  [ ! -L "$1" ] || { echo "$1 is a link"; return 1; }
  chown root:root -- "$1"
  # Not yet the mode of a folder that is ready: an interruption from here on is seen, and begins again.
  chmod 700 -- "$1"
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    # A process that runs has its temporary files there.
    [ "$entry" != "$1/tmp" ] || [ -L "$entry" ] || [ ! -d "$entry" ] || continue
    [ -f "$entry" ] && [ ! -L "$entry" ] && [ -O "$entry" ] || rm -rf -- "$entry"
  done
  chmod "$2" -- "$1"
}
account() {  # USER, with a group of the same name
  id -u -- "$1" >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin -- "$1"
}
enable() {  # UNIT: at boot; it is neither started nor restarted
  systemctl daemon-reload
  systemctl enable --quiet "$1"
}
flip() {  # LINK TARGET: readers see the old or the new release, never none
  ln -s -f -n -- "$2" "$1.kafab-new"
  mv -f -T -- "$1.kafab-new" "$1"
}
""".strip()


_FORMAT = r"""
bare() {  # ID FOLDER...: whether one has no meta.properties yet
  id=$1
  shift
  # The lock is inherited by the tool, and held for as long as it works, whatever becomes of us.
  settled "$1" -x 60
  bare=1
  for path do
    [ -e "$path/meta.properties" ] || [ -L "$path/meta.properties" ] || { bare=0; continue; }
    plain "$path/meta.properties" || { echo "$path/meta.properties is a link or no file"; exit 1; }
    grep -qxF "cluster.id=$id" "$path/meta.properties" ||
      { echo "$path was formatted for another cluster id in the meantime"; exit 1; }
  done
  return "$bare"
}
storage() {  # JAVA RELEASE WORDS...: one short JVM; a folder that has a meta.properties is left as it is
  java=$1 release=$2
  shift 2
  # Log4j's own start would take a quarter of the time, for a tool that prints what it does.
  set -- "$java" -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -Xms64m -Xmn48m -Xmx256m \
    -Dlog4j2.disable.jmx=true \
    -Dlog4j2.loggerContextFactory=org.apache.logging.log4j.simple.SimpleLoggerContextFactory \
    -cp "$release/libs/*" kafka.tools.StorageTool format "$@"
  cd /
  "$@"
}
""".strip()


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
    return Cmd("as_account", account, f'{_PUT}\nput "$@"', file.path, file.mode, file.sha256)


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
    return as_account(step.user, f"{PLAIN}\n{SETTLED}\n{_FORMAT}\n{calls}")


def _read(steps: Sequence[Configuring], outcome: Outcome, emit: Emit) -> HostResult:
    if isinstance(outcome, Unknown):
        return HostResult(Fate.UNKNOWN, outcome.reason)
    lines = outcome.text.splitlines()
    done: list[Configuring] = []
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


def worst(results: Iterable[HostResult]) -> Fate:
    """Return the fate that decides the exit code: a failure is certain, an UNKNOWN is not, the rest follows from them."""
    fates = {result.fate for result in results}
    return next((fate for fate in (Fate.FAILED, Fate.UNKNOWN, Fate.NOT_STARTED) if fate in fates), Fate.DONE)
