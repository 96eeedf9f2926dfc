"""Which kind of lab a name stands for."""

from pathlib import Path

import pytest

from kafab.errors import UsageError
from kafab.lab.kinds import Kind, chosen_kind


@pytest.mark.parametrize(
    ("written", "wanted", "expected"),
    [
        (None, None, Kind.LOCAL),
        (None, Kind.DOCKER, Kind.DOCKER),
        ('{"hosts": 3}', None, Kind.LOCAL),
        ('{"kind": "docker"}', None, Kind.DOCKER),
        ('{"kind": "docker"}', Kind.DOCKER, Kind.DOCKER),
        ("{", Kind.DOCKER, Kind.DOCKER),
    ],
)
def test_kind_is_found_from_the_folder(
    tmp_path: Path, written: str | None, wanted: Kind | None, expected: Kind
) -> None:
    """The other commands need no --kind; a folder that never was a lab is what the command line says."""
    (tmp_path / "lab").mkdir()
    if written:
        (tmp_path / "lab" / "lab.json").write_text(written)
    assert chosen_kind("lab", tmp_path, wanted) is expected


@pytest.mark.parametrize(
    ("written", "wanted"), [('{"hosts": 3}', Kind.DOCKER), ('{"kind": "docker"}', Kind.LOCAL)]
)
def test_another_kind_is_refused(tmp_path: Path, written: str, wanted: Kind) -> None:
    """A lab is ended by the kind that made it before another one takes its name."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "lab.json").write_text(written)
    with pytest.raises(UsageError, match="already"):
        chosen_kind("lab", tmp_path, wanted)
