import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafab.errors import UsageError
from kafab.wiring import PASSWORD_FD, sudo_password_from

ROOT = Path(__file__).parents[2]


@pytest.fixture
def descriptor() -> Iterator[int]:
    """A descriptor with a password and what else is in the file."""
    reading, writing = os.pipe()
    os.write(writing, b"open sesame\nmore\n")
    os.close(writing)
    yield reading
    os.close(reading)


def test_password_is_the_first_line_of_the_descriptor(descriptor: int) -> None:
    """One line, without its end; the second cluster of a command line gets the same."""
    both = [sudo_password_from({PASSWORD_FD: str(descriptor)}) for _ in range(2)]
    assert [secret and secret.value for secret in both] == ["open sesame"] * 2


def test_no_variable_is_no_password() -> None:
    """Without the variable nothing is read."""
    assert sudo_password_from({}) is None


@pytest.mark.parametrize("number", ["", "three", "999", "-1"])
def test_bad_descriptor_is_a_usage_error(number: str) -> None:
    """A descriptor that cannot be read is told with the variable's name and an example."""
    with pytest.raises(UsageError, match=PASSWORD_FD):
        sudo_password_from({PASSWORD_FD: number})


CHILD = """
import sys
from datetime import timedelta
from pathlib import Path
from kafab.events import silent
from kafab.ops.deploy.deploy import make_plan
from kafab.ops.see import see
from kafab.cluster.seen import everything
from kafab.testing.store import FakeStore
from kafab.wiring import Session
from tests.conftest import cluster_in
from tests.worlds import running_hosts

def imported():
    return [name for name in ("kazoo", "kafka", "confluent_kafka") if name in sys.modules]


def of(mode):
    cluster = cluster_in(Path("/nowhere"), 3, mode)
    session = Session(cluster, silent)
    session.fleet, session.store = running_hosts(cluster), FakeStore.for_cluster(cluster)
    return session


kraft, zookeeper = of("combined"), of("")
for session in (kraft, zookeeper):
    make_plan(session.cluster, None, session)
print(imported())
see(kraft.cluster, kraft, everything(kraft.cluster))
print(imported())

from kafab.adapters.kafka import zookeeper as client

client._SESSION_TIMEOUT = timedelta(seconds=0.2)  # nobody is there
see(zookeeper.cluster, zookeeper, everything(zookeeper.cluster))
print(imported())
kraft.close()
zookeeper.close()
"""


def test_command_imports_only_the_clients_it_asks() -> None:
    """A plan makes no client of Kafka or ZooKeeper, and a look at a KRaft cluster none of ZooKeeper."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n['kafka']\n['kazoo', 'kafka']\n", "")
