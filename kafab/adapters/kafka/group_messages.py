"""Requests about groups and offsets on kafka-python's protocol layer, and what their answers say.

kafka-python's own admin client is not used: its reset takes whole numbers out of the caller's mapping, clamps an offset and takes a time
beyond the end for the latest offset without saying so. ConsumerGroupDescribe (KIP-848) and ShareGroupDescribe (KIP-932) are messages
that kafka-python does not have; their schemas are in `messages`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from kafka.protocol.admin import DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest
from kafka.protocol.api_message import ApiMessage
from kafka.protocol.consumer import (
    FetchRequest,
    ListOffsetsRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
)
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

from kafab.groups.values import CLASSIC, At, Commit, Group, Listed, Member
from kafab.unknown import Unknown

EARLIEST, LATEST = -2, -1
UNCOMMITTED, COMMITTED = 0, 1
_GROUP_ID_NOT_FOUND = 69
_MESSAGES = "kafab.adapters.kafka.messages"
_NAMES_TOPICS = 12  # the last version of Fetch that names topics by their name
_PLAIN_OFFSETS = 7  # the last version of OffsetFetch that is about one group
_NAMES_COMMITS = 9  # the last version of OffsetCommit that names topics by their name


class ConsumerGroupDescribeRequest(ApiMessage, load_json=_MESSAGES):  # type: ignore[call-arg,misc]  # kafka-python ships no types
    """Asks for groups of type consumer."""


class ConsumerGroupDescribeResponse(ApiMessage, load_json=_MESSAGES):  # type: ignore[call-arg,misc]  # as above
    """Its answer."""


class ShareGroupDescribeRequest(ApiMessage, load_json=_MESSAGES):  # type: ignore[call-arg,misc]  # as above
    """Asks for groups of type share."""


class ShareGroupDescribeResponse(ApiMessage, load_json=_MESSAGES):  # type: ignore[call-arg,misc]  # as above
    """Its answer."""


def list_request() -> Any:
    """Ask a broker for the groups that it coordinates, of every state and type."""
    return ListGroupsRequest(states_filter=[], types_filter=[])


def listed(broker: int, response: Any) -> tuple[Listed, ...] | Unknown:
    """Read the answer. Types are told since version 5 (Kafka 3.8), states since 4; before that every group is classic."""
    if response.error_code:
        return Unknown(error(response.error_code))
    return tuple(
        Listed(
            found.group_id,
            (found.group_type or CLASSIC).lower() if response.API_VERSION >= 5 else CLASSIC,
            found.group_state if response.API_VERSION >= 4 else None,
            broker,
        )
        for found in response.groups
    )


def describe_request(kind: type[Any], groups: Sequence[str]) -> Any:
    """Ask for these groups at once."""
    if kind is DescribeGroupsRequest:
        return kind(groups=list(groups), include_authorized_operations=False)
    return kind(group_ids=list(groups), include_authorized_operations=False)


def classic(broker: int, response: Any) -> dict[str, Group | Unknown]:
    """Read what a coordinator says of classic groups; the offsets are another question."""
    return {
        found.group_id: Unknown(error(found.error_code))
        if found.error_code
        else Group(
            found.group_id,
            CLASSIC,
            found.group_state,
            broker,
            found.protocol_data,
            tuple(_classic_member(one, found.protocol_type) for one in found.members),
            {},
        )
        for found in response.groups
    }


def modern(kind: str, broker: int, response: Any) -> dict[str, Group | Unknown]:
    """Read what a coordinator says of consumer or share groups."""
    return {
        found.group_id: Unknown(found.error_message or error(found.error_code))
        if found.error_code
        else Group(
            found.group_id,
            kind,
            found.group_state,
            broker,
            found.assignor_name,
            tuple(
                Member(
                    one.member_id,
                    one.client_id,
                    one.client_host.lstrip("/"),
                    getattr(one, "instance_id", None),
                    tuple((t.topic_name, n) for t in one.assignment.topic_partitions for n in t.partitions),
                )
                for one in found.members
            ),
            {},
        )
        for found in response.groups
    }


def committed_request(group: str) -> Any:
    """Ask for all committed offsets of one group."""
    return OffsetFetchRequest(
        group_id=group, topics=None, require_stable=False, min_version=2, max_version=_PLAIN_OFFSETS
    )


def committed(response: Any) -> dict[At, Commit] | Unknown:
    """Read them; a partition of which the coordinator says an error makes all of it Unknown."""
    found: dict[At, Commit] = {}
    if response.error_code:
        return Unknown(error(response.error_code))
    for topic in response.topics:
        for one in topic.partitions:
            if one.error_code:
                return Unknown(f"{topic.name}-{one.partition_index}: {error(one.error_code)}")
            if one.committed_offset >= 0:
                epoch = one.committed_leader_epoch if response.API_VERSION >= 5 else -1
                found[topic.name, one.partition_index] = Commit(
                    one.committed_offset, epoch, one.metadata or ""
                )
    return found


def commit_request(group: str, offsets: Mapping[At, Commit]) -> Any:
    """Commit offsets as nobody's member: generation -1 and no member id, which a group with members refuses."""
    topic = OffsetCommitRequest.OffsetCommitRequestTopic
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=-1,
        member_id="",
        group_instance_id=None,
        topics=[
            topic(
                name=name,
                partitions=[
                    topic.OffsetCommitRequestPartition(
                        partition_index=number,
                        committed_offset=offsets[name, number].offset,
                        committed_leader_epoch=offsets[name, number].epoch,
                        committed_metadata=offsets[name, number].metadata,
                    )
                    for number in numbers
                ],
            )
            for name, numbers in by_topic(offsets)
        ],
        min_version=2,
        max_version=_NAMES_COMMITS,
    )


def uncommitted(response: Any) -> dict[At, str]:
    """Return the partitions that the coordinator refused, with its error."""
    return {
        (topic.name, one.partition_index): error(one.error_code)
        for topic in response.topics
        for one in topic.partitions
        if one.error_code
    }


def delete_request(group: str) -> Any:
    """Delete one group."""
    return DeleteGroupsRequest(groups_names=[group])


def deleted(response: Any) -> str | None:
    """Return the coordinator's error; a group that is not there is deleted."""
    (found,) = response.results
    return error(found.error_code) if found.error_code not in (0, _GROUP_ID_NOT_FOUND) else None


def offsets_request(partitions: Collection[At], timestamp: int, isolation: int) -> Any:
    """Ask a leader for one offset of each of these partitions: `EARLIEST`, `LATEST` or the first one at or after a time in ms."""
    topic = ListOffsetsRequest.ListOffsetsTopic
    return ListOffsetsRequest(
        replica_id=-1,
        isolation_level=isolation,
        topics=[
            topic(
                name=name,
                partitions=[
                    topic.ListOffsetsPartition(partition_index=number, timestamp=timestamp)
                    for number in numbers
                ],
            )
            for name, numbers in by_topic(partitions)
        ],
        min_version=2,
    )


def offsets(response: Any) -> dict[At, int | Unknown]:
    """Read them; -1 where no record is as late as was asked for."""
    return {
        (topic.name, one.partition_index): Unknown(error(one.error_code)) if one.error_code else one.offset
        for topic in response.topics
        for one in topic.partitions
    }


def fetch_request(places: Mapping[At, int], size: int) -> Any:
    """Ask a leader for what stands at these offsets: about ``size`` bytes of each partition, and nothing that is waited for."""
    topic = FetchRequest.FetchTopic
    return FetchRequest(
        replica_id=-1,
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=size * max(len(places), 1),
        isolation_level=UNCOMMITTED,
        session_id=0,
        session_epoch=-1,
        topics=[
            topic(
                topic=name,
                partitions=[
                    topic.FetchPartition(
                        partition=number, fetch_offset=places[name, number], partition_max_bytes=size
                    )
                    for number in numbers
                ],
            )
            for name, numbers in by_topic(places)
        ],
        forgotten_topics_data=[],
        rack_id="",
        min_version=4,
        max_version=_NAMES_TOPICS,
    )


def fetched(response: Any, places: Mapping[At, int]) -> dict[At, datetime | Unknown | None]:
    """Return when the first record at or behind each offset was written, of those of which a whole record came.

    None: up to the high watermark only markers of transactions stand there.
    """
    if getattr(response, "error_code", 0):
        return dict.fromkeys(places, Unknown(error(response.error_code)))
    found: dict[At, datetime | Unknown | None] = {}
    for topic in response.responses:
        for one in topic.partitions:
            at = (topic.topic, one.partition_index)
            if one.error_code:
                found[at] = Unknown(error(one.error_code))
                continue
            time, reached = _written(one.records, places[at])
            if time is not None or reached >= one.high_watermark:
                found[at] = time
    return found


def by_topic(partitions: Collection[At]) -> Iterator[tuple[str, list[int]]]:
    """Yield each topic with the numbers of its partitions, in order."""
    found: dict[str, list[int]] = {}
    for name, number in sorted(partitions):
        found.setdefault(name, []).append(number)
    yield from found.items()


def error(code: int) -> str:
    """Return the name of one of Kafka's errors."""
    from kafka.errors import for_code

    return str(for_code(code).__name__)


def _classic_member(found: Any, protocol_type: str) -> Member:
    assigned: tuple[At, ...] = ()
    # Kafka Connect, and others that share the protocol, write assignments of a form of their own.
    if protocol_type == "consumer" and found.member_assignment:
        told = ConsumerProtocolAssignment.decode(found.member_assignment)
        assigned = tuple((t.topic, n) for t in told.assigned_partitions for n in t.partitions)
    return Member(
        found.member_id, found.client_id, found.client_host.lstrip("/"), found.group_instance_id, assigned
    )


def _written(data: Any, offset: int) -> tuple[datetime | Unknown | None, int]:
    """Return the time of the first record at or behind the offset, and up to which offset was looked."""
    from kafka.errors import KafkaError, UnsupportedCodecError
    from kafka.record import MemoryRecords

    reached = -1
    records = MemoryRecords(bytes(data or b""))
    while records.has_next():
        batch = records.next_batch()
        reached = getattr(batch, "next_offset", -1)
        if getattr(batch, "is_control_batch", False):
            continue
        try:
            for record in batch:
                if record.offset >= offset:
                    return _time(record.timestamp), reached
        except UnsupportedCodecError:
            # Its records are shut in, and one of them is meant: the oldest of them stands for it.
            return _time(batch.first_timestamp), reached
        except (KafkaError, ValueError, AssertionError) as refusal:
            return Unknown(f"its record cannot be read: {refusal or type(refusal).__name__}"), reached
    return None, reached


def _time(milliseconds: int) -> datetime | Unknown:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return Unknown(f"its record has the timestamp {milliseconds}")
