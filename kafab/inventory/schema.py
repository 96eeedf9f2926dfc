"""The keys of an inventory: one table, which the loader, the JSON Schema for editors and the reference all follow.

The file is a little over 400 lines long because it is that one table, a line or two a key.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from kafab.cautions import REGRETS
from kafab.config.defaults import PRODUCTION_JVM, RESERVED_BROKER, RESERVED_ZOOKEEPER, SERVICE_USER
from kafab.inventory import texts
from kafab.inventory.access import ACCESS, ACL, QUOTA, TOPIC, USER, InOrElsewhere
from kafab.inventory.kinds import Address, Choice, Flag, Integer, Json, Kind, ListOf, Text
from kafab.inventory.sections import Key, Keys, Named, Properties, Short
from kafab.listeners import Protocol, Use
from kafab.model import AGENT, MAX_ID, Paths, Reach, Role, Supervisor, VoterSource
from kafab.releases.names import AGENT_VERSION

_MERGE = "merge keys are not read; expected shared values once under kafka:, zookeeper:, controller:, ssh: or paths:"

_CERTIFICATES_ONLY = "expected PLAINTEXT or SSL: who connects there shows a certificate"
_EVERYWHERE = "every interface; the advertised address if that is loopback"
BIND_DOC = (
    "address to listen on; the word `address` stands for the host's own, 0.0.0.0 and [::] for every interface"
)
METRICS_KEYS = {Role.BROKER: "port", Role.CONTROLLER: "controller_port", Role.ZOOKEEPER: "zookeeper_port"}
METRICS_PORTS = {Role.BROKER: 7071, Role.CONTROLLER: 7072, Role.ZOOKEEPER: 7073}
"""One each, as the nodes of a host have one address."""
QUORUM = tuple(str(kind) for kind in VoterSource)
PORT = Integer("a port", 1, 65535)
BROKER_ID = Integer("a broker id", 0, MAX_ID)
CONTROLLER_ID = Integer("a controller id", 0, MAX_ID)
# ZooKeeper Administrator's Guide: "The id must be unique within the ensemble and should have a value between 1 and 255."
ZOOKEEPER_ID = Integer("a ZooKeeper id", 1, 255)
DATA_MOUNTED = "data folders must lie on disks of their own: not on the root file system"
HEAP = Text("a heap size", texts.heap, texts.HEAP)
FOLDER = Text("an absolute path", texts.remote_path, texts.PATH)
FILE = Text("a path on this machine", texts.local_path)
JVM = ListOf(Text("a JVM flag", texts.jvm_flag, texts.JVM_FLAG))
ADDRESS = Address("a host name or address", texts.address)
BIND = Address("an address to listen on", texts.bind)
LISTENER_NAME = Text("a listener's name", texts.listener_name, texts.LISTENER)

DISTINGUISHED_NAME = Text("a certificate's subject", texts.distinguished_name, texts.DISTINGUISHED_NAME)
_PROTOCOL = Choice(
    (str(Protocol.PLAINTEXT), str(Protocol.SSL)),
    dict.fromkeys((str(Protocol.SASL_PLAINTEXT), str(Protocol.SASL_SSL)), _CERTIFICATES_ONLY),
)
LISTENER = Keys(
    "kafka.listeners.NAME",
    (
        Key("port", PORT, "its port on each broker; a host or a node may have another"),
        Key(
            "use",
            ListOf(
                Choice(
                    (str(Use.BROKERS), str(Use.CLIENTS), str(Use.OPERATOR)),
                    {
                        str(
                            Use.CONTROLLERS
                        ): "the controllers' listener is not named here: controller: has its keys"
                    },
                ),
                or_one=True,
            ),
            "who uses it: the brokers among themselves (one listener), clients, kafab itself (`operator`)",
            (str(Use.CLIENTS),),
        ),
        Key(
            "protocol",
            Choice(tuple(map(str, Protocol))),
            "security protocol: with SSL who connects shows a certificate, with SASL_* a name and a password",
            str(Protocol.PLAINTEXT),
        ),
        Key("bind", BIND, f"{BIND_DOC}", inherits="bind of the broker, of its host, of kafka:"),
    ),
    refused={
        "<<": _MERGE,
        "advertised": "what a listener advertises is a host's or a node's: use listeners: there",
    },
)


OVERRIDES = Keys(
    "hosts.NAME.listeners.NAME",
    (
        Key("port", PORT, "its port here", inherits="kafka.listeners.NAME.port"),
        Key(
            "advertised",
            ADDRESS,
            "name or address that others reach it at",
            inherits="advertised of the broker, the host's address",
        ),
        Key("bind", BIND, "address that it listens on here", inherits="kafka.listeners.NAME.bind"),
    ),
    refused={"<<": _MERGE}
    | {
        key: f"{key} of a listener is the same on every broker: use kafka.listeners"
        for key in ("use", "protocol")
    },
)

SSH = Keys(
    "ssh",
    (
        Key(
            "user",
            Text("a login name", texts.user, texts.USER),
            "login name",
            inherits="ssh_config, your own name",
        ),
        Key("port", PORT, "port of sshd", inherits="ssh_config, 22"),
        Key("identity", FILE, "private key file on this machine", inherits="ssh_config, the agent"),
        Key(
            *("gateway", ListOf(Text("a gateway", texts.gateway), or_one=True)),
            "bastion to go through, `[user@]host[:port]`; several in the order of the way, with commas or as a list",
        ),
        Key("known_hosts", FILE, "file of trusted host keys on this machine", inherits="~/.ssh/known_hosts"),
        Key(
            *("reach", Choice(tuple(str(way) for way in Reach))),
            "how kafab's own clients come to Kafka and ZooKeeper on the host: `ssh` goes through its SSH connection,"
            " `auto` takes what works",
            inherits=str(Reach.AUTO),
        ),
    ),
    refused={"<<": _MERGE},
)

_PATHS = Paths()


def _paths(*, of_host: bool) -> Keys:
    def key(name: str, default: PurePosixPath, doc: str) -> Key:
        return Key(name, FOLDER, doc, inherits=f"paths.{name}" if of_host else str(default))

    return Keys(
        "paths",
        (
            key("releases", _PATHS.releases, "unpacked releases and each node's link to its own"),
            key("config", _PATHS.config, "configuration, a folder a node"),
            key("data", _PATHS.data, "data, a folder a node; emptied by `destroy --data` alone"),
            key("logs", _PATHS.logs, "log files, a folder a node"),
            key("run", _PATHS.run, "run records (pid, start time), a folder a node"),
        ),
        refused={"<<": _MERGE},
    )


KAFKA = Keys(
    "kafka",
    (
        Key(
            *("version", Text("a Kafka version like 3.9.2", texts.version, texts.VERSION)),
            *("Kafka's version: 2.4.1 to 3.9.x with ZooKeeper, 3.9.x and 4.x in KRaft mode",),
            required=True,
        ),
        Key(
            "scala",
            Choice(("2.12", "2.13")),
            "Scala version of the release",
            inherits="2.13; 2.12 before Kafka 2.6",
        ),
        Key("heap", HEAP, "heap of each broker", "1g"),
        Key("port", PORT, "port of each broker's only listener, which is named PLAINTEXT", 9092),
        Key(
            "listeners",
            Named(LISTENER_NAME, LISTENER),
            "several listeners of each broker by name, in place of `port`",
        ),
        Key("bind", BIND, BIND_DOC, inherits=_EVERYWHERE),
        Key("jmx_port", PORT, "JMX port of each broker; no JMX without it"),
        Key("jmx_bind", BIND, "address that JMX listens on", inherits="bind"),
        Key("data_mounted", Flag(), DATA_MOUNTED, False),
        Key("jvm", JVM, "JVM flags of each broker, in place of kafab's own", PRODUCTION_JVM),
        Key("properties", Properties(Role.BROKER), "server.properties of every broker, verbatim"),
    ),
    refused={"<<": _MERGE},
)

ZOOKEEPER = Keys(
    "zookeeper",
    (
        Key("heap", HEAP, "heap of each ZooKeeper server", "512m"),
        Key("port", PORT, "client port", 2181),
        Key("quorum_port", PORT, "port on which the leader serves its followers", 2888),
        Key("election_port", PORT, "port for leader elections", 3888),
        Key("bind", BIND, "address that the client port listens on", inherits=_EVERYWHERE),
        Key(
            *("protocol", _PROTOCOL),
            "SSL: brokers, kafab and the servers among themselves show certificates; from Kafka 2.5 on",
            str(Protocol.PLAINTEXT),
        ),
        Key(
            "chroot",
            Text("a path in ZooKeeper", texts.chroot, texts.CHROOT),
            "the cluster's path in ZooKeeper",
            "",
        ),
        Key("data_mounted", Flag(), DATA_MOUNTED, False),
        Key("jvm", JVM, "JVM flags of each server, in place of kafab's own", PRODUCTION_JVM),
        Key("properties", Properties(Role.ZOOKEEPER), "zoo.cfg of every server, verbatim"),
    ),
    refused={"<<": _MERGE},
)


CONTROLLER = Keys(
    "controller",
    (
        Key("heap", HEAP, "heap of each isolated controller", "512m"),
        Key("port", PORT, "port of the controllers' listener", 9093),
        Key("bind", BIND, "address that the controllers' listener listens on", inherits=_EVERYWHERE),
        Key("protocol", _PROTOCOL, "security protocol of the controllers' listener", str(Protocol.PLAINTEXT)),
        Key("data_mounted", Flag(), DATA_MOUNTED, False),
        Key("jvm", JVM, "JVM flags of each isolated controller, in place of kafab's own", PRODUCTION_JVM),
        Key(
            "properties",
            Properties(Role.CONTROLLER),
            "server.properties of every controller, over kafka.properties, which they have too",
        ),
    ),
    refused={"<<": _MERGE},
)

KRAFT = Keys(
    "kraft",
    (
        Key(
            "quorum",
            Choice(QUORUM),
            "how controllers know their voters: from their configuration, or from the metadata log (KIP-853)",
            str(VoterSource.DYNAMIC),
        ),
        Key(
            "cluster_id",
            Text("a cluster id", texts.cluster_id, texts.CLUSTER_ID),
            "the cluster's id, a text; `kafka-storage random-uuid` makes 22 letters",
            inherits="what the hosts have, or a new one at the first deploy",
        ),
    ),
    refused={"<<": _MERGE},
)

_SCRAM = "expected PLAIN: the passwords of SCRAM are in the cluster's metadata, where kafab puts none before the first broker has started"
BETWEEN_BROKERS = Keys(
    "security.between_brokers",
    (
        Key(
            *("mechanism", Choice(("PLAIN",), dict.fromkeys(("SCRAM-SHA-256", "SCRAM-SHA-512"), _SCRAM))),
            "the mechanism of SASL, at a listener with SASL_SSL that is for the brokers alone",
            required=True,
        ),
        Key(
            *("user", Text("a user's name", texts.broker_user)),
            "the user as whom each broker logs in to the others, a super user; nobody else's name",
            required=True,
        ),
        Key(
            *("password", Text("a reference to a secret", texts.secret_reference)),
            "where the password is: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND} or ${prompt:TEXT}",
            required=True,
        ),
    ),
    refused={"<<": _MERGE},
)

SECURITY = Keys(
    "security",
    (
        Key(
            *("authorizer", Flag(), "only super users may do anything that no ACL allows", True),
        ),
        Key(
            *("super_users", ListOf(Text("a principal", texts.principal, texts.PRINCIPAL))),
            "who may do anything, beside the nodes and kafab itself, like User:ann",
            (),
        ),
        Key(
            *("nodes", ListOf(DISTINGUISHED_NAME, or_one=True)),
            "subjects of the nodes' certificates, as Java writes them, where a company's CA chose them",
            inherits="CN=kafka-node,O=CLUSTER",
        ),
        Key(
            *("operator", DISTINGUISHED_NAME),
            "subject of the certificate that kafab itself shows, where a company's CA chose it",
            inherits="CN=kafab-operator,O=CLUSTER",
        ),
        Key(
            *("operator_user", Text("a user's name", texts.sasl_user)),
            "the user as whom kafab itself logs in, where the operator's listener is SASL_*",
        ),
        Key(
            *("operator_password", Text("a reference to a secret", texts.secret_reference)),
            "where the password of operator_user is: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND} or ${prompt:TEXT}",
        ),
        Key(
            *("between_brokers", BETWEEN_BROKERS),
            "brokers log in to each other with a name and a password; without it they show certificates",
        ),
    ),
    refused={"<<": _MERGE},
)

JMX = Keys(
    "observe.jmx",
    (
        Key("port", PORT, "port for metrics of each broker", METRICS_PORTS[Role.BROKER]),
        Key(
            *("controller_port", PORT, "that of each isolated controller", METRICS_PORTS[Role.CONTROLLER]),
        ),
        Key(
            *("zookeeper_port", PORT, "that of each ZooKeeper server", METRICS_PORTS[Role.ZOOKEEPER]),
        ),
        Key("bind", BIND, "address that it listens on; metrics ask for no login", inherits="bind"),
        Key(
            *("agent", FILE, "another version of the agent, a jar on this machine; with sha256"),
            inherits=f"{AGENT} {AGENT_VERSION}",
        ),
        Key("sha256", Text("a sha256", texts.sha256, texts.SHA256), "digest of that jar, 64 hex digits"),
    ),
    refused={"<<": _MERGE},
)

OBSERVE = Keys(
    "observe",
    (
        Key(
            *("jmx", JMX),
            "Prometheus' agent for JMX in the process of each node; `jmx: {}` takes all defaults",
        ),
    ),
    refused={"<<": _MERGE},
)

_OF_CLUSTER = {Role.ZOOKEEPER: "zookeeper", Role.CONTROLLER: "controller", Role.BROKER: "kafka"}


def _node(role: Role, number: Integer) -> tuple[Key, Keys]:
    of_cluster = _OF_CLUSTER[role]
    quorum = (
        Key("quorum_port", PORT, "its quorum port", inherits="zookeeper.quorum_port"),
        Key("election_port", PORT, "its election port", inherits="zookeeper.election_port"),
    )
    data: Kind[tuple[PurePosixPath, ...]] = ListOf(FOLDER, or_one=True)
    listeners = (
        Key(
            "listeners",
            Named(LISTENER_NAME, OVERRIDES),
            "what is otherwise with its listeners, by name",
            inherits="hosts.NAME.listeners",
        ),
    )
    identity = Key("id", number, "its id, unique in the cluster", required=True)
    keys = (
        identity,
        Key("port", PORT, "its port", inherits=f"{of_cluster}.port"),
        *(listeners if role is Role.BROKER else ()),
        *(quorum if role is Role.ZOOKEEPER else ()),
        Key(
            "data",
            data,
            "its data folder" if role is Role.ZOOKEEPER else "its data folders",
            inherits=f"paths.data/{role}",
        ),
        Key("data_mounted", Flag(), DATA_MOUNTED, inherits=f"{of_cluster}.data_mounted"),
        Key("heap", HEAP, "its heap", inherits=f"{of_cluster}.heap"),
        Key("jvm", JVM, "its JVM flags", inherits=f"{of_cluster}.jvm"),
        Key("jmx_port", PORT, "its JMX port", inherits="kafka.jmx_port" if role is Role.BROKER else ""),
        Key(
            *("jmx_bind", BIND, "address that its JMX listens on"),
            inherits="kafka.jmx_bind, bind" if role is Role.BROKER else "bind",
        ),
        Key("metrics_port", PORT, "its port for metrics", inherits=f"observe.jmx.{METRICS_KEYS[role]}"),
        Key("advertised", ADDRESS, "name or address that others reach it at", inherits="the host's address"),
        Key("bind", BIND, "address that it listens on", inherits=f"hosts.NAME.bind, {of_cluster}.bind"),
        Key("properties", Properties(role), f"properties of its own, over {of_cluster}.properties"),
    )
    return identity, Keys(str(role), keys, refused={"<<": _MERGE})


BROKER_KEY, BROKER = _node(Role.BROKER, BROKER_ID)
CONTROLLER_NODE_KEY, CONTROLLER_NODE = _node(Role.CONTROLLER, CONTROLLER_ID)
ZOOKEEPER_NODE_KEY, ZOOKEEPER_NODE = _node(Role.ZOOKEEPER, ZOOKEEPER_ID)

JAVA = Key("java", FOLDER, "Java home", inherits="the PATH, then /usr/lib/jvm")
HOST_NAME = Text("a host name", texts.host_name, f"{texts.HOST_NAME}")

HOST = Keys(
    "hosts.NAME",
    (
        Key("address", ADDRESS, "what ssh connects to; IPv6 in brackets", inherits="the host's name"),
        Key("rack", Text("a rack's name", texts.rack, texts.RACK), "broker.rack; for all brokers or none"),
        Key(
            *("site", Text("a site's name", texts.rack, texts.RACK)),
            *("hosts near each other: a release travels to each site once", "default"),
        ),
        Key("ssh", SSH, "as `ssh` above, for this host"),
        Key("bind", BIND, "address that the host's nodes listen on, at every port but ZooKeeper's own two"),
        Key(
            "listeners",
            Named(LISTENER_NAME, OVERRIDES),
            "what is otherwise with its brokers' listeners, by name",
        ),
        Key("paths", _paths(of_host=True), "as `paths` above, for this host"),
        Key("java", FOLDER, "Java home", inherits="java"),
        Key(
            "zookeeper", ListOf(Short(ZOOKEEPER_NODE, ZOOKEEPER_NODE_KEY), or_one=True), "a ZooKeeper server"
        ),
        Key(
            "controller",
            ListOf(Short(CONTROLLER_NODE, CONTROLLER_NODE_KEY), or_one=True),
            "a KRaft controller; with the id of the host's broker both are one combined process",
        ),
        Key("broker", ListOf(Short(BROKER, BROKER_KEY), or_one=True), "a Kafka broker"),
    ),
    refused={"<<": _MERGE},
)

REASON = Text("a reason", texts.reason)
ACCEPT = Keys(
    "accept",
    tuple(
        Key(str(caution), REASON, f"{regret.meaning} ({regret.source})")
        for caution, regret in REGRETS.items()
    ),
    refused={"<<": _MERGE},
)

INVENTORY = Keys(
    "",
    (
        Key("kafka", KAFKA, "what all brokers share", required=True),
        Key("zookeeper", ZOOKEEPER, "what all ZooKeeper servers share"),
        Key("controller", CONTROLLER, "what all KRaft controllers share"),
        Key("kraft", KRAFT, "the KRaft quorum"),
        Key("security", SECURITY, "who may do what, and who kafab is; without it there is no authorizer"),
        Key("observe", OBSERVE, "metrics for Prometheus; without it no node has an agent"),
        Key("ssh", SSH, "how hosts are logged in to"),
        Key("paths", _paths(of_host=False), "root folders on a host"),
        JAVA,
        Key(
            *("supervisor", Choice(tuple(str(kind) for kind in Supervisor))),
            *("what keeps the processes; `process` for hosts without systemd", str(Supervisor.SYSTEMD)),
        ),
        Key(
            *("user", Text("an account's name", texts.user, texts.USER)),
            *(
                "account the processes run as, made when missing; under `process` the login user",
                SERVICE_USER,
            ),
        ),
        Key("lab", Flag(), "a throwaway cluster: kafab never asks before disturbing it", False),
        Key("access", InOrElsewhere(), "users, ACLs, quotas and topics, see `fab access.plan`"),
        Key("accept", ACCEPT, "warnings that are meant so: code -> reason, which silences them"),
        Key("hosts", Named(HOST_NAME, HOST), "the machines and the nodes on each", required=True),
    ),
    refused={"<<": _MERGE},
)


def json_schema() -> Json:
    """Return the inventory's JSON Schema, for completion and checks in an editor."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kafab inventory",
        "description": "One file, one Kafka cluster. kafab itself checks more than a schema can say.",
    } | INVENTORY.schema()


def reference() -> str:
    """Return the tables of all keys as Markdown, for docs/inventory.md."""
    return "\n".join(_markdown())


def _markdown() -> Iterator[str]:
    sections = {
        "": INVENTORY,
        "kafka": KAFKA,
        "kafka.listeners.NAME": LISTENER,
        "zookeeper": ZOOKEEPER,
        "controller": CONTROLLER,
        "kraft": KRAFT,
        "security": SECURITY,
        "security.between_brokers": BETWEEN_BROKERS,
        "observe": OBSERVE,
        "observe.jmx": JMX,
        "ssh": SSH,
        "paths": _paths(of_host=False),
        "access": ACCESS,
        "access.users.NAME": USER,
        "access.acls[]": ACL,
        "access.quotas[]": QUOTA,
        "access.topics.NAME": TOPIC,
        "accept": ACCEPT,
        "hosts.NAME": HOST,
        "hosts.NAME.listeners.NAME": OVERRIDES,
        "hosts.NAME.zookeeper": ZOOKEEPER_NODE,
        "hosts.NAME.controller": CONTROLLER_NODE,
        "hosts.NAME.broker": BROKER,
    }
    for name, keys in sections.items():
        yield f"### {'`' + name + '`' if name else 'Top level'}\n"
        yield "| key | value | default | meaning |"
        yield "|---|---|---|---|"
        for key in keys.keys:
            default = "**required**" if key.required else key.shown_default.replace("|", "\\|")
            yield f"| `{key.name}` | {key.kind.label} | {default} | {key.doc} |"
        yield ""
    yield "### Properties that kafab sets itself\n"
    yield "| property | instead |"
    yield "|---|---|"
    for name, instead in [*RESERVED_BROKER.items(), *RESERVED_ZOOKEEPER.items()]:
        yield f"| `{name}` | {instead} |"
    yield "| `server.N`, `group.N`, `weight.N` | the servers follow from hosts: |"
