"""What a host with Prometheus has of kafab's files, what it is to have, and what has to be changed for that. Pure."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from kafab.metrics import configuration, prometheus
from kafab.metrics.alerts import ALERTS
from kafab.model import Cluster, Endpoint
from kafab.shell.layout import INCOMING, NEW, PROMETHEUS_YML, RULES, RULES_YML, TARGETS, TESTS
from kafab.unknown import Unknown

LIMIT = 1 << 20
"""Bytes of a file of the host that are read, as `prometheus_look.sh` has it."""
_GROUP = f";{prometheus.JOB}"


@dataclass(frozen=True)
class Place:
    """Where the files are on the host."""

    config: PurePosixPath
    """Prometheus' own configuration."""
    cluster: str

    @property
    def folder(self) -> PurePosixPath:
        """The folder of kafab's own, beside the configuration."""
        return self.config.parent / "kafab"

    @property
    def targets(self) -> PurePosixPath:
        """The cluster's own file."""
        return self.folder / TARGETS / f"{self.cluster}.json"

    @property
    def rules(self) -> PurePosixPath:
        """The file of rules, which all clusters share."""
        return self.folder / RULES / RULES_YML

    @property
    def staged_config(self) -> PurePosixPath:
        """The new configuration until it takes its place: beside the old one, as relative paths count from there."""
        return self.config.with_name(f"{self.config.name}{NEW}")

    @property
    def incoming(self) -> PurePosixPath:
        """The folder of what is not checked yet."""
        return self.folder / INCOMING


@dataclass(frozen=True)
class File:
    """A file as it is on the host."""

    text: str = field(repr=False)
    mode: str = "644"
    owner: str = "root:root"
    changed: float = 0.0
    """When it came to be what it is, in seconds of the host's clock since the epoch (ctime)."""

    @property
    def sha256(self) -> str:
        """The digest of its text."""
        return sha256(self.text)


@dataclass(frozen=True)
class Watcher:
    """The Prometheus that was started with the configuration: its process, and how it was started."""

    pid: int
    start: int
    words: tuple[str, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers on its own host."""
        host, _, port = (self._flag("web.listen-address") or "0.0.0.0:9090").rpartition(":")
        local = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104  # every interface has loopback
        return Endpoint(local.get(host, host.strip("[]")), int(port) if port.isdecimal() else 9090)

    @property
    def prefix(self) -> str:
        """What its paths begin with: nothing, or ``/prometheus``."""
        found = self._flag("web.route-prefix")
        if found is None:
            found = urlsplit(self._flag("web.external-url") or "").path
        return f"/{found.strip('/')}".rstrip("/")

    def _flag(self, name: str) -> str | None:
        for at, word in enumerate(self.words):
            key, equals, value = word.lstrip("-").partition("=")
            if word.startswith("-") and key == name:
                return value if equals else next(iter(self.words[at + 1 :]), None)
        return None


@dataclass(frozen=True)
class Seen:
    """What a host has."""

    programs: frozenset[str] = frozenset()
    files: Mapping[PurePosixPath, File] = field(default_factory=dict)
    watcher: Watcher | None = None
    others: tuple[str, ...] = ()
    """The configurations of other processes of Prometheus there."""
    link: str = ""
    """Where the configuration leads, if it is a link."""
    unfit: str = ""
    """Why root does not write there."""

    alerted: bool = False
    """Whether something listens there at the port of an Alertmanager."""

    @property
    def alertmanager(self) -> bool:
        """Whether an Alertmanager is installed, or listens."""
        return self.alerted or not {"prometheus-alertmanager", "alertmanager"}.isdisjoint(self.programs)


@dataclass(frozen=True)
class Loaded:
    """What Prometheus says of the configuration that it runs with."""

    good: bool
    """Whether it took its files when it read them last."""
    since: float
    """When it last read files that it took, in seconds of the host's clock since the epoch."""
    rules: int = 0
    """How many of kafab's rules it has."""
    targets: int = 0
    """How many nodes it asks."""


@dataclass(frozen=True)
class Change:
    """A file that becomes another one: None is no file."""

    path: PurePosixPath
    before: File | None
    after: str | None = field(repr=False)

    @property
    def kind(self) -> str:
        """What happens to it, in a word."""
        return "new" if self.before is None else "removed" if self.after is None else "changed"


@dataclass(frozen=True)
class Placing:
    """What has to be done. ``changes`` are in an order that leaves, wherever it ends, files that Prometheus takes together."""

    changes: tuple[Change, ...]
    reload: bool
    """Whether Prometheus has to read its configuration and rules anew; targets it looks after itself."""
    rules: int
    targets: int
    """How many rules of kafab's and how many nodes it is to have in the end."""
    alertmanagers: tuple[str, ...]
    lost: tuple[str, ...] = ()
    """Alerts that are in the rules there, and not in this kafab's."""


def sha256(text: str) -> str:
    """Return the digest of a text in UTF-8."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def read(lines: Sequence[str]) -> Seen:
    """Read the answer of `watcher` in prometheus_look.sh."""
    known: dict[str, list[list[str]]] = {}
    words: list[str] = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "word":
            words.append(rest)
        else:
            known.setdefault(name, []).append(rest.split(" "))
    files = {}
    for mode, owner, changed, encoded, *path in known.get("file", ()):
        text = base64.b64decode(encoded).decode("utf-8", errors="surrogateescape")
        files[PurePosixPath(" ".join(path))] = File(text, mode, owner, float(changed))
    process = next(iter(known.get("process", ())), None)
    return Seen(
        frozenset(name for (name,) in known.get("program", ())),
        files,
        Watcher(int(process[0]), int(process[1]), tuple(words)) if process else None,
        tuple(" ".join(rest[1:]) for rest in known.get("other", ())),
        link=" ".join(next(iter(known.get("link", ())), ())),
        unfit=" ".join(next(iter(known.get("unfit", ())), ())),
        alerted="alertmanager" in known,
    )


def loaded(lines: Sequence[str], place: Place) -> Loaded | Unknown:
    """Read the answer of `said` in prometheus_look.sh; Unknown where it is none of a Prometheus that anybody may ask."""
    figures = dict(line.rpartition(" ")[::2] for line in lines)
    try:
        good = float(figures["prometheus_config_last_reload_successful"])
        since = float(figures["prometheus_config_last_reload_success_timestamp_seconds"])
    except (KeyError, ValueError):
        return Unknown(next(iter(lines), "it gives no answer").strip())
    rules = figures.get(f'prometheus_rule_group_rules{{rule_group="{place.rules}{_GROUP}"}}', "0")
    targets = figures.get(f'prometheus_target_scrape_pool_targets{{scrape_job="{prometheus.JOB}"}}', "0")
    return Loaded(good == 1, since, int(float(rules)), int(float(targets)))


def decide(cluster: Cluster, place: Place, seen: Seen, now: Loaded, *, remove: bool = False) -> Placing:
    """Return what has to be changed for a cluster to be watched, or with ``remove`` for it to be forgotten.

    The rules and the lines in the configuration go with the last cluster. Raises configuration.NotEditableError.
    """
    text = seen.files[place.config].text
    others = {
        path: file
        for path, file in seen.files.items()
        if path.parent == place.targets.parent and path != place.targets
    }
    wanted: dict[PurePosixPath, str | None]
    if not remove:
        wanted = {
            place.rules: prometheus.rules(),
            place.targets: prometheus.targets(cluster),
            place.config: configuration.edited(text, str(place.folder), alertmanager=seen.alertmanager),
        }
    elif others:
        wanted = {place.targets: None}
    else:
        # The configuration first: nothing that it names goes before it.
        wanted = {place.config: configuration.without(text), place.targets: None, place.rules: None}
    before = {path: seen.files.get(path) for path in wanted}
    changes = tuple(
        Change(path, file, wanted[path])
        for path, file in before.items()
        if (file.text if file else None) != wanted[path]
    )
    rules = len(ALERTS) if not remove else now.rules if others else 0
    asked = [file.text for file in others.values()] + ([wanted[place.targets] or ""] if not remove else [])
    old = before.get(place.rules)
    return Placing(
        changes,
        now.rules != rules
        or not {place.config, place.rules}.isdisjoint(change.path for change in changes)
        # Rules that were exchanged, and whoever did that did not come to tell Prometheus.
        or (not remove and old is not None and old.changed > now.since)
        # A folder that was not there when Prometheus read its configuration is not looked at for minutes.
        or not (remove or others or before[place.targets]),
        rules,
        sum(map(_count, asked)),
        configuration.alertmanagers(wanted.get(place.config) or text),
        tuple(sorted(_alerts(old) - {alert.name for alert in ALERTS})) if old and not remove else (),
    )


def staged(cluster: Cluster, place: Place, placing: Placing) -> dict[PurePosixPath, str]:
    """Return the files that promtool checks before any takes its place: those of `observe.render`, in the folder of what comes in.

    Their tests take promtool 4 s, and are there only where the rules change.
    """
    folder = place.incoming
    files = {
        folder / TARGETS / place.targets.name: prometheus.targets(cluster),
        folder / RULES / RULES_YML: prometheus.rules(),
        folder / PROMETHEUS_YML: prometheus.configuration(str(folder)),
    }
    if any(change.path == place.rules for change in placing.changes):
        tests = prometheus.test_files(f"../{RULES}/{RULES_YML}")
        files |= {folder / TESTS / name: text for name, text in tests.items()}
    return files


def _count(text: str) -> int:
    """Return the number of targets in a file of them; 0 where it is none."""
    try:
        return sum(len(group["targets"]) for group in json.loads(text))
    except (ValueError, TypeError, KeyError):
        return 0


def _alerts(file: File) -> set[str]:
    """Return the names of the alerts in a file of rules."""
    return set(re.findall(r"^ *-? *alert: (\w+)$", file.text, re.MULTILINE))
