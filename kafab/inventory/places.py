"""Where things are: no two share a port, a folder, or the address that others are told.

A place is the machine, and on it the port or the folder. A machine is known by the address that ssh connects to: hosts
with one address are one machine, whatever their nodes advertise. In a lab many hosts share 127.0.0.1, and then their
ports and folders must differ. Names that lead to one machine are seen by preflight only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from kafab.cautions import Caution
from kafab.inventory.rules import Draft, login, machine, property_place
from kafab.inventory.texts import remote_path
from kafab.listeners import Use, is_loopback
from kafab.model import Node, Role
from kafab.problems import Place, Problems

_LOG = "the log of transactions"
_DATA = frozenset({"data", _LOG})
_OWN = "expected a folder of its own"
_REACHED = "expected an address that the others reach"


def check(draft: Draft, problems: Problems) -> None:
    """Report two owners of one place, and nodes that others are told to look for on their own machine."""
    _ports_differ(draft, problems)
    _log_folders(draft, problems)
    _folders_differ(draft, problems)
    _seen_from_outside(draft, problems)


def _ports_differ(draft: Draft, problems: Problems) -> None:
    """A port is one process's on its machine, and at the address that others are told.

    Also where two processes would bind it to two addresses: who holds a port is asked without them on the hosts.
    """
    taken = {login(placed.host): f"sshd of {placed.host.name}" for placed in draft.hosts}
    for placed in draft.on_own_hosts:
        node = placed.node
        told = _told(node)
        for use, port in node.ports.items():
            places = [
                (machine(node.host.address), port),
                *([(machine(told[use]), port)] if use in told else []),
            ]
            clash = next((place for place in places if place in taken), None)
            if clash is not None:
                at = told[use] if use in told and clash == places[-1] else node.host.address
                problems.error(
                    placed.at_port(use),
                    f"found {use} port {port} on {at}, which is {taken[clash]}; expected a free one",
                )
            for place in places:
                taken.setdefault(place, f"the {use} port of {node.name}")


def _told(node: Node) -> Mapping[str, str]:
    """Return the address at which others are told to reach each port of a node, by use; nobody is told of JMX."""
    server = dict.fromkeys(("quorum", "election"), node.endpoint.host) if node.role is Role.ZOOKEEPER else {}
    return {node.use(listener): listener.advertised for listener in node.listeners} | server


@dataclass(frozen=True)
class _Folder:
    machine: str
    path: PurePosixPath
    use: str
    owner: str
    place: Place


def _folders_differ(draft: Draft, problems: Problems) -> None:
    """Refuse two owners of one folder, and data inside or around anything else."""
    shared: dict[tuple[Place, str], list[str]] = {}
    around: list[_Folder] = []
    for folder in sorted(_folders(draft), key=lambda folder: (folder.machine, folder.path.parts)):
        while around and not _holds(around[-1], folder):
            around.pop()
        for outer in around:
            if outer.use == folder.use == "releases" or _of_one_server(outer, folder):
                continue
            if outer.path == folder.path and outer.use == folder.use and outer.owner != folder.owner:
                shared.setdefault((folder.place, outer.owner), []).append(f"{folder.use} ({folder.path})")
            elif outer.path == folder.path or _DATA & {outer.use, folder.use}:
                _nested(outer, folder, problems)
        around.append(folder)
    for (place, owner), uses in shared.items():
        problems.error(
            place, f"found folders that {owner} has, for {', '.join(uses)}; expected folders of its own"
        )


def _nested(outer: _Folder, inner: _Folder, problems: Problems) -> None:
    # Where only one of them is data, the data's key is the one to change.
    blamed, other = (outer, inner) if outer.use in _DATA and inner.use not in _DATA else (inner, outer)
    how = (
        "which is" if outer.path == inner.path else "which lies inside" if blamed is inner else "which holds"
    )
    problems.error(
        blamed.place,
        f"found {blamed.path} for {blamed.use}, {how} {other.path} ({other.use} of {other.owner}); {_OWN}",
    )


def _folders(draft: Draft) -> Iterator[_Folder]:
    for placed in draft.on_own_hosts:
        node, section = placed.node, placed.section
        on = machine(node.host.address)
        for path in node.data:
            yield _Folder(on, path, "data", node.name, section.at("data"))
        for path in set(node.data_folders) - set(node.data):
            own = property_place(placed, draft, "dataLogDir")
            yield _Folder(on, path, _LOG, node.name, own)
        yield _Folder(on, node.config, "configuration", node.name, section.place)
        yield _Folder(on, node.logs, "logs", node.name, section.place)
        yield _Folder(on, node.run, "run records", node.name, section.place)
        yield _Folder(on, node.current, "current link", node.name, section.place)
        yield _Folder(on, node.host.paths.releases, "releases", node.host.name, section.place)


def _holds(outer: _Folder, inner: _Folder) -> bool:
    return outer.machine == inner.machine and (outer.path == inner.path or outer.path in inner.path.parents)


def _of_one_server(outer: _Folder, inner: _Folder) -> bool:
    """A ZooKeeper server may have its log of transactions inside its data folder."""
    return (outer.use, inner.use, outer.owner) == ("data", _LOG, inner.owner) and outer.path != inner.path


def _log_folders(draft: Draft, problems: Problems) -> None:
    """A log of transactions of its own is a folder like that of the data: kafab makes it and gives it to the server."""
    for placed in draft.of(Role.ZOOKEEPER):
        if (text := placed.node.properties.get("dataLogDir")) is not None:
            try:
                remote_path(text)
            except ValueError as error:
                problems.error(property_place(placed, draft, "dataLogDir"), f"found {text[:80]!r}; {error}")


def _seen_from_outside(draft: Draft, problems: Problems) -> None:
    """A node that is advertised at a loopback address listens there alone, and sends whoever asks to themselves.

    In KRaft mode that address also goes into every node's list of controllers, or into the set of voters.
    """
    hosts = [placed.node.host for placed in draft.nodes]
    machines = {"" if is_loopback(host.address) else machine(host.address) for host in hosts}
    if len(machines) < 2:
        return
    for placed in draft.nodes:
        for listener in placed.node.listeners:
            if not is_loopback(listener.advertised):
                continue
            found = (
                f"found {placed.node.use(listener)} port {listener.port} advertised at {listener.advertised}, "
                f"which is each machine's own, with nodes on {len(machines)} machines"
            )
            place = placed.section.at("advertised")
            if placed.node.role is Role.BROKER and listener.uses <= {Use.CLIENTS, Use.OPERATOR}:
                text = f"{found}: clients are sent to their own machine; {_REACHED}"
                problems.warning(place, text, Caution.ADVERTISED_AT_LOOPBACK)
            else:
                problems.error(place, f"{found}: no other node reaches it; {_REACHED}")
