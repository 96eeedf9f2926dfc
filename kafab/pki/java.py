"""Key stores for Java in PKCS12, made here and not by keytool: Kafka before 2.7 reads no PEM (KIP-651).

The algorithms are those of the standard's first version, three-key Triple DES and SHA-1, because each Java that runs
these versions reads them. Java 8 before 8u301 and Java 11 before 11.0.12 read no others (JDK-8076190). They protect
little, and need not: the password stands in a file beside the store, and what keeps others out is the mode of both.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    KeySerializationEncryption,
    PrivateFormat,
    pkcs12,
)

from kafab.command import Secret
from kafab.pki.values import Certificates, Leaf

ALIAS = "kafka"
_ROUNDS = 10_000
"""Java's own default since 8u301."""


def key_store(leaf: Leaf, password: Secret, alias: str = ALIAS) -> bytes:
    """Return a key store of one entry: the key, its certificate, and the CAs between that and a trusted one."""
    return pkcs12.serialize_key_and_certificates(
        alias.encode(),
        leaf.key,  # type: ignore[arg-type]  # a key that Java cannot use was refused before
        leaf.certificate,
        leaf.chain or None,
        _encryption(password),
    )


def trust_store(trusted: Certificates, password: Secret) -> bytes:
    """Return a trust store. Each entry has the attribute without which Java takes no certificate of a PKCS12 file as trusted.

    It is Oracle's trustedKeyUsage, 2.16.840.1.113894.746875.1.1.
    """
    entries = [
        pkcs12.PKCS12Certificate(certificate, f"ca{number}".encode())
        for number, certificate in enumerate(trusted, start=1)
    ]
    return pkcs12.serialize_java_truststore(entries, _encryption(password))


def _encryption(password: Secret) -> KeySerializationEncryption:
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # see the top
        .build(password.value.encode())
    )
