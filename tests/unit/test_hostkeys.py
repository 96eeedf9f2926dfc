import base64
import hashlib
import hmac
import subprocess
from pathlib import Path

import paramiko
import pytest

from kafab.adapters.ssh.hostkeys import KnownHosts, Peer, fingerprint, parse


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three keys of ssh-keygen: two of one type, one of another."""
    folder = tmp_path_factory.mktemp("keys")
    files = {"ours": "ed25519", "other": "ed25519", "ecdsa": "ecdsa"}
    for name, kind in files.items():
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return {name: folder / name for name in files}


def _key(file: Path) -> paramiko.PKey:
    return paramiko.PKey.from_path(file)


def _public(file: Path) -> str:
    return " ".join(Path(f"{file}.pub").read_text().split()[:2])


def _known(tmp_path: Path, text: str) -> KnownHosts:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    return KnownHosts.read(file)


def _hashed(name: str) -> str:
    salt = b"twenty bytes of salt"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("node1", "node1", 22),
        ("NODE1", "node1", 22),
        ("node1", "Node1", 22),
        ("node1,10.0.0.11", "10.0.0.11", 22),
        ("[node1]:2222", "node1", 2222),
        ("node1", "node1", 2222),
        ("*.example.org", "node1.example.org", 22),
        ("node?", "node1", 22),
        ("[*.example.org]:2222", "node1.example.org", 2222),
        (_hashed("node1"), "node1", 22),
        (_hashed("[node1]:2222"), "node1", 2222),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222),
    ],
)
def test_name_in_the_file_trusts_its_key(
    tmp_path: Path, made: dict[str, Path], pattern: str, host: str, port: int
) -> None:
    """Every spelling of a name that OpenSSH understands trusts the key behind it."""
    known = _known(tmp_path, f"{pattern} {_public(made['ours'])} a comment\n")
    assert known.refusal(Peer(host, port), _key(made["ours"])) is None


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("node2", "node1", 22),
        ("[node1]:2222", "node1", 22),
        ("[node1]:2222", "node1", 2223),
        ("*.example.org,!node1.example.org", "node1.example.org", 22),
        ("n[o]de1", "node1", 22),
        (_hashed("node2"), "node1", 22),
        ("|1|broken", "node1", 22),
        ("|1|AAAA|***", "node1", 22),
        ("!node2", "node1", 22),
    ],
)
def test_other_names_trust_nothing(
    tmp_path: Path, made: dict[str, Path], pattern: str, host: str, port: int
) -> None:
    """A name that does not match leaves the key unknown."""
    known = _known(tmp_path, f"{pattern} {_public(made['ours'])}\n")
    assert "host key unknown" in (known.refusal(Peer(host, port), _key(made["ours"])) or "")


def test_pattern_matches_as_ssh_keygen_finds_it(tmp_path: Path, made: dict[str, Path]) -> None:
    """A file that ssh-keygen has hashed is read as ssh-keygen -F reads it."""
    known = tmp_path / "known_hosts"
    known.write_text(f"node1,[node1]:2222 {_public(made['ours'])}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert "node1" not in known.read_text()
    assert KnownHosts.read(known).refusal(Peer("node1", 2222), _key(made["ours"])) is None


def test_unknown_key_says_how_to_accept_it(tmp_path: Path, made: dict[str, Path]) -> None:
    """The refusal has host, port, key type, fingerprint and the line that would accept the key."""
    shown = subprocess.run(
        ["ssh-keygen", "-lf", f"{made['ours']}.pub"], check=True, capture_output=True, text=True
    )
    said = _known(tmp_path, "").refusal(Peer("node1", 2222), _key(made["ours"])) or ""
    assert f"node1 port 2222 presented ssh-ed25519 {shown.stdout.split()[1]}" in said
    assert f"ssh-keyscan -p 2222 node1 >> {tmp_path / 'known_hosts'}" in said


def test_changed_key_names_the_line_that_differs(tmp_path: Path, made: dict[str, Path]) -> None:
    """Another key of the same type is a change, told with the file's line and both fingerprints."""
    known = _known(tmp_path, f"\n# pinned\n[node1]:2222 {_public(made['other'])}\n")
    said = known.refusal(Peer("node1", 2222), _key(made["ours"])) or ""
    assert "host key changed" in said
    assert f"{tmp_path / 'known_hosts'}:3" in said
    assert fingerprint(_key(made["other"]).asbytes()) in said
    assert "-R '[node1]:2222'" in said


def test_second_key_of_a_type_is_trusted_too(tmp_path: Path, made: dict[str, Path]) -> None:
    """While a host's key is being replaced, both lines are good."""
    known = _known(tmp_path, f"node1 {_public(made['other'])}\nnode1 {_public(made['ours'])}\n")
    assert known.refusal(Peer("node1", 22), _key(made["ours"])) is None


def test_revoked_key_is_refused_though_it_is_known(tmp_path: Path, made: dict[str, Path]) -> None:
    """A @revoked line wins over any other line with that key."""
    key = _public(made["ours"])
    said = _known(tmp_path, f"node1 {key}\n@revoked * {key}\n").refusal(Peer("node1", 22), _key(made["ours"]))
    assert "revoked" in (said or "")


def test_certificate_authority_trusts_no_plain_key(tmp_path: Path, made: dict[str, Path]) -> None:
    """The key of a @cert-authority line is not a host's own key."""
    known = _known(tmp_path, f"@cert-authority * {_public(made['ours'])}\n")
    assert "host key unknown" in (known.refusal(Peer("node1", 22), _key(made["ours"])) or "")


def test_key_types_are_the_known_ones(tmp_path: Path, made: dict[str, Path]) -> None:
    """The server is asked for the types that the file has for this host, in the file's order."""
    known = _known(
        tmp_path, f"node1 {_public(made['ecdsa'])}\nnode2 ssh-rsa AAAA\nnode1 {_public(made['ours'])}\n"
    )
    assert known.key_types(Peer("node1", 22)) == ("ecdsa-sha2-nistp256", "ssh-ed25519")


def test_missing_file_is_told(tmp_path: Path, made: dict[str, Path]) -> None:
    """A known_hosts file that the inventory names and that is not there is part of the reason."""
    said = KnownHosts.read(tmp_path / "none").refusal(Peer("node1", 22), _key(made["ours"])) or ""
    assert f"{tmp_path / 'none'} does not exist" in said


@pytest.mark.parametrize(
    "line", ["", "# comment", "node1", "node1 ssh-ed25519", "node1 ssh-ed25519 not*base64"]
)
def test_line_that_is_no_key_is_left_out(line: str) -> None:
    """Comments and damaged lines do not end the reading of a file."""
    assert [key.where for key in parse(f"{line}\nnode2 ssh-ed25519 AAAA\n", "f")] == ["f:2"]


# Keys that are accepted, and certificates


def _accepted(known: KnownHosts, peer: Peer, key: paramiko.PKey) -> str | None:
    return known.accept(peer, key)[0]


def test_accepted_key_is_trusted_at_once_and_by_the_next_reader(
    tmp_path: Path, made: dict[str, Path]
) -> None:
    """The line is in the file under the name that OpenSSH would look for."""
    known = _known(tmp_path, "# no newline at the end")
    peer = Peer("Node1", 2222)
    assert _accepted(known, peer, _key(made["ours"])) is None
    text = (tmp_path / "known_hosts").read_text()
    assert text == f"# no newline at the end\n[node1]:2222 {_public(made['ours'])}\n"
    again = KnownHosts.read(tmp_path / "known_hosts")
    assert [each.refusal(peer, _key(made["ours"])) for each in (known, again)] == [None, None]


def test_accepted_key_makes_the_folder_of_its_file(tmp_path: Path, made: dict[str, Path]) -> None:
    """A first login ever finds no ~/.ssh: it is made as ssh makes it."""
    file = tmp_path / "home" / ".ssh" / "known_hosts"
    assert _accepted(KnownHosts.read(file), Peer("node1", 22), _key(made["ours"])) is None
    assert [each.stat().st_mode & 0o777 for each in (file.parent, file)] == [0o700, 0o600]


def test_second_key_for_one_name_is_not_accepted(tmp_path: Path, made: dict[str, Path]) -> None:
    """Two threads that meet a new host: the first key is kept, another one is a change."""
    known = _known(tmp_path, "")
    assert _accepted(known, Peer("node1", 22), _key(made["ours"])) is None
    assert "host key changed" in (_accepted(known, Peer("node1", 22), _key(made["other"])) or "")


def test_file_that_cannot_be_written_is_told(tmp_path: Path, made: dict[str, Path]) -> None:
    """A key that could not be kept is not trusted."""
    (tmp_path / "file").touch()
    known = KnownHosts.read(tmp_path / "file" / "known_hosts")
    assert "cannot be written" in (_accepted(known, Peer("node1", 22), _key(made["ours"])) or "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", True),
        ("node2 {other}", True),
        ("node1 {other}", False),
        ("node1 {ecdsa}", False),
        ("@cert-authority node1 {other}", False),
        ("@revoked * {ours}", False),
    ],
)
def test_only_the_key_of_a_host_that_no_line_knows_is_new(
    tmp_path: Path, made: dict[str, Path], line: str, expected: bool
) -> None:
    """A host with a key of another type, or with an authority, is known: its key may not be accepted unseen."""
    text = line.format(**{name: _public(file) for name, file in made.items()})
    assert _known(tmp_path, f"{text}\n").is_new(Peer("node1", 22), _key(made["ours"])) is expected


def test_alias_stands_for_host_and_port(tmp_path: Path, made: dict[str, Path]) -> None:
    """HostKeyAlias is looked up as it is, without a port."""
    known = _known(tmp_path, f"kafka-1 {_public(made['ours'])}\n")
    assert known.refusal(Peer("10.0.0.1", 2222, "Kafka-1"), _key(made["ours"])) is None
    assert "as other" in (known.refusal(Peer("10.0.0.1", 2222, "other"), _key(made["ours"])) or "")


def _certificate(made: dict[str, Path], folder: Path, *options: str) -> paramiko.PKey:
    """Return our key as a host presents it with a certificate that the other key has signed."""
    for file in (made["ours"], Path(f"{made['ours']}.pub")):
        (folder / file.name).write_bytes(file.read_bytes())
    command = [
        "ssh-keygen",
        "-q",
        "-s",
        str(made["other"]),
        "-I",
        "node1",
        *options,
        str(folder / "ours.pub"),
    ]
    (folder / "ours").chmod(0o600)
    subprocess.run(command, check=True, capture_output=True)
    text = (folder / "ours-cert.pub").read_text().split()[1]
    return paramiko.Ed25519Key(data=base64.b64decode(text))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-h", "-n", "node1,10.0.0.1"), None),
        (("-h",), None),
        (("-n", "node1"), "is a user's certificate"),
        (("-h", "-n", "node2"), "is for node2, not for node1"),
        (("-h", "-n", "node1", "-V", "20200101:20210101"), "is valid from 20"),
        (("-h", "-n", "node1", "-V", "20990101:20990102"), "is valid from 20"),
    ],
)
def test_certificate_is_judged(
    tmp_path: Path, made: dict[str, Path], options: tuple[str, ...], said: str | None
) -> None:
    """A certificate of the line's authority is trusted if it is a host's, for this name, now."""
    key = _certificate(made, tmp_path, *options)
    known = _known(tmp_path, f"@cert-authority *1 {_public(made['other'])}\n")
    refusal = known.refusal(Peer("node1", 22), key)
    assert (refusal is None) if said is None else (said in str(refusal))


def test_forged_certificate_is_refused(tmp_path: Path, made: dict[str, Path]) -> None:
    """One changed letter in what was signed, and the signature is wrong."""
    certificate = _certificate(made, tmp_path, "-h", "-n", "node9").public_blob
    assert certificate is not None
    blob = certificate.key_blob.replace(b"node9", b"node1")
    known = _known(tmp_path, f"@cert-authority * {_public(made['other'])}\n")
    refusal = known.refusal(Peer("node1", 22), paramiko.Ed25519Key(data=blob))
    assert "has a wrong signature" in str(refusal)


def test_certificate_of_a_revoked_authority_is_refused(tmp_path: Path, made: dict[str, Path]) -> None:
    """A @revoked line condemns what the key has signed, too."""
    key, authority = _certificate(made, tmp_path, "-h", "-n", "node1"), _public(made["other"])
    known = _known(tmp_path, f"@cert-authority * {authority}\n@revoked * {authority}\n")
    assert "authority of its certificate is revoked" in str(known.refusal(Peer("node1", 22), key))


def test_host_without_the_expected_certificate_is_told(tmp_path: Path, made: dict[str, Path]) -> None:
    """Where an authority is trusted and the host offers no certificate, that is said."""
    known = _known(tmp_path, f"@cert-authority * {_public(made['other'])}\n")
    assert "offers no certificate" in str(known.refusal(Peer("node1", 22), _key(made["ours"])))
    assert known.wants_certificate(Peer("node1", 22))
