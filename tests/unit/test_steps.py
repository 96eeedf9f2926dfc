"""What a plan shows of a file: never a secret, however its line is written."""

import pytest

from kafab.steps import masked


@pytest.mark.parametrize(
    "line",
    [
        "ssl.key.password=hunter2",
        "ssl.key.password: hunter2",
        "ssl.key.password hunter2",
        "  ssl.key.password = hunter2",
        "ssl.keystore.key=hunter2",
        "sasl.jaas.config=org.x.Login required password=hunter2;",
    ],
)
def test_secret_is_masked(line: str) -> None:
    """Java ends a key at '=', ':' or a blank: the value behind each of them is hidden (fault 31)."""
    assert "hunter2" not in masked(f"broker.id=1\n{line}\n")


def test_what_is_no_secret_is_shown() -> None:
    """Other lines stay as they are."""
    assert (
        masked("ssl.keystore.location=/etc/k.jks\nlog.dirs=/a\n")
        == "ssl.keystore.location=/etc/k.jks\nlog.dirs=/a\n"
    )
