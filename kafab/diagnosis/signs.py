"""The table from words of a log to a cause: Kafka's, ZooKeeper's, Java's and kafab's own messages, the most telling first.

A sign is looked for only in what the last process of a node in trouble has said. The order is that of the causes: what a machine
lacks comes before what a configuration has wrong, and that before what follows from another node. Most of the messages are
those of Kafka 2.4 to 4.3 (`kafka.server`, `org.apache.kafka.common.errors`, `MetaPropertiesEnsemble`), ZooKeeper 3.5 to 3.8 and OpenJDK.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from kafab.model import Node


@dataclass(frozen=True)
class Sign:
    """Words, what they mean, and what to do about it on a node."""

    name: str
    words: re.Pattern[str]
    text: str
    next: Callable[[Node], str]


def _sign(name: str, words: str, text: str, further: Callable[[Node], str]) -> Sign:
    return Sign(name, re.compile(words), text, further)


def _room(node: Node) -> str:
    return f"free room, then start it: `fab exec 'df -h {node.data[0]} {node.logs}' --limit {node.name}`"


def _configured(node: Node) -> str:
    return f"mend the inventory, then `fab deploy start --limit {node.name}`"


def _heap(node: Node) -> str:
    return f"give it more heap (heap: in the inventory), then `fab deploy`, then `fab restart --limit {node.name}`"


def _memory(node: Node) -> str:
    return f"heaps and page cache share the machine's memory: `fab preflight` compares them; `fab exec 'free -m' --limit {node.name}`"


def _certificate(_node: Node) -> str:
    return "`fab secure.check` shows every certificate, `fab secure.issue` makes new ones"


def _identity(node: Node) -> str:
    return (
        f"compare identity.txt with the other nodes': its data are another cluster's or node's. `fab exec 'cat {node.data[0]}/meta.properties'` "
        "shows all; never remove a meta.properties to get a node started"
    )


def _folder(node: Node) -> str:
    return f"`fab preflight` names each path and what mends it; `fab exec 'ls -ld {node.data[0]} {node.logs}' --limit {node.name}`"


def _java(_node: Node) -> str:
    return "`fab preflight` says which Java is there, and which one this version needs"


def _port(node: Node) -> str:
    held = " ".join(map(str, dict.fromkeys(node.ports.values())))
    return f"`fab preflight` names who holds a port (this node's: {held}); end that process, or change the port in the inventory"


def _quorum(_node: Node) -> str:
    return "`fab status` shows which voters run, `fab start` starts them; their own causes come first"


def _network(node: Node) -> str:
    return f"`fab preflight` tries names and ports from host to host; `fab logs {node.name}`"


def _logs(node: Node) -> str:
    return f"`fab logs {node.name} --lines 200`"


SIGNS: tuple[Sign, ...] = (
    _sign("disk-full", r"No space left on device|Disk quota exceeded", "its disk is full", _room),
    _sign(
        "read-only",
        r"Read-only file system",
        "its disk is read-only: a fault of the disk, or mounted so",
        _folder,
    ),
    _sign(
        "disk-error",
        r"java\.io\.IOException: Input/output error|Stale file handle",
        "its disk fails: what is written or read there ends with an error",
        lambda node: (
            f"hosts/…/kernel.txt has what the kernel says of it; `fab exec 'dmesg -T' --limit {node.name} --as-root`"
        ),
    ),
    _sign(
        "descriptors",
        r"Too many open files",
        "it has no file descriptors left",
        lambda node: (
            f"raise the limit (LimitNOFILE= of its unit, nofile of its login): `fab preflight` says how many it needs; `fab restart --limit {node.name}`"
        ),
    ),
    _sign(
        "native-threads",
        r"[Uu]nable to create (?:new )?native thread",
        "it may start no more threads: the account's or the unit's limit of tasks is reached",
        lambda node: f"`fab exec 'ulimit -u' --limit {node.name}`; unit.txt has TasksMax",
    ),
    _sign(
        "map-count",
        r"OutOfMemoryError: Map failed",
        "the kernel gives it no more memory maps (vm.max_map_count)",
        lambda node: (
            f"`fab exec 'sysctl vm.max_map_count' --limit {node.name}`; `fab preflight` says what it needs"
        ),
    ),
    _sign(
        "no-memory",
        r"insufficient memory for the Java Runtime|Could not reserve enough space|os::commit_memory.*failed|Cannot allocate memory",
        "the machine has no memory for its heap",
        _memory,
    ),
    _sign(
        "heap",
        r"OutOfMemoryError: (?:Java heap space|GC overhead limit|Direct buffer|Cannot reserve|Metaspace|Requested array)|Terminating due to java\.lang\.OutOfMemoryError",
        "it ran out of heap",
        _heap,
    ),
    _sign(
        "jvm-crash",
        r"A fatal error has been detected by the Java Runtime Environment|SIG(?:SEGV|BUS|ILL|FPE) \(0x",
        "the JVM itself crashed: a fault of Java, of memory or of a native library",
        lambda node: (
            f"crash.txt names the library; another build of Java is the usual way out, then `fab start --limit {node.name}`"
        ),
    ),
    _sign("java-missing", r"no Java: neither on the PATH", "no Java is found on its host", _java),
    _sign(
        "java-version",
        r"UnsupportedClassVersionError|Unrecognized VM option|Could not create the Java Virtual Machine|Unrecognized option:",
        "its Java is too old, or does not know a flag that it is given",
        _java,
    ),
    _sign(
        "agent",
        r"Error opening zip file or JAR manifest missing|Failed to find Premain-Class|agent library failed",
        "the agent for metrics does not load",
        lambda node: f"`fab deploy --limit {node.name}` brings it again, `fab start` starts the node",
    ),
    _sign(
        "not-mounted",
        r"/\S+ has held the data of id .+",
        "a data directory lacks what it has held: its disk is not mounted, or was replaced",
        lambda node: (
            f"mount it, then `fab start --limit {node.name}`; an empty disk that is meant: `fab deploy --accept-empty {node.name}`"
        ),
    ),
    _sign(
        "cluster-id",
        r"InconsistentClusterId|INCONSISTENT_CLUSTER_ID|Invalid cluster\.id in|but is expected to be .*cluster|doesn't match stored clusterId",
        "its data are those of another cluster: the cluster ids differ",
        _identity,
    ),
    _sign(
        "node-id",
        r"InconsistentBrokerId|Stored node id|doesn't match stored broker\.id|Invalid node\.id in|My id \d+ not in the peer list|Invalid config, my id",
        "its data are those of another node: the ids differ",
        _identity,
    ),
    _sign(
        "not-formatted",
        r"No `?meta\.properties`? found|No readable meta\.properties|myid file is missing",
        "its data directories were never formatted, or are empty",
        lambda node: (
            f"`fab plan --limit {node.name}` says what a deploy would do; on a disk that had data, mount it first"
        ),
    ),
    _sign(
        "data-in-use",
        r"Failed to acquire lock on file \.lock",
        "another process works in its data directory: a second broker, or one that was not ended",
        lambda node: f"find the other process and end it: `fab exec 'ps -ef' --limit {node.name}`",
    ),
    _sign(
        "closed-folder",
        r"AccessDeniedException|\(Permission denied\)|: Permission denied|Failed to create data directory|Unable to create data directory",
        "its account may not read or write a folder or file that it needs",
        _folder,
    ),
    _sign("port-taken", r"Address already in use", "a port that it needs is taken by another process", _port),
    _sign(
        "foreign-address",
        r"Cannot assign requested address|Unresolved address",
        "it is to listen on an address that its host does not have",
        _configured,
    ),
    _sign(
        "certificate-expired",
        r"CertificateExpiredException|certificate_expired|certificate has expired|NotAfter:",
        "a certificate has expired",
        _certificate,
    ),
    _sign(
        "certificate-not-yet",
        r"CertificateNotYetValidException|NotBefore:",
        "a certificate is not valid yet: a clock is wrong, or it was made on a machine that is ahead",
        _certificate,
    ),
    _sign(
        "certificate-refused",
        r"PKIX path (?:building|validation) failed|unable to find valid certification path|bad_certificate|certificate_unknown|No subject alternative|No name matching",
        "a certificate is not accepted: of another CA, or made for another name",
        _certificate,
    ),
    _sign(
        "key-store",
        r"[Kk]eystore (?:password was incorrect|was tampered with)|Failed to load SSL keystore|UnrecoverableKeyException|Invalid PEM|No matching PRIVATE KEY",
        "its key store or key cannot be opened: another password, a damaged or missing file",
        lambda node: (
            f"`fab secure.check` judges them here, `fab deploy --limit {node.name}` puts them on the host again"
        ),
    ),
    _sign(
        "login-refused",
        r"SaslAuthenticationException|Authentication failed(?: due to)?|SASL authentication failed",
        "a login is refused: a user or a password is not the one that the other side knows",
        lambda _node: (
            "`fab access.plan` compares the users; between brokers see between_brokers: in the inventory"
        ),
    ),
    _sign(
        "version",
        r"UnsupportedVersionException|No MetadataVersion with|metadata\.version .* is not supported|kraft\.version .* not supported|Unknown metadata\.version",
        "its release does not know the version that the cluster's metadata have",
        lambda _node: "`fab upgrade.status` shows versions; a release older than the metadata cannot run",
    ),
    _sign(
        "damaged-data",
        r"CorruptRecordException|CorruptIndexException|Unable to load database on disk|No snapshot found, but there are log entries|InvalidOffsetException",
        "its data are damaged, or a part of them is missing",
        lambda node: (
            f"do not remove anything yet; with all partitions replicated elsewhere this node can be filled anew: `fab verify --read-only`, `fab logs {node.name}`"
        ),
    ),
    _sign(
        "log-dir-failed",
        r"all log dirs in .+ have failed|Stopping serving (?:logs|replicas) in dir|KafkaStorageException",
        "Kafka has given up a data directory after an error of its disk",
        _folder,
    ),
    _sign(
        "duplicate-id",
        r"DuplicateBrokerRegistration|DUPLICATE_BROKER_REGISTRATION|NodeExistsException|KeeperErrorCode = NodeExists",
        "its id is registered already: by its own process of before, for some seconds yet, or by another broker",
        lambda node: (
            f"wait half a minute, then `fab start --limit {node.name}`; if it stays, another broker has the same id"
        ),
    ),
    _sign(
        "configuration",
        r"ConfigException|Missing required configuration|IllegalArgumentException: requirement failed|Invalid value .* for configuration|Error processing \S*zoo\.cfg",
        "its configuration is refused",
        _configured,
    ),
    _sign(
        "no-quorum",
        r"ZooKeeperClientTimeoutException|Timed out waiting for connection while in state: CONNECTING|Cannot open channel to \d+|not currently serving requests|"
        r"waiting for the controller to acknowledge|[Uu]nable to (?:register|send) .*controller|controller quorum voters future",
        "it waits for the voters: ZooKeeper or the controllers do not answer it",
        _quorum,
    ),
    _sign(
        "unknown-host",
        r"UnknownHostException|Couldn't resolve server|Name or service not known",
        "it cannot look up the name of another host",
        _network,
    ),
)
"""In the order in which causes are told."""

LAST_ERROR = Sign(
    "last-error", re.compile(r"(?!)"), "the error that it ended with, or has logged last", _logs
)
"""Stands for an error that no sign is about."""
