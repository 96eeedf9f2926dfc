"""The kernel settings that `--fix` makes: a drop-in for the next boot, and the same values now."""

from datetime import timedelta
from pathlib import PurePosixPath

from kafab.checks.preflight.local import Look
from kafab.command import Cmd, Script
from kafab.shell.frame import framed

FILE = PurePosixPath("/etc/sysctl.d/60-kafab.conf")
SWAPPINESS = 1
SWAPPINESS_AT_MOST = 10
MAP_COUNT = 262_144
"""A log segment takes two memory maps; Kafka's operations guide, "Virtual memory"."""


def lacking(look: Look) -> bool:
    """Tell whether the host would gain: it swaps too readily, or has too few memory maps. Unread settings are no reason."""
    swappiness, maps = _number(look, "swappiness"), _number(look, "max_map_count")
    swaps = look.memory.get("SwapTotal", 0) > 0 and swappiness is not None and swappiness > SWAPPINESS_AT_MOST
    return swaps or (maps is not None and maps < MAP_COUNT)


def text(look: Look) -> str:
    """Return the drop-in of one host. More memory maps than are wanted stay as many as they are."""
    maps = max(MAP_COUNT, _number(look, "max_map_count") or 0)
    return f"# Made by `fab preflight --fix` for Apache Kafka.\nvm.swappiness = {SWAPPINESS}\nvm.max_map_count = {maps}\n"


def script(drop_in: str) -> Script:
    """Apply the settings, then keep them: a kernel that refuses (a container) is left without a file that says otherwise."""
    pairs = [line.split(" = ") for line in drop_in.splitlines() if " = " in line]
    applied = [Cmd("apply", f"/proc/sys/{name.replace('.', '/')}", value) for name, value in pairs]
    kept = Cmd("keep", FILE, drop_in)
    return framed(("sysctl",), *applied, kept, timeout=timedelta(seconds=30))


def _number(look: Look, setting: str) -> int | None:
    found = look.settings.get(setting, "")
    return int(found) if found.isdecimal() else None
