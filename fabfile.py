"""The tasks of `fab`: see `fab --list` and the README."""

from tasks import namespace as namespace
