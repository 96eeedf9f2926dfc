"""The archive as bytes: the same files at the same time give the same bytes."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from datetime import datetime


def packed(folder: str, files: Mapping[str, str], at: datetime) -> bytes:
    """Return a tar.gz with these files (path -> text) below one folder, in the order of their names, for its owner's eyes only."""
    whole, moment = io.BytesIO(), int(at.timestamp())
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=whole, mtime=moment) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(files):
            content = files[path].encode("utf-8", errors="replace")
            one = tarfile.TarInfo(f"{folder}/{path}")
            one.size, one.mtime, one.mode = len(content), moment, 0o600
            tar.addfile(one, io.BytesIO(content))
    return whole.getvalue()
