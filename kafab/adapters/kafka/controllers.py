"""The KRaft controllers, asked one by one on kafka-python's protocol layer.

Controllers answer ApiVersions, DescribeQuorum and DescribeCluster like brokers (KIP-919), on their own listener. Times
come from the leader's clock alone: its answer has its own time in the place of its own last catching-up.
"""

import base64
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kafab.cluster.metadata import KraftBroker, QuorumReplica, QuorumState
from kafab.login import IN_THE_CLEAR, Login
from kafab.model import Endpoint
from kafab.unknown import Unknown

if TYPE_CHECKING:
    from kafab.adapters.kafka.brokers import BrokerConnections
    from kafab.adapters.kafka.dialer import Dialer

_TIMEOUT = timedelta(seconds=5)
_FINALIZING = timedelta(seconds=30)
_RAISE = 1  # FeatureUpdate.UpgradeType.UPGRADE
_UNSURE = (7, 13)  # Errors.REQUEST_TIMED_OUT, NETWORK_EXCEPTION: carried out or not
_FOR_ALL = 0.4
"""The share of the time that all brokers are given: whoever is later is heard only where nobody else was."""
_LOG = "__cluster_metadata"
_NOT_LEADER = 6  # org.apache.kafka.common.protocol.Errors.NOT_LEADER_OR_FOLLOWER
# What a controller says that does not know the cluster's metadata.version: one that is starting or was never let in.
_UNSUPPORTED = 35  # Errors.UNSUPPORTED_VERSION
_CONTROLLERS = 2  # DescribeClusterRequest.EndpointType, KIP-919
_TELLS_FENCED = 2  # the first version of DescribeCluster with fenced brokers (Kafka 4.0, KIP-1073)


class KraftControllers:
    """`kafab.ports.Controllers` on kafka-python. Safe to use from several threads."""

    def __init__(
        self,
        controllers: Sequence[Endpoint],
        brokers: Sequence[Endpoint],
        login: Login = IN_THE_CLEAR,
        brokers_login: Login = IN_THE_CLEAR,
        *,
        dialer: "Dialer | None" = None,
    ) -> None:
        self._logins = dict.fromkeys(controllers, login), brokers_login
        self._dialer = dialer
        self._controllers = tuple(controllers)
        self._brokers = tuple(brokers)
        self._lock = threading.Lock()
        self._connections: BrokerConnections | None = None

    def describe(self, at: Endpoint | None = None, *, timeout: timedelta = _TIMEOUT) -> QuorumState | Unknown:
        """Ask all controllers side by side and take the leader's answer, or ask the node at ``at`` alone."""
        asked = self._controllers if at is None else (at,)
        return self._open().ask_any(
            asked, _quorum_request, timeout, read=quorum_state, nobody="no controller leads"
        )

    def leader(self, at: Endpoint, *, timeout: timedelta = _TIMEOUT) -> int | Unknown | None:
        """Ask for the controller's view of the cluster, which names the leader it follows."""
        return self._open().ask_any((at,), _controllers_request, timeout, read=_leader)

    def features(self, at: Endpoint | None = None) -> dict[str, int] | Unknown:
        """Ask all controllers and brokers, or one, and take the first answer of one that has read the metadata log."""
        nodes = (*self._controllers, *self._brokers) if at is None else (at,)
        return self._open().ask_any(
            nodes, _features_request, _TIMEOUT, read=_features, nobody="nobody tells the features"
        )

    def known_levels(self, at: Endpoint) -> dict[str, tuple[int, int]] | Unknown:
        """Ask the node itself: each tells what its own release supports."""
        return self._open().ask_any((at,), _features_request, _TIMEOUT, read=_known_levels)

    def finalize(self, levels: Mapping[str, int], *, try_only: bool) -> dict[str, str] | Unknown:
        """Ask a broker, which passes it on to the leader of the quorum (KIP-584, KIP-778); another one where it is silent."""
        found: dict[str, str] | Unknown = Unknown("there is no broker")
        for at in self._brokers:
            found = self._open().ask_any(
                (at,), lambda: _finalizing(levels, try_only=try_only), _FINALIZING, read=_refusals
            )
            if not isinstance(found, Unknown):
                break
        return found

    def brokers(self, *, timeout: timedelta = _TIMEOUT) -> dict[int, KraftBroker] | Unknown:
        """Ask all brokers at once and merge what they say; once one has answered, the late ones cost 2 s of 5."""
        together = timeout * _FOR_ALL
        asked = {at: (at, _brokers_request) for at in self._brokers}
        answers = self._open().ask(asked, together).values()
        read = [registered(answer) for answer in answers if not isinstance(answer, Unknown)]
        views = [view for view in read if not isinstance(view, Unknown)]
        if views:
            return merged(views)
        first = self._open().ask_any(self._brokers, _brokers_request, timeout - together, read=registered)
        return first if isinstance(first, Unknown) else merged([first])

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()

    def _open(self) -> "BrokerConnections":
        with self._lock:
            if self._connections is None:
                from kafab.adapters.kafka.brokers import BrokerConnections

                of_controllers, of_brokers = self._logins
                self._connections = BrokerConnections(of_brokers, of_controllers, self._dialer)
            return self._connections


def _quorum_request() -> Any:
    from kafka.protocol.admin import DescribeQuorumRequest

    topic = DescribeQuorumRequest.TopicData
    return DescribeQuorumRequest(
        topics=[topic(topic_name=_LOG, partitions=[topic.PartitionData(partition_index=0)])]
    )


def _controllers_request() -> Any:
    from kafka.protocol.admin import DescribeClusterRequest

    return DescribeClusterRequest(
        include_cluster_authorized_operations=False, endpoint_type=_CONTROLLERS, min_version=1
    )


def _brokers_request() -> Any:
    from kafka.protocol.admin import DescribeClusterRequest

    # A broker that knows no version with fenced brokers in it is asked without.
    return DescribeClusterRequest(include_cluster_authorized_operations=False, include_fenced_brokers=True)


def _features_request() -> Any:
    from kafka.protocol.metadata import ApiVersionsRequest

    # Features are told from version 3 on (KIP-584).
    return ApiVersionsRequest(client_software_name="kafab", client_software_version="1", min_version=3)


def _finalizing(levels: Mapping[str, int], *, try_only: bool) -> Any:
    from kafka.protocol.admin import UpdateFeaturesRequest

    update = UpdateFeaturesRequest.FeatureUpdateKey
    return UpdateFeaturesRequest(
        timeout_ms=int(_FINALIZING.total_seconds() * 1000),
        feature_updates=[
            update(feature=name, max_version_level=level, upgrade_type=_RAISE)
            for name, level in levels.items()
        ],
        validate_only=try_only,
        min_version=1,
    )


def _refusals(response: Any) -> dict[str, str] | Unknown:
    """Read an UpdateFeaturesResponse: of several features the first that is refused is told for all of them."""
    from kafka.errors import for_code

    told = {
        one.feature: str(one.error_message or for_code(one.error_code).__name__)
        for one in response.results or ()
        if one.error_code
    }
    if response.error_code and not told:
        if response.error_code in _UNSURE:
            return _refused(response.error_code, response.error_message)
        return {"": str(response.error_message or for_code(response.error_code).__name__)}
    return told


def _known_levels(response: Any) -> dict[str, tuple[int, int]] | Unknown:
    if response.error_code:
        return _refused(response.error_code, None)
    return {found.name: (found.min_version, found.max_version) for found in response.supported_features or ()}


def quorum_state(response: Any) -> QuorumState | Unknown:
    """Read a DescribeQuorumResponse; Unknown where it is not the leader's, or an error."""
    if response.error_code:
        return _refused(response.error_code, response.error_message)
    found = response.topics[0].partitions[0]
    if found.error_code == _NOT_LEADER:
        return Unknown("does not lead the quorum")
    if found.error_code:
        return _refused(found.error_code, found.error_message)
    leader = next((voter for voter in found.current_voters if voter.replica_id == found.leader_id), None)
    if leader is None:
        return Unknown(f"leader {found.leader_id} is none of the voters it names")
    return QuorumState(
        found.leader_id,
        found.leader_epoch,
        found.high_watermark,
        tuple(_replica(one, leader) for one in _by_id(found.current_voters)),
        tuple(_replica(one, leader) for one in _by_id(found.observers)),
    )


def _replica(found: Any, leader: Any) -> QuorumReplica:
    # Both are times of the leader's clock, in milliseconds; the leader's own is the moment it answered (KIP-836).
    ago = timedelta(milliseconds=max(leader.last_caught_up_timestamp - found.last_caught_up_timestamp, 0))
    return QuorumReplica(
        found.replica_id,
        found.log_end_offset,
        max(leader.log_end_offset - max(found.log_end_offset, 0), 0),
        ago if found.last_caught_up_timestamp >= 0 else None,
        _directory(found.replica_directory_id),
    )


def _directory(found: UUID | None) -> str | None:
    """Return a directory id as meta.properties spells it; the zero id stands for none."""
    if found is None or not found.int:
        return None
    return base64.urlsafe_b64encode(found.bytes).decode().rstrip("=")


def _leader(response: Any) -> int | Unknown | None:
    if response.error_code == _UNSUPPORTED:
        return Unknown("has read nothing of the metadata log yet")
    if response.error_code:
        return _refused(response.error_code, response.error_message)
    return response.controller_id if response.controller_id >= 0 else None


def _features(response: Any) -> dict[str, int] | Unknown:
    if response.error_code:
        return _refused(response.error_code, None)
    if response.finalized_features_epoch is None or response.finalized_features_epoch < 0:
        return Unknown("knows no finalized features yet")
    return {found.name: found.max_version_level for found in response.finalized_features or ()}


@dataclass(frozen=True)
class BrokersView:
    """The registered brokers as one broker's copy of the metadata has them."""

    brokers: Mapping[int, KraftBroker]
    tells_fenced: bool
    """False before Kafka 4.0: a fenced broker is not in it, and neither is one that this broker has not heard of yet."""


def registered(response: Any) -> BrokersView | Unknown:
    """Read a DescribeClusterResponse."""
    if response.error_code:
        return _refused(response.error_code, response.error_message)
    brokers = {
        found.broker_id: KraftBroker(
            found.broker_id, (Endpoint(found.host, found.port),), fenced=bool(found.is_fenced)
        )
        for found in response.brokers
    }
    return BrokersView(brokers, response.API_VERSION >= _TELLS_FENCED)


def merged(views: Sequence[BrokersView]) -> dict[int, KraftBroker]:
    """Make one of several brokers' views; by id.

    A late one lacks the newcomer, one that is cut off takes everybody for alive. So a broker is registered that any view
    has which tells of fenced ones, and fenced where any says so; of the other views a majority of all must name it.
    """
    found = {}
    for broker in sorted({broker for view in views for broker in view.brokers}):
        naming = [view for view in views if broker in view.brokers]
        if any(view.tells_fenced for view in naming) or len(naming) > len(views) // 2:
            known = [view.brokers[broker] for view in naming]
            found[broker] = replace(known[0], fenced=any(one.fenced for one in known))
    return found


def _by_id(replicas: Sequence[Any]) -> list[Any]:
    return sorted(replicas, key=lambda found: int(found.replica_id))


def _refused(code: int, message: str | None) -> Unknown:
    from kafka.errors import for_code

    return Unknown(message or for_code(code).__name__)
