"""The Fleet port over SSH: one script a round trip, hosts side by side, every fault of a host a value.

Scripts travel on stdin, and a truncated one never runs in part. Commands in those of `run` and `stream` read /dev/null,
so none can eat the rest of the script; those of `send`, `follow` and `hold` have the rest of stdin for themselves.
"""

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from functools import partial
from typing import BinaryIO, TypeVar

import paramiko

from kafab.adapters.ssh.faults import LinkError
from kafab.adapters.ssh.frame import NotBegun
from kafab.adapters.ssh.link import Dialer, Link
from kafab.adapters.ssh.script import GRACE_SECONDS, Begun, begin, running
from kafab.adapters.ssh.sidebyside import Job, side_by_side
from kafab.adapters.ssh.starting import LINE_SECONDS, READY, StartingLine
from kafab.adapters.ssh.sudo import Shell
from kafab.adapters.ssh.talk import LOST, STILL, closing, collect, first_line
from kafab.command import Ends, Outcome, Result, Script, Secret
from kafab.errors import Unreachable
from kafab.events import Emit, Transfer, silent
from kafab.model import Host
from kafab.ports import Download, Hear, Upload
from kafab.unknown import Unknown

T = TypeVar("T")

STALL_SECONDS = 30
PROGRESS_SECONDS = 0.1
HELD_SECONDS = 30
FOLLOWED = """exec 3<&0 </dev/null
( cat <&3; kill -s TERM 0 ) >/dev/null 2>&1 &
exec 3<&-
{ %s
}"""
"""When stdin ends, because we closed it or died, the script's process group is ended: without a terminal sshd itself
would leave an idle `tail -f` behind. The group is the login shell's, or the one that sudo has made."""


class SshFleet:
    """The hosts of a cluster over SSH. Its threads are daemons: Ctrl-C never waits for a host.

    With ``become`` scripts run as root, which takes sudo for any login but root's; ``sudo_password`` is for a sudo that
    wants one. ``accept_new_host_keys`` writes the key of a host that no known_hosts file knows to the first of them, and
    tells ``emit``, from any thread.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        become: bool = False,
        sudo_password: Secret | None = None,
        accept_new_host_keys: bool = False,
        emit: Emit = silent,
    ) -> None:
        self._dialer = Dialer(accept_new_host_keys=accept_new_host_keys, emit=emit)
        self._emit = emit
        self._links = {host.name: Link(host, self._dialer) for host in hosts}
        self._shell = Shell("", become=become, password=sudo_password)

    def as_user(self, *, root: bool) -> "SshFleet":
        """Return the same hosts over the same connections, as root or as the login user."""
        same = copy(self)
        same._shell = replace(self._shell, become=root)  # noqa: SLF001  # its own class
        return same

    @property
    def links(self) -> Mapping[str, Link]:
        """The connections by host, for what else goes over them."""
        return self._links

    def run(
        self, scripts: Mapping[str, Script], *, each: Callable[[str, Outcome], None] | None = None
    ) -> dict[str, Outcome]:
        """Run one script a host, side by side. See `ports.Fleet`; ``each`` is called in the caller's thread.

        Without root where root is wanted a host is Unknown, with what has to be changed there: nothing of its script has run.
        """
        return self._beside(
            {name: partial(_run, self._links[name], self._shell, script) for name, script in scripts.items()},
            each=each,
            emit=self._emit,
            to_the_end=any(script.changes for script in scripts.values()),
        )

    def together(self, scripts: Mapping[str, Script]) -> dict[str, Outcome]:
        """Run one script a host, side by side, with a starting line. See `ports.Fleet`."""
        line = StartingLine(len(scripts))
        return self._beside(
            {
                name: partial(_run_from_line, self._links[name], self._shell, script, line)
                for name, script in scripts.items()
            },
            emit=self._emit,
            to_the_end=any(script.changes for script in scripts.values()),
        )

    def stream(
        self,
        scripts: Mapping[str, Script],
        hear: Hear,
        *,
        each: Callable[[str, Outcome], None] | None = None,
    ) -> dict[str, Outcome]:
        """Run one script a host, side by side, and hand on what they print. See `ports.Fleet`; all in the caller's thread."""
        return self._beside(
            {
                name: partial(_listen, self._links[name], self._shell, script, hear)
                for name, script in scripts.items()
            },
            each=each,
        )

    def send(self, uploads: Mapping[str, Upload], emit: Emit) -> dict[str, Outcome]:
        """Stream one file a host, side by side, with at most ten Transfer events a second and host.

        No byte taken for 30 s is Unknown; the script's own timeout counts from the last byte on.
        """
        return self._beside(
            {
                name: partial(_send, self._links[name], self._shell, upload)
                for name, upload in uploads.items()
            },
            emit=emit,
        )

    def receive(self, downloads: Mapping[str, Download], emit: Emit) -> dict[str, Outcome]:
        """Write what one script a host prints to a file here, side by side. No byte for the script's timeout is Unknown."""
        return self._beside(
            {
                name: partial(_receive, self._links[name], self._shell, wanted)
                for name, wanted in downloads.items()
            },
            emit=emit,
        )

    def follow(self, host: str, script: Script) -> Iterator[bytes]:
        """Yield output, standard error included, as it comes. Its timeout is not used: following has no end of its own.

        Raises Unreachable where the host does not answer or the connection is lost.
        """
        started = self._started(host, replace(script, text=FOLLOWED % script.text))
        if isinstance(started, Unknown):
            raise Unreachable({host: started.reason})
        return _followed(self._links[host], started)

    @contextmanager
    def hold(
        self, host: str, script: Script, last: Callable[[], str] | None = None
    ) -> Generator[Outcome, None, None]:
        """Run a script for the length of the block. Its first line must come within 30 s; its timeout is not used.

        Yields a Result with that line, or with the exit code and errors of a script that ended without one.
        """
        started = self._started(host, script)
        if isinstance(started, Unknown):
            yield started
            return
        with closing(started.channel):
            try:
                yield _first_line(self._links[host], started)
            finally:
                # The script sees the end of its stdin; what it then does (let go of a lock) is done when we go on.
                with suppress(paramiko.SSHException, OSError, EOFError):
                    if last:
                        started.channel.settimeout(GRACE_SECONDS)
                        started.channel.sendall(f"{last()}\n".encode())
                    started.channel.shutdown_write()
                started.channel.status_event.wait(GRACE_SECONDS)

    def host_key(self, host: str) -> str | Unknown:
        """Return the key by which the host was let in when it was dialled. See `ports.Fleet`."""
        return self._links[host].host_key() or Unknown("not connected")

    def greeting(self, host: str) -> str:
        """Return what the host's login says before each script. See `ports.Fleet`."""
        return self._links[host].greeting

    def close(self) -> None:
        """Close every connection. What runs detached on the hosts goes on."""
        for link in self._links.values():
            link.hang_up()
        self._dialer.close()

    def _started(self, host: str, script: Script) -> Begun | Unknown:
        link = self._links[host]
        work = {host: partial(_explained, link, partial(_start, link, self._shell, script))}
        return side_by_side(work, abort=self._abort)[host]

    def _beside(
        self,
        work: Mapping[str, Callable[[Job], Outcome]],
        *,
        each: Callable[[str, Outcome], None] | None = None,
        emit: Emit = silent,
        to_the_end: bool = False,
    ) -> dict[str, Outcome]:
        explained: dict[str, Callable[[Job], Outcome]] = {
            name: partial(_explained, self._links[name], call) for name, call in work.items()
        }
        return side_by_side(explained, abort=self._abort, each=each, emit=emit, to_the_end=to_the_end)

    def _abort(self, host: str) -> None:
        self._links[host].hang_up()


def _explained(link: Link, work: Callable[[Job], T | Unknown], job: Job) -> T | Unknown:
    """Do the work; where its connection was lost to silence or its script was not let in, say so."""
    try:
        outcome = work(job)
    except NotBegun as error:
        return Unknown(link.refusal(error))
    if outcome == Unknown(LOST) and link.silence:
        return Unknown(f"{LOST}: {link.silence}")
    return outcome


def _run(link: Link, shell: Shell, script: Script, job: Job) -> Outcome:
    with running(link, shell, script, job) as begun:
        return collect(begun.output, script.timeout.total_seconds())


def _run_from_line(link: Link, shell: Shell, script: Script, line: StartingLine, job: Job) -> Outcome:
    with line.expected() as come:
        begun = begin(link, shell, job, script)
        seconds = script.timeout.total_seconds()
        job.allow(seconds + LINE_SECONDS + GRACE_SECONDS, f"running a script; {STILL}")
        with closing(begun.channel):
            first = first_line(begun.output, seconds)
            if isinstance(first, Unknown) or not begun.output.out:
                return first
            if begun.output.out.startswith(READY):
                del begun.output.out[: len(READY)]
                come()
                line.wait()
            with suppress(paramiko.SSHException, OSError, EOFError):
                begun.channel.shutdown_write()
            return collect(begun.output, seconds)


def _listen(link: Link, shell: Shell, script: Script, hear: Hear, job: Job) -> Outcome:
    with running(link, shell, script, job) as begun:
        output, errors = begun.output, Ends()
        seconds = script.timeout.total_seconds()
        deadline = time.monotonic() + seconds
        late = Unknown(f"no answer within {seconds:g} s; {STILL}")
        try:
            while not output.ended:
                output.more(deadline)
                out, err = output.take()
                errors.add(err)
                if out or err:
                    job.hand(partial(hear, job.name, out, err))
                # What has all come before its reader had time for it is in time.
                if time.monotonic() > deadline and not output.complete:
                    return late
            code = output.exit_code(deadline)
        except TimeoutError:
            return late
        return code if isinstance(code, Unknown) else Result(code, b"", errors.text)


def _send(link: Link, shell: Shell, upload: Upload, job: Job) -> Outcome:
    try:
        file = upload.source.open("rb")
    except OSError as error:
        return Unknown(f"{upload.source} cannot be read here: {error.strerror}")
    with file:
        begun = begin(link, shell, job, upload.script)
        channel, seconds = begun.channel, upload.script.timeout.total_seconds()
        with closing(channel):
            channel.settimeout(STALL_SECONDS)
            job.allow(STALL_SECONDS + GRACE_SECONDS, "starting the upload's script")
            # A file goes to a shell that is there, not into whatever else the login may be.
            begun.output.await_shell()
            try:
                _stream(channel, file, upload, job)
                channel.shutdown_write()
            except _Unreadable as error:
                return Unknown(f"{upload.source} cannot be read here: {error}")
            except TimeoutError:
                return Unknown(f"the host took no byte of {upload.source.name} for {STALL_SECONDS} s")
            except (paramiko.SSHException, OSError, EOFError):
                pass  # a script that ended early has an exit code and says why; a lost connection has none
            job.allow(seconds + GRACE_SECONDS, f"finishing the upload; {STILL}")
            return collect(begun.output, seconds)


def _receive(link: Link, shell: Shell, wanted: Download, job: Job) -> Outcome:
    try:
        file = wanted.target.open("wb")
    except OSError as error:
        return Unknown(f"{wanted.target} cannot be written here: {error.strerror}")
    with file:
        begun = begin(link, shell, job, wanted.script)
        seconds, told = wanted.script.timeout.total_seconds(), time.monotonic()
        with closing(begun.channel):
            with suppress(paramiko.SSHException, OSError, EOFError):
                begun.channel.shutdown_write()
            errors = Ends()
            while not begun.output.ended:
                job.allow(seconds + GRACE_SECONDS, f"receiving, {file.tell()} bytes so far")
                try:
                    begun.output.more(time.monotonic() + seconds)
                    out, err = begun.output.take()
                    file.write(out)
                    file.flush()
                except TimeoutError:
                    return Unknown(f"no byte for {seconds:g} s, after {file.tell()}")
                except OSError as error:
                    return Unknown(f"{wanted.target} cannot be written here: {error.strerror}")
                errors.add(err)
                if (now := time.monotonic()) - told >= PROGRESS_SECONDS:
                    told = now
                    job.tell(Transfer(job.name, wanted.name, file.tell(), None))
            try:
                code = begun.output.exit_code(time.monotonic() + seconds)
            except TimeoutError:
                return Unknown(f"no exit code within {seconds:g} s, after {file.tell()} bytes")
            if isinstance(code, Unknown):
                return code
        if not code:
            job.tell(Transfer(job.name, wanted.name, file.tell(), file.tell()))
        return Result(code, b"", errors.text)


class _Unreadable(Exception):
    """The local file, not the host, is at fault."""


def _stream(channel: paramiko.Channel, file: BinaryIO, upload: Upload, job: Job) -> None:
    total = os.fstat(file.fileno()).st_size
    done, told = upload.offset, 0.0
    # One packet a call: `sendall` would copy what is left of a larger piece again for each packet.
    size = channel.out_max_packet_size - 64
    file.seek(done)
    while data := _read(file, size):
        while data:
            sent = channel.send(data)
            if not sent:
                raise EOFError
            data = data[sent:]
            done += sent
        now = time.monotonic()
        if now - told >= PROGRESS_SECONDS and done < total:
            told = now
            job.allow(STALL_SECONDS + GRACE_SECONDS, f"uploading, {done} of {total} bytes sent")
            job.tell(Transfer(job.name, upload.source.name, done, total))
    job.tell(Transfer(job.name, upload.source.name, done, total))


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise _Unreadable(error.strerror) from error


def _start(link: Link, shell: Shell, script: Script, job: Job) -> Begun:
    begun = begin(link, shell, job, script)
    if begun.channel.closed and begun.channel.exit_status == -1:
        raise LinkError(f"the script could not be started: {LOST}")
    return begun


def _first_line(link: Link, begun: Begun) -> Outcome:
    try:
        return first_line(begun.output, HELD_SECONDS)
    except NotBegun as error:
        return Unknown(link.refusal(error))


def _followed(link: Link, begun: Begun) -> Iterator[bytes]:
    output, host = begun.output, link.host.name
    with closing(begun.channel):
        while not output.ended:
            try:
                output.more(None)
            except NotBegun as error:
                raise Unreachable({host: link.refusal(error)}) from None
            if piece := b"".join(output.take()):
                yield piece
        if not begun.channel.eof_received:
            raise Unreachable({host: LOST})
