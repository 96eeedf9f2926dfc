"""Faults of a cluster that runs, each with the alerts that a Prometheus beside it must fire; the cluster is whole again after each.

`prometheus_checks.watching` has the alerts wait a part of their time, so that a fault need not last as long.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from kafab.shell.layout import METRICS
from tests.disturbances import produce, topic
from tests.labs import LocalLab
from tests.prometheus_checks import Alerts, Prometheus, until

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
RECORDS = 1200
"""Of metadata: more than a voter may lag."""
CHANGED = (
    *("retention.ms", "segment.ms", "flush.ms", "flush.messages", "delete.retention.ms"),
    *("file.delete.delay.ms", "max.message.bytes"),
)
"""Properties of a topic that may be any large number."""


def kill(lab: LocalLab, *names: str) -> None:
    """End the processes of these nodes without a word."""
    for name in names:
        os.kill(lab.pid(name), signal.SIGKILL)


@contextmanager
def healed(lab: LocalLab, watcher: Prometheus) -> Iterator[None]:
    """Start what does not run after the block, and wait until no alert fires."""
    try:
        yield
    finally:
        lab.fab.must("start")
        until(lambda: not watcher.firing())


def check_two_brokers_killed(lab: LocalLab, watcher: Prometheus) -> None:
    """Two of three brokers: each is named, and partitions are below their min ISR, without a leader, and under-replicated."""
    away = ("node1/broker", "node2/broker")
    topics = topic(lab, "single", 3, "min.insync.replicas=1", replicas=1), topic(lab, "three", 3)
    with topics[0], topics[1], healed(lab, watcher):
        kill(lab, *away)
        expected = {("KafkaBrokerDown", name) for name in away} | of_cluster("KafkaFencedBroker")
        expected |= of_cluster("KafkaUnderMinIsr", "KafkaOfflinePartitions", "KafkaUnderReplicated")
        watcher.fires(expected)


def check_controllers_without_majority(lab: LocalLab, watcher: Prometheus) -> None:
    """Two of three isolated controllers: each is named, and the cluster has no active controller."""
    away = ("node1/controller", "node2/controller")
    with healed(lab, watcher):
        kill(lab, *away)
        watcher.fires({("KafkaControllerDown", name) for name in away} | of_cluster("KafkaControllerCount"))


def check_zookeeper_without_majority(lab: LocalLab, watcher: Prometheus) -> None:
    """Two of three servers: each is named, there is no quorum, and each broker is without its session."""
    away = ("node1/zookeeper", "node2/zookeeper")
    brokers = {("KafkaZooKeeperSessionLost", node.name) for node in lab.cluster.brokers}
    with healed(lab, watcher):
        kill(lab, *away)
        servers = {("ZooKeeperServerDown", name) for name in away}
        watcher.fires(servers | of_cluster("ZooKeeperNoQuorum") | brokers)


def check_silent_cluster(lab: LocalLab, watcher: Prometheus) -> None:
    """No node answers a scrape: the metrics of the cluster are lost."""
    pids = list(lab.pids().values())
    with healed(lab, watcher):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            watcher.fires(of_cluster("KafkaMetricsLost"))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def check_agent_without_its_beans(lab: LocalLab, watcher: Prometheus) -> None:
    """An agent with a rule that it fails at is named."""
    node = lab.node("node3/broker")
    file = Path(node.config / METRICS)
    text = file.read_text(encoding="utf-8")
    with healed(lab, watcher):
        # The agent reads its file again when that changes; the rule takes from a match what it has not.
        broken = "rules:\n  - {pattern: 'kafka.server<type=ReplicaManager.*', name: 'x_$9'}\n"
        file.write_text(text.replace("rules:\n", broken, 1), encoding="utf-8")
        try:
            watcher.fires({("KafkaScrapeFails", node.name)})
        finally:
            file.write_text(text, encoding="utf-8")


def check_few_descriptors_left(lab: LocalLab, watcher: Prometheus) -> None:
    """A process whose limit is little above what it has open is named."""
    node = lab.node("node3/broker")
    pid = lab.pid(node.name)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    opened = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    with healed(lab, watcher):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened * 11 // 10, before[1]))
        try:
            watcher.fires({("KafkaFileDescriptors", node.name)})
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def check_voter_that_lags(lab: LocalLab, watcher: Prometheus) -> None:
    """A controller whose Raft threads hang is named, once the others are a thousand records ahead."""
    nodes = lab.fab.must("status", "--json").document["nodes"]
    name = next(str(one["node"]) for one in nodes if one["leads"] == "follower")
    with topic(lab, "changed", 1), healed(lab, watcher), hanging(lab.pid(name), "-raft-"):
        grown(lab, "changed")
        watcher.fires({("KafkaVoterLagging", name)})


def check_threads_that_stand_still(lab: LocalLab, watcher: Prometheus) -> None:
    """A broker whose request handlers and network threads hang, as they do on a disk that hangs, is named for both.

    The figures are means of a minute and of half a minute, so that takes longer than all else here.
    """
    node = lab.node("node3/broker")
    with healed(lab, watcher), hanging(lab.pid(node.name), "data-plane-kaf"):
        watcher.fires({("KafkaNetworkThreadsBusy", node.name), ("KafkaRequestHandlersBusy", node.name)})


def check_unclean_election(lab: LocalLab, watcher: Prometheus) -> None:
    """The follower that was away becomes leader without the records of the leader that is gone."""
    weak = ("min.insync.replicas=1", "unclean.leader.election.enable=true")
    admin = AdminClient({"bootstrap.servers": lab.cluster.bootstrap})
    names = {node.id: node.name for node in lab.cluster.brokers}

    def partition() -> Any:
        while True:
            # A client may ask a broker that has just been killed.
            with suppress(KafkaException):
                return admin.list_topics("weak", timeout=5).topics["weak"].partitions[0]

    with topic(lab, "weak", 1, *weak, replicas=2), healed(lab, watcher):
        found = partition()
        leader, follower = found.leader, next(one for one in found.replicas if one != found.leader)
        kill(lab, names[follower])
        until(lambda: partition().isrs == [leader])
        produce(lab, "weak", 100, 100)
        kill(lab, names[leader])
        until(lambda: partition().leader == -1)
        lab.fab.must("start", "--limit", names[follower])
        watcher.fires(of_cluster("KafkaUncleanElection"))


def check_data_directory_lost(lab: LocalLab, watcher: Prometheus) -> None:
    """A broker with two data directories goes on when one of them is gone, and is named."""
    node = next(node for node in lab.cluster.brokers if len(node.data) > 1)
    folder = Path(node.data[1])
    kept = folder.with_name("kept")
    with healed(lab, watcher), topic(lab, "spread", 12, replicas=3):
        # Within seconds the broker fails to write down how far its replicas are.
        folder.rename(kept)
        folder.touch()
        try:
            watcher.fires({("KafkaOfflineLogDirectory", node.name)})
        finally:
            folder.unlink()
            kept.rename(folder)
            lab.fab.must("restart", "--limit", node.name, "--no-canary")


def check_figures_of_a_timer(lab: LocalLab, watcher: Prometheus) -> None:
    """A group that falls behind, a node that is not restarted, a timer that stops, and a node that tells nothing are named.

    What the timer wrote last grows old for ever, so nothing else can be checked behind it.
    """
    text = lab.inventory.read_text()
    document = yaml.safe_load(text)
    document["hosts"]["node2"]["broker"]["properties"] = {"log.cleaner.threads": 2}
    consumer = Consumer({"bootstrap.servers": lab.cluster.bootstrap, "group.id": "slow"})
    with topic(lab, "growing", 1), lab.rewritten(yaml.safe_dump(document, sort_keys=False)):
        consumer.commit(offsets=[TopicPartition("growing", 0, 0)], asynchronous=False)
        consumer.close()
        lab.fab.must("deploy")
        expected = of_cluster("KafkaGroupLagGrowing") | {("KafkaRestartPending", "node2/broker")}

        def told() -> bool:
            produce(lab, "growing", 100, 100)
            watcher.write(lab)
            return expected <= watcher.firing()

        until(told)
        watcher.fires(of_cluster("KafkaTextfileStale"))
        kill(lab, "node3/broker")
        watcher.write(lab)
        watcher.fires(of_cluster("KafkaFiguresUnknown"))
    lab.fab.must("deploy", "start")


def of_cluster(*names: str) -> Alerts:
    """Return alerts that are of no single node."""
    return {(name, "") for name in names}


def grown(lab: LocalLab, name: str) -> None:
    """Have the metadata log grow, by a record for each change of a topic's properties."""
    admin = AdminClient({"bootstrap.servers": lab.cluster.bootstrap})
    for number in range(RECORDS // len(CHANGED)):
        wanted = [
            ConfigEntry(each, str(1_000_000 + number), incremental_operation=AlterConfigOpType.SET)
            for each in CHANGED
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=wanted)
        for future in admin.incremental_alter_configs([resource]).values():
            future.result()


@contextmanager
def hanging(pid: int, part: str) -> Iterator[None]:
    """Have the threads of a process with this in their name stand still for the block, and no other one."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

    def ask(what: int, thread: int) -> None:
        if libc.ptrace(what, thread, None, None):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    threads = [
        int(task.name)
        for task in Path(f"/proc/{pid}/task").iterdir()
        if part in (task / "comm").read_text(encoding="utf-8")
    ]
    assert threads
    held = list[int]()
    try:
        for thread in threads:
            ask(PTRACE_SEIZE, thread)
            held.append(thread)
            ask(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)
        yield
    finally:
        for thread in held:
            ask(PTRACE_DETACH, thread)
