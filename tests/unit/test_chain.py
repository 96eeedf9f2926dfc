"""What the tasks of one command line share: which cluster a task after `lab.up` means."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.program import Program

from kafab.errors import UsageError
from tasks import lab as lab_tasks
from tasks.chain import CHAIN, Chain
from tests.fab import CHECKOUT

EXAMPLE = CHECKOUT / "inventory" / "examples" / "three.yaml"


@dataclass(frozen=True)
class MadeLab:
    """A lab without hosts: `up` writes its inventory."""

    inventory: Path

    def up(self, *_shape: object) -> None:
        """Write the inventory where a lab has it."""
        self.inventory.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLE, self.inventory)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], MadeLab]:
    """Return what makes a lab of a name below a home of the test's own; nothing is selected, before and after."""
    monkeypatch.setenv("KAFAB_HOME", str(tmp_path))
    monkeypatch.delenv("KAFAB_CLUSTER", raising=False)
    monkeypatch.setattr(CHAIN, "_wanted", None)
    monkeypatch.setattr(CHAIN, "_session", None)
    return lambda name: MadeLab(tmp_path / "labs" / name / "cluster.yaml")


def test_lab_up_selects_its_lab_beside_another(
    made: Callable[[str], MadeLab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In `fab lab.up --name second status` the second task means the new lab, though two are up."""
    made("first").up()
    monkeypatch.setattr("kafab.wiring.open_lab", lambda name, *_rest: made(name))
    program = Program(namespace=Collection(lab_tasks.up), name="fab", binary="fab")
    program.run(["fab", "up", "--name", "second"], exit=False)
    assert CHAIN.session().cluster.name == "second"


def test_two_labs_that_are_up_have_to_be_named(made: Callable[[str], MadeLab]) -> None:
    """Without `lab.up` or `on` before it no task guesses which of two labs is meant."""
    for name in ("first", "second"):
        made(name).up()
    with pytest.raises(UsageError, match="2 labs are up: first, second"):
        Chain().session()
