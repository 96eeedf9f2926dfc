"""What login shells of a host find: KAFKA_HOME, and the release's command line tools at the end of the PATH.

It is one file a host, and the cluster that the file names has it: another cluster on the same host leaves it alone, when it
deploys and when it is destroyed, and writes its own as soon as there is none.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from kafab.config.render import RenderedFile, fill
from kafab.hosts.facts import FileFact
from kafab.model import Cluster, Host, Node, Role, Supervisor

PROFILE = PurePosixPath("/etc/profile.d/kafab.sh")
OWNER = "root:root"
PREFERRED = (Role.BROKER, Role.CONTROLLER, Role.ZOOKEEPER)
_MARK = "# Made by kafab for the cluster {cluster}. An edit by hand is seen by the sha256 of the lines below, {digest}.\n"
_MADE = re.compile(re.escape(_MARK).replace(r"\{cluster\}", "(.+)").replace(r"\{digest\}", "([0-9a-f]{64})"))


def profile_file(cluster: Cluster, host: Host) -> RenderedFile | None:
    """Return the file of a host; None under the `process` supervisor, where nothing is root's.

    KAFKA_HOME is the release of the first broker, else of the first controller, else of the first ZooKeeper server.
    """
    if host.supervisor is not Supervisor.SYSTEMD:
        return None
    lines = fill("profile.sh.j2", node=_leading(cluster.on(host)))
    return RenderedFile(
        PROFILE, _MARK.format(cluster=cluster.name, digest=_sha256(lines)) + lines, "644", OWNER
    )


def _leading(nodes: Sequence[Node]) -> Node:
    return min(nodes, key=lambda node: PREFERRED.index(node.role))


def whose(wanted: RenderedFile, cluster: Cluster, found: FileFact) -> str | None:
    """Return the name of the cluster that has the file which stands on a host; None for a file that is not kafab's."""
    if found.sha256 == wanted.sha256:
        return cluster.name
    made = _MADE.match(found.text or "")
    return made[1] if made else None


def edited(wanted: RenderedFile, found: FileFact) -> bool:
    """True where a file is not what any kafab has written there."""
    if found.sha256 == wanted.sha256:
        return False
    text = found.text or ""
    made = _MADE.match(text)
    return made is None or made[2] != _sha256(text[made.end() :])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
