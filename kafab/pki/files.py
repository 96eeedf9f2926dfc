"""Certificates, keys and requests as the bytes of files, read and written. What cannot be read is Unknown with the reason."""

import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from kafab.command import Secret
from kafab.pki.values import Certificates, PrivateKey
from kafab.unknown import Unknown

LIMIT = 1 << 20
"""Bytes of a file of certificates: far above any chain."""
ENCRYPTED = Unknown("is encrypted, and no password for it was given")
WRONG_PASSWORD = Unknown("cannot be decrypted: the password is wrong, or the file is damaged")

_PEM = b"-----BEGIN "
# Kafka reads one key of a file; a certificate may stand beside it.
_KEY = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)


def certificates_in(data: bytes) -> Certificates | Unknown:
    """Return the certificates of a file in its order: PEM, or one in DER, as Windows' CA hands it out."""
    try:
        if _PEM in data:
            return tuple(x509.load_pem_x509_certificates(data))
        return (x509.load_der_x509_certificate(data),)
    except ValueError:
        return Unknown("has no certificate that can be read, in PEM or DER")


def key_in(data: bytes, password: Secret | None = None) -> PrivateKey | Unknown:
    """Return the private key of a file, PEM or DER. A password that an unencrypted key does not need is left aside."""
    found = _KEY.search(data)
    encrypted = b"ENCRYPTED" in found[0] if found else False
    given = password.value.encode() if password is not None and (encrypted or not found) else None
    if encrypted and not given:
        return ENCRYPTED
    try:
        if found:
            return load_pem_private_key(found[0], given)
        return load_der_private_key(data, None)
    except TypeError:
        return ENCRYPTED
    except ValueError:
        return WRONG_PASSWORD if encrypted else Unknown("has no private key that can be read, in PEM or DER")
    except Exception as error:  # noqa: BLE001  # UnsupportedAlgorithm, and a panic of the parser's, are of no common class
        return Unknown(f"has a private key that cannot be read: {error}")


def is_encrypted(data: bytes) -> bool:
    """Tell whether the file's key is encrypted."""
    found = _KEY.search(data)
    return bool(found) and b"ENCRYPTED" in found[0]  # type: ignore[index]


def pem(certificates: Certificates) -> bytes:
    """Return certificates as the text of a file, in their order."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(key: PrivateKey, password: Secret | None = None) -> bytes:
    """Return a key as PKCS#8 in PEM, which is what Kafka reads; encrypted where there is a password."""
    how = BestAvailableEncryption(password.value.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def request_pem(request: x509.CertificateSigningRequest) -> bytes:
    """Return a request as the text of a file."""
    return request.public_bytes(Encoding.PEM)
