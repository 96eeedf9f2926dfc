"""destroy on a host with systemd, sudo and mount points."""

import pytest

from tests.docker_faults import must_soon
from tests.docker_hosts import DockerLab

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("docker_host")]  # one host for both modules

LOOK = """\
find /opt/kafka /etc/kafka /var/lib/kafka /var/log/kafka /etc/profile.d/kafab* /etc/systemd/system/kafka-* 2>/dev/null | sort
find /etc/systemd/system -name 'kafka-*' -path '*.wants/*'
systemctl list-units --all --plain --no-legend 'kafka-*'
"""
ON_ITS_OWN_DISK = """\
mount -t tmpfs -o "uid=$(id -u kafka),gid=$(id -g kafka),mode=750" tmpfs /var/lib/kafka/broker
"""
OVERRIDE = """\
cd /etc/systemd/system
mkdir -p kafka-broker@broker.service.d
printf '[Service]\\nNice=5\\n' > kafka-broker@broker.service.d/override.conf
printf '[Unit]\\nDescription=somebody else\\n' > kafka-mirror@.service
systemctl daemon-reload
"""


def test_host_is_as_before_the_first_deploy(docker_host: DockerLab) -> None:
    """Units, start at boot, what login shells read, releases, configuration, and with --data data and logs: nothing of kafab is left."""
    lab = docker_host
    must_soon(lab.fab, "deploy", "start")  # whose lock a start that was cut off may hold
    refused = lab.fab("destroy", "--data", "lab")
    lab.fab.must("stop", "destroy", "--data", "lab")
    assert (refused.code, lab.on("node1", LOOK)) == (3, "")
    assert "nothing to do" in lab.fab.must("destroy", "--data", "lab").out


def test_what_is_not_kafabs_stays(docker_host: DockerLab) -> None:
    """A mount point is emptied and stays; an administrator's drop-in and a unit of a like name are left, and named."""
    lab = docker_host
    lab.fab.must("deploy")
    lab.on("node1", ON_ITS_OWN_DISK + OVERRIDE)
    lab.fab.must("start", "stop")
    lab.on("node1", "mkdir /var/lib/kafka/broker/lost+found")
    done = lab.fab.must("destroy", "--data", "lab")
    assert lab.on("node1", LOOK).splitlines() == [
        "/etc/systemd/system/kafka-broker@broker.service.d",
        "/etc/systemd/system/kafka-broker@broker.service.d/override.conf",
        "/etc/systemd/system/kafka-mirror@.service",
        "/var/lib/kafka",
        "/var/lib/kafka/broker",
        "/var/lib/kafka/broker/lost+found",
    ]
    assert (
        "override.conf (not kafab's)" in done.out,
        lab.on("node1", "mountpoint /var/lib/kafka/broker"),
    ) == (
        True,
        "/var/lib/kafka/broker is a mountpoint\n",
    )
    assert "nothing to do" in lab.fab.must("destroy", "--data", "lab").out
    lab.on("node1", "rmdir /var/lib/kafka/broker/lost+found")  # Kafka would take it for a partition
    lab.fab.must("deploy", "start", "stop")
