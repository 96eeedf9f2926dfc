"""What is shown of a file: never a secret, however its line is written, and nothing to guess it by."""

import hashlib

import pytest

from kafab.config import masking
from kafab.config.masking import holds_secret, masked, without_secrets


@pytest.mark.parametrize(
    "line",
    [
        "ssl.key.password=hunter2",
        "ssl.key.password: hunter2",
        "ssl.key.password hunter2",
        "  ssl.key.password = hunter2",
        "ssl.keystore.key=hunter2",
        "sasl.jaas.config=org.x.Login required password=hunter2;",
        "sasl.jaas.config=org.x.Login required \\\n  password=hunter2;",
        "sasl.jaas.config=org.x.Login required \\\n  user=ann \\\n  pass=hunter2;",
        "password=hunter2",
        "#ssl.key.password=hunter2",
    ],
)
def test_secret_is_masked(line: str) -> None:
    """Java ends a key at '=', ':' or a blank: the value behind each of them is hidden (fault 31)."""
    text = f"broker.id=1\n{line}\n"
    hidden = (masked(text), without_secrets(text))
    assert (holds_secret(text), *("hunter2" in found for found in hidden)) == (True, False, False)


@pytest.mark.parametrize(
    "key",
    [
        "ssl.KeyStore.Key",
        "password",
        "PASSPHRASE",
        "my.secret",
        "x.jaas.y",
        "token",
        "credential",
        "api.key",
        "ap\N{LATIN SMALL LETTER DOTLESS I}.key",
    ],
)
def test_each_word_makes_a_secret(key: str) -> None:
    """Every word by which a key is known for one of a secret is looked for, in either case, and letters that Python takes for it."""
    assert holds_secret(f"{key}=hunter2\n")


def test_what_is_no_secret_is_shown() -> None:
    """Other lines stay as they are."""
    assert (
        masked("ssl.keystore.location=/etc/k.jks\nlog.dirs=/a\n")
        == "ssl.keystore.location=/etc/k.jks\nlog.dirs=/a\n"
    )


def test_line_behind_a_secret_is_shown() -> None:
    """A secret ends with its line, unless a backslash is at the end of it."""
    assert without_secrets("ssl.key.password=a\nlog.dirs=/a\n") == "ssl.key.password=***\nlog.dirs=/a\n"


@pytest.mark.timeout(20)
def test_long_line_of_a_host_costs_no_more_than_its_length() -> None:
    """What a host sends is masked in a moment, whatever it made up."""
    assert not holds_secret("password" * 100_000)


def test_values_are_told_apart_within_a_run() -> None:
    """That a secret changes is seen: two values have two fingerprints, and one value has one."""
    first, second, again = (masked(f"ssl.key.password={value}") for value in ("a", "b", "a"))
    assert (first == again, first == second) == (True, False)


def test_fingerprint_is_of_no_use_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps the output of a run cannot try values: no digest of a value is in it, and the next run has another key."""
    first = masked("ssl.key.password=hunter2")
    monkeypatch.setattr(masking, "_KEY", b"the key of another run")
    plain = hashlib.sha256(b"hunter2").hexdigest()[:6]
    assert (plain in first, first == masked("ssl.key.password=hunter2")) == (False, False)
