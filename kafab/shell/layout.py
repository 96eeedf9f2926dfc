"""The names of files and folders on a host that more than one place of kafab knows, each once.

``sh/*.sh`` and ``templates/`` spell them out, as shell is read best with its names in it: `tests/unit/test_layout.py`
holds the spellings equal.
"""

from typing import Final

NEW: Final = ".kafab-new"
"""What a name ends in until the file, folder or link is complete."""

# In the folder of the releases
INCOMING: Final = ".incoming"
"""The folder in which an upload lies until it is checked and unpacked."""
GONE: Final = ".gone"
"""What a release's name ends in, in the folder of uploads, while it is being removed."""

# In the folder of the run records of a host
LOCK: Final = "lock"
"""The file that the operators lock."""
ROLL: Final = ".roll"
"""What stands behind a cluster's name in the name of the journal of its unfinished roll."""
ACCESS: Final = ".access"
"""What stands behind a cluster's name in the name of the record of what `access.apply` has set."""
UPGRADE: Final = ".upgrade"
"""What stands behind a cluster's name in the name of the record of an upgrade that is not finalized."""
HISTORY: Final = "history"
"""What was done with the cluster, a line a command."""
OLDER: Final = "history.1"
"""What `HISTORY` was before it had its full size."""

# In a node's run folder
PROCESS: Final = "process"
"""The run record: pid, start time, release, digest of the configuration, and whether a stop was asked for."""
BEGUN: Final = "begun"
"""Under systemd: the release and the digest that a start is from."""
ASKED: Final = "process.asked"
"""A run record with that last word, until it takes the place of the other."""
DRILLED: Final = "drilled"
"""In a lab: a drill has killed the node, and has not said yet that it runs again."""
STARTING: Final = "starting"
"""The file that a start locks."""
SCRATCH: Final = "tmp"
"""The folder of Java's temporary files."""
CLASSES: Final = "classes"
"""The folder of a lab node's archive of classes; under systemd in the folder of temporary files."""
CLASS_LIST: Final = "list"
MAKING: Final = "making"
"""The record of whoever makes an archive of classes."""
LOGGED: Final = "logged"
"""The size of the node's log when its process was started: what stands before that is of the processes before it."""
LAUNCH_OUTPUT: Final = "launch.out"
"""What the launch script printed before it became Java."""

# In a node's configuration folder
MANIFEST: Final = ".deployed"
"""The digests of the files that a deploy has written there."""
HELD: Final = "held"
"""The record of what the node's data directories have held."""
DIGEST_KEY: Final = "digest-key"
"""What nobody can guess, where a file holds a secret: it is a part of the digest that a process records of its configuration."""
BEFORE: Final = ".before"
"""The folder of what the node was started from before: a folder a generation, by its number."""
ABOUT: Final = ".about"
"""What a generation is: its release, the digests of its files and units, and since when it was kept."""
AIM: Final = ".aim"
"""Which generation the node went back to, and which process ran then."""
OF_UNIT: Final = "unit"
"""The folder of the unit files of a generation."""
LAUNCH: Final = "launch"
RECORD: Final = "record"
SERVER_PROPERTIES: Final = "server.properties"
ZOO_CFG: Final = "zoo.cfg"
METRICS: Final = "metrics.yaml"
"""What Prometheus' agent shows of the node."""

# In a node's log folder
SERVER_LOG: Final = "server.log"
STDOUT_LOG: Final = "stdout.log"

# In a data directory
MYID: Final = "myid"
"""The mark of a ZooKeeper server's data."""
META_PROPERTIES: Final = "meta.properties"
"""The mark of a broker's or controller's data."""
METADATA: Final = "__cluster_metadata-0"
"""The folder of KRaft's metadata log, in the first of a node's data directories."""
QUORUM_STATE: Final = "quorum-state"
VERSION_2: Final = "version-2"
"""The folder in which a ZooKeeper server keeps what the ensemble has written."""
LOST_AND_FOUND: Final = "lost+found"

# In a unit's folder of drop-ins
DROP_IN: Final = "kafab.conf"

# In the folder of what Prometheus reads
TARGETS: Final = "targets"
"""The folder of files of targets, a file a cluster."""
RULES: Final = "rules"
TESTS: Final = "tests"
"""The folder of the tests of rules, for promtool."""
RULES_YML: Final = "kafab.yml"
PROMETHEUS_YML: Final = "prometheus.yml"
"""A whole configuration, for one that watches nothing else."""
