"""Making what a cluster's own CA has: the CA itself, keys, requests, and the certificates that it signs.

Everything is ECDSA on P-256 with SHA-256, which every Java since 8 and every OpenSSL since 1.0 reads.
"""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from kafab.pki.values import AUTHORITY_LIFE, BACK_DATED, LEAF_LIFE, Authority, Leaf, PrivateKey, Want

_HASH = hashes.SHA256()


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a private key."""
    return ec.generate_private_key(ec.SECP256R1())


def new_authority(cluster: str, now: datetime, life: timedelta = AUTHORITY_LIFE) -> Authority:
    """Make a CA of a cluster, which signs its certificates directly: no CA may stand below it."""
    key = new_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, cluster),
            # Two CAs of a cluster must not have one name: while they change, both are trusted.
            x509.NameAttribute(
                NameOID.COMMON_NAME, f"kafab CA {now:%Y-%m-%d} {x509.random_serial_number():x}"[:30]
            ),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        _builder(name, name, key.public_key(), now, now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, _HASH)
    )
    return Authority((made,), key, own=True)


def issue(authority: Authority, want: Want, now: datetime, life: timedelta = LEAF_LIFE) -> Leaf:
    """Make a key and its certificate, signed by the authority, whose key must be there. It ends no later than the CA."""
    key = new_key()
    return Leaf(sign(authority, want, key.public_key(), now, life), key)


def sign(
    authority: Authority,
    want: Want,
    public: CertificateIssuerPublicKeyTypes,
    now: datetime,
    life: timedelta = LEAF_LIFE,
) -> x509.Certificate:
    """Sign a certificate for a public key. Raises TypeError where the authority's key is not there: callers judge it first."""
    ca = authority.certificate
    signer = authority.key
    if not isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError("the key of the CA is not there, or of a kind that signs no certificate here")
    end = min(now + life, ca.not_valid_after_utc)
    builder = _builder(want.subject, ca.subject, public, now, end)
    for extension, critical in _of_leaf(want):
        builder = builder.add_extension(extension, critical=critical)
    subject_key = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        builder.add_extension(subject_key, critical=False)
        .add_extension(_issuer_key(ca), critical=False)
        .sign(signer, _HASH)
    )


def request(want: Want, key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    """Make the request that a company's CA signs; it asks for the names, addresses and usages."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(want.subject)
    for extension, critical in _of_leaf(want):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, _HASH)


def belongs(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Tell whether the key is the private half of the certificate's."""
    parts = (
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for public in (key.public_key(), certificate.public_key())
    )
    return next(parts) == next(parts)


def _of_leaf(want: Want) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    usages = x509.ExtendedKeyUsage([use.oid for use in sorted(want.usages, reverse=True)])
    alternatives = [(x509.SubjectAlternativeName(want.alternatives), False)] if want.alternatives else []
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (usages, False),
        *alternatives,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: CertificateIssuerPublicKeyTypes,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACK_DATED)
        .not_valid_after(end)
    )


def _issuer_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
