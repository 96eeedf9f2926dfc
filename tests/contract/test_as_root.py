"""Scripts as root over real SSH and real sudo, as a plain user whose sudoers entry the test writes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from kafab.adapters.ssh.fleet import SshFleet
from kafab.command import ERRORS_LIMIT, Outcome, Result, Script, Secret
from kafab.errors import Unreachable
from kafab.events import silent
from kafab.model import Host
from kafab.ports import Download, Upload
from kafab.unknown import Unknown
from tests.conftest import cannot_run
from tests.sshds import sshd, until

pytestmark = pytest.mark.e2e
USER = f"kafab{os.getpid()}"  # several runs of the tests may share a machine
PASSWORD = "open sesame"
SUDOERS = Path(f"/etc/sudoers.d/{USER}")
ALL = f"{USER} ALL=(root) NOPASSWD: ALL"


def script(text: str) -> Script:
    """Return a script that may take half a minute."""
    return Script(text, timedelta(seconds=30))


def result(outcome: Outcome) -> Result:
    """Return an outcome that has to be a Result."""
    assert isinstance(outcome, Result), outcome
    return outcome


def reason(outcome: Outcome) -> str:
    """Return the reason of an outcome that has to be Unknown."""
    assert isinstance(outcome, Unknown), outcome
    return outcome.reason


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that a plain user logs in to."""
    if os.geteuid() != 0:
        cannot_run("it takes root to make a user")
    if not shutil.which("sudo"):
        cannot_run("there is no sudo")
    home = tmp_path_factory.mktemp("home")
    folder = home / "sshd"
    for above in (home, *home.parents):
        if above.stat().st_mode & 0o001 == 0:
            above.chmod(above.stat().st_mode | 0o011)
    subprocess.run(["useradd", "-d", home, "-s", "/bin/sh", USER], check=True)
    try:
        subprocess.run(["chpasswd"], input=f"{USER}:{PASSWORD}", text=True, check=True)
        with sshd(folder, user=USER) as running:
            yield running.host
    finally:
        SUDOERS.unlink(missing_ok=True)
        # Not before the last of its sessions has ended.
        assert until(
            lambda: subprocess.run(["userdel", USER], stderr=subprocess.DEVNULL, check=False).returncode == 0
        )


@contextmanager
def _allowed(lines: str) -> Iterator[None]:
    # Whole or not at all, as other runs of sudo see it; sudo leaves out names with a dot.
    new = SUDOERS.with_suffix(".new")
    new.write_text(f"{lines}\n")
    new.chmod(0o440)
    new.rename(SUDOERS)
    try:
        yield
    finally:
        SUDOERS.unlink()


def _ran(host: Host, text: str, password: str | None = None) -> Outcome:
    secret = None if password is None else Secret(password)
    with closing(SshFleet([host], become=True, sudo_password=secret)) as fleet:
        return fleet.run({"node1": script(text)})["node1"]


@pytest.fixture(
    params=["", "Defaults:{0} use_pty", "Defaults:{0} !use_pty"], ids=["default", "pty", "no pty"]
)
def root(host: Host, request: pytest.FixtureRequest) -> Iterator[SshFleet]:
    """The host as root, with each way in which sudo may run a command."""
    with _allowed(f"{request.param.format(USER)}\n{ALL}"), closing(SshFleet([host], become=True)) as fleet:
        yield fleet


def test_script_runs_as_root_in_a_bare_environment(root: SshFleet) -> None:
    """Through sudo a script is root, with nothing of the login's or of sudo's environment."""
    got = result(root.run({"node1": script("id -u; env")})["node1"])
    lines = got.text.splitlines()
    names = {line.split("=", 1)[0] for line in lines[1:]} - {"PWD", "OLDPWD", "_", "SHLVL"}
    assert (lines[0], names) == ("0", {"PATH", "LC_ALL", "HOME"})


def test_exit_code_and_streams_pass_sudo_unchanged(root: SshFleet) -> None:
    """The mark that a script has begun is not among its errors."""
    assert root.run({"node1": script("echo out; echo err >&2; exit 7")})["node1"] == Result(
        7, b"out\n", "err\n"
    )


def test_long_output_passes_sudo_whole(root: SshFleet) -> None:
    """A megabyte of output arrives, and of a megabyte of errors the two ends that are kept."""
    got = result(root.run({"node1": script("head -c 1048576 /dev/zero | tee /dev/stderr")})["node1"])
    assert len(got.out) == 1048576
    # The mark that a script has begun stands among the errors, and is taken away.
    assert ERRORS_LIMIT - 100 < got.err.count("\0") <= ERRORS_LIMIT


def test_upload_passes_sudo_unchanged(root: SshFleet, tmp_path: Path) -> None:
    """Bytes of every value arrive on the stdin of a script that sudo has started."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 8000)
    got = root.send({"node1": Upload(source, script(f"cat > {target}; id -u"))}, silent)["node1"]
    assert (result(got).text, target.read_bytes()) == ("0\n", source.read_bytes())


def test_download_passes_sudo_unchanged(root: SshFleet, tmp_path: Path) -> None:
    """A file that only root may read arrives as it is."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 8000)
    source.chmod(0o600)
    got = root.receive({"node1": Download(target, script(f"cat {source}"), "file")}, silent)["node1"]
    assert (got, target.read_bytes()) == (Result(0, b"", ""), source.read_bytes())


def test_held_script_lets_go_under_sudo(root: SshFleet, tmp_path: Path) -> None:
    """The end of the block reaches the script through sudo, before the next command."""
    lock = tmp_path / "lock"
    holding = f"trap 'rm -f {lock}' EXIT; touch {lock}; echo held; cat >/dev/null"
    with root.hold("node1", script(holding)) as outcome:
        assert (outcome, lock.exists()) == (Result(0, b"held\n", ""), True)
    assert not lock.exists()


def test_followed_script_ends_under_sudo(root: SshFleet, tmp_path: Path) -> None:
    """Closing the iterator ends root's idle `tail -f`, whichever way sudo runs it."""
    log = tmp_path / "log"
    log.write_text("first\n")
    followed = root.follow("node1", script(f"tail -f {log} & echo $!; wait"))
    seen = b""
    while seen.count(b"\n") < 2:
        seen += next(followed)
    pid = next(line for line in seen.decode().split() if line.isdigit())
    assert Path(f"/proc/{pid}").exists()
    followed.close()  # type: ignore[attr-defined]  # a generator, which is what closes it
    assert until(lambda: not Path(f"/proc/{pid}").exists()), f"{pid} still runs"


def test_same_connection_serves_both_users(root: SshFleet) -> None:
    """As the login user the same fleet needs no second login."""
    said = "id -un; ps -o pgid= -p $$ >/dev/null"
    both = [root.as_user(root=wanted).run({"node1": script(said)})["node1"] for wanted in (True, False)]
    assert [result(outcome).text.split()[0] for outcome in both] == ["root", USER]


LINE = f"{USER} ALL=(root) NOPASSWD: ALL"


@pytest.mark.parametrize(
    ("sudoers", "password", "said", "line"),
    [
        ("", None, f"sudo wants a password for {USER}, or {USER} is not in sudoers", LINE),
        (f"{USER} ALL=(root) ALL", None, f"sudo wants a password for {USER}", LINE),
        (f"{USER} ALL=(root) NOPASSWD: /bin/true", None, f"sudo wants a password for {USER}", LINE),
        (f"Defaults:{USER} requiretty\n{ALL}", None, "(requiretty)", f"Defaults:{USER} !requiretty"),
        ("", PASSWORD, f"{USER} is not in sudoers", LINE),
        (f"{USER} ALL=(root) /bin/true", PASSWORD, f"{USER} is not in sudoers with all commands", LINE),
        (f"{USER} ALL=(root) ALL", "wrong", f"sudo refused the password given for {USER}", LINE),
    ],
    ids=["stranger", "password wanted", "other command", "requiretty", "stranger with password",
         "other command with password", "wrong password"],
)  # fmt: skip
def test_sudo_that_refuses_is_unknown_with_the_line_to_add(
    host: Host, tmp_path: Path, *, sudoers: str, password: str | None, said: str, line: str
) -> None:
    """What sudo will not do is told with the line that would let it, and nothing of the script has run."""
    witness = tmp_path / "ran"
    with _allowed(sudoers):
        told = reason(_ran(host, f"touch {witness}", password))
    assert said in told
    assert line in told
    assert not witness.exists()


@pytest.mark.parametrize(
    ("account", "restored", "said", "step"),
    [
        (["usermod", "-e", "2001-01-01"], ["usermod", "-e", ""], "Your account has expired", "chage -E -1"),
        (["chage", "-d", "0"], ["chage", "-d", "-1"], "Password change required", "chage -M -1"),
    ],
    ids=["account", "password"],
)  # fmt: skip
def test_account_that_has_expired_is_told(
    host: Host, account: list[str], restored: list[str], said: str, step: str
) -> None:
    """The key is right and PAM lets nobody in: its words are told, not a key that was refused."""
    assert host.ssh.identity is not None
    subprocess.run([*account, USER], check=True)
    try:
        with sshd(host.ssh.identity.parent / step.replace(" ", ""), "UsePAM yes", user=USER) as strict:
            told = reason(_ran(strict.host, "true"))
    finally:
        subprocess.run([*restored, USER], check=True)
    assert [part for part in (said, step) if part not in told] == []
    assert "key refused" not in told


def test_host_without_sudo_is_told(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no sudo the way out is to install it or to log in as root."""
    (tmp_path / "sh").symlink_to("/bin/sh")
    tmp_path.chmod(0o755)
    monkeypatch.setattr("kafab.adapters.ssh.sudo.PATH", f"{tmp_path}")
    assert "there is no sudo" in reason(_ran(host, "true"))


@pytest.mark.parametrize("sudoers", [f"{USER} ALL=(root) ALL", ALL], ids=["wanted", "not wanted"])
def test_password_is_used_only_where_sudo_asks(host: Host, sudoers: str) -> None:
    """With a password the script runs, and it is never taken for a line of the script."""
    with _allowed(sudoers):
        assert _ran(host, "id -u; cat", PASSWORD) == Result(0, b"0\n", "")


def test_password_is_on_no_command_line(host: Host) -> None:
    """While a script runs no process of the host has the password among its arguments."""
    search = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"
    with _allowed(f"{USER} ALL=(root) ALL"):
        got = result(_ran(host, search, PASSWORD))
    assert "sudo -k -S" in got.text
    assert PASSWORD not in got.text


def test_wrong_password_is_tried_once(host: Host) -> None:
    """Each wrong try counts towards a lock of the account: sudo is not given a second one."""
    with _allowed(f"Defaults:{USER} logfile=/run/{USER}-sudo.log\n{USER} ALL=(root) ALL"):
        try:
            _ran(host, "true", "wrong")
            log = Path(f"/run/{USER}-sudo.log").read_text()
        finally:
            Path(f"/run/{USER}-sudo.log").unlink(missing_ok=True)
    assert "1 incorrect password attempt" in log


def test_following_and_holding_tell_what_sudo_says(host: Host) -> None:
    """Without root a lock is Unknown and a log is Unreachable, both with sudo's reason."""
    with _allowed(""), closing(SshFleet([host], become=True)) as fleet:
        with fleet.hold("node1", script("echo held")) as outcome:
            assert "sudo wants a password" in reason(outcome)
        with pytest.raises(Unreachable, match="sudo wants a password"):
            list(fleet.follow("node1", script("echo hi")))


def test_upload_without_root_tells_what_sudo_says(host: Host, tmp_path: Path) -> None:
    """A refused upload is no lost connection."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 4_000_000)
    with _allowed(""), closing(SshFleet([host], become=True)) as fleet:
        got = fleet.send({"node1": Upload(source, script("cat >/dev/null"))}, silent)["node1"]
    assert "sudo wants a password" in reason(got)


def test_root_login_needs_no_sudo(tmp_path: Path, host: Host) -> None:
    """A login as root runs its scripts directly."""
    with (
        sshd(tmp_path / "root", "PermitRootLogin prohibit-password", user="root") as running,
        closing(SshFleet([running.host], become=True)) as fleet,
    ):
        assert result(fleet.run({"node1": script("id -u; ps -o args= -p $PPID")})["node1"]).text.startswith(
            "0\n"
        )
