"""What destroy decides where a shell in a temporary folder cannot show it: mount points and systemd, on values."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.config.units import UNITS
from kafab.errors import Unsafe
from kafab.hosts.facts import HostFacts, Identity, NodeFacts
from kafab.hosts.remains import HostRemains, Place, drop_in, observation, template
from kafab.model import Cluster, Role, Supervisor
from kafab.plans.removal import Removals, removals
from kafab.plans.removing import RemoveData, RemoveFiles, RemoveInstance, RemoveUnit
from kafab.plans.state import desire
from tests.conftest import cluster_in


def served(data: tuple[str, ...] = ("meta.properties", "orders-0")) -> tuple[Cluster, HostRemains]:
    """Return a cluster of one host under systemd, and what is on it: the broker's data is a mount of its own."""
    cluster = cluster_in(Path("/srv"), 1)
    host = replace(cluster.hosts[0], supervisor=Supervisor.SYSTEMD, user="kafka")
    nodes = tuple(replace(node, host=host) for node in cluster.nodes)
    cluster = replace(cluster, hosts=(host,), nodes=nodes)
    broker = cluster.brokers[0]
    path = broker.data[0]
    return cluster, HostRemains(
        places={
            path: Place("folder", path, frozenset({*data, "lost+found"})),
            drop_in(broker).parent: Place("folder", drop_in(broker).parent, frozenset({"kafab.conf"})),
        },
        mounts=frozenset({path, PurePosixPath("/")}),
        made=frozenset({template(broker.role), drop_in(broker)}),
        instances=frozenset({broker.unit}),
    )


def decided(cluster: Cluster, there: HostRemains, *, data: bool = False) -> Removals:
    """Decide about the broker alone; its data says that it is its own."""
    broker = cluster.brokers[0]
    facts = HostFacts({broker.instance: NodeFacts(identities={broker.data[0]: Identity(1, "abc")})})
    return removals(desire(cluster, [broker], None), {"node1": facts}, {"node1": there}, {}, data=data)


def test_mounted_data_directory_is_emptied_and_kept() -> None:
    """The mount point stays, and the plan says so."""
    found = decided(*served(), data=True)
    assert [(step.path.name, step.note) for step in found.steps if isinstance(step, RemoveData)] == [
        ("broker", "its file system stays mounted")
    ]


def test_emptied_mount_is_nothing_to_do() -> None:
    """What mkfs made is no data."""
    assert not [step for step in decided(*served(()), data=True).steps if isinstance(step, RemoveData)]


@pytest.mark.parametrize(("content", "fate"), [({"version-2"}, "kept"), (set[str](), "removed")])
def test_log_of_transactions_is_never_emptied(content: set[str], fate: str) -> None:
    """No mark in the folder of dataLogDir says whose it is: it goes where it is empty, and else is named as kept."""
    cluster, there = served()
    logs = PurePosixPath("/txlog/prod")
    server = replace(cluster.zookeepers[0], host=cluster.hosts[0], properties={"dataLogDir": str(logs)})
    cluster = replace(cluster, nodes=(server,))
    there = replace(there, places={logs: Place("folder", logs, frozenset(content))})
    facts = HostFacts({server.instance: NodeFacts(identities={server.data[0]: Identity(1)})})
    found = removals(desire(cluster, [server], None), {"node1": facts}, {"node1": there}, {}, data=True)
    fates = {kept.path: "kept" for kept in found.kept} | {step.path: "removed" for step in found.steps}
    assert fates[logs] == fate


def test_mount_inside_a_data_directory_is_refused() -> None:
    """A file system that somebody mounted inside would be emptied along: refused, with its name."""
    cluster, there = served()
    inside = cluster.brokers[0].data[0] / "orders-0"
    with pytest.raises(Unsafe, match=f"mounted inside: {inside}"):
        decided(cluster, replace(there, mounts=there.mounts | {inside}), data=True)


def test_units_go() -> None:
    """The node's drop-in and start at boot go, then the unit that no other instance uses."""
    found = [(type(step), str(step.path)) for step in decided(*served()).steps]
    assert found == [
        (RemoveInstance, f"{UNITS}/kafka-broker@broker.service.d/kafab.conf"),
        (RemoveUnit, f"{UNITS}/kafka-broker@.service"),
    ]


def test_unit_that_another_instance_uses_stays() -> None:
    """The unit is shared: another cluster's broker keeps it, and is named."""
    cluster, there = served()
    found = decided(cluster, replace(there, instances=there.instances | {"kafka-broker@broker-4.service"}))
    assert [type(step) for step in found.steps] == [RemoveInstance]
    assert [kept.why for kept in found.kept if kept.path == template(cluster.brokers[0].role)] == [
        "kafka-broker@broker-4.service uses it"
    ]


def test_unit_that_kafab_did_not_make_stays() -> None:
    """A unit of that name without kafab's mark is somebody's own."""
    cluster, there = served()
    found = decided(cluster, replace(there, made=frozenset({drop_in(cluster.brokers[0])})))
    assert RemoveUnit not in [type(step) for step in found.steps]


def test_drop_in_of_an_administrator_stays() -> None:
    """What `systemctl edit` made is named and left."""
    cluster, there = served()
    folder = drop_in(cluster.brokers[0]).parent
    place = Place("folder", folder, frozenset({"kafab.conf", "override.conf"}))
    found = decided(cluster, replace(there, places={**there.places, folder: place}))
    assert [kept.path for kept in found.kept if kept.why == "not kafab's"] == [folder / "override.conf"]


def test_unit_that_systemd_starts_again_is_running() -> None:
    """Between two restarts no process is there, and still it is not stopped."""
    cluster, there = served()
    with pytest.raises(Unsafe, match="run: node1/broker"):
        decided(cluster, replace(there, active=frozenset({cluster.brokers[0].unit})))


def test_observation_asks_for_units_of_every_role() -> None:
    """A controller that is active but not enabled is found, like a broker: every role's units are listed."""
    cluster, _ = served()
    text = observation(cluster.hosts[0], cluster.nodes).text
    assert [role for role in Role if f"'kafka-{role}@*'" not in text] == []


@pytest.mark.parametrize("ending", [".roll", ".access", ".upgrade"])
def test_what_is_kept_for_a_cluster_goes_with_the_last_node(ending: str) -> None:
    """It is of this cluster by its name; another cluster's, in the same folder, stays."""
    cluster, there = served()
    run, own = cluster.hosts[0].paths.run, f"{cluster.name}{ending}"
    there = replace(there, places={run: Place("folder", run, frozenset({own, f"other{ending}"}))})
    found = [step for step in decided(cluster, there).steps if isinstance(step, RemoveFiles)]
    assert [(step.path, step.names) for step in found] == [(run, (own,))]
