"""Puts a text in its place for node-exporter's textfile collector, which reads whatever ends with .prom whenever it is asked."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from kafab.errors import Failed, UsageError

SUFFIX = ".prom"
MODE = 0o644
"""node-exporter runs as a user of its own."""
_HINT = "--out names a file in the folder that node-exporter has as --collector.textfile.directory; on Debian that is /var/lib/prometheus/node-exporter"


def check(file: Path) -> None:
    """Find out before anything is asked whether the file could be written.

    Raises UsageError for a name that node-exporter would pass over, Failed where its folder is not there or takes no file.
    """
    if file.suffix != SUFFIX or file.name == SUFFIX:
        raise UsageError(
            f"found --out {file}; expected a name that ends with {SUFFIX}: node-exporter reads no other file",
            hint=f"for example --out {file.with_suffix(SUFFIX) if file.suffix else file.parent / 'kafab.prom'}",
        )
    if not file.parent.is_dir():
        raise Failed(f"{file.parent} is no folder, or not there", hint=_HINT)
    if file.is_dir():
        raise Failed(f"{file} is a folder", hint=_HINT)
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise Failed(f"{file.parent} takes no file of this user", hint=_HINT)


def write(file: Path, text: str) -> None:
    """Write it whole or not at all: what was there before stays until all of the new text is on the disk.

    The temporary file has another suffix, so nobody reads it. Raises Failed where there is no room, or no right to.
    """
    new = ""
    try:
        descriptor, new = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".kafab-new", dir=file.parent)
        # A name that a stranger chose may have half of a letter.
        with open(descriptor, "w", encoding="utf-8", errors="replace") as opened:  # noqa: PTH123  # a descriptor
            opened.write(text)
            opened.flush()
            os.fchmod(descriptor, MODE)
            os.fsync(descriptor)
        Path(new).replace(file)
    except OSError as error:
        if new:
            with suppress(OSError):
                Path(new).unlink()
        raise Failed(f"{file} cannot be written: {error.strerror}", hint=_HINT) from error
    except BaseException:
        if new:
            with suppress(OSError):
                Path(new).unlink()
        raise
