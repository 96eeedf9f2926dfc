"""From what a file asks for, and what a cluster has, to ordered steps. Pure: the same three values give the same plan.

The order keeps two promises. A client that is allowed something before and after is never denied it in between: every ACL is
added before one is removed. And nobody who is denied something before and after is allowed it in between: Deny before Allow
where ACLs are added, Allow before Deny where they are removed. `tests/unit/test_access_laws.py` has both as laws.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from kafab.access.authorizing import lost
from kafab.access.steps import (
    AddAcl,
    DeleteTopic,
    GrowTopic,
    MakeTopic,
    Removal,
    RemoveAcl,
    RemoveLimit,
    RemoveLogin,
    ResetProperty,
    SetLimit,
    SetLogin,
    SetProperty,
    Step,
)
from kafab.access.values import (
    ITERATIONS,
    Account,
    Acl,
    Found,
    Have,
    Operator,
    Permission,
    Recorded,
    Want,
    Wish,
)
from kafab.cluster.own_topics import KAFKAS_OWN, is_own
from kafab.cluster.values import same
from kafab.errors import Unsafe
from kafab.unknown import Unknown
from kafab.words import few, plural

BORROWED = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")
"""Topic properties that whoever moves replicas sets and takes away: a file does not speak of them."""


@dataclass(frozen=True)
class Refusal:
    """A difference that no apply settles: why, and what does."""

    what: str
    why: str
    instead: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True)
class AccessPlan:
    """What an apply does, what it leaves, and what nobody can tell."""

    steps: tuple[Step, ...] = ()
    kept: tuple[Removal, ...] = ()
    """What former applies have set, or what is of a thing that the file names, and is not in the file: `--prune` removes it."""
    refused: tuple[Refusal, ...] = ()
    unchecked: tuple[Account, ...] = ()
    """Credentials of which nobody can tell whether the file's password opens them."""
    unchecked_because: str = ""
    strange: int = 0
    """How many users, ACLs, quotas and topics are there that neither the file nor a former apply has named."""

    @property
    def differs(self) -> bool:
        """True where the cluster is not as the file says."""
        return bool(self.steps or self.kept or self.refused)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many steps add, change and remove."""
        signs = [step.sign for step in self.steps]
        return {name: signs.count(sign) for name, sign in (("add", "+"), ("change", "~"), ("remove", "-"))}


def plan(
    want: Want,
    have: Have,
    recorded: Recorded,
    operator: Operator,
    *,
    prune: bool = False,
    typed: Collection[str] = (),
    set_passwords: bool = False,
) -> AccessPlan:
    """Return the ordered steps.

    With ``prune`` what is not in the file any more is removed, a topic only where its name is among ``typed``. With
    ``set_passwords`` each password that the file names is set. Raises Unsafe where kafab would take its own access.
    """
    refused: list[Refusal] = []
    steps: list[Step] = [
        *_topics(want, have, refused),
        *_logins(want, have, refused, always=set_passwords),
        *_acls(want, have, refused),
        *_limits(want, have),
    ]
    removals = list(_removals(want, have, recorded))
    kept: list[Removal] = []
    for each in removals:
        if not prune:
            kept.append(each)
        elif isinstance(each, DeleteTopic) and each.name not in typed:
            refused.append(
                Refusal(
                    str(each),
                    "a topic is deleted only with its name typed",
                    f"--prune --delete-topic {each.name}",
                )
            )
        else:
            steps.append(each)
    ordered = tuple(sorted(steps, key=_order))
    _check_operator(ordered, have, operator)
    unknown = {login: found.reason for login, found in have.passwords.items() if isinstance(found, Unknown)}
    set_now = {step.login for step in ordered if isinstance(step, SetLogin)}
    unchecked = tuple(sorted(login for login in unknown if login not in set_now))
    refused += _strangers(want, have, recorded)
    return AccessPlan(
        ordered,
        tuple(sorted(kept, key=_order)),
        tuple(refused),
        unchecked,
        unknown[unchecked[0]] if unchecked else "",
        _strange(want, have, recorded),
    )


def after(have: Have, steps: Collection[Step]) -> Have:
    """Return what a cluster has once these steps are done."""
    users, quotas, topics = dict(have.users), dict(have.quotas), dict(have.topics)
    acls, passwords = set(have.acls or ()), dict(have.passwords)
    for step in steps:
        if isinstance(step, SetLogin):
            users[step.login] = step.wish.iterations or ITERATIONS
            passwords[step.login] = True
        elif isinstance(step, RemoveLogin):
            users.pop(step.login, None)
            passwords.pop(step.login, None)
        elif isinstance(step, AddAcl):
            acls.add(step.acl)
        elif isinstance(step, RemoveAcl):
            acls.discard(step.acl)
        elif isinstance(step, SetLimit):
            quotas[step.limit] = step.after
        elif isinstance(step, RemoveLimit):
            quotas.pop(step.limit, None)
        elif isinstance(step, DeleteTopic):
            topics.pop(step.name, None)
        else:
            _after_topic(topics, step)
    return Have(users, None if have.acls is None else frozenset(acls), quotas, topics, passwords)


def _after_topic(topics: dict[str, Found], step: MakeTopic | GrowTopic | SetProperty | ResetProperty) -> None:
    if isinstance(step, MakeTopic):
        one = step.topic
        topics[one.name] = Found(one.partitions or 1, one.replication_factor or 1, one.properties)
        return
    now = topics[step.name]
    if isinstance(step, GrowTopic):
        topics[step.name] = Found(step.after, now.replication_factor, now.properties)
        return
    properties = {key: value for key, value in now.properties.items() if key != step.key}
    if isinstance(step, SetProperty):
        properties[step.key] = step.after
    topics[step.name] = Found(now.partitions, now.replication_factor, properties)


def _topics(want: Want, have: Have, refused: list[Refusal]) -> Iterator[Step]:
    for name, topic in sorted(want.topics.items()):
        found = have.topics.get(name)
        if found is None:
            yield MakeTopic(topic)
            continue
        if topic.partitions is not None and topic.partitions < found.partitions:
            refused.append(
                Refusal(
                    f"topic {name}: partitions {found.partitions} -> {topic.partitions}",
                    "Kafka cannot take partitions away",
                    f"partitions: {found.partitions} in the file; or make a topic of another name and copy the records",
                )
            )
        elif topic.partitions is not None and topic.partitions > found.partitions:
            yield GrowTopic(name, found.partitions, topic.partitions)
        factor = topic.replication_factor
        if factor is not None and factor != found.replication_factor:
            refused.append(
                Refusal(
                    f"topic {name}: replication factor {found.replication_factor} -> {factor}",
                    "that moves data between brokers, which a command of its own will do in a later version",
                    f"until then `fab tool NODE -- kafka-reassign-partitions.sh` does; or replication_factor: "
                    f"{found.replication_factor} in the file",
                )
            )
        for key, value in sorted(topic.properties.items()):
            before = found.properties.get(key)
            if before is None or not same(before, value):
                yield SetProperty(name, key, before, value)


def _logins(want: Want, have: Have, refused: list[Refusal], *, always: bool) -> Iterator[SetLogin]:
    for login, wish in sorted(want.users.items()):
        why = _reason(login, wish, have, always=always)
        if why is None:
            continue
        if wish.password is None:
            refused.append(
                Refusal(
                    f"user {login}: {why}",
                    "the file has no password of this user, and Kafka tells none",
                    "password: '${env:NAME}' of this user in the file",
                )
            )
            continue
        yield SetLogin(login, wish, why)


def _reason(login: Account, wish: Wish, have: Have, *, always: bool) -> str | None:
    now = have.users.get(login)
    if now is None:
        return "new"
    if wish.iterations is not None and wish.iterations != now:
        return f"iterations {now} -> {wish.iterations}"
    if wish.password is None:
        return None
    if have.passwords.get(login) is False:
        return "password changed"
    return "password set again" if always else None


def _acls(want: Want, have: Have, refused: list[Refusal]) -> Iterator[AddAcl]:
    if have.acls is None:
        if want.acls:
            refused.append(
                Refusal(
                    plural(len(want.acls), "ACL"),
                    "this cluster has no authorizer, which alone keeps and reads ACLs",
                    "security: {authorizer: true} in the inventory, or authorizer.class.name and super.users among "
                    "kafka: properties:, then `fab deploy restart`",
                )
            )
        return
    for acl in want.acls - have.acls:
        yield AddAcl(acl)


def _limits(want: Want, have: Have) -> Iterator[SetLimit]:
    for limit, value in want.quotas.items():
        before = have.quotas.get(limit)
        if before != value:
            yield SetLimit(limit, before, value)


def _removals(want: Want, have: Have, recorded: Recorded) -> Iterator[Removal]:
    """Yield what is there and not in the file: of what former applies have set, and of what the file names.

    The file names a user with its credentials, an entity with its limits, a topic with its properties.
    """
    users = {login.user for login in want.users}
    for login in have.users.keys() - want.users.keys():
        if login in recorded.users or login.user in users:
            yield RemoveLogin(login)
    for acl in ((have.acls or frozenset()) & recorded.acls) - want.acls:
        yield RemoveAcl(acl)
    entities = {limit.entity for limit in want.quotas}
    for limit in have.quotas.keys() - want.quotas.keys():
        if limit in recorded.quotas or limit.entity in entities:
            yield RemoveLimit(limit)
    yield from _topic_removals(want, have, recorded)


def _topic_removals(want: Want, have: Have, recorded: Recorded) -> Iterator[Removal]:
    for name, found in have.topics.items():
        if name in want.topics:
            for key, value in found.properties.items():
                if key not in want.topics[name].properties and key not in BORROWED:
                    yield ResetProperty(name, key, value)
        elif name in recorded.topics and not _is_not_ours(name):
            yield DeleteTopic(name, found.partitions)


def _is_not_ours(topic: str) -> bool:
    """Return True for Kafka's own topics, and those that kafab makes for itself."""
    return topic in KAFKAS_OWN or is_own(topic)


def _strangers(want: Want, have: Have, recorded: Recorded) -> Iterator[Refusal]:
    """Yield the ACLs of principals that the file speaks of which neither it nor a former apply has named."""
    principals = {acl.principal for acl in want.acls} | {f"User:{login.user}" for login in want.users}
    for acl in sorted((have.acls or frozenset()) - want.acls - recorded.acls):
        if acl.principal in principals:
            yield Refusal(
                f"acl {acl}",
                "it is not in the file, and no apply has set it",
                f"put it into the file; or `fab tool NODE -- {removal_words(acl)}`",
            )


def removal_words(acl: Acl) -> str:
    """Return the command of Kafka's own tool that removes an ACL."""
    permission = "allow" if acl.permission is Permission.ALLOW else "deny"
    kind = {
        "TransactionalId": "transactional-id",
        "DelegationToken": "delegation-token",
        "User": "user-principal",
    }
    resource = (
        "--cluster"
        if acl.kind == "Cluster"
        else f"--{kind.get(acl.kind, acl.kind.lower())} {quoted(acl.name)}"
    )
    return (
        f"kafka-acls.sh --remove --force --{permission}-principal {quoted(acl.principal)} --{permission}-host {quoted(acl.host)} "
        f"--operation {acl.operation} {resource} --resource-pattern-type {str(acl.pattern).lower()}"
    )


def quoted(word: str) -> str:
    """Return a word as a shell takes it."""
    safe = word and all(letter.isalnum() or letter in "_.:/@%+-" for letter in word) and word.isascii()
    return word if safe else "'" + word.replace("'", "'\\''") + "'"


def _strange(want: Want, have: Have, recorded: Recorded) -> int:
    return (
        len(have.users.keys() - want.users.keys() - recorded.users)
        + len((have.acls or frozenset()) - want.acls - recorded.acls)
        + len(have.quotas.keys() - want.quotas.keys() - recorded.quotas)
        + sum(not _is_not_ours(name) for name in have.topics.keys() - want.topics.keys() - recorded.topics)
    )


def _check_operator(steps: Collection[Step], have: Have, operator: Operator) -> None:
    """Raise Unsafe where kafab could not do any more what it can do now."""
    own = [
        str(step.login)
        for step in steps
        if isinstance(step, RemoveLogin) and step.login.user == operator.user
    ]
    if own:
        raise Unsafe(
            f"this would remove the user as whom kafab itself logs in: {few(own)}",
            hint="leave it in the file's users",
        )
    if have.acls is None:
        return
    gone = lost(have.acls, after(have, steps).acls or frozenset(), operator)
    if gone:
        raise Unsafe(
            f"this would take kafab's own access, as {operator.principal}: {few(gone)}; nothing was changed",
            hint=f"keep an ACL that allows it, or make {operator.principal} a super user",
        )


def _order(step: Step) -> tuple[int, int, object]:
    if isinstance(step, AddAcl):
        return step.stage, 0 if step.acl.permission is Permission.DENY else 1, step.acl
    if isinstance(step, RemoveAcl):
        return step.stage, 0 if step.acl.permission is Permission.ALLOW else 1, step.acl
    if isinstance(step, SetLimit):
        return step.stage, 0, step.limit.order
    if isinstance(step, RemoveLimit):
        return step.stage, 1, step.limit.order
    return step.stage, _KINDS.index(type(step)), str(step)


_KINDS = (MakeTopic, GrowTopic, SetProperty, SetLogin, RemoveLogin, ResetProperty, DeleteTopic)
