"""What an operator does on hosts by hand, on all of them at once: run a command, put a file there, get one.

A file is whole under its name or not there at all, on either side. `push` looks first: where a host is silent or has no
such folder nothing is sent to any, and a file that is there already is not written again. Root follows only links of its
own: in a folder of another account both work as that account.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath

from kafab.command import Cmd, Outcome, Raw, Result, Script
from kafab.errors import Failed, Unreachable, UsageError
from kafab.events import Emit
from kafab.model import Cluster
from kafab.ops.hosts.outputs import Listener
from kafab.plans.state import limited
from kafab.ports import Download, Fleet, Upload
from kafab.shell.frame import framed
from kafab.shell.library import compose
from kafab.unknown import Unknown

LOOK_TIMEOUT = timedelta(seconds=60)
WRITE_TIMEOUT = timedelta(minutes=2)
SILENCE = timedelta(seconds=30)
MODE = "0644"
_SENTENCE = 500
"""Characters of a line of a host that a message has room for."""


@dataclass(frozen=True)
class Answers:
    """What each host said, in inventory order."""

    outcomes: Mapping[str, Outcome]

    @property
    def unreachable(self) -> dict[str, str]:
        """Host -> why it is Unknown."""
        return {host: found.reason for host, found in self.outcomes.items() if isinstance(found, Unknown)}

    @property
    def failed(self) -> dict[str, str]:
        """Host -> exit code and last line of its errors."""
        return {
            host: f"exit {found.code}{_last(found.err)}"
            for host, found in self.outcomes.items()
            if isinstance(found, Result) and found.code
        }

    def raise_unless_done(self, what: str) -> None:
        """Raise Unreachable or Failed with the fate of every host that is not done; an unreachable one decides."""
        failed = "".join(f"\n  {host}: {text}" for host, text in self.failed.items())
        done = len(self.outcomes) - len(self.failed) - len(self.unreachable)
        if self.unreachable:
            rest = f"{done} of {len(self.outcomes)} hosts are done" + (
                f"; failed on:{failed}" if failed else ""
            )
            raise Unreachable(self.unreachable, hint=rest)
        if failed:
            raise Failed(f"{what} failed on {len(self.failed)} of {len(self.outcomes)} hosts:{failed}")


def hosts_of(cluster: Cluster, limit: str | None) -> tuple[str, ...]:
    """Return the names of the hosts that ``--limit`` names, themselves or by a node; all without a limit."""
    nodes = limited(cluster, limit)
    if limit is None:
        return tuple(host.name for host in cluster.hosts)
    wanted = {node.host.name for node in nodes} | {word.strip() for word in limit.split(",")}
    return tuple(host.name for host in cluster.hosts if host.name in wanted)


def seconds(text: str) -> timedelta:
    """Read ``--timeout``. Raises UsageError for anything but a number from 1 to 86400."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 86400):
        raise UsageError(f"found --timeout {text}; expected a number of seconds from 1 to 86400")
    return timedelta(seconds=int(text))


def refuse_nothing(command: str) -> None:
    """Refuse an empty command. Raises UsageError."""
    if not command.strip():
        raise UsageError("there is no command to run", hint="fab exec 'df -h /var/lib/kafka'")


def execute(
    command: str,
    hosts: Sequence[str],
    fleet: Fleet,
    *,
    timeout: timedelta,
    listener: Listener,
) -> Answers:
    """Run a shell command on each host, side by side; ``listener`` hears what they print as it comes."""
    script = framed((), Cmd("exec", "sh", "-c", command), timeout=timeout)

    def each(host: str, _outcome: Outcome) -> None:
        listener.ended(host)

    return Answers(fleet.stream(dict.fromkeys(hosts, script), listener.hear, each=each))


@dataclass(frozen=True)
class Push:
    """Where a file will be on each host, and the hosts where it is to be written."""

    paths: Mapping[str, str]
    uploads: Mapping[str, Upload]


def to_push(local: str, remote: str, hosts: Sequence[str], fleet: Fleet, *, mode: str | None) -> Push:
    """Look where a file has to be written, under a path or into a folder of that path; nothing is sent.

    Without ``mode`` a file that is replaced keeps its mode, and a new one gets 0644. Raises UsageError, Unreachable, Failed.
    """
    source = _local_file(local)
    _refuse_bad_path(remote)
    if mode is not None and not re.fullmatch(r"[0-7]{3,4}", mode, re.ASCII):
        raise UsageError(f"found --mode {mode}; expected octal digits like 0640")
    digest = _sha256(source)
    there = Answers(fleet.run(dict.fromkeys(hosts, _look(remote, source.name))))
    there.raise_unless_done("push (nothing was sent anywhere)")
    found = {host: _found(outcome) for host, outcome in there.outcomes.items()}
    uploads = {
        host: Upload(source, _write(at, mode or at.mode or MODE, digest))
        for host, at in found.items()
        if at.digest != digest or (mode is not None and int(mode, 8) != int(at.mode, 8))
    }
    return Push({host: at.path for host, at in found.items()}, uploads)


def push(found: Push, fleet: Fleet, emit: Emit) -> Answers:
    """Write the file where it has to be written; return what those hosts said to it."""
    return Answers(fleet.send(found.uploads, emit) if found.uploads else {})


@dataclass(frozen=True)
class _There:
    path: str
    digest: str = ""
    mode: str = ""


def _found(outcome: Outcome) -> _There:
    assert isinstance(outcome, Result)  # noqa: S101  # raise_unless_done has seen to it
    path, _, rest = outcome.text.partition("\n")
    return _There(path, *rest.split())


def _look(remote: str, name: str) -> Script:
    return _as_owner("remote_look", LOOK_TIMEOUT, Cmd("look", remote, name))


def _as_owner(library: str, timeout: timedelta, call: Cmd) -> Script:
    """Return the script that calls a function about a file, with the rights of the account that owns the way to it."""
    function, path, *words = call.words
    itself = compose((library,), f'{function} "$@"')
    theirs = Cmd("as_account", Raw('"$account"'), itself, path, *words)
    text = compose(
        ("rooted", "as_account", "whose", library),
        f"account=$({Cmd('whose', path).sh})",
        f'if [ -z "$account" ]; then {call.sh}; else',
        f"{theirs.sh}; fi",
    )
    return Script(text, timeout, (call,))


def _write(at: _There, mode: str, digest: str) -> Script:
    return _as_owner("remote_write", WRITE_TIMEOUT, Cmd("write", at.path, mode, digest))


@dataclass(frozen=True)
class Pulled:
    """The files that are here now, a host each, and what the hosts said."""

    files: Mapping[str, Path]
    answers: Answers


def pull(remote: str, folder: str, hosts: Sequence[str], fleet: Fleet, emit: Emit) -> Pulled:
    """Get a file from each host to FOLDER/<host>/<name>, mode 0600. Raises UsageError, and Failed for a fault here."""
    _refuse_bad_path(remote)
    name = PurePosixPath(remote).name
    if not name or name == "..":
        raise UsageError(f"found {remote!r} as the path of a file; expected one that ends in a name")
    targets = {host: Path(folder).expanduser() / host / name for host in hosts}
    with _beside(targets, Path(folder).expanduser()) as partial:
        script = _as_owner("remote_read", SILENCE, Cmd("read_file", remote))
        wanted = {host: Download(file, script, name) for host, file in partial.items()}
        answers = Answers(fleet.receive(wanted, emit))
        whole = [host for host, got in answers.outcomes.items() if isinstance(got, Result) and not got.code]
        for host in whole:
            partial[host].replace(targets[host])
    return Pulled({host: targets[host] for host in whole}, answers)


@contextmanager
def _beside(targets: Mapping[str, Path], folder: Path) -> Iterator[dict[str, Path]]:
    """Yield an empty file beside each target; of what is made here only the targets are left in the end."""
    made: dict[str, Path] = {}
    folders = [*(target.parent for target in targets.values()), folder]
    new = [each for each in folders if not each.exists()]
    try:
        for host, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=target.parent, prefix=f".{target.name}.", delete=False
            ) as file:
                made[host] = Path(file.name)
        yield made
    except OSError as error:
        raise Failed(
            f"{error.filename}: {error.strerror}", hint="name a folder that you may write to"
        ) from error
    finally:
        for left in made.values():
            left.unlink(missing_ok=True)
        for each in new:
            with suppress(OSError):  # not empty: it has its file
                each.rmdir()


def _local_file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(f"{path} is {'a folder' if path.is_dir() else 'no file'}: push takes one file")
    return path


def _refuse_bad_path(path: str) -> None:
    if not path or "\n" in path or "\0" in path:
        raise UsageError(f"found {path!r} as a path on the hosts; expected the path of a file")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _last(errors: str) -> str:
    lines = errors.strip().splitlines()
    if not lines:
        return ""
    line = lines[-1].strip()
    return f": {line}" if len(line) <= _SENTENCE else f": {line[:_SENTENCE]} …"
