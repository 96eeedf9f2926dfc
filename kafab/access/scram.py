"""Salted passwords as SCRAM has them (RFC 5802), and names as Kafka keeps them: what goes to a cluster in a password's place."""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from kafab.access.values import Credential

_HASHES: Final = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
SALT_BYTES: Final = 24


def salted(mechanism: str, password: str, salt: bytes, iterations: int) -> bytes:
    """Return SaltedPassword; Kafka takes the password's UTF-8 as it is (ScramFormatter.normalize)."""
    return hashlib.pbkdf2_hmac(_HASHES[mechanism], password.encode(), salt, iterations)


def kept(mechanism: str, credential: Credential) -> str:
    """Return a credential as ZooKeeper keeps it (ScramCredentialUtils): neither the password nor what stands for it in a login."""
    key, name = credential.salted, _HASHES[mechanism]
    stored = hashlib.new(name, hmac.digest(key, b"Client Key", name)).digest()
    server = hmac.digest(key, b"Server Key", name)
    texts = {"salt": credential.salt, "stored_key": stored, "server_key": server}
    words = [f"{word}={b64encode(value).decode()}" for word, value in texts.items()]
    return ",".join([*words, f"iterations={credential.iterations}"])


def iterations_of(credential: str) -> int:
    """Return the iterations of what ZooKeeper keeps. Raises ValueError for something else."""
    found = re.search(r"(?:^|,)iterations=(\d+)(?:,|$)", credential)
    if not found:
        raise ValueError("a credential without its iterations")
    return int(found[1])


def sasl_name(user: str) -> str:
    """Return a user's name as a login carries it (RFC 5802, saslname)."""
    return user.replace("=", "=3D").replace(",", "=2C")


def sanitized(name: str) -> str:
    """Return a name as ZooKeeper's paths have it: `org.apache.kafka.common.utils.Sanitizer`, which is Java's URLEncoder."""
    return quote(name, safe="-_.")


def desanitized(name: str) -> str:
    """Return the name that stands in a path of ZooKeeper."""
    return unquote(name)


def mechanisms_of(config: Mapping[str, str]) -> Mapping[str, int]:
    """Return the mechanisms of a user's configuration in ZooKeeper, with their iterations."""
    return {name: iterations_of(config[name]) for name in _HASHES if name in config}
