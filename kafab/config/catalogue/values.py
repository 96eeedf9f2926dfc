"""Is a property's value one that Kafka reads, and reads as it was meant? By ConfigDef.parseType and its validators."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from kafab.config.catalogue import protocols
from kafab.config.catalogue.definitions import Definition, Line

_WHOLE: Final[Mapping[str, int]] = {"short": 15, "int": 31, "long": 63}
_DOUBLE = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?|[+-]?Infinity|NaN"
_CLASS = r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)+"
"""A class of some package: nobody has a plug-in without one."""
_UNITS = {
    "ms": "milliseconds",
    "bytes": "bytes",
    "minutes": "minutes",
    "hours": "hours",
    "seconds": "seconds",
}
_SHOWN = 40

_REFERENCE = r"\$\{([^}:]*)(:[^}]*)?\}"
"""What AbstractConfig hands to a config provider: ``${provider:path:key}``; without a colon it is left as it is."""

_MECHANISMS = ("GSSAPI", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
# Values that no validator holds in some or all versions, and on which a broker ends nevertheless.
_LATER: Final[Mapping[str, tuple[str, ...]]] = {
    "compression.type": ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    "metrics.recording.level": ("INFO", "DEBUG", "TRACE"),
}
# What LogConfig has refused from the start and ConfigDef only since 3.3, and codes that a class is chosen by: least and most.
_RANGES: Final[Mapping[str, tuple[float, float | None]]] = {
    "log.cleaner.delete.retention.ms": (0, None),
    "log.cleaner.max.compaction.lag.ms": (1, None),
    "log.cleaner.min.compaction.lag.ms": (0, None),
    "log.cleaner.min.cleanable.ratio": (0, 1),
    "log.cleaner.threads": (1, None),
    "log.message.timestamp.difference.max.ms": (0, None),
    "log.roll.jitter.ms": (0, None),
    "offsets.commit.required.acks": (-1, None),
    "offsets.topic.compression.codec": (0, 4),
    "share.coordinator.state.topic.compression.codec": (0, 4),
}
_FLUSHES = ("log.flush.interval.ms", "log.flush.scheduler.interval.ms")
_POOLS = ("remote.log.manager.copier.thread.pool.size", "remote.log.manager.expiration.thread.pool.size")
_ALL_FOLDERS: Final[Mapping[str, str]] = {"cordoned.log.dirs": "*"}
# Kafka's own classes that people name in server.properties, for a letter that went wrong; others are not judged.
_KAFKAS: Final = (
    "kafka.security.auth.SimpleAclAuthorizer",
    "kafka.security.authorizer.AclAuthorizer",
    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
    "org.apache.kafka.common.replica.RackAwareReplicaSelector",
    "org.apache.kafka.common.metrics.JmxReporter",
    "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
    "org.apache.kafka.server.log.remote.storage.NoOpRemoteStorageManager",
    "org.apache.kafka.server.log.remote.storage.NoOpRemoteLogMetadataManager",
    "org.apache.kafka.server.log.remote.storage.LocalTieredStorage",
    "org.apache.kafka.common.config.provider.FileConfigProvider",
    "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler",
)
_TLS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def complaint(definition: Definition, text: str, line: Line) -> str | None:
    """Say why Kafka of a minor line does not take a value, or does not read what was meant; None if all is well."""
    value = text.strip()
    definition = narrowed(definition, line)
    return _unread(definition, value) or _wrong(definition, value, line)


def narrowed(definition: Definition, line: Line) -> Definition:
    """Return a definition with the range that code beside ConfigDef holds its value to."""
    if definition.name in _POOLS and definition.checked_by:
        return replace(definition, low=1, other=-1)
    if definition.name in _FLUSHES and line < (3, 0):
        return replace(definition, low=0)
    low, high = _RANGES.get(definition.name, (None, None))
    if low is None or (definition.low is not None and definition.low >= low):
        return definition
    return replace(definition, low=low, high=definition.high if high is None else high)


def number(definition: Definition, text: str) -> float | None:
    """Return the value of a numeric property as Kafka reads it, None where it is no number."""
    value = text.strip()
    if definition.type in _WHOLE:
        return int(value) if re.fullmatch(r"[+-]?\d{1,40}", value, re.ASCII) else None
    if definition.type == "double" and re.fullmatch(_DOUBLE, value, re.ASCII):
        return float(value.rstrip("fFdD"))
    return None


def items(text: str) -> list[str]:
    """Return the items of a list as ConfigDef.parseType splits it."""
    return re.split(r"\s*,\s*", text.strip()) if text.strip() else []


def references(text: str) -> list[str | None]:
    """Return the config providers that the references in a value name, None for a reference that names none."""
    found = re.findall(_REFERENCE, text) if "${" in text else []
    return [provider if rest else None for provider, rest in found]


def is_path(definition: Definition) -> bool:
    """Tell whether a property is a path, or a list of them, on the broker's machine."""
    return definition.type in ("string", "list") and definition.name.endswith((".location", ".dir", ".dirs"))


def expected(definition: Definition) -> str:
    """Say what a property takes."""
    if definition.one_of:
        return f"one of {', '.join(definition.one_of)}"
    if definition.each_of:
        return f"a list of {', '.join(definition.each_of)}"
    if definition.type in _WHOLE or definition.type == "double":
        return _number_expected(definition)
    return {"boolean": "true or false", "class": "a Java class like org.example.Name"}.get(
        definition.type, "a value"
    )


def _wrong_class(definition: Definition, value: str) -> str | None:
    """Say why a class is none: without a package, or nearly one of Kafka's own but not quite."""
    if not re.fullmatch(_CLASS, value, re.ASCII):
        # An empty class is one that Kafka looks for, and does not find.
        return f"found {_shown(value)}; expected {expected(definition)}, or the property left out"
    return _misspelt(value)


def _misspelt(value: str) -> str | None:
    if not value.startswith(("org.apache.kafka.", "kafka.")) or value in _KAFKAS:
        return None
    near = difflib.get_close_matches(value, _KAFKAS, n=1, cutoff=0.8)
    return f"found {_shown(value)}, which Kafka does not have; did you mean {near[0]}?" if near else None


def _unread(definition: Definition, value: str) -> str | None:
    """Name what people write and Kafka takes literally."""
    if re.search(r"\s#", value):
        return f"found {_shown(value)}; expected no comment behind the value: Kafka takes it as part of it"
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return f"found {_shown(value)}; expected no quotes inside the text: Kafka takes them as part of it"
    if is_path(definition) and value != _ALL_FOLDERS.get(definition.name):
        for path in items(value):
            if path.startswith("~"):
                return f"found {_shown(path)}; expected an absolute path: Kafka does not expand ~"
            if "\\" in path or not path.startswith("/"):
                return f"found {_shown(path)}; expected an absolute path, like /etc/kafka/ssl"
    return None


def _wrong(definition: Definition, value: str, line: Line) -> str | None:
    if definition.type == "list":
        return _wrong_list(definition, items(value))
    if definition.type == "boolean":
        good = value.lower() in ("true", "false")
    elif definition.type in _WHOLE or definition.type == "double":
        if (limit := _limit(definition, value)) is not None:
            return f"found {_shown(value)}; expected at most {limit}, the limit of Kafka's type {definition.type}"
        good = _in_range(definition, value)
    elif definition.type == "class":
        return _wrong_class(definition, value)
    elif definition.one_of:
        lower = [choice.lower() for choice in definition.one_of]
        good = value in definition.one_of or (definition.any_case and value.lower() in lower)
    else:
        return _wrong_text(definition, value, line)
    return None if good else f"found {_shown(value)}; expected {expected(definition)}"


def _wrong_list(definition: Definition, given: list[str]) -> str | None:
    if not given:
        return "found an empty list; expected at least one item" if definition.non_empty else None
    # A list with an item left out is what a comma too many makes of it.
    if "" in given:
        return "found an empty item between or behind commas; expected none"
    if definition.name.endswith(".assignors"):
        return _wrong_assignors(definition, given)
    known = _known_items(definition)
    strange = next((item for item in given if known and item not in known), None)
    if strange is not None:
        return f"found {_shown(strange)}; expected a list of {', '.join(known)}"
    return None


def _wrong_assignors(definition: Definition, given: list[str]) -> str | None:
    """Assignors of a group coordinator are its own, by name, or classes (GroupCoordinatorConfig)."""
    own = items(definition.default or "")
    strange = next((item for item in given if item not in own and not re.fullmatch(_CLASS, item)), None)
    if strange is not None:
        return f"found {_shown(strange)}; expected {', '.join(own)}, or a class like org.example.Assignor"
    if definition.name.startswith("group.share.") and len(given) > 1:
        return f"found {len(given)} assignors; expected one: share groups have no more"
    return None


def _known_items(definition: Definition) -> tuple[str, ...]:
    if definition.name == "ssl.enabled.protocols":
        return _TLS
    return definition.each_of


def _wrong_text(definition: Definition, value: str, line: Line) -> str | None:
    if definition.non_empty and not value:
        return "found an empty text; expected one that is not empty"
    if definition.checked_by in ("ApiVersionValidator", "MetadataVersionValidator"):
        return protocols.complaint(value, line)
    if definition.name.endswith((".class", ".class.name")):
        return _misspelt(value)
    if definition.name.startswith("sasl.mechanism."):
        return _wrong_mechanism(value)
    if choices := _LATER.get(definition.name):
        return None if value in choices else f"found {_shown(value)}; expected one of {', '.join(choices)}"
    return _wrong_overrides(value) if definition.name == "max.connections.per.ip.overrides" else None


def _wrong_overrides(value: str) -> str | None:
    # Utils.validHostPattern
    pattern = r"[0-9a-zA-Z\-%._:\[\]]+:\d{1,9}"
    wrong = [item for item in items(value) if not re.fullmatch(pattern, item, re.ASCII)]
    return f"found {_shown(wrong[0])}; expected a list of address:number" if wrong else None


def _wrong_mechanism(value: str) -> str | None:
    near = {word.lower(): word for word in _MECHANISMS}.get(value.lower())
    return f"found {_shown(value)}; did you mean {near}?" if near not in (None, value) else None


def _limit(definition: Definition, value: str) -> int | None:
    """Return the greatest number of a type if the value's size is above it."""
    parsed = number(definition, value)
    if parsed is None or definition.type not in _WHOLE:
        return None
    limit: int = 2 ** _WHOLE[definition.type] - 1
    return limit if abs(parsed) > limit else None


def _in_range(definition: Definition, value: str) -> bool:
    parsed = number(definition, value)
    if parsed is None:
        return False
    if parsed == definition.other:
        return True
    low, high = definition.low, definition.high
    return not math.isnan(parsed) and (low is None or parsed >= low) and (high is None or parsed <= high)


def _number_expected(definition: Definition) -> str:
    unit = _UNITS.get(definition.name.rpartition(".")[2])
    kind = "a number" if definition.type == "double" else "a whole number"
    of_unit = f" of {unit}" if unit else ""
    low, high = definition.low, definition.high
    limits = f" from {low}" if low is not None else ""
    if high is not None:
        limits += f" to {high}" if limits else f" up to {high}"
    other = f" or {definition.other}" if definition.other is not None else ""
    return f"{kind}{of_unit}{limits}{other}"


def _shown(value: str) -> str:
    return repr(value) if len(value) <= _SHOWN else repr(value[:_SHOWN]) + "…"
