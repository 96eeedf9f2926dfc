"""The commands of `fab` and `kafab`, as one tree of names."""

from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task

from . import (
    access,
    canary,
    client,
    cluster,
    config,
    destroy,
    diagnose,
    drill,
    groups,
    history,
    inventory,
    lab,
    leaders,
    observe,
    preflight,
    records,
    releases,
    remote,
    reporting,
    rolling,
    secure,
    smoke,
    topics,
    upgrade,
    verify,
)
from .boundary import task
from .chain import CHAIN


@task(default=True)
def commands(_context: Context) -> None:
    """List the commands; no command at all does the same."""
    names = sorted(namespace.task_names, key=lambda name: ("." in name, name))
    width = max(map(len, names))
    lines = [f"  {name:{width}}  {summary(namespace[name])}" for name in names]
    text = "\n".join([*lines, "", "What a command takes: --help COMMAND"])
    CHAIN.console().data({}, text)


def summary(command: Task[Any]) -> str:
    """Return the first line of a command's documentation."""
    return (command.__doc__ or "").strip().partition("\n")[0]


def _namespace() -> Collection:
    tree = Collection(commands)
    for module in (
        cluster,
        rolling,
        canary,
        verify,
        smoke,
        reporting,
        diagnose,
        history,
        preflight,
        destroy,
        remote,
    ):
        for found in Collection.from_module(module).tasks.values():
            tree.add_task(found)
    for module in (
        *(
            access,
            client,
            config,
            drill,
            groups,
            inventory,
            lab,
            leaders,
            observe,
            records,
            releases,
            secure,
            topics,
            upgrade,
        ),
    ):
        tree.add_collection(Collection.from_module(module))
    return tree


namespace = _namespace()
