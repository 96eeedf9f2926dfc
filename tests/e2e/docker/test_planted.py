"""Links, fifos and folders in the place of every file that a script touches: by the service account, and by a plain user.

SECURITY.md lists the places. Where one may be planted at all it leads nowhere: nothing outside of its folder is
changed or shown, and no command hangs on it.
"""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.docker_hosts import DockerLab, until
from tests.fab import Done

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("docker_lab"),  # one lab for these modules
    pytest.mark.timeout(600),
]
SECRET = "what only root may know"
VICTIM = "/etc/cron.d/kafab-victim"
RUN, DATA, LOGS = "/var/lib/kafka/run", "/var/lib/kafka", "/var/log/kafka"
ROOTS = (
    *(f"{RUN}/{name}" for name in ("lock", "history", "history.1", "broker", "broker.kafab-new")),
    *(f"{RUN}/broker/{name}" for name in ("process", "process.new", "process.asked", "begun", "begun.new", "starting")),
    *(f"/etc/kafka/broker{name}" for name in (".kafab-new", "/launch", "/record", "/launch.kafab-new", "/.deployed", "/digest-key")),
    *(f"/opt/kafka/{name}" for name in ("current-broker", "current-broker.kafab-new", ".incoming/x.part")),
    *(f"{folder}/{name}" for folder in (DATA, LOGS) for name in ("broker.kafab-new", "new")),
    *(f"/etc/systemd/system/kafka-broker@.service{name}" for name in ("", ".kafab-new")),
    *(f"/etc/profile.d/kafab.sh{name}" for name in ("", ".kafab-new")),
    "/etc/sysctl.d/60-kafab.conf.kafab-new",
)  # fmt: skip
"""What root writes or reads, by every name that it has in a script."""
MARKS = (f"{DATA}/zookeeper/myid", f"{DATA}/broker/meta.properties")
HARMLESS = (
    *(f"{LOGS}/broker/{name}" for name in ("server.log", "stdout.log")),
    f"{RUN}/broker/tmp/classes/making",
    f"{RUN}/broker/tmp/classes/list",
    f"{DATA}/zookeeper/myid.kafab-new",
)
"""What a command passes by; at a mark in the data it stops."""
KINDS = {
    "link to a secret": "ln -s /root/kafab-secret",
    "dangling link": f"ln -s {VICTIM}",
    "fifo": "mkfifo",
    "folder": "mkdir",
}
PLANT = """\
for path in {paths}; do
  if { [ ! -e "$path" ] && [ ! -L "$path" ]; } || mv -f "$path" "$path.aside"; then {kind} "$path" && echo "$path" || :; fi
done 2>/dev/null
"""
TAKE_AWAY = """\
for path in {paths}; do
  rm -rf "$path"
  [ ! -e "$path.aside" ] || mv "$path.aside" "$path"
done
"""


@pytest.fixture(scope="module")
def cluster(docker_lab: DockerLab) -> Iterator[DockerLab]:
    """Deploy and start the shared lab's cluster, with a secret on its first host; stop it again."""
    docker_lab.fab.must("deploy", "start")
    docker_lab.on(
        "node1", f"umask 077; echo '{SECRET}' > /root/kafab-secret; mkdir -p {RUN}/broker/tmp/classes"
    )
    docker_lab.on("node1", f"chown kafka:kafka {RUN}/broker/tmp/classes")
    yield docker_lab
    docker_lab.on("node1", "rm -f /root/kafab-secret")
    docker_lab.fab("stop")


@contextmanager
def planted(lab: DockerLab, account: str, kind: str, paths: tuple[str, ...]) -> Iterator[list[str]]:
    """Plant something under each of these names with an account's rights, where it has them; yields where it had."""
    script = PLANT.replace("{paths}", " ".join(paths)).replace("{kind}", KINDS[kind])
    done = lab.on("node1", f"runuser -u {account} -- sh -c {shlex.quote(script)}").splitlines()
    try:
        yield done
    finally:
        lab.on("node1", TAKE_AWAY.replace("{paths}", " ".join(done)))


def told(done: Done) -> str:
    """Return all that a command said."""
    return done.out + done.err


def outside(lab: DockerLab) -> str:
    """Return what must not change: the secret with its mode and owner, and that the victim is not there."""
    return lab.on(
        "node1",
        f"sha256sum /root/kafab-secret; stat -c '%a %U %Y' /root/kafab-secret; ls {VICTIM} 2>/dev/null || :",
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("account", ["kafka", "nobody"])
def test_roots_places_are_roots_alone(account: str, kind: str, cluster: DockerLab) -> None:
    """No account but root can put anything in the place of what root reads or writes."""
    with planted(cluster, account, kind, ROOTS) as where:
        assert where == []


@pytest.mark.parametrize("kind", KINDS)
def test_plain_user_plants_nothing(kind: str, cluster: DockerLab) -> None:
    """Logs, data and Java's temporary files are closed to whoever is not the service account."""
    with planted(cluster, "nobody", kind, HARMLESS + MARKS) as where:
        assert where == []


@pytest.mark.parametrize(
    "kind", ["link to a secret", "fifo"]
)  # by what a command would show, and where it would hang
def test_what_lies_in_the_services_folders_leads_nowhere(kind: str, cluster: DockerLab) -> None:
    """Every command passes by: nothing outside changes, nothing is shown, nothing hangs. What the service does to itself is its own."""
    before = outside(cluster)
    with planted(cluster, "kafka", kind, HARMLESS) as where:
        begun = time.monotonic()
        said = [
            cluster.fab(*words)
            for words in (
                ("logs", "node1/broker"),
                ("status",),
                ("plan",),
                ("preflight",),
                ("deploy",),
                ("stop", "--limit", "node1/broker", "--unsafe"),
            )
        ]
        taken = time.monotonic() - begun
    cluster.fab.must("start")
    assert (where, outside(cluster), [done for done in said if SECRET in told(done)]) == (
        list(HARMLESS),
        before,
        [],
    )
    assert (taken < 180, [done.code for done in said[1:]]) == (True, [0, 0, 0, 0, 0]), said
    assert "is a link or no file, and is not followed" in told(said[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mark", MARKS)
def test_mark_that_is_no_file_is_told(mark: str, kind: str, cluster: DockerLab) -> None:
    """Whose data it is cannot be told then: nothing is deployed, nothing removed, nothing of what a link leads to is shown."""
    before = outside(cluster)
    with planted(cluster, "kafka", kind, (mark,)) as where:
        said = [cluster.fab(*words) for words in (("status",), ("deploy",), ("destroy", "--data", "lab"))]
    assert (where, outside(cluster), [done for done in said if SECRET in told(done)]) == ([mark], before, [])
    assert [(done.code != 0, f"does not follow: {mark}" in told(done)) for done in said[1:]] == [
        (True, True)
    ] * 2, said


FORGED = f"""\
chown -R kafka:kafka {RUN}/broker
chmod 750 {RUN}/broker
cd {RUN}/broker
rm -f process begun starting
runuser -u kafka -- sh -c "echo '1 1 release digest' > process; ln -s {VICTIM} process.new; ln -s {VICTIM} process.asked
  ln -s {VICTIM} begun.new; mkfifo starting"
"""
"""A host as the version before has left it: the run folder is the service account's, and it has been at work there."""
LOOK = f"stat -c '%U %a' {RUN}/broker {RUN}/broker/tmp; ls -A {RUN}/broker; ls {VICTIM} 2>/dev/null || :"


def states(lab: DockerLab) -> tuple[str, str]:
    """Return state and configuration of node1's broker, as `status` says."""
    nodes = lab.fab("status", "--json").document["nodes"]
    return next((node["state"], node["configuration"]) for node in nodes if node["node"] == "node1/broker")


def test_run_folder_of_the_version_before_becomes_roots(cluster: DockerLab) -> None:
    """Its record is not believed, systemd is: the node runs, is not started twice, and a deploy makes the folder root's own."""
    cluster.on("node1", FORGED)
    seen = [states(cluster)]
    started = cluster.fab("start", "--limit", "node1/broker")
    cluster.fab.must("deploy", "--limit", "node1")
    seen.append(states(cluster))
    looked = cluster.on("node1", LOOK).split()
    cluster.fab.must("restart", "--at-once", "--limit", "node1/broker", "--unsafe")
    seen.append(states(cluster))
    pending = ("running", "restart pending")
    assert (seen, started.code) == ([pending, pending, ("running", "as deployed")], 0), told(started)
    assert looked == ["root", "755", "kafka", "750", "tmp"]


def test_stop_needs_no_record(cluster: DockerLab) -> None:
    """A run folder that is not root's says nothing: the node is stopped by its unit, and not started without a deploy."""
    cluster.on("node1", FORGED)
    cluster.fab.must("stop", "--limit", "node1/broker", "--unsafe")
    stopped = states(cluster)[0]
    refused = cluster.fab("start", "--limit", "node1/broker")
    cluster.fab.must("deploy", "--limit", "node1", "start")
    assert (stopped, refused.code, "`fab deploy`" in told(refused), states(cluster)) == (
        "stopped",
        1,
        True,
        ("running", "as deployed"),
    ), told(refused)
    assert cluster.on("node1", f"ls {VICTIM} 2>/dev/null || :") == ""


def test_folder_above_that_is_the_services_is_refused(cluster: DockerLab) -> None:
    """Where the service account owns a folder above root's own, no deploy and no lock: the folder and the remedy are told."""
    cluster.on("node1", f"chown kafka {DATA}")
    try:
        refused = cluster.fab("deploy", "--limit", "node1")
        stopped = cluster.fab("stop", "--limit", "node1/broker", "--unsafe")
    finally:
        cluster.on("node1", f"chown root {DATA}")
    assert [(done.code != 0, f"{DATA} belongs to kafka" in told(done)) for done in (refused, stopped)] == [
        (True, True)
    ] * 2, told(refused) + told(stopped)


def test_process_that_ends_at_once_is_told(cluster: DockerLab) -> None:
    """A process that is gone before it could be recorded leaves a record of a node that has exited, with its log."""
    cluster.on("node1", "mv /opt/kafka/current-broker/libs /opt/kafka/libs-aside")
    try:
        failed = cluster.fab("restart", "--at-once", "--limit", "node1/broker", "--unsafe")
    finally:
        cluster.on("node1", "mv /opt/kafka/libs-aside /opt/kafka/current-broker/libs")
    cluster.fab.must("stop", "--limit", "node1/broker", "--unsafe", "start")
    assert (failed.code, "ClassNotFoundException" in told(failed)) == (1, True), told(failed)


def test_record_of_a_restart_by_systemd_is_roots(cluster: DockerLab) -> None:
    """After kill -9 systemd starts the node again: its new process is recorded, by root."""
    old = cluster.on("node1", f"cut -d' ' -f1 {RUN}/broker/process").strip()
    cluster.on("node1", f"kill -9 {old}")
    main = "systemctl show --value -p MainPID kafka-broker@broker.service"
    look = f'[ "$(cut -d\' \' -f1 {RUN}/broker/process)" = "$({main})" ] && [ "$({main})" != {old} ] && echo same || echo no'
    assert until(lambda: cluster.on("node1", look).strip(), "same", 120) == "same"
    assert cluster.on("node1", f"stat -c '%U %a' {RUN}/broker/process").split() == ["root", "644"]
    assert until(lambda: str(cluster.fab("verify", "--read-only").code), "0", 180) == "0"


def test_plain_user_cannot_hold_the_lock(cluster: DockerLab) -> None:
    """The file is closed to everybody but root, so no read descriptor of it is to be had."""
    said = cluster.on(
        "node1", f"runuser -u nobody -- sh -c 'exec 8< {RUN}/lock' 2>&1 || :; stat -c '%U %a' {RUN}/lock"
    )
    assert ("Permission denied" in said, said.splitlines()[-1]) == (True, "root 600")


def test_holder_that_had_it_open_before_is_named(cluster: DockerLab) -> None:
    """A plain user that opened it while it was open to all is told by pid, name and command, with the kill that frees it."""
    cluster.on("node1", f"chmod 644 {RUN}/lock")
    hold = f"exec 8< {RUN}/lock; flock 8; echo $$ > /tmp/held; exec sleep 300"
    cluster.on("node1", f"runuser -u nobody -- sh -c '{hold}' > /dev/null 2>&1 < /dev/null &")
    written = "cat /tmp/held 2>/dev/null || :"
    assert until(lambda: str(cluster.on("node1", written) != ""), "True", 30) == "True"
    pid = cluster.on("node1", written).strip()
    try:
        refused = cluster.fab("restart", "--at-once", "--limit", "node1/broker", "--unsafe")
    finally:
        cluster.on("node1", f"kill {pid}; rm /tmp/held")
    said = (
        f"held by pid {pid} of nobody on node1, which does not say for whom: sleep 300",
        f"`kill {pid}` on node1",
    )
    assert (refused.code, [words in told(refused) for words in said]) == (6, [True, True]), told(refused)
    assert cluster.on("node1", f"stat -c %a {RUN}/lock").strip() == "600"
