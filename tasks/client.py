"""What applications need to connect: client.properties."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN
from .cluster import JSON


@task(
    help={
        "user": "whom the application logs in as; USER stands for it otherwise",
        "password": "where the password is: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND}, ${prompt:TEXT}; without it PASSWORD stands there",
        "listener": "the listener to connect to; the first that is for clients",
        "kind": "java or librdkafka: whose names the properties have; java",
        "out": "write to this file, which only you may read, and print nothing",
        "json": JSON,
    }
)
def properties(  # noqa: PLR0917  # Invoke makes a flag of each
    _context: Context,
    user: str | None = None,
    password: str | None = None,
    listener: str | None = None,
    kind: str = "java",
    out: str | None = None,
    json: bool = False,
) -> None:
    """Print the properties with which an application connects: addresses, protocol, whom to trust, how to log in.

    No host is asked. A password is in it only with --password.
    """
    from pathlib import Path

    from kafab.config.clients import Kind
    from kafab.ops.secure.clients import client_properties
    from kafab.screens.clients import show_properties

    from .options import choice
    from .secure import reference, shelf

    session, console = CHAIN.session(), CHAIN.console(json=json)
    found = client_properties(
        session.cluster,
        session,
        shelf(),
        kind=choice("kind", Kind, kind) or Kind.JAVA,
        listener=listener,
        user=user,
        password=reference("--password", password),
        out=Path(out).expanduser() if out is not None else None,
    )
    show_properties(console, session.cluster, found)
