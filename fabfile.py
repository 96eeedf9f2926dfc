"""The tasks of `fab`: see `fab --list` and the README."""

from tasks import namespace  # noqa: F401  # Fabric looks for this name here
