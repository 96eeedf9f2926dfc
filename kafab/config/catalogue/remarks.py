"""One remark on a property: what was found and what was expected instead."""

from dataclasses import dataclass

from kafab.cautions import Caution
from kafab.problems import Degree


@dataclass(frozen=True)
class Remark:
    """``name`` is the property to blame; ``on_name`` where its name is wrong, not its value."""

    name: str
    text: str
    caution: Caution | None = None
    """The code of a warning; without it the remark is an error."""
    on_name: bool = False
    unknown: bool = False
    """No version of Kafka's brokers has the name: only a plug-in could read it."""

    @property
    def severity(self) -> Degree:
        """``warning`` for what Kafka takes."""
        return "error" if self.caution is None else "warning"
