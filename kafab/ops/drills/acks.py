"""The drill of acks: what becomes of records, acknowledged and not, when their leader is killed, stopped, frozen or deposed.

Four phases, each with topics of its own; the settings of all clients meet the same faults.

- ``killed``: the followers are frozen while records go on, for less time than it takes to drop them from the ISR, then the leader
  is killed and they go on: one of them becomes the leader, in sync as far as anybody knows.
- ``stopped``: the leader is stopped in good order, and gives up its partitions before it ends.
- ``paused``: the leader is frozen for less time than its session lasts, longer than a producer's patience.
- ``cut off``: one broker is frozen until it is out of the ISR. What it led, others lead by then, and when it goes on, it takes
  records for a moment still, as it has not heard of it (``deposed``). What it followed has one replica in sync, whose
  broker is killed: the broker that was cut off is all that is left.

On a lab all hosts are processes of one machine, whose loopback cannot be cut in two without root; so a broker is cut off by SIGSTOP, which to
the others is the same silence. It leaves the ISR with its session (broker.session.timeout.ms, zookeeper.session.timeout.ms),
before replica.lag.time.max.ms (30 s) is over.
"""

from collections.abc import Mapping, Sequence

from kafab.drills.rows import ANY, NONE, SOME, Allowed, Cell, Row
from kafab.errors import Failed
from kafab.ops.drills import faults
from kafab.ops.drills.field import Run
from kafab.ops.drills.party import ABORTED, LOST, ORDER, TWICE, Entry, Party, Phase, Roles, together
from kafab.ops.drills.trials import Drill
from kafab.records.settings import Acks, Client

BEHIND = 2.0
"""Seconds in which the leader alone has records: an ISR drops a silent follower after 30 s at most, and never so soon."""
PAUSED, PATIENCE = 3.0, 1.0
"""Seconds that a leader is frozen, less than any session; seconds that a producer waits for an answer meanwhile."""
LEAVING = 50
"""Records, of one second, that a leader may take with it that ends in good order: what its followers had not fetched yet."""
DELIVERY = 5.0
DEPOSED_AFTER = 1.0
"""Seconds after which a deposed leader must have heard of it."""
ONCE = {LOST: NONE, TWICE: NONE, ORDER: NONE}


def _everywhere(roles: Roles) -> tuple[int, ...]:
    return roles.all


def _cut_off(roles: Roles) -> tuple[int, ...]:
    return (roles.leader.id, roles.follower.id)


def _deposed(roles: Roles) -> tuple[int, ...]:
    return (roles.follower.id, roles.bystander.id)


def _in_sync(least: int, *, unclean: bool = False) -> Mapping[str, str]:
    return {"min.insync.replicas": str(least), "unclean.leader.election.enable": str(unclean).lower()}


def _killed(party: Party) -> None:
    roles, world = party.roles, party.run.world
    others = (roles.follower, roles.bystander)
    with faults.frozen(others, world):
        party.note(f"{', '.join(node.name for node in others)} frozen")
        party.pause(BEHIND, "the leader to be ahead")
        faults.kill(roles.leader, world)
        since = party.note(f"{roles.leader.name} killed, the others go on")
    party.go_on(party.members, since)


def _stopped(party: Party) -> None:
    leader = party.roles.leader
    begun = party.note(f"{leader.name} asked to stop")
    faults.stop(leader, party.run.world)
    party.note("it has ended")
    party.go_on(party.members, begun)


def _paused(party: Party) -> None:
    leader = party.roles.leader
    with faults.frozen([leader], party.run.world):
        party.note(f"{leader.name} frozen")
        party.pause(PAUSED, "the producers to lose patience")
    party.go_on(party.members, party.note("it goes on"))


def _silent(party: Party) -> None:
    roles, run = party.roles, party.run
    leaves = [one for one in party.members if one.entry.replicas is _deposed]
    stays = [one for one in party.members if one.entry.replicas is _cut_off]
    with faults.frozen([roles.follower], run.world):
        party.note(f"{roles.follower.name} frozen (cut off)")

        def missed() -> bool:
            return party.views(
                lambda seen: all(
                    seen.get((one.on.topic, one.order.partition or 0), (None, ())) == (node.id, (node.id,))
                    for node, members in ((roles.bystander, leaves), (roles.leader, stays))
                    for one in members
                )
            )

        party.until(missed, "the frozen broker to leave the ISR")
        party.note("it is out of the ISR")
        party.pause(BEHIND, "the leader to be ahead")
        faults.kill(roles.leader, run.world)
        killed = party.note(f"{roles.leader.name} killed, {roles.follower.name} goes on")
    party.go_on([one for one in leaves if one.entry.goes_on], killed + DEPOSED_AFTER)
    party.go_on([one for one in stays if one.entry.goes_on], killed)
    now = run.world.clock.now()
    for one in stays:
        one.more["acked meanwhile"] = one.acked(killed + DEPOSED_AFTER, now)


KILLED = Phase(
    "killed",
    (
        Entry(
            Cell("killed: acks=0", "may lose", {"missing": SOME, TWICE: ANY}, control=True),
            _everywhere,
            _in_sync(2),
            Acks.NONE,
        ),
        Entry(
            Cell("killed: acks=1", "loses what the leader alone has", {LOST: SOME, TWICE: ANY}, control=True),
            _everywhere,
            _in_sync(2),
            Acks.LEADER,
        ),
        Entry(
            Cell(
                "killed: acks=all, retries off",
                "tells which records may be lost",
                {"unknown": SOME, LOST: NONE, TWICE: NONE},
                control=True,
            ),
            _everywhere,
            _in_sync(2),
            retries=0,
        ),
        Entry(
            Cell(
                "killed: acks=all",
                "loses nothing, may repeat and reorder",
                {LOST: NONE, TWICE: ANY, ORDER: ANY},
            ),
            _everywhere,
            _in_sync(2),
        ),
        Entry(
            Cell("killed: acks=all, idempotent", "once and in order", ONCE),
            _everywhere,
            _in_sync(2),
            idempotent=True,
        ),
    ),
    _killed,
)
STOPPED = Phase(
    "stopped",
    (
        Entry(
            Cell(
                "stopped: acks=0",
                "loses what it is sent after it has given up",
                {"missing": SOME},
                control=True,
            ),
            _everywhere,
            _in_sync(2),
            Acks.NONE,
        ),
        Entry(
            Cell(
                "stopped: acks=1",
                "loses what no follower had fetched",
                {LOST: Allowed(0, LEAVING), TWICE: ANY},
            ),
            _everywhere,
            _in_sync(2),
            Acks.LEADER,
        ),
        Entry(
            Cell(
                "stopped: acks=all, retries off",
                "tells which records are not there, or may be",
                # librdkafka sends a record again without counting that as a retry where the broker leads no more.
                {"not acked": ANY, ABORTED: NONE, LOST: NONE, TWICE: ANY},
            ),
            _everywhere,
            _in_sync(2),
            retries=0,
        ),
        Entry(
            Cell("stopped: acks=all, idempotent", "once and in order", ONCE),
            _everywhere,
            _in_sync(2),
            idempotent=True,
        ),
    ),
    _stopped,
)
PAUSED_LEADER = Phase(
    "paused",
    (
        Entry(
            Cell(
                "paused: acks=1, retries off",
                "tells which records may be there",
                {"unknown": SOME, LOST: NONE, TWICE: NONE},
                control=True,
            ),
            _everywhere,
            _in_sync(2),
            Acks.LEADER,
            retries=0,
            request=PATIENCE,
        ),
        Entry(
            Cell(
                "paused: acks=all",
                "loses nothing, repeats, may reorder",
                {LOST: NONE, TWICE: SOME, ORDER: ANY},
                control=True,
            ),
            _everywhere,
            _in_sync(2),
            request=PATIENCE,
        ),
        Entry(
            Cell("paused: acks=all, idempotent", "once and in order", ONCE),
            _everywhere,
            _in_sync(2),
            idempotent=True,
            request=PATIENCE,
        ),
    ),
    _paused,
)
SILENT = Phase(
    "silent",
    (
        Entry(
            Cell("deposed: acks=0", "may lose", {"missing": SOME}, control=True),
            _deposed,
            _in_sync(1),
            Acks.NONE,
        ),
        Entry(
            Cell(
                "deposed: acks=1",
                "acknowledged by a leader that is none any more",
                {LOST: SOME},
                control=True,
            ),
            _deposed,
            _in_sync(1),
            Acks.LEADER,
        ),
        Entry(
            Cell(
                f"deposed: acks=all, {DELIVERY:g} s to deliver",
                "tells which records may be there",
                {"unknown": SOME, LOST: NONE},
                control=True,
            ),
            _deposed,
            _in_sync(1),
            delivery=DELIVERY,
        ),
        Entry(
            Cell("deposed: acks=all, idempotent", "once and in order", ONCE),
            _deposed,
            _in_sync(1),
            idempotent=True,
        ),
        Entry(
            Cell(
                "cut off: acks=all, min ISR 1, unclean",
                "loses what the leader alone has",
                {LOST: SOME},
                control=True,
            ),
            _cut_off,
            # Not idempotent: librdkafka's idempotent producer ends itself, or tries for ever, where a broker has lost
            # what it had acknowledged (OUT_OF_ORDER_SEQUENCE_NUMBER).
            _in_sync(1, unclean=True),
        ),
        Entry(
            Cell(
                "cut off: acks=all, min ISR 1",
                "serves nobody until the leader is back",
                ONCE | {"acked meanwhile": NONE},
            ),
            _cut_off,
            _in_sync(1),
            idempotent=True,
            goes_on=False,
        ),
        Entry(
            Cell(
                "cut off: acks=all, min ISR 2, retries off",
                "refused while one replica is in sync",
                {"refused": SOME, ABORTED: NONE, LOST: NONE, TWICE: NONE},
                control=True,
            ),
            _cut_off,
            _in_sync(2),
            retries=0,
            # A request that waits for the frozen follower is not in the way of those that are refused.
            request=PATIENCE,
            goes_on=False,
        ),
        Entry(
            Cell(
                "cut off: acks=1, min ISR 2, unclean",
                "min ISR is nothing to acks=1",
                {LOST: SOME},
                control=True,
            ),
            _cut_off,
            _in_sync(2, unclean=True),
            Acks.LEADER,
        ),
    ),
    _silent,
)
PHASES = (KILLED, STOPPED, PAUSED_LEADER, SILENT)


def drill(phases: Sequence[Phase]) -> Drill:
    """Return the drill with these of its phases."""

    def measure(run: Run, clients: Sequence[Client]) -> Sequence[Row]:
        if (count := len(run.cluster.brokers)) < 3:
            raise Failed(f"the drill of acks needs three brokers, and {run.cluster.name} has {count}")
        return together("acks", phases, run, clients)

    return Drill(
        "acks",
        "What becomes of records when their leader is killed, stopped, frozen, or killed while no follower is in sync",
        lambda _client: (),
        measure,
    )


ACKS = drill(PHASES)
