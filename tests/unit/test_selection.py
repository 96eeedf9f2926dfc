"""The inventory of a command: what it names, KAFAB_CLUSTER, the lab that is up, the only file."""

from pathlib import Path

import pytest

from kafab.errors import UsageError
from kafab.inventory.selection import find_inventory, selected_lab


class Place:
    """A working folder with inventories and a state folder with labs."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "work"
        self.environ = {"KAFAB_HOME": str(root / "state")}
        (self.folder / "inventory").mkdir(parents=True)

    def inventory(self, name: str) -> Path:
        """Make inventory/NAME.yaml."""
        path = self.folder / "inventory" / f"{name}.yaml"
        path.touch()
        return path

    def lab(self, name: str) -> Path:
        """Bring a lab up."""
        path = Path(self.environ["KAFAB_HOME"]) / "labs" / name / "cluster.yaml"
        path.parent.mkdir(parents=True)
        path.touch()
        return path

    def find(self, wanted: str | None = None, **environ: str) -> Path:
        """Find the inventory as a command would."""
        return find_inventory(wanted, self.environ | environ, self.folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return an empty working folder and an empty state folder."""
    return Place(tmp_path)


def test_only_inventory_is_taken(place: Place) -> None:
    """A single file needs no name."""
    prod = place.inventory("prod")
    assert place.find() == prod


def test_examples_are_no_clusters_of_the_users(place: Place) -> None:
    """Files in folders below inventory/ are not looked at."""
    (place.folder / "inventory" / "examples").mkdir()
    (place.folder / "inventory" / "examples" / "three.yaml").touch()
    with pytest.raises(UsageError, match="there is no cluster"):
        place.find()


def test_lab_that_is_up_comes_before_the_only_inventory(place: Place) -> None:
    """A lab that is up is what commands mean."""
    place.inventory("prod")
    lab = place.lab("demo")
    assert place.find() == lab


def test_lab_without_inventory_is_not_up(place: Place) -> None:
    """A lab's folder without cluster.yaml is no cluster."""
    place.lab("demo").unlink()
    prod = place.inventory("prod")
    assert place.find() == prod


def test_variable_comes_before_the_lab(place: Place) -> None:
    """KAFAB_CLUSTER decides where no cluster is named."""
    prod = place.inventory("prod")
    place.lab("demo")
    assert place.find(KAFAB_CLUSTER="prod") == prod


def test_name_comes_before_the_variable(place: Place) -> None:
    """What the command names wins."""
    place.inventory("prod")
    stage = place.inventory("stage")
    assert place.find("stage", KAFAB_CLUSTER="prod") == stage


def test_name_of_a_file_comes_before_that_of_a_lab(place: Place) -> None:
    """A name is a file in inventory/ first."""
    place.lab("demo")
    file = place.inventory("demo")
    assert place.find("demo") == file


def test_name_of_a_lab(place: Place) -> None:
    """A lab has its folder's name."""
    lab = place.lab("demo")
    place.lab("other")
    assert place.find("demo") == lab


@pytest.mark.parametrize("written", ["other/six.yaml", "./other/six.yaml", "{folder}/other/six.yaml"])
def test_path(place: Place, written: str) -> None:
    """What has a slash or the ending of YAML is a path, from the working folder."""
    path = place.folder / "other" / "six.yaml"
    path.parent.mkdir()
    path.touch()
    assert place.find(written.format(folder=place.folder)) == path


@pytest.mark.parametrize(
    ("wanted", "variable", "message", "hint"),
    [
        ("prd", "", "there is no cluster 'prd'", "did you mean prod?"),
        ("zzz", "", "there is no cluster 'zzz'", "there are: prod, stage, demo, other"),
        ("no/such.yaml", "", "there is no file", "there are: prod, stage, demo, other"),
        ("", "prd", "KAFAB_CLUSTER: there is no cluster 'prd'", "did you mean prod?"),
        ("", "", "2 labs are up: demo, other", "name one: `fab on demo ...`, or set KAFAB_CLUSTER=demo"),
    ],
)
def test_error_lists_the_names(place: Place, wanted: str, variable: str, message: str, hint: str) -> None:
    """What cannot be found or told apart is an error with the names there are."""
    for name in ("prod", "stage"):
        place.inventory(name)
    for name in ("demo", "other"):
        place.lab(name)
    with pytest.raises(UsageError, match=message.replace("?", r"\?")) as caught:
        place.find(wanted or None, KAFAB_CLUSTER=variable)
    assert caught.value.hint == hint


def test_several_inventories(place: Place) -> None:
    """Several files without a name are an error that lists them."""
    place.inventory("prod")
    place.inventory("stage")
    with pytest.raises(UsageError, match="2 clusters are in inventory/: prod, stage"):
        place.find()


def test_nothing_at_all(place: Place) -> None:
    """Without any cluster the hint says how to begin."""
    with pytest.raises(UsageError, match="no lab is up") as caught:
        place.find()
    assert caught.value.hint is not None
    assert "inventory.new" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "environ", "meant"),
    [
        ("first", {}, "first"),
        (None, {"KAFAB_CLUSTER": "first"}, "first"),
        ("second", {"KAFAB_CLUSTER": "first"}, None),
        ("both", {}, None),
        (None, {}, None),
    ],
)
def test_on_names_the_lab_that_lab_down_ends(
    place: Place, wanted: str | None, environ: dict[str, str], meant: str | None
) -> None:
    """`fab on first lab.down` means the lab `first`; the name of an inventory file of one's own means no lab."""
    place.lab("first")
    place.lab("both")
    place.inventory("both")
    assert selected_lab(wanted, place.environ | environ, place.folder) == meant
