"""Whether a broker loads or recovers its logs, read from its log; pure.

After an unclean stop a broker reads every segment that it had not flushed before it registers: minutes, with many partitions.
kafka.log.LogManager says that it found no mark of a clean shutdown, counts the logs that it has loaded (from Kafka 2.6 on),
and says when all are loaded. LogLoader says of each segment that it recovers it (from Kafka 3.3 on with a count): a log of
thousands of segments takes minutes, in which no log is counted.
"""

import re
from collections.abc import Sequence

LINES = (
    "[0-9]/[0-9]+ (loaded|completed) in ",
    "Recovering unflushed segment ",
    "no clean shutdown file was found|Loaded [0-9]+ logs in ",
)
"""Which lines of a log are looked at, for ``grep -E``; those of which there are few come last, as their order decides."""
_UNCLEAN = "no clean shutdown file was found"
_COUNTED = re.compile(r"\((\d+)/(\d+) (?:loaded|completed) in (\S+)\)")
_SEGMENT = re.compile(
    r"Recovering unflushed segment (\d+)(?:\. (\d+)/(\d+) recovered for (\S+?)\.?(?:\s|$))?"
)
_LOADED = re.compile(r"Loaded \d+ logs in ")


def recovering(lines: Sequence[str]) -> str:
    """Return what a broker that loads its logs does, with how many remain; "" where it does not, or has done so."""
    ended = [at for at, line in enumerate(lines) if _LOADED.search(line)]
    since = lines[ended[-1] + 1 :] if ended else lines
    unclean = any(_UNCLEAN in line for line in since)
    counts = {found[3]: (int(found[1]), int(found[2])) for line in since if (found := _COUNTED.search(line))}
    segments = [found for line in since if (found := _SEGMENT.search(line))]
    if not unclean and not counts and not segments:
        return ""
    what = "recovers its logs after an unclean stop" if unclean or segments else "loads its logs"
    if counts:
        left = sum(total - done for done, total in counts.values())
        what += f", {left} of {sum(total for _, total in counts.values())} remain"
    if segments:
        offset, done, every, log = segments[-1].groups()
        what += f", {done} of {every} segments of {log} done" if log else f", a segment at offset {offset}"
    return f"{what}; leave it alone, a restart would begin anew"
