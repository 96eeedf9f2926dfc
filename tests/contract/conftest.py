"""Fakes and real clusters behind the same names, so that one test holds for both; hosts on loopback."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kafab.adapters.kafka.admin import ClientsAdmin
from kafab.adapters.machine.clock import SystemClock
from kafab.adapters.ssh.fleet import SshFleet
from kafab.events import silent
from kafab.inventory import load
from kafab.lab.local import LocalLab
from kafab.lab.shape import Wish
from kafab.model import Cluster, Host, Version
from kafab.ports import ZooKeeper
from kafab.testing.admin import FakeAdmin
from kafab.testing.kafka import FakeKafka
from kafab.testing.zookeeper import FakeZooKeeper
from tests.access_by_hand import Hand, guarded
from tests.conftest import cluster_in
from tests.kafka_by_hand import KafkaByHand, six_jvms
from tests.loopback import HOSTS, NoJava


@dataclass(frozen=True)
class World:
    """A healthy cluster of three and the two ways to look at it."""

    cluster: Cluster
    zookeeper: ZooKeeper
    admin: FakeAdmin | ClientsAdmin
    real: bool


# Its clients are not of the session: kazoo's thread draws from the global `random`, which Hypothesis in a later module
# takes for a strategy's doing.
@pytest.fixture(
    scope="module",
    params=[
        "fake",
        *(
            pytest.param(
                version,
                marks=[
                    pytest.mark.e2e,
                    pytest.mark.xdist_group(f"contract {version}"),
                    pytest.mark.timeout(600),
                ],
            )
            for version in ("3.9.2", "2.4.1")
        ),
    ],
)
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a healthy cluster: in memory, or six JVMs of one release."""
    if request.param == "fake":
        fake = FakeKafka(cluster_in(tmp_path_factory.mktemp("fake"), hosts=3), min_isr=2)
        yield World(fake.cluster, FakeZooKeeper(fake), FakeAdmin(fake), real=False)
        return
    with ExitStack() as stack:
        if request.param == "3.9.2":
            hand: KafkaByHand = request.getfixturevalue("hand_3_9_2")
        else:
            root, version = tmp_path_factory.mktemp(f"kafka-{request.param}"), Version.parse(request.param)
            hand = stack.enter_context(six_jvms(version, root))
        stack.enter_context(hand.asked())
        yield World(hand.cluster, hand.zookeeper, hand.admin, real=True)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """Twelve hosts with an sshd each."""
    labs = tmp_path_factory.mktemp("labs")
    lab = LocalLab("fleet", labs, machine=NoJava(), clock=SystemClock(), emit=silent)
    lab.up(Wish(HOSTS))
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def hosts(lab: LocalLab) -> Mapping[str, Host]:
    """The lab's hosts by name."""
    return {host.name: host for host in load(lab.inventory)[0].hosts}


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[str]:
    """Shell that waits, on a host, until the test is over: what sshd leaves behind ends by itself."""
    flag = tmp_path / "test-goes-on"
    flag.touch()
    yield f"while [ -e {flag} ]; do sleep 0.1; done"
    flag.unlink()


@pytest.fixture
def ssh(hosts: Mapping[str, Host]) -> Iterator[SshFleet]:
    """All hosts over real SSH."""
    with closing(SshFleet([*hosts.values()])) as fleet:
        yield fleet


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with an .ssh of its own."""
    (tmp_path / "home" / ".ssh").mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home" / ".ssh"


def _guarded(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    with guarded(Version.parse(version), tmp_path_factory.mktemp(f"access-{version}")) as hand:
        yield hand


@pytest.fixture(scope="session")
def guarded_4_3_1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    """Three JVMs with an authorizer, in KRaft mode, for the modules of the group "access 4.3.1"."""
    yield from _guarded("4.3.1", tmp_path_factory)


@pytest.fixture(scope="session")
def guarded_3_9_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    """A broker with an authorizer and ZooKeeper, for the modules of the group "access 3.9.2"."""
    yield from _guarded("3.9.2", tmp_path_factory)


@pytest.fixture(scope="session")
def guarded_2_4_1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    """The same of the oldest version."""
    yield from _guarded("2.4.1", tmp_path_factory)
