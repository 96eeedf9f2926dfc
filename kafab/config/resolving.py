"""References in a node's properties, and the values that stand in their place when its file is written.

A cluster keeps the references. Rendering stays pure: what was read is handed to it as a mapping. Kafka's own references, of
the providers that ``config.providers`` names, stay as they are: Kafka reads those. In a login that kafab writes a reference
stands for a password among other words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from kafab.command import Secret
from kafab.config import jaas
from kafab.config.catalogue.values import items
from kafab.errors import UsageError
from kafab.references import Reference, is_reference

Resolved: TypeAlias = Mapping[Reference, Secret]
"""Reference -> its value."""

_JAAS = "jaas.config"
_LINES = ("keystore.key", _JAAS)
"""What the names of values end in that may have several lines: keys in PEM, and JAAS configurations."""


def is_ours(value: str, properties: Mapping[str, str]) -> bool:
    """Tell whether a value is a reference that kafab reads: Kafka reads those of a provider that the properties name."""
    kind = value.removeprefix("${").partition(":")[0]
    return is_reference(value) and kind not in items(properties.get("config.providers", ""))


def takes_lines(name: str) -> bool:
    """Tell whether a property's value may have several lines."""
    return name.lower().endswith(_LINES)


class Asked(NamedTuple):
    """A reference that is to be read, and where its value goes."""

    name: str
    """The property."""
    reference: Reference
    option: str = ""
    """The option of the login that the property has; empty: the value is the whole property's."""

    @property
    def lines(self) -> bool:
        """Whether the value may have several lines; a password has one."""
        return not self.option and takes_lines(self.name)


def references(properties: Mapping[str, str]) -> Iterator[Asked]:
    """Yield each property whose value kafab reads, with its reference; of a login each option that has one."""
    for name, value in properties.items():
        if is_ours(value, properties):
            yield Asked(name, Reference.parse(value))
            continue
        # A login of an inventory's own is a reference as a whole: one with options is kafab's (config.security).
        statement = jaas.read(value) if name.endswith(_JAAS) else None
        for option, text in statement.options.items() if statement else ():
            if option != "username" and is_reference(text):
                yield Asked(name, Reference.parse(text), option)


def values_there(asked: Iterable[Asked], properties: Mapping[str, str]) -> dict[Reference, Secret]:
    """Return the values that stand in the place of references in properties that a host has."""
    found = {}
    for one in asked:
        text = properties.get(one.name, "")
        if one.option:
            statement = jaas.read(text)
            text = statement.options.get(one.option, "") if statement else ""
        if text:
            found[one.reference] = Secret(text)
    return found


def resolved(properties: Mapping[str, str], secrets: Resolved) -> dict[str, str]:
    """Return the properties with the values in the place of the references that ``secrets`` has; others stay.

    Raises UsageError for a value that Kafka would read as another one.
    """
    found = dict(properties)
    of_each: dict[str, list[Asked]] = {}
    for one in references(properties):
        of_each.setdefault(one.name, []).append(one)
    for name, asked in of_each.items():
        known = [one for one in asked if one.reference in secrets]
        for one in known:
            value = secrets[one.reference].value
            found[name] = _with_option(found[name], one.option, value) if one.option else value
        # A whole text is judged, not each value: what Kafka would replace may begin in one password and end in the next.
        if len(known) == len(asked) and (why := _altered(name, found[name], properties)):
            what = "a password in" if asked[0].option else "the value of"
            raise UsageError(f"{asked[0].reference}, {what} {name}, {why}", hint="choose another value")
    return found


def _with_option(text: str, option: str, value: str) -> str:
    statement = jaas.read(text)
    if statement is None:
        raise ValueError("this is no login that kafab has written")
    return jaas.login(statement.module, {**statement.options, option: value})


def _altered(name: str, value: str, properties: Mapping[str, str]) -> str | None:
    """Return why a process would not read a value as it is; None where it does."""
    # org.apache.kafka.common.config.ConfigDef.parseType and ZooKeeper's QuorumPeerConfig trim as java.lang.String does.
    if not takes_lines(name) and value != value.strip("".join(map(chr, range(0x21)))):
        return "begins or ends with a blank, which Kafka and ZooKeeper would leave out"
    for provider in items(properties.get("config.providers", "")):
        if re.search(rf"\$\{{{re.escape(provider)}:[^}}]*\}}", value):
            return f"has a reference of the provider {provider} in it, which Kafka would replace"
    return None
