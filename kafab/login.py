"""How kafab's own clients log in to a listener: in the clear, with a certificate, with a name and a password.

A value of paths and of one secret. Each library takes it in its own words: `adapters.kafka.logins`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kafab.command import Secret
from kafab.listeners import Protocol


@dataclass(frozen=True)
class Identity:
    """Files of this machine in PEM: who is trusted, and kafab's own certificate with its key."""

    trusted: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Login:
    """How to connect to the listeners of one protocol."""

    protocol: Protocol = Protocol.PLAINTEXT
    identity: Identity | None = None
    """Of a protocol with TLS; its certificate is shown where the protocol is SSL."""
    mechanism: str = ""
    """SASL's, where the protocol has it; ``SCRAM-SHA-512``."""
    user: str = ""
    password: Secret = field(default=Secret(""), repr=False)

    @property
    def shows_certificate(self) -> bool:
        """Whether the client's own certificate is shown; with SASL_SSL its name comes from SASL."""
        return self.protocol is Protocol.SSL


IN_THE_CLEAR = Login()


def document(login: Login) -> dict[str, str]:
    """Return a login as JSON for a process of kafab's own, which reads it on its stdin: the password is in it."""
    identity = login.identity
    paths = (
        {name: str(getattr(identity, name)) for name in ("trusted", "certificate", "key")} if identity else {}
    )
    return {
        "protocol": str(login.protocol),
        "mechanism": login.mechanism,
        "user": login.user,
        "password": login.password.value,
        **paths,
    }


def read(found: Mapping[str, str]) -> Login:
    """Read what `document` has made. Raises KeyError or ValueError for anything else."""
    identity = None
    if "trusted" in found:
        identity = Identity(Path(found["trusted"]), Path(found["certificate"]), Path(found["key"]))
    return Login(
        Protocol(found["protocol"]), identity, found["mechanism"], found["user"], Secret(found["password"])
    )
