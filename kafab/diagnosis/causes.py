"""From what was gathered to the likely causes, the likeliest first; pure.

A node in trouble gets one cause, the first of its rules that holds: what its machine lacks, then what is wrong with its data or
its configuration, then how its process ended, then what it waits for. One fault is told once, with all whom it has hit. A node that runs
and serves is no reason to look into its log, in which old errors may stand; its disk and its host's clock are judged all the same.
Where no node is in trouble, the findings of the cluster are the causes.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from kafab.diagnosis.evidence import RUNS, Cause, Evidence, HostEvidence, Line, NodeEvidence, numbered
from kafab.diagnosis.signs import LAST_ERROR, SIGNS, Sign
from kafab.findings import Severity
from kafab.hosts.last_words import LEVEL, cause
from kafab.words import few

MOST = 6
"""Causes that are told; what is further down is in the archive."""
CLOCK_SECONDS = 5.0
FULL_KIB = 64 * 1024
"""A file system with less is full: a segment of Kafka's log takes two indexes of 10 MiB each at once."""
_NEARLY_ALL = 0.95
_LAST = 250
"""Lines at the end of a log in which the reason of an exit stands: Kafka logs its shutdown behind it."""
_WAITING = frozenset({"no-quorum", "unknown-host", "login-refused", "duplicate-id"})
"""Signs that are no reason of an end where nothing says that they were: a process goes on trying."""

_ROOM = re.compile(
    r"room (\S+): (\d+) of (\d+) KiB free, (\d+|-) of (\d+|-) inodes free, (\S+) at (\S+)", re.ASCII
)
_MOUNT = re.compile(r"mount (\S+): (\S+)")
_KILLED = re.compile(r"[Kk]illed process (\d+)")
_OOM = re.compile(r"Result=oom-kill|killed by the OOM killer|Failed with result 'oom-kill'")
_OPEN = re.compile(r"open files: (\d+)")
_MOST_OPEN = re.compile(r"Max open files\s+(\d+)")
_HELD = re.compile(r"port (\d+): (?!nobody listens)")
_OF_ANOTHER = " now it has those of cluster "
"""What `hosts.held` says of a directory with another cluster's data."""
_FROZEN = re.compile(r"State:\s+[Tt] \(|is stopped by a signal or a debugger")
_DEADLOCK = re.compile(r"Found \S+ Java-level deadlock")
_RECOVERS = re.compile(
    r"Recovering unflushed segment|Loading logs from|Loading producer state|Skipping recovery|Reloading from producer snapshot"
)
_SIGNALLED = re.compile(r"Main process exited, code=(?:killed|dumped), status=\d+/(?!TERM)")
_YOUNG = 60.0
"""Seconds after its start in which nothing is wrong with a process that does not serve yet."""
_ORDERLY = re.compile(
    r"[Ss]hut ?down completed|Exiting normally|Terminating process due to signal|Deactivated successfully"
)

_OF_MACHINE = ("oom-kill", "clock", "path", "host-silent", "not-deployed")
_WHILE_IT_RUNS = ("frozen", "deadlock")
_OF_AN_END = ("killed", "recovers", "starting", "hangs", "ended", "lacks", LAST_ERROR.name, "stopped")
_MEANT = [sign.name for sign in SIGNS if sign.name not in _WAITING]
_FIRST = _MEANT[: _MEANT.index("cluster-id")]
_WAITS = [sign.name for sign in SIGNS if sign.name in _WAITING]
_OF_A_NODE = (*_FIRST, *_OF_MACHINE, *_MEANT[len(_FIRST) :], *_WHILE_IT_RUNS, *_WAITS, *_OF_AN_END)
"""In this order a node's cause is chosen."""
_OF_ALL = (*(name for name in _OF_A_NODE if name not in _WAITING), *_WAITS)
"""In this order the causes of all nodes are told: who waits for others comes behind the others' own causes."""


def causes(evidence: Evidence) -> tuple[Cause, ...]:
    """Return the likely causes, the likeliest first, at most `MOST`; none where nothing is wrong."""
    hosts = {host.name: host for host in evidence.hosts}
    found = [
        one
        for node in evidence.nodes
        if (one := _of_node(node, hosts.get(node.node.host.name) or HostEvidence(node.node.host.name)))
    ]
    found += [one for host in evidence.hosts for one in _clock(host)]
    if not any(node.in_trouble for node in evidence.nodes):
        found += _findings(evidence)
    return tuple(sorted(_joined(found), key=lambda one: _rank(one, _OF_ALL))[:MOST])


def _rank(found: Cause, order: Sequence[str]) -> int:
    return order.index(found.sign) if found.sign in order else len(order)


def _joined(found: Sequence[Cause]) -> Iterator[Cause]:
    """Yield the causes; one that several nodes share, whatever line shows it, is one."""
    together: dict[tuple[str, str], list[Cause]] = {}
    for one in found:
        together.setdefault((one.sign, one.text), []).append(one)
    for same in together.values():
        first = same[0]
        subjects = tuple(dict.fromkeys(subject for one in same for subject in one.subjects))
        # What is to be typed for one of them is for all of them.
        further = first.next.replace(f"--limit {first.subjects[0]}", f"--limit {','.join(subjects)}")
        yield Cause(first.sign, subjects, first.text, first.evidence, first.place, further)


def _of_node(node: NodeEvidence, host: HostEvidence) -> Cause | None:
    """Return the first cause, in the order of the causes, that a rule has found of a node."""
    always = list(_disk(node))
    if not node.in_trouble:
        return always[0] if always else None
    every = [*always, *(one for rule in _RULES for one in rule(node, host))]
    return min(every, key=lambda one: _rank(one, _OF_A_NODE), default=None)


def _cause(sign: str, node: NodeEvidence, text: str, line: Line, further: str) -> Cause:
    return Cause(sign, (node.name,), text, line.text.strip(), line.place, further)


def _sign(name: str) -> Sign:
    return next(sign for sign in SIGNS if sign.name == name)


def _by_sign(name: str, node: NodeEvidence, line: Line) -> Cause:
    sign = _sign(name)
    return _cause(name, node, sign.text, line, sign.next(node.node))


def _disk(node: NodeEvidence) -> Iterator[Cause]:
    mounts: dict[str, tuple[str, Line]] = {}
    points: list[str] = []
    for line in node.lines("folders"):
        if found := _ROOM.fullmatch(line.text):
            points.append(found[7])
            if int(found[2]) < FULL_KIB or (found[4] == "0" and found[5] not in ("0", "-")):
                yield _by_sign("disk-full", node, line)
        elif found := _MOUNT.fullmatch(line.text):
            mounts[found[1]] = found[2], line
    for point in points:
        options, line = mounts.get(point, ("", Line("", "")))
        if "ro" in options.split(","):
            yield _by_sign("read-only", node, line)


def _memory(node: NodeEvidence, host: HostEvidence) -> Iterator[Cause]:
    text = "the kernel has killed it, as memory ran out"
    further = f"heaps and page cache share the machine's memory: `fab preflight` compares them; then `fab start --limit {node.name}`"
    if node.state == RUNS:
        return
    kernel = numbered(host.texts["kernel"]) if "kernel" in host.texts else ()
    for line in kernel:
        found = _KILLED.search(line.text)
        if found and node.pid == int(found[1]):
            yield _cause("oom-kill", node, text, line, further)
    for name in ("unit", "systemd"):
        for line in node.lines(name):
            if _OOM.search(line.text):
                yield _cause("oom-kill", node, text, line, further)


def _files(node: NodeEvidence, _host: HostEvidence) -> Iterator[Cause]:
    have: tuple[int, Line] | None = None
    for line in node.lines("process"):
        if found := _OPEN.fullmatch(line.text):
            have = int(found[1]), line
        elif (found := _MOST_OPEN.match(line.text)) and have and have[0] >= _NEARLY_ALL * int(found[1]):
            yield _by_sign("descriptors", node, Line(f"{have[1].text}; {line.text}", line.place))


def _ports(node: NodeEvidence, host: HostEvidence) -> Iterator[Cause]:
    """Yield the ports of a node that does not run which somebody else has."""
    if node.state not in ("stopped", "exited", "restarting") or "ports" not in host.texts:
        return
    for line in numbered(host.texts["ports"]):
        if (found := _HELD.match(line.text)) and int(found[1]) in node.node.ports.values():
            yield _by_sign("port-taken", node, line)


def _host(node: NodeEvidence, host: HostEvidence) -> Iterator[Cause]:
    if node.state == "UNKNOWN":
        further = (
            "what is said above is the next step; its console or its provider tells whether the machine runs"
        )
        reason = node.reason or host.unreachable
        text = "the host does not answer"
        if host.texts:
            text = "what runs there is unknown: the host lets nobody look as root"
            further = "what is said above is the next step; what its login user may read is in the archive"
        yield Cause("host-silent", (host.name,), text, reason, "", further)


def _paths(node: NodeEvidence, _host: HostEvidence) -> Iterator[Cause]:
    if node.state == "not deployed":
        further = f"`fab deploy start --limit {node.name}`"
        yield Cause("not-deployed", (node.name,), "nothing was deployed there", "not deployed", "", further)
    elif node.reason and node.state != "UNKNOWN":
        sign = _sign("cluster-id" if _OF_ANOTHER in node.reason else "not-mounted")
        yield Cause(sign.name, (node.name,), sign.text, node.reason, "", sign.next(node.node))
    for trouble in node.troubles:
        yield Cause(
            "path", (node.name,), "its process does not find what it needs", trouble.text, "", trouble.mend
        )


def _words(node: NodeEvidence, _host: HostEvidence) -> Iterator[Cause]:
    """Yield what the errors of its last process say; warnings, too, where it still runs."""
    levels = ("ERROR", "FATAL", "WARN") if node.state == RUNS else ("ERROR", "FATAL")
    for text in node.said:
        lines = list(_grave(list(numbered(text))[-_LAST:], levels))
        for sign in SIGNS:
            ended = node.state != RUNS and sign.name in _WAITING
            if ended and not cause([line.text for line in lines]):
                continue
            if found := next((line for line in reversed(lines) if sign.words.search(line.text)), None):
                yield _cause(sign.name, node, sign.text, found, sign.next(node.node))
        if why := cause([line.text for line in lines]):
            line = next((one for one in lines if one.text.strip() == why), Line(why, text.path))
            yield _cause(LAST_ERROR.name, node, LAST_ERROR.text, line, LAST_ERROR.next(node.node))


def _grave(lines: Sequence[Line], levels: Sequence[str]) -> Iterator[Line]:
    """Yield the lines of messages of these levels, and those that belong to no message."""
    grave = True
    for line in lines:
        if level := LEVEL.match(line.text):
            grave = level[1] in levels
        if grave:
            yield line


def _end(node: NodeEvidence, _host: HostEvidence) -> Iterator[Cause]:
    """Yield how a process ended that has not said why."""
    if node.state == "stopped":
        line = next(node.lines("process"), Line("its process was asked to stop", ""))
        further = f"`fab history` shows who stopped it, `fab start --limit {node.name}` starts it"
        yield _cause("stopped", node, "it was stopped, and has not failed", line, further)
    if node.state not in ("exited", "restarting"):
        return
    last = [line for text in node.said for line in numbered(text) if line.text.strip()]
    if orderly := next((line for line in reversed(last[-_LAST:]) if _ORDERLY.search(line.text)), None):
        further = f"`fab history` shows what kafab did; `fab start --limit {node.name}`"
        yield _cause("ended", node, "it was ended in an orderly way, and not by kafab", orderly, further)
    elif not any(cause([line.text for line in numbered(text)][-_LAST:]) for text in node.said):
        line = next((line for line in reversed(last) if LEVEL.match(line.text)), Line("nothing", ""))
        told = Line(f"the last that it said: {line.text.strip()}", line.place)
        text = "its process was ended from outside (SIGKILL): no error and no shutdown is in its log"
        further = f"`fab start --limit {node.name}`; hosts/{node.node.host.name}/kernel.txt has what the kernel says of memory"
        yield _cause("killed", node, text, told, further)


def _young(node: NodeEvidence, _host: HostEvidence) -> Iterator[Cause]:
    """Yield that a process which does not serve was started a moment ago, and by which end of the one before."""
    if node.state != RUNS or node.up_s is None or node.up_s > _YOUNG:
        return
    age = f"{node.up_s:.0f} s ago"
    ends = [line for line in node.lines("systemd") if _SIGNALLED.search(line.text)]
    further = (
        f"`fab start --limit {node.name}` waits until it serves; `fab logs {node.name}` shows what it is at"
    )
    if ends:
        text = f"its process was ended from outside, and systemd has started it again {age}: it does not serve yet"
        yield _cause("killed", node, text, ends[-1], further)
    else:
        fact = Line(f"started {age}: {node.lacks}", "")
        yield _cause("starting", node, "it was started a moment ago, and does not serve yet", fact, further)


def _hangs(node: NodeEvidence, _host: HostEvidence) -> Iterator[Cause]:
    """Yield why a process that runs does not serve."""
    if node.state not in ("running", "stopping"):
        return
    for line in (*node.lines("threads"), *node.lines("process")):
        if _FROZEN.search(line.text):
            command = f"`fab exec 'kill -CONT {node.pid}' --limit {node.name}`"
            if node.node.host.user:
                command = f"`fab exec 'kill -CONT {node.pid}' --as-root --limit {node.name}`"
            further = f"{command} lets it go on; see first who has stopped it"
            yield _cause(
                "frozen", node, "its process is stopped by a signal, or held by a debugger", line, further
            )
        if _DEADLOCK.search(line.text):
            further = f"threads.txt names the threads; `fab restart --limit {node.name}` ends it"
            yield _cause("deadlock", node, "its threads wait for each other for ever", line, further)
    last = [line for text in node.said for line in list(numbered(text))[-40:]]
    if busy := next((line for line in reversed(last) if _RECOVERS.search(line.text)), None):
        further = f"do not restart it; `fab logs {node.name} --follow` shows how far it is"
        yield _cause(
            "recovers", node, "it loads or recovers its logs, and serves when that is over", busy, further
        )
    if not node.answers or node.state == "stopping":
        fact = node.lacks or "it was asked to stop, and is still there"
        place = node.texts["threads"].path if "threads" in node.texts else ""
        further = f"threads.txt shows what its threads wait for; `fab logs {node.name}`"
        yield Cause("hangs", (node.name,), "its process runs and does not answer", fact, place, further)
    elif node.lacks:
        yield Cause(
            "lacks",
            (node.name,),
            f"it runs and does not serve: {node.lacks}",
            node.lacks,
            "",
            f"`fab logs {node.name}`",
        )


def _clock(host: HostEvidence) -> Iterator[Cause]:
    ahead = host.ahead_s
    if ahead is not None and abs(ahead) > CLOCK_SECONDS:
        fact = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine"
        text = "its clock is wrong: certificates, sessions and retention follow it"
        yield Cause(
            "clock",
            (host.name,),
            text,
            fact,
            "",
            f"start chrony or systemd-timesyncd on {host.name}; `fab preflight`",
        )


def _findings(evidence: Evidence) -> Iterator[Cause]:
    """Yield what is wrong with a cluster whose nodes all run and answer."""
    for found in evidence.findings:
        if found.severity in (Severity.CRIT, Severity.UNKNOWN) and not found.caused_by:
            further = found.hint or "`fab verify --read-only` shows all findings"
            text = f"{found.detail} ({found.check})"
            yield Cause(found.check, (found.subject,), text, found.detail, "findings.txt", further)


_Rule = Callable[[NodeEvidence, HostEvidence], Iterator[Cause]]
_RULES: tuple[_Rule, ...] = (_memory, _files, _ports, _host, _paths, _words, _end, _young, _hangs)


def told(cause: Cause) -> str:
    """Return a cause in a sentence: ``node1/broker: its disk is full``."""
    return f"{few(cause.subjects)}: {cause.text}"
