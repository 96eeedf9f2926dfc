"""A destroy as text and as a JSON document."""

from collections.abc import Iterable
from typing import TypeVar

from kafab.plans.removal import Removals

T = TypeVar("T")


def grouped(pairs: Iterable[tuple[str, T]]) -> list[tuple[T, str]]:
    """Return each value once, with the hosts that have it: what is the same on many hosts is said once."""
    groups: dict[T, list[str]] = {}
    for host, value in pairs:
        groups.setdefault(value, []).append(host)
    return [(value, ", ".join(hosts)) for value, hosts in groups.items()]


def text(found: Removals) -> str:
    """Return what was left on which hosts, and what was done."""
    left = grouped((kept.host, str(kept)) for kept in found.kept)
    done = f"destroyed on {', '.join(found.hosts)}" if found else "nothing to do"
    return "\n".join([*(f"{hosts}: left {kept}" for kept, hosts in left), f"{found.cluster}: {done}"])


def document(found: Removals) -> dict[str, object]:
    """Return a destroy as ``kafab.destroy/1``."""
    return {
        "schema": "kafab.destroy/1",
        "cluster": found.cluster,
        "changed": bool(found),
        "hosts": list(found.hosts),
        "removed": [
            {"host": step.host, "what": step.what, "path": str(step.path), "text": str(step)}
            for step in found.steps
        ],
        "kept": [{"host": kept.host, "path": str(kept.path), "why": kept.why} for kept in found.kept],
    }
