"""A secret on its way to a host over a real sshd: nowhere but in the file that is for it."""

import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from kafab.shell.layout import DIGEST_KEY, SERVER_PROPERTIES
from tests.broker_login import FILE, give_broker_login
from tests.canary_secret import Watch, environment, files_with, watched
from tests.fab import Done, Fab
from tests.labs import LocalLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Letters and digits alone: so they stand in a properties file, in JSON and in a shell's word as they are.
KINDS = ("Env", "File", "Cmd", "Old", "Broker")
ALL = BY_ENV, BY_FILE, BY_COMMAND, OLD, OF_BROKERS = tuple(f"can4ry{kind}s3cret" for kind in KINDS)
PROPERTIES = {
    "ssl.keystore.password": "${env:CANARY}",
    "ssl.key.password": "${file:canary}",
    "ssl.truststore.password": "${cmd:cat command-canary}",
}
REPORT = "report.html"
ARCHIVE = "diagnosis.tar.gz"
LOOKS = (
    ("plan", "--json"),
    ("plan",),
    ("status", "--json"),
    ("config.show", "node1/broker", "--json"),
    ("preflight", "--json"),
    ("inventory.check", "--json"),
    ("verify", "--read-only", "--json"),
    ("can-stop", "node1/broker", "--json"),
    ("history", "--json"),
    ("lab.status", "--json"),
    ("logs", "node1/broker"),
    ("client.properties",),
)


class Ran(NamedTuple):
    """What the commands printed, which of them found what, and the lab after them."""

    done: dict[str, Done]
    watch: Watch
    lab: LocalLab
    temporary: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Deploy a host with three secrets and the brokers' password, change one by hand there, and run every command that reads.

    No process is started.
    """
    root = tmp_path_factory.mktemp("canary")
    temporary = root / "tmp"
    temporary.mkdir()
    fab = Fab(root / "home")
    lab = LocalLab(fab)
    try:
        with environment(CANARY=BY_ENV):
            fab.must("lab.up", "--hosts", "1", "--secure")
        give_broker_login(lab.inventory, OF_BROKERS)
        tree = yaml.safe_load(lab.inventory.read_text())
        tree["kafka"]["properties"] = {**tree["kafka"].get("properties", {}), **PROPERTIES}
        lab.inventory.write_text(yaml.safe_dump(tree))
        for name, value in (("canary", BY_FILE), ("command-canary", BY_COMMAND)):
            path = lab.inventory.parent / name
            path.write_text(value + "\n")
            path.chmod(0o600)
        with watched(ALL) as watch, environment(CANARY=BY_ENV, TMPDIR=str(temporary)):
            done = {"first plan": fab("plan", "--json"), "deploy": fab("deploy", "--json")}
            file = _file(lab)
            file.write_text(file.read_text().replace(BY_FILE, OLD))
            done |= {" ".join(words): fab(*words) for words in LOOKS}
            done["report"] = fab("report", "--out", str(fab.home / REPORT), "--json")
            _plant(lab)
            done["diagnose"] = fab("diagnose", "--out", str(fab.home / ARCHIVE))
            done["diagnose --json"] = fab("diagnose", "--out", str(fab.home / f"2{ARCHIVE}"), "--json")
            _take_away(lab)
            # A folder where a file is to be: the step fails on the host, and is told.
            file.unlink()
            file.mkdir()
            done["deploy that fails"] = fab("deploy", "--skip-preflight")
            file.rmdir()
            done["deploy again"] = fab("deploy")
        yield Ran(done, watch, lab, temporary)
    finally:
        fab.down()


def _logs(lab: LocalLab) -> list[Path]:
    node = lab.node("node1/broker")
    return [Path(node.logs, name) for name in ("server.log", "stdout.log", "hs_err_pid1.log")]


def _plant(lab: LocalLab) -> None:
    """Have secrets in the node's logs: behind keys, in a URL, in a command line, and as a plain word."""
    for log in _logs(lab):
        log.write_text(
            f"[t] ERROR fatal: ssl.key.password = {BY_FILE} (x)\n[t] INFO <{BY_COMMAND}> and {OLD} (x)\n"
            f"https://user:{BY_ENV}@example.org\n-Djavax.net.ssl.keyStorePassword={BY_ENV}\nPassword: {OF_BROKERS}\n"
        )


def _take_away(lab: LocalLab) -> None:
    for log in _logs(lab):
        log.unlink()


def _file(lab: LocalLab) -> Path:
    return Path(lab.node("node1/broker").config, SERVER_PROPERTIES)


def test_secrets_arrive(ran: Ran) -> None:
    """The deploys did their work, and what the host has is what the references say."""
    codes = {
        name: ran.done[name].code for name in ("first plan", "deploy", "deploy that fails", "deploy again")
    }
    assert codes == {"first plan": 0, "deploy": 0, "deploy that fails": 1, "deploy again": 0}, ran.done
    text = _file(ran.lab).read_text()
    assert [f"{name}={value}\n" in text for name, value in zip(PROPERTIES, ALL, strict=False)] == [True] * 3
    assert text.count(f'="{OF_BROKERS}"') == 2


def test_nothing_that_is_printed_has_a_secret(ran: Ran) -> None:
    """No table, document, diff, note or error of any command has one, be it today's or the one that was there before."""
    told = {
        f"{name}: {secret}"
        for name, done in ran.done.items()
        for secret in ALL
        if secret in done.out or secret in done.err
    }
    assert told == set()
    assert [name for name, done in ran.done.items() if done.code == 2] == []
    assert "***" in ran.done["plan"].out


def test_no_process_had_a_secret(ran: Ran) -> None:
    """No argument has one. An environment has the operator's own variable where kafab starts a program here, and no other one."""
    inherited = {sight for sight in ran.watch.found if (sight.place, sight.secret) == ("environ", BY_ENV)}
    assert ran.watch.looks > 100
    assert ran.watch.found - inherited == set()
    assert not {sight.process for sight in inherited} & {"sshd", "sshd-session", "java"}


def test_no_file_has_a_secret_but_those_that_are_for_it(ran: Ran) -> None:
    """Neither logs nor records, reports, temporary files, caches or the host's folders have one."""
    folders = (ran.lab.fab.home, ran.temporary)
    assert {path for secret in ALL for path in files_with(secret, *folders)} == {
        _file(ran.lab),
        ran.lab.inventory.parent / "canary",
        ran.lab.inventory.parent / "command-canary",
        ran.lab.inventory.parent / FILE,
    }
    assert (ran.lab.fab.home / REPORT).is_file()
    assert stat.S_IMODE(_file(ran.lab).stat().st_mode) == 0o600
    assert stat.S_IMODE(_file(ran.lab).with_name(DIGEST_KEY).stat().st_mode) == 0o600


def test_archive_of_a_diagnosis_has_no_secret(ran: Ran) -> None:
    """Configuration and logs are in it, with what they say hidden; what is packed in it has none, and no key store."""
    with tarfile.open(ran.lab.fab.home / ARCHIVE) as tar:
        every = {one.name.partition("/")[2]: tar.extractfile(one) for one in tar.getmembers()}
        texts = {name: file.read().decode() for name, file in every.items() if file}
    log = texts["nodes/node1/broker/log.txt"]
    assert (ran.done["diagnose"].code, "ssl.key.password = ***" in log, "<***> and ***" in log) == (
        0,
        True,
        True,
    )
    assert "ssl.key.password=***" in texts["nodes/node1/broker/config/server.properties"]
    assert {name for name, text in texts.items() for secret in ALL if secret in text} == set()
    assert [
        name for name, text in texts.items() if "PRIVATE KEY-----\n" in text or name.endswith(".pem")
    ] == []


def test_missing_secret_is_told_before_a_host_is_asked(ran: Ran) -> None:
    """Without its variable a deploy ends with a usage error and a hint; a look needs none of it."""
    failed, looked = ran.lab.fab("deploy"), ran.lab.fab("status", "--json")
    assert (failed.code, "CANARY is not set" in failed.err) == (2, True)
    assert looked.document["nodes"][0]["node"]


@pytest.mark.parametrize("place", ["argv", "environ"])
def test_watch_sees_a_secret(place: str) -> None:
    """A secret in an argument or an environment is found: the watch can turn red."""
    words = ["sh", "-c", "sleep 0.5; :", *([BY_ENV] if place == "argv" else [])]
    more = {"X": BY_ENV} if place == "environ" else {}
    with watched([BY_ENV]) as watch:
        subprocess.run(words, env={**os.environ, **more}, check=True)
    assert {sight.place for sight in watch.found} == {place}
