"""Rows about deploy on a local lab: with nothing to do, and the first one."""

import shlex
import statistics
import sys
from pathlib import Path

from kafab.model import Host, Version
from kafab.releases.names import release_for
from kafab.wiring import open_store
from scripts.benches.labs import Lab, lab, ssh
from scripts.benches.measuring import VERSION, Measurement, Row, alternate, side_by_side


def deploy_again(hosts: int) -> Measurement:
    """Return the measurement of a deploy with nothing to do, against `ssh host true` to all hosts at once."""

    def measure(runs: int) -> list[Row]:
        with lab(hosts) as here:
            here.fab("deploy")
            return [against_ssh(here, runs, "hosts")]

    return measure


def against_ssh(here: Lab, runs: int, noun: str) -> Row:
    """Measure a deploy with nothing to do to a lab against `ssh host true` to all its hosts at once."""
    hosts = here.cluster.hosts
    commands = [["ssh", *ssh(host), host.address, "true"] for host in hosts]
    side_by_side(commands)
    ours, theirs, start = alternate(
        runs,
        lambda: here.fab("deploy"),
        lambda: side_by_side(commands),
        lambda: here.fab("--list"),
    )
    limit = 1.5 * theirs + 0.5
    return Row(
        f"deploy, nothing to do, {len(hosts)} {noun} / ssh host true",
        ours,
        theirs,
        f"1.5x + 0.5 s = {limit:.2f} s",
        ours <= limit,
        note=f"of it {start:.2f} s are the start of the interpreter (fab --list); "
        f"without: {(ours - start) / theirs:.2f}x",
    )


def first_deploy(runs: int) -> list[Row]:
    """Measure the first deploy to three empty hosts against parallel scp and tar of the same archive.

    As with a deploy that has nothing to do, half a second is for what does not grow with the bytes and what nobody does by
    hand: the interpreter, two looks and a preflight of each host, the lock, the files of six nodes. The bytes themselves take
    no longer than by hand.
    """
    artifact = open_store().find(release_for(Version.parse(VERSION)))
    if artifact is None:
        sys.exit(f"Kafka {VERSION} is not in the store: fab releases.fetch --version {VERSION}")
    ours, theirs = [], []
    for _ in range(runs):
        artifact.file.read_bytes()  # both sides find the archive in memory
        with lab(3) as here:
            ours.append(here.fab("deploy"))
            theirs.append(side_by_side([_by_scp(host, artifact.file) for host in here.cluster.hosts]))
    mine, plain = statistics.median(ours), statistics.median(theirs)
    limit = 1.5 * plain + 0.5
    what = "first deploy, 3 hosts / parallel scp + tar"
    return [Row(what, mine, plain, f"1.5x + 0.5 s = {limit:.2f} s", mine <= limit)]


def _by_scp(host: Host, file: Path) -> list[str]:
    options = shlex.join(ssh(host))
    target = shlex.quote(str(host.paths.releases.parent / "by-hand"))
    login = f"ssh {options} {host.address}"
    copy = f"scp -q {options} {shlex.quote(str(file))} {host.address}:{target}/release"
    return [
        "sh",
        "-euc",
        f"{login} mkdir -p {target}; {copy}; {login} tar -C {target} -xf {target}/release",
    ]
