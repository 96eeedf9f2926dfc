"""The Fleet port over SSH: one script a round trip, hosts side by side, every fault of a host a value.

Scripts travel on stdin as one brace group, so a truncated script is a syntax error and never runs in part, and
commands in them read /dev/null, so none can eat the rest of the script. `send`, `follow` and `hold` need stdin for
something else: their scripts travel as an argument, which `ps` shows, and must hold no secret.
"""

import os
import shlex
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import BinaryIO

import paramiko

from kafab.adapters.sidebyside import Job, side_by_side
from kafab.adapters.sshlink import CONNECT_SECONDS, Dialer, Link, LinkError
from kafab.adapters.sshtalk import LOST, Output, closing, collect, first_line
from kafab.command import Outcome, Script, Unknown
from kafab.errors import Unreachable
from kafab.events import Emit, Transfer, silent
from kafab.model import Host
from kafab.ports import Upload

DIAL_SECONDS = 3 * CONNECT_SECONDS
"""Connect, log in and open a channel: within 30 s a host answers or is Unknown."""
TURN_SECONDS = 300
"""For the logins before ours to the same sshd or through the same gateway, of which some may take their 30 s."""
STALL_SECONDS = 30
GRACE_SECONDS = 5
PROGRESS_SECONDS = 0.1
HELD_SECONDS = 30
SHELL = (
    "exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ' LC_ALL=C HOME="$HOME" sh -eu'
)
"""`exec` spares a fork where the login shell would stay. HOME is the login user's; nothing else is inherited."""

FOLLOWED = """exec 3<&0 </dev/null
( cat <&3; kill -s TERM -- "-$$" || kill -s TERM "$$" ) >/dev/null 2>&1 &
exec 3<&-
{ %s
}"""
"""When stdin ends, because we closed it or died, the script's process group (sshd makes it one) is ended: without a
terminal sshd itself would leave an idle `tail -f` behind."""


class SshFleet:
    """The hosts of a cluster over SSH. Its threads are daemons: Ctrl-C never waits for a host."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._dialer = Dialer()
        self._links = {host.name: Link(host, self._dialer) for host in hosts}

    def run(
        self, scripts: Mapping[str, Script], *, each: Callable[[str, Outcome], None] | None = None
    ) -> dict[str, Outcome]:
        """Run one script a host, side by side. See `ports.Fleet`; ``each`` is called in the caller's thread."""
        return self._beside(
            {name: partial(_run, self._links[name], script) for name, script in scripts.items()}, each=each
        )

    def send(self, uploads: Mapping[str, Upload], emit: Emit) -> dict[str, Outcome]:
        """Stream one file a host, side by side, with at most ten Transfer events a second and host.

        No byte taken for 30 s is Unknown; the script's own timeout counts from the last byte on.
        """
        return self._beside(
            {name: partial(_send, self._links[name], upload) for name, upload in uploads.items()}, emit=emit
        )

    def follow(self, host: str, script: Script) -> Iterator[bytes]:
        """Yield output, standard error included, as it comes. Its timeout is not used: following has no end of its own.

        Raises Unreachable where the host does not answer or the connection is lost.
        """
        channel = self._started(host, FOLLOWED % script.text, merged=True)
        if isinstance(channel, Unknown):
            raise Unreachable({host: channel.reason})
        return _followed(host, channel)

    @contextmanager
    def hold(self, host: str, script: Script) -> Generator[Outcome, None, None]:
        """Run a script for the length of the block. Its first line must come within 30 s; its timeout is not used.

        Yields a Result with that line, or with the exit code and errors of a script that ended without one.
        """
        channel = self._started(host, script.text, merged=False)
        if isinstance(channel, Unknown):
            yield channel
            return
        with closing(channel):
            try:
                yield first_line(channel, HELD_SECONDS)
            finally:
                # The script sees the end of its stdin; what it then does (let go of a lock) is done when we go on.
                with suppress(paramiko.SSHException, OSError, EOFError):
                    channel.shutdown_write()
                channel.status_event.wait(GRACE_SECONDS)

    def close(self) -> None:
        """Close every connection. What runs detached on the hosts goes on."""
        for link in self._links.values():
            link.hang_up()
        self._dialer.close()

    def _started(self, host: str, text: str, *, merged: bool) -> paramiko.Channel | Unknown:
        got: dict[str, paramiko.Channel | Unknown] = side_by_side(
            {host: partial(_start, self._links[host], text, merged)}, abort=self._abort
        )
        return got[host]

    def _beside(
        self,
        work: Mapping[str, Callable[[Job], Outcome]],
        *,
        each: Callable[[str, Outcome], None] | None = None,
        emit: Emit = silent,
    ) -> dict[str, Outcome]:
        return side_by_side(work, abort=self._abort, each=each, emit=emit)

    def _abort(self, host: str) -> None:
        self._links[host].hang_up()


def _channel(link: Link, job: Job) -> paramiko.Channel:
    job.allow(TURN_SECONDS, "waiting for other logins")
    return link.channel(partial(job.allow, DIAL_SECONDS, "connecting"))


def _run(link: Link, script: Script, job: Job) -> Outcome:
    channel = _channel(link, job)
    seconds = script.timeout.total_seconds()
    job.allow(seconds + GRACE_SECONDS, "running a script")
    with closing(channel):
        channel.settimeout(seconds)
        # A login shell that ends without reading (nologin) closes the channel under the sender, and has an exit code.
        with suppress(paramiko.SSHException, OSError, EOFError):
            channel.exec_command(SHELL)
            channel.sendall(on_stdin(script.text))
            channel.shutdown_write()
        return collect(channel, seconds)


def _send(link: Link, upload: Upload, job: Job) -> Outcome:
    try:
        file = upload.source.open("rb")
    except OSError as error:
        return Unknown(f"{upload.source} cannot be read here: {error.strerror}")
    with file:
        channel = _channel(link, job)
        seconds = upload.script.timeout.total_seconds()
        with closing(channel):
            channel.settimeout(STALL_SECONDS)
            job.allow(STALL_SECONDS + GRACE_SECONDS, "starting the upload's script")
            try:
                channel.exec_command(_as_argument(upload.script.text))
                _stream(channel, file, upload, job)
                channel.shutdown_write()
            except _Unreadable as error:
                return Unknown(f"{upload.source} cannot be read here: {error}")
            except TimeoutError:
                return Unknown(f"the host took no byte of {upload.source.name} for {STALL_SECONDS} s")
            except (paramiko.SSHException, OSError, EOFError):
                pass  # a script that ended early has an exit code and says why; a lost connection has none
            job.allow(seconds + GRACE_SECONDS, "finishing the upload")
            return collect(channel, seconds)


def on_stdin(text: str) -> bytes:
    """Return a script as it travels: any true prefix of the brace group is a syntax error, so nothing of it runs."""
    return f"{{ {text}\n}} </dev/null\nexit\n".encode()


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
        if now - told >= PROGRESS_SECONDS:
            told = now
            job.allow(STALL_SECONDS + GRACE_SECONDS, f"uploading, {done} of {total} bytes sent")
            job.tell(Transfer(job.name, upload.source.name, done, total))
    job.tell(Transfer(job.name, upload.source.name, done, total))


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise _Unreadable(error.strerror) from error


def _start(link: Link, text: str, merged: bool, job: Job) -> paramiko.Channel:
    channel = _channel(link, job)
    job.allow(CONNECT_SECONDS, "starting a script")
    channel.set_combine_stderr(merged)
    try:
        channel.exec_command(_as_argument(text))
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise LinkError(f"the script could not be started: {error or LOST}") from error
    return channel


def _as_argument(text: str) -> str:
    return f"{SHELL}c {shlex.quote(text)}"


def _followed(host: str, channel: paramiko.Channel) -> Iterator[bytes]:
    output = Output(channel)
    with closing(channel):
        while not output.ended:
            output.more(None)
            if output.out:
                yield bytes(output.out)
                output.out.clear()
        if not channel.eof_received:
            raise Unreachable({host: LOST})
