"""Inventories: one YAML file is one cluster."""

import os
from pathlib import Path

from invoke.context import Context

from kafab.console import Console
from kafab.ops import inventories
from kafab.selection import find_inventory

from .boundary import task
from .chain import CHAIN

_COLUMNS = ("Place", "Key", "Severity", "Problem")


@task(
    help={
        "cluster": "the name or path of an inventory; without it the selected one",
        "json": "print one JSON document on stdout",
    }
)
def check(_context: Context, cluster: str = "", json: bool = False) -> int:
    """Show every problem of an inventory with its file, line and column; exit code 2 if it cannot be used."""
    console = Console(json)
    verdict = inventories.check(find_inventory(cluster or CHAIN.wanted, os.environ, Path.cwd()))
    rows = inventories.rows(verdict)
    text = console.table(_COLUMNS, rows) + "\n" + verdict.summary if rows else verdict.summary
    console.data(inventories.document(verdict), text)
    return verdict.exit_code


@task(positional=["name"], help={"name": "the cluster's name: letters, digits and ._-"})
def new(_context: Context, name: str) -> None:
    """Write a commented starter to inventory/NAME.yaml; an existing file stays as it is."""
    path = inventories.create(name, Path.cwd())
    Console().data({}, f"{path}\nedit it, then type: fab inventory.check --cluster {name}")


@task
def schema(_context: Context) -> None:
    """Print the JSON Schema of inventories, for completion and checks in an editor."""
    Console().data({}, inventories.schema_text())
