"""The certificates of a cluster: secure.issue, secure.csr, secure.install and secure.check."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .cluster import JSON

if TYPE_CHECKING:
    from kafab.ops.secure.shelf import Shelf
    from kafab.references import Reference

_LIMIT = "Only these hosts and nodes, comma-separated: node1,node2/broker; without it kafab's own, too."


@task(
    help={
        "password": "where the password of the CA's key is: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND}; else it is asked for",
        "renew": "make new ones also where they are good",
        "limit": _LIMIT,
        "json": JSON,
    }
)
def issue(
    _context: Context,
    password: str | None = None,
    renew: bool = False,
    limit: str | None = None,
    json: bool = False,
) -> None:
    """Make certificates of the cluster's own CA: where they are missing, wrong or end within 30 days.

    The CA is made with the first of them. All of it lies on this machine; no host is asked or changed.
    """
    from kafab.ops.secure.issue import issue as run
    from kafab.screens.secure import show_issued

    session, console = CHAIN.session(), CHAIN.console(json=json)
    folder = shelf()
    given = reference("--password", password)
    done = run(session.cluster, limit, session, folder, password=given, renew=renew)
    show_issued(console, session.cluster, done, folder.folder)


@task(
    help={
        "out": "also copy the requests to this folder, as node1-broker.csr",
        "new_keys": "ask for certificates of new keys; those in use stay until the new certificates are installed",
        "limit": _LIMIT,
        "json": JSON,
    }
)
def csr(
    _context: Context,
    out: str | None = None,
    new_keys: bool = False,
    limit: str | None = None,
    json: bool = False,
) -> None:
    """Make the keys of nodes and the requests that a company's CA signs; the keys stay on this machine.

    A second run asks for the same: keys that are there are kept.
    """
    from kafab.ops.secure.requests import requests
    from kafab.screens.secure import show_asked

    session, console = CHAIN.session(), CHAIN.console(json=json)
    folder = Path(out).expanduser() if out is not None else None
    asked = requests(session.cluster, limit, shelf(), folder, new_keys=new_keys)
    show_asked(console, session.cluster, asked)


@task(
    positional=["folder"],
    help={
        "folder": "a folder with node1-broker.crt or node1.crt, a key beside it unless secure.csr made it, and chain.pem",
        "ca": "the file of the company's CA; else ca.crt of the folder, or the one that was installed before",
        "names": "how the files are called without their ending: {node}, {host} or {address} and other letters",
        "key_password": "where the password of encrypted keys is: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND}, ${prompt:TEXT}",
        "limit": _LIMIT,
        "json": JSON,
    },
)
def install(
    _context: Context,
    folder: str,
    *,
    ca: str | None = None,
    names: str | None = None,
    key_password: str | None = None,
    limit: str | None = None,
    json: bool = False,
) -> int:
    """Take certificates of a company's CA from a folder: checked first, and all of them or none.

    Where one has a defect nothing is copied and the exit code is 1.
    """
    from kafab.ops.secure.install import install as run
    from kafab.screens.secure import show_installed

    session, console = CHAIN.session(), CHAIN.console(json=json)
    done = run(
        session.cluster,
        limit,
        session,
        shelf(),
        Path(folder).expanduser(),
        trusted=Path(ca).expanduser() if ca is not None else None,
        pattern=names,
        key_password=reference("--key-password", key_password),
    )
    show_installed(console, done)
    return done.report.exit_code


@task(help={"limit": _LIMIT, "json": JSON})
def check(_context: Context, limit: str | None = None, json: bool = False) -> int:
    """Judge the certificates of the cluster on this machine: chain, names, usage, dates, key.

    Less than 30 days left are a warning, less than 7 are critical. No host is asked.
    """
    from kafab.ops.secure.check import check as run
    from kafab.screens.secure import show_checked

    session, console = CHAIN.session(), CHAIN.console(json=json)
    checked = run(session.cluster, limit, shelf())
    show_checked(console, checked)
    return checked.report.exit_code


def shelf() -> "Shelf":
    """Return where the selected cluster's certificates lie on this machine."""
    from kafab.folders import state_folder
    from kafab.ops.secure.shelf import Shelf

    return Shelf.of(CHAIN.session().cluster, state_folder(os.environ))


def reference(flag: str, text: str | None) -> "Reference | None":
    """Return the reference of an option. Raises UsageError for anything else, which may be the secret itself: it is not shown."""
    from kafab.errors import UsageError
    from kafab.references import Reference

    if text is None:
        return None
    try:
        return Reference.parse(text)
    except ValueError as error:
        raise UsageError(
            f"{flag}: {error}", hint=f"in single quotes, which keep the shell from it: {flag} '${{env:NAME}}'"
        ) from None
