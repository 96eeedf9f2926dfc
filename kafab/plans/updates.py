"""Which properties a plan changes, and whether each needs a restart. Pure.

Kafka reads server.properties at its start only. A property whose update mode is per-broker or cluster-wide
(org.apache.kafka.server.config.DynamicBrokerConfig) can be changed on a running broker as well, KIP-226.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kafab.config.catalogue.definitions import READ_ONLY, catalogue
from kafab.config.masking import holds_secret
from kafab.config.properties import parse_properties
from kafab.config.render import MAIN_FILE
from kafab.model import Cluster, Role
from kafab.plans.plan import Plan
from kafab.plans.steps import WriteFile


@dataclass(frozen=True)
class Update:
    """A property of a node that a plan sets, changes or takes out; ``mode`` is read-only, per-broker or cluster-wide."""

    node: str
    name: str
    mode: str

    @property
    def restart(self) -> bool:
        """True where only a restart makes it effective."""
        return self.mode == READ_ONLY

    @property
    def text(self) -> str:
        """Say it to people, without the value: that may be a secret."""
        return f"{self.name}: " + ("needs a restart" if self.restart else f"needs no restart ({self.mode})")


def updates(cluster: Cluster, plan: Plan) -> tuple[Update, ...]:
    """Return what a plan changes in properties of nodes that were deployed before, by step and name.

    A secret counts as read-only: a broker does not tell it, so nobody could see that it was set. What is not in the catalogue
    of the cluster's version counts as read-only as well, and so does everything of a node that is no
    broker: ZooKeeper reads its file at its start only, and not every property of a controller can be changed while it runs.
    """
    return tuple(
        found
        for stage in plan.stages
        for step in stage.steps
        if isinstance(step, WriteFile) and step.before is not None
        for found in _of(cluster, step, step.before)
    )


def _of(cluster: Cluster, step: WriteFile, text: str) -> Iterator[Update]:
    node = next((one for one in cluster.nodes if one.name == step.node), None)
    if node is None or step.file.path != node.config / MAIN_FILE[node.role]:
        return
    try:
        before = parse_properties(text)
    except ValueError:  # somebody has left what Java cannot read either; the diff shows it
        return
    after = parse_properties(step.file.text)
    known = catalogue(cluster.version).known if node.role is Role.BROKER else {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            settable = name in known and not holds_secret(f"{name}=x")
            yield Update(step.node, name, known[name].dynamic if settable else READ_ONLY)
