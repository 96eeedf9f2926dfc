"""The dashboards: a table of panels each, and the JSON that Grafana 10 and later read."""

import json
from collections.abc import Sequence
from typing import Any

from kafab.metrics.panels import OF, RATE, Board, Panel
from kafab.metrics.prometheus import JOB
from kafab.metrics.topics_board import TOPICS

_NODE = f'{OF}, node=~"$node"'

CLUSTER = Board(
    "kafab-cluster",
    "Kafka: cluster",
    (
        Panel("Nodes that answer", f"sum by (role) (up{{{OF}}})", "{{role}}"),
        Panel(
            *(
                "Active controllers",
                f"sum(kafka_controller_kafkacontroller_activecontrollercount{{{OF}}})",
                "controllers",
            ),
            says="1, but for the moment in which the office moves.",
        ),
        Panel(
            *(
                "Partitions without a leader",
                f"max(kafka_controller_kafkacontroller_offlinepartitionscount{{{OF}}})",
                "partitions",
            ),
            says="0. Nobody writes to these partitions or reads from them.",
        ),
        Panel(
            *(
                "Partitions under min ISR",
                f"sum(kafka_server_replicamanager_underminisrpartitioncount{{{OF}}})",
                "partitions",
            ),
            says="0. Producers with acks=all are refused there.",
        ),
        Panel(
            "Under-replicated partitions",
            f"sum by (node) (kafka_server_replicamanager_underreplicatedpartitions{{{OF}}})",
            "{{node}}",
            says="0, but for restarts. By the broker that leads them; the one that is behind is another one.",
        ),
        Panel(
            "Partitions at min ISR",
            f"sum(kafka_server_replicamanager_atminisrpartitioncount{{{OF}}})",
            "partitions",
            says="One more replica lost, and producers are refused.",
        ),
        Panel(
            "Records in",
            f"sum by (node) (rate(kafka_server_brokertopicmetrics_messagesin_total{{{OF}}}{RATE}))",
            "{{node}}",
            "cps",
        ),
        Panel(
            "Bytes in",
            f"sum by (node) (rate(kafka_server_brokertopicmetrics_bytesin_total{{{OF}}}{RATE}))",
            "{{node}}",
            "Bps",
        ),
        Panel(
            "Bytes out",
            f"sum by (node) (rate(kafka_server_brokertopicmetrics_bytesout_total{{{OF}}}{RATE}))",
            "{{node}}",
            "Bps",
        ),
        Panel(
            "Leaders",
            f"kafka_server_replicamanager_leadercount{{{OF}}}",
            "{{node}}",
            says="About the same for each broker; `fab leaders.restore` gives partitions back to their preferred leaders.",
        ),
        Panel("Replicas", f"kafka_server_replicamanager_partitioncount{{{OF}}}", "{{node}}"),
        Panel(
            "Replicas that fell out of sync",
            f"sum by (node) (rate(kafka_server_replicamanager_isrshrinks_total{{{OF}}}{RATE}))",
            "{{node}}",
            "cps",
        ),
        Panel(
            "Unclean elections",
            f"sum(kafka_controller_controllerstats_uncleanleaderelections_total{{{OF}}})",
            "since the start",
            says="Each of them lost acknowledged records.",
        ),
        Panel(
            "Firing alerts", 'count(ALERTS{cluster="$cluster", alertstate="firing"}) or vector(0)', "alerts"
        ),
        Panel(
            "Fenced brokers",
            f"max(kafka_controller_kafkacontroller_fencedbrokercount{{{OF}}})",
            "brokers",
            mode="kraft",
        ),
        Panel(
            "Records that a voter is behind",
            f"scalar(max(kafka_server_raft_log_end_offset{{{OF}}})) - kafka_server_raft_log_end_offset{{{OF}}}",
            "{{node}}",
            mode="kraft",
        ),
        Panel(
            "Age of the metadata that a broker has applied",
            f"kafka_server_broker_metadata_last_applied_record_lag_ms{{{OF}}}",
            "{{node}}",
            "ms",
            mode="kraft",
        ),
        Panel(
            "ZooKeeper: requests that wait",
            f"zookeeper_outstandingrequests{{{OF}}}",
            "{{node}}",
            mode="zookeeper",
        ),
        Panel(
            "ZooKeeper: latency", f"zookeeper_avgrequestlatency{{{OF}}}", "{{node}}", "ms", mode="zookeeper"
        ),
        Panel(
            "ZooKeeper: connections", f"zookeeper_numaliveconnections{{{OF}}}", "{{node}}", mode="zookeeper"
        ),
        Panel(
            "Brokers without a session",
            f'count(kafka_server_sessionexpirelistener_sessionstate{{{OF}, state!="CONNECTED"}}) or vector(0)',
            "brokers",
            mode="zookeeper",
        ),
    ),
)
NODE = Board(
    "kafab-node",
    "Kafka: node",
    (
        Panel(
            "Processor",
            f"rate(process_cpu_seconds_total{{{_NODE}}}{RATE})",
            "{{node}}",
            "percentunit",
            says="1 is one processor.",
        ),
        Panel("Heap", f'sum by (node) (jvm_memory_used_bytes{{{_NODE}, area="heap"}})', "{{node}}", "bytes"),
        Panel(
            "Share of the heap in use",
            f'sum by (node) (jvm_memory_used_bytes{{{_NODE}, area="heap"}}) / sum by (node) (jvm_memory_max_bytes{{{_NODE}, area="heap"}} > 0)',
            "{{node}}",
            "percentunit",
        ),
        Panel(
            "Time in garbage collection",
            f"sum by (node) (rate(jvm_gc_collection_seconds_sum{{{_NODE}}}{RATE}))",
            "{{node}}",
            "percentunit",
        ),
        Panel("Threads", f"jvm_threads_current{{{_NODE}}}", "{{node}}"),
        Panel(
            "Open file descriptors",
            f"process_open_fds{{{_NODE}}} / process_max_fds{{{_NODE}}}",
            "{{node}}",
            "percentunit",
        ),
        Panel("Uptime", f"time() - process_start_time_seconds{{{_NODE}}}", "{{node}}", "s"),
        Panel(
            "Idle request handlers",
            f"kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio{{{_NODE}}}",
            "{{node}}",
            "percentunit",
            says="Below 20 % requests wait for a thread.",
        ),
        Panel(
            "Idle network threads",
            f"kafka_network_socketserver_networkprocessoravgidle_ratio{{{_NODE}}}",
            "{{node}}",
            "percentunit",
        ),
        Panel(
            "Requests",
            f"sum by (node, request) (rate(kafka_network_requestmetrics_requests_total{{{_NODE}}}{RATE}))",
            "{{node}} {{request}}",
            "reqps",
        ),
        Panel(
            "Time of a request, 99th percentile",
            f'kafka_network_requestmetrics_totaltimems{{{_NODE}, quantile="0.99"}}',
            "{{node}} {{request}}",
            "ms",
            says="A fetch waits for records, half a second by default: that is no load.",
        ),
        Panel(
            "Requests that wait for a handler",
            f"kafka_network_requestchannel_requestqueuesize{{{_NODE}}}",
            "{{node}}",
        ),
        Panel(
            "Requests in purgatory",
            f"sum by (node, operation) (kafka_server_delayedoperationpurgatory_purgatorysize{{{_NODE}}})",
            "{{node}} {{operation}}",
        ),
        Panel(
            "Connections",
            f"sum by (node, listener) (kafka_server_socketserver_connections{{{_NODE}}})",
            "{{node}} {{listener}}",
        ),
        Panel(
            "Records that a follower is behind",
            f"kafka_server_replicafetchermanager_maxlag{{{_NODE}}}",
            "{{node}}",
        ),
        Panel(
            "Offline data directories",
            f"kafka_log_logmanager_offlinelogdirectorycount{{{_NODE}}}",
            "{{node}}",
        ),
    ),
    of_node=True,
)
BOARDS = (CLUSTER, NODE, TOPICS)
WIDTH, HEIGHT, ACROSS = 8, 8, 3
"""Of Grafana's grid, which has 24 columns."""


def document(board: Board) -> str:
    """Return a dashboard as Grafana's JSON; importing it again replaces the one that is there."""
    return (
        json.dumps(
            {
                "uid": board.name,
                "title": board.title,
                "tags": [JOB],
                "schemaVersion": 38,
                "time": {"from": "now-6h", "to": "now"},
                "refresh": "30s",
                "templating": {"list": _variables(board)},
                "panels": [_panel(number, panel) for number, panel in enumerate(board.panels)],
            },
            indent=2,
        )
        + "\n"
    )


_SOURCE = {"type": "prometheus", "uid": "${source}"}


def _variables(board: Board) -> Sequence[dict[str, Any]]:
    def labels(name: str, of: str, *, many: bool = False) -> dict[str, Any]:
        query = f"label_values({of}, {name})"
        return {
            "name": name,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,
            "multi": many,
            "includeAll": many,
        }

    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    found = [source, labels("cluster", f'up{{job="{JOB}"}}')]
    return [*found, labels("node", f"up{{{OF}}}", many=True)] if board.of_node else found


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, ACROSS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "noValue": "no data"}, "overrides": []},
        "targets": [{"refId": "A", "expr": panel.expr, "legendFormat": panel.line, "datasource": _SOURCE}],
    }
