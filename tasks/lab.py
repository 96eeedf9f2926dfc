"""Throwaway clusters on this machine: lab.up, lab.status, lab.down."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

NAME = "The lab's name; labs of different names stand side by side. Left out: the lab that lab.up made earlier in this line, the one that `on` or KAFAB_CLUSTER names, or lab."
JSON = "Print one JSON document."


@task(
    help={
        "hosts": "How many hosts: 3 if it is left out.",
        "version": "Kafka's version: 3.9.2 if it is left out, 4.3.1 in KRaft mode.",
        "mode": "zookeeper or kraft; if it is left out, zookeeper where the version still has it.",
        "controllers": "combined (in the brokers' processes) or isolated KRaft controllers; combined if it is left out.",
        "quorum": "dynamic or static KRaft quorum; dynamic if it is left out.",
        "secure": "TLS between the nodes, a name and a password for clients, an authorizer; its certificates are made, too.",
        "observe": "Prometheus' agent for JMX in each node, and a Prometheus of the lab that reads them and has kafab's alerts.",
        "name": NAME,
        "kind": "local (an sshd on loopback a host), docker (a container with systemd a host) or vagrant (a virtual machine a host); local if it is left out.",
    }
)
def up(  # noqa: PLR0917  # Invoke makes a flag of each
    _context: Context,
    hosts: str | None = None,
    version: str | None = None,
    mode: str | None = None,
    controllers: str | None = None,
    quorum: str | None = None,
    secure: bool = False,
    observe: bool = False,
    name: str | None = None,
    kind: str | None = None,
) -> None:
    """Make hosts on this machine and their inventory; later tasks use it."""
    from kafab.config.security import needs_certificate
    from kafab.events import Note
    from kafab.lab.kinds import Kind
    from kafab.lab.local import LocalLab
    from kafab.lab.shape import Controllers, Wish
    from kafab.model import Mode, VoterSource
    from kafab.wiring import open_lab

    from .options import choice, kafka_version

    wish = Wish(
        _count(hosts),
        kafka_version(version),
        choice("mode", Mode, mode),
        choice("controllers", Controllers, controllers),
        choice("quorum", VoterSource, quorum),
        secure or None,
        observe or None,
    )
    chosen = CHAIN.lab if name is None else name
    lab = open_lab(chosen, CHAIN.console().emit, choice("kind", Kind, kind))
    lab.up(wish)
    CHAIN.made = chosen
    CHAIN.select(str(lab.inventory))
    if CHAIN.session().cluster.agent and isinstance(lab, LocalLab):
        url = lab.watch(CHAIN.session().cluster)
        nobody = "nodes show metrics, and there is no prometheus on this machine to keep them (on Debian: apt-get install prometheus)"
        CHAIN.console().emit(Note(chosen, f"Prometheus at {url}" if url else nobody))
    if any(needs_certificate(CHAIN.session().cluster, node) for node in CHAIN.session().cluster.nodes):
        from kafab.ops.secure.issue import issue
        from kafab.screens.secure import show_issued

        from .secure import shelf

        session, folder = CHAIN.session(), shelf()
        show_issued(
            CHAIN.console(), session.cluster, issue(session.cluster, None, session, folder), folder.folder
        )


@task(help={"name": NAME, "json": JSON})
def status(_context: Context, name: str | None = None, json: bool = False) -> None:
    """Show the lab's hosts: where each is, whether it is up, and how many of its nodes run."""
    from kafab.wiring import open_lab

    name = CHAIN.lab if name is None else name
    console = CHAIN.console(json=json)
    lab = open_lab(name, console.emit)
    hosts = lab.status()
    up = lab.inventory.exists()
    document = {
        "schema": "kafab.lab/1",
        "name": name,
        "up": up,
        "inventory": str(lab.inventory) if up else None,
        "hosts": [vars(host) for host in hosts],
    }
    rows = [host.cells for host in hosts]
    text = (
        console.table(tuple(rows[0]), [tuple(row.values()) for row in rows]) if rows else f"{name} is not up"
    )
    console.data(document, text)


@task(help={"name": NAME})
def down(_context: Context, name: str | None = None) -> None:
    """End the lab: its nodes, its hosts, its folder; and nothing else."""
    from kafab.wiring import open_lab

    name = CHAIN.lab if name is None else name
    CHAIN.forget()
    console = CHAIN.console()
    if not open_lab(name, console.emit).down():
        console.warn(f"{name} is not up: nothing to do")


def _count(text: str | None) -> int | None:
    from kafab.errors import UsageError
    from kafab.lab.local import MAX_HOSTS

    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_HOSTS):
        raise UsageError(f"found --hosts {text}; expected a number from 1 to {MAX_HOSTS}")
    return int(text)
