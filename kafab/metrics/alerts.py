"""The alerts: what each asks Prometheus, what it means, what to do, and the series that must fire it and must not.

An expression here is over the metrics that `templates/metrics-*.yaml.j2` make, with the labels of `prometheus.targets`; `textfile_alerts` has those over the file that
`fab observe.textfile` writes. Each alert has a series for both directions, which
`promtool test rules` runs: an alert that cannot fire, and one that fires at every restart, are both found before they are used.

The file is a little over 400 lines long because it is that one table.
"""

from collections.abc import Mapping

from kafab.metrics.alerting import Alert, Case, Severity
from kafab.metrics.textfile_alerts import TEXTFILE


def _labels(node: str, role: str = "broker", **more: str) -> str:
    told = {"job": "kafab", "cluster": "prod", "node": node, "role": role, **more}
    return "{" + ", ".join(f'{key}="{value}"' for key, value in told.items()) + "}"


def _down(name: str, roles: str, what: str, means: str, do: str) -> Alert:
    role = roles.partition("|")[0]
    up = f"up{_labels(f'n1/{role}', role)}"
    return Alert(
        name,
        Severity.CRITICAL,
        f'up{{job="kafab", role=~"{roles}"}} == 0',
        180,
        f"{what} {{{{ $labels.node }}}} of {{{{ $labels.cluster }}}} does not answer",
        "fab status",
        means,
        "`fab status` says whether the process runs, and `fab logs NODE` why it ended. A process that runs and shows no metrics has lost its agent or its port.",
        do,
        "Do not restart other nodes to see whether it helps: each of them may be the last one with the data.",
        Case({up: "1x4 0x20"}, 300),
        # A restart: a node is away for two minutes.
        Case({up: "1x4 0x8 1x20"}, 240),
    )


_BROKERS = "broker|combined"
_START = f"process_start_time_seconds{_labels('n2/broker')}"

NODES: tuple[Alert, ...] = (
    _down(
        "KafkaBrokerDown",
        _BROKERS,
        "broker",
        "A broker is away for longer than a restart takes. Its partitions have one replica less; those that had no other one are offline.",
        "`fab start` starts what does not run, in a safe order. Where the host is gone, `fab status` names the partitions that have no spare replica.",
    ),
    _down(
        "KafkaControllerDown",
        "controller",
        "controller",
        "A KRaft controller is away for longer than a restart takes. With a majority of them the cluster goes on; without, nothing in it can change.",
        "`fab start` starts it.",
    ),
    _down(
        "ZooKeeperServerDown",
        "zookeeper",
        "ZooKeeper server",
        "A ZooKeeper server is away for longer than a restart takes. With a majority of them the cluster goes on; without, no leader can move.",
        "`fab start` starts it.",
    ),
    Alert(
        "KafkaMetricsLost",
        Severity.WARNING,
        'sum by (cluster) (up{job="kafab"}) == 0',
        120,
        "no node of {{ $labels.cluster }} shows its metrics",
        "fab status",
        "Either the whole cluster is down, or nothing between it and Prometheus works.",
        "`fab status` asks the hosts over SSH, another way. If all is well there, look at firewalls and at `observe.jmx.bind`.",
        "Mend the way; until then no other alert of this cluster can be trusted to be silent.",
        "Do not take silence for health.",
        Case({f"up{_labels('n1/broker')}": "1x4 0x20", f"up{_labels('n2/broker')}": "1x4 0x20"}, 240),
        Case({f"up{_labels('n1/broker')}": "1x4 0x8 1x20", f"up{_labels('n2/broker')}": "1x20 0x8 1x4"}, 240),
    ),
    Alert(
        "KafkaScrapeFails",
        Severity.WARNING,
        'jmx_scrape_error{job="kafab"} > 0',
        300,
        "the agent of {{ $labels.node }} of {{ $labels.cluster }} cannot read its beans",
        "fab logs NODE",
        "The process runs and answers, and some or all of its figures are missing.",
        "The agent writes the reason to the standard output of the process: stdout.log beside the node's log, or the journal of its unit.",
        "Restart that node with `fab restart --limit NODE` when the cluster can spare it.",
        "Do not silence it: alerts on the missing figures stay silent by themselves.",
        Case({f"jmx_scrape_error{_labels('n1/broker')}": "1x30"}, 400),
        Case({f"jmx_scrape_error{_labels('n1/broker')}": "0x10 1x4 0x30"}, 400),
    ),
    Alert(
        "KafkaControllerCount",
        Severity.CRITICAL,
        'sum by (cluster) (kafka_controller_kafkacontroller_activecontrollercount{job="kafab"}) != 1',
        120,
        "{{ $labels.cluster }} has {{ $value }} active controllers",
        "fab verify --read-only",
        "Without a controller no leader is elected and no topic changes; with two of them one is cut off and does not know yet.",
        "`fab verify --read-only` asks every broker and the quorum who the controller is, and in which epoch.",
        "None: look whether ZooKeeper or the KRaft quorum has a majority, and start what is missing. Two: the one with the lower epoch is cut off; look at its network.",
        "Do not delete the controller's znode by hand.",
        Case(
            {
                f"kafka_controller_kafkacontroller_activecontrollercount{_labels('n1/broker')}": "1x4 0x20",
                f"kafka_controller_kafkacontroller_activecontrollercount{_labels('n2/broker')}": "0x30",
            },
            240,
        ),
        # The controller restarts: for some scrapes nobody has the office, then another one.
        Case(
            {
                f"kafka_controller_kafkacontroller_activecontrollercount{_labels('n1/broker')}": "1x4 _x6 0x20",
                f"kafka_controller_kafkacontroller_activecontrollercount{_labels('n2/broker')}": "0x7 1x30",
            },
            240,
        ),
    ),
    Alert(
        "KafkaOfflinePartitions",
        Severity.CRITICAL,
        'max by (cluster) (kafka_controller_kafkacontroller_offlinepartitionscount{job="kafab"}) > 0',
        60,
        "{{ $value }} partitions of {{ $labels.cluster }} have no leader",
        "fab status",
        "Nobody can write to these partitions or read from them.",
        "`fab status` names them, and which brokers are away; all replicas in sync of each are on those.",
        "Start these brokers: `fab start`. The partitions are back when the last replica in sync is.",
        "Do not allow unclean elections to end it sooner: acknowledged records are lost by that.",
        Case(
            {f"kafka_controller_kafkacontroller_offlinepartitionscount{_labels('n1/broker')}": "0x4 3x20"},
            240,
        ),
        Case(
            {
                f"kafka_controller_kafkacontroller_offlinepartitionscount{_labels('n1/broker')}": "0x4 3x2 0x20"
            },
            240,
        ),
    ),
    Alert(
        "KafkaUnderMinIsr",
        Severity.CRITICAL,
        'sum by (cluster) (kafka_server_replicamanager_underminisrpartitioncount{job="kafab"}) > 0',
        60,
        "{{ $value }} partitions of {{ $labels.cluster }} have fewer replicas in sync than min.insync.replicas",
        "fab status",
        "Producers with acks=all are refused at these partitions.",
        "`fab status` names them. Two brokers are away, or behind, that hold the same partitions.",
        "Bring back the broker that is away: `fab start`. If all run, one is behind: look at its disk and network.",
        "Do not lower min.insync.replicas: what is acknowledged then may be on one disk alone.",
        Case(
            {f"kafka_server_replicamanager_underminisrpartitioncount{_labels('n1/broker')}": "0x4 2x20"}, 240
        ),
        Case(
            {f"kafka_server_replicamanager_underminisrpartitioncount{_labels('n1/broker')}": "0x4 2x2 0x20"},
            240,
        ),
    ),
    Alert(
        "KafkaUnderReplicated",
        Severity.WARNING,
        'sum by (cluster) (kafka_server_replicamanager_underreplicatedpartitions{job="kafab"}) > 0'
        ' and on (cluster) time() - max by (cluster) (process_start_time_seconds{job="kafab"}) > 600',
        300,
        "{{ $value }} partitions of {{ $labels.cluster }} lack a replica in sync, and no node was started in the last 10 minutes",
        "fab status",
        "A replica is away or behind, and that is no restart.",
        "`fab status` names the partitions and the brokers that they lack. One broker for all of them: look at that one. Different ones: look at the network.",
        "A broker that is away: `fab start`. One that is behind: its disk, its network, and whether a reassignment is under way.",
        "Do not restart a broker that catches up: it would begin again.",
        Case(
            {
                f"kafka_server_replicamanager_underreplicatedpartitions{_labels('n1/broker')}": "0x4 5x80",
                _START: "-3600x90",
            },
            1200,
        ),
        # A rolling restart of an hour: partitions lack a replica all the while, and some node has just been started.
        Case(
            {
                f"kafka_server_replicamanager_underreplicatedpartitions{_labels('n1/broker')}": "0x4 5x240",
                _START: "0x20 300x20 600x20 900x20 1200x20 1500x20 1800x20 2100x20 2400x20 2700x20 3000x20",
            },
            3000,
        ),
    ),
    Alert(
        "KafkaOfflineLogDirectory",
        Severity.CRITICAL,
        'kafka_log_logmanager_offlinelogdirectorycount{job="kafab"} > 0',
        0,
        "{{ $value }} data directories of {{ $labels.node }} of {{ $labels.cluster }} are offline",
        "fab logs NODE",
        "A disk has failed or is full. The broker goes on without the partitions that lie there, and ends with its last directory.",
        "`fab logs NODE` has the error of the file system, and `fab preflight` the room on each disk.",
        "Mend or replace the disk, then restart that node: `fab restart --limit NODE`. It fetches what it lacks from the others.",
        "Do not remove files from a data directory by hand.",
        Case({f"kafka_log_logmanager_offlinelogdirectorycount{_labels('n1/broker')}": "0x4 1x20"}, 120),
        Case({f"kafka_log_logmanager_offlinelogdirectorycount{_labels('n1/broker')}": "0x4 _x8 0x20"}, 120),
    ),
    Alert(
        "KafkaUncleanElection",
        Severity.CRITICAL,
        'sum by (cluster) (increase(kafka_controller_controllerstats_uncleanleaderelections_total{job="kafab"}[10m])) > 0',
        0,
        "a replica that was not in sync has become leader in {{ $labels.cluster }}",
        "fab topics.describe TOPIC",
        "Acknowledged records are lost: the new leader does not have them, and the old one will cut them off.",
        'The controller\'s log names the partition: `fab logs NODE` of the controller, "unclean".',
        "Tell the owners of the topic from which time on records may be missing; they have to be written again.",
        "Do not restart the old leader before its log is copied: with it the records are gone for good.",
        Case(
            {
                f"kafka_controller_controllerstats_uncleanleaderelections_total{_labels('n1/broker')}": "0x4 2x20"
            },
            120,
        ),
        # The count of a process that was started again is 0.
        Case(
            {
                f"kafka_controller_controllerstats_uncleanleaderelections_total{_labels('n1/broker')}": "2x10 _x4 0x20"
            },
            300,
        ),
    ),
    Alert(
        "KafkaRequestHandlersBusy",
        Severity.WARNING,
        'kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio{job="kafab"} < 0.2',
        600,
        "the request handlers of {{ $labels.node }} of {{ $labels.cluster }} are idle for {{ $value | humanizePercentage }} of the time",
        "fab status",
        "Requests wait for a thread: latencies grow, and followers may fall out of sync.",
        "kafka_network_requestmetrics_totaltimems says which requests take long. A slow disk looks the same as too many clients.",
        "Spread leaders (`fab leaders.restore`), slow down who writes most by a quota, or add threads (num.io.threads) if processors are idle.",
        "Do not restart the broker: its clients come back at once, to fewer brokers.",
        Case(
            {
                f"kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio{_labels('n1/broker')}": "0.9x4 0.1x60"
            },
            900,
        ),
        Case(
            {
                f"kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio{_labels('n1/broker')}": "0.9x4 0.1x20 0.9x60"
            },
            900,
        ),
    ),
    Alert(
        "KafkaNetworkThreadsBusy",
        Severity.WARNING,
        'kafka_network_socketserver_networkprocessoravgidle_ratio{job="kafab", role=~"broker|combined"} < 0.2',
        600,
        "the network threads of {{ $labels.node }} of {{ $labels.cluster }} are idle for {{ $value | humanizePercentage }} of the time",
        "fab status",
        "Answers wait for a thread: latencies grow for all clients of this broker.",
        "kafka_server_socketserver_connections says whether there are many more connections than before; TLS costs most.",
        "Spread leaders (`fab leaders.restore`), or add threads (num.network.threads) if processors are idle.",
        "Do not restart the broker: all connections are made anew then, at the same moment.",
        Case(
            {
                f"kafka_network_socketserver_networkprocessoravgidle_ratio{_labels('n1/broker')}": "0.9x4 0.1x60"
            },
            900,
        ),
        Case(
            {
                f"kafka_network_socketserver_networkprocessoravgidle_ratio{_labels('n1/broker')}": "0.9x4 0.1x20 0.9x60"
            },
            900,
        ),
    ),
    Alert(
        "KafkaZooKeeperSessionLost",
        Severity.CRITICAL,
        'kafka_server_sessionexpirelistener_sessionstate{job="kafab", state!="CONNECTED"} == 1',
        60,
        "{{ $labels.node }} of {{ $labels.cluster }} is not connected to ZooKeeper ({{ $labels.state }})",
        "fab verify --read-only",
        "The broker will be taken for dead when its session is over, and its leaders move.",
        "`fab verify --read-only` says whether the ensemble has a quorum, and which servers this broker can reach.",
        "Bring the ensemble back to a majority, or mend the way between this broker and it.",
        "Do not restart the broker: it cannot register without ZooKeeper.",
        Case(
            {
                f"kafka_server_sessionexpirelistener_sessionstate{_labels('n1/broker', state='CONNECTING')}": "_x4 1x20"
            },
            240,
        ),
        Case(
            {
                f"kafka_server_sessionexpirelistener_sessionstate{_labels('n1/broker', state='CONNECTED')}": "1x6 _x3 1x20",
                f"kafka_server_sessionexpirelistener_sessionstate{_labels('n1/broker', state='CONNECTING')}": "_x6 1x2 stale",
            },
            240,
        ),
    ),
    Alert(
        "ZooKeeperNoQuorum",
        Severity.CRITICAL,
        '(count by (cluster) (zookeeper_state{job="kafab", state=~"leading|following"})'
        ' or max by (cluster) (zookeeper_quorumsize{job="kafab"}) * 0)'
        ' <= on (cluster) max by (cluster) (zookeeper_quorumsize{job="kafab"}) / 2',
        60,
        "ZooKeeper of {{ $labels.cluster }} has {{ $value }} servers that lead or follow, which is no majority",
        "fab status",
        "No leader of a partition can move and no topic can change. Brokers go on serving until their sessions are over.",
        "`fab status` names the servers that do not run, and `fab logs NODE` why.",
        "Start them: `fab start`. With a majority the rest follows by itself.",
        "Do not remove a server's data to make it start: the ensemble may forget what it has acknowledged.",
        Case(
            {
                f"zookeeper_state{_labels('n1/zookeeper', 'zookeeper', state='leaderelection')}": "_x4 1x20",
                f"zookeeper_quorumsize{_labels('n1/zookeeper', 'zookeeper')}": "3x30",
            },
            240,
        ),
        # One of three restarts.
        Case(
            {
                f"zookeeper_state{_labels('n1/zookeeper', 'zookeeper', state='leading')}": "1x30",
                f"zookeeper_state{_labels('n2/zookeeper', 'zookeeper', state='following')}": "1x30",
                f"zookeeper_state{_labels('n3/zookeeper', 'zookeeper', state='following')}": "1x4 _x20",
                f"zookeeper_quorumsize{_labels('n1/zookeeper', 'zookeeper')}": "3x30",
            },
            240,
        ),
    ),
    Alert(
        "KafkaVoterLagging",
        Severity.WARNING,
        'max by (cluster) (kafka_server_raft_log_end_offset{job="kafab"}) - on (cluster) group_right ()'
        ' kafka_server_raft_log_end_offset{job="kafab", role=~"controller|combined"} > 1000',
        300,
        "controller {{ $labels.node }} of {{ $labels.cluster }} is {{ $value }} records behind",
        "fab verify --read-only",
        "A voter does not keep up. While it lags the quorum has one voter less to lose.",
        "`fab verify --read-only` has each voter's lag in records and in seconds.",
        "Look at the controller's disk and at its log; a restart of it is safe while the others keep up.",
        "Do not restart another controller meanwhile.",
        Case(
            {
                f"kafka_server_raft_log_end_offset{_labels('n1/controller', 'controller')}": "5000+10x60",
                f"kafka_server_raft_log_end_offset{_labels('n2/controller', 'controller')}": "3000x60",
            },
            600,
        ),
        Case(
            {
                f"kafka_server_raft_log_end_offset{_labels('n1/controller', 'controller')}": "5000+10x60",
                f"kafka_server_raft_log_end_offset{_labels('n2/controller', 'controller')}": "5000x4 _x8 3000x2 5100+10x60",
            },
            600,
        ),
    ),
    Alert(
        "KafkaFencedBroker",
        Severity.WARNING,
        'max by (cluster) (kafka_controller_kafkacontroller_fencedbrokercount{job="kafab"}) > 0',
        300,
        "{{ $value }} registered brokers of {{ $labels.cluster }} are fenced",
        "fab verify --read-only",
        "A broker is registered and does not send heartbeats, so it leads nothing: it is down, frozen or cut off, or its disk is so slow that it looks like that.",
        "`fab verify --read-only` names the fenced brokers; `fab status` says whether their processes run.",
        "Start it. One that was removed for good is still registered: unregister it with Kafka's own `kafka-cluster unregister`.",
        "Do not give its id to another broker.",
        Case(
            {
                f"kafka_controller_kafkacontroller_fencedbrokercount{_labels('n1/controller', 'controller')}": "0x4 1x40"
            },
            480,
        ),
        # Each broker of a roll is fenced for a minute.
        Case(
            {
                f"kafka_controller_kafkacontroller_fencedbrokercount{_labels('n1/controller', 'controller')}": "0x4 1x4 0x4 1x4 0x4 1x4 0x20"
            },
            480,
        ),
    ),
    Alert(
        "KafkaFileDescriptors",
        Severity.WARNING,
        'process_open_fds{job="kafab"} / process_max_fds{job="kafab"} > 0.8',
        300,
        "{{ $labels.node }} of {{ $labels.cluster }} has {{ $value | humanizePercentage }} of its file descriptors open",
        "fab preflight",
        "A process without a descriptor left accepts no connection and opens no segment; a broker then takes its disk for failed.",
        "Segments and connections need descriptors: look at kafka_server_socketserver_connections and at the number of partitions.",
        "Raise the limit (LimitNOFILE in a drop-in of the unit), then restart the node. Fewer partitions or connections help as well.",
        "Do not wait for the night: it gets worse by each segment.",
        Case(
            {
                f"process_open_fds{_labels('n1/broker')}": "500x4 900x60",
                f"process_max_fds{_labels('n1/broker')}": "1000x70",
            },
            600,
        ),
        Case(
            {
                f"process_open_fds{_labels('n1/broker')}": "500x70",
                f"process_max_fds{_labels('n1/broker')}": "1000x70",
            },
            600,
        ),
    ),
)
ALERTS = (*NODES, *TEXTFILE)
"""All of them, in one file of rules; those over a file that nobody writes are silent."""
TESTED: Mapping[str, tuple[Alert, ...]] = {"kafab.yml": NODES, "kafab-textfile.yml": TEXTFILE}
"""File of tests -> its alerts: a day in steps of a scrape would take promtool a minute."""
