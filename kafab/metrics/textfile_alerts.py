"""The alerts over what JMX does not have: the file that `fab observe.textfile` writes, see `kafab.metrics.textfile`.

A node that was away for a run has no figure of that run, so what must be so for long looks back over such gaps.
"""

from collections.abc import Mapping

from kafab.metrics.alerting import Alert, Case, Severity

RUN = 240
"""Seconds between two values in the series here, as if a timer ran `fab observe.textfile` so often: a day is few values, and Prometheus looks back 300."""


def _case(series: Mapping[str, str], at: int) -> Case:
    return Case(series, at, RUN)


def _of_node(name: str = "n1/broker", **more: str) -> str:
    host, _, role = name.partition("/")
    told = {"cluster": "prod", "node": name, "host": host, "role": role, **more}
    return _labels(**told)


def _labels(**told: str) -> str:
    return "{" + ", ".join(f'{key}="{value}"' for key, value in told.items()) + "}"


_DAY = 86400
_DISK = _of_node(path="/var/lib/kafka/broker")
_GROUP = _labels(cluster="prod", group="billing", topic="orders")
_ENDS = "kafab_certificate_expiry_timestamp_seconds"
_LEFT = f"(last_over_time({_ENDS}[1h]) - time()) / {_DAY}"
_RENEW = "`fab secure.issue` makes new ones (a company's CA: `fab secure.csr` and `fab secure.install DIR`), then `fab deploy restart --pending`."


def _ends(days: int) -> str:
    """Return the values of a certificate that ends so many days after the first of them."""
    return f"{days * _DAY}x20"


TEXTFILE: tuple[Alert, ...] = (
    Alert(
        "KafkaDiskFilling",
        Severity.WARNING,
        "kafab_disk_free_bytes / kafab_disk_size_bytes < 0.4"
        f" and predict_linear(kafab_disk_free_bytes[6h], {_DAY}) < 0",
        3600,
        "the disk of {{ $labels.path }} of {{ $labels.node }} of {{ $labels.cluster }} is full in less than a day",
        "fab preflight",
        "As it went in the last 6 hours, the file system of that data directory has no room left tomorrow. A broker whose disk is full takes the directory offline.",
        "`fab preflight` has the room on each disk. `fab topics.list` and the dashboard of topics say what is written; a topic without retention grows for ever.",
        "Shorten retention (`fab topics.alter TOPIC --config retention.ms=…`), which frees whole segments within minutes, or give the file system more room.",
        "Do not remove files from a data directory by hand.",
        _case(
            {
                f"kafab_disk_size_bytes{_DISK}": "1000000000x38",
                f"kafab_disk_free_bytes{_DISK}": "390000000-1600000x38",
            },
            6000,
        ),
        # A broker catches up behind its restart: its disk fills fast for some minutes, and then no more.
        _case(
            {
                f"kafab_disk_size_bytes{_DISK}": "1000000000x38",
                f"kafab_disk_free_bytes{_DISK}": "390000000-8000000x1 374000000x38",
            },
            6000,
        ),
    ),
    Alert(
        "KafkaGroupLagGrowing",
        Severity.WARNING,
        "min by (cluster, group, topic) (min_over_time(kafab_group_lag_records[15m]))"
        " > max by (cluster, group, topic) (max_over_time(kafab_group_lag_records[15m] offset 30m))",
        3600,
        "group {{ $labels.group }} of {{ $labels.cluster }} falls behind on {{ $labels.topic }}: {{ $value }} records",
        "fab groups.describe GROUP",
        "For more than an hour the group has consumed less than is written: it has too few members, is stuck, or has stopped.",
        "`fab groups.describe GROUP` has members, and lag and its age for each partition. One partition alone: a record that its consumer cannot get past. All of them: the consumers, or too many records.",
        "Look at the consumers' own logs; start more of them, up to the number of partitions. What retention takes before it was read is lost to the group.",
        "Do not reset the offsets to make the lag go: what is skipped is never read.",
        _case({f"kafab_group_lag_records{_GROUP}": "0+160x38"}, 7500),
        # Consumers that find their partitions anew in each restart of a broker, and one that commits once in an hour.
        _case(
            {
                f"kafab_group_lag_records{_GROUP}": "0x3 4000 0x6 4000 0x30",
                "kafab_group_lag_records" + _labels(cluster="prod", group="hourly", topic="orders"): (
                    "0+160x14 0+160x14 0+160x14"
                ),
            },
            7440,
        ),
    ),
    Alert(
        "KafkaCertificateExpires",
        Severity.WARNING,
        f"{_LEFT} < 30 and {_LEFT} >= 7",
        3600,
        "the certificate of {{ $labels.node }} of {{ $labels.cluster }} ends in {{ $value | humanize }} days",
        "fab secure.check",
        "The certificate that the node shows now ends within 30 days. From then on clients and the other nodes refuse it.",
        "`fab secure.check` judges the certificates on this machine; a node shows a new one from its next start on.",
        _RENEW,
        "Do not wait for the last day: clients with a truststore of their own may have to be told of another CA.",
        _case({f"{_ENDS}{_of_node()}": _ends(20)}, 3840),
        # A node that is restarted does not show its certificate for some runs.
        _case({f"{_ENDS}{_of_node()}": f"{60 * _DAY}x6 _x1 {60 * _DAY}x15"}, 3840),
    ),
    Alert(
        "KafkaCertificateExpiresSoon",
        Severity.CRITICAL,
        f"{_LEFT} < 7",
        900,
        "the certificate of {{ $labels.node }} of {{ $labels.cluster }} ends in {{ $value | humanize }} days",
        "fab secure.check",
        "Within a week nobody can connect to that node any more: neither clients nor the other nodes.",
        "`fab secure.check` judges the certificates on this machine; `fab verify --read-only` has those that nodes show.",
        _RENEW,
        "Do not switch the checks of clients off: they would take any server for this one.",
        _case({f"{_ENDS}{_of_node()}": _ends(5)}, 1920),
        _case({f"{_ENDS}{_of_node()}": f"{20 * _DAY}x3 _x1 {20 * _DAY}x15"}, 1920),
    ),
    Alert(
        "KafkaClockSkew",
        Severity.WARNING,
        "abs(kafab_clock_skew_seconds) > 1",
        600,
        "the clock of {{ $labels.host }} of {{ $labels.cluster }} differs by {{ $value | humanizeDuration }} from that of the machine which runs kafab",
        "fab preflight",
        "Retention, delegation tokens, certificates and the timestamps of records go by the clocks of hosts.",
        "`fab preflight` compares all clocks and says whose is wrong. All hosts at once: that of the machine which runs kafab.",
        "Start chrony or systemd-timesyncd on that host.",
        "Do not set the clock by a jump while a broker runs: let chrony slew it.",
        _case({"kafab_clock_skew_seconds" + _labels(cluster="prod", host="n1"): "0.1x1 -2.5x6"}, 1440),
        # A host that is rebooted in a roll has another clock until chrony has asked.
        _case({"kafab_clock_skew_seconds" + _labels(cluster="prod", host="n1"): "0.1x1 _x1 3 0x8"}, 1440),
    ),
    Alert(
        "KafkaRestartPending",
        Severity.WARNING,
        "last_over_time(kafab_restart_pending[30m]) == 1",
        _DAY,
        "{{ $labels.node }} of {{ $labels.cluster }} was not restarted since its files have changed, a day ago",
        "fab status",
        "The node runs with older files than are on its host. Whatever starts it next, a reboot or a crash, brings them into force, at a moment that nobody has chosen.",
        "`fab status` names the nodes that are restart pending, `fab history` who deployed, and when.",
        "`fab restart --pending` rolls them; `fab deploy --previous` puts back what they were started from.",
        "Do not leave it to the next crash.",
        _case({f"kafab_restart_pending{_of_node()}": "0x1 1x188 _x1 1x188"}, _DAY + 1200),
        # Deployed in the evening, rolled the next morning: for the time of its restart a node says nothing.
        _case({f"kafab_restart_pending{_of_node()}": "0x1 1x188 _x1 0x188"}, _DAY + 1200),
    ),
    Alert(
        "KafkaThrottleLeftBehind",
        Severity.WARNING,
        "kafab_replication_throttled == 1 and on (cluster) max by (cluster) (kafab_reassigning_partitions) == 0",
        1800,
        "{{ $labels.node }} of {{ $labels.cluster }} throttles replication, and no partition is being moved",
        "fab config.show NODE",
        "A throttle for moving partitions was not taken away behind it. A replica that falls behind may never catch up below it, above all behind a restart.",
        "`fab config.show NODE` has leader.replication.throttled.rate and follower.replication.throttled.rate.",
        "`fab tool NODE -- kafka-reassign-partitions.sh … --verify` takes it away with the file of the move; without that file `kafka-configs.sh --delete-config` does.",
        "Do not restart brokers before it is gone: each of them has to catch up below it.",
        _case(
            {
                f"kafab_replication_throttled{_of_node()}": "1x15",
                "kafab_reassigning_partitions" + _labels(cluster="prod"): "3x1 0x15",
            },
            2640,
        ),
        # A roll while partitions are moved: the broker says nothing for some runs, and the throttle goes with the move.
        _case(
            {
                f"kafab_replication_throttled{_of_node()}": "1x3 _x1 1x3 0x8",
                "kafab_reassigning_partitions" + _labels(cluster="prod"): "3x7 0x8",
            },
            2640,
        ),
    ),
    Alert(
        "KafkaTextfileStale",
        Severity.WARNING,
        "time() - max by (cluster) (max_over_time(kafab_textfile_last_run_timestamp_seconds[1d])) > 600",
        60,
        "nobody has written the figures of {{ $labels.cluster }} for {{ $value | humanizeDuration }}",
        "fab observe.textfile",
        "The timer of `fab observe.textfile` has stopped, its runs fail, or node-exporter does not read the file: what Prometheus has of lags, disks and certificates is old, or gone.",
        "`systemctl status` of the timer's service has why the last run failed; `fab observe.textfile` without --out prints what a run finds.",
        "Mend what the run names. A run that cannot read a part of the cluster writes the file all the same, so that is another reason.",
        "Do not take the silence of the other alerts on these figures for health.",
        # Not only old: node-exporter's machine is gone, and with it the series.
        _case({"kafab_textfile_last_run_timestamp_seconds" + _labels(cluster="prod"): "0+240x1 _x8"}, 1440),
        # Runs that wait for nodes which are down write less often.
        _case(
            {
                "kafab_textfile_last_run_timestamp_seconds"
                + _labels(cluster="prod"): "0+240x2 480x1 1200+240x4"
            },
            1440,
        ),
    ),
    Alert(
        "KafkaFiguresUnknown",
        Severity.WARNING,
        "max by (cluster, part) (kafab_unknown) > 0",
        3600,
        "{{ $labels.part }} of {{ $labels.cluster }}: {{ $value }} could not be read for an hour",
        "fab observe.textfile",
        "A figure that is not there fires nothing: alerts on that part are blind for what could not be read.",
        "`fab observe.textfile` without --out names what it cannot read, and why; `fab status` which hosts and nodes answer.",
        "Mend the way to the host or the node that does not answer, or take what was removed for good out of the inventory.",
        "Do not silence it for good: nobody would hear of the disk of that host again.",
        _case({"kafab_unknown" + _labels(cluster="prod", part="disks"): "0x1 1x20"}, 4320),
        # Each node of a roll of an hour is away for a run or two.
        _case({"kafab_unknown" + _labels(cluster="prod", part="groups"): "0x1 1 0x4 1 0x4 1 0x12"}, 4320),
    ),
)
