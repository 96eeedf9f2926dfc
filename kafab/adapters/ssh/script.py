"""A script on its way to a host: its channel is opened, a `sh` is started, sudo has let us in, and then it may be sent.

Scripts travel on stdin only. One that needs no stdin of its own is a brace group, which the `sh` reads; one that is fed
comes as a single line before what it is fed with. Cut off, neither runs in part. They are sent without a wait for the
`sh` to say that it is there: a check of the login costs no round trip of its own.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

import paramiko

from kafab.adapters.ssh.faults import LinkError
from kafab.adapters.ssh.frame import Frame, on_one_line, on_stdin
from kafab.adapters.ssh.link import CONNECT_SECONDS, Link
from kafab.adapters.ssh.sidebyside import Job
from kafab.adapters.ssh.sudo import Dialogue, Shell
from kafab.adapters.ssh.talk import STILL, Output, closing
from kafab.command import Script, Secret

DIAL_SECONDS = 3 * CONNECT_SECONDS
"""Connect, log in and open a channel: within 30 s a host answers or is Unknown."""
TURN_SECONDS = 300
"""For the logins before ours to the same sshd or through the same gateway, of which some may take their 30 s."""
GRACE_SECONDS = 5


@dataclass(frozen=True)
class Begun:
    """A script's channel from the moment that it may be sent to: sudo, if there is any, has let us in."""

    shell: Shell
    channel: paramiko.Channel
    output: Output


def begin(link: Link, shell: Shell, job: Job, fed: Script | None = None) -> Begun:
    """Open a channel and start a `sh` on it, to which a script may be sent, or with ``fed`` what it is fed with.

    Raises LinkError, and NotBegun where sudo or the login has said no already.
    """
    job.allow(TURN_SECONDS, "waiting for other logins")
    channel = link.channel(partial(job.allow, DIAL_SECONDS, "connecting"))
    shell = replace(shell, user=link.user)
    job.allow(CONNECT_SECONDS + GRACE_SECONDS, "starting a script")
    channel.settimeout(CONNECT_SECONDS)
    frame = link.frame = Frame(sudo=shell.sudo)
    begun = Begun(shell, channel, Output(channel, frame, CONNECT_SECONDS))
    # A login shell that ends without reading (nologin) closes the channel under the sender, and has an exit code.
    with suppress(paramiko.SSHException, OSError, EOFError):
        channel.exec_command(shell.line(frame, feeds=fed is not None))
        if shell.password is not None and shell.sudo:
            _talk_with_sudo(begun, shell.password)
        if fed is not None:
            channel.sendall(on_one_line(fed.text))
    return begun


def _talk_with_sudo(begun: Begun, password: Secret) -> None:
    """Answer sudo until the script has begun, or sudo has ended. Raises LinkError."""
    dialogue, deadline = Dialogue(begun.output, password), time.monotonic() + CONNECT_SECONDS
    while not dialogue.over:
        try:
            begun.output.more(deadline)
        except TimeoutError:
            raise LinkError(
                f"sudo did not begin a script within {CONNECT_SECONDS} s; nothing has run"
            ) from None
        if (answer := dialogue.next()) is not None:
            begun.channel.sendall(answer)
            if not answer:
                begun.channel.shutdown_write()
    begun.output.hand_over()


@contextmanager
def running(link: Link, shell: Shell, script: Script, job: Job) -> Generator["Begun", None, None]:
    """Yield the channel of a script that has been sent whole, or whose shell has ended without reading it."""
    begun = begin(link, shell, job)
    seconds = script.timeout.total_seconds()
    job.allow(seconds + GRACE_SECONDS, f"running a script; {STILL}")
    with closing(begun.channel):
        begun.channel.settimeout(seconds)
        with suppress(paramiko.SSHException, OSError, EOFError):
            begun.channel.sendall(on_stdin(script.text))
            begun.channel.shutdown_write()
        yield begun
