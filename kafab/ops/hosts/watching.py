"""Has a host's Prometheus watch a cluster: its targets, the rules and a job, checked by promtool, loaded, and proven.

The files lie in a folder of kafab's own beside the host's configuration, which gets a few lines that name them
([decision 39](docs/decisions/0039-what-prometheus-reads-on-its-host.md)). One script exchanges them, under a lock of the host, and goes on when
the connection is cut. It takes the old ones back where promtool or Prometheus itself refuses the new ones. Wherever it is killed, the
files that are there then are such that Prometheus takes them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePosixPath

from kafab.command import Cmd, Outcome, Result, Script, Word
from kafab.errors import Failed, KafabError, Locked, OutcomeUnknown, Unreachable, UsageError
from kafab.events import Note
from kafab.interruption import AGAIN, interruptible
from kafab.metrics import configuration, placing
from kafab.metrics.placing import LIMIT, Loaded, Place, Placing, Seen, Watcher
from kafab.model import Cluster, Host
from kafab.ops.author.metrics import refuse_unobserved
from kafab.ops.until import until
from kafab.ops.world import World
from kafab.ports import Fleet
from kafab.rolling.readiness import Missing
from kafab.shell.frame import asking, whole
from kafab.shell.layout import BEFORE
from kafab.unknown import Unknown
from kafab.words import few

CONFIG = "/etc/prometheus/prometheus.yml"
"""Debian's."""
LOOK_TIMEOUT = timedelta(seconds=60)
EXCHANGE_TIMEOUT = timedelta(minutes=6)
"""Above what its parts may take: promtool a minute three times, Prometheus a minute to read its files, and another one for the old ones."""
SEEN_WITHIN = timedelta(seconds=30)
"""Prometheus looks at what has changed in files of targets every 5 s (discovery.Manager, updatert)."""
_INSTALL = "there, as root: apt-get install prometheus prometheus-alertmanager"


@dataclass(frozen=True)
class Watched:
    """What was to be done on a host, and what its Prometheus says in the end; None where nothing was done."""

    host: str
    place: Place
    seen: Seen
    placing: Placing
    loaded: Loaded | None = None


@dataclass(frozen=True)
class _Site:
    """The host, the way to it, and where its files are."""

    host: Host
    fleet: Fleet
    world: World
    place: Place

    def run(self, script: Script) -> Outcome:
        return self.fleet.run({self.host.name: script})[self.host.name]

    def lines(self, call: Cmd, what: str) -> list[str]:
        """Return what a question is answered with. Raises Unreachable."""
        script = asking(("rooted", "prometheus_look"), call, timeout=LOOK_TIMEOUT)
        found = whole(self.run(script), what)
        if isinstance(found, Unknown):
            raise Unreachable({self.host.name: found.reason})
        return found

    def failed(self, told: str, *, hint: str | None = None) -> Failed:
        return Failed(f"{self.host.name}: {told}", hint=hint)


def deploy(
    cluster: Cluster,
    host: Host,
    fleet: Fleet,
    world: World,
    *,
    config: str = CONFIG,
    remove: bool = False,
    plan: bool = False,
) -> Watched:
    """Have Prometheus on a host watch the cluster, or with ``remove`` forget it; ``plan`` changes nothing. ``fleet`` is root there.

    Raises UsageError where no node shows metrics; Unreachable; Locked; OutcomeUnknown where the connection was lost meanwhile; Failed
    where there is no Prometheus, or it or promtool does not take the files, and then the old ones are in their places.
    """
    if not remove:
        refuse_unobserved(cluster)
    site = _Site(host, fleet, world, Place(_path(config), cluster.name))
    seen = _look(site)
    watcher = _usable(site, seen)
    now = _loaded(site, watcher)
    if isinstance(now, Unknown):
        raise site.failed(
            f"Prometheus does not answer at http://{watcher.endpoint}{watcher.prefix}/metrics: {now.reason}",
            hint="nobody could tell whether it takes other files, so nothing was changed; kafab asks it on its own host, without TLS and login",
        )
    try:
        found = placing.decide(cluster, site.place, seen, now, remove=remove)
    except configuration.NotEditableError as error:
        lines = configuration.by_hand(str(site.place.folder))
        way = "take kafab's lines out of it by hand" if remove else "add these lines to it"
        raise site.failed(
            f"{config} is left as it is: {error}",
            hint=f"{way}, then the same command again:\n{lines}",
        ) from None
    if found.lost:
        told = f"alerts that are in {site.place.rules} and not in this kafab's rules: {few(found.lost)}"
        world.emit(Note(host.name, told))
    if plan:
        return Watched(host.name, site.place, seen, found)
    if found.changes or found.reload:
        _exchange(site, watcher, found, None if remove else cluster)
    return Watched(host.name, site.place, seen, found, _proven(site, watcher, found))


def _path(text: str) -> PurePosixPath:
    if not re.fullmatch(r"(/[\w.@+=-]+){2,}", text, re.ASCII) or {".", ".."} & set(text.split("/")):
        raise UsageError(f"found --config {text}; expected the path of a file, like {CONFIG}")
    return PurePosixPath(text)


def _look(site: _Site) -> Seen:
    place = site.place
    call = Cmd("watcher", place.config, place.folder, place.rules)
    return placing.read(site.lines(call, "the look for Prometheus"))


def _usable(site: _Site, seen: Seen) -> Watcher:
    """Return the Prometheus that reads the configuration. Raises Failed with what is missing."""
    config = site.place.config
    if seen.watcher is None and "prometheus" not in seen.programs:
        raise site.failed("it has no Prometheus", hint=_INSTALL)
    for program, package in (("promtool", "prometheus"), ("bash", "bash")):
        if program not in seen.programs:
            raise site.failed(f"it has no {program}", hint=f"there, as root: apt-get install {package}")
    if seen.link:
        raise site.failed(f"{config} is a link to {seen.link}", hint="--config names the file itself")
    if config not in seen.files:
        raise site.failed(
            f"it has no {config}", hint="--config names the file that its Prometheus is started with"
        )
    if seen.unfit:
        raise site.failed(
            f"root writes only where it alone can write: {seen.unfit}",
            hint="`chown root` or `chmod go-w` there mends it",
        )
    if len(seen.files[config].text.encode(errors="surrogateescape")) >= LIMIT:
        raise site.failed(f"{config} has {LIMIT >> 20} MiB or more, which kafab does not read")
    if seen.watcher is None:
        others = f"; what runs there was started with {few(seen.others)}" if seen.others else ""
        raise site.failed(
            f"no Prometheus runs there with {config}{others}",
            hint="--config names another file"
            if others
            else f"`systemctl start prometheus` on {site.host.name}, then the same command again",
        )
    return seen.watcher


def _loaded(site: _Site, watcher: Watcher) -> Loaded | Unknown:
    at = watcher.endpoint
    call = Cmd("said", at.host, at.port, watcher.prefix)
    return placing.loaded(site.lines(call, "the question to Prometheus"), site.place)


def _exchange(site: _Site, watcher: Watcher, found: Placing, cluster: Cluster | None) -> None:
    """Exchange the files. Raises what came of it, where they are not exchanged."""
    site.world.emit(Note(site.host.name, "promtool checks the files, then Prometheus reads them"))
    answers: list[Outcome] = []
    script = _script(site, watcher, found, cluster)
    with interruptible(lambda: _state(site, answers)):
        site.fleet.run({site.host.name: script}, each=lambda _host, outcome: answers.append(outcome))
    if error := _refusal(site, answers[0]):
        raise error


def _state(site: _Site, answers: list[Outcome]) -> str:
    if not answers:
        return f"{site.host.name}: whether its Prometheus has the new files is not known"
    error = _refusal(site, answers[0])
    return error.message if error else f"{site.host.name}: its Prometheus has the new files"


def _refusal(site: _Site, outcome: Outcome) -> KafabError | None:
    """Return what is to be told of an exchange that was none."""
    found = whole(outcome, "the exchange of its files")
    if isinstance(found, Unknown):
        kind = Failed if isinstance(outcome, Result) else OutcomeUnknown
        return kind(f"{site.host.name}: {found.reason}", hint=AGAIN)
    word, *rest = found or [""]
    if word == "done":
        return None
    if word == "held":
        who = " ".join(rest)
        return Locked(
            f"{site.host.name}: what its Prometheus reads is being changed by {who}",
            hint="wait for it, then the same command again",
        )
    told, hint = _FATES.get(word, _FATES["lost"])
    said = "".join(f"\n  {line}" for line in rest if line.strip())
    return site.failed(f"{told}{said}", hint=hint)


_LOG = "`journalctl -u prometheus` there tells why"
_FATES: Mapping[str, tuple[str, str]] = {
    "moved": ("a file was changed while it was looked at, and nothing was changed here:", AGAIN),
    "unstaged": ("the new files could not be written, the old ones are in their places:", AGAIN),
    "rejected": (
        "promtool does not take the new files, the old ones are in their places:",
        "where its words are about lines of your own, mend those first",
    ),
    "restored": (
        "Prometheus did not take the new files; the old ones are in their places, and it has read them:",
        _LOG,
    ),
    "lost": (
        "Prometheus did not take the new files, and it is not known whether it has read the old ones again:",
        _LOG,
    ),
}
"""The first word of the answer of `prometheus_exchange.sh` -> what is told, before what else it says, and what to do."""


def _script(site: _Site, watcher: Watcher, found: Placing, cluster: Cluster | None) -> Script:
    place, folder = site.place, site.place.folder
    calls = [Cmd("begin", folder, place.config, site.world.owner("observe.deploy"))]
    forth: list[str] = []
    back: list[str] = []
    for number, change in enumerate(found.changes):
        calls.append(Cmd("same", change.path, change.before.sha256 if change.before else "-"))
        old = "-"
        if change.before:
            old = str(folder / BEFORE / str(number))
            calls.append(Cmd("keep", change.path, old))
        new = "-" if change.after is None else str(_staged(place, change.path))
        forth += [new, str(change.path)]
        back = [old, str(change.path), *back]
    files: Mapping[PurePosixPath, str] = placing.staged(cluster, place, found) if cluster else {}
    calls += [_stage(path, text, "644", "root:root") for path, text in files.items()]
    for change in found.changes:
        if change.path == place.config and change.before and change.after is not None:
            calls.append(_stage(place.staged_config, change.after, change.before.mode, change.before.owner))
    at = watcher.endpoint
    reload: tuple[Word, ...] = (watcher.pid, watcher.start, at.host, at.port, watcher.prefix)
    calls += [
        Cmd("checked"),
        Cmd("exchange", " ".join(forth), " ".join(back), *(reload if found.reload else ())),
    ]
    libraries = ("put", "alive", "prometheus_look", "prometheus_exchange")
    return replace(asking(libraries, *calls, timeout=EXCHANGE_TIMEOUT), changes=True)


def _staged(place: Place, path: PurePosixPath) -> PurePosixPath:
    """Return where a file lies until it takes its place."""
    return place.staged_config if path == place.config else place.incoming / path.relative_to(place.folder)


def _stage(path: PurePosixPath, text: str, mode: str, owner: str) -> Cmd:
    stdin = text if text.endswith("\n") else f"{text}\n"
    return Cmd("stage", path, mode, placing.sha256(stdin), owner, stdin=stdin)


def _proven(site: _Site, watcher: Watcher, found: Placing) -> Loaded:
    """Return what Prometheus says when it has the rules and asks the nodes. Raises Failed where it does not before long."""
    last: list[Loaded] = []

    def look() -> Missing:
        now = _loaded(site, watcher)
        if isinstance(now, Unknown):
            return {site.host.name: now.reason}
        last[:] = [now]
        if now.rules == found.rules and now.targets == found.targets:
            return {}
        return {
            site.host.name: f"{now.rules} of {found.rules} alerts, {now.targets} of {found.targets} nodes"
        }

    missing = until(look, "Prometheus has", SEEN_WITHIN, site.world, every=0.5)
    if missing:
        raise site.failed(
            f"the files are in their places, and after {SEEN_WITHIN.total_seconds():.0f} s Prometheus has {missing[site.host.name]}",
            hint=f"`journalctl -u prometheus` on {site.host.name} tells why; can its account read {site.place.folder}?",
        )
    return last[0]
