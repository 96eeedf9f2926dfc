"""One remark on a property: what was found and what was expected instead."""

from dataclasses import dataclass

from kafab.problems import Degree


@dataclass(frozen=True)
class Remark:
    """``name`` is the property to blame; ``on_name`` where its name is wrong, not its value."""

    name: str
    text: str
    severity: Degree = "error"
    on_name: bool = False
    unknown: bool = False
    """No version of Kafka's brokers has the name: only a plug-in could read it."""
