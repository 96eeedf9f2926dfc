"""What `logs` takes for a number of lines."""

import pytest

from kafab.errors import UsageError
from kafab.ops.logs import line_count


@pytest.mark.parametrize("text", ["many", "", "-1", "+5", "1.5", "1e3", "0x10", " 5", "²", "٣"])
def test_lines_that_are_no_number_are_refused(text: str) -> None:
    """What is not written in digits is told with what was found, before a host is asked."""
    with pytest.raises(UsageError) as refused:
        line_count(text)
    assert refused.value.message == f"found --lines {text}; expected a number like 50"


def test_lines_are_counted_in_digits() -> None:
    """A number is a number."""
    assert line_count("200") == 200
