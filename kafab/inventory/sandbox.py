"""What a node's process reaches under its unit: nothing in folders that the unit hides, and no file to write but its own.

Only under systemd; the supervisor `process` hides nothing. What leads there by a link is seen by preflight.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from kafab.config.jvm import files_read, files_written
from kafab.config.properties import files_named
from kafab.config.units import hiding
from kafab.inventory.rules import Draft, PlacedNode, property_place
from kafab.inventory.sections import Section
from kafab.model import Supervisor
from kafab.problems import Place, Problems


def check(draft: Draft, top: Section, problems: Problems) -> None:
    """Report folders that the service cannot see, files that it cannot write, and a flag that `jmx_bind` overrides."""
    sections = {placed.host.name: placed.section for placed in draft.hosts}
    for placed in draft.nodes:
        _jmx(placed, draft, problems)
        host = placed.node.host
        if host.supervisor is Supervisor.SYSTEMD:
            for use, path, place in _paths(placed, draft, sections[host.name], top):
                if directive := hiding(path):
                    problems.error(
                        place,
                        f"found {path} for {use}, which the unit hides from the service ({directive}=yes); "
                        "expected a folder outside of /home, /root, /run/user, /tmp and /var/tmp",
                    )
            _written(placed, draft, problems)


def _paths(
    placed: PlacedNode, draft: Draft, host: Section, top: Section
) -> Iterator[tuple[str, PurePosixPath, Place]]:
    """Yield every path that the service reads or writes: what for, the path, and where the file gives it."""
    node, section = placed.node, placed.section

    def root(key: str) -> Place:
        for where in (host.get("paths"), top.get("paths")):
            if where is not None and where.given(key):
                place: Place = where.at(key)
                return place
        return section.place

    own = section.get("data") or ()
    for path in node.data_folders:
        if path in own:
            yield "data", path, section.at("data")
        else:
            logs = path not in node.data
            yield "data", path, property_place(placed, draft, "dataLogDir") if logs else root("data")
    paths = node.host.paths
    yield from (
        ("logs", paths.logs, root("logs")),
        ("configuration", paths.config, root("config")),
        ("releases", paths.releases, root("releases")),
        ("run records", paths.run, root("run")),
    )
    if node.host.java:
        yield "Java", node.host.java, host.at("java") if host.given("java") else top.at("java")
    for path in files_read(node.jvm):
        yield "a flag of jvm:", path, _flags(placed, draft)
    for name, path in files_named(node.properties):
        yield name, path, property_place(placed, draft, name)


def _written(placed: PlacedNode, draft: Draft, problems: Problems) -> None:
    """Where Java cannot open a log of its own it does not start; where it cannot write a dump there is none."""
    node = placed.node
    writable = (node.logs, node.scratch, *node.data_folders)
    for flag, path in files_written(node.jvm):
        if not any(folder in (path, *path.parents) for folder in writable):
            problems.error(
                _flags(placed, draft),
                f"found {flag}, which writes {path}; expected a path below {node.logs}, "
                "since the unit lets the service write its logs and its data only",
            )


def _jmx(placed: PlacedNode, draft: Draft, problems: Problems) -> None:
    node = placed.node
    flag = next((flag for flag in node.jvm if flag.startswith("-Djava.rmi.server.hostname=")), None)
    if flag and node.jmx_port and node.jmx_bind:
        text = f"found {flag}; expected it left out, as it has no effect: JMX is bound to {node.jmx_bind}, by jmx_bind: or bind:"
        problems.error(_flags(placed, draft), text)


def _flags(placed: PlacedNode, draft: Draft) -> Place:
    own = placed.section.given("jvm")
    return placed.section.at("jvm") if own else draft.shared[placed.node.role].at("jvm")
