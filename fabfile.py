"""The tasks of `fab`: see `fab --list` and the README."""

import sys

from kafab.interruption import at_once

at_once()

# Invoke turns this on, and each command would compile all of kafab again: 0.15 s. Who said so to Python is heard.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

from tasks import namespace  # noqa: E402, F401  # Fabric looks for this name here; Ctrl-C has its word before the import
