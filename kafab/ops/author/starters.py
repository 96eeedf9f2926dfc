"""The commented inventories that `inventory.new` begins a cluster with, one a mode."""

from kafab.config.security import FIRST_SECURE_ZOOKEEPER
from kafab.model import Mode, Version


def starter(name: str, mode: Mode, version: Version, *, secure: bool = False) -> str:
    """Return the text of an inventory: three hosts, nothing that a cluster could not start with.

    A secure one needs certificates before its first deploy.
    """
    return _TEXTS[mode].format(
        name=name,
        version=version,
        access=_ACCESS,
        listening=_SECURE_LISTENERS if secure else _LISTENERS,
        controller=_SECURE_CONTROLLER if secure else _CONTROLLER,
        zookeeper="protocol: SSL                 # brokers, kafab and the servers show certificates"
        if secure and version >= FIRST_SECURE_ZOOKEEPER
        else "# port: 2181",
        security=_SECURITY.format(name=name) if secure else "",
    )


_LISTENERS = """\
  # port: 9092
  # bind: address               # listen on the host's own address only; without it on every interface
  # Several listeners, for clients on another network: docs/inventory.md, "Listeners".
"""

_SECURE_LISTENERS = """\
  # bind: address               # listen on the host's own address only; without it on every interface
  listeners:
    # The brokers among themselves, and kafab: each shows a certificate.
    INTERNAL: {port: 9091, use: [brokers, operator], protocol: SSL}
    # Clients: a name and a password (SCRAM), over TLS.
    CLIENTS: {port: 9092, use: clients, protocol: SASL_SSL}
"""

_CONTROLLER = """\
# controller:                   # what controllers share
#   port: 9093
#   heap: 512m                  # of an isolated one; a combined one is in its broker's process
"""

_SECURE_CONTROLLER = """\
controller:                     # what controllers share
  protocol: SSL                 # brokers, kafab and the controllers among themselves show certificates
  # port: 9093
  # heap: 512m                  # of an isolated one; a combined one is in its broker's process
"""

_SECURITY = """\
# Certificates come first: `fab on {name} secure.issue` makes them with a CA of the cluster's own; docs/certificates.md.
security:
  authorizer: true              # whoever is no super user may do what ACLs allow, and nothing else
  # super_users: [User:ann]     # beside the nodes and kafab itself

"""

_ACCESS = """\
# ssh:                          # without it: ssh_config, your agent and your own login name
#   user: ops
#   identity: ~/.ssh/id_ed25519
#   gateway: ops@bastion.example.org:22

# paths:                        # root folders on every host; a node has its own below each
#   releases: /opt/kafka
#   config: /etc/kafka
#   data: /var/lib/kafka
#   logs: /var/log/kafka
#   run: /var/lib/kafka/run
"""

_KRAFT = """\
# {name}: one Kafka cluster. All keys and their defaults: docs/inventory.md
# Check this file with `fab inventory.check --cluster {name}`, then see what would happen with `fab on {name} plan`.
#
# It is in KRaft mode: the controllers are Kafka's own, and there is no ZooKeeper. A new cluster should not start on
# ZooKeeper: Kafka 4 has none, so it would have to be migrated. `fab inventory.new NAME --mode zookeeper` writes one.

kafka:
  version: {version}                # 3.9.0 or newer in KRaft mode
  heap: 1g                      # a broker's; Kafka relies on the page cache: leave memory to the system
{listening}  # jmx_port: 9988
  # jmx_bind: 127.0.0.1         # JMX asks for no login
  # properties:                 # keys of server.properties, verbatim, for every broker and controller
  #   num.partitions: 6
  #   log.retention.hours: 168

{controller}
# kraft:
#   quorum: dynamic             # the voters are in the metadata log; static: in every node's configuration
#   cluster_id: ...             # the first deploy makes one, and the hosts keep it; only to pin another

{security}{access}
hosts:                          # a host a line: a role and its id. Change names and addresses to your own.
  # The same id for both roles is one process, a combined one.
  node1: {{address: 10.0.0.11, controller: 1, broker: 1}}
  node2: {{address: 10.0.0.12, controller: 2, broker: 2}}
  node3: {{address: 10.0.0.13, controller: 3, broker: 3}}
  # A broker with two disks and a heap of its own:
  # node4: {{address: 10.0.0.14, broker: {{id: 4, data: [/data1/kafka, /data2/kafka], heap: 6g}}}}
  # Kafka's documentation advises against combined processes where a cluster is critical. Isolated controllers have
  # ids of their own, and better hosts of their own; then take `controller:` out of the lines above:
  # controller1: {{address: 10.0.0.21, controller: 101}}
  # controller2: {{address: 10.0.0.22, controller: 102}}
  # controller3: {{address: 10.0.0.23, controller: 103}}
"""

_ZOOKEEPER = """\
# {name}: one Kafka cluster. All keys and their defaults: docs/inventory.md
# Check this file with `fab inventory.check --cluster {name}`, then see what would happen with `fab on {name} plan`.
#
# It is in ZooKeeper mode, which ends with Kafka 3.9: to go on to Kafka 4 it will have to be migrated. For a new cluster
# take `fab inventory.new NAME` without --mode, which writes one in KRaft mode.

kafka:
  version: {version}                # 2.4.1 to 3.9.x in ZooKeeper mode
  heap: 1g                      # a broker's; Kafka relies on the page cache: leave memory to the system
{listening}  # jmx_port: 9988
  # jmx_bind: 127.0.0.1         # JMX asks for no login
  # properties:                 # keys of server.properties, verbatim, for every broker
  #   num.partitions: 6
  #   log.retention.hours: 168

zookeeper:
  heap: 512m
  chroot: /kafka                # the cluster's place in ZooKeeper; empty for the root
  {zookeeper}

{security}{access}
hosts:                          # a host a line: a role and its id. Change names and addresses to your own.
  node1: {{address: 10.0.0.11, zookeeper: 1, broker: 1}}
  node2: {{address: 10.0.0.12, zookeeper: 2, broker: 2}}
  node3: {{address: 10.0.0.13, zookeeper: 3, broker: 3}}
  # A broker with two disks and a heap of its own:
  # node4: {{address: 10.0.0.14, broker: {{id: 4, data: [/data1/kafka, /data2/kafka], heap: 6g}}}}
"""

_TEXTS = {Mode.KRAFT: _KRAFT, Mode.ZOOKEEPER: _ZOOKEEPER}
