"""What Prometheus' agent shows of the nodes of a cluster that runs, of whichever version."""

import re
import urllib.request
from collections.abc import Iterable

from kafab.model import Node, Role
from tests.labs import LocalLab

FEW = 400
"""Series of a node at most, with a cluster that does nothing; Java's own are about 80."""
ALL = (
    "jmx_scrape_error",
    "jvm_memory_used_bytes",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_start_time_seconds",
)
BROKER = (
    "kafka_log_logmanager_logdirectoryoffline",
    "kafka_log_logmanager_offlinelogdirectorycount",
    "kafka_network_requestchannel_requestqueuesize",
    "kafka_network_requestmetrics_requests_total",
    "kafka_network_requestmetrics_totaltimems",
    "kafka_network_socketserver_networkprocessoravgidle_ratio",
    "kafka_server_brokertopicmetrics_bytesin_total",
    "kafka_server_brokertopicmetrics_bytesout_total",
    "kafka_server_brokertopicmetrics_messagesin_total",
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio",
    "kafka_server_kafkaserver_brokerstate",
    "kafka_server_replicafetchermanager_maxlag",
    "kafka_server_replicamanager_atminisrpartitioncount",
    "kafka_server_replicamanager_isrshrinks_total",
    "kafka_server_replicamanager_leadercount",
    "kafka_server_replicamanager_offlinereplicacount",
    "kafka_server_replicamanager_partitioncount",
    "kafka_server_replicamanager_underminisrpartitioncount",
    "kafka_server_replicamanager_underreplicatedpartitions",
    "kafka_server_socketserver_connections",
)
CONTROLLER = (
    "kafka_controller_kafkacontroller_activecontrollercount",
    "kafka_controller_kafkacontroller_offlinepartitionscount",
    "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
)
WITH_ZOOKEEPER = (
    *CONTROLLER,
    "kafka_controller_controllerstats_uncleanleaderelections_total",
    "kafka_server_sessionexpirelistener_sessionstate",
    "kafka_server_sessionexpirelistener_zookeeperexpires_total",
)
OF_KRAFT_CONTROLLER = (
    *CONTROLLER,
    "kafka_controller_kafkacontroller_fencedbrokercount",
    "kafka_controller_kafkacontroller_metadataerrorcount",
    "kafka_server_raft_state",
    "kafka_server_raft_current_leader",
    "kafka_server_raft_high_watermark",
    "kafka_server_raft_log_end_offset",
    "kafka_controller_controllerstats_uncleanleaderelections_total",
)
OF_KRAFT_BROKER = (
    "kafka_server_raft_state",
    "kafka_server_broker_metadata_last_applied_record_lag_ms",
    "kafka_server_broker_metadata_metadata_apply_error_count",
)
ZOOKEEPER = (
    "zookeeper_avgrequestlatency",
    "zookeeper_inmemorydatatree_nodecount",
    "zookeeper_numaliveconnections",
    "zookeeper_outstandingrequests",
    "zookeeper_packetsreceived_total",
    "zookeeper_quorumsize",
    "zookeeper_state",
)


def wanted(node: Node, *, kraft: bool) -> set[str]:
    """Return the names that dashboards and alerts need of a node."""
    names: set[str] = {*ALL}
    if node.role is Role.ZOOKEEPER:
        return names | {*ZOOKEEPER}
    if node.role is Role.BROKER:
        names |= {*BROKER, *(OF_KRAFT_BROKER if kraft else WITH_ZOOKEEPER)}
    if node.is_controller:
        names |= {*OF_KRAFT_CONTROLLER}
    return names


def scraped(node: Node) -> list[str]:
    """Return the lines of a node's metrics, without those that explain them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{node.metrics_port}/metrics", timeout=30) as answer:
        lines: Iterable[str] = answer.read().decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def check_metrics(lab: LocalLab) -> None:
    """Each node shows what dashboards and alerts need of its version and role, without an error and in few series."""
    lacking, many, failed = {}, {}, list[str]()
    for node in lab.cluster.nodes:
        lines = scraped(node)
        names = {re.split(r"[ {]", line)[0] for line in lines}
        if missing := wanted(node, kraft=lab.cluster.kraft) - names:
            lacking[node.name] = missing
        if len(lines) > FEW:
            many[node.name] = len(lines)
        if "jmx_scrape_error 0.0" not in lines:
            failed.append(node.name)
    assert (lacking, many, failed) == ({}, {}, [])
