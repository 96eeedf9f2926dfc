"""What a host says: one POSIX sh script, one round trip, and the pure parser of its answer.

The script starts no JVM and few processes: one `sha256sum` and one `stat` for all files, and shell built-ins for the rest.
It carries the digests that are expected, and returns the content of those files only that differ. Where nodes have a
service account, root reads what is root's own, and a shell with that account's rights reads the marks of its data.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome, Script, Unknown
from kafab.facts import FileFact, HostFacts, Identity, NodeFacts, Process, node_directories
from kafab.model import Host, Node, Role, Supervisor
from kafab.ownership import AS_ACCOUNT, PLAIN, READY, ROOTED
from kafab.profile import PROFILE
from kafab.properties import parse_properties
from kafab.quorum_files import formed
from kafab.render import MANIFEST, RenderedFile
from kafab.supervisor import ALIVE, MAIN_PROCESS, SETTLED

TIMEOUT = timedelta(seconds=30)
EXPOSED = 78
"""Exit code of the script where an account could change what root reads as its own; its words are on stderr."""
TICKS_A_SECOND = (
    100  # USER_HZ, the unit of start times in /proc, is 100 on every Linux architecture that runs Java
)


def observation(host: Host, nodes: Mapping[Node, Sequence[RenderedFile]]) -> Script:
    """Return the script that observes these nodes of one host, given the files each should have."""
    wanted = "\n".join(f"{file.sha256}  {file.path}" for files in nodes.values() for file in files)
    paths = [file.path for files in nodes.values() for file in files]
    data = [path for node in nodes for path in node.data]
    parts = [PLAIN, ALIVE, _READABLE, _REFUSE, _PRELUDE]
    if host.supervisor is Supervisor.SYSTEMD:
        configs = [node.config for node in nodes]
        parts += [ROOTED, READY, AS_ACCOUNT, MAIN_PROCESS, Cmd("exposed", host.paths.releases, *configs).sh]
    parts += [_java(host), Cmd("releases", host.paths.releases).sh]
    if host.user:
        marks = [path / name for path in data for name in ("", "myid", "meta.properties")]
        closed = Cmd("readable", *marks, *(path for node in nodes for path in _written(node)))
        theirs = "\n".join([PLAIN, _READABLE, closed.sh, _marks(nodes), "echo whole"])
        parts.append(Cmd("account", host.user, theirs, *data).sh)
    else:
        roots = {path.parent for node in nodes for path in node_directories(node)}
        looked_at = [*sorted(roots), *(path for node in nodes for path in _looked_at(node)), *paths]
        parts += [Cmd("readable", *looked_at).sh, _marks(nodes)]
    parts += [_node(node) for node in nodes]
    if paths:
        parts += [f"wanted={Cmd(wanted).sh}", Cmd("files", *paths).sh]
    parts.append("echo end")
    return Script("\n".join(parts) + "\n", TIMEOUT)


METADATA = "__cluster_metadata-0"
"""The folder of KRaft's metadata log, in the first of a node's data directories."""


def _node(node: Node) -> str:
    systemd = node.host.supervisor is Supervisor.SYSTEMD
    unit = (node.unit,) if systemd else ()
    words = [Cmd("node", node.instance, node.current, node.run, node.config / MANIFEST, *unit).sh]
    # Under systemd `node` itself says whether the run folder is there: it has to be root's.
    words += [Cmd("folder", path).sh for path in node_directories(node) if not systemd or path != node.run]
    words += [Cmd("unit", node.unit).sh] if systemd else []
    return "\n".join(words)


def _marks(nodes: Collection[Node]) -> str:
    """Return shell that says whose data these nodes' data directories hold."""
    calls = []
    for node in nodes:
        server = node.role is Role.ZOOKEEPER
        calls.append(Cmd("echo", "about", node.instance))
        calls += [Cmd("myid" if server else "meta", path) for path in node.data]
        calls.append(Cmd("history", *_written(node)) if server else Cmd("quorum", node.data[0] / METADATA))
    return "\n".join([SETTLED, _MARKS, *(call.sh for call in calls)])


def _looked_at(node: Node) -> tuple[PurePosixPath, ...]:
    return (
        *node_directories(node),
        node.run / "process",
        node.config / MANIFEST,
        *(path / name for path in node.data for name in ("myid", "meta.properties")),
        *_written(node),
    )


def _written(node: Node) -> tuple[PurePosixPath, ...]:
    """Return the folders that a ZooKeeper server keeps the ensemble's data in."""
    if node.role is not Role.ZOOKEEPER:
        return ()
    logs = node.properties.get("dataLogDir")
    folders = [*node.data, *([PurePosixPath(logs)] if logs else [])]
    return tuple(folder / "version-2" for folder in folders)


def _java(host: Host) -> str:
    if host.java:
        return Cmd("java_at", host.java / "bin/java").sh
    return 'java_at "$(command -v java || :)" /usr/lib/jvm/*/bin/java'


_READABLE = r"""
readable() {  # what is there and closed to us must not look absent
  for path do
    [ ! -e "$path" ] || [ -r "$path" ] || echo "unreadable $path"
    [ ! -d "$path" ] || [ -x "$path" ] || echo "unreadable $path"
  done
}
""".strip()

_REFUSE = f'refuse() {{ echo "$1" >&2; exit {EXPOSED}; }}'

# In every function a line is whole; a path is always the last word of its line.
_PRELUDE = r"""
java_at() {
  for candidate do
    [ -x "$candidate" ] || continue
    echo "java $candidate"
    real=$(readlink -f -- "$candidate") || continue
    home=${real%/bin/java}
    [ -r "$home/release" ] || home=${home%/jre}
    [ -r "$home/release" ] || return 0
    while IFS='=' read -r key value; do
      [ "$key" != JAVA_VERSION ] || echo "javaversion $value"
    done < "$home/release"
    return 0
  done
}
releases() {
  [ ! -d "$1" ] || echo "folder $1"
  for found in "$1"/kafka_*; do
    [ ! -d "$found" ] || echo "release ${found##*/}"
  done
  for found in "$1"/.incoming/*.part; do
    [ ! -f "$found" ] || stat -c 'part %s %n' -- "$found"
  done
}
exposed() {  # FOLDER...: nothing is read where somebody else could have put a link
  why=$(rooted "$@") || refuse "$(echo $why): there root works only where it alone can write; \`chown root\` or \`chmod go-w\` mends it"
}
account() {  # USER SCRIPT FOLDER...: the script is its account's, and of what that says only such lines are believed
  user=$1 script=$2
  shift 2
  if id -u -- "$user" >/dev/null 2>&1; then
    echo "account $user"
    set -- as_account "$user" "$script"
  else
    for path do
      [ ! -e "$path" ] || why=$(rooted "$path") || refuse "$(echo $why), and there is no account $user to look into it: make that account"
    done
    set -- sh -euc "$script"
  fi
  "$@" < /dev/null | {
    whole=no
    while IFS= read -r line; do
      case $line in
        "about "* | "myid "* | "meta "* | "joined "* | "quorumstate "* | "quorumvoters "* | history | \
          "unreadable "* | "odd "*) printf '%s\n' "$line" ;;
        whole) whole=yes ;;
      esac
    done
    [ "$whole" = yes ]
  }
}
unit() {
  [ ! -L "/etc/systemd/system/multi-user.target.wants/$1" ] || echo "enabled $1"
  [ "$state" != alive ] || return 0
  # A record is missing on a host that was deployed before root kept them: systemd knows its processes all the same.
  said=$(systemctl show -p MainPID -p SubState "$1" 2>&1) || [ ! -d /run/systemd/system ] || { echo "$said" >&2; exit 1; }
  for word in $said; do
    case $word in
      SubState=*) echo "unit ${word#*=}" ;;
      MainPID=*) ! main_process "${word#*=}" || told "$pid $start unknown unknown" alive ;;
    esac
  done
}
told() { read -r up _ < /proc/uptime; echo "process $1 $2 $up ${3-}"; }
node() {  # INSTANCE CURRENT RUN MANIFEST [UNIT]
  echo "node $1"
  state=none
  run=$3
  if [ -n "${5-}" ]; then
    # What is not root's own says nothing about a process.
    if rooted "$run" > /dev/null && ready "$run"; then folder "$run"; else run=; fi
  fi
  target=$(cd -P -- "$2" 2>/dev/null && pwd -P) && echo "link ${target##*/}" || :
  if [ -n "$run" ] && plain "$run/process" && [ -r "$run/process" ] &&
    { [ -z "${5-}" ] || [ -O "$run/process" ]; } && read -r pid start release digest asked < "$run/process"; then
    state=gone
    ! alive "$pid" "$start" || state=alive
    told "$pid $start $release $digest" "$state" "$asked"
  fi
  [ ! -r "$4" ] || while read -r line || [ -n "$line" ]; do echo "deployed $line"; done < "$4"
}
folder() { [ ! -d "$1" ] || echo "folder $1"; }
files() {
  sha256sum -- "$@" 2>/dev/null </dev/null | while read -r sum path; do
    echo "sha $sum $path"
    case $wanted in
      *"$sum  $path"*) ;;
      *) echo "content $path"; head -c 1048576 -- "$path" | base64; echo . ;;
    esac
  done
  stat -c 'stat %a %U:%G %n' -- "$@" 2>/dev/null </dev/null || :
}
""".strip()

_MARKS = r"""
there() {  # FILE: it can be read; what is no file must not look absent
  if [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then echo "odd $1"; return 1; fi
  [ -r "$1" ]
}
myid() {  # with or without a newline at its end; a file without a number is somebody's all the same
  there "$1/myid" || return 0
  id=
  read -r id < "$1/myid" || :
  echo "myid $1 $id"
}
history() {  # FOLDER...: whether a ZooKeeper server has written anything there
  for path do
    for file in "$path"/currentEpoch "$path"/snapshot.* "$path"/log.*; do
      [ ! -f "$file" ] || { echo "history"; return 0; }
    done
  done
}
quorum() {  # FOLDER: how the quorum that a KRaft node follows was formed: its state, and the last set of voters it has heard of
  [ -d "$1" ] || return 0
  ! plain "$1/quorum-state" || echo "quorumstate $(head -c 4096 -- "$1/quorum-state" | tr -d '\n')"
  before='' log='' snapshot=''
  for file in "$1"/*.log; do ! plain "$file" || { before=$log; log=$file; }; done
  for file in "$1"/*.checkpoint; do ! plain "$file" || snapshot=$file; done
  # A snapshot is due after 20 MB of log, and begins with the voters: what is older than that, it has.
  voters ends "$before" "$log" || voters head -c 65536 -- "${snapshot:-/dev/null}" || :
}
ends() { for file do [ -z "$file" ] || tail -c 33554432 -- "$file"; done; }
voters() {  # COMMAND...: print the last record of voters in its output, from the record's key on; 1 where there is none
  # The key is 8 0 0 0 6; then come the value's length, version 0, the count of voters and the first one's id.
  found=$("$@" | tr '\000\006\010\012' 'ZVKN' | grep -abo 'KZZZV[^Z]\{1,2\}ZZ[^Z]ZZ') && code=0 || code=$?
  case $code in
    0) ;;
    1) return 1 ;;
    *) echo "quorumvoters ?"; return 0 ;;
  esac
  at=${found##*
}
  echo "quorumvoters $("$@" | tail -c "+$((${at%%:*} + 1))" | head -c 4096 | base64 | tr -d '\n')"
}
meta() {
  [ -e "$1/meta.properties" ] || [ ! -d "$1" ] || { settled "$1" -s 20; exec 8<&-; }
  there "$1/meta.properties" || return 0
  while IFS= read -r line || [ -n "$line" ]; do echo "meta $1 $line"; done < "$1/meta.properties"
  for log in "$1"/__cluster_metadata-0/*.log; do
    ! plain "$log" || [ ! -s "$log" ] || { echo "joined $1"; break; }
  done
}
""".strip()


def parse(host: Host, nodes: Sequence[Node], outcome: Outcome) -> HostFacts | Unknown:
    """Read the answer to `observation`. A cut-off, failed or unreadable answer is Unknown."""
    if isinstance(outcome, Unknown):
        return outcome
    if outcome.code == EXPOSED:
        return Unknown(outcome.err.strip())
    lines = outcome.text.splitlines()
    if outcome.code != 0 or not lines or lines[-1] != "end":
        return Unknown(
            f"the observation script ended with {outcome.code}: {outcome.err.strip() or 'no message'}"
        )
    if hidden := _hidden(lines):
        return Unknown(hidden)
    try:
        return _Reader(host, nodes).read(lines)
    except (ValueError, IndexError, binascii.Error) as error:
        return Unknown(f"the observation script's answer cannot be read: {error!r}")


def _hidden(lines: Sequence[str]) -> str:
    """Return why something that is there could not be read; empty where all could."""
    closed = [line.partition(" ")[2] for line in lines if line.startswith("unreadable ")]
    if closed:
        return f"the login user may not read {', '.join(dict.fromkeys(closed))}"
    odd = [line.partition(" ")[2] for line in lines if line.startswith("odd ")]
    return f"no file, or a link, which kafab does not follow: {', '.join(odd)}" if odd else ""


class _Reader:
    """Collects the lines of one answer; `node` lines say whose the lines behind them are."""

    def __init__(self, host: Host, nodes: Sequence[Node]) -> None:
        self.host = host
        self.nodes = nodes
        self.java: str | None = None
        self.java_version: str | None = None
        self.releases: set[str] = set()
        self.parts: dict[str, int] = {}
        self.folders: set[PurePosixPath] = set()
        self.links: dict[str, str] = {}
        self.processes: dict[str, Process] = {}
        self.deployed: dict[str, dict[str, str]] = {}
        self.metas: dict[PurePosixPath, list[str]] = {}
        self.myids: dict[PurePosixPath, Identity] = {}
        self.joined: set[PurePosixPath] = set()
        self.histories: set[str] = set()
        self.quorum_states: dict[str, str] = {}
        self.voter_records: dict[str, str] = {}
        self.digests: dict[PurePosixPath, str] = {}
        self.modes: dict[PurePosixPath, tuple[str, str]] = {}
        self.account = False
        self.enabled: set[str] = set()
        self.unit_states: dict[str, str] = {}
        self.texts: dict[PurePosixPath, str] = {}
        self.node = ""

    def read(self, lines: Sequence[str]) -> HostFacts:
        rest = iter(lines)
        for line in rest:
            word, _, value = line.partition(" ")
            if word == "content":
                encoded = "".join(iter(lambda: next(rest), "."))
                self.texts[PurePosixPath(value)] = base64.b64decode(encoded, validate=True).decode(
                    "utf-8", errors="replace"
                )
            elif word != "end":
                self.take(word, value)
        return HostFacts(
            nodes={node.instance: self.facts(node) for node in self.nodes},
            releases=frozenset(self.releases),
            parts=self.parts,
            directories=frozenset(self.folders),
            java=self.java,
            java_version=self.java_version,
            account=self.account,
            profile=self.file(PROFILE) if PROFILE in self.digests else None,
        )

    def take(self, word: str, value: str) -> None:
        reader = getattr(self, f"_{word}", None)
        if reader is None:
            raise ValueError(f"unexpected line {word!r}")
        reader(value)

    def _node(self, value: str) -> None:
        self.node = value

    def _about(self, value: str) -> None:
        self.node = value

    def _java(self, value: str) -> None:
        self.java = value

    def _javaversion(self, value: str) -> None:
        self.java_version = value.strip('"')

    def _account(self, _value: str) -> None:
        self.account = True

    def _enabled(self, _value: str) -> None:
        self.enabled.add(self.node)

    def _unit(self, value: str) -> None:
        self.unit_states[self.node] = value

    def _folder(self, value: str) -> None:
        self.folders.add(PurePosixPath(value))

    def _release(self, value: str) -> None:
        self.releases.add(value)

    def _part(self, value: str) -> None:
        size, path = value.split(" ", 1)
        self.parts[PurePosixPath(path).stem] = int(size)

    def _link(self, value: str) -> None:
        self.links[self.node] = value

    def _process(self, value: str) -> None:
        self.processes[self.node] = _process(value)

    def _deployed(self, value: str) -> None:
        digest, name = value.split(None, 1)
        self.deployed.setdefault(self.node, {})[name] = digest

    def _myid(self, value: str) -> None:
        path, _, text = value.partition(" ")
        self.myids[PurePosixPath(path)] = Identity(_number(text))

    def _meta(self, value: str) -> None:
        path, _, text = value.partition(" ")
        self.metas.setdefault(PurePosixPath(path), []).append(text)

    def _joined(self, value: str) -> None:
        self.joined.add(PurePosixPath(value))

    def _quorumstate(self, value: str) -> None:
        self.quorum_states[self.node] = value

    def _quorumvoters(self, value: str) -> None:
        self.voter_records[self.node] = value

    def _history(self, _value: str) -> None:
        self.histories.add(self.node)

    def _sha(self, value: str) -> None:
        digest, path = value.split(" ", 1)
        self.digests[PurePosixPath(path)] = digest

    def _stat(self, value: str) -> None:
        mode, owner, path = value.split(" ", 2)
        self.modes[PurePosixPath(path)] = mode, owner

    def facts(self, node: Node) -> NodeFacts:
        files = {path.name: self.file(path) for path in self.digests if path.parent == node.config}
        units = {path: self.file(path) for path in self.digests if path.name.endswith((".service", ".conf"))}
        identities = {path: self.myids[path] for path in node.data if path in self.myids}
        identities |= {
            path: replace(_identity("\n".join(self.metas[path])), joined=path in self.joined)
            for path in node.data
            if path in self.metas
        }
        return NodeFacts(
            release=self.links.get(node.instance),
            files=files,
            deployed=self.deployed.get(node.instance, {}),
            directories=frozenset(self.folders & set(node_directories(node))),
            identities=identities,
            process=self.processes.get(node.instance),
            units=units,
            enabled=node.instance in self.enabled,
            unit_state=self.unit_states.get(node.instance, ""),
            formed=formed(self.quorum_states.get(node.instance), self.voter_records.get(node.instance)),
            history=node.instance in self.histories,
        )

    def file(self, path: PurePosixPath) -> FileFact:
        mode, owner = self.modes.get(path, ("?", "?"))
        return FileFact(self.digests[path], mode, self.texts.get(path), owner)


def _process(value: str) -> Process:
    pid, start, release, digest, state, up, *asked = value.split()
    alive = state == "alive"
    uptime = timedelta(seconds=max(0.0, float(up) - int(start) / TICKS_A_SECOND)) if alive else None
    return Process(int(pid), release, digest, alive=alive, asked=bool(asked), uptime=uptime)


def _identity(text: str) -> Identity:
    values = parse_properties(text)
    return Identity(
        _number(values.get("broker.id", values.get("node.id", ""))),
        values.get("cluster.id"),
        values.get("directory.id"),
        kraft=values.get("version") == "1",
    )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else None
