"""Whether a certificate leads to a trusted one: by signatures, and by what each CA between them may do (RFC 5280, 6.1).

Kafka's Java looks at the same. What a CA may sign by its name constraints is left to it, and so are lists of revoked
certificates, which Kafka does not ask for.
"""

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from kafab.pki.reading import is_authority, may_sign, weakness
from kafab.pki.values import Certificates

DEEPEST = 8
"""CAs between a certificate and a trusted one; Java's own limit is 5."""


def path(
    certificate: x509.Certificate, between: Certificates, trusted: Certificates, now: datetime
) -> Certificates | str:
    """Return the CAs between a certificate and a trusted one, the nearest first, where it leads to one.

    Else the reason, as the end of a sentence that the certificate begins.
    """
    found: list[x509.Certificate] = []
    last = certificate
    while len(found) <= DEEPEST:
        anchor = _issuer(last, trusted)
        above = anchor or _issuer(last, tuple(one for one in between if one not in found))
        if above is None:
            return _nobody(last, certificate, between, trusted)
        if complaint := next(_may_not(above, len(found), now), None):
            return f"has {shown(above.subject)} above it, which {complaint}"
        if anchor is not None:
            return tuple(found)
        found.append(above)
        last = above
    return f"has more than {DEEPEST} CAs above it"


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the one has signed the other."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def shown(name: x509.Name) -> str:
    """Return a subject or an issuer as people read it."""
    return name.rfc4514_string() or "(no name)"


def _issuer(certificate: x509.Certificate, among: Certificates) -> x509.Certificate | None:
    """Return who has signed it, the one that ends last where a CA has several certificates."""
    found = [one for one in among if one.subject == certificate.issuer and signed_by(certificate, one)]
    return max(found, key=lambda one: one.not_valid_after_utc, default=None)


def _nobody(
    last: x509.Certificate, leaf: x509.Certificate, between: Certificates, trusted: Certificates
) -> str:
    """Return what is missing above the last certificate that was reached."""
    issuer = shown(last.issuer)
    reached = "" if last is leaf else f" leads to {shown(last.subject)}, which"
    if any(one.subject == last.issuer for one in (*between, *trusted)):
        return f"{reached} says that {issuer} signed it, and the certificate of that name has not: it is another CA's"
    if last is leaf and leaf.subject == leaf.issuer:
        return "is signed by itself, not by the CA"
    names = ", ".join(dict.fromkeys(shown(one.subject) for one in trusted))
    return f"{reached} is signed by {issuer}, whose certificate is not there; trusted is {names}".lstrip()


def _may_not(authority: x509.Certificate, below: int, now: datetime) -> Iterator[str]:
    """Yield why a CA may not sign what is below it, ``below`` other CAs among that."""
    try:
        if not is_authority(authority):
            yield "is no CA"
            return
        if not may_sign(authority):
            yield "may not sign certificates by its key usage"
        limit = authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        if limit is not None and below > limit:
            yield f"allows {limit} CAs below it, and there are {below}"
    except ValueError as error:
        yield f"has an extension that cannot be read: {error}"
    if now > authority.not_valid_after_utc:
        yield f"ended on {authority.not_valid_after_utc:%Y-%m-%d}"
    if now < authority.not_valid_before_utc:
        yield f"begins on {authority.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    if weak := weakness(authority):
        yield weak
