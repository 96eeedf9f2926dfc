"""Ports for what the tests start themselves: below those of labs (20000 and up), and each worker's its own."""

import os
import socket

ADDRESS = "127.0.0.1"
_FIRST, _EACH, _WORKERS, _RESERVED = 14000, 620, 8, 100


def free_ports(count: int) -> list[int]:
    """Return so many ports in a row that nobody listens on."""
    ports = range(_FIRST + _worker() * _EACH, _FIRST + (_worker() + 1) * _EACH - count)
    # Not all from the first on: several runs of the tests may share a machine.
    begin = os.getpid() * 37 % len(ports)
    for first in (*ports[begin:], *ports[:begin]):
        found = range(first, first + count)
        if all(_free(port) for port in found):
            return list(found)
    raise AssertionError(f"no {count} free ports in a row from {ports.start} to {ports.stop}")


def reserved_ports(count: int) -> range:
    """Return at most 100 ports of this worker's own that `free_ports` never gives, whoever listens there."""
    assert count <= _RESERVED
    first = _FIRST + _WORKERS * _EACH + _worker() * _RESERVED
    return range(first, first + count)


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True
