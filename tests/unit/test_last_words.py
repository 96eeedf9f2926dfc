"""Why a process ended, read from its last lines."""

import pytest

from kafab.hosts.last_words import cause, mended_by_time

CONFIG = "org.apache.kafka.common.config.ConfigException: Invalid value org.example.Missing for principal.builder.class"
FOUND = "org.apache.kafka.common.KafkaException: Found directory /data/lost+found, 'lost+found' is not in the form of topic"
HEAP = 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space'


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            [
                "INFO starting (kafka)",
                "ERROR Exiting Kafka due to fatal exception (kafka.Kafka$)",
                CONFIG,
                "INFO bye",
            ],
            CONFIG,
        ),
        (
            [
                "[2026-01-02 03:04:05,678] ERROR There was an error in one of the threads during logs loading (x)",
                "[2026-01-02 03:04:05,679] ERROR [KafkaServer id=1] Fatal error during KafkaServer startup. (x)",
                FOUND,
                "Caused by: java.io.IOException: second",
                "[2026-01-02 03:04:06,000] INFO shutting down (kafka)",
                "[2026-01-02 03:04:06,001] ERROR Exiting Kafka. (kafka)",
            ],
            FOUND,
        ),
        (["ERROR one (a)", "ERROR Disk error while locking (b)"], "ERROR Disk error while locking (b)"),
        ([HEAP], HEAP),
        (
            ["Unrecognized VM option 'UseFoo'", "Error: Could not create the JVM."],
            "Unrecognized VM option 'UseFoo'",
        ),
        (
            ["no Java: neither on the PATH nor in /usr/lib/jvm"],
            "no Java: neither on the PATH nor in /usr/lib/jvm",
        ),
        (["INFO all is well (kafka)"], ""),
        ([], ""),
    ],
)
def test_cause_is_the_exceptions_own_line(lines: list[str], why: str) -> None:
    """The exception below the fatal error is told; else the error, what Java threw, or what it refused."""
    assert cause(lines) == why


def test_old_session_is_mended_by_time() -> None:
    """A killed broker is refused until its session has ended: the same start goes well then, a bad value never does."""
    why = "org.apache.zookeeper.KeeperException$NodeExistsException: KeeperErrorCode = NodeExists"
    assert (mended_by_time(why), mended_by_time(CONFIG)) == (True, False)
