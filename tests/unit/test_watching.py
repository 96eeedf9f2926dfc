"""What a host with Prometheus gets of kafab: the lines in a configuration of somebody's own, and what has to be changed."""

from base64 import b64encode
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
import yaml

from kafab.command import Result, Script
from kafab.errors import Failed, UsageError
from kafab.inventory import outside
from kafab.metrics import prometheus
from kafab.metrics.alerts import ALERTS
from kafab.metrics.configuration import BEGIN, END, NotEditableError, alertmanagers, edited, without
from kafab.metrics.placing import File, Loaded, Place, Placing, Seen, Watcher, decide, loaded, read
from kafab.model import Cluster, Host, Ssh
from kafab.ops.hosts.watching import deploy
from kafab.testing.fleet import FakeFleet
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.conftest import cluster_in

FOLDER = "/etc/prometheus/kafab"
# In the shape of Debian's own.
DEBIAN = """\
# Sample config for Prometheus.
global:
  scrape_interval:     15s # Set the scrape interval to every 15 seconds.

alerting:
  alertmanagers:
  - static_configs:
    - targets: ['localhost:9093']

rule_files:
  # - "first_rules.yml"

scrape_configs:
  # Here it's Prometheus itself.
  - job_name: 'prometheus'
    static_configs:
      - targets: ['localhost:9090']
"""
PLACE = Place(PurePosixPath("/etc/prometheus/prometheus.yml"), "small")
OTHER = PLACE.targets.with_name("other.json")
HAS_ALL = Loaded(good=True, since=100.0, rules=len(ALERTS))


@pytest.mark.parametrize(
    "text",
    [
        DEBIAN,
        "",
        "global: {}",
        "rule_files:\n- a.yml\nscrape_configs:\n- job_name: a\n",
        "rule_files: # none yet\nscrape_configs:\n    - job_name: a\n",
        "  rule_files:\n  - a.yml\n",
        "scrape_configs:\r\n  - job_name: a\r\n",
    ],
)
def test_lines_come_and_go_and_leave_the_others(text: str) -> None:
    """A job and a file of rules come first in their lists; done again nothing changes; without them the text is what it was."""
    new = edited(text, FOLDER)
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(new)
    assert after == {
        **before,
        "rule_files": [f"{FOLDER}/rules/*.yml", *(before.get("rule_files") or [])],
        "scrape_configs": [prometheus.job(FOLDER), *(before.get("scrape_configs") or [])],
    }
    assert (edited(new, FOLDER), without(new).rstrip("\n")) == (new, text.rstrip("\n"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rule_files: [a.yml]\n", "rule_files are written"),
        ("rule_files: ~\n", "rule_files are written"),
        ("scrape_configs: &all\n- job_name: a\n", "scrape_configs would not mean"),
        ("rule_files:\n- a.yml\n...\n", "would not mean"),
        ("scrape_configs:\n- job_name: kafab\n", "a job kafab of its own"),
        ("rule_files: a.yml\n", "no list"),
        ("- a\n", "no mapping"),
        ("password: 'secret\n", "not read as YAML"),
        ("a: \udcff\n", "not read as YAML"),
        (f"{BEGIN}\n", "and none"),
        (f"{END}\n{BEGIN}\n", "and none"),
    ],
)
def test_what_lines_cannot_be_added_to_is_left_alone(text: str, why: str) -> None:
    """Whatever kafab cannot prove to mean the same and its own lines more, it does not write; no value of it is told."""
    with pytest.raises(NotEditableError, match=why) as caught:
        edited(text, FOLDER)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("folder", [FOLDER, "kafab"])
def test_lines_that_somebody_has_added_are_enough(folder: str) -> None:
    """Where a person, or what manages the file, has put the lines there, nothing is added beside them."""
    text = yaml.safe_dump(
        {"rule_files": [f"{folder}/rules/*.yml"], "scrape_configs": [prometheus.job(folder)]}
    )
    assert edited(text, FOLDER) == text


def test_alerts_go_to_the_hosts_own_alertmanager_where_nobody_is_named() -> None:
    """One that is named stays the only one; none is named where the host has none."""
    found = [alertmanagers(edited(text, FOLDER, alertmanager=True)) for text in (DEBIAN, "")]
    assert found == [("localhost:9093",), ("localhost:9093",)]
    assert alertmanagers(edited("", FOLDER)) == ()


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Return one that shows metrics: six nodes on three hosts."""
    found = cluster_in(tmp_path, hosts=3)
    nodes = (replace(node, metrics_port=port) for port, node in enumerate(found.nodes, 7071))
    return replace(found, nodes=tuple(nodes))


def on(cluster: Cluster, **changes: File | None) -> Seen:
    """Return a host that has the cluster's files as they should be, but for some."""
    whole = {
        "config": File(edited(DEBIAN, FOLDER)),
        "rules": File(prometheus.rules(), changed=99.0),
        "targets": File(prometheus.targets(cluster)),
        "other": None,
    }
    paths = {"config": PLACE.config, "rules": PLACE.rules, "targets": PLACE.targets, "other": OTHER}
    files = {paths[name]: file for name, file in {**whole, **changes}.items() if file}
    return Seen(files=files)


def told(placing: Placing) -> tuple[list[str], bool]:
    """Return the names of what is changed, in order, and whether Prometheus has to read it anew."""
    return [f"{change.path.name} {change.kind}" for change in placing.changes], placing.reload


@pytest.mark.parametrize(
    ("changes", "now", "expected"),
    [
        ({}, HAS_ALL, ([], False)),
        ({"targets": File("[]")}, HAS_ALL, (["small.json changed"], False)),
        ({"targets": None, "other": File("[]")}, HAS_ALL, (["small.json new"], False)),
        ({"targets": None}, HAS_ALL, (["small.json new"], True)),
        ({"rules": File("")}, HAS_ALL, (["kafab.yml changed"], True)),
        ({"config": File(DEBIAN)}, HAS_ALL, (["prometheus.yml changed"], True)),
        ({"rules": File(prometheus.rules(), changed=101.0)}, HAS_ALL, ([], True)),
        ({}, Loaded(good=True, since=100.0), ([], True)),
    ],
    ids=["all", "targets", "next", "first", "rules", "lines", "rules not read", "job not read"],
)
def test_only_what_differs_is_changed(
    changes: dict[str, File | None], now: Loaded, expected: tuple[list[str], bool], cluster: Cluster
) -> None:
    """Prometheus looks after targets itself; it is told of rules and lines, also by whoever comes after a run that was cut off."""
    assert told(decide(cluster, PLACE, on(cluster, **changes), now)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"other": File("[]")}, (["small.json removed"], False)),
        ({}, (["prometheus.yml changed", "small.json removed", "kafab.yml removed"], True)),
        ({"config": File(DEBIAN), "targets": None, "rules": None}, ([], True)),
    ],
    ids=["one of two", "last", "gone"],
)
def test_rules_and_lines_go_with_the_last_cluster(
    changes: dict[str, File | None], expected: tuple[list[str], bool], cluster: Cluster
) -> None:
    """Where another cluster has targets its rules stay; the lines that name files go before the files."""
    assert told(decide(cluster, PLACE, on(cluster, **changes), HAS_ALL, remove=True)) == expected


def test_targets_of_every_cluster_are_counted(cluster: Cluster) -> None:
    """Prometheus is expected to ask the nodes of all clusters that have a file."""
    seen = on(cluster, other=File('[{"targets": ["a:1", "b:1"]}]'))
    asked = [decide(cluster, PLACE, seen, HAS_ALL, remove=remove).targets for remove in (False, True)]
    assert asked == [8, 2]


def test_alerts_that_this_kafab_does_not_know_are_named(cluster: Cluster) -> None:
    """A kafab that is older than the rules on the host does not take alerts away without a word."""
    newer = prometheus.rules([*ALERTS, replace(ALERTS[0], name="KafkaFromTheFuture")])
    assert decide(cluster, PLACE, on(cluster, rules=File(newer)), HAS_ALL).lost == ("KafkaFromTheFuture",)


@pytest.mark.parametrize(
    ("words", "endpoint", "prefix"),
    [
        ((), "127.0.0.1:9090", ""),
        (("--web.listen-address=:9091",), "127.0.0.1:9091", ""),
        (("--web.listen-address", "10.0.0.5:80"), "10.0.0.5:80", ""),
        (("--web.listen-address=[::]:9090", "--web.route-prefix=/"), "[::1]:9090", ""),
        (("--web.external-url=https://example.org/prom/",), "127.0.0.1:9090", "/prom"),
        (("--web.external-url=https://example.org/a", "--web.route-prefix=b"), "127.0.0.1:9090", "/b"),
    ],
)
def test_prometheus_is_asked_where_it_was_told_to_listen(
    words: tuple[str, ...], endpoint: str, prefix: str
) -> None:
    """The command line of the process says where it answers on its own host."""
    found = Watcher(1, 2, ("/usr/bin/prometheus", *words))
    assert (str(found.endpoint), found.prefix) == (endpoint, prefix)


def test_answers_of_a_host_are_read() -> None:
    """The files come with their texts, and the process with its words; what is no metric of Prometheus is Unknown."""
    lines = ["program promtool", "alertmanager", f"file 640 root:prometheus 7.250 YTogMQo= {PLACE.config}"]
    seen = read([*lines, "other 9 /srv/p.yml", "process 7 99", "word prometheus", "word --a b"])
    assert seen == Seen(
        frozenset({"promtool"}),
        {PLACE.config: File("a: 1\n", "640", "root:prometheus", 7.25)},
        Watcher(7, 99, ("prometheus", "--a b")),
        ("/srv/p.yml",),
        alerted=True,
    )
    metrics = [
        "prometheus_config_last_reload_success_timestamp_seconds 1.5e+09",
        "prometheus_config_last_reload_successful 0",
        f'prometheus_rule_group_rules{{rule_group="{PLACE.rules};kafab"}} 18',
        'prometheus_target_scrape_pool_targets{scrape_job="kafab"} 6',
        'prometheus_target_scrape_pool_targets{scrape_job="node"} 1',
    ]
    assert loaded(metrics, PLACE) == Loaded(good=False, since=1.5e9, rules=18, targets=6)
    assert loaded(["HTTP/1.0 401 Unauthorized\r"], PLACE) == Unknown("HTTP/1.0 401 Unauthorized")


RUNS = ["program promtool", "program prometheus", "program bash", "process 7 99"]
HAS = f"file 644 root:root 7.0 {b64encode(DEBIAN.encode()).decode()} {PLACE.config}"


@pytest.mark.parametrize(
    ("lines", "error", "hint"),
    [
        ([], "it has no Prometheus", "apt-get install prometheus"),
        (["program prometheus"], "it has no promtool", "apt-get install prometheus"),
        (RUNS, f"it has no {PLACE.config}", "--config"),
        ([*RUNS, HAS, "link /srv/p.yml"], "is a link to /srv/p.yml", "--config"),
        ([*RUNS[:3], HAS], "no Prometheus runs there with", "systemctl start prometheus"),
        (
            [*RUNS, HAS],
            "does not answer at http://127.0.0.1:9090/metrics: HTTP/1.0 401",
            "without TLS and login",
        ),
        ([*RUNS, HAS, "unfit ann can"], "root writes only where it alone can write: ann can", "chown"),
    ],
)
def test_host_that_is_not_fit_is_told_what_it_lacks(
    lines: list[str], error: str, hint: str, cluster: Cluster
) -> None:
    """Nothing is sent to change a host whose Prometheus is missing, does not run, or could not be asked afterwards."""
    answers = {"watcher": lines, "said": ["HTTP/1.0 401 Unauthorized"]}

    def answer(script: Script) -> Result:
        said = next(found for name, found in answers.items() if script.called(name))
        return Result(0, "".join(f"{line}\n" for line in [*said, "end"]).encode(), "")

    fleet = FakeFleet({"mon1": answer})
    with pytest.raises(Failed) as caught:
        deploy(cluster, Host("mon1", "mon1"), fleet, FakeWorld.of(FakeKafka(cluster)))
    assert (error in str(caught.value), hint in str(caught.value.hint)) == (True, True), caught.value


def test_host_may_be_of_the_cluster_or_any_other(cluster: Cluster) -> None:
    """A host of the inventory is meant by its name; any other is logged in to as the inventory says, but for what is typed."""
    cluster = replace(cluster, ssh=Ssh("ops", 2222, gateway="bastion"))
    assert outside.host(cluster, "node2") is cluster.host("node2")
    assert outside.host(cluster, "mon1") == Host("mon1", "mon1", cluster.ssh)
    assert outside.host(cluster, "ann@mon1:22").ssh == Ssh("ann", 22, gateway="bastion")
    with pytest.raises(UsageError, match="HOST is expected"):
        outside.host(cluster, "-oProxyCommand=x")
