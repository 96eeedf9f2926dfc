"""Pages of reports as the tests need them: of so many nodes, of a roll, of a drill, of nothing."""

import math
from dataclasses import replace

from kafab.reporting.page import (
    Acks,
    Bounds,
    Canary,
    Cell,
    Command,
    Drill,
    Figures,
    Found,
    Gap,
    Isr,
    Made,
    Mark,
    NodeState,
    Page,
    Partitions,
    Point,
    Roll,
    Rolled,
    Run,
    Span,
    Strip,
    TimeLine,
    Unseen,
    Verdict,
)

NASTY = "<script>alert(1)</script>&\"'</template>"
MADE = Made("2026-11-27T13:00:00Z", "ops", "laptop", "report", "0.1.0")


def node(number: int, racks: int = 3) -> NodeState:
    """Return a broker that is well."""
    return NodeState(
        host=f"node{number}",
        rack=f"r{number % racks + 1}" if racks else "",
        name=f"node{number}/broker",
        role="broker",
        id=number,
        severity="OK",
        state="running",
        release="kafka_2.13-4.3.1",
        configuration="as deployed",
        leads=f"{10 + number % 3} partitions",
        uptime_s=3600.0 * number,
        leaders=10 + number % 3,
        replicas=30,
        out_of_sync=0,
    )


def findings(nodes: int) -> tuple[Found, ...]:
    """Return what a check finds of so many brokers: three things of each that are well, and some that are not."""
    evidence = {
        "host": "node1",
        "state": "running",
        "pid": 4711,
        "release": "kafka_2.13-4.3.1-0123456789ab",
        "configuration": "as deployed",
        "listeners": {"PLAINTEXT": "10.0.0.1:9092", "INTERNAL": "10.0.0.1:9094"},
    }
    well = [
        Found(check, f"node{number}/broker", "OK", f"{detail} {number}", evidence=evidence)
        for number in range(1, nodes + 1)
        for check, detail in (
            ("process", "pid 4711, as deployed, number"),
            ("registration", "registered, answers as broker"),
            ("log-dirs", "all online, of broker"),
        )
    ]
    bad = [
        Found(
            "partitions",
            "orders-0",
            "CRIT",
            "1 of 2 in-sync replicas that min.insync.replicas asks for",
            hint="fab start --limit node2/broker",
            evidence={"leader": 1, "isr": [1], "replicas": [1, 2, 3], "min_isr": 2},
            caused_by=("node2/broker",),
        ),
        Found("process", "node2/broker", "WARN", "pid 99, restart pending", hint="fab restart --pending"),
        Found("views", "node3/broker", "UNKNOWN", "did not answer within 5 s"),
    ]
    return tuple([*bad, *well] if nodes else [])


def history(commands: int) -> tuple[Command, ...]:
    """Return so many commands."""
    return tuple(
        Command(
            f"2026-11-2{number % 7}T10:00:00.000+00:00",
            "ops",
            "laptop",
            "restart --limit node1 --yes",
            41.2,
            number % 3,
            "" if number % 3 == 0 else "node1/broker did not come back",
            {"restarted": 3, "acked": 12345, "lost": 0, "longest gap in s": 1.2},
            ("node1", "node2", "node3"),
        )
        for number in range(commands)
    )


def page_of(nodes: int, *, racks: int = 3) -> Page:
    """Return the report of a cluster of so many brokers that has a few faults."""
    return Page(
        kind="report",
        cluster="orders",
        kafka="4.3.1",
        mode="kraft",
        made=MADE,
        verdict=Verdict("CRIT", "1 fault, 1 thing unknown, 1 warning", ("orders-0 is below its min ISR",), 1),
        nodes=tuple(node(number, racks) for number in range(1, nodes + 1)),
        partitions=Partitions(12, 12 * nodes, 0, 3),
        findings=findings(nodes),
        history=history(20),
        not_checked=("whether records can be written and read: `fab verify` does that",),
    )


def roll_of(nodes: int, *, gap: bool = True) -> Page:
    """Return the report of a roll of so many brokers, ten seconds each, with a canary beside it."""
    base = page_of(nodes)
    whole = 10.0 * nodes + 6
    names = [f"node{number}/broker" for number in range(1, nodes + 1)]
    spans: list[Span] = []
    strips: list[Strip] = []
    step = max(whole / 240, 1.0)
    steps = math.ceil(whole / step)
    for number, name in enumerate(names):
        begins = 3 + 10.0 * number
        for phase, after, ends in (
            ("stops", 0, 1.2),
            ("is down", 1.2, 1.3),
            ("starts", 1.3, 5),
            ("catches up", 5, 8),
        ):
            spans.append(Span(name, phase, begins + after, begins + ends))
        out = Run(
            int((begins + 5) / step), min(int((begins + 8) / step) + 1, steps), 30 if number % 2 else 12
        )
        strips.append(Strip(number + 1, name, 30, (out,)))
    fine = whole / 240
    acks = tuple(
        Point(at, 40, 3.0 + at % 5, 6.0 + (900 if at % 60 == 17 else at % 7))
        for at in range(240)
        if at % 97 != 50
    )
    unseen = tuple(Unseen(int((3 + 10 * each) / step), int((8 + 10 * each) / step)) for each in range(nodes))
    time = TimeLine(
        "2026-11-27T12:58:00Z",
        whole,
        Acks(0.4, fine, acks),
        (Gap("node2/broker", 13.2, 15.4),) if gap and nodes > 1 else (),
        tuple(spans),
        isr=Isr(0.0, step, steps, tuple(strips), tuple(each for each in unseen if each.end > each.first)),
    )
    each = Figures("node1/broker", 4000, 0, 0, 0, 0, 0.3, 3.1, 12.0, 912.4, 0)
    figures = (
        *(replace(each, subject=name) for name in names),
        replace(each, subject="in total", acked=4000 * nodes),
    )
    canary = Canary(
        "__kafab-canary", "confluent", "2.16.1", True, whole, 0.02, 0.4, {"NOT_LEADER": 3}, figures
    )
    return replace(
        base,
        kind="restart",
        verdict=Verdict("OK", f"{nodes} nodes restarted in {whole:.0f} s, no record lost", (), 0),
        findings=tuple(one for one in base.findings if one.severity == "OK"),
        roll=Roll(whole, tuple(Rolled(name, 8.0) for name in names), ()),
        time=time,
        canary=canary,
    )


def canary_of(nodes: int) -> Page:
    """Return the report of a canary on so many brokers that had nothing beside it."""
    roll = roll_of(nodes)
    assert roll.time
    return replace(
        roll,
        kind="canary",
        verdict=Verdict("OK", "of 12000 acknowledged records none lost, longest gap 0.3 s", (), 0),
        roll=None,
        time=replace(roll.time, spans=(), isr=None),
    )


def drill_page() -> Page:
    """Return the report of a drill of two cells."""
    acks = Acks(0.0, 0.25, tuple(Point(at, 12, 2.0, 4.0 + at % 3) for at in range(48) if not 20 < at < 30))
    time = TimeLine(
        "2026-11-27T12:58:00Z",
        12.5,
        acks,
        (Gap("writer", 5.2, 7.6),),
        marks=(Mark(5.0, "leader killed"), Mark(9.0, "node2/broker started")),
    )
    effects = Acks(0.0, 0.25, tuple(Point(at, 3, None, None) for at in range(40)), "effect")
    cells = (
        Cell(
            "acks=1, leader killed",
            "confluent",
            "acks 1, min ISR 1",
            "may lose",
            (Bounds("lost-write", 1, None),),
            control=True,
            measured={"lost-write": 7},
            also={"acked": 410, "longest gap s": 2.4},
            faults=("leader killed after 5.0 s",),
            verdict="shown",
            severity="OK",
            why="",
            time=time,
        ),
        Cell(
            "acks=all, leader killed",
            "kafka-python",
            "acks all, min ISR 2",
            "no loss",
            (Bounds("lost-write", 0, 0), Bounds("duplicate", 0, 2)),
            control=False,
            measured={},
            also={},
            faults=(),
            verdict="NOT MEASURED",
            severity="UNKNOWN",
            why="the writers to go on: not within 60 s",
            time=replace(time, acks=effects, gaps=(), marks=()),
        ),
    )
    drill = Drill("acks", "What an acknowledgement is worth", 7, 200, cells)
    verdict = Verdict("UNKNOWN", "1 of 2 cells could not be measured", (), 5)
    return replace(
        page_of(3),
        kind="drill",
        verdict=verdict,
        findings=(),
        drills=(drill,),
        clients={"confluent": "2.16.1"},
    )


def nasty(page: Page) -> Page:
    """Return the page with names that HTML would take for its own."""
    first, *rest = page.nodes
    found = Found(NASTY, NASTY, "WARN", NASTY, NASTY, {NASTY: {NASTY: [NASTY]}}, (NASTY,))
    return replace(
        page,
        cluster=NASTY,
        nodes=(replace(first, rack=NASTY, host=NASTY, name=NASTY, leads=NASTY), *rest),
        findings=(found, *page.findings),
        history=(Command("2026-11-20", NASTY, NASTY, NASTY, 1.0, 0, NASTY, {NASTY: NASTY}, (NASTY,)),),
        not_checked=(NASTY,),
    )
