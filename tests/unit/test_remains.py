"""What a host answers to the question of what of kafab's is on it."""

import pytest

from kafab.command import Result
from kafab.hosts.remains import HostRemains, parse
from kafab.unknown import Unknown


def test_folder_that_cannot_be_read_is_unknown() -> None:
    """What this login may not look into is not empty."""
    assert isinstance(parse(Result(0, b"closed /var/lib/kafka\nend\n", "")), Unknown)


@pytest.mark.parametrize("answer", [b"", b"folder /x\nreal /x\n", b"end"])
def test_answer_that_was_cut_off_is_unknown(answer: bytes) -> None:
    """Half an answer says nothing."""
    assert isinstance(parse(Result(0, answer, "")), Unknown)


def test_states_of_units_are_read() -> None:
    """auto-restart counts as active, failed as known; a unit that is only named by another one does not count."""
    said = (
        b"unit activating kafka-broker@a.service\nunit failed kafka-broker@b.service\n"
        b"unit inactive kafka-broker@c.service\nend\n"
    )
    found = parse(Result(0, said, ""))
    assert isinstance(found, HostRemains)
    assert (sorted(found.active), sorted(found.instances)) == (
        ["kafka-broker@a.service"],
        ["kafka-broker@a.service", "kafka-broker@b.service"],
    )
