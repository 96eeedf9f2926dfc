"""The `kafab` console script: Fabric's own program over the same tasks, from any folder.

The wheel carries the tasks as ``kafab.tasks``; in a checkout they are the folder beside this package.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

from fabric.config import Config
from fabric.executor import Executor
from fabric.main import Fab
from invoke.collection import Collection

from kafab import __version__


def main() -> None:
    """Run the command line in ``sys.argv`` and exit."""
    Fab(
        name="kafab",
        binary="kafab",
        version=__version__,
        namespace=_namespace(),
        executor_class=Executor,
        config_class=Config,
    ).run()


def _namespace() -> Collection:
    if importlib.util.find_spec("kafab.tasks") is None:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        tree = importlib.import_module("tasks").namespace
    else:
        tree = importlib.import_module("kafab.tasks").namespace
    if not isinstance(tree, Collection):
        raise TypeError(f"tasks.namespace is {tree!r}, not a collection of tasks")
    return tree
