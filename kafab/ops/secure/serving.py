"""What lies on the shelf, as a deploy and kafab's own clients use it: judged first."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from kafab.command import Secret
from kafab.config.render import Stores
from kafab.config.security import PKCS12_PASSWORD, node_subjects, operator_subject, reads_pem
from kafab.errors import Failed
from kafab.findings import Finding, Severity
from kafab.login import Identity
from kafab.model import Cluster, Node, Version
from kafab.ops.secure.shelf import Shelf
from kafab.pki import files
from kafab.pki.java import key_store, trust_store
from kafab.pki.judging import judged, judged_authority, usable
from kafab.pki.reading import java_name
from kafab.pki.values import Authority, Found, Leaf, Want
from kafab.pki.wants import operator_want, want
from kafab.unknown import Unknown
from kafab.words import few

_ALL = "`fab secure.check` shows all of them; `fab secure.issue` makes what is missing"


class ShelfCertificates:
    """`kafab.ports.Certificates` of one cluster's shelf."""

    def __init__(self, cluster: Cluster, shelf: Shelf) -> None:
        self._cluster = cluster
        self._shelf = shelf

    def stores(self, nodes: Iterable[Node], version: Version) -> Mapping[Node, Stores]:
        """Judge and read what these nodes show; in an upgrade the version is another one than the cluster's."""
        authority = self._authority()
        trusted = files.pem(authority.certificates).decode()
        found = {node: self._shelf.found(want(self._cluster, node)) for node in nodes}
        faults = [
            fault
            for node, one in found.items()
            for fault in self._faults(
                one, authority, want(self._cluster, node), node_subjects(self._cluster), "security.nodes"
            )
        ]
        if faults:
            told = few([f"\n  {fault}" for fault in faults], 10)
            raise Failed(f"nothing was changed; certificates with a defect:{told}", hint=_ALL)
        if reads_pem(version):
            return {node: Stores(_key_store(one), trusted) for node, one in found.items()}
        of_all = self._shelf.encoded(
            "ca.p12", trusted, lambda: trust_store(authority.certificates, Secret(PKCS12_PASSWORD))
        )
        return {node: Stores(self._encoded(node, one), of_all) for node, one in found.items()}

    def _encoded(self, node: Node, found: Found) -> Secret:
        name, source = f"nodes/{node.name}/node.p12", _key_store(found).value
        return Secret(
            self._shelf.encoded(name, source, lambda: key_store(_leaf(found), Secret(PKCS12_PASSWORD)))
        )

    def findings(
        self, nodes: Iterable[Node], clocks: Mapping[str, datetime] | None = None
    ) -> tuple[Finding, ...]:
        """Judge each at this moment, and at the one of its host."""
        now, authority = datetime.now(timezone.utc), self._shelf.authority()
        file, there = str(self._shelf.authority_file), clocks or {}
        wanted = [(want(self._cluster, node), there.get(node.host.name)) for node in nodes]
        wanted.append((operator_want(self._cluster), None))
        return (
            *judged_authority(authority, self._cluster.name, file, now),
            *(
                item
                for one, clock in wanted
                for item in judged(self._shelf.found(one), authority, one, now, clock)
            ),
        )

    def identity(self) -> Identity:
        """Judge kafab's own certificate, and return its files."""
        authority = self._authority()
        wanted = operator_want(self._cluster)
        found = self._shelf.found(wanted)
        subjects = (operator_subject(self._cluster),)
        if faults := self._faults(found, authority, wanted, subjects, "security.operator"):
            raise Failed(f"kafab cannot log in to {self._cluster.name}: {faults[0]}", hint=_ALL)
        return Identity(self._shelf.authority_file, found.file, found.key_file)

    def _authority(self) -> Authority:
        found = self._shelf.authority()
        findings = judged_authority(
            found, self._cluster.name, str(self._shelf.authority_file), datetime.now(timezone.utc)
        )
        if isinstance(found, Unknown) or not usable(
            item for item in findings if "days_left" not in item.evidence
        ):
            worst = max(findings, key=lambda item: item.severity)
            raise Failed(
                f"{self._cluster.name} has listeners with TLS, and {worst.detail}",
                hint=worst.hint,
            )
        return found

    def _faults(
        self, found: Found, authority: Authority, wanted: Want, subjects: tuple[str, ...], key: str
    ) -> list[str]:
        """Return what is wrong with a certificate, and with its subject: only those of the inventory are super users."""
        findings: tuple[Finding, ...] = judged(found, authority, wanted, datetime.now(timezone.utc))
        if not usable(findings):
            return [f"{wanted.owner}: {item.detail}" for item in findings if item.severity > Severity.WARN]
        if isinstance(found.certificates, Unknown):
            raise TypeError("a certificate that was judged can be read")
        subject = java_name(found.certificates[0].subject)
        if subject is None or subject in subjects:
            return []
        return [
            f"{wanted.owner}: its subject is {subject}; expected {' or '.join(subjects)}, or {key} in the inventory with it"
        ]


def _leaf(found: Found) -> Leaf:
    if isinstance(found.key, Unknown) or isinstance(found.certificates, Unknown):
        raise TypeError("a certificate that was judged can be read")
    return Leaf(found.certificates[0], found.key, found.certificates[1:])


def _key_store(found: Found) -> Secret:
    leaf = _leaf(found)
    return Secret((files.key_pem(leaf.key) + files.pem((leaf.certificate, *leaf.chain))).decode())
