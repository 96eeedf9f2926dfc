"""What the judges of one host share: what they look at, and how a finding about it is made."""

from collections.abc import Iterable, Sequence

from kafab.checks.preflight.local import Look
from kafab.findings import Finding, Severity
from kafab.model import Cluster, Host, Node


class OneHost:
    """One host that answered, and the nodes that are to run there. ``release``: its folder and bytes, where known."""

    def __init__(
        self, cluster: Cluster, host: Host, nodes: Sequence[Node], look: Look, release: tuple[str, int] | None
    ) -> None:
        self.cluster, self.host, self.nodes, self.look, self.release = cluster, host, nodes, look, release
        self.advice = Severity.OK if cluster.lab else Severity.WARN

    def found(
        self,
        check: str,
        severity: Severity,
        found: str,
        wanted: str = "",
        mend: str | None = None,
        *,
        subject: str = "",
    ) -> Finding:
        """Return a finding about the host, or the node that ``subject`` names."""
        evidence = {"host": self.host.name, "found": found, "wanted": wanted or None}
        detail = found if severity is Severity.OK or not wanted else f"{found}; wanted: {wanted}"
        return Finding(
            check,
            subject or self.host.name,
            severity,
            detail,
            evidence,
            None if severity is Severity.OK else mend,
        )


def listed(words: Iterable[str]) -> str:
    """Return the words with commas between them."""
    return ", ".join(words)
