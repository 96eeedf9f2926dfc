"""Rows about 300 hosts, without a network: CPU and memory of a plan, CPU of the inventory and of what it is judged by."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kafab.command import Result
from kafab.config.catalogue import definitions
from kafab.events import silent
from kafab.inventory import load
from kafab.ops.deploy.deploy import make_plan
from kafab.releases.names import Artifact
from kafab.screens.cluster import show_plan
from kafab.screens.console import Console
from scripts.benches.measuring import DEADLINE, ROOT, VERSION, Row


def plan(runs: int) -> list[Row]:
    """Measure the CPU and memory of a plan for 300 hosts whose observation is faked, in a process of its own."""
    child = [sys.executable, "-m", "scripts.benches.planning"]
    found: list[Mapping[str, float]] = [
        json.loads(
            subprocess.run(
                child, cwd=ROOT, capture_output=True, text=True, check=True, timeout=DEADLINE
            ).stdout
        )
        for _ in range(runs)
    ]
    cpu = statistics.median(each["cpu"] for each in found)
    memory = statistics.median(each["memory"] for each in found)
    what = f"plan, 300 hosts, {found[0]['steps']:.0f} steps"
    return [
        Row(f"{what}: CPU", cpu, None, "2 s", cpu <= 2),
        Row(f"{what}: memory", memory, None, "200 MB", memory <= 200, unit="MB"),
    ]


def inventory(runs: int) -> list[Row]:
    """Measure the CPU of loading 300 hosts with much said of each, and that of reading a release's catalogue."""
    hosts = "".join(
        f"  kafka{n}: {{address: 10.0.{n // 250}.{n % 250 + 1}, rack: r{n % 3}, {f'zookeeper: {n},' if 0 < n < 6 else ''}"
        f" broker: {{id: {n}, data: [/data1/kafka, /data2/kafka], heap: 6g, properties: {{num.io.threads: 16}}}}}}\n"
        for n in range(300)
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "large.yaml")
        file.write_text(f"kafka: {{version: {VERSION}}}\nhosts:\n{hosts}", "utf-8")
        loaded = statistics.median(_cpu(lambda: load(file)) for _ in range(runs))
    read = statistics.median(_cpu(_catalogue) for _ in range(runs))
    return [
        Row("inventory of 300 hosts, loaded: CPU", loaded, None, "0.5 s", loaded <= 0.5),
        Row("catalogue of a release, read: CPU", read, None, "0.05 s", read <= 0.05),
    ]


def _cpu(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _catalogue() -> None:
    for cached in (definitions._data, definitions._catalogue, definitions.releases):  # noqa: SLF001  # as a new process
        cached.cache_clear()
    definitions.catalogue(max(definitions.releases().values()))


def _child() -> None:
    """Plan once, from the file's text to the screen's, and print this process's CPU seconds and peak memory in MB."""
    # Empty hosts: everything is to be done, and every file is in the diff.
    answer = Result(0, b'java /usr/bin/java\njavaversion "17.0.15"\nend\n', "")
    fleet = SimpleNamespace(run=lambda scripts: dict.fromkeys(scripts, answer))
    store = SimpleNamespace(fetch=lambda name, _emit: Artifact(name, Path("made-up"), "0" * 64, 1, "made up"))
    world: Any = SimpleNamespace(fleet=fleet, store=store, emit=silent)
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        file = Path(folder, "large.yaml")
        file.write_text(
            f"kafka: {{version: {VERSION}}}\nhosts:\n{''.join(map(_host, range(1, 301)))}", "utf-8"
        )
        cluster = load(file)[0]
        _, found = make_plan(cluster, None, world)
        show_plan(Console(out=nowhere), cluster, found)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"cpu": cpu, "memory": usage.ru_maxrss / scale, "steps": len(found.steps)}))


def _host(number: int) -> str:
    zookeeper = f", zookeeper: {number}" * (number <= 3)
    return (
        f"  node{number}: {{address: 10.0.{number // 200}.{number % 200 + 1}, broker: {number}{zookeeper}}}\n"
    )


if __name__ == "__main__":
    _child()
