"""Is a property's name one that this Kafka knows, in this mode? Kafka itself ignores a name that it does not know."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from kafab.cautions import Caution
from kafab.config.catalogue.definitions import (
    Catalogue,
    Line,
    client_properties,
    releases,
    spans,
    topic_properties,
)
from kafab.config.catalogue.remarks import Remark

_KRAFT_DECIDES = "KRaft has no ZooKeeper"
_DYNAMIC_QUOTAS = "set quotas with kafka-configs (KIP-546)"

INSTEAD: Final[Mapping[str, str]] = {
    "alter.config.policy.kraft.compatibility.enable": "it is always so since 4.0",
    "auto.include.jmx.reporter": "name the reporter in metric.reporters",
    "controlled.shutdown.max.retries": "KRaft's controlled shutdown has no retries",
    "controlled.shutdown.retry.backoff.ms": "KRaft's controlled shutdown has no retries",
    "delegation.token.master.key": "use delegation.token.secret.key",
    "eligible.leader.replicas.enable": "it is the feature eligible.leader.replicas.version",
    "group.coordinator.new.enable": "use group.coordinator.rebalance.protocols",
    "group.share.enable": "it is the feature share.version",
    "group.share.max.groups": "share groups have no such limit",
    "inter.broker.protocol.version": "it is the feature metadata.version",
    "leader.imbalance.per.broker.percentage": "KRaft has no such threshold",
    "log.message.downconversion.enable": "clients older than 2.1 are not served (KIP-724, KIP-896)",
    "log.message.format.version": "records always have the newest format (KIP-724)",
    "log.message.timestamp.difference.max.ms": (
        "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms"
    ),
    "metadata.log.segment.min.bytes": "use metadata.log.segment.bytes",
    "offsets.commit.required.acks": "all in-sync replicas acknowledge",
    "quota.consumer.default": _DYNAMIC_QUOTAS,
    "quota.producer.default": _DYNAMIC_QUOTAS,
    "unstable.metadata.versions.enable": "use unstable.feature.versions.enable",
}
"""What to write, or to know, instead of a property that Kafka removed (Kafka's upgrade notes)."""

# What a mode ignores is as good as misspelt. From the documentation of each property in 3.9's own ConfigDef, and,
# for the new group coordinator, from KIP-848 and KIP-932. What ends with a dot is a prefix.
_ZOOKEEPER_ONLY: Final = (
    *("zookeeper.", "authorizer.zookeeper.", "password.encoder.", "control.plane.listener.name"),
    *("broker.id.generation.enable", "reserved.broker.max.id", "inter.broker.protocol.version"),
)
_KRAFT_ONLY: Final = (
    *("process.roles", "controller.listener.names", "controller.quorum.", "metadata.log.", "metadata.max."),
    *("broker.heartbeat.interval.ms", "broker.session.timeout.ms", "initial.broker.registration.timeout.ms"),
    *("sasl.mechanism.controller.protocol", "server.max.startup.time.ms", "early.start.listeners"),
    *("group.coordinator.", "group.consumer.", "group.share.", "group.streams.", "telemetry.max.bytes"),
)

# Read by Kafka's own plug-ins, which define them beside the brokers' ConfigDef: AclAuthorizer and StandardAuthorizer,
# JmxReporter (KIP-447, KIP-629), MetricsContext (KIP-606), the Yammer reporters; AbstractConfig has always read
# config.providers (KIP-421), and brokers define it since 4.2.
_OF_PLUGINS: Final = (
    *("super.users", "allow.everyone.if.no.acl.found", "config.providers", "metrics.context."),
    *("metrics.jmx.include", "metrics.jmx.exclude", "metrics.jmx.whitelist", "metrics.jmx.blacklist"),
    *("kafka.csv.metrics.dir", "kafka.csv.metrics.reporter.enabled"),
)
_PREFIXED: Final[Mapping[str, str]] = {
    "remote.log.storage.manager.impl.prefix": "rsm.config.",
    "remote.log.metadata.manager.impl.prefix": "rlmm.config.",
}
"""Properties that name the prefix of a plug-in's own properties, with the default since 3.6."""

# Texts, not compiled: every command imports this, and few inventories have such names.
_PROVIDER = r"config\.providers\.([^.]+)\.(class|param\..+)"
_LISTENER = r"(?i:listener\.name)\.([^.]+)\.(.+)"
_MECHANISM = r"(?i:(gssapi|plain|scram-sha-256|scram-sha-512|oauthbearer))\.(.+)"
_CLASSES: Final = (".class", ".classes", ".class.name", ".reporters")
_SURELY = 0.85


def complaint(
    catalogue: Catalogue, name: str, properties: Mapping[str, str], *, kraft: bool
) -> Remark | None:
    """Say what is wrong with a name, None where nothing is; ``properties`` are all those of the broker."""
    text = _of_other_mode(name, kraft=kraft)
    if name in catalogue.known:
        return Remark(name, text, on_name=True) if text else None
    if listener := re.fullmatch(_LISTENER, name):
        text = _of_listener(catalogue, listener[1], listener[2], properties)
        return Remark(name, text, on_name=True) if text else None
    if provider := re.fullmatch(_PROVIDER, name):
        known = [given.strip() for given in properties.get("config.providers", "").split(",")]
        if provider[1] in known:
            return None
        return Remark(name, f"found no {provider[1]} in config.providers; expected it there", on_name=True)
    if _read_by_plugin(name, properties):
        return Remark(name, text, on_name=True) if text else None
    return _unknown(catalogue, name, properties)


def base(name: str) -> str:
    """Return the property that a listener's own property overrides, any other name as it is."""
    found = re.fullmatch(_LISTENER, name)
    if not found:
        return name
    of_mechanism = re.fullmatch(_MECHANISM, found[2])
    return of_mechanism[2] if of_mechanism else found[2]


def plugins(properties: Mapping[str, str]) -> list[str]:
    """Return the classes among the properties' values that are not Kafka's own: they may read properties of theirs."""
    return [
        item.strip()
        for name, value in properties.items()
        if name.endswith(_CLASSES)
        for item in value.split(",")
        if re.fullmatch(r"\w+(\.[\w$]+)+", item.strip())
        and not item.strip().startswith(("org.apache.kafka.", "kafka."))
    ]


def _among(name: str, names_and_prefixes: tuple[str, ...]) -> bool:
    return any(name == known or (known[-1] == "." and name.startswith(known)) for known in names_and_prefixes)


def _of_other_mode(name: str, *, kraft: bool) -> str | None:
    if kraft and _among(name, _ZOOKEEPER_ONLY):
        return f"found {name}, which KRaft mode does not read; expected it left out"
    if not kraft and _among(name, _KRAFT_ONLY):
        return f"found {name}, which only KRaft mode reads; expected it left out"
    return None


def _of_listener(catalogue: Catalogue, listener: str, rest: str, properties: Mapping[str, str]) -> str | None:
    """ListenerName.configPrefix is in lower case, and so are the names of SASL mechanisms behind it."""
    mechanism = re.fullmatch(_MECHANISM, rest)
    setting = mechanism[2] if mechanism else rest
    if listener != listener.lower() or (mechanism and mechanism[1] != mechanism[1].lower()):
        right = f"listener.name.{listener.lower()}.{rest.lower()}"
        return f"found capitals in a listener's own property; did you mean {right}?"
    # An isolated controller has the brokers' properties, too, and their listeners in its map of protocols only.
    pairs = ",".join(properties.get(key, "") for key in ("listeners", "listener.security.protocol.map"))
    names = list(dict.fromkeys(given.split(":")[0].strip().lower() for given in pairs.split(",")))
    if listener not in names:
        return f"found the listener {listener}; expected one of {', '.join(filter(None, names))}"
    if setting not in catalogue.known:
        near = _near(setting, catalogue.known)
        return f"unknown property {setting} of a listener" + (f"; did you mean {near[0]}?" if near else "")
    return None


def _read_by_plugin(name: str, properties: Mapping[str, str]) -> bool:
    prefixes = [properties.get(key, prefix) for key, prefix in _PREFIXED.items()]
    zookeeper = name.startswith("authorizer.zookeeper.") and spans(name.removeprefix("authorizer."))
    return bool(_among(name, _OF_PLUGINS) or name.startswith(tuple(prefixes)) or zookeeper)


def _unknown(catalogue: Catalogue, name: str, properties: Mapping[str, str]) -> Remark:
    if known := spans(name):
        return Remark(name, _of_other_version(catalogue, name, known), on_name=True)
    if text := _elsewhere(catalogue, name):
        return Remark(name, text, on_name=True, unknown=True)
    near = _near(name, [*catalogue.known, *(known.rstrip(".") for known in _OF_PLUGINS)])
    others = plugins(properties)
    if others and not (near and near[1] >= _SURELY):
        text = f"unknown property {name}: Kafka ignores it, if {others[0]} does not read it"
        return Remark(name, text, Caution.UNKNOWN_PROPERTY, on_name=True, unknown=True)
    meant = f"did you mean {near[0]}?" if near else "--allow-unknown-properties if a plug-in reads it"
    if catalogue.exact:
        text = f"unknown property {name}, which Kafka {_shown(catalogue.line)} would ignore; {meant}"
        return Remark(name, text, on_name=True, unknown=True)
    text = (
        f"unknown property {name} in Kafka {_shown(catalogue.line)}, the nearest version kafab knows; {meant}"
    )
    return Remark(name, text, Caution.UNKNOWN_PROPERTY, on_name=True, unknown=True)


def _elsewhere(catalogue: Catalogue, name: str) -> str | None:
    """Say where a name would be right: in another spelling, for a topic, for a client."""
    if right := catalogue.by_lower_case.get(_spelled(name)):
        return f"unknown property {name}; did you mean {right}?"
    if name in topic_properties():
        of_broker = topic_properties()[name]
        instead = f"; expected {of_broker}, the brokers' default for it" if of_broker else ""
        return f"found a property of topics{instead}"
    if name in client_properties():
        return "found a property of clients; expected one of brokers"
    return None


def _of_other_version(catalogue: Catalogue, name: str, known: tuple[Line, Line]) -> str:
    first, last = known
    if last < catalogue.line:
        gone = min(line for line in releases() if line > last)
        instead = INSTEAD.get(name, _KRAFT_DECIDES if name.startswith("zookeeper.") else "")
        return f"found {name}, which Kafka removed in {_shown(gone)}" + (f": {instead}" if instead else "")
    return f"found {name}, which Kafka has since {_shown(first)}; this is {_shown(catalogue.line)}"


def _spelled(name: str) -> str:
    """Return a name as Kafka separates words: lower case, with dots."""
    return re.sub(r"[_-]", ".", name).lower()


def _near(name: str, known: Iterable[str]) -> tuple[str, float] | None:
    found = difflib.get_close_matches(_spelled(name), list(known), n=1, cutoff=0.7)
    return (found[0], difflib.SequenceMatcher(None, _spelled(name), found[0]).ratio()) if found else None


def _shown(line: Line) -> str:
    return f"{line[0]}.{line[1]}"
