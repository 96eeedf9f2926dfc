"""Rows about the way to Kafka and ZooKeeper: through a bastion and the hosts' SSH connections, against the direct way."""

from pathlib import Path

import yaml

from kafab.model import Cluster
from scripts.benches.labs import Lab, lab
from scripts.benches.measuring import Row, alternate

TIMES, MORE = 1.5, 0.5
"""The limit: so many times the direct way's seconds, and so many more for a login and the channels."""


def reach(runs: int) -> list[Row]:
    """Measure looks at a cluster of three, the bastion one host's sshd, in turn with the direct way."""
    with lab(3) as here:
        here.fab("deploy", "start")
        through = _through_a_bastion(here.cluster)
        try:
            return [_row(here, through, runs, *words) for words in (("status",), ("verify", "--read-only"))]
        finally:
            here.fab("stop", "--yes")


def _row(here: Lab, through: Path, runs: int, *words: str) -> Row:
    ours, direct = alternate(runs, lambda: here.fab("on", str(through), *words), lambda: here.fab(*words))
    what = f"{' '.join(words)} of 3 hosts through a bastion / directly"
    return Row(what, ours, direct, f"{TIMES:g}x + {MORE:g} s", ours <= TIMES * direct + MORE)


def _through_a_bastion(cluster: Cluster) -> Path:
    """Write a second inventory of the same hosts; return its path. What it names beside it is the lab's."""
    source = cluster.source or Path()
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    bastion = cluster.hosts[0]
    gateway = f"{bastion.ssh.user}@{bastion.address}:{bastion.ssh.port}"
    document["ssh"] |= {"gateway": gateway, "reach": "ssh"}
    path = source.with_name("through.yaml")
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
