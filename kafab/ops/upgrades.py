"""The record of an upgrade that is not finalized, on the hosts that keep the metadata; the copy with the highest serial counts."""

from kafab.errors import Failed
from kafab.hosts.facts import HostFacts
from kafab.interruption import AGAIN
from kafab.model import Cluster
from kafab.ops.kept import Copies, Kept
from kafab.ops.world import World
from kafab.plans.state import Observed
from kafab.shell.layout import UPGRADE
from kafab.unknown import Unknown
from kafab.upgrading.record import Upgrade, parse

KEPT = Kept("the record of the upgrade", UPGRADE, everywhere=True)
HINT = "these hosts keep whether an upgrade is under way; nothing was changed"


def read(cluster: Cluster, world: World) -> Upgrade | None:
    """Return the upgrade that is under way.

    Raises Unreachable where that cannot be known, Failed where its record cannot be read.
    """
    return _of(cluster, KEPT.read(cluster, world, hint=HINT))


def told(cluster: Cluster, observed: Observed, world: World) -> Upgrade | None:
    """Return the upgrade that is under way, given what hosts have said.

    Each host has a copy. Where one is seen and not all that decide were asked, they are. Raises what `read` raises.
    """
    texts = {
        host: facts.upgrade
        for host, facts in observed.items()
        if isinstance(facts, HostFacts) and facts.upgrade
    }
    if not texts:
        return None
    places = [host.name for host in cluster.voter_hosts]
    if not all(isinstance(observed.get(host), HostFacts) for host in places):
        return read(cluster, world)
    return _of(cluster, Copies({host: text for host, text in texts.items() if host in places}, {}))


def write(cluster: Cluster, upgrade: Upgrade, world: World) -> None:
    """Put it on the disks of a majority. Raises OutcomeUnknown where it is not on so many: nothing may be moved then."""
    KEPT.write(cluster, upgrade.text(), world, hint=f"nothing was changed; {AGAIN}")


def forget(cluster: Cluster, world: World) -> None:
    """Remove it: the upgrade is finalized, or undone."""
    KEPT.forget(cluster, world)


def _of(cluster: Cluster, copies: Copies) -> Upgrade | None:
    if not copies.agreed(cluster):
        return None
    newest: Upgrade | None = None
    for host, text in copies.texts.items():
        found = parse(text)
        if isinstance(found, Unknown):
            path = KEPT.path(cluster, cluster.host(host))
            raise Failed(
                f"{host}: the record of the upgrade cannot be read, {path}: {found.reason}",
                hint=f"where another host has a good one, `rm {path}` on {host}",
            )
        if newest is None or found.serial > newest.serial:
            newest = found
    return newest
