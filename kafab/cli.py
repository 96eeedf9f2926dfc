"""The `kafab` console script: Fabric's own program over the same tasks, from any folder; and how both run what they read.

The wheel carries the tasks as ``kafab.tasks``; in a checkout they are the folder beside this package.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import fabric.executor
from fabric.config import Config
from fabric.main import Fab
from invoke.collection import Collection
from invoke.exceptions import Exit

from kafab import __version__

TAKES_A_COMMAND = "tool"


class Executor(fabric.executor.Executor):  # type: ignore[misc]  # Fabric has no types
    """Leaves what stands behind ``--`` to the last task, where that is `tool`.

    Fabric itself runs it as a shell command on the hosts of -H, and ends with a traceback where there are none. `fab` takes
    this class by the setting in fabric.yaml, which Invoke has for it.
    """

    def execute(self, *tasks: Any) -> Any:
        """Run the tasks. Raises Exit where the words behind ``--`` are nobody's."""
        if self.core is not None and self.core.remainder and not self.core[0].args.hosts.value:
            if not tasks or tasks[-1].name != TAKES_A_COMMAND:
                raise Exit("only `tool` takes words behind `--`: fab tool NODE -- kafka-topics.sh --list", 2)
            self.core.remainder = ""  # joined by blanks; the task takes the words from where they are whole
        return super().execute(*tasks)


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
