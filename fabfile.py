"""The tasks of `fab`: see `fab --list` and the README."""

from kafab.interruption import at_once

at_once()

from tasks import namespace  # noqa: E402, F401  # Fabric looks for this name here; Ctrl-C has its word before the import
