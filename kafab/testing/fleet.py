"""Fakes of the ports, typed against them and shipped with kafab: test an operation without a host, a broker or a wait."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from kafab.command import Outcome, Result, Script, bounded
from kafab.errors import Unreachable
from kafab.events import Emit, Transfer
from kafab.ports import Clock, Download, Fleet, Hear, Upload
from kafab.unknown import Unknown

_PIECE = 64 * 1024
KILLED = 128 + 9
"""The exit code of a shell that SIGKILL has ended."""

Handler: TypeAlias = Callable[[Script], Outcome]


class Fault(Enum):
    """What goes wrong on the way to a host and back."""

    LATE = "late"
    """The host answers after all others."""
    HALF = "half"
    """The script is killed half-way through its answer."""
    DROPPED = "dropped"
    """The script has run, and the connection is lost before its answer comes."""


@dataclass(frozen=True)
class Faulty:
    """A fault, and the function whose calls it befalls; "" befalls every script."""

    fault: Fault
    at: str = ""

    def befalls(self, script: Script) -> bool:
        """Tell whether it goes wrong with this script."""
        return not self.at or bool(script.called(self.at))


class FakeClock:
    """A Clock that only `sleep` moves. ``during`` is called in each sleep: the world changes while one waits."""

    def __init__(self, during: Callable[[float], None] | None = None) -> None:
        self.time = 0.0
        self.during = during

    def now(self) -> float:
        """Return the seconds slept so far."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.time += seconds
        if self.during:
            self.during(self.time)


class FakeFleet:
    """A Fleet whose hosts are functions from a script to its outcome.

    ``unreachable`` (host -> reason), ``faulty`` (host -> what goes wrong) and ``hosts`` may be changed at any time,
    ``takes`` gets an upload's script with its bytes; without
    it the host's function gets the script alone. ``ran`` and ``sent`` record, in order, what reached a host.
    """

    def __init__(
        self,
        hosts: Mapping[str, Handler],
        *,
        unreachable: Mapping[str, str] | None = None,
        takes: Callable[[Script, bytes], Outcome] | None = None,
    ) -> None:
        self.unreachable = dict(unreachable or {})
        self.faulty: dict[str, Faulty] = {}
        self.ran: list[tuple[str, Script]] = []
        self.sent: list[tuple[str, bytes]] = []
        self.held: list[str] = []
        """Hosts on which a script is being held now."""
        self.told: list[tuple[str, str]] = []
        """Host, and the last line that a script was told which was held there."""
        self.greets: dict[str, str] = {}
        """Host -> what its login prints before each script."""
        self.closed = False
        self.hosts = dict(hosts)
        self.takes = takes

    def run(
        self, scripts: Mapping[str, Script], *, each: Callable[[str, Outcome], None] | None = None
    ) -> dict[str, Outcome]:
        """Call each host's function, in the order of ``scripts``; late hosts come last."""
        outcomes = {}
        for host, script in self._in_time(scripts):
            outcomes[host] = _kept(self._outcome(host, script))
            if each:
                each(host, outcomes[host])
        return outcomes

    def together(self, scripts: Mapping[str, Script]) -> dict[str, Outcome]:
        """Call each host's function as `run` does; the line by which it comes to the starting line is left out."""
        return {host: _behind_the_line(outcome) for host, outcome in self.run(scripts).items()}

    def stream(
        self,
        scripts: Mapping[str, Script],
        hear: Hear,
        *,
        each: Callable[[str, Outcome], None] | None = None,
    ) -> dict[str, Outcome]:
        """Call each host's function, and hand its whole output on in pieces; late hosts come last."""
        outcomes = {}
        for host, script in self._in_time(scripts):
            outcome = self._outcome(host, script)
            if isinstance(outcome, Result):
                out, err = outcome.out, outcome.err.encode()
                for at in range(0, max(len(out), len(err)), _PIECE):
                    hear(host, out[at : at + _PIECE], err[at : at + _PIECE])
                outcome = bounded(outcome.code, b"", err)
            outcomes[host] = outcome
            if each:
                each(host, outcome)
        return outcomes

    def send(self, uploads: Mapping[str, Upload], emit: Emit) -> dict[str, Outcome]:
        """Read each file from its offset on and hand it over."""
        return {host: self._received(host, upload, emit) for host, upload in uploads.items()}

    def receive(self, downloads: Mapping[str, Download], emit: Emit) -> dict[str, Outcome]:
        """Write the output of each host's function to its file."""
        return {host: self._fetched(host, wanted, emit) for host, wanted in downloads.items()}

    def follow(self, host: str, script: Script) -> Iterator[bytes]:
        """Yield the whole output of the host's function at once."""
        outcome = self._outcome(host, script)
        if isinstance(outcome, Unknown):
            raise Unreachable({host: outcome.reason})
        return iter([outcome.out] if outcome.out else [])

    @contextmanager
    def hold(
        self, host: str, script: Script, last: Callable[[], str] | None = None
    ) -> Generator[Outcome, None, None]:
        """Yield the first line of the output; ``held`` names the host meanwhile, ``told`` has what it was told last."""
        outcome = _kept(self._outcome(host, script))
        if isinstance(outcome, Result) and b"\n" in outcome.out:
            outcome = Result(0, outcome.out.partition(b"\n")[0] + b"\n", "")
        self.held.append(host)
        try:
            yield outcome
        finally:
            self.held.remove(host)
            if last:
                self.told.append((host, last()))

    def host_key(self, host: str) -> str | Unknown:
        """Return a key that names the host."""
        return Unknown(self.unreachable[host]) if host in self.unreachable else f"ssh-ed25519 {host}"

    def greeting(self, host: str) -> str:
        """Return what `greets` has for the host."""
        return self.greets.get(host, "")

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _outcome(self, host: str, script: Script) -> Outcome:
        if host in self.unreachable:
            return Unknown(self.unreachable[host])
        self.ran.append((host, script))
        outcome = self.hosts[host](script)
        match self._fault(host, script):
            case Fault.DROPPED:
                return Unknown("the connection was lost")
            case Fault.HALF if isinstance(outcome, Result):
                return Result(KILLED, outcome.out[: len(outcome.out) // 2], "Killed")
            case _:
                return outcome

    def _fault(self, host: str, script: Script) -> Fault | None:
        faulty = self.faulty.get(host)
        return faulty.fault if faulty and faulty.befalls(script) else None

    def _in_time(self, scripts: Mapping[str, Script]) -> list[tuple[str, Script]]:
        return sorted(scripts.items(), key=lambda sent: self._fault(*sent) is Fault.LATE)

    def _fetched(self, host: str, wanted: Download, emit: Emit) -> Outcome:
        outcome = self._outcome(host, wanted.script)
        if isinstance(outcome, Unknown):
            return outcome
        try:
            wanted.target.write_bytes(outcome.out)
        except OSError as error:
            return Unknown(f"{wanted.target} cannot be written here: {error.strerror}")
        if not outcome.code:
            emit(Transfer(host, wanted.name, len(outcome.out), len(outcome.out)))
        return bounded(outcome.code, b"", outcome.err.encode())

    def _received(self, host: str, upload: Upload, emit: Emit) -> Outcome:
        if host in self.unreachable:
            return Unknown(self.unreachable[host])
        try:
            content = upload.source.read_bytes()
        except OSError as error:
            return Unknown(f"{upload.source} cannot be read here: {error.strerror}")
        self.sent.append((host, content[upload.offset :]))
        emit(Transfer(host, upload.source.name, len(content), len(content)))
        if self.takes:
            return _kept(self.takes(upload.script, content[upload.offset :]))
        return _kept(self.hosts[host](upload.script))


def _kept(outcome: Outcome) -> Outcome:
    """Return what a Fleet keeps of an outcome."""
    if isinstance(outcome, Unknown):
        return outcome
    return bounded(outcome.code, outcome.out, outcome.err.encode())


def _behind_the_line(outcome: Outcome) -> Outcome:
    """Return an outcome without the line by which a script says that it is ready."""
    if isinstance(outcome, Unknown):
        return outcome
    return bounded(outcome.code, outcome.out.removeprefix(b"ready\n"), outcome.err.encode())


def _typed_against_the_ports() -> tuple[Fleet, Clock]:
    """Let mypy say where a fake has left its port."""
    return FakeFleet({}), FakeClock()
