import os
from collections.abc import Iterator

import pytest

from kafab.errors import UsageError
from kafab.wiring import PASSWORD_FD, sudo_password_from


@pytest.fixture
def descriptor() -> Iterator[int]:
    """A descriptor with a password and what else is in the file."""
    reading, writing = os.pipe()
    os.write(writing, b"open sesame\nmore\n")
    os.close(writing)
    yield reading
    os.close(reading)


def test_password_is_the_first_line_of_the_descriptor(descriptor: int) -> None:
    """One line, without its end; the second cluster of a command line gets the same."""
    both = [sudo_password_from({PASSWORD_FD: str(descriptor)}) for _ in range(2)]
    assert [secret and secret.value for secret in both] == ["open sesame"] * 2


def test_no_variable_is_no_password() -> None:
    """Without the variable nothing is read."""
    assert sudo_password_from({}) is None


@pytest.mark.parametrize("number", ["", "three", "999", "-1"])
def test_bad_descriptor_is_a_usage_error(number: str) -> None:
    """A descriptor that cannot be read is told with the variable's name and an example."""
    with pytest.raises(UsageError, match=PASSWORD_FD):
        sudo_password_from({PASSWORD_FD: number})
