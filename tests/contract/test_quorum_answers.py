"""How the answers of controllers and brokers are read, and made one: Kafka's own responses, made by hand."""

from datetime import timedelta
from uuid import UUID

import pytest
from kafka.protocol.admin import DescribeClusterResponse, DescribeQuorumResponse

from kafab.adapters.kafka.controllers import BrokersView, merged, quorum_state, registered
from kafab.cluster.metadata import QuorumState
from kafab.unknown import Unknown

_Topic = DescribeQuorumResponse.TopicData
_Partition = _Topic.PartitionData
NOW = 1_700_000_000_000


def _answer(*voters: tuple[int, int, int], leader: int = 1, error: int = 0) -> DescribeQuorumResponse:
    """Make a response in which each voter is (id, log end offset, last caught-up time in ms)."""
    told = [
        _Partition.ReplicaState(
            replica_id=number,
            replica_directory_id=UUID(int=0),
            log_end_offset=end,
            last_fetch_timestamp=-1,
            last_caught_up_timestamp=caught_up,
        )
        for number, end, caught_up in voters
    ]
    partition = _Partition(
        partition_index=0,
        error_code=error,
        error_message=None,
        leader_id=leader,
        leader_epoch=7,
        high_watermark=90,
        current_voters=told,
        observers=[],
    )
    topics = [_Topic(topic_name="__cluster_metadata", partitions=[partition])]
    return DescribeQuorumResponse(error_code=0, error_message=None, topics=topics, nodes=[])


@pytest.mark.parametrize(
    ("voter", "behind", "caught_up"),
    [
        ((2, 100, NOW), 0, timedelta(0)),
        ((2, 60, NOW - 4500), 40, timedelta(seconds=4.5)),
        ((2, 100, NOW + 3), 0, timedelta(0)),
        ((2, -1, -1), 100, None),
    ],
    ids=["in step", "late", "ahead of the leader's answer", "never seen"],
)
def test_lag_is_counted_from_the_leader(
    voter: tuple[int, int, int], behind: int, caught_up: timedelta | None
) -> None:
    """Records and time behind are differences to the leader's own line; what is unknown (-1) is no time."""
    state = quorum_state(_answer((1, 100, NOW), voter))
    assert isinstance(state, QuorumState)
    assert (state.voters[1].behind, state.voters[1].caught_up) == (behind, caught_up)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (_answer(leader=-1, error=6), "does not lead the quorum"),
        (_answer(leader=-1, error=3), "UnknownTopicOrPartitionError"),
        (_answer((2, 100, NOW), leader=1), "leader 1 is none of the voters it names"),
    ],
)
def test_what_is_no_leaders_answer_is_unknown(response: DescribeQuorumResponse, reason: str) -> None:
    """Errors and a description without its leader are told, not read."""
    assert quorum_state(response) == Unknown(reason)


def _known(version: int, **fenced: bool) -> BrokersView:
    """Make a broker's answer of this version of DescribeCluster: `b1=False` is broker 1, which is not fenced."""
    one = DescribeClusterResponse.DescribeClusterBroker
    brokers = [
        one(broker_id=int(name[1:]), host="h", port=1, rack=None, is_fenced=is_fenced)
        for name, is_fenced in fenced.items()
    ]
    view = registered(DescribeClusterResponse(version=version, error_code=0, brokers=brokers))
    assert isinstance(view, BrokersView)
    return view


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([_known(2, b1=False), _known(2, b1=False, b2=False)], {1: False, 2: False}),
        ([_known(2, b1=False, b2=True), _known(2, b1=False, b2=False)], {1: False, 2: True}),
        ([_known(1, b1=False, b2=False), _known(1, b1=False, b2=False), _known(1, b1=False)], {1: False, 2: False}),
        ([_known(1, b1=False), _known(1, b1=False, b2=False)], {1: False}),
        ([_known(2, b1=False, b2=True), _known(1, b1=False, b2=False)], {1: False, 2: True}),
        ([_known(2, b1=False), _known(1, b1=False, b2=False)], {1: False}),
    ],
    ids=["newcomer", "cut off", "late before 4.0", "cut off before 4.0", "mixed", "mixed and unheard"],
)  # fmt: skip
def test_views_of_the_registrations_are_merged(views: list[BrokersView], expected: dict[int, bool]) -> None:
    """A late view lacks the newcomer, one that is cut off hides that a broker is fenced: neither decides alone."""
    assert {broker: known.fenced for broker, known in merged(views).items()} == expected
