"""Prometheus' agent for JMX beside each node: where it listens, what it is told to show, how it comes to a host and goes again."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
import yaml

from kafab.adapters.store.store import ReleaseStore
from kafab.checks.preflight.listening import everywhere
from kafab.checks.preflight.local import chosen
from kafab.config.render import configuration_files, node_files
from kafab.errors import Failed
from kafab.events import silent
from kafab.hosts.facts import HostFacts
from kafab.hosts.observation import parse
from kafab.inventory import load
from kafab.model import AGENT, AgentFile, Cluster, Node, Role
from kafab.ops.deploy.distribution import upload
from kafab.plans.plan import Plan, diff
from kafab.plans.state import desire
from kafab.plans.steps import InstallRelease
from kafab.releases.names import AGENT_SHA256, Agent
from kafab.shell.layout import LAUNCH, METRICS
from kafab.testing.hosts import fresh_answer
from tests.conftest import cluster_in
from tests.deployed import Lab, Shell, one_release
from tests.unit.test_maven import stand_in

JAR = b"a jar"
SHA256 = hashlib.sha256(JAR).hexdigest()
INVENTORY = """\
kafka: {version: 3.9.2}
observe: {jmx: {%s}}
hosts:
  node1: {address: 10.0.0.1, zookeeper: 1, broker: 1}
  node2: {address: 10.0.0.2, broker: {id: 2, metrics_port: 9999}}
"""


def loaded(folder: Path, keys: str = "") -> Cluster:
    """Return the cluster of two hosts with these keys of the agent."""
    file = folder / "prod.yaml"
    file.write_text(INVENTORY % keys)
    cluster, _ = load(file)
    return cluster


def observed(cluster: Cluster) -> Cluster:
    """Return the cluster with an agent in each node."""
    nodes = tuple(
        replace(node, metrics_port=port, metrics_bind="127.0.0.1")
        for port, node in enumerate(cluster.nodes, 7071)
    )
    return replace(cluster, nodes=nodes, agent=AgentFile(SHA256))


def test_each_role_has_its_port_and_a_node_its_own(tmp_path: Path) -> None:
    """The nodes of a host have one address, so brokers and ZooKeeper servers have two ports; a node's own goes first."""
    ports = {node.name: node.metrics_port for node in loaded(tmp_path).nodes}
    assert ports == {"node1/zookeeper": 7073, "node1/broker": 7071, "node2/broker": 9999}


@pytest.mark.parametrize(
    ("keys", "bind"), [("", None), ("bind: address", "10.0.0.1"), ("bind: 127.0.0.1", "127.0.0.1")]
)
def test_agent_listens_where_it_is_told(keys: str, bind: str | None, tmp_path: Path) -> None:
    """Without a word it listens where the node does, which is everywhere."""
    assert loaded(tmp_path, keys).nodes[0].metrics_bind == bind


def test_preflight_knows_the_port(tmp_path: Path) -> None:
    """The port is looked for among those that are taken, its address among the host's, and an open one is told."""
    everywhere_, bound = (loaded(tmp_path, keys).brokers[0] for keys in ("", "bind: address"))
    assert (bound.ports["metrics"], chosen(bound)["metrics"]) == (7071, "10.0.0.1")
    assert ("metrics" in everywhere(everywhere_), "metrics" in everywhere(bound)) == (True, False)


def test_own_jar_is_found_beside_the_inventory(tmp_path: Path) -> None:
    """A path is relative to the file that has it; without one kafab's own version is meant."""
    assert loaded(tmp_path, f"agent: jmx.jar, sha256: {SHA256}").agent == AgentFile(
        SHA256, tmp_path / "jmx.jar"
    )
    assert loaded(tmp_path).agent == AgentFile(AGENT_SHA256)


def test_agent_is_in_the_command_of_its_node_alone(tmp_path: Path) -> None:
    """The launch script starts Java with the jar of that digest, the address and the file of what to show."""
    cluster = observed(cluster_in(tmp_path))
    node = cluster.brokers[0]
    files = {file.path.name: file.text for file in node_files(cluster, node)}
    jar = node.host.paths.releases / f"{AGENT}-{SHA256[:12]}" / f"{AGENT}.jar"
    words = f'-javaagent:{jar}=127.0.0.1:{node.metrics_port}:"$config/{METRICS}"'
    assert (words in files[LAUNCH], files[LAUNCH].count("-javaagent")) == (True, 1)


def test_changed_agent_asks_for_a_restart(tmp_path: Path) -> None:
    """The jar's digest and the file of what to show are parts of the configuration that a process records."""
    cluster = observed(cluster_in(tmp_path))
    other = replace(cluster, agent=AgentFile("0" * 64))
    node = cluster.brokers[0]
    one, two = (configuration_files(node_files(each, node)) for each in (cluster, other))
    assert (one == two, METRICS in one) == (False, True)


def test_node_without_an_agent_is_as_before(tmp_path: Path) -> None:
    """Nothing of an agent is in the files of a cluster that nobody observes."""
    cluster = cluster_in(tmp_path)
    files = node_files(cluster, cluster.brokers[0])
    assert ("javaagent" in "".join(file.text for file in files), METRICS in configuration_files(files)) == (
        False,
        False,
    )


def shown(node: Node, cluster: Cluster) -> dict[str, list[object]]:
    """Return what the agent of a node is told to show."""
    text = next(file.text for file in node_files(cluster, node) if file.path.name == METRICS)
    document: dict[str, list[object]] = yaml.safe_load(text)
    return document


@pytest.mark.parametrize("role", [Role.BROKER, Role.ZOOKEEPER])
def test_no_bean_of_a_partition_topic_or_client_is_read(role: Role, tmp_path: Path) -> None:
    """However many of them a broker has, the number of series stays what it is: those keys may be in no name of a bean."""
    cluster = observed(cluster_in(tmp_path))
    node = next(node for node in cluster.nodes if node.role is role)
    names = [str(name) for name in shown(node, cluster)["includeObjectNames"]]
    unbounded = [
        name
        for name in names
        if re.search(r"(topic|partition|clientId|client-id|user)=\*|name4=|,\*$|:\*", name)
    ]
    assert (unbounded, bool(names)) == ([], True)


@pytest.mark.parametrize("role", [Role.BROKER, Role.ZOOKEEPER])
def test_rules_are_patterns(role: Role, tmp_path: Path) -> None:
    """Each rule has a pattern that can be compiled, and the name of a metric."""
    cluster = observed(cluster_in(tmp_path))
    node = next(node for node in cluster.nodes if node.role is role)
    rules = [rule for rule in shown(node, cluster)["rules"] if isinstance(rule, dict)]
    assert all(
        re.compile(rule["pattern"]) and re.fullmatch(r"[a-z_$0-9]+", rule["name"].lower()) for rule in rules
    )


def plan_of(cluster: Cluster, *there: str) -> Plan:
    """Return the plan for hosts that have these folders among their releases and nothing else."""
    desired = desire(cluster, cluster.nodes, None, agent=Agent(Path("a.jar"), SHA256, len(JAR)))
    found = {}
    for host in cluster.hosts:
        facts = parse(host, cluster.on(host), fresh_answer())
        assert isinstance(facts, HostFacts)
        found[host.name] = replace(facts, releases=frozenset(there))
    return diff(desired, found)


def test_agent_is_sent_to_hosts_that_lack_it(tmp_path: Path) -> None:
    """Each host with an observed node gets the jar once, before its files, and never again."""
    cluster = observed(cluster_in(tmp_path, hosts=2))
    steps = [step for step in plan_of(cluster).stages[0].steps if isinstance(step, InstallRelease)]
    again = [
        step for step in plan_of(cluster, AgentFile(SHA256).folder).steps if isinstance(step, InstallRelease)
    ]
    assert ([step.host for step in steps], again) == (["node1", "node2"], [])
    assert str(steps[0]).startswith(f"install agent {AGENT}-")


def test_host_without_an_observed_node_gets_none(tmp_path: Path) -> None:
    """A host of whose nodes none has a port for metrics needs no jar."""
    cluster = observed(cluster_in(tmp_path, hosts=2))
    quiet = tuple(
        replace(node, metrics_port=None) if node.host.name == "node2" else node for node in cluster.nodes
    )
    steps = [
        step for step in plan_of(replace(cluster, nodes=quiet)).steps if isinstance(step, InstallRelease)
    ]
    assert [step.host for step in steps] == ["node1"]


def sent(folder: Path) -> InstallRelease:
    """Return the step that brings the jar to a host whose releases lie below the folder."""
    return InstallRelease("node1", PurePosixPath(folder / "opt"), Agent(Path("a.jar"), SHA256, len(JAR)))


def test_jar_is_put_in_place_whole(tmp_path: Path, shell: Shell) -> None:
    """The bytes lie where the launch script looks for them, and nothing else is left."""
    step = sent(tmp_path)
    assert shell(upload(step).script, JAR).code == 0
    found = [str(path.relative_to(step.root)) for path in Path(step.root).rglob("*") if path.is_file()]
    assert (found, Path(step.root / AgentFile(SHA256).jar).read_bytes()) == (
        [str(AgentFile(SHA256).jar)],
        JAR,
    )


def test_other_bytes_are_no_agent(tmp_path: Path, shell: Shell) -> None:
    """A jar with another digest is never put in place."""
    step = sent(tmp_path)
    done = shell(upload(step).script, JAR[:-1] + b"x")
    assert (done.code, list(Path(step.root).rglob("*.jar"))) == (1, [])


def test_own_jar_is_sent_as_it_is(tmp_path: Path) -> None:
    """What the user has is not copied, and its digest is computed each time."""
    jar = tmp_path / "jmx.jar"
    jar.write_bytes(JAR)
    agent = ReleaseStore(tmp_path / "store").agent(AgentFile(SHA256, jar), silent)
    assert (agent.file, agent.size, agent.folder) == (jar, len(JAR), AgentFile(SHA256).folder)


@pytest.mark.parametrize(
    ("content", "said"), [(b"another jar", "observe.jmx.sha256"), (None, "cannot be read: No such file")]
)
def test_wrong_jar_is_told(content: bytes | None, said: str, tmp_path: Path) -> None:
    """A jar with another digest than the inventory's, and one that is not there, end the plan with their path."""
    jar = tmp_path / "jmx.jar"
    if content is not None:
        jar.write_bytes(content)
    with pytest.raises(Failed) as caught:
        ReleaseStore(tmp_path / "store").agent(AgentFile(SHA256, jar), silent)
    assert (said in caught.value.message, str(jar) in caught.value.message) == (True, True)


MAVEN = f'mkdir libs && printf "a jar" > libs/{AGENT}-1.0.1.jar'


def test_maven_brings_the_agent_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jar is kept under its digest; the second look needs no Maven."""
    stand_in(tmp_path, MAVEN, monkeypatch)
    store = ReleaseStore(tmp_path / "store")
    agent = store.agent(AgentFile(SHA256), silent)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (store.agent(AgentFile(SHA256), silent), store.verify(agent), store.all()) == (agent, None, [])


def test_another_jar_from_maven_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes under the right name with another digest is not kept."""
    stand_in(tmp_path, MAVEN, monkeypatch)
    with pytest.raises(Failed, match="came with the sha256"):
        ReleaseStore(tmp_path / "store").agent(AgentFile("0" * 64), silent)
    assert list((tmp_path / "store").rglob("*.jar")) == []


def test_without_maven_the_way_by_hand_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Maven is, a jar and its digest in the inventory do as well."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed) as caught:
        ReleaseStore(tmp_path / "store").agent(AgentFile(SHA256), silent)
    assert ("no mvn" in caught.value.message, "sha256:" in str(caught.value.hint)) == (True, True)


def test_destroy_takes_the_agent_away(tmp_path: Path, shell: Shell) -> None:
    """With the last node the jar goes; while another link leads to a release, another node may use it."""
    jar = tmp_path / "jmx.jar"
    jar.write_bytes(JAR)
    cluster = replace(observed(cluster_in(tmp_path / "hosts")), agent=AgentFile(SHA256, jar))
    lab = Lab(cluster, tmp_path / "hosts", shell, one_release(cluster, tmp_path))
    lab.deploy()
    folder = lab.place("opt") / AgentFile(SHA256).folder
    assert (folder / f"{AGENT}.jar").read_bytes() == JAR
    (lab.place("opt") / "current-other").symlink_to("kafka_2.13-3.9.2-000000000000")
    assert [kept.why for kept in lab.destroy().kept if kept.path.name == folder.name] == [
        "another node may use it"
    ]
    (lab.place("opt") / "current-other").unlink()
    lab.destroy()
    assert not folder.exists()
