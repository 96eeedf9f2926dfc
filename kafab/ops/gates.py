"""Gates: proofs with a deadline, not sleeps. A gate looks until what it waits for is true, or says what is missing.

While a gate waits for processes it also watches them: one that exits is told within two seconds, with its last lines.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from kafab import supervisor
from kafab.command import Script, Unknown
from kafab.errors import Failed
from kafab.events import Emit, Note, Waiting
from kafab.model import Cluster, Node
from kafab.ports import Clock, Fleet, KafkaAdmin, ZooKeeper

LOOK_EVERY = 0.1
LOOK_AT_HOSTS_EVERY = 0.3
WATCH_EVERY = 1.0
QUORUM_LIMIT = timedelta(seconds=60)
REGISTERED_LIMIT = timedelta(minutes=5)
"""Log recovery after an unclean stop can take minutes; a broker that recovers is watched, never restarted."""
OLD_SESSION_LIMIT = timedelta(seconds=60)
STOP_LIMIT = timedelta(minutes=10)
"""The longest a broker's controlled shutdown is waited for; kafab never sends SIGKILL by itself."""

Missing: TypeAlias = Mapping[str, str]
"""Node name -> what is still missing; empty when the gate is passed."""


def wait(
    look: Callable[[], Missing],
    what: str,
    limit: timedelta,
    *,
    clock: Clock,
    emit: Emit,
    watch: Callable[[], None] | None = None,
    every: float = LOOK_EVERY,
) -> None:
    """Look until nothing is missing. Raises Failed at the deadline with what each node lacked, or what `watch` raises."""
    begun = watched = clock.now()
    while True:
        missing = look()
        elapsed = timedelta(seconds=clock.now() - begun)
        if not missing:
            return
        if elapsed >= limit:
            lines = "".join(f"\n  {name}: {text}" for name, text in missing.items())
            raise Failed(
                f"{what}: not within {limit.total_seconds():.0f} s:{lines}",
                hint="`fab status` and `fab logs NODE` tell more",
            )
        subject = next(iter(missing))
        emit(Waiting(subject, f"{what}: {missing[subject]}", elapsed, limit))
        if watch and clock.now() - watched >= WATCH_EVERY:
            watch()
            watched = clock.now()
        clock.sleep(every)


def by_host(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """Group nodes by host name, in order."""
    grouped: dict[str, list[Node]] = {}
    for node in nodes:
        grouped.setdefault(node.host.name, []).append(node)
    return grouped


def ask(
    script: Callable[[Sequence[Node]], Script], nodes: Sequence[Node], fleet: Fleet
) -> dict[str, supervisor.Report | Unknown]:
    """Run one supervisor script on the hosts of these nodes: node name -> report."""
    grouped = by_host(nodes)
    outcomes = fleet.run({host: script(there) for host, there in grouped.items()})
    answers: dict[str, supervisor.Report | Unknown] = {}
    for host, there in grouped.items():
        answers |= supervisor.read(outcomes[host], there)
    return answers


def alive(nodes: Sequence[Node], fleet: Fleet) -> None:
    """Raise Failed for nodes whose process has ended, with its last log lines. An Unknown is left to the gate's deadline."""
    ended = {
        name: report
        for name, report in ask(supervisor.check, nodes, fleet).items()
        if isinstance(report, supervisor.Report) and report.state is not supervisor.State.RUNNING
    }
    if ended:
        told = "\n".join(
            f"{name}: the process exited (pid {report.detail}). Its last lines:\n"
            + "\n".join(f"  {line}" for line in report.log)
            for name, report in ended.items()
        )
        raise Failed(
            told, hint="the other nodes were left as they are; `fab logs NODE --lines 200` shows more"
        )


def quorum(
    cluster: Cluster,
    awaited: Sequence[Node],
    *,
    fleet: Fleet,
    zookeeper: ZooKeeper,
    clock: Clock,
    emit: Emit,
) -> None:
    """Wait until the awaited servers and a majority of the ensemble serve, under one leader."""
    size, modes = len(cluster.zookeepers), {"leader", "follower", "observer", "standalone"}

    def look() -> Missing:
        members = {node.name: zookeeper.member(node.endpoint) for node in cluster.zookeepers}
        silent = {name: member.reason for name, member in members.items() if isinstance(member, Unknown)}
        serving = [m.mode for m in members.values() if not isinstance(m, Unknown) and m.mode in modes]
        missing = {node.name: silent[node.name] for node in awaited if node.name in silent}
        leaders = sum(mode in {"leader", "standalone"} for mode in serving)
        if not missing and (leaders != 1 or len(serving) <= size // 2):
            missing[cluster.name] = f"{len(serving)} of {size} servers, {leaders} leaders"
        return missing

    wait(
        look,
        "ZooKeeper quorum",
        QUORUM_LIMIT,
        clock=clock,
        emit=emit,
        watch=lambda: alive(awaited, fleet) if awaited else None,
    )
    emit(
        Note(cluster.name, f"ZooKeeper has a quorum and one leader ({size} server{'s' if size > 1 else ''})")
    )


def old_registrations_gone(
    brokers: Sequence[Node], *, zookeeper: ZooKeeper, clock: Clock, emit: Emit
) -> None:
    """Wait until ZooKeeper has ended the sessions of killed brokers.

    A broker that starts before that exits at once with NodeExists (Kafka's KafkaZkClient.registerBroker).
    """

    def look() -> Missing:
        registered = zookeeper.registrations()
        if isinstance(registered, Unknown):
            return {brokers[0].name: registered.reason}
        return {
            broker.name: f"id {broker.id} is still registered as "
            f"{', '.join(map(str, registered[broker.id].endpoints))}; its session ends 18 s after a kill"
            for broker in brokers
            if broker.id in registered
        }

    wait(look, "old registration to go", OLD_SESSION_LIMIT, clock=clock, emit=emit)


def serving(
    cluster: Cluster,
    brokers: Sequence[Node],
    *,
    fleet: Fleet,
    zookeeper: ZooKeeper,
    admin: KafkaAdmin,
    clock: Clock,
    emit: Emit,
) -> None:
    """Wait until each broker is registered under its id, answers on its listener, and one controller is elected."""
    answered: set[str] = set()

    def look() -> Missing:
        registered = zookeeper.registrations()
        if isinstance(registered, Unknown):
            return {cluster.name: registered.reason}
        missing = {broker.name: "not registered" for broker in brokers if broker.id not in registered}
        for broker in brokers:
            if broker.name in missing or broker.name in answered:
                continue
            metadata = admin.metadata(broker.endpoint, timeout=timedelta(seconds=2))
            if isinstance(metadata, Unknown):
                missing[broker.name] = f"registered, and silent on {broker.endpoint}: {metadata.reason}"
            elif metadata.controller is None:
                missing[broker.name] = "knows no controller yet"
            else:
                answered.add(broker.name)
        return missing

    wait(
        look,
        "brokers to serve",
        REGISTERED_LIMIT,
        clock=clock,
        emit=emit,
        watch=lambda: alive(brokers, fleet),
    )
    controller = zookeeper.controller()
    if isinstance(controller, Unknown) or controller.broker is None:
        reason = controller.reason if isinstance(controller, Unknown) else "nobody is elected"
        raise Failed(f"{cluster.name}: no controller: {reason}", hint="`fab verify` tells more")
    emit(
        Note(
            cluster.name,
            f"{len(brokers)} brokers serve, controller {controller.broker}, epoch {controller.epoch}",
        )
    )
