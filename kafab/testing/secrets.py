"""Secrets by reference that a test has set."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafab.command import Secret
from kafab.errors import UsageError
from kafab.ports import Secrets
from kafab.references import Reference


@dataclass
class FakeSecrets:
    """`kafab.ports.Secrets` of a mapping: a reference as the inventory has it -> its value."""

    values: Mapping[str, str] = field(default_factory=dict)
    read_so_far: list[str] = field(default_factory=list)
    """Every reference that was asked for, in order."""

    def read(self, reference: Reference, *, lines: bool = False) -> Secret:
        """Return the value. Raises UsageError where the test has set none, or one of several lines that is to be one line."""
        self.read_so_far.append(str(reference))
        value = self.values.get(str(reference))
        if not value:
            raise UsageError(f"{reference} is not set", hint="set it")
        if "\n" in value and not lines:
            raise UsageError(f"{reference} has several lines; a password is one", hint="write one line")
        return Secret(value)


def _typed_against_the_port() -> Secrets:
    return FakeSecrets()
