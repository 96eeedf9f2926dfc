"""What a node's process finds at each path that it reads or writes: Java, agents, key files, folders, and what is in them.

A host looks with the rights of the account that the process has, not as root. Under systemd the process also has a view of
its own: what the unit hides (`config.units.hiding`) is found by where a path leads to, through links.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kafab.command import Cmd
from kafab.config.jvm import files_read
from kafab.config.properties import files_named
from kafab.config.units import hiding
from kafab.model import Node, Role, Supervisor
from kafab.words import few

FOLDER, FILE, PROGRAM = "folder", "file", "program"
INSTALLED = PurePosixPath("/usr/lib/jvm")
"""Where Java is looked for behind the PATH."""


@dataclass(frozen=True)
class Sight:
    """One path as the process finds it."""

    kind: str
    path: PurePosixPath
    state: str
    """there, gone, link (it leads to nothing), plain (no folder), odd (a folder, and no file), closed (no right), none (no Java is found)."""
    at: PurePosixPath
    """Where that was seen: the path, or the nearest one above it that is there."""
    real: PurePosixPath
    """Where the path leads to, through links."""


@dataclass(frozen=True)
class Trouble:
    """What keeps a node from its files, and how to mend it."""

    text: str
    mend: str


def needed(node: Node) -> tuple[tuple[str, PurePosixPath], ...]:
    """Return the kind and path of what a node needs, without a Java that is found on the host."""
    named = (path for _, path in files_named(node.properties))
    return (
        *((FOLDER, path) for path in (*node.data_folders, node.logs, node.scratch)),
        *((FILE, path) for path in dict.fromkeys((*files_read(node.jvm), *named))),
        *([(PROGRAM, node.host.java / "bin/java")] if node.host.java else []),
    )


def calls(node: Node) -> list[Cmd]:
    """Return what a host is asked about a node, for whoever has the rights of its process."""
    paths = needed(node)
    asked = [Cmd("sight", kind, path) for kind, path in paths]
    asked.append(Cmd("real", *(path for _, path in paths)))
    if node.host.java is None:
        asked.append(Cmd("launcher"))
    if node.role is Role.BROKER:
        asked.append(Cmd("strange", *node.data))
    return asked


def read(node: Node, lines: Sequence[tuple[str, str]]) -> tuple[tuple[Sight, ...], tuple[PurePosixPath, ...]]:
    """Read the answer to `calls`, words and values in their order: what was seen, and the folders that are no partitions.

    ValueError where lines are missing; none at all is nothing seen.
    """
    paths = list(needed(node))
    paths += [(PROGRAM, PurePosixPath(value)) for word, value in lines if word == "launcher"]
    seen = [value.partition(" ") for word, value in lines if word == "sight"]
    real = [PurePosixPath(value) for word, value in lines if word == "real"]
    strange = tuple(PurePosixPath(value) for word, value in lines if word == "strange")
    if not seen and not real:
        return (), strange
    found = [
        Sight(kind, path, state, PurePosixPath(at), leads)
        for (kind, path), (state, _, at), leads in zip(paths, seen, real, strict=True)
    ]
    if all(sight.kind != PROGRAM for sight in found):
        found.append(Sight(PROGRAM, INSTALLED, "none", INSTALLED, INSTALLED))
    return tuple(found), strange


def troubles(
    node: Node, sights: Sequence[Sight], strange: Sequence[PurePosixPath], *, account: bool
) -> Iterator[Trouble]:
    """Yield what the node would fail of. ``account``: its account is there, and looked itself."""
    for sight in sights:
        if found := _trouble(node, sight, account=account):
            yield found
    if strange:
        names = few(map(str, strange))
        yield Trouble(
            f"{names} in a data folder: Kafka takes each folder there for a partition, and does not start or removes it",
            "move it away by hand; on a disk of its own let data: be a folder below the mount point",
        )


def _trouble(node: Node, sight: Sight, *, account: bool) -> Trouble | None:
    systemd = node.host.supervisor is Supervisor.SYSTEMD
    if systemd and (directive := hiding(sight.real)):
        return Trouble(
            f"{sight.path} leads to {sight.real}, which the unit hides from the service ({directive}=yes)",
            "expected a place outside of /home, /root, /run/user, /tmp and /var/tmp",
        )
    user, on = node.host.user or "the login user", node.host.name
    if systemd and not account:
        # Root has looked: what it may do says nothing of an account that a deploy makes.
        if sight.state == "there" and sight.kind == FOLDER and sight.path != node.scratch:
            return Trouble(
                f"the folder {sight.path} is there and not {user}'s: that account is not there yet, and a deploy gives it no folder that is",
                f"`useradd --system --user-group {user}` and `chown {user}: {sight.path}` on {on}",
            )
    elif sight.state == "closed":
        right = {FOLDER: "write in the folder", FILE: "read the file", PROGRAM: "run"}[sight.kind]
        own = sight.kind == FOLDER and sight.at == sight.path
        mend = (
            f"`chown {user}: {sight.path}` on {on}" if own else f"`namei -l {sight.path}` on {on} shows where"
        )
        return Trouble(f"{user} may not {right} {_where(sight)}", mend)
    if account and sight.state == "none":
        mend = f"install Java on {on}, or name its home with java: in the inventory"
        return Trouble(f"{user} finds no Java to run, neither on the PATH nor in {INSTALLED}", mend)
    wrong = {
        "gone": None if sight.kind == FOLDER else "is not there",
        "link": "is a link that leads to nothing",
        "plain": "is no folder, where one is meant",
        "odd": "is a folder, where a file is meant",
    }.get(sight.state)
    mend = f"put it there on {on}, or mend the path in the inventory"
    return Trouble(f"{_where(sight)} {wrong}", mend) if wrong else None


def _where(sight: Sight) -> str:
    return (
        str(sight.path) if sight.at == sight.path or sight.state == "gone" else f"{sight.path} ({sight.at})"
    )
