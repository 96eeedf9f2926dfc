"""The command line tools under ``bin/`` of a release that was put together from its Maven artifacts.

Apache's archive has them; Maven's artifacts have only the classes. An administrator types what every Kafka guide tells him to
type, so these small scripts have the same names, options and environment variables (KAFKA_HEAP_OPTS, KAFKA_OPTS,
KAFKA_LOG4J_OPTS, JAVA_HOME).
"""

from collections.abc import Container, Mapping

_TOOLS = "org.apache.kafka.tools"
CLASSES: Mapping[str, tuple[str, ...]] = {
    "kafka-acls": ("kafka.admin.AclCommand", f"{_TOOLS}.AclCommand"),
    "kafka-broker-api-versions": (
        f"{_TOOLS}.BrokerApiVersionsCommand",
        "kafka.admin.BrokerApiVersionsCommand",
    ),
    "kafka-client-metrics": (f"{_TOOLS}.ClientMetricsCommand",),
    "kafka-cluster": (f"{_TOOLS}.ClusterTool", "kafka.tools.ClusterTool"),
    "kafka-configs": ("kafka.admin.ConfigCommand", f"{_TOOLS}.ConfigCommand"),
    "kafka-console-consumer": (f"{_TOOLS}.consumer.ConsoleConsumer", "kafka.tools.ConsoleConsumer"),
    "kafka-console-producer": (f"{_TOOLS}.ConsoleProducer", "kafka.tools.ConsoleProducer"),
    "kafka-console-share-consumer": (f"{_TOOLS}.consumer.ConsoleShareConsumer",),
    "kafka-consumer-groups": (
        f"{_TOOLS}.consumer.group.ConsumerGroupCommand",
        "kafka.admin.ConsumerGroupCommand",
    ),
    "kafka-consumer-perf-test": (f"{_TOOLS}.ConsumerPerformance", "kafka.tools.ConsumerPerformance"),
    "kafka-delegation-tokens": (f"{_TOOLS}.DelegationTokenCommand", "kafka.admin.DelegationTokenCommand"),
    "kafka-delete-records": (f"{_TOOLS}.DeleteRecordsCommand", "kafka.admin.DeleteRecordsCommand"),
    "kafka-dump-log": ("kafka.tools.DumpLogSegments", f"{_TOOLS}.DumpLogSegments"),
    "kafka-e2e-latency": (f"{_TOOLS}.EndToEndLatency", "kafka.tools.EndToEndLatency"),
    "kafka-features": (f"{_TOOLS}.FeatureCommand", "kafka.admin.FeatureCommand"),
    "kafka-get-offsets": (f"{_TOOLS}.GetOffsetShell", "kafka.tools.GetOffsetShell"),
    "kafka-groups": (f"{_TOOLS}.GroupsCommand",),
    "kafka-leader-election": (f"{_TOOLS}.LeaderElectionCommand", "kafka.admin.LeaderElectionCommand"),
    "kafka-log-dirs": (f"{_TOOLS}.LogDirsCommand", "kafka.admin.LogDirsCommand"),
    "kafka-metadata-quorum": (f"{_TOOLS}.MetadataQuorumCommand", "kafka.admin.MetadataQuorumCommand"),
    "kafka-producer-perf-test": (f"{_TOOLS}.ProducerPerformance",),
    "kafka-reassign-partitions": (
        f"{_TOOLS}.reassign.ReassignPartitionsCommand",
        "kafka.admin.ReassignPartitionsCommand",
    ),
    "kafka-replica-verification": (
        f"{_TOOLS}.ReplicaVerificationTool",
        "kafka.tools.ReplicaVerificationTool",
    ),
    "kafka-share-groups": (f"{_TOOLS}.consumer.group.ShareGroupCommand",),
    "kafka-storage": ("kafka.tools.StorageTool", f"{_TOOLS}.StorageTool"),
    "kafka-streams-groups": (f"{_TOOLS}.streams.StreamsGroupCommand",),
    "kafka-topics": (f"{_TOOLS}.TopicCommand", "kafka.admin.TopicCommand"),
    "kafka-transactions": (f"{_TOOLS}.TransactionsCommand",),
    "kafka-verifiable-consumer": (f"{_TOOLS}.VerifiableConsumer",),
    "kafka-verifiable-producer": (f"{_TOOLS}.VerifiableProducer",),
    "zookeeper-shell": (
        "org.apache.zookeeper.ZooKeeperMainWithTlsSupportForKafka",
        "org.apache.zookeeper.ZooKeeperMain",
    ),
}
"""Script without its ``.sh`` -> its class, where versions differ the newest first (bin/ of Apache's archives, 2.4 to 4.4)."""

_OPTIONS: Mapping[str, str] = {"zookeeper-shell": " -server"}
"""What Apache's own script gives its class before the words of its caller: there the first word is the server."""

_TOOL = """\
#!/bin/sh
# Made by kafab: this release was put together from its Maven artifacts, which have no bin/ of their own.
exec "$(dirname -- "$0")/kafka-run-class.sh" {main}{options} "$@"
"""

_RUN_CLASS = """\
#!/bin/sh
# Made by kafab: runs one class of this release, with the variables that Apache's own script of this name reads.
base=$(cd -P -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
if [ -n "${{JAVA_HOME-}}" ]; then
  java=$JAVA_HOME/bin/java
else
  java=$(command -v java) || for java in /usr/lib/jvm/*/bin/java; do [ ! -x "$java" ] || break; done
fi
# shellcheck disable=SC2086  # each variable holds several options
exec "$java" ${{KAFKA_HEAP_OPTS:--Xmx256M}} ${{KAFKA_JVM_PERFORMANCE_OPTS-}} \\
  ${{KAFKA_LOG4J_OPTS:-"-D{logging}"}} ${{KAFKA_OPTS-}} -cp "${{CLASSPATH:+$CLASSPATH:}}$base/libs/*" "$@"
"""

_LOG4J = """\
# Warnings of the command line tools, on standard error.
log4j.rootLogger=WARN, stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=[%d] %p %m (%c)%n
log4j.appender.stderr.Target=System.err
"""

_LOG4J2 = """\
# Warnings of the command line tools, on standard error.
Configuration:
  Appenders:
    Console:
      name: STDERR
      target: SYSTEM_ERR
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: STDERR
"""


def files(classes: Container[str], *, log4j2: bool) -> dict[str, str]:
    """Return path below the release -> text: a script for each tool that ``classes`` has, and how the tools log.

    ``classes`` holds the names of the classes in the release's jars. Scripts stand under ``bin``.
    """
    found = {
        name: main
        for name, mains in CLASSES.items()
        if (main := next((main for main in mains if main in classes), None)) is not None
    }
    if not found:
        return {}
    config = "config/tools-log4j2.yaml" if log4j2 else "config/tools-log4j.properties"
    logging = (
        f"log4j2.configurationFile=$base/{config}" if log4j2 else f"log4j.configuration=file:$base/{config}"
    )
    scripts = {
        f"bin/{name}.sh": _TOOL.format(main=main, options=_OPTIONS.get(name, ""))
        for name, main in found.items()
    }
    scripts["bin/kafka-run-class.sh"] = _RUN_CLASS.format(logging=logging)
    return {config: _LOG4J2 if log4j2 else _LOG4J, **scripts}
