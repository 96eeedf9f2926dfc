"""The files of an operator's keys: which are there, what they are, and how they are named to people."""

import base64
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kafab.adapters.ssh.config import Resolved
from kafab.model import Ssh


def key_files(identities: Sequence[Path]) -> dict[str, Any]:
    """Return Paramiko's argument for the files of these that are there; none for no file."""
    files = [str(path) for path in identities if path.is_file()]
    return {"key_filename": files} if files else {}


def public_blob(identity: Path) -> bytes | None:
    """Return the public key beside a private one, or in its place where the private one is only in the agent."""
    for file in (identity.with_name(f"{identity.name}.pub"), identity):
        with suppress(OSError, ValueError, IndexError):
            return base64.b64decode(file.read_text(encoding="utf-8").split()[1], validate=True)
    return None


def shown_keys(said: Resolved, ssh: Ssh) -> str:
    """Name the keys that a login is tried with, and say of a file that it is no private key."""
    tried = [f"{path}{_kind(path)}" for path in ((ssh.identity,) if ssh.identity else said.identities)]
    none_named = not tried
    if said.agent and os.environ.get("SSH_AUTH_SOCK"):
        tried.append("the keys of ssh-agent")
    if none_named:
        tried.append("~/.ssh/id_*")
    return ", ".join(tried)


def _kind(identity: Path) -> str:
    """Say what a file is that is no private key; empty for one, and for what cannot be read."""
    try:
        with identity.expanduser().open("rb") as file:
            begin = file.read(4096)
    except OSError:
        return ""
    if b"PRIVATE KEY-----" in begin:
        return ""
    if begin.startswith(b"PuTTY-User-Key-File"):
        return " (a key of PuTTY)"
    return (
        " (a public key)"
        if re.match(rb"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]{40}", begin)
        else " (no private key)"
    )
