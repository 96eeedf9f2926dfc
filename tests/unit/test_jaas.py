"""JAAS texts; that Kafka reads them so is held in tests/contract/test_properties.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.config.jaas import login, read

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def test_login_is_one_statement() -> None:
    """Module, flag, options, and the semicolon that is so easily forgotten."""
    text = login(SCRAM, {"username": "kafab", "password": 'a"b\\c'})
    assert text == f'{SCRAM} required username="kafab" password="a\\"b\\\\c";'


def test_names_of_options_are_exact_too() -> None:
    """PLAIN has the name of a user in that of an option, which is quoted where it is no word."""
    assert (
        login("m", {"user_bro ker": "x", "user_broker": "y"})
        == 'm required "user_bro ker"="x" user_broker="y";'
    )


# Passwords come from text in UTF-8, which has no half of a pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=3))
def test_what_was_written_is_read(options: dict[str, str]) -> None:
    """Whatever is in names and values, a login that kafab has written is read back exactly."""
    assert read(login(SCRAM, options)) == (SCRAM, options)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m required",
        'm optional a="b";',
        "m required a=b;",
        'm required a="b"; n required;',
        'm required a="b',
        "${file:/etc/kafka/jaas:login}",
    ],
)
def test_another_text_is_not_read(text: str) -> None:
    """What kafab has not written is left to Kafka."""
    assert read(text) is None
