"""What a cluster has of users, ACLs, quotas and topics, who kafab is there, and what former applies have set; all asked side by side."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from kafab.access.values import Account, Found, Have, Operator, Recorded, Want
from kafab.cluster.own_topics import KAFKAS_OWN, is_own
from kafab.command import Secret
from kafab.config.security import operator_subject
from kafab.errors import KafabError, NotTold, Unreachable
from kafab.model import Cluster
from kafab.ops.access import record
from kafab.ops.world import World
from kafab.references import Reference
from kafab.unknown import Unknown
from kafab.words import plural

T = TypeVar("T")
LOGINS_AT_ONCE = 16
ANONYMOUS = "User:ANONYMOUS"
AUTHORIZER, SUPER_USERS, OPEN = "authorizer.class.name", "super.users", "allow.everyone.if.no.acl.found"


@dataclass(frozen=True)
class Sight:
    """A cluster's access at one moment."""

    have: Have
    recorded: Recorded
    serial: int
    """Of the record on the hosts."""
    operator: Operator


def see(
    cluster: Cluster,
    want: Want | None,
    world: World,
    passwords: Mapping[Account, bool | Unknown] | None = None,
) -> Sight:
    """Ask the brokers, and the hosts for their record; the passwords that the file names are tried by logging in.

    Of topics that the file does not name the properties are not read; without a file all are. ``passwords``: what is known of
    them already. Raises Unreachable and NotTold where something cannot be known, a KafabError for a secret that cannot be read.
    """
    # Clients are imported before threads ask them: kafka-python's modules import each other in a circle.
    access = world.access
    with ThreadPoolExecutor(5) as pool:
        topics = pool.submit(_topics, world, None if want is None else want.topics)
        acls = pool.submit(lambda: _told(access.acls(), "ACLs"))
        users = pool.submit(lambda: _told(access.logins(), "users"))
        quotas = pool.submit(lambda: _told(access.quotas(), "quotas"))
        kept = pool.submit(record.read, cluster, world)
        operator = _operator(cluster, world)
        have = Have(users.result(), acls.result(), quotas.result(), topics.result())
        serial, recorded = kept.result()
    if passwords is None:
        passwords = {} if want is None else _passwords(want, have, world)
    return Sight(replace(have, passwords=passwords), recorded, serial, operator)


def read_passwords(references: Collection[Reference], world: World) -> dict[Reference, Secret]:
    """Read these secrets. Raises a KafabError with all that cannot be read."""
    answers = {reference: _read(reference, world) for reference in dict.fromkeys(references)}
    faults = {answer.message: answer for answer in answers.values() if isinstance(answer, KafabError)}
    if faults:
        first = next(iter(faults.values()))
        if len(faults) == 1:
            raise first
        told = "".join(f"\n  {message}" for message in faults)
        raise type(first)(f"{plural(len(faults), 'password')} cannot be read:{told}", hint=first.hint)
    return {reference: answer for reference, answer in answers.items() if isinstance(answer, Secret)}


def _read(reference: Reference, world: World) -> Secret | KafabError:
    try:
        return world.secrets.read(reference)
    except KafabError as error:
        return error


def _passwords(want: Want, have: Have, world: World) -> dict[Account, bool | Unknown]:
    """Log in as each user who is there with the file's password; none is read where nobody can log in."""
    asked = {
        login: wish.password for login, wish in want.users.items() if wish.password and login in have.users
    }
    if not asked:
        return {}
    if (missing := world.logins.missing()) is not None:
        return dict.fromkeys(asked, missing)
    secrets = read_passwords(list(asked.values()), world)
    return tried({login: secrets[reference] for login, reference in asked.items()}, world)


def tried(passwords: Mapping[Account, Secret], world: World) -> dict[Account, bool | Unknown]:
    """Log in with each of these, some side by side."""
    logins = world.logins
    with ThreadPoolExecutor(LOGINS_AT_ONCE) as pool:
        answers = pool.map(lambda each: logins.try_login(*each), passwords.items())
        return dict(zip(passwords, answers, strict=True))


def _topics(world: World, named: Collection[str] | None) -> dict[str, Found]:
    metadata = _told(world.brokers.metadata(), "topics")
    partitions: dict[str, int] = {}
    factors: dict[str, int] = {}
    for one in metadata.partitions:
        partitions[one.topic] = partitions.get(one.topic, 0) + 1
        factors[one.topic] = max(factors.get(one.topic, 0), len(one.replicas))
    asked = [
        name
        for name in partitions
        if (named is None and name not in KAFKAS_OWN and not is_own(name))
        or (named is not None and name in named)
    ]
    configs = _told(world.brokers.topic_configs(asked), "the topics' properties") if asked else {}
    return {
        name: Found(
            count,
            factors[name],
            {
                entry.name: entry.value or ""
                for entry in configs.get(name, {}).values()
                if not entry.is_default and not entry.is_sensitive
            },
        )
        for name, count in partitions.items()
    }


def _operator(cluster: Cluster, world: World) -> Operator:
    """Return who kafab is to the brokers, and whether it is a super user of the broker that is the first to tell."""
    reasons: dict[str, str] = {}
    for node in cluster.brokers:
        found = world.brokers.broker_configs(node.id, node.endpoint, [AUTHORIZER, SUPER_USERS, OPEN])
        if isinstance(found, Unknown):
            reasons[node.name] = found.reason
            continue
        values = {name: one.value or "" for name, one in found.items()}
        # kafka.security.authorizer.AclAuthorizer and StandardAuthorizer: separated by semicolons, blanks around them count not.
        supers = {word.strip() for word in values.get(SUPER_USERS, "").split(";")}
        is_open = values.get(OPEN, "").strip().lower() == "true"
        principal, user = _principal(cluster)
        return Operator(principal, principal in supers, is_open, user)
    raise Unreachable(reasons, hint="`status` shows which nodes run, `start` starts them")


def _principal(cluster: Cluster) -> tuple[str, str | None]:
    """Return who kafab is at the listener that it uses, and its user where it logs in by SASL."""
    protocol = cluster.operator_protocol
    if protocol.sasl:
        user = (cluster.security.operator_user if cluster.security else None) or ""
        return f"User:{user}", user
    return (f"User:{operator_subject(cluster)}" if protocol.tls else ANONYMOUS), None


def _told(answer: T | Unknown, what: str) -> T:
    """Return an answer. Raises NotTold with the reason where it is none."""
    if isinstance(answer, Unknown):
        raise NotTold(f"{what} are unknown, nothing was changed: {answer.reason}")
    return answer
