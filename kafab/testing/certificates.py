"""Certificates that were never made: texts in their place, for plans of clusters with TLS."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from kafab.command import Secret
from kafab.config.render import Stores
from kafab.findings import Finding, Severity
from kafab.login import Identity
from kafab.model import Node, Version


class FakeCertificates:
    """`kafab.ports.Certificates` of a shelf that has all of them; ``serial`` tells one making of them from another."""

    def __init__(self, serial: int = 1) -> None:
        self.serial = serial
        self.clocks: dict[str, datetime] = {}

    def stores(self, nodes: Iterable[Node], version: Version) -> Mapping[Node, Stores]:  # noqa: ARG002  # the port's signature; one text for all
        """Return texts that name the node."""
        return {
            node: Stores(Secret(f"the key of {node.name}, {self.serial}\n"), "the CA\n") for node in nodes
        }

    def findings(
        self, nodes: Iterable[Node], clocks: Mapping[str, datetime] | None = None
    ) -> tuple[Finding, ...]:
        """Return that all is well, and remember the clocks."""
        self.clocks = dict(clocks or {})
        return tuple(Finding("certificate.expiry", node.name, Severity.OK, "good") for node in nodes)

    def identity(self) -> Identity:
        """Return names of files that are not there."""
        return Identity(Path("ca.crt"), Path("operator.crt"), Path("operator.key"))
