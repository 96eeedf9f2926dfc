"""A command line of `fab` in this process: Invoke's own program over some of the tasks, with fakes behind them, or all of them.

A process of its own takes 0.3 s to read kafab and its libraries in: `tests.fab.Fab` is for what is told about that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from invoke.collection import Collection
from invoke.program import Program
from invoke.tasks import Task

from kafab.model import Cluster
from kafab.ops.world import World
from tasks import namespace
from tasks.chain import CHAIN
from tests.fab import Done

Fab = Callable[..., int]
"""Runs one command line, without `fab`, and returns its exit code."""


@dataclass(frozen=True)
class FakeSession:
    """The selected cluster, and the ports of its world."""

    cluster: Cluster
    world: World

    def __getattr__(self, name: str) -> object:
        """Return one of the ports."""
        return getattr(self.world, name)


def tree_of(tasks: ModuleType | Task[Any]) -> Collection:
    """Return the tasks of a module below its name, or a single task, as `tasks.namespace` has them."""
    tree = Collection()
    if isinstance(tasks, ModuleType):
        tree.add_collection(Collection.from_module(tasks))
    else:
        tree.add_task(tasks)
    return tree


def on_fakes(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, world: World, tree: Collection) -> Fab:
    """Select this cluster, with these ports, for the length of a test, and return what runs command lines of these tasks."""
    session = FakeSession(cluster, world)
    monkeypatch.setattr(CHAIN, "session", lambda: session)
    monkeypatch.setattr(CHAIN, "_console", None)

    return lambda *words: _run(tree, words)


def run_alone(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Done:
    """Run a command line of all the tasks as the first of a process, with its labs below ``home`` and nothing selected."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KAFAB_HOME", str(home))
        patched.delenv("KAFAB_CLUSTER", raising=False)
        for name in ("_wanted", "_session", "_console", "made"):
            patched.setattr(CHAIN, name, None)
        try:
            code = _run(namespace, words)
        finally:
            CHAIN.close()
    said = capsys.readouterr()
    return Done(code, said.out, said.err)


def _run(tree: Collection, words: tuple[str, ...]) -> int:
    try:
        Program(namespace=tree).run(["fab", *words])
    except SystemExit as ended:
        return int(str(ended.code))  # no code, or words for one, would be a mistake of ours
    return 0  # Invoke returns where a command line worked
