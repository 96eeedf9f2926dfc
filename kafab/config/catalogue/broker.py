"""One server.properties beside the catalogue of its version: each value in force, be it given or Kafka's default."""

from collections.abc import Mapping
from dataclasses import dataclass

from kafab.config.catalogue.definitions import Catalogue
from kafab.config.catalogue.values import number


@dataclass(frozen=True)
class Broker:
    """One server.properties and the catalogue of its version."""

    properties: Mapping[str, str]
    catalogue: Catalogue
    kraft: bool
    given: frozenset[str] = frozenset()
    """The names that a person wrote."""

    def text(self, name: str) -> str:
        """Return a value in force, Kafka's default where it is not given; empty where there is neither."""
        given = self.properties.get(name)
        known = self.catalogue.known.get(name)
        return (given if given is not None else (known.default if known else None) or "").strip()

    def number(self, name: str) -> float | None:
        """Return a numeric value in force; None where this Kafka does not know it or it is no number."""
        known = self.catalogue.known.get(name)
        return number(known, self.text(name)) if known else None

    def true(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.text(name).lower() == "true"

    def blamed(self, *names: str) -> str:
        """Return the one of these whose value to change: the first that a person wrote, else the first in the file."""
        found = [
            *(name for name in names if name in self.given),
            *(name for name in names if name in self.properties),
        ]
        return next(iter(found), names[0])

    @property
    def retention_ms(self) -> float | None:
        """How long records are kept: the finest unit that was given wins, -1 for ever; None where it is no number."""
        for name, unit in (
            ("log.retention.ms", 1),
            ("log.retention.minutes", 60_000),
            ("log.retention.hours", 3_600_000),
        ):
            if name in self.properties or name.endswith("hours"):
                value = self.number(name)
                return None if value is None else max(value * unit, -1)
        return None
