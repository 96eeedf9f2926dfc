"""The lab of virtual machines against output in the form of Vagrant 2.4, told by a stand-in command on the PATH.

Virtual machines do not run where these tests run: what is proven is what kafab makes of Vagrant's words.
The file is over 400 lines long because the stand-in is a part of it.
"""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kafab.adapters.machine.localhost import Localhost
from kafab.adapters.machine.vagrant import VagrantCli
from kafab.adapters.ssh.hostkeys import parse as parse_known_hosts
from kafab.config.render import templates_folder
from kafab.errors import Failed, UsageError
from kafab.events import Event, Note, Waiting
from kafab.inventory import load
from kafab.lab.boxes import Box, parse_ssh_config, parse_states, progress
from kafab.lab.shape import Wish
from kafab.lab.vagrant import VagrantLab
from kafab.model import Supervisor, Version
from kafab.testing.fleet import FakeClock

ROOT = Path(__file__).resolve().parents[2]

STANDIN = r"""#!/bin/sh
# Answers in the form of Vagrant 2.4, from the folder that it is in; `failing` and `silent` name a machine that does not come up.
here=${0%/*}
printf '%s|%s|%s\n' "$*" "$PWD" "${VAGRANT_VAGRANTFILE-}" >> "$here/log"
hosts=$(sed 's/.*"hosts": \([0-9]*\).*/\1/' lab.json)
numbers=1; number=1
while [ "$number" -lt "$hosts" ]; do number=$((number + 1)); numbers="$numbers $number"; done
failing=$(cat "$here/failing" 2>/dev/null)
silent=$(cat "$here/silent" 2>/dev/null)
case $1 in
  status)
    for number in $numbers; do
      state=not_created; [ ! -e ".vagrant/node$number" ] || state=$(cat ".vagrant/node$number")
      echo "1763719200,node$number,metadata,provider,virtualbox"
      echo "1763719200,node$number,provider-name,virtualbox"
      echo "1763719200,node$number,state,$state"
      echo "1763719200,node$number,state-human-short,$state"
      echo "1763719200,node$number,state-human-long,The VM is $state.%!(VAGRANT_COMMA) To stop this VM\nrun it"
    done
    echo "1763719200,,ui,info,Current machine states:\n\nnode1 running (virtualbox)" ;;
  up)
    if [ -e "$here/no-provider" ]; then cat "$here/no-provider" >&2; exit 1; fi
    mkdir -p .vagrant
    echo "Bringing machine 'node1' up with 'virtualbox' provider..."
    for number in $numbers; do
      name=node$number
      [ "$name" != "$silent" ] || continue
      echo "==> $name: Importing base box 'debian/bookworm64'..."
      echo "==> $name: Booting VM..."
      echo "    $name: Setting up openjdk-17-jre-headless:amd64 (17.0.15+6-1~deb12u1) ..."
      if [ "$name" = "$failing" ]; then
        echo aborted > ".vagrant/$name"
        echo "Timed out while waiting for the machine to boot. This means that Vagrant was unable" >&2
        exit 1
      fi
      echo running > ".vagrant/$name"
    done ;;
  ssh-config)
    for number in $numbers; do
      echo "Host node$number"
      echo "  HostName 127.0.0.1"
      echo "  User vagrant"
      echo "  Port $((2199 + number))"
      echo "  UserKnownHostsFile /dev/null"
      echo "  StrictHostKeyChecking no"
      echo "  PasswordAuthentication no"
      echo "  IdentityFile $PWD/.vagrant/machines/node$number/virtualbox/private_key"
      echo "  IdentitiesOnly yes"
      echo "  LogLevel FATAL"
      echo "  PubkeyAcceptedKeyTypes +ssh-rsa"
      echo "  HostKeyAlgorithms +ssh-rsa"
      echo
    done ;;
  ssh)
    [ ! -e "$here/keyless" ] || exit 0
    printf 'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY%s= root@bookworm\r\n' "${2#node}"
    printf 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%s== root@bookworm\r\n' "${2#node}" ;;
  destroy) rm -rf .vagrant ;;
esac
"""
NO_PROVIDER = """\
No usable default provider could be found for your system.

Vagrant relies on interactions with 3rd party systems, known as
"providers", to provide Vagrant with resources to run development
environments. Examples are VirtualBox, VMware, Hyper-V.
"""


class Setting:
    """A lab on the stand-in, the events it told, and what the stand-in was asked."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.events: list[Event] = []
        self.lab = VagrantLab(
            "lab",
            folder / "labs",
            templates_folder() / "vagrant" / "Vagrantfile",
            boxes=VagrantCli(),
            machine=Localhost(),
            clock=FakeClock(),
            emit=self.events.append,
        )

    @property
    def asked(self) -> list[str]:
        """The stand-in's command lines, in order."""
        log = self.bin / "log"
        return [line.partition("|")[0] for line in log.read_text().splitlines()] if log.exists() else []

    def tell(self, file: str, text: str) -> None:
        """Let the stand-in behave otherwise."""
        (self.bin / file).write_text(text)


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A machine on whose PATH `vagrant` is the stand-in."""
    made = Setting(tmp_path)
    made.bin.mkdir()
    command = made.bin / "vagrant"
    command.write_text(STANDIN)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    return made


def test_lab_is_an_inventory_like_a_production_one(setting: Setting) -> None:
    """It loads without a warning: three machines under systemd, default ports and paths, the login of ssh-config."""
    assert setting.lab.up() is True
    cluster, warnings = load(setting.lab.inventory)
    assert (warnings, cluster.lab, cluster.supervisor, cluster.user) == (
        (),
        True,
        Supervisor.SYSTEMD,
        "kafka",
    )
    assert [(host.name, host.ssh.user) for host in cluster.hosts] == [
        ("node1", "vagrant"),
        ("node2", "vagrant"),
        ("node3", "vagrant"),
    ]
    assert [str(node.data[0]) for node in cluster.brokers] == ["/var/lib/kafka/broker"] * 3
    assert {node.endpoint.port for node in cluster.brokers} == {9092}


def test_each_host_has_its_own_key_and_address(setting: Setting) -> None:
    """The login key is the one that Vagrant made for this machine, the address the fixed one of its Vagrantfile."""
    setting.lab.up()
    cluster, _ = load(setting.lab.inventory)
    network = json.loads((setting.lab.folder / "lab.json").read_text())["network"]
    assert [host.address for host in cluster.hosts] == [f"{network}.{last}" for last in (11, 12, 13)]
    assert [host.ssh.identity for host in cluster.hosts] == [
        setting.lab.folder / f".vagrant/machines/node{number}/virtualbox/private_key" for number in (1, 2, 3)
    ]


def test_host_keys_are_pinned(setting: Setting) -> None:
    """Every key that a machine told over Vagrant's own channel is trusted for its address, and no other."""
    setting.lab.up()
    cluster, _ = load(setting.lab.inventory)
    file = cluster.hosts[0].ssh.known_hosts
    assert file == setting.lab.folder / "known_hosts"
    found = parse_known_hosts(file.read_text(), "known_hosts")
    assert [(key.patterns, key.key_type) for key in found] == [
        ((host.address,), key_type)
        for host in cluster.hosts
        for key_type in ("ecdsa-sha2-nistp256", "ssh-ed25519")
    ]


def test_up_twice_changes_nothing(setting: Setting) -> None:
    """A lab that is up stays as it is, and Vagrant is only asked for its state."""
    setting.lab.up()
    before = {path: path.stat().st_mtime_ns for path in setting.lab.folder.iterdir()}
    count = len(setting.asked)
    assert setting.lab.up() is False
    assert {path: path.stat().st_mtime_ns for path in setting.lab.folder.iterdir()} == before
    assert setting.asked[count:] == ["status --machine-readable"]


def test_up_starts_what_was_halted(setting: Setting) -> None:
    """A machine that was powered off is started again; the inventory stays."""
    setting.lab.up()
    (setting.lab.folder / ".vagrant" / "node2").write_text("poweroff\n")
    assert setting.lab.up() is False
    assert [host.state for host in setting.lab.status()] == ["running"] * 3


@pytest.mark.parametrize(
    ("hosts", "version", "said"), [(3, None, "2 hosts"), (None, Version(2, 4, 1), "3.9.2")]
)
def test_up_refuses_another_shape(
    setting: Setting, hosts: int | None, version: Version | None, said: str
) -> None:
    """A lab of another size or version is not changed under its user."""
    setting.lab.up(Wish(2))
    with pytest.raises(UsageError, match=said):
        setting.lab.up(Wish(hosts, version))


def test_machine_that_fails_is_named(setting: Setting) -> None:
    """The machine and its state, Vagrant's last lines and how to go on are told; there is no inventory yet."""
    setting.tell("failing", "node2")
    with pytest.raises(Failed, match=r"(?s)node2 \(aborted\), node3 \(not_created\).*Timed out") as caught:
        setting.lab.up()
    assert ("--kind vagrant` goes on" in str(caught.value.hint), setting.lab.inventory.exists()) == (
        True,
        False,
    )


def test_up_goes_on_after_a_failure(setting: Setting) -> None:
    """The next lab.up makes what is missing and ends at a whole lab."""
    setting.tell("failing", "node2")
    with pytest.raises(Failed):
        setting.lab.up()
    setting.tell("failing", "")
    assert (setting.lab.up(), load(setting.lab.inventory)[1]) == (True, ())


def test_machine_that_is_not_up_afterwards_is_named(setting: Setting) -> None:
    """An exit code of 0 is no proof: the state of each machine is."""
    setting.tell("silent", "node3")
    with pytest.raises(Failed, match=r"not up: node3 \(not_created\)"):
        setting.lab.up()


def test_machine_without_host_keys_is_refused(setting: Setting) -> None:
    """Without a key to pin there is no inventory: nothing would tell who answers."""
    setting.tell("keyless", "")
    with pytest.raises(Failed, match="node1 told no host key"):
        setting.lab.up()
    assert not setting.lab.inventory.exists()


def test_missing_provider_is_told_with_what_to_install(setting: Setting) -> None:
    """Vagrant's own words, and the names of the programs it could use."""
    setting.tell("no-provider", NO_PROVIDER)
    with pytest.raises(Failed, match="no provider") as caught:
        setting.lab.up()
    assert "VirtualBox, or libvirt" in str(caught.value.hint)


def test_missing_vagrant_is_told_with_what_to_install(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the program nothing is begun."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Failed, match="which is not on this machine") as caught:
        setting.lab.up()
    assert ("install Vagrant" in str(caught.value.hint), setting.lab.folder.exists()) == (True, False)


def test_progress_is_told(setting: Setting) -> None:
    """What Vagrant does with which machine is shown while it does it; what a provisioner prints is not."""
    setting.lab.up(Wish(1))
    waits = [(event.subject, event.what) for event in setting.events if isinstance(event, Waiting)]
    assert waits == [
        ("node1", "Importing base box 'debian/bookworm64'..."),
        ("node1", "Booting VM..."),
    ]
    assert any("1 host up" in event.text for event in setting.events if isinstance(event, Note))


def test_vagrant_looks_into_the_labs_folder_only(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that points Vagrant at another Vagrantfile does not reach it."""
    monkeypatch.setenv("VAGRANT_VAGRANTFILE", "/elsewhere")
    setting.lab.up(Wish(1))
    places = {line.partition("|")[2] for line in (setting.bin / "log").read_text().splitlines()}
    assert places == {f"{setting.lab.folder}|"}


def test_down_leaves_nothing(setting: Setting) -> None:
    """The machines are destroyed without a question, then the folder goes; a second time there is nothing to do."""
    setting.lab.up(Wish(2))
    assert (setting.lab.down(), setting.lab.folder.exists(), setting.asked[-1]) == (
        True,
        False,
        "destroy --force",
    )
    assert setting.lab.down() is False


def test_status_of_what_is_not_up_is_empty(setting: Setting) -> None:
    """Without a lab nobody is asked."""
    assert (setting.lab.status(), setting.asked) == ((), [])


def test_status_tells_vagrants_words(setting: Setting) -> None:
    """Name, address, provider and state of each machine, made or not."""
    setting.tell("failing", "node2")
    with pytest.raises(Failed):
        setting.lab.up(Wish(2))
    assert [(host.name, host.provider, host.state) for host in setting.lab.status()] == [
        ("node1", "virtualbox", "running"),
        ("node2", "virtualbox", "aborted"),
    ]


def test_bad_name_is_a_usage_error(setting: Setting, tmp_path: Path) -> None:
    """A name that could not be a folder or an inventory is refused before anything is made."""
    with pytest.raises(UsageError, match="as the lab's name"):
        VagrantLab(
            "a/b", tmp_path, tmp_path, boxes=VagrantCli(), machine=Localhost(), clock=FakeClock(), emit=print
        )


@pytest.mark.parametrize("name", ["lab", "other"])
def test_command_line_knows_the_lab_that_it_made(setting: Setting, tmp_path: Path, name: str) -> None:
    """Behind lab.up with a kind and a name, lab.status and lab.down in the same line mean this lab."""
    words = [
        "lab.up",
        "--kind",
        "vagrant",
        "--hosts",
        "1",
        *(() if name == "lab" else ("--name", name)),
        "inventory.check",
        "lab.status",
        "--json",
        "lab.down",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "fabric", *words],
        cwd=ROOT,
        env={**os.environ, "KAFAB_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])
    left = [*(tmp_path / "home" / "labs").glob("*/cluster.yaml")]
    assert (found["name"], [host["state"] for host in found["hosts"]], left) == (name, ["running"], [])


def test_states_are_read() -> None:
    """Only lines with a machine count; what Vagrant says to people does not."""
    text = "1,node1,provider-name,libvirt\n1,node1,state,shutoff\n1,,ui,info,state,running\nnoise\n"
    assert parse_states(text) == (Box("node1", "shutoff", "libvirt"),)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/labs/lab/key", "/labs/lab/key"),
        ('"/home/a b/key"', "/home/a b/key"),
        ("/home/a\\ b/key", "/home/a b/key"),
    ],
)
def test_key_files_are_read(written: str, path: str) -> None:
    """A path with a space comes in quotes or escaped; the first key of a machine is the one Vagrant made for it."""
    text = f"Host node1\n  User vagrant\n  IdentityFile {written}\n  IdentityFile /other\n"
    assert str(parse_ssh_config(text)["node1"].identity) == path


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("==> node1: Booting VM...", ("node1", "Booting VM...")),
        ("    node1: Setting up java", None),
        ("Bringing machine 'node1' up", None),
        (
            "==> vagrant: A new version of Vagrant is available: 2.4.9",
            ("vagrant", "A new version of Vagrant is available: 2.4.9"),
        ),
    ],
)
def test_steps_are_read(line: str, step: tuple[str, str] | None) -> None:
    """A step is a line with an arrow."""
    assert progress(line) == step


def test_vagrantfile_and_lab_agree() -> None:
    """The addresses and the box that the lab counts on are those of the Vagrantfile."""
    text = (templates_folder() / "vagrant" / "Vagrantfile").read_text()
    assert re.search(r'ip: "#\{network\}\.#\{10 \+ number\}"', text)
    assert [
        word
        for word in ("debian/bookworm64", "virtualbox", "libvirt", "openjdk-17-jre-headless")
        if word not in text
    ] == []


def test_inventory_is_the_users_alone(setting: Setting) -> None:
    """The folder holds the way into the machines."""
    setting.lab.up(Wish(1))
    assert stat.S_IMODE(setting.lab.folder.stat().st_mode) == 0o700
