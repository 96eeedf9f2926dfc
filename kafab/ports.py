"""What the library needs of the world, as small Protocols. `adapters` implement them, `testing` fakes them.

No method raises for a host's or a cluster's fault: what could not be read or done is an ``Unknown`` with the reason.

The file is over 400 lines long because it is the one list of what adapters and fakes have to do: many small Protocols, no code.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeAlias

from kafab.access.values import Account, Acl, Credential, Limit
from kafab.canary.figures import Figures
from kafab.cluster.metadata import (
    ConfigEntry,
    Controller,
    KraftBroker,
    Member,
    Metadata,
    Produced,
    QuorumState,
    Registration,
    ReplicaState,
    Setting,
    TopicSpec,
)
from kafab.cluster.walls import Door, Knocked
from kafab.command import Outcome, Script, Secret
from kafab.config.render import Stores
from kafab.drills.history import Event
from kafab.drills.orders import Order as WorkerOrder
from kafab.drills.orders import Role
from kafab.events import Emit
from kafab.findings import Finding
from kafab.groups.values import At, Commit, Ends, Group, Listed, Listing
from kafab.hosts.ways import Passage
from kafab.listeners import Protocol as ListenerProtocol
from kafab.login import IN_THE_CLEAR, Identity, Login
from kafab.model import AgentFile, Endpoint, Node, Version
from kafab.records.reading import Found, Progress, Reading, ReadOrder
from kafab.records.settings import Client, ConsumerSettings, ProducerSettings
from kafab.records.writing import Acked, Order, Written
from kafab.references import Reference
from kafab.releases.archive import Content
from kafab.releases.names import Agent, Artifact, ReleaseName
from kafab.unknown import Unknown


@dataclass(frozen=True)
class Upload:
    """A local file for one host. The script reads the bytes from ``offset`` on, on its stdin, and prints what it made of them."""

    source: Path
    script: Script
    offset: int = 0


@dataclass(frozen=True)
class Download:
    """A file to write here with what one host's script prints. The script's timeout is for the silence between two bytes."""

    target: Path
    script: Script
    name: str
    """What the file is called when its progress is told."""


Hear: TypeAlias = Callable[[str, bytes, bytes], object]
"""``hear(host, output, errors)`` takes the next piece of what a host prints, a mebibyte of each stream at most."""


class Fleet(Protocol):
    """All hosts of a cluster over SSH: one connection a host, opened side by side on first use and kept."""

    def run(
        self, scripts: Mapping[str, Script], *, each: Callable[[str, Outcome], None] | None = None
    ) -> dict[str, Outcome]:
        """Run one script a host, side by side; ``each`` is called as answers come in. Keys are host names.

        A host that cannot be reached, a dropped connection and a passed timeout are Unknown. A non-zero exit
        is a Result. The script travels on stdin of ``env -i PATH=... LC_ALL=C sh`` and is run whole or not at all.
        Output beyond ``command.ANSWER_LIMIT`` is Unknown; longer errors than ``ERRORS_LIMIT`` keep their two ends.
        Ctrl-C leaves scripts behind and goes on at once; where one of them ``changes`` something, it goes on when all that
        have begun are over, or with another Ctrl-C.
        """

    def together(self, scripts: Mapping[str, Script]) -> dict[str, Outcome]:
        """Run one script a host, side by side, with a starting line: what stands behind it begins on all hosts at one moment.

        A script comes to its line by printing ``ready`` as the first of its output, which is left out of the outcome, and reads
        stdin, whose end is the sign to go on. Nobody waits longer than 10 s for another host, nor for a script that ends
        without a line.
        """

    def stream(
        self,
        scripts: Mapping[str, Script],
        hear: Hear,
        *,
        each: Callable[[str, Outcome], None] | None = None,
    ) -> dict[str, Outcome]:
        """Run one script a host, side by side, and hand on what they print as it comes, however much that is.

        Outcomes are those of `run`, without the output. What ``hear`` has not taken yet waits on the host; a host that has
        not said everything by the script's timeout is Unknown, however little of that time was its own.
        """

    def send(self, uploads: Mapping[str, Upload], emit: Emit) -> dict[str, Outcome]:
        """Stream one file a host, side by side, to the stdin of the upload's script; progress goes to ``emit``."""

    def receive(self, downloads: Mapping[str, Download], emit: Emit) -> dict[str, Outcome]:
        """Write the output of one script a host to a file here, side by side; progress goes to ``emit``.

        The file is whole only where the outcome is a Result with exit code 0, whose ``out`` is empty then.
        """

    def follow(self, host: str, script: Script) -> Iterator[bytes]:
        """Yield output as it comes until the script ends or the iterator is closed (which ends it over there)."""

    def hold(
        self, host: str, script: Script, last: Callable[[], str] | None = None
    ) -> AbstractContextManager[Outcome]:
        """Start a script whose stdin stays open for the length of the block; yields its first line of output.

        When the block ends, or this process dies, its stdin is closed. It is how a lock lives as long as its owner.
        Where the block ends, the script reads before that what ``last`` returns by then, as one line.
        """

    def host_key(self, host: str) -> str | Unknown:
        """Return the host key that the open connection to a host has verified, as known_hosts has it: ``type base64``."""

    def greeting(self, host: str) -> str:
        """Return what the host's login printed before its last script, which is never output; empty where it was silent."""

    def close(self) -> None:
        """Close every connection."""


class ZooKeeper(Protocol):
    """A ZooKeeper ensemble as the cluster's inventory names it, below the cluster's chroot."""

    def member(self, at: Endpoint) -> Member | Unknown:
        """Ask one server for its state with the four-letter words srvr and (the leader) mntr."""

    def registrations(self) -> Mapping[int, Registration] | Unknown:
        """Read ``/brokers/ids``: the brokers whose session lives. No such path is an empty mapping: nothing registered yet."""

    def controller(self) -> Controller | Unknown:
        """Read ``/controller`` and ``/controller_epoch``."""

    def cluster_id(self) -> str | Unknown | None:
        """Read ``/cluster/id``; None where no broker has ever been started."""

    def force_election(self) -> Unknown | None:
        """Delete ``/controller``: every live broker then stands for election (what kafka's own docs and tests do)."""

    def close(self) -> None:
        """End the session, if one was opened."""


class Controllers(Protocol):
    """The KRaft controllers of a cluster, as the inventory names them."""

    def describe(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> QuorumState | Unknown:
        """Return the leader's own description: asked of all controllers, or through the one node at ``at``.

        A broker passes the question on to the leader that it knows, so its answer proves that it reaches that one. A
        controller that does not lead answers Unknown, and so do all of them while nobody leads.
        """

    def leader(self, at: Endpoint, *, timeout: timedelta = timedelta(seconds=5)) -> int | Unknown | None:
        """Ask one controller whom it takes for the leader; None: it knows none.

        No proof that anybody leads: a follower of Kafka 4 that has lost its majority goes on naming the last leader
        (KIP-996, a prospective candidate keeps it). ``describe`` is the proof.
        """

    def features(self, at: Endpoint | None = None) -> Mapping[str, int] | Unknown:
        """Return the finalized features, name -> level, as the node at ``at`` has heard of them, or any node."""

    def known_levels(self, at: Endpoint) -> Mapping[str, tuple[int, int]] | Unknown:
        """Ask one node which levels of each feature its release knows: name -> lowest, highest."""

    def finalize(self, levels: Mapping[str, int], *, try_only: bool) -> Mapping[str, str] | Unknown:
        """Raise features to these levels; ``try_only`` has them judged and changes nothing.

        Returns Kafka's words for each one that is refused. Unknown: whether they were raised is not known.
        """

    def brokers(self, *, timeout: timedelta = timedelta(seconds=5)) -> Mapping[int, KraftBroker] | Unknown:
        """Return the registered brokers by id, as all brokers that answer know them; one is fenced where any says so.

        Each broker answers from its own copy of the metadata: a lagging broker misses newcomers, an isolated broker believes
        that all are alive. Before Kafka 4.0 fenced brokers cannot be listed; a broker counts if a majority of the answers
        lists it.
        """

    def close(self) -> None:
        """Close every connection."""


class Brokers(Protocol):
    """What the brokers of a cluster say when a client asks them. Nothing is changed."""

    def metadata(
        self, at: Endpoint | None = None, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Metadata | Unknown:
        """Ask the broker at ``at`` alone for its view, or any broker of the cluster."""

    def through_ssh(self) -> bool:
        """Whether a broker is reached through SSH, where librdkafka cannot go; asks the brokers where nothing is known yet."""

    def topic_configs(
        self, topics: Sequence[str], keys: Sequence[str] | None = None
    ) -> Mapping[str, Mapping[str, ConfigEntry]] | Unknown:
        """Return topic -> property -> entry for each topic: all properties, or those of ``keys``.

        Only a topic that no broker that answers knows is left out.
        """

    def broker_configs(
        self,
        broker: int,
        at: Endpoint,
        keys: Sequence[str] | None = None,
        *,
        timeout: timedelta = timedelta(seconds=5),
    ) -> Mapping[str, Setting] | Unknown:
        """Ask the broker of that id at ``at`` for its running configuration: all properties, or those of ``keys`` that it has."""

    def log_dirs(
        self, at: Endpoint, *, timeout: timedelta = timedelta(seconds=5)
    ) -> Mapping[str, str | None] | Unknown:
        """Ask the broker at ``at`` for its log directories (DescribeLogDirs): path -> Kafka's error, None where it is online."""

    def replicas(self, topic: str) -> tuple[ReplicaState, ...] | Unknown:
        """Ask every broker for its own replicas of the topic (DescribeLogDirs)."""

    def reassigning(self) -> frozenset[tuple[str, int]] | Unknown:
        """Return every (topic, partition) that is being moved, as the controller has it (ListPartitionReassignments, KIP-455)."""


class Topics(Protocol):
    """Changes of topics, each awaited until the cluster shows it. Every method raises Failed when it is refused."""

    def create_topic(self, spec: TopicSpec) -> Unknown | None:
        """Create and wait until the controller has it. Failed has the broker's own message."""

    def delete_topic(self, name: str) -> Unknown | None:
        """Delete and wait until metadata no longer shows it and its name is free.

        In ZooKeeper mode a deletion stays queued while a broker with a replica is down: Unknown says so.
        """

    def add_partitions(self, name: str, total: int) -> Unknown | None:
        """Grow a topic to ``total`` partitions."""

    def alter_configs(self, topic: str, values: Mapping[str, str | None]) -> Unknown | None:
        """Set (or, with None, reset) single properties, leave the others, and wait until every broker shows it."""


class Settings(Protocol):
    """Changes of what brokers run with. Every method raises Failed when it is refused."""

    def alter_broker_configs(
        self, broker: int, at: Endpoint, values: Mapping[str, str | None]
    ) -> Unknown | None:
        """Set (or, with None, take away) dynamic values of the broker at ``at``, and wait until it tells them."""


class Leaders(Protocol):
    """Who leads partitions."""

    def elect_preferred(
        self, partitions: Sequence[tuple[str, int]]
    ) -> Mapping[tuple[str, int], str] | Unknown:
        """Have the first replica of each of these (topic, partition) lead it, and wait until every broker shows it.

        Returns why the controller refused, for those that it did; raises Failed where it refused all of it.
        """


class Groups(Protocol):
    """Groups of consumers as their coordinators know them; ``metadata`` says which broker is where."""

    def list(self, metadata: Metadata) -> Listing:
        """Ask every broker for the groups that it coordinates."""

    def describe(self, metadata: Metadata, groups: Sequence[Listed]) -> Mapping[str, Group | Unknown]:
        """Ask each group's coordinator for its state, members and committed offsets; by the group's name."""

    def commit(
        self, metadata: Metadata, group: Listed, offsets: Mapping[At, Commit]
    ) -> Mapping[At, str] | Unknown:
        """Commit offsets of a group without members. Returns Kafka's error for each partition that was refused.

        Unknown: whether they were committed is not known.
        """

    def delete(self, metadata: Metadata, group: Listed) -> str | Unknown | None:
        """Delete a group without members, with its offsets; return Kafka's error where it was refused."""

    def configure(
        self, metadata: Metadata, group: str, values: Mapping[str, str | None]
    ) -> str | Unknown | None:
        """Set (or, with None, take away) properties of a group's own, also of one that is not there; return Kafka's error.

        Brokers have them since Kafka 4.0, and keep them when the group is deleted.
        """


class Offsets(Protocol):
    """Offsets of partitions as their leaders know them. A partition without a leader is Unknown."""

    def ends(self, metadata: Metadata, partitions: Collection[At]) -> Mapping[At, Ends | Unknown]:
        """Return the first offset, the last stable one and the high watermark of each partition."""

    def since(
        self, metadata: Metadata, partitions: Collection[At], moment: datetime
    ) -> Mapping[At, int | Unknown | None]:
        """Return the offset of the first record whose timestamp is not before ``moment``; None where no record is as late."""

    def written(
        self, metadata: Metadata, offsets: Collection[tuple[At, int]]
    ) -> Mapping[tuple[At, int], datetime | Unknown | None]:
        """Return the timestamp of the first record at or behind each of these offsets, as its producer or broker has set it.

        None where nothing but markers of transactions stands there.
        """


class Access(Protocol):
    """Users, ACLs and quotas of a cluster.

    What changes them raises Failed where it is refused, and returns None once every broker shows the change; Unknown:
    whether it was done, or whether every broker has heard of it, is not known.
    """

    def acls(self) -> frozenset[Acl] | Unknown | None:
        """Return all ACLs; None where the brokers have no authorizer."""

    def logins(self) -> Mapping[Account, int] | Unknown:
        """Return every SCRAM credential with its iterations."""

    def quotas(self) -> Mapping[Limit, float] | Unknown:
        """Return every number of every quota."""

    def add_acls(self, acls: Sequence[Acl]) -> Unknown | None:
        """Add these; one that is there stays."""

    def remove_acls(self, acls: Sequence[Acl]) -> Unknown | None:
        """Remove these; one that is not there is no fault."""

    def set_logins(self, credentials: Mapping[Account, Credential]) -> Unknown | None:
        """Give users these credentials; one of the same mechanism goes."""

    def remove_logins(self, logins: Sequence[Account]) -> Unknown | None:
        """Take credentials away; one that is not there is no fault."""

    def set_limits(self, values: Mapping[Limit, float | None]) -> Unknown | None:
        """Set these numbers of quotas, or (None) take them away."""


class Logins(Protocol):
    """Logins at the brokers, as an application makes them."""

    def missing(self) -> Unknown | None:
        """Return why nobody can log in anywhere; None where a listener has SASL."""

    def try_login(self, login: Account, password: Secret) -> bool | Unknown:
        """Log in, and out again. False: the broker knows the user with another password, or not at all.

        Unknown where no broker can be asked: none has a listener with SASL and this mechanism, or none answers.
        """


class Records(Protocol):
    """Records written and read, the way production clients do."""

    def produce(
        self, topic: str, records: Mapping[int, Sequence[bytes]], *, timeout: timedelta
    ) -> Produced | Unknown:
        """Write records (partition -> values) with acks=all and an idempotent producer, and wait for each ack."""

    def consume(
        self, topic: str, upto: Mapping[int, int], *, timeout: timedelta
    ) -> Mapping[int, tuple[bytes, ...]] | Unknown:
        """Read each partition from the beginning up to (not including) the given offset; fewer come back at the timeout."""


class Writers(Protocol):
    """Records written as a program of one's own would, with either client and any settings."""

    def write(
        self, client: Client, settings: ProducerSettings, order: Order, alive: Callable[[int], None]
    ) -> tuple[Written, tuple[Acked, ...]]:
        """Write the records, wait for all of them, and return the figures and the first records.

        ``alive`` hears now and then how many records something is known of. Ctrl-C ends the sending, and what is out is waited
        for; another one ends that. Raises Failed where the topic does not exist or no broker answers, UsageError for
        settings that exclude each other.
        """


class Readers(Protocol):
    """Records read as a program of one's own would, with either client, by one consumer or by the members of a group."""

    def read(
        self,
        client: Client,
        settings: ConsumerSettings,
        order: ReadOrder,
        hear: Callable[[Found], bool],
        alive: Callable[[Progress], None],
    ) -> Reading:
        """Read until the order is done; every member commits as the order says, and leaves.

        ``hear`` is given the records that are to be shown, and says whether anybody wants more; ``alive`` hears now and then how far it is.
        Ctrl-C ends the reading in order, another one at once. What a client cannot mend is told in the answer.
        """


@dataclass(frozen=True)
class Perch:
    """What a canary's process is told: where the brokers are, which topic is its own, and how often to write."""

    bootstrap: str
    """A bootstrap.servers value."""
    topic: str
    leaders: tuple[int, ...]
    """The broker that is the preferred leader of each partition, by partition number."""
    every: timedelta
    """The time between two records of one partition."""
    login: Login = IN_THE_CLEAR
    """The adapter's own matter: an operation gives none."""


@dataclass(frozen=True)
class Heard:
    """The last figures of a canary, how long ago they came, and why no more will come; None while its process is at work."""

    figures: Figures | None
    ago: timedelta
    ended: str | None = None


class Flight(Protocol):
    """A canary at work, in a process of its own: it outlives no owner, and nothing of it is in the owner's way."""

    def heard(self) -> Heard:
        """Return what it has told last; asks and waits for nothing."""

    def finish(self, *, silence: timedelta) -> Heard:
        """Let it flush, read its topic to the end and count; return what it told last.

        It is given up once it has told nothing for ``silence``.
        """

    def close(self) -> None:
        """End the process, whatever it does."""


class Canaries(Protocol):
    """Starts canaries."""

    def fly(self, perch: Perch) -> Flight:
        """Start one. What goes wrong with it is heard from it. Where its owner dies, it removes its topic and ends."""


class Worker(Protocol):
    """A worker of a drill, in a process of its own, which outlives no owner."""

    @property
    def events(self) -> Sequence[Event]:
        """What it has told so far; the sequence grows."""

    @property
    def ended(self) -> int | None:
        """Its exit code, once it has ended and all that it told is heard; None before."""

    @property
    def said(self) -> str:
        """What it said beside its events, the last of it: why it has ended."""

    def finish(self) -> None:
        """Let it end in good order."""

    def kill(self) -> None:
        """Kill it, as a fault."""

    def close(self) -> None:
        """End it, whatever it does."""


class Workers(Protocol):
    """Starts workers of drills."""

    def start(self, order: WorkerOrder) -> Worker:
        """Start one. What goes wrong with it is heard from it."""

    def lacking(self, role: Role) -> tuple[str, str] | None:
        """Return what is not installed that workers of this role need, and the command that installs it; None: nothing."""


class Secrets(Protocol):
    """Secrets by reference, read on this machine when they are used and not before."""

    def read(self, reference: Reference, *, lines: bool = False) -> Secret:
        """Return the value of a reference; each is read once a session, also by several threads.

        It is one line without its end, or with ``lines`` a text of several, as a key in PEM is. Raises a KafabError with a hint.
        """


class Certificates(Protocol):
    """The cluster's certificates and keys on this machine; each is judged before it is used."""

    def stores(self, nodes: Iterable[Node], version: Version) -> Mapping[Node, Stores]:
        """Return what these nodes show, and whom they trust, as Kafka of that version reads it. Raises Failed with every defect."""

    def findings(
        self, nodes: Iterable[Node], clocks: Mapping[str, datetime] | None = None
    ) -> tuple[Finding, ...]:
        """Judge what these nodes would show after a deploy, and what kafab itself shows.

        ``clocks`` has what the clocks of hosts say, by the host's name: a certificate may be good here and not there yet.
        """

    def identity(self) -> Identity:
        """Return the files of kafab's own certificate. Raises Failed where it has a defect, or is not there."""


class Passages(Protocol):
    """The ways from this machine to the addresses of a cluster's nodes."""

    def tried(self, addresses: Collection[Endpoint]) -> Mapping[Endpoint, Passage]:
        """Ask the sshd of each address's host whether it forwards there, side by side; a plain connection only where it forbids that.

        A connection that comes about is closed at once, and nothing is sent.
        """


class Walls(Protocol):
    """Attempts of a stranger, each on a connection of its own."""

    def knock(
        self, doors: Collection[Door], protocols: Mapping[Endpoint, ListenerProtocol]
    ) -> Mapping[Door, Knocked]:
        """Try each; ``protocols`` has that of each listener. A user that an attempt needs is made, and taken away again."""

    def expiries(self, at: Collection[Endpoint]) -> Mapping[Endpoint, datetime | Unknown]:
        """Return until when the certificate is good that each listener shows, whatever else is wrong with it."""


class Store(Protocol):
    """Release artifacts on this machine, addressed by digest."""

    def find(self, name: ReleaseName) -> Artifact | None:
        """Return the stored artifact of a release, or None."""

    def all(self) -> Sequence[Artifact]:
        """Return every stored artifact, by name."""

    def fetch(self, name: ReleaseName, emit: Emit) -> Artifact:
        """Return the stored artifact, or get it from the first source that has it.

        Raises Failed naming each source with its reason; the hint says how to hand a file over by hand.
        """

    def agent(self, wanted: AgentFile, emit: Emit) -> Agent:
        """Return Prometheus' agent for JMX, from where the user has it, from the store, or from Maven.

        Raises Failed with the reason, and where the jar has another digest.
        """

    def add(self, file: Path, name: ReleaseName | None, sha512: str | None, emit: Emit) -> Artifact:
        """Check a file (digest, hostile members, content) and keep it. Raises Failed with the reason."""

    def verify(self, artifact: Artifact | Agent) -> str | None:
        """Compute the artifact's digest again; None if it is what it was, else what is wrong."""

    def contents(self, artifact: Artifact) -> Sequence[Content] | Unknown:
        """Return the artifact's files and links with their digests, read from the archive after its own was computed again."""


class Clock(Protocol):
    """Time, so that gates can be tested without waiting."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
