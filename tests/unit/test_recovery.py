"""Whether a broker recovers its logs, read from what it has logged."""

import pytest

from kafab.hosts.recovery import recovering

UNCLEAN = "INFO Recovering 40 logs from /data1 since no clean shutdown file was found (kafka.log.LogManager)"
DONE = "INFO Completed load of Log(dir=/data1/t-{0}, topic=t, partition={0}) with 1 segments in 9ms ({0}/40 completed in /data1)"
OLDER = "INFO Completed load of log with 1 segments in 9ms (3/10 loaded in /data2) (kafka.log.LogManager)"
SEGMENT = "INFO [LogLoader partition=t-3, dir=/data1] Recovering unflushed segment 4711. 7/900 recovered for t-3. (k.log.LogLoader)"
OLD_SEGMENT = "INFO [Log partition=t-3, dir=/data1] Recovering unflushed segment 4711 (kafka.log.Log)"
LOADED = "INFO Loaded 40 logs in 5123ms (kafka.log.LogManager)"
ALONE = "; leave it alone, a restart would begin anew"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], ""),
        ([UNCLEAN], f"recovers its logs after an unclean stop{ALONE}"),
        (
            [UNCLEAN, DONE.format(1), DONE.format(2)],
            f"recovers its logs after an unclean stop, 38 of 40 remain{ALONE}",
        ),
        (
            [UNCLEAN, DONE.format(12), OLDER],
            f"recovers its logs after an unclean stop, 35 of 50 remain{ALONE}",
        ),
        ([DONE.format(12)], f"loads its logs, 28 of 40 remain{ALONE}"),
        ([UNCLEAN, DONE.format(40), LOADED], ""),
        (
            [DONE.format(12), SEGMENT, UNCLEAN],
            f"recovers its logs after an unclean stop, 28 of 40 remain, 7 of 900 segments of t-3 done{ALONE}",
        ),
        ([OLD_SEGMENT], f"recovers its logs after an unclean stop, a segment at offset 4711{ALONE}"),
        ([SEGMENT, UNCLEAN, LOADED], ""),
        (
            [LOADED, UNCLEAN, DONE.format(4)],
            f"recovers its logs after an unclean stop, 36 of 40 remain{ALONE}",
        ),
    ],
)
def test_recovery_is_told_with_what_remains(lines: list[str], told: str) -> None:
    """All log directories count, the last count of each; what was loaded before this start is none of it."""
    assert recovering(lines) == told
