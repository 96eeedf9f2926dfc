"""Who sends a release to whom, and the scripts that do it: it leaves this machine once a site (docs/distribution.md).

The seed, the first host of a site, gets the archive from here and lends it to the others for as long as a script
that this machine holds there runs: a folder with the archive, and one line in the login user's authorized_keys that lets a
key made for this one deploy read that archive and nothing else. Both go when the script ends, and it ends with our
connection. What a crash leaves is named after its process, so the next deploy knows it from what is in use.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from kafab.command import Cmd, Outcome, Script, Secret, Unknown
from kafab.model import Cluster
from kafab.ports import Upload
from kafab.steps import InstallRelease
from kafab.supervisor import ALIVE, LET_GO

UNPACK_TIMEOUT = timedelta(minutes=10)
PULL_TIMEOUT = timedelta(minutes=15)
"""For the bytes from the seed; a dead seed is noticed after 15 s."""
LENT_FOR = timedelta(hours=1)
"""Then sshd refuses the key, should a crash leave its line behind."""
PULLS_AT_ONCE = 8
"""From one seed: sshd drops at random past 10 connections that have not logged in yet (MaxStartups 10:30:100)."""
SSH_PORT = 22
STALE_PART = 75
"""Exit code of an upload's script: what lay there was not what the offset said; send everything."""
NOT_PULLED = 76
"""Exit code of a pull's script: the seed gave no good archive, nothing was changed; send it from here."""


@dataclass(frozen=True)
class Route:
    """One site's way: the seed gets the artifact from here, the others take it from the seed."""

    seed: InstallRelease
    others: tuple[InstallRelease, ...]


@dataclass(frozen=True)
class Seed:
    """A host that lends the archive: how its neighbours reach it, and what they must find there."""

    host: str
    address: str
    port: int
    user: str
    shelf: str
    """The folder on the seed that holds the archive while it is lent."""
    host_key: str
    """The seed's host key as our own connection has verified it, ``ssh-ed25519 AAAA…``."""


def routes(steps: Iterable[InstallRelease], cluster: Cluster) -> tuple[Route, ...]:
    """Return a route a site, in the order of the steps. The seed is the host with the most of it already, else the first."""
    sites: dict[tuple[str, str], list[InstallRelease]] = {}
    for step in steps:
        sites.setdefault((cluster.host(step.host).site, step.artifact.sha256), []).append(step)
    found = []
    for near in sites.values():
        seed = max(near, key=lambda step: step.offset)
        found.append(Route(seed, tuple(step for step in near if step is not seed)))
    return tuple(found)


def waves(others: tuple[InstallRelease, ...]) -> Iterator[tuple[InstallRelease, ...]]:
    """Cut into groups that may pull from one seed at a time."""
    for begin in range(0, len(others), PULLS_AT_ONCE):
        yield others[begin : begin + PULLS_AT_ONCE]


def seed_at(step: InstallRelease, cluster: Cluster, served: Outcome, host_key: str | Unknown) -> Seed | str:
    """Read the answer to `serve`: a Seed, or why the host cannot be one.

    Its neighbours reach it where its nodes' peers do: an address advertised to them goes before the one that ssh has here.
    """
    if isinstance(served, Unknown):
        return served.reason
    word, _, rest = served.text.strip().partition(" ")
    if word != "serving":
        return rest if word == "refused" else served.err.strip() or f"exit {served.code}"
    if isinstance(host_key, Unknown):
        return host_key.reason
    host = cluster.host(step.host)
    told = (node.peer_listener.advertised for node in cluster.on(host))
    address = next((address for address in told if address != host.address), host.address)
    user, _, shelf = rest.partition(" ")
    return Seed(host.name, address, host.ssh.port or SSH_PORT, user, shelf, host_key)


def upload(step: InstallRelease) -> Upload:
    """Return the direct way: the bytes from here, checked, unpacked, put in place."""
    return Upload(step.artifact.file, _script(step, Cmd("install", step.offset)), step.offset)


def stock(step: InstallRelease, seed: Seed) -> Upload:
    """Return the seed's part: the bytes from here, checked, and put on the shelf that `serve` has made."""
    return Upload(step.artifact.file, _script(step, Cmd("stock", step.offset, seed.shelf)), step.offset)


def unpack(step: InstallRelease, seed: Seed) -> Script:
    """Return the script that puts the seed's own release in place, from its shelf."""
    return _script(step, Cmd("own", seed.shelf))


def pull(step: InstallRelease, seed: Seed, private_key: Secret) -> Script:
    """Return the script that takes the archive from the seed, checks it, unpacks it and puts it in place.

    It holds the key, so it must travel on stdin (``Fleet.run``): an argument of a shell function is none of a process.
    It leaves alone what an interrupted upload has left.
    """
    seconds = int(PULL_TIMEOUT.total_seconds())
    call = Cmd("pull", seed.address, seed.port, seed.user, seed.host_key, seconds, private_key)
    return _script(step, call, limit=PULL_TIMEOUT)


def serve(step: InstallRelease, public_key: str) -> Script:
    """Return the script to hold on a seed. Its line is ``serving USER SHELF``, or ``refused`` and why."""
    call = Cmd("serve", step.root, public_key, int(LENT_FOR.total_seconds()))
    return Script(f"{_COMMON}\n{_SERVE}\n{call.sh}\n", LENT_FOR)


def _script(step: InstallRelease, call: Cmd, limit: timedelta = timedelta()) -> Script:
    artifact = step.artifact
    flags = "-xzf" if artifact.file.suffix in {".tgz", ".gz"} else "-xf"
    about = Cmd(
        "about", step.root, artifact.folder, str(artifact.name), artifact.sha256, artifact.size, flags
    )
    text = f"{_COMMON}\n{_RELEASE}\n{about.sh}\n{call.sh}"
    return Script(f"{text}\n", limit + UNPACK_TIMEOUT)


_COMMON = (
    ALIVE
    + r"""
umask 022
incoming_of() {  # ROOT: its folder for what is not finished, without what scripts that have ended left there
  incoming=$1/.incoming
  mkdir -p -- "$incoming"
  read -r stat < "/proc/$$/stat"
  set -- ${stat##*) }
  id=$$.${20}
  for left in "$incoming"/pull.* "$incoming"/unpack.* "$incoming"/shelf.*; do
    [ -d "$left" ] || continue
    of=${left##*/}
    of=${of#*.}
    alive "${of%.*}" "${of#*.}" || rm -rf -- "$left"
  done
}
"""
).strip()

_RELEASE = rf"""
about() {{  # ROOT FOLDER TOP SHA256 SIZE TARFLAGS
  root=$1 folder=$2 top=$3 sha=$4 size=$5 flags=$6
  incoming_of "$root"
  part=$incoming/$sha.part work=$incoming/unpack.$id
}}
give_up() {{ rm -rf -- "$part" "$work"; echo "$1" >&2; exit 1; }}
unpack() {{  # ARCHIVE, which is checked: its release in place, in one rename
  # Closed to all others until the modes are ours: root's tar would keep the archive's, a file for all to write, too.
  (umask 077; mkdir -p -- "$work/new")
  tar "$flags" "$1" -o -C "$work/new" < /dev/null || give_up "could not unpack it"
  chmod -R u=rwX,go=rX,ug-s,-t -- "$work/new" || give_up "could not set its modes"
  [ -d "$work/new/$top/libs" ] || give_up "it has no $top/libs"
  [ -d "$root/$folder" ] || mv -T -- "$work/new/$top" "$root/$folder" || [ -d "$root/$folder" ] ||
    give_up "could not put it in place"
  rm -rf -- "$work" "$part"
}}
receive() {{  # OFFSET, the artifact's bytes from there on stdin: the part, whole and checked
  if [ "$1" -eq 0 ]; then : > "$part"; fi
  have=$(wc -c < "$part") || have=0
  [ "$have" -eq "$1" ] || {{ rm -f -- "$part"; echo "$have bytes were there, not $1" >&2; exit {STALE_PART}; }}
  cat >> "$part" || give_up "could not write $part"
  have=$(wc -c < "$part")
  # A lost connection ends here: the part stays, and the next upload goes on behind it.
  [ "$have" -eq "$size" ] || {{ echo "the upload ended after $have of $size bytes" >&2; exit 1; }}
  sum=$(sha256sum < "$part")
  [ "${{sum%% *}}" = "$sha" ] || give_up "sha256 is ${{sum%% *}}, not $sha"
}}
install() {{  # OFFSET
  receive "$1"
  unpack "$part"
}}
stock() {{  # OFFSET SHELF: the archive on the shelf; where that is gone nobody waits for it, and it is used at once
  receive "$1"
  mv -T -- "$part" "$2/archive" 2>/dev/null || unpack "$part"
}}
own() {{  # SHELF
  [ -d "$root/$folder" ] || unpack "$1/archive"
}}
not_pulled() {{ echo "$1" >&2; exit {NOT_PULLED}; }}
pull() {{  # ADDRESS PORT USER HOSTKEY SECONDS PRIVATEKEY
  box=$incoming/pull.$id
  trap 'rm -rf -- "$box"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  command -v ssh > /dev/null || not_pulled "there is no ssh client"
  (umask 077; mkdir -- "$box"; printf '%s\n' "$6" > "$box/key"; printf 'seed %s\n' "$4" > "$box/known")
  # -F: what this host's ssh is told to do otherwise is of no matter. The alias spares the spelling of names and ports.
  timeout "$5" ssh -F /dev/null -n -T -x -a -i "$box/key" -p "$2" -l "$3" -o HostKeyAlias=seed \
    -o UserKnownHostsFile="$box/known" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o CheckHostIP=no \
    -o IdentitiesOnly=yes -o IdentityAgent=none -o PreferredAuthentications=publickey -o BatchMode=yes \
    -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o LogLevel=ERROR \
    -- "$1" archive > "$box/archive" 2> "$box/said" || not_pulled "$(said "$?")"
  have=$(wc -c < "$box/archive")
  [ "$have" -eq "$size" ] || not_pulled "only $have of $size bytes came"
  sum=$(sha256sum < "$box/archive")
  [ "${{sum%% *}}" = "$sha" ] || not_pulled "sha256 is ${{sum%% *}}, not $sha"
  unpack "$box/archive"
}}
said() {{  # EXITCODE: ssh's last words
  words=$(tail -n 1 -- "$box/said" | tr -d '\r')
  [ "$1" -ne 124 ] || words="no end after $5 s"
  echo "${{words:-exit $1}}"
}}
""".strip()

_SERVE = (
    LET_GO
    + r"""
serve() {  # ROOT PUBLICKEY SECONDS
  key=$2 seconds=$3
  incoming_of "$1"
  shelf=$incoming/shelf.$id
  node=$(uname -n)
  login
  keys=$(readlink -f -- "$home/.ssh/authorized_keys") || keys=
  [ -f "$keys" ] || { echo "refused $user logs in without $home/.ssh/authorized_keys"; exit 0; }
  trap over EXIT
  trap 'exit 0' HUP INT TERM PIPE
  mkdir -- "$shelf"
  until=$(date -d "@$(($(date +%s) + seconds))" +%Y%m%d%H%M)
  edit "restrict,expiry-time=\"$until\",command=\"exec cat $shelf/archive\" $key kafab-transfer.$node.$id" ||
    { echo "refused $keys could not be changed"; exit 0; }
  echo "serving $user $shelf"
  let_go
}
login() {  # whose key logs in here: where sudo made us root, that of the sshd above us tells
  user=$(id -un) home=$HOME at=$$
  [ "$(id -u)" -eq 0 ] || return 0
  while [ "$at" -gt 1 ]; do
    while read -r word value _; do
      case $word in Name:) name=$value ;; PPid:) parent=$value ;; Uid:) uid=$value; break ;; esac
    done < "/proc/$at/status"
    case $name in sshd*) break ;; esac
    at=$parent
  done
  if [ "$at" -le 1 ] || [ "$uid" -eq 0 ]; then return 0; fi
  entry=$(getent passwd "$uid")
  user=${entry%%:*}
  entry=${entry%:*}
  home=${entry##*:}
}
over() {
  rm -rf -- "$shelf"
  case $(cat -- "$keys") in *"kafab-transfer.$node.$id"*) over=yes; edit '' || : ;; esac
}
edit() {  # LINE: without the lines of transfers that are over, and with this one: whole, or left as it was
  for left in "$keys".kafab-transfer.*; do
    of=${left#"$keys.kafab-transfer."}
    [ ! -f "$left" ] || alive "${of%.*}" "${of#*.}" || rm -f -- "$left"
  done
  new=$keys.kafab-transfer.$id
  # A copy first, for owner, mode, label: sshd refuses a file that another could have written.
  if cp -a -- "$keys" "$new" && kept "$1" > "$new" && mv -f -- "$new" "$keys"; then return 0; fi
  rm -f -- "$new"
  return 1
}
kept() {  # LINE
  while IFS= read -r line || [ -n "$line" ]; do
    if is_over "$line"; then continue; fi
    printf '%s\n' "$line" || return 1
  done < "$keys"
  [ -z "$1" ] || printf '%s\n' "$1"
}
is_over() {  # LINE: one of this host (a home may be shared by many) whose process has ended, or is about to
  case $1 in *" kafab-transfer.$node."*) ;; *) return 1 ;; esac
  of=${1##*" kafab-transfer.$node."}
  if [ "$of" = "$id" ]; then [ "${over-}" = yes ]; else ! alive "${of%.*}" "${of#*.}"; fi
}
"""
).strip()
