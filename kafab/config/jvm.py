"""What flags of the JVM mean beside kafab's own: which have no effect, which files they read, and which they write.

kafab's own flags stand last on the command line (`templates/launch.j2`), and of two with one meaning Java takes the last.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

_HEAP = "use heap:, which sets -Xms and -Xmx"
_JMX = "use jmx_port:, with which kafab sets JMX up whole, without a login"
_LOGGING = "kafab writes the logging's configuration, and it is the one in force"
_CLASSES = "kafab starts Kafka with the class path of its release"
_ENDS = "with it Java starts no node"

_WITHOUT_EFFECT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"-Xm[xs].*|-m[xs]\d.*", _HEAP),
        (
            r"-XX:(MaxHeapSize|InitialHeapSize|MinHeapSize|MaxRAM|M\w+RAMFraction|InitialRAMFraction)=.*",
            _HEAP,
        ),
        (r"-XX:(Max|Min|Initial)RAMPercentage=.*", _HEAP),
        (r"-Dcom\.sun\.management\.jmxremote\.host=.*", "use jmx_bind:"),
        (r"-Dcom\.sun\.management\.jmxremote\.(port|rmi\.port|authenticate|ssl)(=.*)?", _JMX),
        (
            r"-Djava\.io\.tmpdir(=.*)?",
            "kafab gives each node a folder of its own for temporary files, below paths.run",
        ),
        (r"-Dlog4j2?\.configuration(File)?(=.*)?", _LOGGING),
        (r"-Djava\.class\.path(=.*)?|-(cp|classpath)", _CLASSES),
        (r"-(jar|m|p|version|fullversion|help|h|X)", _ENDS),
        # ZooKeeper makes a system property of a key in zoo.cfg, over the one that was given.
        (r"-Dzookeeper\.(4lw\.commands\.whitelist|admin\.enableServer)(=.*)?", "use zookeeper.properties"),
    )
)


def without_effect(flag: str) -> str | None:
    """Return what to do instead of a flag that kafab's own overrides, or that starts no node; None for any other."""
    return next((instead for known, instead in _WITHOUT_EFFECT if known.fullmatch(flag)), None)


_AGENT = re.compile(r"-(?:javaagent|agentpath):([^=]+)(?:=(.*))?")
_BOOT = re.compile(r"-Xbootclasspath/[ap]:(.*)")
_READ = re.compile(
    r"-D(?:java\.security\.(?:auth\.login\.config|krb5\.conf|properties|policy)"
    r"|javax\.net\.ssl\.(?:keyStore|trustStore)"
    r"|com\.sun\.management\.(?:config\.file|jmxremote\.password\.file|jmxremote\.access\.file))==?(.+)"
)
_SETTINGS = re.compile(r"/[^,;:=]*\.(?:ya?ml|properties|conf|xml)")
"""A file among the options of an agent: what else begins with a slash may be no path."""


def files_read(flags: Iterable[str]) -> tuple[PurePosixPath, ...]:
    """Return the files without which the process ends or goes without what it was given: agents, their settings, keys."""
    return tuple(dict.fromkeys(PurePosixPath(path) for path in _read(flags) if path.startswith("/")))


def _read(flags: Iterable[str]) -> Iterator[str]:
    for flag in flags:
        if agent := _AGENT.fullmatch(flag):
            yield agent[1]
            yield from _SETTINGS.findall(agent[2] or "")
        elif boot := _BOOT.fullmatch(flag):
            yield from boot[1].split(":")
        elif read := _READ.fullmatch(flag):
            yield read[1]


_WRITTEN = re.compile(
    r"-Xlog:[^:]*:(?:file=)?([^:]+).*|-Xloggc:(.+)|-XX:(?:HeapDumpPath|ErrorFile|LogFile|ReplayDataFile)=(.+)"
    r"|-XX:StartFlightRecording[:=](?:.*,)?filename=([^,]+).*|-XX:FlightRecorderOptions[:=](?:.*,)?repository=([^,]+).*"
)


def files_written(flags: Iterable[str]) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield each flag that makes Java write a file or folder of a certain path, and that path."""
    for flag in flags:
        if (found := _WRITTEN.fullmatch(flag)) and (path := next(filter(None, found.groups()))).startswith(
            "/"
        ):
            yield flag, PurePosixPath(path)
