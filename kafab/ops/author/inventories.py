"""Inventories as files: check one, begin one."""

import json
from dataclasses import dataclass
from pathlib import Path

from kafab.access import reading
from kafab.config.defaults import new_version
from kafab.errors import Failed, UsageError
from kafab.inventory import InventoryError, cluster_name, load, schema, texts
from kafab.model import Cluster, Mode, Version
from kafab.ops.author.starters import starter
from kafab.problems import Problem


@dataclass(frozen=True)
class Verdict:
    """An inventory that was read: the cluster where it can be used, and every problem, warnings last."""

    file: Path
    cluster: Cluster | None
    problems: tuple[Problem, ...]

    @property
    def exit_code(self) -> int:
        """0 usable (warnings allowed), 2 not."""
        return 0 if self.cluster else InventoryError.exit_code

    @property
    def summary(self) -> str:
        """One line: ``prod: 3 hosts, 3 controllers, 3 brokers, Kafka 4.3.1: OK``."""
        name = cluster_name(self.file)
        if self.cluster is None:
            errors = sum(problem.severity == "error" for problem in self.problems)
            return f"{name}: {_counted(errors, 'problem')}"
        hosts, brokers = (
            _counted(len(self.cluster.hosts), "host"),
            _counted(len(self.cluster.brokers), "broker"),
        )
        quorum = (
            _counted(len(self.cluster.controllers), "controller")
            if self.cluster.kraft
            else f"{len(self.cluster.zookeepers)} zookeeper"
        )
        return f"{name}: {hosts}, {quorum}, {brokers}, Kafka {self.cluster.version}: OK"


def check(file: Path, *, allow_unknown_properties: bool = False) -> Verdict:
    """Read an inventory, with the file that its access: names, and return what is wrong with it; nothing else is contacted."""
    try:
        cluster, warnings = load(file, allow_unknown_properties=allow_unknown_properties)
    except InventoryError as error:
        return Verdict(file, None, (*error.problems, *error.warnings))
    access = reading.check(file, cluster.version)
    usable = not any(problem.severity == "error" for problem in access)
    return Verdict(file, cluster if usable else None, (*access, *warnings))


def rows(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    """Return place, key, severity and text of each problem, for a table."""
    return [
        (f"{found.file}:{found.line}:{found.column}", found.key, found.severity, found.shown)
        for found in verdict.problems
    ]


def document(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as ``kafab.inventory-check/1``; ``counts`` is null where the inventory cannot be used."""
    cluster = verdict.cluster
    counts = cluster and {
        "hosts": len(cluster.hosts),
        "zookeeper": len(cluster.zookeepers),
        "controllers": len(cluster.controllers),
        "brokers": len(cluster.brokers),
    }
    return {
        "schema": "kafab.inventory-check/1",
        "cluster": cluster_name(verdict.file),
        "file": str(verdict.file),
        "usable": cluster is not None,
        "version": str(cluster.version) if cluster else None,
        "counts": counts,
        "problems": [
            {
                "line": found.line,
                "column": found.column,
                "key": found.key,
                "severity": found.severity,
                "text": found.text,
                "code": found.caution and str(found.caution),
            }
            for found in verdict.problems
        ],
    }


def create(
    name: str,
    folder: Path,
    mode: Mode | None = None,
    version: Version | None = None,
    *,
    secure: bool = False,
) -> Path:
    """Write a commented starter to ``folder``/inventory/``name``.yaml and return its path.

    Without a mode it is KRaft: a new cluster should not start on what Kafka 4 has no more. Raises UsageError for a name
    that no cluster can have, a version without this mode or a file that exists, Failed when it cannot be written.
    """
    mode = mode or Mode.KRAFT
    text = starter(name, mode, new_version(mode, version), secure=secure)
    try:
        texts.cluster_name(name)
    except ValueError as error:
        raise UsageError(f"found {name!r}; {error}", hint="for example: `fab inventory.new prod`") from error
    path = folder / "inventory" / f"{name}.yaml"
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} exists and stays as it is", hint="choose another name, or edit it"
        ) from None
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}") from error
    return path


def schema_text() -> str:
    """Return the JSON Schema of inventories, as inventory/schema.json has it."""
    return json.dumps(schema.json_schema(), indent=2) + "\n"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
