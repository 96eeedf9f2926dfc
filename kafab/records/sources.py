"""The records to write: made by a pattern, typed, or read from a file line by line."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kafab.errors import UsageError
from kafab.records.writing import Record

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one line of a file; Kafka's own limit of a record is 1 MiB, unless it is changed."""


def keyed(key: str | None, keys: int | None) -> list[bytes | None]:
    """Return the keys that records have in turn. Raises UsageError for what cannot be."""
    if keys is None:
        return [None if key is None else key.encode()]
    if key is not None:
        raise UsageError(
            "--key and --keys exclude each other", hint="--keys 3 makes three keys, --key is one of yours"
        )
    if keys < 1:
        raise UsageError(f"found --keys {keys}; expected a number from 1 on")
    return [f"key-{number}".encode() for number in range(keys)]


def made(
    count: int, keys: list[bytes | None], *, size: int | None, value: str | None, partition: int | None
) -> Iterator[Record]:
    """Make ``count`` records: with this value, of ``size`` bytes, or numbered. Raises UsageError for what cannot be."""
    for flag, number, least in (("count", count, 1), ("size", size, 0), ("partition", partition, 0)):
        if number is not None and number < least:
            raise UsageError(f"found --{flag} {number}; expected a number from {least} on")
    if value is not None and size is not None:
        raise UsageError("--value and --size exclude each other")
    fixed = value.encode() if value is not None else b"x" * size if size is not None else None
    return _made(count, keys, fixed, partition)


def _made(
    count: int, keys: list[bytes | None], fixed: bytes | None, partition: int | None
) -> Iterator[Record]:
    for number in range(count):
        value = f"value-{number}".encode() if fixed is None else fixed
        yield Record(keys[number % len(keys)], value, partition)


def lines(
    file: BinaryIO, name: str, keys: list[bytes | None], *, partition: int | None, most: int | None
) -> Iterator[Record]:
    """Read a record a line, without its end, ``most`` at most; bytes are taken as they are.

    Raises UsageError for a line that is too long.
    """
    number = 0
    while (most is None or number < most) and (line := file.readline(LONGEST_LINE + 1)):
        if len(line) > LONGEST_LINE:
            raise UsageError(f"{name}, line {number + 1}: longer than {LONGEST_LINE} bytes")
        yield Record(keys[number % len(keys)], line.rstrip(b"\r\n"), partition)
        number += 1


def opened(path: str) -> BinaryIO:
    """Open a file to read records from. Raises UsageError where that cannot be."""
    try:
        return Path(path).expanduser().open("rb")
    except OSError as error:
        raise UsageError(f"--from-file {path}: {error.strerror}") from error
