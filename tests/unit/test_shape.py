"""What a lab's cluster is made up of when somebody asks for little, and what no Kafka can fulfil."""

import json
from pathlib import Path

import pytest

from kafab.adapters.machine.localhost import Localhost
from kafab.errors import UsageError
from kafab.events import silent
from kafab.lab.named import NamedLab
from kafab.lab.shape import ANY, Controllers, Shape, Wish
from kafab.model import Mode, Version, VoterSource
from kafab.testing.fleet import FakeClock

OLD, BRIDGE, NEW = Version(2, 4, 1), Version(3, 9, 2), Version(4, 3, 1)
ZOOKEEPER = Shape(3, BRIDGE, Mode.ZOOKEEPER)
COMBINED = Shape(3, NEW, Mode.KRAFT, Controllers.COMBINED, VoterSource.DYNAMIC)
ISOLATED = Shape(3, NEW, Mode.KRAFT, Controllers.ISOLATED, VoterSource.STATIC)


@pytest.mark.parametrize(
    ("wish", "shape"),
    [
        (ANY, ZOOKEEPER),
        (Wish(hosts=12), Shape(12, BRIDGE, Mode.ZOOKEEPER)),
        (Wish(version=OLD), Shape(3, OLD, Mode.ZOOKEEPER)),
        (Wish(version=BRIDGE), ZOOKEEPER),
        (Wish(version=NEW), COMBINED),
        (Wish(mode=Mode.ZOOKEEPER), ZOOKEEPER),
        (Wish(mode=Mode.KRAFT), COMBINED),
        (
            Wish(mode=Mode.KRAFT, version=BRIDGE),
            Shape(3, BRIDGE, Mode.KRAFT, Controllers.COMBINED, VoterSource.DYNAMIC),
        ),
        (
            Wish(controllers=Controllers.ISOLATED),
            Shape(3, NEW, Mode.KRAFT, Controllers.ISOLATED, VoterSource.DYNAMIC),
        ),
        (
            Wish(quorum=VoterSource.STATIC),
            Shape(3, NEW, Mode.KRAFT, Controllers.COMBINED, VoterSource.STATIC),
        ),
        (
            Wish(version=BRIDGE, quorum=VoterSource.STATIC),
            Shape(3, BRIDGE, Mode.KRAFT, Controllers.COMBINED, VoterSource.STATIC),
        ),
    ],
    ids=str,
)
def test_wish_is_filled_up(wish: Wish, shape: Shape) -> None:
    """ZooKeeper on 3.9.2 by default; a version without it, and a word of KRaft's, mean KRaft on 4.3.1."""
    assert Shape.of(wish) == shape


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (
            Wish(mode=Mode.ZOOKEEPER, version=NEW),
            r"Kafka 4\.3\.1 with --mode zookeeper, which it has no more",
        ),
        (Wish(mode=Mode.KRAFT, version=OLD), r"Kafka 2\.4\.1 with --mode kraft; expected 3\.9\.0 or newer"),
        (Wish(quorum=VoterSource.STATIC, version=OLD), r"Kafka 2\.4\.1 with --mode kraft"),
        (Wish(mode=Mode.ZOOKEEPER, controllers=Controllers.ISOLATED), "expected --mode kraft"),
        (Wish(mode=Mode.ZOOKEEPER, quorum=VoterSource.DYNAMIC), "expected --mode kraft"),
    ],
    ids=str,
)
def test_impossible_wish_is_refused(wish: Wish, said: str) -> None:
    """What no Kafka can fulfil is a usage error."""
    with pytest.raises(UsageError, match=said):
        Shape.of(wish)


@pytest.mark.parametrize("shape", [ZOOKEEPER, COMBINED, ISOLATED], ids=str)
def test_lab_json_gives_the_shape_back(shape: Shape) -> None:
    """What is kept of a shape is all of it, beside whatever else a lab keeps."""
    assert Shape.read(json.loads(json.dumps({**shape.document, "kind": "local"}))) == shape


def test_lab_json_without_a_mode_is_zookeepers() -> None:
    """A lab from before KRaft mode goes on being what it was."""
    assert Shape.read({"hosts": 3, "version": "3.9.2", "kind": "local"}) == ZOOKEEPER


@pytest.mark.parametrize(
    ("shape", "number", "roles"),
    [
        (ZOOKEEPER, 1, {"zookeeper": 1, "broker": 1}),
        (COMBINED, 2, {"controller": 2, "broker": 2}),
        (ISOLATED, 3, {"controller": 103, "broker": 3}),
        (Shape(12, BRIDGE, Mode.ZOOKEEPER), 4, {"broker": 4}),
        (Shape(4, NEW, Mode.KRAFT, Controllers.ISOLATED, VoterSource.DYNAMIC), 4, {"broker": 4}),
        (Shape(2, NEW, Mode.KRAFT, Controllers.COMBINED, VoterSource.DYNAMIC), 2, {"broker": 2}),
    ],
    ids=str,
)
def test_roles_of_a_host(shape: Shape, number: int, roles: dict[str, int]) -> None:
    """Every host has a broker, the first ones a voter; only a combined process has one id for two roles."""
    assert shape.roles(number) == roles


@pytest.mark.parametrize(("hosts", "expected"), [(1, 1), (2, 1), (3, 3), (12, 3)])
def test_quorum_is_odd(hosts: int, expected: int) -> None:
    """A lab of any size has one or three voters."""
    assert sum(map(Shape(hosts, BRIDGE, Mode.ZOOKEEPER).is_voter, range(1, hosts + 1))) == expected


class _Lab(NamedLab):
    """A lab that only remembers its shape."""

    def __init__(self, labs: Path, shape: Shape, *, name: str = "lab", up: bool = True) -> None:
        super().__init__(name, labs, machine=Localhost(), clock=FakeClock(), emit=silent)
        self.folder.mkdir(parents=True)
        self._keep(shape)
        if up:
            self.inventory.touch()

    def ask(self, wish: Wish) -> None:
        self._refuse_other(wish)


@pytest.mark.parametrize(
    ("shape", "wish", "said"),
    [
        (ZOOKEEPER, Wish(hosts=5), "is up already, with 3 hosts"),
        (ZOOKEEPER, Wish(version=OLD), "is up already, with version 3.9.2"),
        (ZOOKEEPER, Wish(mode=Mode.KRAFT), "is up already, with mode zookeeper"),
        (ZOOKEEPER, Wish(controllers=Controllers.COMBINED), "is up already, with controllers none"),
        (ZOOKEEPER, Wish(quorum=VoterSource.STATIC), "is up already, with quorum none"),
        (COMBINED, Wish(mode=Mode.ZOOKEEPER), "is up already, with mode kraft"),
        (COMBINED, Wish(controllers=Controllers.ISOLATED), "is up already, with controllers combined"),
        (ISOLATED, Wish(quorum=VoterSource.DYNAMIC), "is up already, with quorum static"),
        (ISOLATED, Wish(hosts=1, version=OLD), "is up already, with 3 hosts and version 4.3.1"),
    ],
    ids=str,
)
def test_lab_of_another_shape_is_refused(tmp_path: Path, shape: Shape, wish: Wish, said: str) -> None:
    """Whatever is otherwise than asked for is named, and nothing that is the same."""
    with pytest.raises(UsageError) as refused:
        _Lab(tmp_path, shape).ask(wish)
    assert refused.value.message == f"lab {said}"


@pytest.mark.parametrize(
    "wish",
    [ANY, Wish(hosts=3), Wish(3, NEW, Mode.KRAFT, Controllers.ISOLATED, VoterSource.STATIC)],
    ids=str,
)
def test_lab_as_it_was_asked_for_is_taken(tmp_path: Path, wish: Wish) -> None:
    """Who asks for nothing, or for what is there, gets the lab that is there."""
    _Lab(tmp_path, ISOLATED).ask(wish)


def test_refusal_tells_how_to_end_that_lab(tmp_path: Path) -> None:
    """A lab that is not whole yet is there, not up; the hint has its name."""
    with pytest.raises(UsageError, match="big is there already") as refused:
        _Lab(tmp_path, ZOOKEEPER, name="big", up=False).ask(Wish(hosts=1))
    assert "`fab lab.down --name big`" in str(refused.value.hint)
