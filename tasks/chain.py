"""What the tasks of one command line share: the selected cluster and the connections to it.

Invoke copies its configuration for every task, so the selection lives here, once a process.
"""

import atexit
import os
from pathlib import Path
from typing import TYPE_CHECKING

# What a command needs is imported when it runs: `fab --list` pays for none of it.
if TYPE_CHECKING:
    from kafab.command import Secret
    from kafab.model import Cluster, Version
    from kafab.screens.console import Console
    from kafab.wiring import Session


class Chain:
    """The cluster that `on` (or KAFAB_CLUSTER, or the lab that is up) selected, and its session."""

    def __init__(self) -> None:
        self._wanted: str | None = None
        self._accept_new_host_keys = False
        self._allow_unknown_properties = False
        self.sudo_password: Secret | None = None
        """What `--prompt-for-sudo-password` was answered with."""
        self.made: str | None = None
        """The name of the lab that this command line made."""
        self.arguments = ""
        """The arguments of the task that runs, as somebody would type them; without values that are secret."""
        self.left_at_work = False
        """Whether threads are at work that nobody waits for: the process ends without them."""
        self._session: Session | None = None
        self._console: Console | None = None
        atexit.register(self.close)

    def select(
        self,
        name_or_path: str,
        *,
        accept_new_host_keys: bool = False,
        allow_unknown_properties: bool = False,
    ) -> None:
        """Take this inventory for the rest of the command line; connections to another cluster are closed."""
        self.close()
        self._wanted = name_or_path
        self._accept_new_host_keys = accept_new_host_keys
        self._allow_unknown_properties = allow_unknown_properties
        self.session()  # a wrong name or a broken inventory is told before anything runs

    @property
    def lab(self) -> str:
        """The name of the lab that is meant where none is given: the one made in this line, the selected one, or ``lab``."""
        from kafab.inventory.selection import selected_lab

        return self.made or selected_lab(self._wanted, os.environ, here()) or "lab"

    @property
    def wanted(self) -> str | None:
        """The name or path that `on` was given, if it was used."""
        return self._wanted

    def console(self, *, json: bool = False) -> "Console":
        """Return the one console of this command line, set for a task that was asked for JSON or not."""
        if self._console is None:
            from kafab.screens.console import Console

            self._console = Console()
        self._console.json = json
        return self._console

    @property
    def documents(self) -> int:
        """How many JSON documents have been written."""
        return 0 if self._console is None else self._console.documents

    @property
    def opened(self) -> "Session | None":
        """The session of the selected cluster, where a task has asked for it."""
        return self._session

    def session(self) -> "Session":
        """Return the session of the selected cluster, opening nothing yet. Raises UsageError when none is selected."""
        if self._session is None:
            from kafab.inventory import load
            from kafab.inventory.selection import find_inventory
            from kafab.wiring import Session

            path = find_inventory(self._wanted, os.environ, here())
            cluster, warnings = load(path, allow_unknown_properties=self._allow_unknown_properties)
            console = self.console()
            for warning in warnings:
                console.warn(str(warning))
            self._session = Session(
                cluster,
                console.emit,
                sudo_password=self.sudo_password,
                accept_new_host_keys=self._accept_new_host_keys,
            )
        self._session.arguments = self.arguments
        return self._session

    def at(self, version: "Version") -> "Cluster":
        """Return the selected cluster as its inventory would be with another version of Kafka.

        Raises InventoryError with everything in the file that this version does not take.
        """
        from kafab.inventory import load

        cluster = self.session().cluster
        if cluster.source is None or version == cluster.version:
            return cluster
        found, _ = load(
            cluster.source, allow_unknown_properties=self._allow_unknown_properties, version=version
        )
        return found

    def forget(self) -> None:
        """Close the connections and choose afresh next time: the lab came up or went away."""
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


CHAIN = Chain()


def here() -> Path:
    """Return the working directory. Raises UsageError where it was removed, or may not be looked at."""
    from kafab.errors import UsageError

    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working directory is gone: {error.strerror}",
            hint="type `cd` to a folder that is there, then the same again",
        ) from error
