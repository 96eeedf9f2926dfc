"""What the tasks of one command line share: which cluster a task after `lab.up` means."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.program import Program

from kafab.errors import UsageError
from tasks import inventory as inventory_tasks
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
    monkeypatch.setattr(CHAIN, "made", None)
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


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder that somebody has removed."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("words", [["check"], ["new", "x"]])
def test_inventory_in_a_folder_that_is_gone_is_a_usage_error(
    made: Callable[[str], MadeLab], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence with what to type, and no traceback."""
    tasks = Collection(inventory_tasks.check, inventory_tasks.new)
    with pytest.raises(SystemExit) as ended:
        Program(namespace=tasks, name="fab", binary="fab").run(["fab", *words])
    assert (ended.value.code, "working directory" in capsys.readouterr().err) == (2, True)


@pytest.mark.usefixtures("gone")
def test_cluster_looked_for_in_a_folder_that_is_gone_is_a_usage_error(made: Callable[[str], MadeLab]) -> None:
    """The selection of a cluster looks into the working directory, and says that there is none."""
    with pytest.raises(UsageError, match="the working directory is gone"):
        Chain().session()
