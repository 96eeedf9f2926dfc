"""The commands of certificates: what they make, keep and refuse, in real files.

The file is over 400 lines long because all its tests begin with the same folder of certificates.
"""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kafab.command import Secret
from kafab.errors import Failed, UsageError
from kafab.findings import Severity
from kafab.model import Cluster
from kafab.ops.secure.check import check
from kafab.ops.secure.install import MISSING, Installed, install
from kafab.ops.secure.issue import issue
from kafab.ops.secure.requests import requests
from kafab.ops.secure.shelf import Shelf, key_of
from kafab.pki import files, judging
from kafab.pki.making import belongs, new_authority, new_key, sign
from kafab.pki.values import OPERATOR, Authority
from kafab.pki.wants import wants
from kafab.references import Reference
from kafab.testing.kafka import FakeKafka
from kafab.testing.secrets import FakeSecrets
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
PASSWORD = Reference.parse("${env:CA}")
CANARY = "can4ry-pässword"


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster of two hosts in KRaft mode, each with a broker and a controller."""
    return replace(cluster_in(tmp_path, 2, "isolated"), name="prod", lab=False)


@pytest.fixture
def world(cluster: Cluster) -> FakeWorld:
    """A world that knows the password of the CA, and asks for one twice."""
    typed = {f"${{prompt:Password of the CA of prod{end}}}": CANARY for end in ("", " (the same again)")}
    return FakeWorld.of(FakeKafka(cluster), secrets=FakeSecrets({str(PASSWORD): CANARY, **typed}))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf that has nothing yet."""
    return Shelf(tmp_path / "state" / "pki" / "prod")


def made(cluster: Cluster, world: FakeWorld, shelf: Shelf, now: datetime = NOW) -> Authority:
    """Issue everything and return the CA."""
    issue(cluster, None, world, shelf, password=PASSWORD, now=now)
    authority = shelf.authority()
    assert not isinstance(authority, Unknown)
    return authority


def content(shelf: Shelf) -> dict[str, bytes]:
    """Return every file of a shelf."""
    return {
        str(file.relative_to(shelf.folder)): file.read_bytes()
        for file in sorted(shelf.folder.rglob("*"))
        if file.is_file()
    }


def test_each_node_and_the_operator_get_a_good_certificate(
    cluster: Cluster, world: FakeWorld, shelf: Shelf
) -> None:
    """After an issue all is judged to be good, controllers included."""
    made(cluster, world, shelf)
    checked = check(cluster, None, shelf, NOW)
    assert [row.owner for row in checked.rows] == [*(node.name for node in cluster.nodes), OPERATOR]
    assert {item.severity for item in checked.report.findings} == {Severity.OK}


def test_files_are_their_owners_alone(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """Each file has mode 0600 and each folder 0700, whatever the umask."""
    before = os.umask(0)
    try:
        made(cluster, world, shelf)
        requests(cluster, None, shelf)
    finally:
        os.umask(before)
    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode))
        for path in (shelf.folder, *shelf.folder.rglob("*"))
    }
    assert modes == {(True, 0o700), (False, 0o600)}


def test_key_of_the_authority_is_encrypted(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """The CA's key opens with its password alone, and no file has the password or the key in clear."""
    made(cluster, world, shelf)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in shelf.authority_key_file.read_bytes()
    assert isinstance(shelf.authority_key(Secret(CANARY)), ec.EllipticCurvePrivateKey)
    assert shelf.authority_key(Secret("x")) == files.WRONG_PASSWORD
    assert not [name for name, data in content(shelf).items() if CANARY.encode() in data]


def test_password_is_asked_for_twice(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """A password that was mistyped once would lock the CA for ever."""
    issue(cluster, None, world, shelf, now=NOW)
    assert shelf.authority_key_is_encrypted()
    asked = "${prompt:Password of the CA of prod"
    other = FakeSecrets({f"{asked}}}": CANARY, f"{asked} (the same again)}}": "x"})
    with pytest.raises(UsageError, match="differ"):
        issue(cluster, None, replace(world, secrets=other), Shelf(shelf.folder / "new"), now=NOW)


def test_lab_asks_for_nothing(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """In a lab the CA's key lies plain, and its certificates lie in the lab's own folder."""
    lab = replace(cluster, lab=True, source=shelf.folder / "cluster.yaml")
    silent = replace(world, secrets=FakeSecrets())
    found = Shelf.of(lab, Path("/nowhere"))
    issue(lab, None, silent, found, now=NOW)
    assert found.folder == shelf.folder / "pki"
    assert isinstance(found.authority_key(None), ec.EllipticCurvePrivateKey)


def test_second_issue_changes_nothing_and_reads_no_secret(
    cluster: Cluster, world: FakeWorld, shelf: Shelf
) -> None:
    """What is good is kept, byte for byte, and nobody is asked for a password."""
    made(cluster, world, shelf)
    before = content(shelf)
    done = issue(cluster, None, replace(world, secrets=FakeSecrets()), shelf, now=NOW)
    assert (done.made, len(done.kept), content(shelf) == before) == ((), 5, True)


@pytest.mark.parametrize(("days", "renewed"), [(397 - 31, 0), (397 - 29, 5), (500, 5)])
def test_what_ends_soon_is_made_anew(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, days: int, renewed: int
) -> None:
    """A certificate with less than 30 days left, or none, is replaced; the CA stays."""
    before = made(cluster, world, shelf)
    done = issue(cluster, None, world, shelf, password=PASSWORD, now=NOW + timedelta(days=days))
    assert (len(done.made), done.authority) == (renewed, None)
    assert shelf.authority() == before


@pytest.mark.parametrize("lost", ["crt", "key"])
def test_issue_converges_from_an_interruption(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, lost: str
) -> None:
    """Where a key and its certificate are no pair, or one is missing, just this one is made anew."""
    made(cluster, world, shelf)
    want = wants(cluster)[1]
    shelf.place(want, lost).unlink()
    done = issue(cluster, None, world, shelf, password=PASSWORD, now=NOW)
    assert done.made == (want.owner,)
    assert check(cluster, None, shelf, NOW).report.verdict is Severity.OK


def test_issue_after_a_new_key_alone(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """An issue that was killed between the key and the certificate is found, and the next one ends it."""
    made(cluster, world, shelf)
    want = wants(cluster)[0]
    shelf.put_key(want, new_key(), "key")
    assert [item.check for item in check(cluster, want.owner, shelf, NOW).rows[0].findings] == [judging.KEY]
    assert issue(cluster, None, world, shelf, password=PASSWORD, now=NOW).made == (want.owner,)


def test_wrong_password_is_told(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """A wrong password names the file, not the password, and changes nothing."""
    made(cluster, world, shelf)
    before = content(shelf)
    wrong = replace(world, secrets=FakeSecrets({str(PASSWORD): "wr0ng"}))
    with pytest.raises(Failed, match=r"ca\.key cannot be decrypted: the password is wrong") as told:
        issue(cluster, None, wrong, shelf, password=PASSWORD, renew=True, now=NOW)
    assert "wr0ng" not in f"{told.value} {told.value.hint}"
    assert content(shelf) == before


def test_authority_that_ended_signs_nothing(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """A CA past its end is refused before a password is asked for."""
    made(cluster, world, shelf)
    with pytest.raises(Failed, match=r"ca\.crt .* ended on 2031-11-25"):
        issue(cluster, None, replace(world, secrets=FakeSecrets()), shelf, now=NOW + timedelta(days=2000))


def test_damaged_authority_is_not_replaced(cluster: Cluster, world: FakeWorld, shelf: Shelf) -> None:
    """A CA's file that cannot be read stays: a new CA would cut the cluster in two."""
    made(cluster, world, shelf)
    shelf.authority_file.write_bytes(b"junk")
    with pytest.raises(Failed, match=r"ca\.crt is there and cannot be read"):
        issue(cluster, None, world, shelf, password=PASSWORD, now=NOW)


def test_folder_that_cannot_be_written_is_told(cluster: Cluster, world: FakeWorld, tmp_path: Path) -> None:
    """A file in the way of a folder is an error with its path."""
    (tmp_path / "pki").write_text("")
    with pytest.raises(Failed, match=r"pki.* cannot be written"):
        issue(cluster, None, world, Shelf(tmp_path / "pki" / "prod"), password=PASSWORD, now=NOW)


COMPANY = new_authority("company", NOW)


def signed(asked: dict[str, Path], folder: Path, **other: object) -> Path:
    """Sign requests as a company's CA does, and return the folder of its answers."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in asked.values():
        request = x509.load_pem_x509_csr(file.read_bytes())
        extension = request.extensions
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(COMPANY.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=90))
        )
        for one in extension:
            if type(one.value) is not other.get("without"):
                builder = builder.add_extension(one.value, one.critical)
        assert isinstance(COMPANY.key, ec.EllipticCurvePrivateKey)
        certificate = builder.sign(COMPANY.key, hashes.SHA256())
        (folder / f"{file.stem}.crt").write_bytes(files.pem((certificate,)))
    (folder / "ca.crt").write_bytes(files.pem(COMPANY.certificates))
    return folder


@pytest.fixture
def answers(cluster: Cluster, shelf: Shelf, tmp_path: Path) -> Path:
    """A folder with what a company's CA made of the requests."""
    asked = requests(cluster, None, shelf, tmp_path / "out")
    return signed(asked.files, tmp_path / "signed")


def take(cluster: Cluster, world: FakeWorld, shelf: Shelf, folder: Path, **other: str) -> Installed:
    """Install from a folder."""
    return install(cluster, None, world, shelf, folder, now=NOW, **other)  # type: ignore[arg-type]


def test_requests_come_back_as_certificates(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, answers: Path
) -> None:
    """What a CA signs of our requests is installed with the keys that stayed here, and is good."""
    done = take(cluster, world, shelf, answers)
    assert (len(done.copied), done.report.verdict) == (5, Severity.OK)
    assert check(cluster, None, shelf, NOW).report.verdict is Severity.OK


def test_second_request_is_of_the_same_keys(cluster: Cluster, shelf: Shelf, answers: Path) -> None:
    """A run while the CA is at work does not make its answers worthless."""
    before = key_of(shelf.place(wants(cluster)[0], "key"))
    assert requests(cluster, None, shelf).new_keys == ()
    after = key_of(shelf.place(wants(cluster)[0], "key"))
    assert not isinstance(before, Unknown)
    assert not isinstance(after, Unknown)
    assert before.public_key() == after.public_key()


def test_new_key_waits_for_its_certificate(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, answers: Path, tmp_path: Path
) -> None:
    """A request of a new key leaves the pair in use alone until the new certificate is installed."""
    take(cluster, world, shelf, answers)
    asked = requests(cluster, None, shelf, tmp_path / "out2", new_keys=True)
    assert (len(asked.new_keys), check(cluster, None, shelf, NOW).report.verdict) == (5, Severity.OK)
    done = take(cluster, world, shelf, signed(asked.files, tmp_path / "signed2"))
    assert (len(done.copied), list(shelf.folder.rglob("*next.key"))) == (5, [])
    assert check(cluster, None, shelf, NOW).report.verdict is Severity.OK


@pytest.mark.parametrize(
    "case",
    [
        (lambda file: file.write_bytes(b"junk"), judging.READABLE),
        (lambda file: file.write_bytes(file.with_name("node2-broker.crt").read_bytes()), judging.KEY),
        (lambda file: file.write_bytes(files.pem(COMPANY.certificates)), judging.AUTHORITY),
    ],
)
def test_one_defect_and_nothing_is_copied(
    cluster: Cluster,
    world: FakeWorld,
    shelf: Shelf,
    answers: Path,
    case: tuple[Callable[[Path], object], str],
) -> None:
    """Where one certificate of the folder has a defect no other is installed, and the report says which and why."""
    change, found = case
    before = content(shelf)
    change(answers / "node1-broker.crt")
    done = take(cluster, world, shelf, answers)
    assert (done.copied, done.report.exit_code, content(shelf)) == ((), 1, before)
    assert found in {item.check for item in done.report.findings if item.subject == "node1/broker"}


def test_names_that_a_company_left_out_are_listed(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, tmp_path: Path
) -> None:
    """CAs often drop the names that a request asked for; a client would refuse each node then."""
    asked = requests(cluster, None, shelf, tmp_path / "out")
    folder = signed(asked.files, tmp_path / "signed", without=x509.SubjectAlternativeName)
    done = take(cluster, world, shelf, folder)
    assert done.copied == ()
    assert {item.evidence["missing"][0] for item in done.report.findings if item.check == judging.NAMES} == {  # type: ignore[index]
        "127.0.0.1"
    }


def test_what_did_not_come_back_is_told(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, answers: Path
) -> None:
    """What is there and good is installed; what is missing is told, kafab's own as a warning."""
    (answers / "node2-broker.crt").unlink()
    (answers / "operator.crt").unlink()
    done = take(cluster, world, shelf, answers)
    told = {item.subject: item.severity for item in done.report.findings if item.check == MISSING}
    assert (len(done.copied), told) == (3, {"node2/broker": Severity.CRIT, "operator": Severity.WARN})


def by_hand(
    cluster: Cluster, folder: Path, stem: str, password: Secret | None = None, mode: int = 0o600
) -> Path:
    """Write certificates and keys that a company made itself, one a host, named after it."""
    folder.mkdir()
    for want in wants(cluster)[:-1]:
        name = folder / stem.format(host=want.owner.partition("/")[0])
        key = new_key()
        name.with_name(f"{name.name}.key").write_bytes(files.key_pem(key, password))
        name.with_name(f"{name.name}.key").chmod(mode)
        made = sign(COMPANY, want, key.public_key(), NOW)
        name.with_name(f"{name.name}.pem").write_bytes(files.pem((made,)))
    (folder / "root.pem").write_bytes(files.pem(COMPANY.certificates))
    return folder


@pytest.mark.parametrize("stem", ["{host}", "{host}-kafka"])
def test_company_brings_keys_and_certificates(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, tmp_path: Path, stem: str
) -> None:
    """A folder with a certificate and a key a host serves each node of it, named after the host or by a pattern."""
    folder = by_hand(cluster, tmp_path / "company", stem)
    pattern = None if stem == "{host}" else stem
    done = install(cluster, None, world, shelf, folder, pattern=pattern, now=NOW)
    assert len(done.copied) == 4
    key = key_of(shelf.place(wants(cluster)[0], "key"))
    (certificate,) = files.certificates_in(shelf.place(wants(cluster)[0], "crt").read_bytes())  # type: ignore[misc]
    assert not isinstance(key, Unknown)
    assert belongs(key, certificate)


def test_company_keys_with_a_password(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, tmp_path: Path
) -> None:
    """Encrypted keys need their password, which is given by reference; without it the finding says so."""
    folder = by_hand(cluster, tmp_path / "company", "{host}", Secret(CANARY))
    refused = install(cluster, None, world, shelf, folder, now=NOW)
    assert (
        refused.copied,
        {item.check for item in refused.report.findings if item.severity is Severity.CRIT},
    ) == (
        (),
        {judging.KEY},
    )
    assert len(install(cluster, None, world, shelf, folder, key_password=PASSWORD, now=NOW).copied) == 4


def test_key_that_others_may_read_is_refused(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, tmp_path: Path
) -> None:
    """A key with mode 0644 may be known to others already."""
    folder = by_hand(cluster, tmp_path / "company", "{host}", mode=0o644)
    done = install(cluster, None, world, shelf, folder, now=NOW)
    assert {item.check for item in done.report.findings if item.subject == "node1/broker"} == {judging.MODE}


def test_another_authority_than_before_is_refused(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, answers: Path
) -> None:
    """Nodes that trust different CAs are cut in two, so both must be trusted while they change."""
    made(cluster, world, shelf)
    with pytest.raises(UsageError, match="is another one"):
        take(cluster, world, shelf, answers)


def test_company_authority_is_not_signed_for(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, answers: Path
) -> None:
    """With a company's CA installed an issue is refused: its key is not here."""
    take(cluster, world, shelf, answers)
    with pytest.raises(UsageError, match="the CA of a company"):
        issue(cluster, None, world, shelf, password=PASSWORD, now=NOW)


def test_folder_without_certificates_is_told(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, tmp_path: Path
) -> None:
    """An empty folder is a mistake of the command line, and the names that were expected are told."""
    with pytest.raises(UsageError, match=r"expected node1-controller\.crt, node1-broker\.crt"):
        take(cluster, world, shelf, tmp_path)


def test_pattern_must_tell_hosts_apart(
    cluster: Cluster, world: FakeWorld, shelf: Shelf, answers: Path
) -> None:
    """A pattern without a word in it would give each node one certificate."""
    with pytest.raises(UsageError, match="has none of"):
        take(cluster, world, shelf, answers, pattern="kafka")


@pytest.fixture
def fab(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, world: FakeWorld, tmp_path: Path) -> Fab:
    """The tasks, with their state below a temporary folder."""
    from tasks import secure

    monkeypatch.setenv("KAFAB_HOME", str(tmp_path / "state"))
    return on_fakes(monkeypatch, cluster, world, tree_of(secure))


@pytest.mark.usefixtures("signals_given_back")
def test_commands_print_documents_and_exit_codes(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing there is exit code 1; after an issue it is 0, and the document has each certificate's words."""
    codes = [fab("secure.check", "--json")]
    first = json.loads(capsys.readouterr().out)
    codes += [fab("secure.issue", "--password", "${env:CA}"), fab("secure.check", "--json")]
    second = json.loads("{" + capsys.readouterr().out.rpartition("\n{")[2])
    assert (codes, first["exit_code"], second["schema"]) == ([1, 0, 0], 1, "kafab.secure-check/1")
    assert {one["subject"] for one in second["certificates"]} == {
        "CN=kafka-node,O=prod",
        "CN=kafab-operator,O=prod",
    }


@pytest.mark.usefixtures("signals_given_back")
def test_password_on_the_command_line_is_refused_unseen(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """A password in place of a reference is refused, and the error does not repeat it."""
    assert fab("secure.issue", "--password", CANARY) == 2
    told = capsys.readouterr()
    assert "expected a reference to a secret" in told.err
    assert CANARY not in told.out + told.err


@pytest.mark.usefixtures("signals_given_back")
def test_table_has_a_line_for_each(fab: Fab, capsys: pytest.CaptureFixture[str]) -> None:
    """People read subject, names, issuer, end and days left of each, and the CA's."""
    fab("secure.issue", "--password", "${env:CA}")
    fab("secure.check")
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out[out.index("OF ") :].splitlines()][:7] == [
        "OF",
        "CA",
        "node1/controller",
        "node1/broker",
        "node2/controller",
        "node2/broker",
        "operator",
    ]
