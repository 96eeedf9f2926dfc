"""Nodes whose process was started from older files and yet runs with the properties that the files have now. Pure.

That can be proven. The process recorded the digest of the files that it was started from, and its broker tells which values
of the properties that can be changed while it runs came from its file. Put back into today's file they must give that
digest: then nothing else has changed since, neither another property nor another file.
"""

from collections.abc import Mapping

from kafab.cluster.metadata import Setting, Source
from kafab.cluster.values import same
from kafab.config.properties import broker_properties
from kafab.config.render import MAIN_FILE, configuration_digest, configuration_files, main_file, sha256
from kafab.config.resolving import resolved
from kafab.hosts.facts import NodeFacts
from kafab.plans.standing import PENDING, configuration_state
from kafab.plans.state import Desired, DesiredNode
from kafab.unknown import Unknown

ONLINE = "set online"
"""The state of a configuration whose changes are in force without a restart."""
IDS = ("broker.id", "node.id")
"""Kafka fills one with the other and tells both as the file's (kafka.server.KafkaConfig.populateSynonyms)."""


def in_force(
    desired: Desired, wanted: DesiredNode, facts: NodeFacts, running: Mapping[str, Setting] | Unknown
) -> tuple[str, ...]:
    """Return the properties that changed since the process was started and are in force without a restart.

    ``running`` has the properties that can be changed while a broker runs. Empty where a restart is pending all the same: a
    property was taken out, a value is another one, more than such properties changed, or the broker does not say.
    """
    process = facts.process
    if isinstance(running, Unknown) or process is None or process.release != facts.release:
        return ()
    if configuration_state(desired, wanted, facts) != PENDING:
        return ()
    file = broker_properties(desired.cluster, wanted.node)
    before = _of_its_start(file, running)
    if before is None or _digest(wanted, before, facts.key) != process.configuration:
        return ()
    changed = tuple(name for name, value in file.items() if before.get(name) != value)
    known = all(name in running and same(running[name].value or "", file[name]) for name in changed)
    return changed if known else ()


def _of_its_start(file: Mapping[str, str], running: Mapping[str, Setting]) -> dict[str, str] | None:
    """Return the file that the process was started from, if only these properties changed; None where one was taken out.

    Kafka does not tell secrets: they are taken for unchanged, which the digest proves or refutes.
    """
    before = dict(file)
    for name, one in running.items():
        if one.is_sensitive or name in IDS:
            continue
        then = next(
            (place.value for place in one.places if place.source is Source.FILE and place.name == name), None
        )
        if then is None:
            before.pop(name, None)
        elif name not in file:
            return None
        else:
            before[name] = then
    return before


def _digest(wanted: DesiredNode, properties: Mapping[str, str], key: str | None) -> str:
    node = wanted.node
    older = sha256(main_file(node, resolved(properties, wanted.secrets)))
    files = {**configuration_files(wanted.files), MAIN_FILE[node.role]: older}
    return configuration_digest(files, key if wanted.key else None)
