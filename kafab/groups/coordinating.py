"""Which broker coordinates a group that no broker lists, because it is not there yet."""

from kafab.cluster.metadata import Metadata

TOPIC = "__consumer_offsets"


def coordinator(metadata: Metadata, group: str) -> int | None:
    """Return the leader of the group's partition of the offsets' topic (`GroupMetadataManager.partitionFor`); None where there is none."""
    kept = {one.number: one.leader for one in metadata.partitions if one.topic == TOPIC}
    if not kept:
        return None
    hashed = java_hash(group)
    # `Utils.abs`: the lowest int has no positive counterpart.
    return kept.get((0 if hashed == -(1 << 31) else abs(hashed)) % len(kept))


def java_hash(text: str) -> int:
    """Return `String.hashCode`: of UTF-16 units, in 32 bits."""
    units = text.encode("utf-16-be", "surrogatepass")
    hashed = 0
    for at in range(0, len(units), 2):
        hashed = (31 * hashed + int.from_bytes(units[at : at + 2], "big")) & 0xFFFFFFFF
    return hashed - (1 << 32) if hashed >> 31 else hashed
