"""From a file to what it asks for: the keys are `kafab.inventory.access`; what must be true across them is told here.

Every mistake has its place, and all of them are told at once, as those of an inventory.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

from kafab.access.planning import BORROWED
from kafab.access.values import (
    CLIENT,
    CLUSTER_NAME,
    IP,
    QUOTAS,
    USER,
    Account,
    Acl,
    Entity,
    Limit,
    Pattern,
    Permission,
    Topic,
    Want,
    Wish,
)
from kafab.cluster.own_topics import KAFKAS_OWN, is_own
from kafab.errors import UsageError
from kafab.inventory import InventoryError, yamltree
from kafab.inventory.access import ACCESS, DEFAULT, InOrElsewhere
from kafab.inventory.sections import Section
from kafab.listeners import is_address
from kafab.model import Version
from kafab.problems import START, Problem, Problems
from kafab.words import few

_KINDS = {
    "topic": "Topic",
    "group": "Group",
    "cluster": "Cluster",
    "transactional_id": "TransactionalId",
    "delegation_token": "DelegationToken",
    "user": "User",
}
# org.apache.kafka.security.authorizer.AclEntry.supportedOperations; All is of each.
_OPERATIONS = {
    "Topic": ("Read", "Write", "Create", "Describe", "Delete", "Alter", "DescribeConfigs", "AlterConfigs"),
    "Group": ("Read", "Describe", "Delete", "DescribeConfigs", "AlterConfigs"),
    "Cluster": (
        *(
            "Create",
            "ClusterAction",
            "DescribeConfigs",
            "AlterConfigs",
            "IdempotentWrite",
            "Alter",
            "Describe",
        ),
    ),
    "TransactionalId": ("Describe", "Write", "TwoPhaseCommit"),
    "DelegationToken": ("Describe",),
    "User": ("CreateTokens", "DescribeTokens"),
}
_SINCE = {"controller_mutation_rate": Version(2, 7, 0), "connection_creation_rate": Version(2, 8, 0)}
_USER_RESOURCES = Version(3, 3, 0)
_ENTITIES = (("user", USER), ("client_id", CLIENT), ("ip", IP))


def load(
    inventory: Path, version: Version, file: Path | None = None
) -> tuple[Want, Path, tuple[Problem, ...]]:
    """Return what a cluster's file asks for, which file that is, and the warnings.

    It is ``file``, or what ``access:`` of the inventory says. Raises InventoryError with every mistake and its place,
    UsageError where there is no such file.
    """
    if file is None:
        found = _of_inventory(inventory)
        if isinstance(found, Section):
            problems = Problems(inventory)
            return _checked(want(found, version, problems), inventory, problems)
        file = inventory.absolute().parent / found
    if not file.is_file():
        raise UsageError(
            f"there is no file {file}", hint="`fab access.export > FILE` writes what the cluster has"
        )
    problems = Problems(file)
    asked = Want()
    if file.stat().st_size == 0:
        problems.error(
            START, "the file is empty; expected users, acls, quotas or topics, or {} for none of them"
        )
        return _checked(asked, file, problems)
    with suppress(yamltree.Unreadable):
        section = ACCESS.read(yamltree.read(file, problems), "", problems)
        if section is not None:
            asked = want(section, version, problems)
    return _checked(asked, file, problems)


def check(inventory: Path, version: Version) -> tuple[Problem, ...]:
    """Return what is wrong with what ``access:`` of a good inventory has or names, errors first; nothing where it has none."""
    try:
        return load(inventory, version)[2]
    except InventoryError as error:
        return (*error.problems, *error.warnings)
    except UsageError as error:
        absent = isinstance(error, NoAccess)
        return (
            ()
            if absent
            else (Problem(inventory, *START, f"{error.message}; expected it where access: says"),)
        )


class NoAccess(UsageError):
    """An inventory has no ``access:``."""


def _checked(asked: Want, file: Path, problems: Problems) -> tuple[Want, Path, tuple[Problem, ...]]:
    if problems.errors:
        raise InventoryError(file, problems.errors, problems.warnings)
    return asked, file, problems.warnings


def _of_inventory(inventory: Path) -> Section | Path:
    """Return what ``access:`` of an inventory has. The inventory itself has been read before, and found good."""
    tree = yamltree.read(inventory, Problems(inventory))
    entries = tree.entries if isinstance(tree, yamltree.Table) else ()
    for name, value in entries:
        if name.text == "access":
            problems = Problems(inventory)
            found = InOrElsewhere().read(value, "access", problems)
            if found is None or problems.errors:
                raise InventoryError(inventory, problems.errors, problems.warnings)
            return found
    raise NoAccess(
        f"{inventory} has no access:",
        hint="access: FILE in it names a file with users, acls, quotas and topics; `fab access.export` writes such a file",
    )


def want(section: Section, version: Version, problems: Problems) -> Want:
    """Return what a section asks for; what is wrong across its keys is among the problems."""
    users = dict(_users(section.get("users")))
    acls: dict[Acl, None] = {}
    for entry in section.get("acls") or ():
        for acl in _acls(entry, version, problems):
            if acl in acls:
                problems.warning(entry.place, f"found {acl} a second time; expected it once")
            acls[acl] = None
    quotas: dict[Limit, float] = {}
    for entry in section.get("quotas") or ():
        for limit, value, key in _limits(entry, version, problems):
            if limit in quotas:
                problems.error(entry.at(key), f"found {limit} a second time; expected it once")
            quotas[limit] = value
    topics = {topic.name: topic for topic in _topics(section.get("topics"), problems)}
    return Want(users, frozenset(acls), quotas, topics)


def _users(section: Section | None) -> Iterator[tuple[Account, Wish]]:
    for name, user in section.values.items() if section else ():
        for mechanism in user.get("mechanisms"):
            yield Account(name, mechanism), Wish(user.get("password"), user.get("iterations"))


def _acls(entry: Section, version: Version, problems: Problems) -> Iterator[Acl]:
    given = [key for key in _KINDS if entry.get(key)]
    verbs = [key for key in ("allow", "deny") if entry.get(key)]
    if len(given) != 1 or len(verbs) != 1:
        if not any(entry.given(key) and not entry.get(key) for key in (*_KINDS, "allow", "deny")):
            problems.error(
                entry.place,
                f"found {few((*given, *verbs)) or 'neither a resource nor what is allowed'}; expected one of "
                f"{', '.join(_KINDS)}, and one of allow and deny",
            )
        return
    (key,), (verb,) = given, verbs
    if _fits(entry, key, verb, version, problems):
        permission = Permission.ALLOW if verb == "allow" else Permission.DENY
        pattern = Pattern.PREFIXED if entry.get("prefixed") else Pattern.LITERAL
        names = [CLUSTER_NAME] if key == "cluster" else entry.get(key)
        every = product(names, entry.get("principal") or (), entry.get("host"), entry.get(verb))
        for name, principal, host, operation in every:
            yield Acl(_KINDS[key], name, pattern, principal, host, operation, permission)


def _fits(entry: Section, key: str, verb: str, version: Version, problems: Problems) -> bool:
    """Return False where there is no such ACL; what has no effect is a warning."""
    kind, prefixed = _KINDS[key], entry.get("prefixed")
    if key == "cluster" and prefixed:
        told = "found true beside cluster; expected it left out: there is one cluster"
        problems.error(entry.at("prefixed"), told)
        return False
    if kind == "User" and version < _USER_RESOURCES:
        told = f"found user; Kafka {version} does not have it, expected {_USER_RESOURCES} or later"
        problems.error(entry.at(key), told)
        return False
    strange = [each for each in entry.get(verb) if each != "All" and each not in _OPERATIONS[kind]]
    if strange:
        told = f"found {few(strange)}, which nobody asks of a {kind}: it has no effect"
        problems.warning(entry.at(verb), told)
    if prefixed and "*" in entry.get(key):
        told = "found * as the beginning of names; expected it without prefixed for all names"
        problems.warning(entry.at(key), told)
    _hosts(entry, problems)
    return True


def _hosts(entry: Section, problems: Problems) -> None:
    for host in entry.get("host"):
        if host != "*" and not is_address(host):
            problems.warning(
                entry.at("host"),
                f"found {host}, and brokers compare addresses: it has no effect; expected an address",
            )


def _limits(entry: Section, version: Version, problems: Problems) -> Iterator[tuple[Limit, float, str]]:
    parts = {
        kind: None if entry.get(key) == DEFAULT else str(entry.get(key))
        for key, kind in _ENTITIES
        if entry.get(key) is not None
    }
    rates = [key for key in (*QUOTAS[USER], *QUOTAS[IP]) if entry.get(key) is not None]
    if not parts or not rates or (IP in parts and len(parts) > 1):
        if not any(entry.given(key) and entry.get(key) is None for key in entry.places):
            problems.error(
                entry.place,
                f"found {few((*parts, *rates)) or 'an empty mapping'}; expected user, client_id, both, or ip, and a rate",
            )
        return
    entity = Entity.of(parts)
    for key in rates:
        if key not in QUOTAS[entity.kinds[0]]:
            problems.error(
                entry.at(key), f"found {key} of {entity}; expected {' or '.join(QUOTAS[entity.kinds[0]])}"
            )
        elif version < _SINCE.get(key, version):
            problems.error(
                entry.at(key),
                f"found {key}; Kafka {version} does not have it, expected {_SINCE[key]} or later",
            )
        else:
            yield Limit(entity, key), entry.get(key), key


def _topics(section: Section | None, problems: Problems) -> Iterator[Topic]:
    for name, topic in section.values.items() if section else ():
        if name in KAFKAS_OWN or is_own(name):
            problems.error(
                topic.place,
                f"found {name}, which {'Kafka' if name in KAFKAS_OWN else 'kafab'} makes for itself; expected it left out",
            )
            continue
        properties: Section | None = topic.get("properties")
        values = dict(properties.values) if properties else {}
        for key in BORROWED:
            if properties and key in values:
                problems.error(
                    properties.at(key), f"found {key}; expected it left out: whoever moves replicas sets it"
                )
        factor, least = topic.get("replication_factor"), values.get("min.insync.replicas", "")
        if properties and factor and least.isdecimal() and int(least) > factor:
            problems.error(
                properties.at("min.insync.replicas"),
                f"found {least}, above the replication factor {factor}; expected at most {factor}",
            )
        yield Topic(name, topic.get("partitions"), factor, values)
