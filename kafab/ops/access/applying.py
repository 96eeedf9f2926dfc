"""Makes a cluster's users, ACLs, quotas and topics what a file says: planned, shown, then done under the cluster's lock.

Every stage ends when all brokers show it, and only then the next one begins: no broker has yet to hear of an ACL that was
added when another one is removed.
"""

import secrets as randomness
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from kafab.access.planning import AccessPlan, after, plan
from kafab.access.scram import SALT_BYTES, salted
from kafab.access.steps import (
    AddAcl,
    DeleteTopic,
    GrowTopic,
    MakeTopic,
    RemoveAcl,
    RemoveLimit,
    RemoveLogin,
    ResetProperty,
    SetLimit,
    SetLogin,
    SetProperty,
    Step,
)
from kafab.access.values import ITERATIONS, Account, Credential, Recorded, Want
from kafab.cluster.metadata import TopicSpec
from kafab.errors import OutcomeUnknown, Unsafe, UsageError
from kafab.events import Note
from kafab.interruption import AGAIN, interruptible
from kafab.model import Cluster
from kafab.ops.access import record
from kafab.ops.access.seeing import Sight, read_passwords, see, tried
from kafab.ops.history import Run
from kafab.ops.lock import operating
from kafab.ops.topics import topics
from kafab.ops.world import World
from kafab.references import Reference
from kafab.unknown import Unknown
from kafab.words import few, plural

_S = TypeVar("_S")


@dataclass(frozen=True)
class Asked:
    """What a file asks for, and how far an apply may go."""

    want: Want
    prune: bool = False
    typed: tuple[str, ...] = ()
    """The names of the topics that may be deleted."""
    set_passwords: bool = False

    def plan(self, sight: Sight) -> AccessPlan:
        """Return the steps from what is there."""
        return plan(
            self.want,
            sight.have,
            sight.recorded,
            sight.operator,
            prune=self.prune,
            typed=self.typed,
            set_passwords=self.set_passwords,
        )


def make_plan(cluster: Cluster, asked: Asked, world: World) -> tuple[AccessPlan, Sight]:
    """Return what an apply would do, and what it is planned from; nothing is changed.

    Raises Unsafe where kafab would take its own access or a user would be a super user, UsageError for a topic that cannot be made, NotTold, Unreachable.
    """
    _check_names(cluster, asked.want)
    sight = see(cluster, asked.want, world)
    found = asked.plan(sight)
    _check_own_password(cluster, found, sight, world)
    try:
        _check_topics(found, world)
    except UsageError:
        # A topic that was not there a moment ago is another operator's by now, who may be at the same file.
        if asked.plan(see(cluster, asked.want, world, sight.have.passwords)).steps != found.steps:
            raise _meanwhile(cluster) from None
        raise
    return found, sight


def _meanwhile(cluster: Cluster) -> Unsafe:
    return Unsafe(
        f"nothing was changed: {cluster.name} is not as it was when the plan was made",
        hint="another operator was at work: the same command plans anew",
    )


def _check_topics(found: AccessPlan, world: World) -> None:
    """Raise UsageError for a topic that cannot be made, or cannot become what it is to be."""
    for step in found.steps:
        if isinstance(step, MakeTopic):
            topics.check_new(world, _spec(step))
        elif isinstance(step, GrowTopic):
            topics.alteration(world, step.name, configs={}, partitions=step.after)
        elif isinstance(step, SetProperty):
            topics.alteration(world, step.name, configs={step.key: step.after}, partitions=None)


def _check_names(cluster: Cluster, want: Want) -> None:
    """Refuse a user of the name as which brokers log in to each other: whoever has it is a super user at every listener."""
    brokers = cluster.security.between_brokers if cluster.security else None
    if brokers is not None and any(account.user == brokers.user for account in want.users):
        raise Unsafe(
            f"{brokers.user} is the name as which brokers log in to each other (security.between_brokers), a super user's",
            hint="give the user another name",
        )


def _check_own_password(cluster: Cluster, planned: AccessPlan, sight: Sight, world: World) -> None:
    """Refuse to give the user as whom kafab logs in another password than the one that it logs in with."""
    own = cluster.security.operator_password if cluster.security else None
    user = sight.operator.user
    wishes = [
        step.wish.password
        for step in planned.steps
        if isinstance(step, SetLogin) and step.login.user == user and step.wish.password
    ]
    if own is None or not wishes:
        return
    reference = Reference.parse(own)
    values = read_passwords([reference, *wishes], world)
    if any(values[wish].value != values[reference].value for wish in wishes):
        raise Unsafe(
            f"this would give {user}, as whom kafab itself logs in, another password than security.operator_password has",
            hint=f"let both be {reference}",
        )


def apply(cluster: Cluster, asked: Asked, planned: AccessPlan, seen: Sight, world: World) -> None:
    """Do what was planned, stage by stage, and look whether it is so.

    Under the lock the cluster is looked at again: where the plan is another one by now, nothing is changed. Raises Unsafe then,
    Locked, Failed with Kafka's own words, OutcomeUnknown where a broker does not show a change, or the outcome is not as planned.
    """
    if not planned.steps and Recorded.of(asked.want).there(seen.have) == seen.recorded:
        return
    with operating(cluster, world, "access.apply") as held:
        sight = see(cluster, asked.want, world, seen.have.passwords)
        if asked.plan(sight).steps != planned.steps:
            raise _meanwhile(cluster)
        wanted = Recorded.of(asked.want)
        record.write(cluster, sight.recorded | wanted, sight.serial + 1, world)
        done: list[Step] = []
        try:
            with interruptible(lambda: f"{len(done)} of {plural(len(planned.steps), 'step')} are done"):
                _Doing(world, done).all(planned.steps)
            there = (sight.recorded | wanted).there(after(sight.have, planned.steps))
            record.write(cluster, there, sight.serial + 2, world)
        finally:
            _count(held.run, done)
        if planned.steps:
            _check(cluster, asked, planned, world)


def _check(cluster: Cluster, asked: Asked, planned: AccessPlan, world: World) -> None:
    """Look whether nothing is left to do. Passwords that were set are tried; the others were before."""
    set_now = {step.login for step in planned.steps if isinstance(step, SetLogin)}
    only_those = Want({login: wish for login, wish in asked.want.users.items() if login in set_now})
    passwords = see_passwords(only_those, world)
    wrong = [str(login) for login, found in passwords.items() if found is False]
    again = Asked(asked.want, asked.prune, asked.typed).plan(see(cluster, asked.want, world, {}))
    left = [*map(str, again.steps), *(f"the password of {name}" for name in wrong)]
    if left:
        raise OutcomeUnknown(
            f"{cluster.name} does not show all of it: {few(left)}",
            hint=f"another operator may have changed it meanwhile; {AGAIN}",
        )


def see_passwords(want: Want, world: World) -> Mapping[Account, bool | Unknown]:
    """Try the passwords of users who were just given one; a broker that has not heard of it yet is asked again."""
    if not want.users or world.logins.missing() is not None:
        return {}
    references = {login: wish.password for login, wish in want.users.items() if wish.password}
    values = read_passwords(list(references.values()), world)
    deadline = world.clock.now() + _HEARD
    left = {login: values[reference] for login, reference in references.items()}
    found: dict[Account, bool | Unknown] = {}
    while True:
        found |= tried(left, world)
        left = {login: value for login, value in left.items() if found[login] is False}
        if not left or world.clock.now() >= deadline:
            return found
        world.clock.sleep(_POLL)


_HEARD, _POLL = 15.0, 0.2
"""Seconds that brokers may take to hear of a password, and between two looks."""


class _Doing:
    """Does steps, in their order, those of one kind together; ``done`` has those that are done."""

    def __init__(self, world: World, done: list[Step]) -> None:
        self._world, self._done = world, done

    def all(self, steps: Sequence[Step]) -> None:
        """Do them."""
        for _, group in groupby(steps, key=_together):
            some = list(group)
            self._do(some)
            self._done += some
            self._world.emit(Note("access", _told(some)))

    def _do(self, steps: Sequence[Step]) -> None:
        access = self._world.access
        if logins := _only(SetLogin, steps):
            self._seen(access.set_logins(self._credentials(logins)), "users that were set")
        if adds := _only(AddAcl, steps):
            self._seen(access.add_acls([step.acl for step in adds]), "ACLs that were added")
        if any(isinstance(step, (SetLimit, RemoveLimit)) for step in steps):
            values = {step.limit: step.after for step in _only(SetLimit, steps)}
            gone = dict.fromkeys(step.limit for step in _only(RemoveLimit, steps))
            self._seen(access.set_limits({**values, **gone}), "quotas")
        if removals := _only(RemoveAcl, steps):
            self._seen(access.remove_acls([step.acl for step in removals]), "ACLs that were removed")
        if gone_users := _only(RemoveLogin, steps):
            self._seen(access.remove_logins([step.login for step in gone_users]), "users that were removed")
        for step in steps:
            self._topic(step)

    def _topic(self, step: Step) -> None:
        world = self._world
        if isinstance(step, MakeTopic):
            topics.create(world, _spec(step))
        elif isinstance(step, GrowTopic):
            self._seen(world.topics.add_partitions(step.name, step.after), str(step))
        elif isinstance(step, SetProperty):
            self._seen(world.topics.alter_configs(step.name, {step.key: step.after}), str(step))
        elif isinstance(step, ResetProperty):
            self._seen(world.topics.alter_configs(step.name, {step.key: None}), str(step))
        elif isinstance(step, DeleteTopic):
            topics.delete(world, topics.deletable(world, step.name))

    def _credentials(self, steps: Sequence[SetLogin]) -> dict[Account, Credential]:
        references = {step.login: step.wish.password for step in steps if step.wish.password}
        values = read_passwords(list(references.values()), self._world)
        made = {}
        for step in steps:
            salt, iterations = randomness.token_bytes(SALT_BYTES), step.wish.iterations or ITERATIONS
            password = values[references[step.login]].value
            key = salted(step.login.mechanism, password, salt, iterations)
            made[step.login] = Credential(salt, key, iterations)
        return made

    def _seen(self, answer: Unknown | None, what: str) -> None:
        if answer is not None:
            raise OutcomeUnknown(
                f"{what}: not seen to be done on every broker: {answer.reason}",
                hint=f"{plural(len(self._done), 'step')} before that are done, and nothing was removed since; {AGAIN}",
            )


def _together(step: Step) -> object:
    """Return what steps have in common that are done at once: topics are done one after the other."""
    return (
        step
        if isinstance(step, (MakeTopic, GrowTopic, SetProperty, ResetProperty, DeleteTopic))
        else step.stage
    )


def _only(kind: type[_S], steps: Sequence[Step]) -> list[_S]:
    return [step for step in steps if isinstance(step, kind)]


def _told(steps: Sequence[Step]) -> str:
    if len(steps) == 1:
        return f"{steps[0].sign} {steps[0]}"
    noun = str(steps[0]).partition(" ")[0]
    signs = {"+": "added", "~": "changed", "-": "removed"}
    counts = {sign: sum(step.sign == sign for step in steps) for sign in signs}
    return f"{plural(len(steps), noun)}: " + ", ".join(
        f"{count} {signs[sign]}" for sign, count in counts.items() if count
    )


def _spec(step: MakeTopic) -> TopicSpec:
    one = step.topic
    return TopicSpec(
        one.name,
        partitions=one.partitions,
        replication_factor=one.replication_factor,
        configs=dict(one.properties),
    )


def _count(run: Run, done: Collection[Step]) -> None:
    """Put into the history how many of each were added, changed and removed."""
    for sign, word in (("+", "added"), ("~", "changed"), ("-", "removed")):
        for noun in ("topic", "user", "acl", "quota"):
            count = sum(step.sign == sign and str(step).startswith(f"{noun} ") for step in done)
            if count:
                run.figures[f"{noun}s {word}"] = count
