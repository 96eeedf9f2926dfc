"""What a certificate says, as plain values."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kafab.pki.values import Address, Usage
from kafab.unknown import Unknown

SMALLEST_RSA = 2048
"""Bits; NIST SP 800-131A."""
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""Java 16 and later read no other curves of this kind (JDK-8235540)."""
_RFC2253 = (
    NameOID.COMMON_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.COUNTRY_NAME,
    NameOID.STREET_ADDRESS,
    NameOID.DOMAIN_COMPONENT,
    NameOID.USER_ID,
)
_BROKEN = (hashes.MD5, hashes.SHA1)
"""Java refuses them by jdk.certpath.disabledAlgorithms."""


@dataclass(frozen=True)
class Said:
    """What a certificate says: the names are in small letters, as names are compared so."""

    subject: str
    issuer: str
    serial: int
    begin: datetime
    end: datetime
    names: frozenset[str]
    addresses: frozenset[Address]
    usages: frozenset[Usage] | None
    """None: it says nothing of usages, so it is good for each."""
    authority: bool
    """It says that its owner is a CA."""

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Its names and addresses, sorted."""
        return (
            *sorted(self.names),
            *map(str, sorted(self.addresses, key=lambda one: (one.version, int(one)))),
        )


def said(certificate: x509.Certificate) -> Said | Unknown:
    """Read a certificate. Unknown for one whose extensions cannot be read."""
    try:
        extensions = certificate.extensions
        names, addresses = _alternatives(extensions)
        usages = _usages(extensions)
        authority = is_authority(certificate)
        return Said(
            certificate.subject.rfc4514_string(),
            certificate.issuer.rfc4514_string(),
            certificate.serial_number,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            names,
            addresses,
            usages,
            authority,
        )
    except ValueError as error:
        return Unknown(f"has an extension that cannot be read: {error}")


def java_name(name: x509.Name) -> str | None:
    """Return a subject as Java's X500Principal.getName writes it, which is the name of a Kafka principal.

    None for one with attributes beyond RFC 2253's, which Java writes as hexadecimal digits.
    """
    if any(attribute.oid not in _RFC2253 for attribute in name):
        return None
    return name.rfc4514_string()


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate says that its owner is a CA. Raises ValueError for extensions that cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def may_sign(certificate: x509.Certificate) -> bool:
    """Tell whether a CA's certificate allows it to sign others. Raises ValueError for extensions that cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def covers(pattern: str, name: str) -> bool:
    """Tell whether a name of a certificate stands for this one: the same, or ``*.`` in place of its first label (RFC 6125)."""
    if pattern == name:
        return True
    label, dot, domain = name.partition(".")
    return bool(label and dot and "." in domain) and pattern == f"*.{domain}"


def weakness(certificate: x509.Certificate) -> str | None:
    """Return what of a certificate is too weak, or of a kind that not each Java reads; None where all is well."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < SMALLEST_RSA:
            return f"has an RSA key of {key.key_size} bits; at least {SMALLEST_RSA} are safe"
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        kind = type(key).__name__.removesuffix("PublicKey")
        return f"has a key of the kind {kind}; each Java reads RSA and ECDSA only"
    elif key.curve.name not in _CURVES:
        return f"has a key on the curve {key.curve.name}; each Java reads {', '.join(_CURVES)} only"
    if isinstance(certificate.signature_hash_algorithm, _BROKEN):
        return f"is signed with {certificate.signature_hash_algorithm.name.upper()}, which Java refuses"
    return None


def _alternatives(extensions: x509.Extensions) -> tuple[frozenset[str], frozenset[Address]]:
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(), frozenset()
    names = frozenset(name.lower().rstrip(".") for name in found.get_values_for_type(x509.DNSName))
    addresses = frozenset(
        address
        for address in found.get_values_for_type(x509.IPAddress)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    )
    return names, addresses


def _usages(extensions: x509.Extensions) -> frozenset[Usage] | None:
    try:
        found = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
    every = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in found
    return frozenset(usage for usage in Usage if every or usage.oid in found)
