"""References in a node's properties, and the values that stand in their place when its file is written.

A cluster keeps the references. Rendering stays pure: what was read is handed to it as a mapping. Kafka's own references, of
the providers that ``config.providers`` names, stay as they are: Kafka reads those.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from kafab.command import Secret
from kafab.config.catalogue.values import items
from kafab.errors import UsageError
from kafab.references import Reference, is_reference

Resolved: TypeAlias = Mapping[Reference, Secret]
"""Reference -> its value."""

_LINES = ("keystore.key", "jaas.config")
"""What the names of values end in that may have several lines: keys in PEM, and JAAS configurations."""


def is_ours(value: str, properties: Mapping[str, str]) -> bool:
    """Tell whether a value is a reference that kafab reads: Kafka reads those of a provider that the properties name."""
    kind = value.removeprefix("${").partition(":")[0]
    return is_reference(value) and kind not in items(properties.get("config.providers", ""))


def takes_lines(name: str) -> bool:
    """Tell whether a property's value may have several lines."""
    return name.lower().endswith(_LINES)


def references(properties: Mapping[str, str]) -> Iterator[tuple[str, Reference]]:
    """Yield each property whose value kafab reads, with its reference."""
    for name, value in properties.items():
        if is_ours(value, properties):
            yield name, Reference.parse(value)


def resolved(properties: Mapping[str, str], secrets: Resolved) -> dict[str, str]:
    """Return the properties with the values in the place of the references that ``secrets`` has; others stay.

    Raises UsageError for a value that Kafka would read as another one.
    """
    found = dict(properties)
    for name, reference in references(properties):
        if reference in secrets:
            value = secrets[reference].value
            if why := _altered(name, value, properties):
                raise UsageError(f"{reference}, the value of {name}, {why}", hint="choose another value")
            found[name] = value
    return found


def _altered(name: str, value: str, properties: Mapping[str, str]) -> str | None:
    """Return why a process would not read a value as it is; None where it does."""
    # org.apache.kafka.common.config.ConfigDef.parseType and ZooKeeper's QuorumPeerConfig trim as java.lang.String does.
    if not takes_lines(name) and value != value.strip("".join(map(chr, range(0x21)))):
        return "begins or ends with a blank, which Kafka and ZooKeeper would leave out"
    for provider in items(properties.get("config.providers", "")):
        if re.search(rf"\$\{{{re.escape(provider)}:[^}}]*\}}", value):
            return f"has a reference of the provider {provider} in it, which Kafka would replace"
    return None
