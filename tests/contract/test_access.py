"""Users, ACLs and quotas: the fake against brokers with an authorizer and a listener with SASL."""

from collections.abc import Iterator

import pytest

from kafab.access.scram import salted
from kafab.access.values import MECHANISMS, Account, Acl, Credential, Entity, Limit, Pattern, Permission
from kafab.command import Secret
from kafab.errors import Failed
from kafab.model import Version
from kafab.testing.access import FakeAccess
from kafab.unknown import Unknown
from tests.access_by_hand import VERSIONS, Guarded, asked
from tests.conftest import cluster_in
from tests.kafka_by_hand import until

STRANGE = ('a "b"', "c,d", "e=f", "g h", "$(i)", "/j\\k", "100%", "*", "+l", "~m", "<n>", "a'b;c", "#p?q&r")
"""Names that Kafka's own tools, ZooKeeper's paths or SCRAM write otherwise than they are."""
PASSWORDS = ('"', "$HOME", "a,b=c", "pässwörd", " blank ", "\\n", "'")


@pytest.fixture(
    scope="module",
    params=[
        "fake",
        *(
            pytest.param(
                version,
                marks=[
                    pytest.mark.e2e,
                    pytest.mark.xdist_group(f"access {version}"),
                    pytest.mark.timeout(600),
                ],
            )
            for version in VERSIONS
        ),
    ],
)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Yield a cluster: in memory, in KRaft mode, or with ZooKeeper."""
    if request.param == "fake":
        fake = FakeAccess()
        yield Guarded(cluster_in(tmp_path_factory.mktemp("access"), 3), fake, fake)
        return
    with asked(request.getfixturevalue(f"guarded_{request.param.replace('.', '_')}")) as found:
        yield found


def credential(mechanism: str, password: str, iterations: int = 4096) -> Credential:
    """Return a credential of a password."""
    salt = b"salt" * 6
    return Credential(salt, salted(mechanism, password, salt, iterations), iterations)


def acl(
    principal: str,
    name: str = "orders",
    *,
    operation: str = "Read",
    kind: str = "Topic",
    pattern: Pattern = Pattern.LITERAL,
    permission: Permission = Permission.ALLOW,
    host: str = "*",
) -> Acl:
    """Return an ACL, of a topic unless told otherwise."""
    return Acl(kind, name, pattern, principal, host, operation, permission)


def test_acls_come_back_as_they_were_added(place: Guarded) -> None:
    """Allow and Deny, by name and by its beginning, of every resource, for every host and strange principal."""
    wanted = [
        acl("User:ann"),
        acl("User:ann", "ord", pattern=Pattern.PREFIXED, permission=Permission.DENY, host="10.0.0.1"),
        acl("User:*", "*", operation="Describe"),
        acl("User:ann", "kafka-cluster", kind="Cluster", operation="IdempotentWrite"),
        acl("User:ann", "my group", kind="Group"),
        acl("User:ann", "tx", kind="TransactionalId", operation="All"),
        acl(
            "User:ann", "User:ann", kind="DelegationToken", operation="Describe", host="2001:db8:0:0:0:0:0:1"
        ),
        *(acl(f"User:{name}", f"t{number}") for number, name in enumerate(STRANGE)),
    ]
    if place.cluster.version >= Version(3, 3, 0):
        wanted.append(acl("User:ann", "User:bob", kind="User", operation="CreateTokens"))
    assert place.access.add_acls(wanted) is None
    assert place.access.acls() == frozenset(wanted)
    assert place.access.add_acls(wanted[:1]) is None
    assert place.access.remove_acls(wanted[1:]) is None
    assert place.access.acls() == frozenset(wanted[:1])
    assert place.access.remove_acls(wanted) is None
    assert place.access.acls() == frozenset()


def test_removing_an_acl_leaves_its_like(place: Guarded) -> None:
    """The ACL of all topics goes, that of one topic and that of all that begin with its name stay."""
    like = [acl("User:ann", "*"), acl("User:ann", "a"), acl("User:ann", "a", pattern=Pattern.PREFIXED)]
    assert place.access.add_acls(like) is None
    assert place.access.remove_acls(like[:1]) is None
    assert place.access.acls() == frozenset(like[1:])
    assert place.access.remove_acls(like) is None


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_user_logs_in_with_the_password_that_was_set(place: Guarded, mechanism: str) -> None:
    """Right passwords open a login of their mechanism, others and strangers do not, and a changed one is found out."""
    login = Account("ann", mechanism)
    assert place.access.set_logins({login: credential(mechanism, "first")}) is None
    assert place.access.logins() == {login: 4096}
    until(lambda: place.logins.try_login(login, Secret("first")) is True, "the first password", 30)
    assert place.logins.try_login(login, Secret("second")) is False
    assert place.logins.try_login(Account("nobody", mechanism), Secret("first")) is False
    assert place.access.set_logins({login: credential(mechanism, "second", 8192)}) is None
    assert place.access.logins() == {login: 8192}
    until(lambda: place.logins.try_login(login, Secret("second")) is True, "the second password", 30)
    assert place.logins.try_login(login, Secret("first")) is False
    assert place.access.remove_logins([login, Account("nobody", mechanism)]) is None
    assert place.access.logins() == {}
    until(lambda: place.logins.try_login(login, Secret("second")) is False, "no login", 30)


def test_strange_names_and_passwords_are_exact(place: Guarded) -> None:
    """Quotes, commas, blanks, equals signs and what shells, URLs and SCRAM escape reach the broker as they are."""
    wanted = {
        Account(name, mechanism): PASSWORDS[number % len(PASSWORDS)]
        for number, name in enumerate(STRANGE)
        for mechanism in MECHANISMS
    }
    made = {login: credential(login.mechanism, password) for login, password in wanted.items()}
    assert place.access.set_logins(made) is None
    assert place.access.logins() == dict.fromkeys(wanted, 4096)

    def refused() -> list[str]:
        tried = {login: place.logins.try_login(login, Secret(wanted[login])) for login in wanted}
        return [f"{login}: {found}" for login, found in tried.items() if found is not True]

    until(lambda: not refused(), "all logins", 30)
    assert place.access.remove_logins(list(wanted)) is None
    assert place.access.logins() == {}


def test_name_that_is_no_ascii_cannot_log_in(place: Guarded) -> None:
    """Brokers keep such a user, and refuse its logins: why a file that names it is refused."""
    login = Account("änn", "SCRAM-SHA-512")
    assert place.access.set_logins({login: credential(login.mechanism, "x")}) is None
    assert place.access.logins() == {login: 4096}
    assert place.logins.try_login(login, Secret("x")) is not True
    assert place.access.remove_logins([login]) is None


def test_too_few_iterations_are_refused(place: Guarded) -> None:
    """The broker's own words come back as the failure."""
    weak = {Account("weak", "SCRAM-SHA-512"): credential("SCRAM-SHA-512", "x", 10)}
    with pytest.raises(Failed, match="iterations"):
        place.access.set_logins(weak)


def test_quotas_come_back_as_they_were_set(place: Guarded) -> None:
    """Of users, client ids, both, their defaults and addresses; one number goes and the others of its entity stay."""
    entities = [
        Entity.of({"user": "ann"}),
        Entity.of({"user": None}),
        Entity.of({"client-id": "app"}),
        Entity.of({"client-id": None}),
        Entity.of({"user": "ann", "client-id": "app"}),
        Entity.of({"user": None, "client-id": None}),
        Entity.of({"user": "ann", "client-id": None}),
        *(Entity.of({"user": name, "client-id": name}) for name in STRANGE),
    ]
    values: dict[Limit, float] = {
        Limit(entity, key): float(number + 1)
        for number, entity in enumerate(entities)
        for key in ("producer_byte_rate", "consumer_byte_rate")
    }
    values[Limit(entities[0], "request_percentage")] = 12.5
    values[Limit(entities[0], "producer_byte_rate")] = 123456789012.0
    if place.cluster.version >= Version(2, 8, 0):
        values[Limit(Entity.of({"ip": "10.0.0.1"}), "connection_creation_rate")] = 5.0
        values[Limit(Entity.of({"ip": None}), "connection_creation_rate")] = 7.0
    assert place.access.set_limits(values) is None
    assert place.access.quotas() == values
    gone = Limit(entities[0], "consumer_byte_rate")
    assert place.access.set_limits({gone: None}) is None
    left = {limit: value for limit, value in values.items() if limit != gone}
    assert place.access.quotas() == left
    assert place.access.set_limits(dict.fromkeys(values)) is None
    assert place.access.quotas() == {}


def test_user_keeps_its_quota_and_its_credential_apart(place: Guarded) -> None:
    """ZooKeeper has both in one place: taking one away leaves the other."""
    login, limit = Account("both", "SCRAM-SHA-256"), Limit(Entity.of({"user": "both"}), "producer_byte_rate")
    assert place.access.set_logins({login: credential(login.mechanism, "x")}) is None
    assert place.access.set_limits({limit: 1000.0}) is None
    assert place.access.remove_logins([login]) is None
    assert (place.access.logins(), place.access.quotas()) == ({}, {limit: 1000.0})
    assert place.access.set_limits({limit: None}) is None


def test_login_without_a_listener_is_unknown() -> None:
    """Where no listener has SASL nobody can say whether a password is right."""
    assert isinstance(FakeAccess(sasl=False).try_login(Account("a", MECHANISMS[0]), Secret("x")), Unknown)
