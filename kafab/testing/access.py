"""Users, ACLs and quotas in memory, behind their ports: for tests without a broker."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kafab.access.scram import salted
from kafab.access.values import FEWEST, MOST, Account, Acl, Credential, Limit
from kafab.command import Secret
from kafab.errors import Failed
from kafab.ports import Access, Logins
from kafab.unknown import Unknown


@dataclass
class FakeAccess:
    """`kafab.ports.Access` and `kafab.ports.Logins` of a cluster in memory."""

    authorizer: bool = True
    sasl: bool = True
    """False: no listener has SASL."""
    there: set[Acl] = field(default_factory=set)
    credentials: dict[Account, Credential] = field(default_factory=dict)
    numbers: dict[Limit, float] = field(default_factory=dict)
    silent: str = ""
    """Why no broker answers; empty where they do."""
    lost: int = -1
    """How many changes are answered before the answers are lost; -1: all."""
    calls: list[str] = field(default_factory=list)
    """The methods that changed something, in order."""
    logins_tried: list[Account] = field(default_factory=list)

    def acls(self) -> frozenset[Acl] | Unknown | None:
        """Return what is there."""
        if self.silent:
            return Unknown(self.silent)
        return frozenset(self.there) if self.authorizer else None

    def logins(self) -> Mapping[Account, int] | Unknown:
        """Return what is there."""
        if self.silent:
            return Unknown(self.silent)
        return {login: one.iterations for login, one in self.credentials.items()}

    def quotas(self) -> Mapping[Limit, float] | Unknown:
        """Return what is there."""
        return Unknown(self.silent) if self.silent else dict(self.numbers)

    def add_acls(self, acls: Sequence[Acl]) -> Unknown | None:
        """Add them."""
        if not self.authorizer:
            raise Failed("add acl: No Authorizer is configured.")
        self.there |= set(acls)
        return self._answer("add_acls")

    def remove_acls(self, acls: Sequence[Acl]) -> Unknown | None:
        """Remove them."""
        self.there -= set(acls)
        return self._answer("remove_acls")

    def set_logins(self, credentials: Mapping[Account, Credential]) -> Unknown | None:
        """Keep them; refuses the iterations that Kafka refuses."""
        for login, one in credentials.items():
            if not FEWEST <= one.iterations <= MOST:
                raise Failed(f"user {login.user}: Too many or too few iterations")
        self.credentials |= credentials
        return self._answer("set_logins")

    def remove_logins(self, logins: Sequence[Account]) -> Unknown | None:
        """Take them away."""
        for login in logins:
            self.credentials.pop(login, None)
        return self._answer("remove_logins")

    def set_limits(self, values: Mapping[Limit, float | None]) -> Unknown | None:
        """Keep them, or take them away."""
        kept: dict[Limit, float | None] = {**self.numbers, **values}
        self.numbers = {limit: value for limit, value in kept.items() if value is not None}
        return self._answer("set_limits")

    def missing(self) -> Unknown | None:
        """Tell where no listener has SASL."""
        return None if self.sasl else Unknown("no listener of the brokers has SASL")

    def try_login(self, login: Account, password: Secret) -> bool | Unknown:
        """Compare the password with the one that the credential was made of."""
        self.logins_tried.append(login)
        if (missing := self.missing()) is not None:
            return missing
        one = self.credentials.get(login)
        if one is None or not login.user.isascii():  # RFC 5802's grammar, as Kafka has it
            return False
        made = salted(login.mechanism, password.value, one.salt, one.iterations)
        return hmac.compare_digest(one.salted, made)

    def _answer(self, call: str) -> Unknown | None:
        self.calls.append(call)
        if self.lost < 0:
            return None
        self.lost -= 1
        return Unknown("connection reset") if self.lost < 0 else None


def _typed_against_the_ports() -> tuple[Access, Logins]:
    return FakeAccess(), FakeAccess()
