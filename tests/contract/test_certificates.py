"""Certificates of ours against those who will read them: OpenSSL, Python's TLS, and the JVM of this machine."""

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import datetime, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest

from kafab.command import Secret
from kafab.pki import files
from kafab.pki.java import ALIAS, key_store, trust_store
from kafab.pki.making import issue, new_authority, new_key, request
from kafab.pki.values import OPERATOR, Usage, Want
from tests.conftest import cannot_run

NOW = datetime.now(timezone.utc)
CA = new_authority("prod", NOW)
NODE = Want(
    "node1/broker", "prod", ("node1.example.org", "localhost"), (ip_address("127.0.0.1"), ip_address("::1"))
)
LEAF = issue(CA, NODE, NOW)
PASSWORD = Secret("changeit")


# Half the time of a JVM that lives for a moment goes into making it faster.
SHORT_LIVED = ("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC")


def ran(program: str, *words: str | Path) -> str:
    """Run a program of this machine and return what it said."""
    if shutil.which(program) is None:
        cannot_run(f"no {program} on the PATH")
    flags = SHORT_LIVED if Path(program).name == "keytool" else ()
    done = subprocess.run(
        [program, *flags, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder with a CA, a node's pair and a client's."""
    operator = issue(CA, Want(OPERATOR, "prod", usages=frozenset({Usage.CLIENT})), NOW)
    for name, leaf in (("node", LEAF), ("operator", operator)):
        (tmp_path / f"{name}.crt").write_bytes(files.pem((leaf.certificate,)))
        (tmp_path / f"{name}.key").write_bytes(files.key_pem(leaf.key))
    (tmp_path / "ca.crt").write_bytes(files.pem(CA.certificates))
    return tmp_path


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_verifies_a_node(there: Path, purpose: str) -> None:
    """OpenSSL takes a node's certificate for a server's and for a client's, by the strict reading of the standard."""
    words = (
        "-x509_strict",
        "-purpose",
        purpose,
        "-verify_hostname",
        "node1.example.org",
        "-verify_ip",
        "127.0.0.1",
    )
    assert (
        ran("openssl", "verify", *words, "-CAfile", there / "ca.crt", there / "node.crt")
        .strip()
        .endswith("OK")
    )


def test_openssl_shows_what_was_asked_for(there: Path) -> None:
    """OpenSSL's text of a leaf and of the CA has names, usages and constraints as the issue has them."""
    leaf, ca = (
        ran("openssl", "x509", "-in", there / name, "-noout", "-text") for name in ("node.crt", "ca.crt")
    )
    for words in (
        "DNS:node1.example.org, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "CA:FALSE",
    ):
        assert words in leaf
    assert "CA:TRUE, pathlen:0" in ca
    assert "Certificate Sign, CRL Sign" in ca


def test_openssl_verifies_a_request(tmp_path: Path) -> None:
    """OpenSSL, which many a company's CA is, reads a request with the names that it asks for."""
    (tmp_path / "node.csr").write_bytes(files.request_pem(request(NODE, new_key())))
    text = ran("openssl", "req", "-in", tmp_path / "node.csr", "-verify", "-noout", "-text")
    assert "DNS:node1.example.org" in text


def test_openssl_opens_the_key_of_the_authority(tmp_path: Path) -> None:
    """The CA's key, encrypted, is PKCS#8 that OpenSSL opens with the password."""
    assert CA.key is not None
    (tmp_path / "ca.key").write_bytes(files.key_pem(CA.key, PASSWORD))
    words = ("-in", tmp_path / "ca.key", "-passin", f"pass:{PASSWORD.value}", "-noout")
    ran("openssl", "pkey", *words)


def shaken(there: Path, name: str) -> str:
    """Shake hands with a node that asks for a client's certificate; return what the client says of it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(there / "node.crt", there / "node.key")
    server.load_verify_locations(there / "ca.crt")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=there / "ca.crt")
    client.load_cert_chain(there / "operator.crt", there / "operator.key")
    near, far = socket.socketpair()
    near.settimeout(20)
    far.settimeout(20)

    def serve() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as secured:
                secured.sendall(b"hello")
        except OSError:
            far.close()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with client.wrap_socket(near, server_hostname=name) as secured:
            return secured.recv(5).decode()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        near.close()
        serving.join()


@pytest.mark.parametrize("name", ["node1.example.org", "localhost", "127.0.0.1"])
def test_both_sides_shake_hands(there: Path, name: str) -> None:
    """A client that checks the name and a server that asks for a certificate take ours, for each name and address."""
    assert shaken(there, name) == "hello"


def test_another_name_is_refused(there: Path) -> None:
    """A client that asked for another name refuses the node."""
    assert "Hostname mismatch" in shaken(there, "node2.example.org")


JAVAS = sorted(
    {
        str(Path(found).resolve())
        for found in [shutil.which("keytool"), *map(str, Path("/usr/lib/jvm").glob("*/bin/keytool"))]
        if found
    }
)


@pytest.mark.parametrize("keytool", JAVAS or ["keytool"])
def test_java_reads_the_key_store(tmp_path: Path, keytool: str) -> None:
    """Each Java of this machine finds the key with its chain under its alias, and can take the key out."""
    (tmp_path / "key.p12").write_bytes(key_store(LEAF, PASSWORD))
    words = ("-storetype", "PKCS12", "-storepass", PASSWORD.value)
    listed = ran(keytool, "-list", "-v", "-keystore", tmp_path / "key.p12", *words)
    assert f"Alias name: {ALIAS}" in listed
    assert "Entry type: PrivateKeyEntry" in listed
    # A request is signed, which needs the key itself.
    ran(keytool, "-certreq", "-alias", ALIAS, "-keystore", tmp_path / "key.p12", *words)


@pytest.mark.parametrize("keytool", JAVAS or ["keytool"])
def test_java_trusts_the_trust_store(tmp_path: Path, keytool: str) -> None:
    """Each Java of this machine takes each CA of the trust store for a trusted one, which it does by an attribute alone."""
    other = new_authority("prod", NOW)
    (tmp_path / "trust.p12").write_bytes(trust_store((*CA.certificates, *other.certificates), PASSWORD))
    words = ("-keystore", tmp_path / "trust.p12", "-storetype", "PKCS12", "-storepass", PASSWORD.value)
    assert ran(keytool, "-list", *words).count("trustedCertEntry") == 2
