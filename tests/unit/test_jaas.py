"""JAAS texts; that Kafka reads them so is held in tests/contract/test_properties.py."""

from kafab.config.jaas import login

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def test_login_is_one_statement() -> None:
    """Module, flag, options, and the semicolon that is so easily forgotten."""
    text = login(SCRAM, {"username": "kafab", "password": 'a"b\\c'})
    assert text == f'{SCRAM} required username="kafab" password="a\\"b\\\\c";'
