"""What of a cluster is left on a host, and what else is there: one script, and the pure parser of its answer.

`facts` says how a node stands against what is wanted; this says what a removal must know besides: every name in the
folders that kafab uses, what is a link or a mount point, which releases others use, which units systemd has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome, Script, Unknown
from kafab.model import Host, Node, Role, Supervisor
from kafab.units import UNITS

TIMEOUT = timedelta(seconds=60)
NEW = ".kafab-new"
"""What `executor` appends to a name until the file, folder or link is complete."""
INCOMING = ".incoming"
"""The folder in the releases folder where an upload lies until it is checked and unpacked."""
DROP_IN = "kafab.conf"
ACTIVE = frozenset({"active", "activating", "deactivating", "reloading", "refreshing"})
"""ActiveState of a unit that has a process or will have one again (systemctl(1))."""


@dataclass(frozen=True)
class Place:
    """What stands under a path: a ``folder`` with the names in it, a ``link`` (not followed) or something ``other``."""

    kind: str
    real: PurePosixPath | None = None
    """A folder's path without links."""
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HostRemains:
    """One host. Paths that do not exist are absent from ``places``."""

    places: Mapping[PurePosixPath, Place] = field(default_factory=dict)
    mounts: frozenset[PurePosixPath] = frozenset()
    links: Mapping[str, str | None] = field(default_factory=dict)
    """Link in the releases folder -> the release it leads to or into; None where it leads elsewhere."""
    used: frozenset[str] = frozenset()
    """Releases that are named in the command line of a running process."""
    made: frozenset[PurePosixPath] = frozenset()
    """Units and drop-ins that say they were made by kafab."""
    instances: frozenset[str] = frozenset()
    """Units of ZooKeeper servers, controllers and brokers that are enabled, have kafab's drop-in, or are active or failed."""
    active: frozenset[str] = frozenset()
    """Those of them that run or will be started again."""

    def mounted(self, path: PurePosixPath) -> bool:
        """Tell whether a file system is mounted on this folder."""
        place = self.places.get(path)
        return place is not None and place.real in self.mounts

    def mounted_below(self, path: PurePosixPath) -> tuple[PurePosixPath, ...]:
        """Return the mount points inside this folder."""
        place = self.places.get(path)
        if place is None or place.real is None:
            return ()
        return tuple(sorted(point for point in self.mounts if place.real in point.parents))


def roots(host: Host) -> tuple[PurePosixPath, ...]:
    """Return the folders that hold the nodes' own, each once."""
    paths = host.paths
    return tuple(dict.fromkeys((paths.run, paths.logs, paths.data, paths.config, paths.releases)))


def template(role: Role) -> PurePosixPath:
    """Return the path of the unit that all nodes of a role on a host share."""
    return UNITS / f"kafka-{role}@.service"


def drop_in(node: Node) -> PurePosixPath:
    """Return the path of the node's own part of its unit."""
    return UNITS / f"{node.unit}.d" / DROP_IN


def observation(host: Host, nodes: Sequence[Node]) -> Script:
    """Return the script that looks for what is left of these nodes on their host."""
    own = [path for node in nodes for path in (node.config, node.run, node.logs, *node.data)]
    places = [
        *roots(host),
        host.paths.releases / INCOMING,
        *own,
        *(path.with_name(path.name + NEW) for path in own),
    ]
    calls = [Cmd("place", path) for path in dict.fromkeys(places)]
    calls.append(Cmd("releases", host.paths.releases))
    if host.supervisor is Supervisor.SYSTEMD:
        calls += [Cmd("place", drop_in(node).parent) for node in nodes]
        calls += [Cmd("made", path) for path in (*map(template, Role), *map(drop_in, nodes))]
        calls.append(Cmd("instances", UNITS))
    return Script("\n".join([_FUNCTIONS, *(call.sh for call in calls), "mounts", "echo end"]) + "\n", TIMEOUT)


# Every function prints whole lines; a path or name is always the last word of its line.
_FUNCTIONS = r"""
new_line='
'
told() {  # WORD NAME: a name with a line break in it is cut short, it must not look like another line
  case $2 in *"$new_line"*) printf '%s %s?\n' "$1" "${2%%"$new_line"*}" ;; *) printf '%s %s\n' "$1" "$2" ;; esac
}
there() { [ -e "$1" ] || [ -L "$1" ]; }
reachable() {  # PATH: whether something stands there can be told
  up=${1%/*}
  until [ -e "${up:-/}" ]; do up=${up%/*}; done
  [ -x "${up:-/}" ]
}
place() {
  if [ -L "$1" ]; then told link "$1"
  elif [ -d "$1" ]; then
    { [ -r "$1" ] && [ -x "$1" ]; } || { told closed "$1"; return 0; }
    told folder "$1"
    told real "$(cd -P -- "$1" && pwd -P)"
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
      ! there "$entry" || told name "${entry##*/}"
    done
  elif [ -e "$1" ]; then told other "$1"
  elif ! reachable "$1"; then told closed "$1"
  fi
}
releases() {  # ROOT: its links, and the releases that processes were started from
  [ -d "$1" ] || return 0
  root=$(cd -P -- "$1" && pwd -P)
  for entry in "$root"/* "$root"/.[!.]*; do
    [ -L "$entry" ] || continue
    target=$(readlink -f -- "$entry") || target=
    case $target in
      "$root"/*) target=${target#"$root"/} target=${target%%/*} ;;
      *) target=- ;;
    esac
    told "leads $target" "${entry##*/}"
  done
  cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | while IFS= read -r word; do
    case $word in *"$root"/kafka_*) word=${word#*"$root"/}; told used "${word%%/*}" ;; esac
  done
}
made() {  # UNIT-FILE
  { [ -f "$1" ] && [ ! -L "$1" ]; } || return 0
  while read -r line; do
    case $line in *[Mm]"ade by kafab"*) told made "$1"; return 0 ;; esac
  done < "$1"
}
instances() {  # UNITS
  for entry in "$1"/*.wants/kafka-*@?*.service "$1"/*.requires/kafka-*@?*.service; do
    ! there "$entry" || told instance "${entry##*/}"
  done
  for entry in "$1"/kafka-*@?*.service.d/kafab.conf; do
    ! there "$entry" || { entry=${entry%.d/*}; told instance "${entry##*/}"; }
  done
  command -v systemctl >/dev/null || return 0
  systemctl list-units --all --full --plain --no-legend 'kafka-zookeeper@*' 'kafka-controller@*' 'kafka-broker@*' |
    while read -r unit _ state _; do told "unit $state" "$unit"; done
}
mounts() {  # mountinfo writes a blank as \040; the names that an inventory may hold have none
  while read -r _ _ _ _ point _; do told mount "$point"; done < /proc/self/mountinfo
}
""".strip()


def parse(outcome: Outcome) -> HostRemains | Unknown:
    """Read the answer to `observation`. A cut-off or failed answer is Unknown, and so is a folder that cannot be read."""
    if isinstance(outcome, Unknown):
        return outcome
    lines = outcome.text.split("\n")
    if outcome.code != 0 or lines[-2:] != ["end", ""]:
        return Unknown(
            f"the script that looks for what is left ended with {outcome.code}: {outcome.err.strip()}"
        )
    said = [(word, rest) for word, _, rest in (line.partition(" ") for line in lines[:-2])]
    closed = [rest for word, rest in said if word == "closed"]
    if closed:
        return Unknown(f"this login may not look into {', '.join(closed)}")
    states = [rest.partition(" ") for word, rest in said if word == "unit"]
    return HostRemains(
        places=_places(said),
        mounts=frozenset(PurePosixPath(rest) for word, rest in said if word == "mount"),
        links=_links([rest for word, rest in said if word == "leads"]),
        used=frozenset(rest for word, rest in said if word == "used"),
        made=frozenset(PurePosixPath(rest) for word, rest in said if word == "made"),
        # One that another unit merely names is listed as inactive, whether it exists or not.
        instances=frozenset(rest for word, rest in said if word == "instance")
        | {unit for state, _, unit in states if state != "inactive"},
        active=frozenset(unit for state, _, unit in states if state in ACTIVE),
    )


def _places(said: Sequence[tuple[str, str]]) -> dict[PurePosixPath, Place]:
    places: dict[PurePosixPath, Place] = {}
    folders: dict[PurePosixPath, tuple[list[str], list[str]]] = {}
    real: list[str] = []
    names: list[str] = []
    for word, rest in said:
        if word == "folder":
            real, names = folders.setdefault(PurePosixPath(rest), ([], []))
        elif word == "real":
            real.append(rest)
        elif word == "name":
            names.append(rest)
        elif word in ("link", "other"):
            places[PurePosixPath(rest)] = Place(word)
    for path, (found, within) in folders.items():
        places[path] = Place("folder", PurePosixPath(found[0]), frozenset(within))
    return places


def _links(said: Sequence[str]) -> dict[str, str | None]:
    pairs = [(name, target) for target, _, name in (line.partition(" ") for line in said)]
    return {name: None if target == "-" else target for name, target in pairs}
