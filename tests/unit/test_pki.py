"""Certificates: what a node's must say, that what we make is good, and that each defect is found and is the only finding.

The file is over 400 lines long because it has one table of defects, each made on purpose of the same good certificate.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from kafab.command import Secret
from kafab.findings import Severity
from kafab.listeners import Listener
from kafab.pki import files, judging
from kafab.pki.judging import judged, judged_authority, usable
from kafab.pki.making import belongs, issue, new_authority, new_key, request
from kafab.pki.reading import Said, covers, said
from kafab.pki.trust import path
from kafab.pki.values import OPERATOR, Authority, Found, Leaf, Usage, Want
from kafab.pki.wants import want, wants
from kafab.unknown import Unknown
from tests.conftest import cluster_in

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NODE = Want(
    "node1/broker", "prod", ("node1.example.org", "kafka.example.org"), (ipaddress.ip_address("10.0.0.11"),)
)
CA = new_authority("prod", NOW)
RSA_SMALL = rsa.generate_private_key(65537, 1024)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
NAME = (
    st.lists(LABEL, min_size=1, max_size=4)
    .map(".".join)
    .filter(lambda name: not name.replace(".", "").isdigit())
)
WANT = st.builds(
    lambda names, addresses: Want("node1/broker", "prod", tuple(names), tuple(addresses)),
    st.lists(NAME, max_size=4, unique=True),
    st.lists(st.ip_addresses(), max_size=4, unique=True),
)


def found(leaf: Leaf, **other: Any) -> Found:
    """Return a leaf as it is read back from its files."""
    as_read = Found(
        files.certificates_in(files.pem((leaf.certificate, *leaf.chain))),
        files.key_in(files.key_pem(leaf.key)),
        Path("/p/node.crt"),
        Path("/p/node.key"),
    )
    return replace(as_read, **other)


def checks(
    found: Found, authority: Authority | Unknown = CA, wanted: Want = NODE, now: datetime = NOW
) -> list[str]:
    """Return the checks of the findings that are not OK."""
    return [item.check for item in judged(found, authority, wanted, now) if item.severity is not Severity.OK]


def built(
    key: Any,
    *,
    signer: Any = CA.key,
    issuer: x509.Name = CA.certificate.subject,
    subject: x509.Name = NODE.subject,
    names: tuple[x509.GeneralName, ...] = NODE.alternatives,
    usages: tuple[x509.ObjectIdentifier, ...] = (
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    ),
    ca: bool = False,
    path_length: int | None = None,
    begin: datetime = NOW - DAY,
    end: datetime = NOW + 100 * DAY,
) -> x509.Certificate:
    """Return a certificate as somebody else would have made it."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signer, hashes.SHA256())


def name(text: str) -> x509.Name:
    """Return a subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@given(WANT)
def test_what_we_issue_is_good(wanted: Want) -> None:
    """Whatever names and addresses a node has, the certificate that we make for it has one finding, and it is OK."""
    findings = judged(found(issue(CA, wanted, NOW)), CA, wanted, NOW)
    assert [(item.check, item.severity) for item in findings] == [(judging.EXPIRY, Severity.OK)]


@given(WANT, st.data())
def test_missing_names_are_all_told(wanted: Want, data: st.DataObject) -> None:
    """A certificate that lacks some names and addresses has one finding, which lists just these."""
    kept = data.draw(
        st.sets(st.sampled_from((*wanted.names, *wanted.addresses)))
        if wanted.alternatives
        else st.just(set())
    )
    part = replace(
        wanted,
        names=tuple(one for one in wanted.names if one in kept),
        addresses=tuple(one for one in wanted.addresses if one in kept),
    )
    missing = [str(one) for one in (*wanted.names, *wanted.addresses) if one not in kept]
    findings = judged(found(issue(CA, part, NOW)), CA, wanted, NOW)
    assert [item.evidence.get("missing", []) for item in findings] == [missing]


def test_leaf_is_as_the_issue_asks() -> None:
    """A leaf is good for 397 days and from ten minutes ago, is no CA, and names key and issuer."""
    leaf = issue(CA, NODE, NOW).certificate
    extensions = leaf.extensions
    assert leaf.not_valid_after_utc - NOW == timedelta(days=397)
    assert NOW - leaf.not_valid_before_utc == timedelta(minutes=10)
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (
        extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        == CA.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    )


def test_authority_signs_and_does_nothing_else() -> None:
    """The CA lives for five years, signs certificates and lists, and allows no CA below it."""
    extensions = CA.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert CA.certificate.not_valid_after_utc - NOW == timedelta(days=5 * 365)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)


def test_two_authorities_of_a_cluster_have_two_names() -> None:
    """While CAs change both are trusted, so a chain must not be looked for under the other's name."""
    assert new_authority("prod", NOW).certificate.subject != CA.certificate.subject


def test_serials_differ() -> None:
    """No two certificates have one serial number."""
    assert len({issue(CA, NODE, NOW).certificate.serial_number for _ in range(20)}) == 20


def test_leaf_ends_with_its_authority() -> None:
    """A certificate does not outlive the CA that signed it."""
    short = new_authority("prod", NOW, 10 * DAY)
    assert issue(short, NODE, NOW).certificate.not_valid_after_utc == short.certificate.not_valid_after_utc


GOOD = issue(CA, NODE, NOW)
OTHER = new_authority("prod", NOW)
KEY = new_key()


def changed(**other: Any) -> Found:
    """Return a certificate with one thing different from a good one."""
    return found(Leaf(built(KEY, **other), KEY))


@pytest.mark.parametrize(
    ("defect", "check", "words"),
    [
        (lambda: found(issue(OTHER, NODE, NOW)), judging.CHAIN, "whose certificate is not there"),
        (lambda: changed(signer=OTHER.key), judging.CHAIN, "it is another CA's"),
        (lambda: changed(signer=KEY, issuer=NODE.subject), judging.CHAIN, "is signed by itself"),
        (
            lambda: changed(names=()),
            judging.NAMES,
            "node1.example.org, kafka.example.org, 10.0.0.11; it has nothing",
        ),
        (
            lambda: changed(names=(x509.DNSName("10.0.0.11"), *NODE.alternatives[:2])),
            judging.NAMES,
            "for 10.0.0.11",
        ),
        (lambda: changed(usages=(ExtendedKeyUsageOID.SERVER_AUTH,)), judging.USAGE, "use as client"),
        (lambda: changed(usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)), judging.USAGE, "use as server"),
        (
            lambda: changed(usages=(ExtendedKeyUsageOID.CODE_SIGNING,)),
            judging.USAGE,
            "use as client and server",
        ),
        (
            lambda: changed(end=NOW - timedelta(hours=3)),
            judging.DATES,
            "ended on 2026-11-26 09:00 UTC, 3 h 0 min ago",
        ),
        (
            lambda: changed(begin=NOW + 2 * DAY),
            judging.DATES,
            "not good before 2026-11-28 12:00 UTC, in 2 days",
        ),
        (lambda: changed(ca=True), judging.AUTHORITY, "is a CA's"),
        (lambda: found(replace(GOOD, key=KEY)), judging.KEY, "is not the key of /p/node.crt"),
        (lambda: found(GOOD, key=files.ENCRYPTED), judging.KEY, "is encrypted, and no password"),
        (lambda: found(GOOD, key=files.WRONG_PASSWORD), judging.KEY, "the password is wrong"),
        (lambda: found(GOOD, key_mode=0o640), judging.MODE, "has mode 0640"),
        (
            lambda: found(GOOD, certificates=files.certificates_in(b"junk")),
            judging.READABLE,
            "no certificate",
        ),
        (lambda: found(Leaf(built(RSA_SMALL), RSA_SMALL)), judging.STRENGTH, "RSA key of 1024 bits"),
        (lambda: changed(end=NOW + 29 * DAY), judging.EXPIRY, "for 29 days"),
    ],
)
def test_each_defect_is_the_only_finding(defect: Callable[[], Found], check: str, words: str) -> None:
    """A single defect is found, nothing else is said, and the finding names the file and what to do next."""
    (finding,) = judged(defect(), CA, NODE, NOW)
    assert (finding.check, finding.severity > Severity.OK) == (check, True)
    assert words in finding.detail
    assert "/p/node." in finding.detail
    assert finding.hint


@pytest.mark.parametrize(
    ("days", "severity"),
    [(31, Severity.OK), (30, Severity.OK), (29, Severity.WARN), (7, Severity.WARN), (6, Severity.CRIT)],
)
def test_expiry_has_two_thresholds(days: int, severity: Severity) -> None:
    """Below 30 days a certificate is a warning, below 7 it is critical; it may be used all the while."""
    findings = judged(changed(end=NOW + days * DAY), CA, NODE, NOW)
    assert ([item.severity for item in findings], usable(findings)) == ([severity], True)


def test_several_defects_are_several_findings() -> None:
    """What is wrong is told all at once."""
    assert sorted(checks(changed(names=(), end=NOW - timedelta(hours=1)))) == [judging.DATES, judging.NAMES]


def test_certificate_newer_than_the_clock_of_its_host() -> None:
    """A host whose clock is behind would refuse the certificate: the finding names the host and both times."""
    (finding,) = judged(found(GOOD), CA, NODE, NOW, host_now=NOW - timedelta(hours=1))
    assert finding.check == judging.CLOCK
    assert "clock of node1, which says 2026-11-26 11:00 UTC" in finding.detail


def test_clocks_may_differ_by_minutes() -> None:
    """A certificate that was made just now is good on a host that is nine minutes behind."""
    assert checks(found(GOOD)) == []
    assert [item.check for item in judged(found(GOOD), CA, NODE, NOW, NOW - timedelta(minutes=9))] == [
        judging.EXPIRY
    ]


MIDDLE_KEY, LOW_KEY = new_key(), new_key()
ROOT = Authority(
    (built(KEY, signer=KEY, issuer=name("root"), subject=name("root"), ca=True, names=(), usages=()),)
)
MIDDLE = built(
    MIDDLE_KEY,
    signer=KEY,
    issuer=name("root"),
    subject=name("middle"),
    ca=True,
    path_length=0,
    names=(),
    usages=(),
)
LOW = built(
    LOW_KEY, signer=MIDDLE_KEY, issuer=name("middle"), subject=name("low"), ca=True, names=(), usages=()
)


def below(key: Any, issuer: str, *chain: x509.Certificate) -> Found:
    """Return a certificate that an intermediate CA has signed, with a chain beside it."""
    own = new_key()
    return found(Leaf(built(own, signer=key, issuer=name(issuer)), own, chain))


@pytest.mark.parametrize("chain", [(MIDDLE,), (MIDDLE, ROOT.certificate), (GOOD.certificate, MIDDLE)])
def test_chain_is_found_in_any_order(chain: tuple[x509.Certificate, ...]) -> None:
    """A chain leads to the root by who signed whom, whatever else stands in the file."""
    assert checks(below(MIDDLE_KEY, "middle", *chain), ROOT) == []


@pytest.mark.parametrize(
    ("chain", "key", "issuer", "words"),
    [
        ((), MIDDLE_KEY, "middle", "is signed by CN=middle, whose certificate is not there"),
        ((LOW, MIDDLE), LOW_KEY, "low", "allows 0 CAs below it, and there are 1"),
        ((LOW,), LOW_KEY, "low", "leads to CN=low, which is signed by CN=middle"),
    ],
)
def test_broken_chain_is_told(chain: tuple[x509.Certificate, ...], key: Any, issuer: str, words: str) -> None:
    """A missing CA and one that may not sign are named."""
    (finding,) = judged(below(key, issuer, *chain), ROOT, NODE, NOW)
    assert finding.check == judging.CHAIN
    assert words in finding.detail


def test_leaf_signs_nothing() -> None:
    """A certificate that an ordinary one has signed leads nowhere, though each signature is right."""
    (finding,) = judged(below(GOOD.key, "x", GOOD.certificate), CA, NODE, NOW)
    assert finding.check == judging.CHAIN
    own = new_key()
    forged = built(own, signer=GOOD.key, issuer=GOOD.certificate.subject)
    assert "is no CA" in str(path(forged, (GOOD.certificate,), CA.certificates, NOW))


def test_circle_of_signers_ends() -> None:
    """Two CAs that have signed each other are no way to a trusted one, and no endless one."""
    one = built(MIDDLE_KEY, signer=LOW_KEY, issuer=name("low"), subject=name("middle"), ca=True)
    two = built(LOW_KEY, signer=MIDDLE_KEY, issuer=name("middle"), subject=name("low"), ca=True)
    assert checks(below(MIDDLE_KEY, "middle", one, two), ROOT) == [judging.CHAIN]


def test_either_of_two_authorities_is_trusted() -> None:
    """While a CA is replaced the old and the new one are trusted, and certificates of both are good."""
    both = Authority((*OTHER.certificates, *CA.certificates))
    assert [checks(found(issue(one, NODE, NOW)), both) for one in (CA, OTHER)] == [[], []]


def test_authority_that_ended_ends_its_certificates() -> None:
    """A certificate below a CA that has ended does not lead to it."""
    (finding,) = judged(found(Leaf(built(KEY, end=NOW + 4000 * DAY), KEY)), CA, NODE, NOW + 3000 * DAY)
    assert (finding.check, "ended on 2031-11-25" in finding.detail) == (judging.CHAIN, True)


@pytest.mark.parametrize(
    ("authority", "check", "severity"),
    [
        (CA, judging.AUTHORITY, Severity.OK),
        (Unknown("is not there"), judging.AUTHORITY, Severity.CRIT),
        (Authority((GOOD.certificate,)), judging.AUTHORITY, Severity.CRIT),
        (replace(CA, key=KEY), judging.KEY, Severity.CRIT),
        (new_authority("prod", NOW - 2000 * DAY), judging.DATES, Severity.CRIT),
        (new_authority("prod", NOW, 20 * DAY), judging.AUTHORITY, Severity.WARN),
    ],
)
def test_authority_is_judged(authority: Authority | Unknown, check: str, severity: Severity) -> None:
    """What is trusted is a CA, is good now, and its key is its own."""
    (finding,) = judged_authority(authority, "prod", "/p/ca.crt", NOW)
    assert (finding.check, finding.severity) == (check, severity)


@pytest.mark.parametrize(
    ("pattern", "asked", "covered"),
    [
        ("node1.example.org", "node1.example.org", True),
        ("*.example.org", "node1.example.org", True),
        ("*.example.org", "a.node1.example.org", False),
        ("*.example.org", "example.org", False),
        ("*.org", "example.org", False),
        ("node*.example.org", "node1.example.org", False),
        ("*", "node1", False),
    ],
)
def test_wildcard_stands_for_one_label(pattern: str, asked: str, covered: bool) -> None:
    """A star is a whole first label below a domain of two at least, as Java compares."""
    assert covers(pattern, asked) is covered


def test_names_of_a_node_are_those_of_its_listeners(tmp_path: Path) -> None:
    """A node must be reached by every address that it advertises, and by its host's; names and addresses are told apart."""
    cluster = cluster_in(tmp_path, controllers="combined")
    outer = Listener("OUTER", 9094, "Kafka.Example.org.")
    node = replace(cluster.nodes[0], listeners=(*cluster.nodes[0].listeners, outer))
    assert (want(cluster, node).names, want(cluster, node).addresses) == (
        ("kafka.example.org",),
        (ipaddress.ip_address("127.0.0.1"),),
    )


@pytest.mark.parametrize("controllers", ["", "combined", "isolated"])
def test_each_node_and_the_operator_have_one(tmp_path: Path, controllers: str) -> None:
    """ZooKeeper servers and controllers have certificates as brokers do; the operator's is a client's, without names."""
    cluster = cluster_in(tmp_path, 2, controllers)
    *nodes, operator = wants(cluster)
    assert [one.owner for one in nodes] == [node.name for node in cluster.nodes]
    assert (operator.owner, operator.alternatives, operator.usages) == (
        OPERATOR,
        (),
        frozenset({Usage.CLIENT}),
    )
    assert checks(found(issue(CA, operator, NOW)), CA, operator) == []


def test_request_asks_for_all_that_is_wanted() -> None:
    """A request has the names, the addresses and the usages, so that a CA which copies them makes a good certificate."""
    asked = files.request_pem(request(NODE, KEY))
    read = x509.load_pem_x509_csr(asked)
    assert read.is_signature_valid
    assert read.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value == x509.SubjectAlternativeName(NODE.alternatives)
    assert belongs(KEY, built(KEY))


PASSWORD = Secret("can4ry pässword")


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(
    ("given", "reads"), [(PASSWORD, True), (None, files.ENCRYPTED), (Secret("x"), files.WRONG_PASSWORD)]
)
def test_encrypted_key_needs_its_password(form: PrivateFormat, given: Secret | None, reads: object) -> None:
    """An encrypted key is read with its password alone; without and with another the reason is told, not the password."""
    data = KEY.private_bytes(Encoding.PEM, form, BestAvailableEncryption(PASSWORD.value.encode()))
    read = files.key_in(data, given)
    assert read == reads if isinstance(read, Unknown) else reads is True


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_key_is_read_whatever_stands_beside_it(encoding: Encoding) -> None:
    """A key in PEM may stand beside a certificate, one in DER alone; a password that it does not need is left aside."""
    data = KEY.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
    beside = files.pem((GOOD.certificate,)) + data if encoding is Encoding.PEM else data
    read = files.key_in(beside, PASSWORD)
    assert not isinstance(read, Unknown)
    assert belongs(read, built(KEY))


@given(st.binary(max_size=200))
def test_no_bytes_are_a_surprise(data: bytes) -> None:
    """Whatever a file has, reading it gives a value or a reason."""
    for begin in (b"", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\n"):
        assert isinstance(files.certificates_in(begin + data), Unknown | tuple)
        files.key_in(begin + data + b"\n-----END PRIVATE KEY-----")


def test_certificate_is_read_in_der() -> None:
    """A certificate as Windows' CA hands it out is read, too."""
    assert files.certificates_in(GOOD.certificate.public_bytes(Encoding.DER)) == (GOOD.certificate,)


def test_key_kinds_that_not_each_java_reads_are_refused() -> None:
    """Java 8 and 11 know neither Ed25519 nor, since 16, the curve secp256k1."""
    edward, koblitz = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256K1())
    for key in (edward, koblitz):
        assert checks(found(Leaf(built(key), key))) == [judging.STRENGTH]


def test_certificate_without_usages_is_good_for_each() -> None:
    """A certificate that says nothing of its usages may be shown as any."""
    assert checks(changed(usages=())) == []


def test_what_is_said_has_names_in_order() -> None:
    """A certificate's names stand before its addresses, each sorted."""
    what = said(GOOD.certificate)
    assert isinstance(what, Said)
    assert what.alternatives == ("kafka.example.org", "node1.example.org", "10.0.0.11")


def test_no_secret_is_shown() -> None:
    """Neither key nor password is in what a value shows of itself."""
    assert "PRIVATE" not in f"{found(GOOD)} {CA} {GOOD}"
    assert "key" not in repr(GOOD)
