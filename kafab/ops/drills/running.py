"""Run drills: refuse where they would prove nothing, measure the cells side by side, and take everything away again."""

import secrets
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta, timezone

from kafab.cluster.metadata import Metadata
from kafab.cluster.own_topics import Purpose, own_name, purpose_of
from kafab.drills.rows import Row, Table
from kafab.drills.story import story
from kafab.errors import Failed, KafabError, NotTold, Unsafe, UsageError
from kafab.events import Note, Waiting
from kafab.findings import Severity
from kafab.groups.values import SHARE, Listed
from kafab.model import Cluster
from kafab.ops.check.verify import verify
from kafab.ops.drills import faults
from kafab.ops.drills.acks import ACKS
from kafab.ops.drills.commits import COMMITS
from kafab.ops.drills.duplicates import DUPLICATES
from kafab.ops.drills.failover import FAILOVER
from kafab.ops.drills.field import Field, NotMeasured, Run, Stopped
from kafab.ops.drills.groups import GROUPS
from kafab.ops.drills.offsets import OFFSETS
from kafab.ops.drills.queue import QUEUE, UNSET
from kafab.ops.drills.transactions import TRANSACTIONS
from kafab.ops.drills.trials import Cannot, Drill, Trial
from kafab.ops.groups import changing
from kafab.ops.lock import operating
from kafab.ops.records.clients import usable
from kafab.ops.until import until
from kafab.ops.world import World
from kafab.records.settings import Client
from kafab.rolling.readiness import Missing
from kafab.unknown import Unknown
from kafab.words import few, nearest

DRILLS = (OFFSETS, COMMITS, DUPLICATES, GROUPS, QUEUE, TRANSACTIONS, ACKS, FAILOVER)
RECORDS = 200
AT_ONCE = 4
"""Cells that are measured side by side; most of their time they wait for a broker to miss a member."""
TELL_EVERY = 0.25
LOOK_EVERY = 0.5
MISSED_LIMIT = timedelta(seconds=60)
"""How long the coordinator may take to miss a member that was killed; a session is 6 s, that of a share group 45 s."""


def chosen(name: str) -> tuple[Drill, ...]:
    """Return the drill of that name, or all. Raises UsageError."""
    if name == "all":
        return DRILLS
    known = {drill.name: drill for drill in DRILLS}
    if name not in known:
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else "`drill.list` shows all"
        raise UsageError(f"there is no drill {name!r}; expected all, {', '.join(known)}", hint=hint)
    return (known[name],)


def run(
    cluster: Cluster,
    world: World,
    drills: Sequence[Drill],
    clients: Sequence[Client],
    *,
    seed: int,
    records: int = RECORDS,
    orderly: bool = False,
) -> tuple[Table, ...]:
    """Run these drills one after another, and return their tables.

    ``orderly`` withholds all faults: then every negative control must fail.

    A drill alone is refused where what it needs is not installed, with Failed; among others its rows say that they cannot.
    Raises Unsafe on a cluster that is not healthy, with its findings, and for faults on brokers elsewhere than on a lab.
    """
    forbidden = [drill.name for drill in drills if drill.lab_only and not cluster.lab]
    if forbidden:
        raise Unsafe(
            f"{few(forbidden)} puts faults on brokers, and {cluster.name} is no lab",
            hint="`fab lab.up deploy start` makes one",
        )
    clients = tuple(dict.fromkeys(usable(cluster, world, client) for client in clients))
    if len(drills) == 1:
        _refuse_lacking(drills[0], clients, world)
    with operating(cluster, world, f"drill.run {few(drill.name for drill in drills)}"):
        if cluster.lab:
            faults.mend(cluster, world)  # what a drill that was killed has left
        _refuse_unhealthy(cluster, world)
        _clean(cluster, world)
        prefix = own_name(Purpose.DRILL, datetime.now(timezone.utc), secrets.token_hex(2))
        shared = Run(cluster, world, seed, records, prefix, min(3, len(cluster.brokers)), orderly)
        try:
            return tuple(_table(drill, clients, shared) for drill in drills)
        finally:
            _delete_groups(world, prefix)
            _unset(world, shared.set_up)


def _table(drill: Drill, clients: Sequence[Client], run: Run) -> Table:
    if drill.together is not None:
        return Table(drill.name, drill.shows, run.seed, 0, tuple(drill.together(run, clients)))
    trials = [(client, trial) for client in clients for trial in drill.trials(client)]
    # What is asked for by several threads is made by this one.
    _ = (run.world.topics, run.world.groups, run.world.offsets, run.world.brokers, run.world.clock)
    if run.cluster.kraft:
        _ = run.world.controllers
    begun = run.world.clock.now()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        futures = [
            pool.submit(_row, drill, client, trial, f"{drill.name}-{number}", run)
            for number, (client, trial) in enumerate(trials)
        ]
        try:
            _watch(drill, futures, run, begun)
        except BaseException:
            # Each cell takes its own away; this block ends when all have.
            run.stopped.set()
            for future in futures:
                future.cancel()
            raise
    rows = tuple(future.result() for future in futures)
    return Table(drill.name, drill.shows, run.seed, run.records, rows)


def _watch(drill: Drill, futures: Sequence[Future[Row]], run: Run, begun: float) -> None:
    left = set(futures)
    while left:
        done, left = wait(left, timeout=TELL_EVERY)
        for future in done:
            future.result()
        elapsed = timedelta(seconds=run.world.clock.now() - begun)
        told = f"{drill.name}: {len(futures) - len(left)} of {len(futures)} cells measured"
        run.world.emit(Waiting(run.cluster.name, told, elapsed, None))


def _row(drill: Drill, client: Client, trial: Trial, name: str, run: Run) -> Row:
    cell = trial.cell
    if trial.measure is None:
        return Row(cell, client, trial.setting, {}, cannot=True)
    if trial.needs is not None and (lacks := run.world.workers.lacking(trial.needs)):
        return Row(cell, client, f"{lacks[0]} ({lacks[1]})", {}, cannot=True)
    if run.stopped.is_set():
        raise Stopped
    field = Field(run, client, name, trial.partitions)
    try:
        with field:
            found = trial.measure(field)
    except Cannot as error:
        return Row(cell, client, str(error), {}, cannot=True)
    except (NotMeasured, KafabError) as error:
        why, went = f"{drill.name}: {error}", story(field.events(), field.moments)
        return Row(cell, client, "", {}, faults=tuple(field.faults), why=why, story=went)
    finally:
        if field.left:
            run.world.emit(Note(run.cluster.name, field.left))
    went = story(field.events(), field.moments)
    return Row(cell, client, found.setting, found.counts, found.also, tuple(field.faults), story=went)


def _refuse_lacking(drill: Drill, clients: Sequence[Client], world: World) -> None:
    """Refuse a drill that was asked for by its name, and cannot be run whole. Among others its rows say so."""
    needs = {trial.needs for client in clients for trial in drill.trials(client) if trial.needs is not None}
    for role in needs:
        if lacks := world.workers.lacking(role):
            raise Failed(f"the drill of {drill.name} cannot be run: {lacks[0]}", hint=lacks[1])


def _refuse_unhealthy(cluster: Cluster, world: World) -> None:
    report = verify(cluster, world, probe=False)
    if not report.exit_code:
        return
    bad = [one for one in report.findings if one.severity in (Severity.CRIT, Severity.UNKNOWN)]
    lines = "".join(f"\n  {one.severity} {one.check} {one.subject}: {one.detail}" for one in bad)
    raise Unsafe(
        f"{cluster.name} is not healthy, so a drill would prove nothing:{lines}",
        hint="`fab verify` tells more; a drill needs it without a fault",
    )


def _clean(cluster: Cluster, world: World) -> None:
    """Remove what a drill that was killed has left; with the lock held no other one is at work."""
    seen = world.brokers.metadata()
    if isinstance(seen, Unknown):
        raise NotTold(f"{cluster.name}: {seen.reason}", hint="`fab status` shows which nodes run")
    left = sorted({one.topic for one in seen.partitions if purpose_of(one.topic) is Purpose.DRILL})
    for topic in left:
        _delete_topic(cluster, world, topic)
    _delete_groups(world, Purpose.DRILL.value)


def _delete_groups(world: World, prefix: str) -> None:
    """Delete the groups whose names begin so, once the members that were killed are missed."""
    left = until(
        lambda: _undeleted(world, prefix), "group to be empty", MISSED_LIMIT, world, every=LOOK_EVERY
    )
    for name, text in left.items():
        world.emit(Note(name, f"is left to the next drill: {text}"))


def _unset(world: World, groups: Sequence[str]) -> None:
    """Take the properties of these share groups away, also of one that has never had a member and is in no list."""
    seen = world.brokers.metadata() if groups else Unknown("nothing is asked for")
    if not isinstance(seen, Unknown):
        for name in groups:
            world.groups.configure(seen, name, dict.fromkeys(UNSET))


def _undeleted(world: World, prefix: str) -> Missing:
    """Delete what can be, and return why the other groups cannot."""
    seen = world.brokers.metadata()
    if isinstance(seen, Unknown):
        return {"brokers": seen.reason}
    ours = [each for each in world.groups.list(seen).groups if each.name.startswith(prefix)]
    return {each.name: text for each in ours if (text := _deleted(world, seen, each))}


def _deleted(world: World, seen: Metadata, group: Listed) -> str:
    if group.kind == SHARE:
        # Its properties would outlive it.
        world.groups.configure(seen, group.name, dict.fromkeys(UNSET))
        answer = world.groups.delete(seen, group)
        return answer.reason if isinstance(answer, Unknown) else answer or ""
    try:
        changing.delete(world, changing.deletable(world, group.name))
    except KafabError as error:
        return error.message
    return ""


def _delete_topic(cluster: Cluster, world: World, topic: str) -> None:
    try:
        world.topics.delete_topic(topic)
    except Failed as error:
        world.emit(Note(cluster.name, f"topic {topic} of a drill that was killed is left: {error.message}"))
    else:
        world.emit(Note(cluster.name, f"topic {topic} of a drill that was killed is removed"))
