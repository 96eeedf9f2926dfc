"""What a dashboard is: panels, each with what it asks Prometheus."""

from dataclasses import dataclass

from kafab.metrics.prometheus import JOB

OF = f'job="{JOB}", cluster="$cluster"'
"""What selects the figures that the nodes of a cluster show."""
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """One chart: its title, what it asks Prometheus, a line's name, and the unit (Grafana's own word)."""

    title: str
    expr: str
    """With Grafana's ``$cluster``, ``$node`` and ``$__rate_interval`` in it."""
    line: str
    unit: str = "short"
    mode: str = ""
    """``zookeeper``, ``kraft`` or ``tls`` where only clusters of that mode, or with TLS, have such a figure."""
    says: str = ""
    """What a reader should see in it."""


@dataclass(frozen=True)
class Board:
    """One dashboard; ``of_node`` has a choice of nodes beside that of clusters."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    of_node: bool = False
