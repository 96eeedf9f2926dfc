import base64
import hashlib
import hmac
import subprocess
from pathlib import Path

import paramiko
import pytest

from kafab.adapters.hostkeys import KnownHosts, fingerprint, parse


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
    assert known.refusal(host, port, _key(made["ours"])) is None


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
    assert "host key unknown" in (known.refusal(host, port, _key(made["ours"])) or "")


def test_pattern_matches_as_ssh_keygen_finds_it(tmp_path: Path, made: dict[str, Path]) -> None:
    """A file that ssh-keygen has hashed is read as ssh-keygen -F reads it."""
    known = tmp_path / "known_hosts"
    known.write_text(f"node1,[node1]:2222 {_public(made['ours'])}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert "node1" not in known.read_text()
    assert KnownHosts.read(known).refusal("node1", 2222, _key(made["ours"])) is None


def test_unknown_key_says_how_to_accept_it(tmp_path: Path, made: dict[str, Path]) -> None:
    """The refusal has host, port, key type, fingerprint and the line that would accept the key."""
    shown = subprocess.run(
        ["ssh-keygen", "-lf", f"{made['ours']}.pub"], check=True, capture_output=True, text=True
    )
    said = _known(tmp_path, "").refusal("node1", 2222, _key(made["ours"])) or ""
    assert f"node1 port 2222 presented ssh-ed25519 {shown.stdout.split()[1]}" in said
    assert f"ssh-keyscan -p 2222 node1 >> {tmp_path / 'known_hosts'}" in said


def test_changed_key_names_the_line_that_differs(tmp_path: Path, made: dict[str, Path]) -> None:
    """Another key of the same type is a change, told with the file's line and both fingerprints."""
    known = _known(tmp_path, f"\n# pinned\n[node1]:2222 {_public(made['other'])}\n")
    said = known.refusal("node1", 2222, _key(made["ours"])) or ""
    assert "host key changed" in said
    assert f"{tmp_path / 'known_hosts'}:3" in said
    assert fingerprint(_key(made["other"]).asbytes()) in said
    assert "-R '[node1]:2222'" in said


def test_second_key_of_a_type_is_trusted_too(tmp_path: Path, made: dict[str, Path]) -> None:
    """While a host's key is being replaced, both lines are good."""
    known = _known(tmp_path, f"node1 {_public(made['other'])}\nnode1 {_public(made['ours'])}\n")
    assert known.refusal("node1", 22, _key(made["ours"])) is None


def test_revoked_key_is_refused_though_it_is_known(tmp_path: Path, made: dict[str, Path]) -> None:
    """A @revoked line wins over any other line with that key."""
    key = _public(made["ours"])
    said = _known(tmp_path, f"node1 {key}\n@revoked * {key}\n").refusal("node1", 22, _key(made["ours"]))
    assert "revoked" in (said or "")


def test_certificate_authority_trusts_no_plain_key(tmp_path: Path, made: dict[str, Path]) -> None:
    """The key of a @cert-authority line is not a host's own key."""
    known = _known(tmp_path, f"@cert-authority * {_public(made['ours'])}\n")
    assert "host key unknown" in (known.refusal("node1", 22, _key(made["ours"])) or "")


def test_key_types_are_the_known_ones(tmp_path: Path, made: dict[str, Path]) -> None:
    """The server is asked for the types that the file has for this host, in the file's order."""
    known = _known(
        tmp_path, f"node1 {_public(made['ecdsa'])}\nnode2 ssh-rsa AAAA\nnode1 {_public(made['ours'])}\n"
    )
    assert known.key_types("node1", 22) == ("ecdsa-sha2-nistp256", "ssh-ed25519")


def test_missing_file_is_told(tmp_path: Path, made: dict[str, Path]) -> None:
    """A known_hosts file that the inventory names and that is not there is part of the reason."""
    said = KnownHosts.read(tmp_path / "none").refusal("node1", 22, _key(made["ours"])) or ""
    assert f"{tmp_path / 'none'} does not exist" in said


@pytest.mark.parametrize(
    "line", ["", "# comment", "node1", "node1 ssh-ed25519", "node1 ssh-ed25519 not*base64"]
)
def test_line_that_is_no_key_is_left_out(line: str) -> None:
    """Comments and damaged lines do not end the reading of a file."""
    assert [key.where for key in parse(f"{line}\nnode2 ssh-ed25519 AAAA\n", "f")] == ["f:2"]
