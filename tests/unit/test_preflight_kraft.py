"""Preflight of JVM flags, and of KRaft nodes: their data and their ports."""

from dataclasses import replace

import pytest

from kafab.hosts.facts import HostFacts, Identity, NodeFacts
from kafab.listeners import controller_listener
from kafab.model import Version
from tests.preflight_hosts import (
    CLUSTER,
    DATA,
    NODE,
    healthy,
    judged,
    node_facts,
)


@pytest.mark.parametrize(
    ("flag", "java", "wanted"),
    [
        ("-XX:+UseConcMarkSweepGC", "11.0.25", ""),
        ("-XX:+UseConcMarkSweepGC", "17.0.15", "Java older than 15"),
        ("-XX:CMSInitiatingOccupancyFraction=70", "21.0.1", "Java older than 15"),
        ("-XX:+PrintGCDateStamps", "1.8.0_292", ""),
        ("-XX:NumberOfGCLogFiles=10", "11.0.25", "Java older than 9"),
        ("-XX:MaxPermSize=64m", "17.0.15", "Java older than 17"),
        ("-Xlog:gc*:file=gc.log", "1.8.0_292", "Java 9 or newer"),
        ("-Xlog:gc*:file=gc.log", "17.0.15", ""),
        ("-Xloggc:gc.log", "1.8.0_292", ""),
        ("-XX:+UseG1GC", "17.0.15", ""),
    ],
)
def test_flags_that_java_refuses(flag: str, java: str, wanted: str) -> None:
    """A JVM flag of another Java would end the process at its start: it is told with the Java that it is for."""
    cluster = replace(CLUSTER, nodes=(replace(NODE, jvm=("-server", flag)),))
    seen = HostFacts({"broker": NodeFacts()}, java="/usr/bin/java", java_version=java)
    found = [item.detail for item in judged(replace(healthy(), facts=seen), cluster)]
    assert found == ([f"Java {java} refuses {flag}; wanted: {wanted}"] if wanted else [])


def test_flags_that_java_was_told_to_ignore_are_fine() -> None:
    """Who asks the JVM to ignore what it does not know gets what was asked for."""
    flags = ("-XX:+IgnoreUnrecognizedVMOptions", "-XX:+UseParNewGC")
    cluster = replace(CLUSTER, nodes=(replace(NODE, jvm=flags),))
    assert judged(healthy(), cluster) == []


KRAFT = replace(
    CLUSTER,
    version=Version(4, 3, 1),
    nodes=(replace(NODE, listeners=(*NODE.listeners, controller_listener(NODE.host.address, 9093))),),
)


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        (Identity(1, "abc", kraft=True), []),
        (None, []),
        (Identity(7, "abc", kraft=True), [f"{DATA} belongs to node.id 7; wanted: node.id 1"]),
        (Identity(1, "abc"), [f"{DATA} belongs to broker.id 1 (ZooKeeper mode); wanted: node.id 1"]),
    ],
)
def test_data_of_a_kraft_node(identity: Identity | None, said: list[str]) -> None:
    """Its own and bare directories are fine, for a deploy formats the latter; another id or mode is not."""
    facts = node_facts(identities={DATA: identity} if identity else {})
    assert [item.detail for item in judged(replace(healthy(), facts=facts), KRAFT)] == said


def test_kraft_data_is_not_a_zookeeper_mode_brokers() -> None:
    """The other way round, too."""
    facts = node_facts(identities={DATA: Identity(1, "abc", kraft=True)})
    (finding,) = judged(replace(healthy(), facts=facts))
    assert finding.detail == f"{DATA} belongs to node.id 1 (KRaft mode); wanted: broker.id 1"


def test_combined_process_needs_both_ports() -> None:
    """A port that is taken is named by its use: the controller listener is one of the process's two."""
    (finding,) = judged(replace(healthy(), held={9093: "pid 77, nginx"}), KRAFT)
    assert finding.detail.startswith("controller port 9093 is held by pid 77, nginx")
