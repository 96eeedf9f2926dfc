"""Which inventories a command over many clusters means, and what each is called."""

from pathlib import Path

import pytest

from kafab.errors import UsageError
from kafab.inventory import fleet
from tests.fab import CHECKOUT

EXAMPLE = CHECKOUT / "inventory" / "examples" / "three.yaml"


def _inventory(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    return file


def test_folder_gives_its_inventories(tmp_path: Path) -> None:
    """Both endings are taken, and what is broken; other YAML is passed over, folders and hidden files are not looked at."""
    for name in ("b.yaml", "a.yml", ".hidden.yaml", "notes.txt"):
        _inventory(tmp_path, name)
    (tmp_path / "access.yaml").write_text("users: {}\n")
    (tmp_path / "play.yml").write_text("- hosts: all\n")
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "broken.yaml").write_text("{")
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    (tmp_path / "deeper.yaml").mkdir()
    found = fleet.files([str(tmp_path)], {}, tmp_path)
    names = ([path.name for path in part] for part in (found.inventories, found.passed_over))
    assert tuple(names) == (
        ["a.yml", "b.yaml", "broken.yaml", "empty.yaml", "gone.yaml"],
        ["access.yaml", "play.yml"],
    )


def test_inventory_that_is_named_twice_is_taken_once(tmp_path: Path) -> None:
    """By its folder, by its path and through a link it is the same one."""
    file = _inventory(tmp_path, "a.yaml")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    found = fleet.files([str(tmp_path), "./a.yaml"], {}, tmp_path)
    assert (found.inventories, len(found.again)) == ((file,), 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no inventory was named"),
        (["./empty"], "there is no inventory in"),
        (["./none"], "there is no file"),
    ],
)
def test_words_without_an_inventory_are_refused(tmp_path: Path, words: list[str], told: str) -> None:
    """Nothing to check is never healthy."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=told):
        fleet.files(words, {"KAFAB_HOME": str(tmp_path)}, tmp_path)


def test_clusters_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Two files of the same name have their paths behind it, and one alone has not."""
    paths = []
    for name in ("east", "west"):
        (tmp_path / name).mkdir()
        paths.append(_inventory(tmp_path / name, "prod.yaml"))
    found = fleet.members([*paths, _inventory(tmp_path, "test.yaml")])
    assert [one.name for one in found] == [f"prod ({paths[0]})", f"prod ({paths[1]})", "test"]


def test_same_brokers_under_two_names_are_told(tmp_path: Path) -> None:
    """A copied inventory whose addresses nobody changed is noticed."""
    found = fleet.members([_inventory(tmp_path, "a.yaml"), _inventory(tmp_path, "b.yaml")])
    assert fleet.same_nodes(found) == (("a", "b"),)
