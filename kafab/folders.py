"""Where kafab keeps things on the operator's machine, by the XDG base directory rules.

State (labs, the locks of this machine, what was gathered after failures) is under ``KAFAB_HOME`` or
``$XDG_STATE_HOME/kafab``; the store of releases, which can be fetched again, is under ``$XDG_CACHE_HOME/kafab``.
"""

from collections.abc import Mapping
from pathlib import Path


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of what must survive a reboot; two values of KAFAB_HOME never see each other."""
    if home := environ.get("KAFAB_HOME"):
        return Path(home).expanduser().absolute()
    return _base(environ, "XDG_STATE_HOME", ".local/state") / "kafab"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of what can be fetched again."""
    return _base(environ, "XDG_CACHE_HOME", ".cache") / "kafab"


def _base(environ: Mapping[str, str], variable: str, default: str) -> Path:
    # "All paths must be absolute. If a relative path is encountered, consider it invalid and ignore it."
    given = environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / default
