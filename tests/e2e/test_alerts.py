"""Each alert of a node's own metrics is raised by a fault of a lab, and none fires on a cluster that is well; ZooKeeper's are elsewhere.

Prometheus waits a sixtieth of each alert's time here, ten seconds at most. How long they wait in earnest, and that they are silent in a roll, other tests show.
"""

from collections.abc import Callable, Iterator

import pytest
import yaml

from tests import alert_faults
from tests.fab import Fab
from tests.labs import LocalLab
from tests.prometheus_checks import Prometheus, watching

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
FAULTS = (
    alert_faults.check_few_descriptors_left,
    alert_faults.check_agent_without_its_beans,
    alert_faults.check_voter_that_lags,
    alert_faults.check_silent_cluster,
    alert_faults.check_two_brokers_killed,
    alert_faults.check_controllers_without_majority,
    alert_faults.check_threads_that_stand_still,
    alert_faults.check_unclean_election,
    alert_faults.check_data_directory_lost,
    alert_faults.check_figures_of_a_timer,
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """Bring up three brokers, the last one with two data directories, and three controllers."""
    fab = Fab(tmp_path_factory.mktemp("home"))
    made = LocalLab(fab)
    try:
        fab.must("lab.up", "--version", "4.3.1", "--controllers", "isolated", "--observe")
        data = made.node("node3/broker").data[0]
        document = yaml.safe_load(made.inventory.read_text())
        document["hosts"]["node3"]["broker"]["data"] = [str(data), str(data.with_name("second"))]
        made.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
        fab.must("deploy", "start")
        yield made
    finally:
        fab.down()


@pytest.fixture(scope="module")
def watcher(lab: LocalLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Have one Prometheus for all tests here; no alert fires when a test begins and when it ends."""
    with watching(lab.cluster, tmp_path_factory.mktemp("prometheus"), hurry=60) as found:
        yield found


@pytest.mark.parametrize("check", FAULTS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_fault_fires_its_alerts(
    lab: LocalLab, watcher: Prometheus, check: Callable[[LocalLab, Prometheus], None]
) -> None:
    """A fault is told by its alerts, of the nodes that have it, and by no alert any more once it is mended."""
    check(lab, watcher)
