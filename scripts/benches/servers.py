"""Rows about deploy on twelve hosts that behave like servers, against ssh, pyinfra and Ansible."""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafab.model import Version
from kafab.releases.names import Artifact, release_for
from kafab.wiring import open_store
from scripts.benches.deploys import against_ssh
from scripts.benches.labs import Servers, servers
from scripts.benches.measuring import VERSION, Row, alternate, ratio
from scripts.benches.rivals import Rivals

HOSTS = 12
ROUNDS = 3
"""A rival takes minutes where kafab takes seconds: more runs would tell nothing new."""


def deploy_again(runs: int) -> list[Row]:
    """Measure a deploy with nothing to do against `ssh host true`, and against pyinfra and Ansible with nothing to do."""
    with _servers() as (here, rivals, _):
        here.fab("deploy")
        rows = [against_ssh(here, runs, "servers")]
        # What they still find to do by their own lights is done before it counts.
        rivals.pyinfra()
        rivals.ansible()
        ours, pyinfra, ansible = alternate(
            min(runs, ROUNDS), lambda: here.fab("deploy"), rivals.pyinfra, rivals.ansible
        )
    what = f"deploy, nothing to do, {HOSTS} servers"
    return [
        *rows,
        ratio(f"{what} / pyinfra", [ours], [pyinfra], 1 / 5, note=_times(pyinfra, ours, 5)),
        ratio(f"{what} / Ansible", [ours], [ansible], 1 / 40, note=_times(ansible, ours, 40)),
    ]


def first_deploy(runs: int) -> list[Row]:
    """Measure the first deploy to empty hosts against pyinfra's and Ansible's, and the bytes that leave this machine."""
    with _servers() as (here, rivals, artifact):
        sent: dict[str, list[int]] = {"kafab": [], "pyinfra": [], "Ansible": []}
        seconds: dict[str, list[float]] = {name: [] for name in sent}
        sides = {"kafab": lambda: here.fab("deploy"), "pyinfra": rivals.pyinfra, "Ansible": rivals.ansible}
        for _ in range(min(runs, ROUNDS)):
            for name, side in sides.items():
                here.clear()
                artifact.file.read_bytes()  # all sides find the archive in memory
                before = here.sent
                seconds[name].append(side())
                sent[name].append(here.sent - before)
                # The proof that they did the same: kafab finds nothing left to do.
                here.fab("plan", "--detailed-exitcode")
    megabytes = {name: [each / 1e6 for each in found] for name, found in sent.items()}
    what = f"first deploy, {HOSTS} servers"
    others = ", ".join(
        f"{name} {statistics.median(found):.0f} MB" for name, found in megabytes.items() if name != "kafab"
    )
    return [
        *(ratio(f"{what} / {name}", seconds["kafab"], seconds[name], 1) for name in ("pyinfra", "Ansible")),
        ratio(
            f"{what}: bytes on the wire / one artifact",
            megabytes["kafab"],
            [artifact.size / 1e6],
            1.1,
            unit="MB",
            note=f"counted on the network, everything that left this machine; {others}",
        ),
    ]


def _times(theirs: float, ours: float, wanted: int) -> str:
    return f"kafab is {theirs / ours:.1f}x faster; {wanted}x is wanted"


@contextmanager
def _servers() -> Iterator[tuple[Servers, Rivals, Artifact]]:
    artifact = open_store().find(release_for(Version.parse(VERSION)))
    if artifact is None:
        sys.exit(f"Kafka {VERSION} is not in the store: fab releases.fetch --version {VERSION}")
    with servers(HOSTS) as here, tempfile.TemporaryDirectory(prefix="kafab-rivals-") as folder:
        rivals = Rivals(Path(folder), here.cluster, artifact)
        try:
            yield here, rivals, artifact
        finally:
            rivals.close()
