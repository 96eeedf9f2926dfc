"""What all tests share: clusters rooted in a temporary folder, and a real POSIX shell to run scripts in."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from kafab.command import Result, Script
from kafab.listeners import Listener, controller_listener
from kafab.model import Cluster, Host, Node, Paths, Role, Version, VoterSource

# What tests share asserts, too: without this a failure there is "AssertionError", and nothing else.
_SHARED = {f"tests.{path.stem}" for path in Path(__file__).parent.glob("*.py")} - {__name__}
pytest.register_assert_rewrite(*sorted(_SHARED - set(sys.modules)))

from tests.groups import Record, longest_first  # noqa: E402  # after the rewriting was asked for
from tests.ports import reserved_ports  # noqa: E402  # likewise

# How long an example takes is the machine's matter. The whole suite tries each law with a hundred of them; for an answer
# within a minute a quarter is enough, as each run makes others (--hypothesis-profile=thorough asks for all).
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=25)
settings.load_profile("quick")

if TYPE_CHECKING:
    from tests.kafka_by_hand import KafkaByHand

_LESS_OFTEN = (10_000, 10, 10)
"""How many objects are made until the garbage collector looks, and its younger runs until an older one; 700 by default."""
_GRACE = 60.0  # seconds for threads that are ending: Paramiko's end behind their connection


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in this hook, too
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a module on one worker: they share its hosts and imports; some name a group of their own."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    if hasattr(config, "workerinput"):  # xdist's, on a worker
        longest_first(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fail where xdist lost the groups, as it does under pytest 9: each test would set up its module's hosts anew.

    What is there now stays to the end: the garbage collector would look through 5,000 tests and all modules each time.
    """
    gc.freeze()
    gc.set_threshold(*_LESS_OFTEN)
    gc.enable()
    if getattr(session.config.option, "loadgroup", False):
        marked = [item for item in session.items if item.get_closest_marker("xdist_group")]
        lost = [item.nodeid for item in marked if "@" not in item.nodeid]
        if lost:
            raise pytest.UsageError(f"xdist did not group {len(lost)} tests, {lost[0]} among them")


def pytest_configure(config: pytest.Config) -> None:
    """Let the commands that tests start have Ctrl-C, also where the tests run as a shell's background job."""
    config.pluginmanager.register(Record())
    gc.disable()  # until the tests are collected: nothing of that is garbage
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def signals_given_back() -> Iterator[None]:
    """Let the boundary of a task take Ctrl-C and SIGTERM for the length of a test only."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module", autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    """Fail a module that leaves another handler of Ctrl-C behind: commands that later tests start would never get it."""
    before = signal.getsignal(signal.SIGINT)
    yield
    after = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert after is before


@pytest.fixture(scope="module", autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail a module that leaves a thread behind: it would work on under the tests of other modules."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + _GRACE
    while left := sorted(thread.name for thread in threading.enumerate() if thread not in before):
        assert time.monotonic() < deadline, f"threads that this module's tests started still run: {left}"
        time.sleep(0.02)


def cannot_run(reason: str) -> NoReturn:
    """Skip, and say why; where everything must run (CI=true), fail instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"cannot run here: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return the program."""
    found = shutil.which("promtool")
    if found is None:
        cannot_run(
            "no promtool on this machine; on Debian, as root: apt-get install prometheus (scripts/bootstrap --test does)"
        )
    return found


def cluster_in(root: Path, hosts: int = 1, controllers: str = "") -> Cluster:
    """Return a cluster of so many hosts, with a broker each, and every path below ``root``.

    Each host has a ZooKeeper server too, or in KRaft mode (``controllers``) is a combined one or has an isolated one.
    """
    made, nodes = [], []
    ports = reserved_ports(4 * hosts)
    for number in range(1, hosts + 1):
        brokers, others, quorum, election = ports[number - 1 :: hosts]
        base = PurePosixPath(root) / f"node{number}"
        folders = Paths(base / "opt", base / "etc", base / "data", base / "log", base / "run")
        host = Host(f"node{number}", "127.0.0.1", paths=folders)
        made.append(host)
        own = (Listener("PLAINTEXT", brokers, host.address),)
        theirs = (controller_listener(host.address, others),)
        broker = Node(host, Role.BROKER, number, own, "256m", (folders.data / "broker",))
        if controllers == "combined":
            nodes.append(replace(broker, listeners=own + theirs))
            continue
        other = Node(
            host,
            Role.CONTROLLER if controllers else Role.ZOOKEEPER,
            100 + number if controllers else number,
            theirs if controllers else (Listener("CLIENT", others, host.address),),
            "64m",
            (folders.data / ("controller" if controllers else "zookeeper"),),
        )
        if controllers:
            nodes += [other, broker]
        else:
            nodes += [replace(other, quorum_port=quorum, election_port=election), broker]
    return Cluster(
        "small",
        Version(4, 3, 1) if controllers else Version(3, 9, 2),
        tuple(made),
        tuple(nodes),
        voter_source=VoterSource.DYNAMIC,
        lab=True,
    )


@pytest.fixture(scope="session")
def hand_3_9_2(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[KafkaByHand]":
    """Six JVMs for the modules of the group "contract 3.9.2": healthy and without a topic until the last of them breaks it."""
    from tests.kafka_by_hand import (
        six_jvms,  # the clients' libraries; the fast tests of most modules need none
    )

    with six_jvms(Version(3, 9, 2), tmp_path_factory.mktemp("kafka-3.9.2")) as hand:
        yield hand


@pytest.fixture
def small(tmp_path: Path) -> Cluster:
    """One host with a ZooKeeper server and a broker, all of it below a temporary folder."""
    return cluster_in(tmp_path)


@pytest.fixture(scope="session")
def shell() -> Callable[[Script], Result]:
    """Run a script the way a host would: whole, from stdin, in a bare environment."""

    def run(script: Script, stdin: bytes | None = None) -> Result:
        bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
        words, given = ["sh", "-eu"], f"{{\n{script.text}}}\n".encode()
        if stdin is not None:
            words, given = [*words, "-c", script.text], stdin
        done = subprocess.run(words, env=bare, input=given, capture_output=True, check=False)
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return run
