"""The observation script in a real shell, and the parser of its answer."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.command import Cmd, Result
from kafab.hosts.facts import HostFacts, Identity
from kafab.hosts.observation import observation, parse
from kafab.model import Cluster, Host, Node, Supervisor
from kafab.ops.deploy.compiler import compile_steps
from kafab.plans.plan import Plan, diff
from kafab.plans.state import Desired, desire
from kafab.plans.steps import InstallRelease
from kafab.releases.names import Artifact, ReleaseName
from kafab.unknown import Unknown
from tests.conftest import cannot_run

Shell = Callable[..., Result]


def desired_in(cluster: Cluster) -> Desired:
    """Return what the cluster desires, with a release whose folder is already on the host."""
    artifact = Artifact(ReleaseName(cluster.version, "2.13"), Path("a.tar"), "ab" * 32, 1, "added by hand")
    (Path(cluster.hosts[0].paths.releases) / artifact.folder).mkdir(parents=True)
    return desire(cluster, cluster.nodes, artifact)


def look(desired: Desired, shell: Shell) -> HostFacts:
    """Observe the only host in a real shell; it must answer."""
    host = desired.cluster.hosts[0]
    facts = parse(host, desired.cluster.nodes, shell(observation(host, desired.files(host.name))))
    assert isinstance(facts, HostFacts)
    return facts


def deployed(desired: Desired, shell: Shell) -> Plan:
    """Observe, plan and run the plan's steps; returns the plan."""
    plan = diff(desired, {"node1": look(desired, shell)})
    shell(compile_steps([step for step in plan.steps if not isinstance(step, InstallRelease)]))
    return plan


@pytest.fixture
def desired(small: Cluster) -> Desired:
    """A one-host cluster in a temporary folder."""
    return desired_in(small)


def test_fresh_host_has_nothing(desired: Desired, shell: Shell) -> None:
    """Before the first deploy there are no files, links or processes."""
    broker = look(desired, shell).nodes["broker"]
    assert (broker.files, broker.release, broker.process, broker.directories) == ({}, None, None, frozenset())


def test_deploy_converges(desired: Desired, shell: Shell) -> None:
    """After a plan is run there is nothing left to do (invariant 2)."""
    first = deployed(desired, shell)
    assert (bool(first), diff(desired, {"node1": look(desired, shell)}).steps) == (True, ())


def test_looking_writes_nothing(desired: Desired, shell: Shell, tmp_path: Path) -> None:
    """An observation changes no file and no time stamp."""
    deployed(desired, shell)

    def stamps() -> dict[str, tuple[int, int]]:
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in tmp_path.rglob("*")}

    before = stamps()
    look(desired, shell)
    assert stamps() == before


def test_content_comes_back_only_where_it_differs(desired: Desired, shell: Shell) -> None:
    """The text of an edited file is in the answer, that of the others is not."""
    deployed(desired, shell)
    edited = Path(desired.cluster.brokers[0].config / "server.properties")
    edited.write_text("mine=é\n")
    files = look(desired, shell).nodes["broker"].files
    assert {name: file.text for name, file in files.items() if file.text} == {"server.properties": "mine=é\n"}


def test_mode_is_observed(desired: Desired, shell: Shell) -> None:
    """A changed mode alone is a difference."""
    deployed(desired, shell)
    Path(desired.cluster.brokers[0].config / "launch").chmod(0o600)
    assert [str(step).split("/")[-1] for step in diff(desired, {"node1": look(desired, shell)}).steps] == [
        "launch"
    ]


def test_identity_of_data_is_read(desired: Desired, shell: Shell) -> None:
    """meta.properties tells whose the data is, even without a newline at its end."""
    data = desired.cluster.brokers[0].data[0]
    Path(data).mkdir(parents=True)
    Path(data / "meta.properties").write_text("#\nversion=0\nbroker.id=7\ncluster.id=abc")
    assert look(desired, shell).nodes["broker"].identities == {data: Identity(7, "abc")}


@pytest.mark.parametrize(("text", "expected"), [("9", 9), ("9\n", 9), ("", None), ("nine\n", None)])
def test_any_myid_is_an_identity(desired: Desired, shell: Shell, text: str, expected: int | None) -> None:
    """A myid without a newline, without a number or without anything is somebody's: never an empty directory."""
    data = desired.cluster.zookeepers[0].data[0]
    Path(data).mkdir(parents=True)
    Path(data / "myid").write_text(text)
    assert look(desired, shell).nodes["zookeeper"].identities == {data: Identity(expected)}


def test_what_may_not_be_read_is_unknown(small: Cluster) -> None:
    """A file that is there and closed to the login user does not look absent."""
    facts = parse(small.hosts[0], small.nodes, Result(0, b"unreadable /etc/kafka/broker\nend\n", ""))
    assert facts == Unknown("the login user may not read /etc/kafka/broker")


def test_process_of_another_start_time_is_gone(desired: Desired, shell: Shell) -> None:
    """A recorded pid that another process has by now is no running node."""
    run = desired.cluster.brokers[0].run
    Path(run).mkdir(parents=True)
    Path(run / "process").write_text(f"{os.getpid()} 1 release digest\n")
    process = look(desired, shell).nodes["broker"].process
    assert process is not None
    assert not process.alive


def test_part_of_an_upload_is_seen(desired: Desired, shell: Shell) -> None:
    """What an interrupted upload left is known by its digest and size."""
    incoming = Path(desired.cluster.hosts[0].paths.releases) / ".incoming"
    incoming.mkdir()
    (incoming / f"{'cd' * 32}.part").write_bytes(b"x" * 300)
    assert look(desired, shell).parts == {"cd" * 32: 300}


def test_java_and_its_version_are_read_without_a_jvm(desired: Desired, shell: Shell, tmp_path: Path) -> None:
    """The version comes from the Java home's release file."""
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\nexit 1\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="21.0.2"\n')
    host = replace(desired.cluster.hosts[0], java=PurePosixPath(home))
    facts = parse(host, (), shell(observation(host, {})))
    assert isinstance(facts, HostFacts)
    assert (facts.java, facts.java_version) == (f"{home}/bin/java", "21.0.2")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Unknown("timed out"), "timed out"),
        (Result(0, b"", ""), "ended with 0"),
        (Result(0, b"node broker\n", ""), "ended with 0"),
        (Result(2, b"end\n", "sh: syntax error"), "syntax error"),
        (Result(0, b"what is this\nend\n", ""), "cannot be read"),
        (Result(0, b"node broker\nprocess 1 2\nend\n", ""), "cannot be read"),
        (Result(0, b"content /etc/x\n!!!\n.\nend\n", ""), "cannot be read"),
        (Result(0, b"content /etc/x\nend\n", ""), "cannot be read"),
    ],
)
def test_unreadable_answer_is_unknown(small: Cluster, outcome: Result | Unknown, reason: str) -> None:
    """A failed, cut-off or garbled answer is Unknown with its reason, never an empty host."""
    facts = parse(small.hosts[0], small.nodes, outcome)
    assert isinstance(facts, Unknown)
    assert reason in facts.reason


@given(st.binary(max_size=400))
def test_no_answer_crashes_the_parser(noise: bytes) -> None:
    """Law: whatever comes over the wire is facts or Unknown."""
    assert isinstance(parse(Host("n", "n"), (), Result(0, noise + b"\nend\n", "")), (HostFacts, Unknown))


@pytest.mark.parametrize("name", ["currentEpoch", "snapshot.0", "log.100000001"])
@pytest.mark.parametrize("place", ["data", "logs"])
def test_what_a_server_has_written_is_seen(
    small: Cluster, shell: Shell, tmp_path: Path, name: str, place: str
) -> None:
    """A log, a snapshot or an epoch says that the server was a member, in its data folder as in that of its logs."""
    logs = tmp_path / "logs"
    server = replace(small.zookeepers[0], properties={"dataLogDir": str(logs)})
    desired = desired_in(replace(small, nodes=(server, *small.brokers)))
    folder = (Path(server.data[0]) if place == "data" else logs) / "version-2"
    folder.mkdir(parents=True)
    before = look(desired, shell).nodes["zookeeper"].history
    (folder / name).write_text("1")
    assert (before, look(desired, shell).nodes["zookeeper"].history) == (False, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_closed_folder_of_a_server_is_unknown(desired: Desired, shell: Shell) -> None:
    """What cannot be looked into is not empty: an empty server could be refused, or worse, not be."""
    host, server = desired.cluster.hosts[0], desired.cluster.zookeepers[0]
    folder = Path(server.data[0]) / "version-2"
    folder.mkdir(parents=True)
    folder.chmod(0o000)
    try:
        told = parse(host, desired.cluster.nodes, shell(observation(host, desired.files(host.name))))
    finally:
        folder.chmod(0o700)
    assert isinstance(told, Unknown)


# where nodes have an account of their own


@pytest.fixture
def under_systemd(desired: Desired) -> tuple[Host, Node]:
    """Return a host under systemd whose service account is `nobody`, and its broker, with its folders made."""
    if os.geteuid() != 0:
        cannot_run("it takes root to work with another account's rights")
    host = replace(desired.cluster.hosts[0], supervisor=Supervisor.SYSTEMD, user="nobody")
    node = replace(desired.cluster.brokers[0], host=host)
    for folder in (node.config, node.run, node.data[0]):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for path in Path(node.data[0]).parents:
        path.chmod(path.stat().st_mode | 0o011)
    os.chown(node.data[0], 65534, 65534)
    return host, node


def seen(host: Host, node: Node, shell: Shell) -> HostFacts | Unknown:
    """Observe the host as root, whose PATH has runuser."""
    script = observation(host, {node: ()})
    return parse(host, [node], shell(replace(script, text=f"PATH=$PATH:/usr/sbin\n{script.text}")))


def test_marks_are_read_by_the_account(under_systemd: tuple[Host, Node], shell: Shell) -> None:
    """The service account looks into its own folder; the answer is the one that a login user would give."""
    host, node = under_systemd
    Path(node.data[0] / "meta.properties").write_text("version=0\nbroker.id=7\ncluster.id=abc\n")
    facts = seen(host, node, shell)
    assert isinstance(facts, HostFacts)
    assert (facts.account, facts.nodes[node.instance].identities) == (
        True,
        {node.data[0]: Identity(7, "abc")},
    )


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder"])
def test_mark_that_is_no_file_is_unknown(kind: str, under_systemd: tuple[Host, Node], shell: Shell) -> None:
    """A link is not followed and a fifo not waited for; neither looks like an empty folder."""
    host, node = under_systemd
    mark = Path(node.data[0] / "meta.properties")
    secret = mark.parent.parent / "secret"
    secret.write_text("node.id=7\n")
    if kind in ("link", "dangling"):
        mark.symlink_to(secret if kind == "link" else "nowhere")
    elif kind == "fifo":
        os.mkfifo(mark)
    else:
        mark.mkdir()
    assert seen(host, node, shell) == Unknown(f"no file, or a link, which kafab does not follow: {mark}")


def test_account_is_believed_about_its_data_only(under_systemd: tuple[Host, Node], shell: Shell) -> None:
    """Whatever a shell of the service account prints, it is no process, no digest and no release."""
    host, node = under_systemd
    script = observation(host, {node: ()})
    lies = [
        "process 1 1 release digest alive 5",
        "release kafka_x",
        f"meta {node.data[0]} node.id=7",
        "whole",
    ]
    liar = "as_account() { printf '%s\\n' " + Cmd(*lies).sh + "; }"
    text = script.text.replace("\nexposed ", f"\n{liar}\nexposed ", 1)
    facts = parse(host, [node], shell(replace(script, text=f"PATH=$PATH:/usr/sbin\n{text}")))
    assert isinstance(facts, HostFacts)
    assert ("kafka_x" in facts.releases, facts.nodes[node.instance].process) == (False, None)
    assert facts.nodes[node.instance].identities == {node.data[0]: Identity(7)}


def test_account_that_says_half_is_unknown(under_systemd: tuple[Host, Node], shell: Shell) -> None:
    """A look that was cut off does not say that there is no data."""
    host, node = under_systemd
    script = observation(host, {node: ()})
    text = script.text.replace("\nexposed ", "\nas_account() { return 1; }\nexposed ", 1)
    assert isinstance(parse(host, [node], shell(replace(script, text=text))), Unknown)


@pytest.mark.parametrize("whose", ["config", "releases"])
def test_folder_of_roots_that_is_anothers_is_unknown(
    whose: str, under_systemd: tuple[Host, Node], shell: Shell
) -> None:
    """Nothing is read where another account could have put a link: whose it is and how to mend it are told."""
    host, node = under_systemd
    folder = node.config if whose == "config" else host.paths.releases
    os.chown(folder, 65534, -1)
    facts = seen(host, node, shell)
    assert isinstance(facts, Unknown)
    assert facts.reason.startswith(
        f"{folder} belongs to nobody: there root works only where it alone can write"
    )


def test_run_folder_that_is_anothers_is_none(under_systemd: tuple[Host, Node], shell: Shell) -> None:
    """The record in it is not believed, and the next deploy has the folder to make."""
    host, node = under_systemd
    start = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    Path(node.run / "process").write_text(f"{os.getpid()} {start} release digest\n")
    before = seen(host, node, shell)
    os.chown(node.run, 65534, -1)
    after = seen(host, node, shell)
    assert isinstance(before, HostFacts)
    assert isinstance(after, HostFacts)
    known = [facts.nodes[node.instance] for facts in (before, after)]
    assert [(facts.running, node.run in facts.directories) for facts in known] == [
        (True, True),
        (False, False),
    ]


def test_data_without_its_account_is_unknown(under_systemd: tuple[Host, Node], shell: Shell) -> None:
    """Where the account is gone and its data is there, root does not look into it in its place."""
    host, node = under_systemd
    host = replace(host, user="no-such-account")
    facts = seen(host, replace(node, host=host), shell)
    assert isinstance(facts, Unknown)
    assert "there is no account no-such-account" in facts.reason


def test_foreign_files_of_a_unit_are_told(small: Cluster) -> None:
    """Of what systemd reads for a node, kafab's own files and what a distribution gives every service are no news."""
    host = replace(small.hosts[0], supervisor=Supervisor.SYSTEMD)
    node = replace(small.brokers[0], host=host)
    etc = "/etc/systemd/system"
    files = [
        f"{etc}/kafka-broker@.service",
        f"{etc}/{node.unit}.d/kafab.conf",
        "/usr/lib/systemd/system/service.d/10-timeout-abort.conf",
        f"{etc}/{node.unit}.d/override.conf",
        f"{etc}/service.d/all.conf",
    ]
    lines = ["node broker", *(f"unitfile {path}" for path in files), "end", ""]
    facts = parse(host, [node], Result(0, "\n".join(lines).encode(), ""))
    assert isinstance(facts, HostFacts)
    assert list(map(str, facts.nodes["broker"].foreign_units)) == files[3:]


def test_files_of_a_unit_are_asked_of_systemd(small: Cluster, shell: Shell, tmp_path: Path) -> None:
    """Also of a running node: systemd says which files are in effect, several in one line."""
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    told = "MainPID=0\nSubState=dead\nFragmentPath=/etc/a.service\nDropInPaths=/etc/b.conf /run/c.conf"
    program.write_text(
        f"#!/bin/sh\nprintf '{told}\\n'\n".replace("\nSub", "\\nSub")
        .replace("\nFrag", "\\nFrag")
        .replace("\nDrop", "\\nDrop")
    )
    program.chmod(0o755)
    node = replace(small.brokers[0], host=replace(small.hosts[0], supervisor=Supervisor.SYSTEMD, user=None))
    script = observation(node.host, {node: ()})
    text = script.text.replace("exposed() ", "closed_doors() ").replace("\nexposed ", "\n: ")
    said = shell(replace(script, text=f"PATH={program.parent}:$PATH\n{text}")).text.splitlines()
    assert [line for line in said if line.startswith("unit")] == [
        "unit dead",
        *(f"unitfile {path}" for path in ("/etc/a.service", "/etc/b.conf", "/run/c.conf")),
    ]
