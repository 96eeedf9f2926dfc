"""Until when certificates are good: what verify and status say."""

from datetime import datetime, timedelta, timezone

import pytest

from kafab.checks import certificates
from kafab.checks.certificates import judge_expiry, next_expiry
from kafab.findings import Severity
from kafab.model import Cluster
from kafab.ops.check.certificates import expiries
from kafab.pki.values import EXPIRY_CRIT, EXPIRY_WARN
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("days", "severity"),
    [
        (397, Severity.OK),
        (30, Severity.OK),
        (29, Severity.WARN),
        (7, Severity.WARN),
        (6, Severity.CRIT),
        (-1, Severity.CRIT),
    ],
)
def test_expiry_is_judged_by_the_days_left(small: Cluster, days: int, severity: Severity) -> None:
    """Below 30 days it is a warning, below 7 it is critical."""
    (found,) = judge_expiry({small.nodes[0]: NOW + timedelta(days=days)}, NOW)
    assert found.severity is severity


def test_limits_are_those_of_the_files_here() -> None:
    """A node's certificate and the file that it came from are judged alike."""
    assert (certificates.WARN, certificates.CRIT) == (EXPIRY_WARN, EXPIRY_CRIT)


def test_silent_node_is_unknown(small: Cluster) -> None:
    """A certificate that was not seen may have ended."""
    (found,) = judge_expiry({small.nodes[0]: Unknown("connection refused")}, NOW)
    assert found.severity is Severity.UNKNOWN


def test_status_names_the_one_that_ends_first(small: Cluster) -> None:
    """The line names the node, the day and the days left."""
    ends = {node: NOW + timedelta(days=40 + at) for at, node in enumerate(small.nodes)}
    told = next_expiry(ends, NOW)
    assert told == f"the certificate of {small.nodes[0].name} ends first: good until 2026-02-10, 40 days"


def test_cluster_in_the_clear_is_asked_for_no_certificate(small: Cluster) -> None:
    """Without TLS there is nothing to ask and nothing to say."""
    found = expiries(small.nodes, FakeWorld.of(FakeKafka(small)))
    assert (found, next_expiry(found, NOW)) == ({}, "")
