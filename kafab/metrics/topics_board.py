"""The dashboard of topics and groups, and of what else `fab observe.textfile` knows.

Nodes show figures of all topics together, few as they are; groups come from the file. Two machines may write it for one cluster, so each figure is
taken once.
"""

from kafab.metrics.panels import OF, RATE, Board, Panel

_OF = 'cluster="$cluster"'
_TIMES = (
    f'kafka_network_requestmetrics_totaltimems{{{OF}, quantile="0.99", request=~"Produce|FetchConsumer"}}'
)

TOPICS = Board(
    "kafab-topics",
    "Kafka: topics and groups",
    (
        Panel(
            "Records in, all topics",
            f"sum(rate(kafka_server_brokertopicmetrics_messagesin_total{{{OF}}}{RATE}))",
            "records",
            "cps",
        ),
        Panel(
            "Bytes in, all topics",
            f"sum(rate(kafka_server_brokertopicmetrics_bytesin_total{{{OF}}}{RATE}))",
            "from producers",
            "Bps",
        ),
        Panel(
            "Bytes out, all topics",
            f"sum(rate(kafka_server_brokertopicmetrics_bytesout_total{{{OF}}}{RATE}))",
            "to consumers",
            "Bps",
            says="Without what followers fetch.",
        ),
        Panel(
            "Partitions with a leader",
            f"sum(kafka_server_replicamanager_leadercount{{{OF}}})",
            "partitions",
        ),
        Panel(
            "Time of a request, 99th percentile of the slowest broker",
            f"max by (request) ({_TIMES})",
            "{{request}}",
            "ms",
            says="A fetch waits for records, half a second by default: that is no load.",
        ),
        Panel(
            "Lag of groups",
            f"sum by (group) (max by (group, topic) (kafab_group_lag_records{{{_OF}}}))",
            "{{group}}",
            says="Records that a group has not consumed. Flat is well, also far above 0; what climbs for an hour fires KafkaGroupLagGrowing.",
        ),
        Panel(
            "Lag by topic",
            f"sum by (topic) (max by (group, topic) (kafab_group_lag_records{{{_OF}}}))",
            "{{topic}}",
        ),
        Panel(
            "Age of the lag",
            f"max by (group, topic) (kafab_group_lag_seconds{{{_OF}}})",
            "{{group}} {{topic}}",
            "s",
            says="How old the oldest record is that a group has not consumed, by its timestamp.",
        ),
        Panel(
            "Members of groups",
            f"max by (group) (kafab_group_members{{{_OF}}})",
            "{{group}}",
            says="0: nobody reads.",
        ),
        Panel(
            "Topics of groups without a figure",
            f"max by (figure) (kafab_group_topics_left_out{{{_OF}}})",
            "{{figure}}",
            says="More than the file has room for, or ages more than are read: those with the least lag.",
        ),
        Panel(
            "Free space of data directories",
            f"min by (node, path) (kafab_disk_free_bytes{{{_OF}}} / kafab_disk_size_bytes{{{_OF}}})",
            "{{node}} {{path}}",
            "percentunit",
        ),
        Panel(
            "Certificates end in",
            f"min by (node) (kafab_certificate_expiry_timestamp_seconds{{{_OF}}}) - time()",
            "{{node}}",
            "s",
            mode="tls",
        ),
        Panel(
            "Clocks apart",
            f"max by (host) (abs(kafab_clock_skew_seconds{{{_OF}}}))",
            "{{host}}",
            "s",
            says="From the clock of the machine that runs kafab. All hosts at once: that one is wrong.",
        ),
        Panel("Restart pending", f"max by (node) (kafab_restart_pending{{{_OF}}})", "{{node}}"),
        Panel(
            "Upgrade that is not finalized",
            f"max(kafab_upgrade_open{{{_OF}}}) + max(kafab_upgrade_rollback_possible{{{_OF}}})",
            "upgrade",
            says="2: a way leads back. 1: it is being finalized. 0: there is none.",
        ),
        Panel(
            "Brokers that throttle replication",
            f"sum(max by (node) (kafab_replication_throttled{{{_OF}}}))",
            "brokers",
            says="More than 0 only while partitions are moved.",
        ),
        Panel("Partitions that are moved", f"max(kafab_reassigning_partitions{{{_OF}}})", "partitions"),
        Panel(
            "Could not be read",
            f"max by (part) (kafab_unknown{{{_OF}}})",
            "{{part}}",
            says="What has no figure here.",
        ),
        Panel(
            "Age of the file",
            f"time() - max(kafab_textfile_last_run_timestamp_seconds{{{_OF}}})",
            "age",
            "s",
            says="About the time between two runs of the timer, at most.",
        ),
    ),
)
