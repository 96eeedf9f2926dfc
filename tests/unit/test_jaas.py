"""JAAS texts; that Kafka and a JVM read them so is held in tests/contract/test_properties.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.config.jaas import login, options, section

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def test_login_is_one_statement() -> None:
    """Module, flag, options, and the semicolon that is so easily forgotten."""
    text = login(SCRAM, {"username": "kafab", "password": 'a"b\\c'})
    assert text == f'{SCRAM} required username="kafab" password="a\\"b\\\\c";'


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_options_are_read_back(given_options: dict[str, str]) -> None:
    """Whatever is in names and values, what was written is what is read."""
    assert options(login(SCRAM, given_options)) == given_options


def test_section_is_read_back() -> None:
    """A file's section has the same options."""
    text = section("Server", "org.apache.zookeeper.server.auth.DigestLoginModule", {"user_a b": "x;}"})
    assert (text.startswith("Server {\n"), text.endswith("};\n"), options(text)) == (
        True,
        True,
        {"user_a b": "x;}"},
    )


@pytest.mark.parametrize("given_options", [{"password": "a${b}"}, {"user_${b}": "a"}])
def test_value_that_a_jvm_replaces_is_refused(given_options: dict[str, str]) -> None:
    """In a file a JVM would put a system property there, and has no way to write it otherwise."""
    with pytest.raises(ValueError, match=r"\$\{"):
        section("Client", SCRAM, given_options)


@pytest.mark.parametrize("text", ["", "com.example.Other sufficient a=b;", "no jaas at all"])
def test_other_text_has_no_options(text: str) -> None:
    """What kafab has not made tells nothing."""
    assert options(text) == {}
