"""The row about what every command pays before it does anything: the list of commands against Fabric itself."""

import sys
from collections.abc import Callable

from scripts.benches.measuring import ROOT, Row, alternate, side_by_side

ALLOWED = 0.2  # seconds more than `import fabric`


def listing(runs: int) -> list[Row]:
    """Measure `fab --list` as a whole process against a Python that imports fabric and ends."""
    listed = [sys.executable, "-m", "fabric", "--search-root", str(ROOT), "--list"]
    imported = [sys.executable, "-c", "import fabric"]
    ours, plain = alternate(runs, _timed(listed), _timed(imported))
    return [Row("fab --list", ours, plain, f"{ALLOWED:g} s more", ours - plain <= ALLOWED)]


def _timed(words: list[str]) -> Callable[[], float]:
    return lambda: side_by_side([words])
