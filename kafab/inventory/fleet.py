"""Many inventories: which files a command line means, and the clusters in them, each with a name of its own.

Of a folder the files `*.yaml` and `*.yml` in it are taken that are inventories: those with `hosts:` or `kafka:` at the top.
What cannot be read might be one, so it is taken and told. Folders in it, and names that begin with a dot, are left alone.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kafab.errors import UsageError
from kafab.inventory import cluster_name, load, yamltree
from kafab.inventory.selection import find_inventory
from kafab.model import Cluster
from kafab.problems import Problems
from kafab.words import few, shown

SUFFIXES = (".yaml", ".yml")
_TOP = frozenset({"hosts", "kafka"})


@dataclass(frozen=True)
class Files:
    """The inventories that were named, in order and each once; what stood beside them, and what was named twice."""

    inventories: tuple[Path, ...]
    passed_over: tuple[Path, ...]
    again: tuple[Path, ...]


@dataclass(frozen=True)
class Member:
    """One inventory of several; ``name`` is the cluster's, with the path behind it where another one has the same."""

    name: str
    source: Path
    cluster: Cluster | UsageError
    """The cluster, or why there is none."""


def files(words: Sequence[str], environ: Mapping[str, str], folder: Path) -> Files:
    """Return the inventories of these words: folders, files, and names as `on` takes them.

    Raises UsageError where a word means nothing, where a folder has no inventory, and where there is no word.
    """
    if not words:
        raise UsageError("no inventory was named", hint="name files or a folder of them: fab smoke inventory")
    taken: dict[Path, Path] = {}
    again: list[Path] = []
    passed_over: list[Path] = []
    for word in words:
        there = folder / os.path.expanduser(word)  # noqa: PTH111  # Path.expanduser raises where a home is unknown
        if there.is_dir():
            found, others = _of_folder(there, word)
            passed_over += others
        else:
            found = [find_inventory(word, environ, folder)]
        for path in found:
            if path.resolve() in taken:
                again.append(path)
            taken.setdefault(path.resolve(), path)
    return Files(tuple(taken.values()), tuple(passed_over), tuple(again))


def members(paths: Iterable[Path]) -> tuple[Member, ...]:
    """Read the inventories. One that cannot be used is a member as well."""
    every = list(paths)
    named = Counter(cluster_name(path) for path in every)
    made = []
    for path in every:
        name = cluster_name(path)
        name = shown(name if named[name] == 1 else f"{name} ({path})")
        try:
            made.append(Member(name, path, load(path)[0]))
        except UsageError as error:
            made.append(Member(name, path, error))
    return tuple(made)


def same_nodes(fleet: Iterable[Member]) -> tuple[tuple[str, ...], ...]:
    """Return the names of members that name one and the same broker, in groups."""
    groups: dict[object, list[str]] = {}
    for member in fleet:
        if isinstance(member.cluster, Cluster) and member.cluster.brokers:
            at = frozenset(node.endpoint for node in member.cluster.brokers)
            first = next((known for known in groups if isinstance(known, frozenset) and known & at), at)
            groups.setdefault(first, []).append(member.name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _of_folder(folder: Path, word: str) -> tuple[list[Path], list[Path]]:
    """Return the inventories of a folder and its other YAML files. Raises UsageError where it has no inventory."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"the folder {shown(word)} cannot be read: {error.strerror}",
            hint="name another one, or its files",
        ) from error
    yamls = [
        path
        for path in entries
        if path.suffix in SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    ]
    found = [path for path in yamls if _may_be_one(path)]
    others = [path for path in yamls if path not in found]
    if not found:
        there = f"; passed over: {few(shown(path.name) for path in others)}" if others else ""
        raise UsageError(
            f"there is no inventory in {shown(str(folder))}: no file *.yaml or *.yml with hosts: or kafka:{there}",
            hint="`fab inventory.new NAME` begins one; folders in it are not looked into, name them",
        )
    return found, others


def _may_be_one(path: Path) -> bool:
    """Tell whether a file is an inventory; true where it cannot be told, so that a broken or empty one is not passed over."""
    try:
        tree = yamltree.read(path, Problems(path))
    except yamltree.Unreadable:
        return True
    if isinstance(tree, yamltree.Table):
        return any(key.text in _TOP for key, _ in tree.entries)
    return isinstance(tree, yamltree.Scalar)
