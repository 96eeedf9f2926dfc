"""Who sends a release to whom, and the scripts that do it (`release.sh`, `serve.sh`): it leaves this machine once a site (docs/distribution.md).

The seed, the first host of a site, gets the archive from here and lends it to the others for as long as a script
that this machine holds there runs: a folder with the archive, and one line in the login user's authorized_keys that lets a
key made for this one deploy read that archive and nothing else. Both go when the script ends, and it ends with our
connection. What a crash leaves is named after its process, so the next deploy knows it from what is in use.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from kafab.command import Cmd, Outcome, Script, Secret
from kafab.model import Cluster
from kafab.plans.steps import InstallRelease
from kafab.ports import Upload
from kafab.shell.frame import framed
from kafab.unknown import Unknown

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
    return framed(("alive", "incoming", "let_go", "serve"), call, timeout=LENT_FOR)


def _script(step: InstallRelease, call: Cmd, limit: timedelta = timedelta()) -> Script:
    artifact = step.artifact
    flags = {".tgz": "-xzf", ".gz": "-xzf", ".jar": "jar"}.get(artifact.file.suffix, "-xf")
    about = Cmd(
        "about", step.root, artifact.folder, str(artifact.name), artifact.sha256, artifact.size, flags
    )
    return framed(("alive", "incoming", "release"), about, call, timeout=limit + UNPACK_TIMEOUT)
