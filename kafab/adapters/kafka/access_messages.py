"""Requests about ACLs, SCRAM credentials and quotas on kafka-python's protocol layer, and what their answers say.

kafka-python's own admin client is not used: it sends changes of credentials to any broker, and has no quotas.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka.errors import for_code
from kafka.protocol.admin import (
    AlterClientQuotasRequest,
    AlterUserScramCredentialsRequest,
    CreateAclsRequest,
    DeleteAclsRequest,
    DescribeAclsRequest,
    DescribeClientQuotasRequest,
    DescribeUserScramCredentialsRequest,
)

from kafab.access.values import MECHANISMS, Account, Acl, Credential, Entity, Limit, Pattern, Permission
from kafab.unknown import Unknown

# org.apache.kafka.common.resource.ResourceType, PatternType, acl.AclOperation, AclPermissionType
_ANY = 1
_KINDS = {2: "Topic", 3: "Group", 4: "Cluster", 5: "TransactionalId", 6: "DelegationToken", 7: "User"}
_PATTERNS = {3: Pattern.LITERAL, 4: Pattern.PREFIXED}
_PERMISSIONS = {2: Permission.DENY, 3: Permission.ALLOW}
_OPERATIONS = dict(
    enumerate(
        (
            *("All", "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction"),
            *("DescribeConfigs", "AlterConfigs", "IdempotentWrite", "CreateTokens", "DescribeTokens"),
            "TwoPhaseCommit",
        ),
        2,
    )
)
_KIND_OF = {word: code for code, word in _KINDS.items()}
_PATTERN_OF = {word: code for code, word in _PATTERNS.items()}
_PERMISSION_OF = {word: code for code, word in _PERMISSIONS.items()}
_OPERATION_OF = {word: code for code, word in _OPERATIONS.items()}
# org.apache.kafka.clients.admin.ScramMechanism
_MECHANISMS = dict(enumerate(MECHANISMS, 1))
_MECHANISM_OF = {word: code for code, word in _MECHANISMS.items()}
SECURITY_DISABLED, NOT_CONTROLLER, TIMED_OUT, NO_SUCH_RESOURCE = 54, 41, 7, 91


class NotController(Exception):
    """The asked broker is not the controller; nothing was done."""


class Refused(Exception):
    """The cluster refused a part of a change: what, and Kafka's words."""


def acls_request() -> Any:
    """Ask for all ACLs."""
    return DescribeAclsRequest(
        resource_type_filter=_ANY,
        resource_name_filter=None,
        pattern_type_filter=_ANY,
        principal_filter=None,
        host_filter=None,
        operation=_ANY,
        permission_type=_ANY,
    )


def acls(response: Any) -> frozenset[Acl] | Unknown | None:
    """Read the answer; None where there is no authorizer."""
    if response.error_code == SECURITY_DISABLED:
        return None
    if response.error_code:
        return Unknown(f"ACLs: {_told(response)}")
    return frozenset(
        Acl(
            _KINDS.get(resource.resource_type, str(resource.resource_type)),
            resource.resource_name,
            _PATTERNS[resource.pattern_type],
            each.principal,
            each.host,
            _OPERATIONS.get(each.operation, str(each.operation)),
            _PERMISSIONS[each.permission_type],
        )
        for resource in response.resources
        for each in resource.acls
    )


def add_acls_request(wanted: Sequence[Acl]) -> Any:
    """Ask to add ACLs."""
    return CreateAclsRequest(
        creations=[
            CreateAclsRequest.AclCreation(
                resource_type=_KIND_OF[acl.kind],
                resource_name=acl.name,
                resource_pattern_type=_PATTERN_OF[acl.pattern],
                principal=acl.principal,
                host=acl.host,
                operation=_OPERATION_OF[acl.operation],
                permission_type=_PERMISSION_OF[acl.permission],
            )
            for acl in wanted
        ]
    )


def acls_added(wanted: Sequence[Acl], response: Any) -> bool | Unknown:
    """Read the answer. Raises Refused, NotController."""
    return _judged((f"add acl {acl}", each) for acl, each in zip(wanted, response.results, strict=True))


def remove_acls_request(unwanted: Sequence[Acl]) -> Any:
    """Ask to remove ACLs, each by a filter that is that of this one alone."""
    return DeleteAclsRequest(
        filters=[
            DeleteAclsRequest.DeleteAclsFilter(
                resource_type_filter=_KIND_OF[acl.kind],
                resource_name_filter=acl.name,
                pattern_type_filter=_PATTERN_OF[acl.pattern],
                principal_filter=acl.principal,
                host_filter=acl.host,
                operation=_OPERATION_OF[acl.operation],
                permission_type=_PERMISSION_OF[acl.permission],
            )
            for acl in unwanted
        ]
    )


def acls_removed(unwanted: Sequence[Acl], response: Any) -> bool | Unknown:
    """Read the answer. Raises Refused, NotController."""
    answers = [
        (f"remove acl {acl}", each)
        for acl, found in zip(unwanted, response.filter_results, strict=True)
        for each in (found, *found.matching_acls)
    ]
    return _judged(answers)


def logins_request() -> Any:
    """Ask for the credentials of all users."""
    return DescribeUserScramCredentialsRequest(users=None)


def logins(response: Any) -> dict[Account, int] | Unknown:
    """Read the answer."""
    if response.error_code:
        return Unknown(f"users: {_told(response)}")
    wrong = [each for each in response.results if each.error_code not in (0, NO_SUCH_RESOURCE)]
    if wrong:
        return Unknown(f"user {wrong[0].user}: {_told(wrong[0])}")
    return {
        Account(each.user, _MECHANISMS.get(info.mechanism, str(info.mechanism))): info.iterations
        for each in response.results
        for info in each.credential_infos
    }


def set_logins_request(credentials: Mapping[Account, Credential]) -> Any:
    """Ask to set credentials."""
    upsertion = AlterUserScramCredentialsRequest.ScramCredentialUpsertion
    return AlterUserScramCredentialsRequest(
        deletions=[],
        upsertions=[
            upsertion(
                name=login.user,
                mechanism=_MECHANISM_OF[login.mechanism],
                iterations=one.iterations,
                salt=one.salt,
                salted_password=one.salted,
            )
            for login, one in credentials.items()
        ],
    )


def remove_logins_request(unwanted: Sequence[Account]) -> Any:
    """Ask to take credentials away."""
    deletion = AlterUserScramCredentialsRequest.ScramCredentialDeletion
    return AlterUserScramCredentialsRequest(
        deletions=[deletion(name=one.user, mechanism=_MECHANISM_OF[one.mechanism]) for one in unwanted],
        upsertions=[],
    )


def logins_changed(response: Any) -> bool | Unknown:
    """Read the answer; a credential that is not there to be removed is no fault. Raises Refused, NotController."""
    return _judged(
        (f"user {each.user}", each) for each in response.results if each.error_code != NO_SUCH_RESOURCE
    )


def quotas_request() -> Any:
    """Ask for all quotas."""
    return DescribeClientQuotasRequest(components=[], strict=False)


def quotas(response: Any) -> dict[Limit, float] | Unknown:
    """Read the answer."""
    if response.error_code:
        return Unknown(f"quotas: {_told(response)}")
    return {
        Limit(Entity.of({part.entity_type: part.entity_name for part in each.entity}), value.key): value.value
        for each in response.entries or ()
        for value in each.values
    }


def set_limits_request(values: Mapping[Limit, float | None]) -> Any:
    """Ask to set numbers of quotas, or (None) to take them away."""
    entry = AlterClientQuotasRequest.EntryData
    by_entity: dict[Entity, list[Any]] = {}
    for limit, value in values.items():
        by_entity.setdefault(limit.entity, []).append(
            entry.OpData(key=limit.key, value=value or 0.0, remove=value is None)
        )
    return AlterClientQuotasRequest(
        entries=[
            entry(
                entity=[entry.EntityData(entity_type=kind, entity_name=name) for kind, name in entity.parts],
                ops=ops,
            )
            for entity, ops in by_entity.items()
        ],
        validate_only=False,
    )


def limits_set(response: Any) -> bool | Unknown:
    """Read the answer. Raises Refused, NotController."""
    return _judged(
        (f"quota of {Entity.of({part.entity_type: part.entity_name for part in each.entity})}", each)
        for each in response.entries
    )


def _judged(answers: Iterable[tuple[str, Any]]) -> bool | Unknown:
    for what, answer in answers:
        if answer.error_code == NOT_CONTROLLER:
            raise NotController
        if answer.error_code == TIMED_OUT:
            return Unknown(f"{what}: {_told(answer)}")
        if answer.error_code:
            raise Refused(f"{what}: {_told(answer)}")
    return True


def _told(answer: Any) -> str:
    return str(answer.error_message or for_code(answer.error_code).__name__)
