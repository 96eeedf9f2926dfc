"""What ACLs allow, as Kafka's authorizers decide it (AclAuthorizer and StandardAuthorizer), and what kafab itself needs.

A Deny that matches wins. Else an Allow has to match, or there is no ACL of the resource at all and the brokers are open then.
"""

from collections.abc import Collection, Iterable, Iterator

from kafab.access.values import ANY, CLUSTER_NAME, Acl, Operator, Pattern, Permission
from kafab.cluster.own_topics import Purpose

ALL = "All"
_IMPLIED = {
    "Describe": ("Read", "Write", "Delete", "Alter"),
    "DescribeConfigs": ("AlterConfigs",),
}
"""Operation -> those that, where they are allowed, allow it, too."""
NEEDED: tuple[tuple[str, str, str], ...] = (
    *(
        ("Cluster", CLUSTER_NAME, operation)
        for operation in ("Alter", "AlterConfigs", "Create", "Describe", "DescribeConfigs")
    ),
    *(
        ("Topic", f"{Purpose.CANARY.value}0", operation)
        for operation in ("Delete", "Describe", "Read", "Write")
    ),
)
"""What kafab itself does: resource and operation. The topic stands for those that it makes for itself."""


def of_resource(acls: Iterable[Acl], kind: str, name: str) -> Iterator[Acl]:
    """Yield the ACLs that are about a resource, whoever's they are."""
    for acl in acls:
        if acl.kind == kind and (
            acl.name in (name, ANY) if acl.pattern is Pattern.LITERAL else name.startswith(acl.name)
        ):
            yield acl


def allowed(
    acls: Collection[Acl],
    principal: str,
    resource: tuple[str, str],
    operation: str,
    *,
    host: str | None,
    is_open: bool = False,
) -> bool:
    """Tell whether a principal may do this to a resource, from that host; without a host each ACL's is taken for the own."""
    about = list(of_resource(acls, *resource))
    if not about:
        return is_open
    own = [
        acl
        for acl in about
        if acl.principal in (principal, "User:*") and (host is None or acl.host in (host, ANY))
    ]
    if any(acl.permission is Permission.DENY and acl.operation in (operation, ALL) for acl in own):
        return False
    enough = (operation, ALL, *_IMPLIED.get(operation, ()))
    return any(acl.permission is Permission.ALLOW and acl.operation in enough for acl in own)


def lost(before: Collection[Acl], after: Collection[Acl], operator: Operator) -> tuple[str, ...]:
    """Return what kafab may do now and could not do any more, as ``Alter on Cluster kafka-cluster``.

    From which of its addresses kafab's connections come is not known, so an ACL of any host counts.
    """
    if operator.is_super:
        return ()

    def may(acls: Collection[Acl], kind: str, name: str, operation: str) -> bool:
        is_open = operator.open_without_acls
        return allowed(acls, operator.principal, (kind, name), operation, host=None, is_open=is_open)

    return tuple(
        f"{operation} on {kind} {name}"
        for kind, name, operation in NEEDED
        if may(before, kind, name, operation) and not may(after, kind, name, operation)
    )
