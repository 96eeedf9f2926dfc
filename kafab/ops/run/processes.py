"""Start and stop processes, and prove it: what start, stop and a roll have in common. Nothing here asks whether it may be done."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from kafab.errors import Failed, OutcomeUnknown
from kafab.events import Note
from kafab.hosts import supervisor
from kafab.hosts.supervisor import Report, State
from kafab.interruption import AGAIN
from kafab.model import Cluster, Node, Role
from kafab.ops.run import broker_gates, controller_gates, gates
from kafab.ops.see import by_host, reports
from kafab.ops.world import World
from kafab.unknown import Unknown


@dataclass
class Progress:
    """What has been done so far, for Ctrl-C: the nodes that were ``asked`` to start or stop, and those that are ``done``."""

    verb: str
    nodes: Sequence[Node]
    asked: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    processes: dict[str, str] = field(default_factory=dict)
    """Node that was started -> its process, see `Report.process`."""

    def text(self) -> str:
        """Return which nodes were asked, and which were left as they were."""
        left = [node.name for node in self.nodes if node.name not in self.asked]
        asked = f"  asked to {self.verb}: {', '.join(self.asked) or 'none'}"
        return f"{asked}\n  left as they were: {', '.join(left) or 'none'}"

    def text_of_stop(self) -> str:
        """Return also which nodes have ended by now."""
        return f"  stopped: {', '.join(self.done) or 'none'}\n{self.text()}"


def prove_voters(cluster: Cluster, awaited: Sequence[Node], world: World) -> None:
    """Wait until the awaited servers or controllers, and a majority of all, serve under one leader."""
    if cluster.kraft:
        controller_gates.elected(cluster, awaited, world)
    else:
        gates.quorum(cluster, awaited, world)


def prove_brokers(
    cluster: Cluster, nodes: Sequence[Node], world: World, started: Collection[str], *, settled: bool = True
) -> float:
    """Wait until the brokers among these nodes serve, and have ``settled`` (`broker_gates.settle`); return the time of the clock at which they were seen to."""
    brokers = [node for node in nodes if node.role is Role.BROKER]
    if not brokers:
        return world.clock.now()
    prove = controller_gates.unfenced if cluster.kraft else broker_gates.serving
    return prove(cluster, brokers, world, started=started, settled=settled)


def archive(nodes: Sequence[Node], world: World) -> None:
    """Let the hosts make the archives of classes that these nodes lack; a start does not depend on them."""
    if nodes:
        world.fleet.run({host: supervisor.archive(there) for host, there in by_host(nodes).items()})


def start_processes(nodes: Sequence[Node], world: World, progress: Progress) -> list[Node]:
    """Start these nodes; return those that record their classes for an archive. Raises what keeps one from starting."""
    progress.asked += [node.name for node in nodes]
    recording: set[str] = set()
    problems, unknown, taken = [], [], False
    for name, report in reports(supervisor.start, nodes, world.fleet).items():
        if isinstance(report, Unknown):
            unknown.append(f"{name}: UNKNOWN: {report.reason}")
        elif report.state is State.TAKEN:
            port, _, holder = report.detail.partition(" ")
            problems.append(f"{name}: port {port} is taken by {holder}; not started")
            taken = True
        elif report.state is State.FAILED:
            problems.append(f"{name}: not started: {report.detail}")
        else:
            progress.done.append(name)
            progress.processes[name] = report.process
            if report.state is State.RECORDING:
                recording.add(name)
            state = State.RUNNING if report.state is State.RUNNING else State.STARTED
            world.emit(Note(name, f"{state.value}, pid {report.detail}"))
    if problems:
        hint = "free the port or give the node another one in the inventory" if taken else AGAIN
        raise Failed("\n".join(problems + unknown), hint=hint)
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint=AGAIN)
    return [node for node in nodes if node.name in recording]


def stop_processes(nodes: Sequence[Node], world: World, progress: Progress) -> None:
    """Ask these nodes to end, and wait until they have. Raises OutcomeUnknown where a host does not say that it was asked."""
    if not nodes:
        return
    progress.asked += [node.name for node in nodes]
    # Kafka's controllers let a broker go that asks in time. Where the last of them end, it is too late a tenth of a second
    # after the others, and that broker's process goes on for five minutes (BrokerServer.shutdown).
    if sum(node.combined for node in nodes) > 1:
        answers = reports(supervisor.stop_together, nodes, world.fleet, together=True)
    else:
        answers = reports(supervisor.stop, nodes, world.fleet)
    unknown = [f"{name}: UNKNOWN: {r.reason}" for name, r in answers.items() if isinstance(r, Unknown)]
    if unknown:
        raise OutcomeUnknown("\n".join(unknown), hint=AGAIN)

    def note(name: str) -> None:
        progress.done.append(name)
        world.emit(Note(name, "stopped"))

    ending = {
        name: answer.process
        for name, answer in answers.items()
        if isinstance(answer, Report) and answer.state is State.STOPPING
    }
    gates.gone(nodes, world, note, ending)
