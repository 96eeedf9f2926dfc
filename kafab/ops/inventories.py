"""Inventories as files: check one, begin one."""

import json
from dataclasses import dataclass
from pathlib import Path

from kafab.errors import Failed, UsageError
from kafab.inventory import InventoryError, cluster_name, load, schema, texts
from kafab.model import Cluster
from kafab.problems import Problem


@dataclass(frozen=True)
class Verdict:
    """An inventory that was read: the cluster where it can be used, and every problem, warnings last."""

    file: Path
    cluster: Cluster | None
    problems: tuple[Problem, ...]

    @property
    def exit_code(self) -> int:
        """0 usable (warnings allowed), 2 not."""
        return 0 if self.cluster else InventoryError.exit_code

    @property
    def summary(self) -> str:
        """One line: ``prod: 3 hosts, 3 zookeeper, 3 brokers, Kafka 3.9.2: OK``."""
        name = cluster_name(self.file)
        if self.cluster is None:
            errors = sum(problem.severity == "error" for problem in self.problems)
            return f"{name}: {_counted(errors, 'problem')}"
        hosts, brokers = (
            _counted(len(self.cluster.hosts), "host"),
            _counted(len(self.cluster.brokers), "broker"),
        )
        return f"{name}: {hosts}, {len(self.cluster.zookeepers)} zookeeper, {brokers}, Kafka {self.cluster.version}: OK"


def check(file: Path) -> Verdict:
    """Read an inventory and return what is wrong with it; nothing else is contacted."""
    try:
        cluster, warnings = load(file)
    except InventoryError as error:
        return Verdict(file, None, (*error.problems, *error.warnings))
    return Verdict(file, cluster, warnings)


def rows(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    """Return place, key, severity and text of each problem, for a table."""
    return [
        (f"{found.file}:{found.line}:{found.column}", found.key, found.severity, found.text)
        for found in verdict.problems
    ]


def document(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as ``kafab.inventory-check/1``; ``counts`` is null where the inventory cannot be used."""
    cluster = verdict.cluster
    counts = cluster and {
        "hosts": len(cluster.hosts),
        "zookeeper": len(cluster.zookeepers),
        "brokers": len(cluster.brokers),
    }
    return {
        "schema": "kafab.inventory-check/1",
        "cluster": cluster_name(verdict.file),
        "file": str(verdict.file),
        "usable": cluster is not None,
        "version": str(cluster.version) if cluster else None,
        "counts": counts,
        "problems": [
            {
                "line": found.line,
                "column": found.column,
                "key": found.key,
                "severity": found.severity,
                "text": found.text,
            }
            for found in verdict.problems
        ],
    }


def create(name: str, folder: Path) -> Path:
    """Write a commented starter to ``folder``/inventory/``name``.yaml and return its path.

    Raises UsageError for a name that no cluster can have or a file that exists, Failed when it cannot be written.
    """
    try:
        texts.cluster_name(name)
    except ValueError as error:
        raise UsageError(f"found {name!r}; {error}", hint="for example: `fab inventory.new prod`") from error
    path = folder / "inventory" / f"{name}.yaml"
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(_STARTER.format(name=name))
    except FileExistsError:
        raise UsageError(
            f"{path} exists and stays as it is", hint="choose another name, or edit it"
        ) from None
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}") from error
    return path


def schema_text() -> str:
    """Return the JSON Schema of inventories, as inventory/schema.json has it."""
    return json.dumps(schema.json_schema(), indent=2) + "\n"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


_STARTER = """\
# {name}: one Kafka cluster. All keys and their defaults: docs/inventory.md
# Check this file with `fab inventory.check --cluster {name}`, then see what would happen with `fab on {name} plan`.

kafka:
  version: 3.9.2                # 2.4.1 to 3.9.x
  heap: 1g                      # a broker's; Kafka lives of the page cache, so leave memory to the system
  # port: 9092
  # jmx_port: 9988
  # properties:                 # keys of server.properties, verbatim, for every broker
  #   num.partitions: 6
  #   log.retention.hours: 168

zookeeper:
  heap: 512m
  chroot: /kafka                # the cluster's place in ZooKeeper; empty for the root
  # port: 2181

# ssh:                          # without it: ssh_config, your agent and your own login name
#   user: ops
#   identity: ~/.ssh/id_ed25519
#   gateway: ops@bastion.example.org:22

# paths:                        # root folders on every host; a node has its own below each
#   releases: /opt/kafka
#   config: /etc/kafka
#   data: /var/lib/kafka
#   logs: /var/log/kafka
#   run: /var/lib/kafka/run

hosts:                          # a host a line: a role and its id. Change names and addresses to your own.
  node1: {{address: 10.0.0.11, zookeeper: 1, broker: 1}}
  node2: {{address: 10.0.0.12, zookeeper: 2, broker: 2}}
  node3: {{address: 10.0.0.13, zookeeper: 3, broker: 3}}
  # A broker with two disks and a heap of its own:
  # node4: {{address: 10.0.0.14, broker: {{id: 4, data: [/data1/kafka, /data2/kafka], heap: 6g}}}}
"""
