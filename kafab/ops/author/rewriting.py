"""Writes one changed line into an inventory."""

from pathlib import Path

from kafab.errors import Failed
from kafab.inventory.rewriting import Edit


def rewrite(path: Path, edit: Edit) -> None:
    """Put the changed line into the file: a new file takes its place, whole or not at all. Raises Failed."""
    real = path.resolve()  # a link stays a link
    new = real.with_name(f".{real.name}.kafab-new")
    try:
        new.write_text(edit.of(real.read_text(encoding="utf-8")), encoding="utf-8")
        new.chmod(real.stat().st_mode & 0o7777)
        new.replace(real)
    except OSError as error:
        raise Failed(
            f"{path} cannot be written: {error.strerror}", hint=f"change line {edit.number}: {edit.after}"
        ) from error
