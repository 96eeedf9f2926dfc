"""Inventories: one YAML file is one cluster."""

import os

from invoke.context import Context

from .boundary import task
from .chain import CHAIN, here

_COLUMNS = ("Place", "Key", "Severity", "Problem")


@task(
    help={
        "cluster": "the name or path of an inventory; without it the selected one",
        "json": "print one JSON document on stdout",
        "allow_unknown_properties": "take properties that no Kafka knows, for a plug-in that reads them",
    }
)
def check(
    _context: Context, cluster: str = "", json: bool = False, allow_unknown_properties: bool = False
) -> int:
    """Show every problem of an inventory with its file, line and column; exit code 2 if it cannot be used."""
    from kafab.inventory.selection import find_inventory
    from kafab.ops.author import inventories

    console = CHAIN.console(json=json)
    file = find_inventory(cluster or CHAIN.wanted, os.environ, here())
    verdict = inventories.check(file, allow_unknown_properties=allow_unknown_properties)
    rows = inventories.rows(verdict)
    text = console.table(_COLUMNS, rows) + "\n" + verdict.summary if rows else verdict.summary
    console.data(inventories.document(verdict), text)
    return verdict.exit_code


@task(
    positional=["name"],
    help={
        "name": "the cluster's name: letters, digits and ._-",
        "mode": "kraft or zookeeper; kraft if it is left out: a new cluster should not start on ZooKeeper",
        "version": "Kafka's version: 4.3.1 if it is left out, 3.9.2 in ZooKeeper mode",
        "secure": "TLS between the nodes, a name and a password for clients, an authorizer",
    },
)
def new(
    _context: Context, name: str, mode: str | None = None, version: str | None = None, secure: bool = False
) -> None:
    """Write a commented starter to inventory/NAME.yaml; an existing file stays as it is."""
    from kafab.model import Mode
    from kafab.ops.author import inventories

    from .options import choice, kafka_version

    path = inventories.create(name, here(), choice("mode", Mode, mode), kafka_version(version), secure=secure)
    then = f"edit it, then type: fab inventory.check --cluster {name}"
    certificates = f"\nbefore the first deploy: fab on {name} secure.issue" if secure else ""
    CHAIN.console().data({}, f"{path}\n{then}{certificates}")


@task
def schema(_context: Context) -> None:
    """Print the JSON Schema of inventories, for completion and checks in an editor."""
    from kafab.ops.author import inventories

    CHAIN.console().data({}, inventories.schema_text())
