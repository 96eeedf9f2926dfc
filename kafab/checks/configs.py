"""Values that were set in the running cluster, held against the files of the inventory. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kafab.cluster.metadata import Setting, Source
from kafab.cluster.seen import RunningConfigs
from kafab.cluster.values import same
from kafab.config.properties import broker_properties
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Node
from kafab.unknown import Unknown
from kafab.words import few, plural

CHECK = "broker.dynamic-config"


@dataclass(frozen=True)
class Shadow:
    """A dynamic value that wins over another one in the file; secrets are none of these."""

    name: str
    source: Source
    dynamic: str
    in_file: str
    """The property in the file: another name where the dynamic one is its synonym, log.retention.ms and log.retention.hours."""
    file: str

    @property
    def text(self) -> str:
        """Return it in a line."""
        return f"{self.name}={self.dynamic} ({self.source.words}) hides {self.in_file}={self.file}"


def judge_dynamic(cluster: Cluster, answers: RunningConfigs) -> tuple[Finding, ...]:
    """Brokers: no dynamic value hides what the inventory says. A dynamic value of what no file has is told, and no fault."""
    return tuple(_judged(cluster, node, answers[node.id]) for node in cluster.brokers)


def _judged(cluster: Cluster, node: Node, answer: Mapping[str, Setting] | Unknown) -> Finding:
    if isinstance(answer, Unknown):
        return Finding(CHECK, node.name, Severity.UNKNOWN, answer.reason)
    file = broker_properties(cluster, node)
    hidden = tuple(shadows(file, answer))
    dynamic = sorted(name for name, one in answer.items() if one.source.dynamic)
    evidence: dict[str, object] = {
        "dynamic": dynamic,
        "shadows": [
            {
                "property": one.name,
                "source": one.source.name.lower(),
                "dynamic": one.dynamic,
                "file": one.file,
            }
            for one in hidden
        ],
    }
    if not hidden:
        told = f"{plural(len(dynamic), 'dynamic value')}, none hides another one in the file"
        return Finding(CHECK, node.name, Severity.OK, told, evidence)
    first = hidden[0]
    entity = "--entity-default" if first.source is Source.CLUSTER else f"--entity-name {node.id}"
    hint = (
        f"put the value into the inventory, or take it away: `kafka-configs.sh --bootstrap-server {node.endpoint}"
        f" --entity-type brokers {entity} --alter --delete-config {first.name}`;"
        f" `fab config.show {node.name}` shows them all"
    )
    detail = few(one.text for one in hidden)
    return Finding(CHECK, node.name, Severity.WARN, detail, evidence, hint)


def shadows(file: Mapping[str, str], running: Mapping[str, Setting]) -> Iterator[Shadow]:
    """Yield each dynamic value in force that differs from what a file says, by name.

    Kafka does not tell the values of secrets, so those are not compared.
    """
    for name, one in sorted(running.items()):
        if not one.source.dynamic or one.is_sensitive or one.value is None:
            continue
        beside = (place.name for place in one.places if place.source is Source.FILE)
        in_file = next((each for each in (name, *beside) if each in file), None)
        if in_file is None or (in_file == name and same(one.value, file[name])):
            continue
        yield Shadow(name, one.source, one.value, in_file, file[in_file])
