"""What a destroy shows: which hosts lose what, and what is left."""

from pathlib import PurePosixPath

from kafab.plans.removal import Kept, Removals
from kafab.plans.removing import RemoveData, RemoveFiles, RemoveLink
from kafab.screens.destroy import document, grouped, text

ETC, OPT, DATA = (PurePosixPath(path) for path in ("/etc/kafka/broker", "/opt/kafka", "/data"))
FOUND = Removals(
    "small",
    (
        RemoveData("node1", DATA, "meta.properties", 1, None, note="its file system stays mounted"),
        RemoveFiles("node1", ETC, ("launch", "launch.kafab-new")),
        RemoveLink("node2", OPT / "current-broker"),
    ),
    (Kept("node1", DATA / "other", "not kafab's"), Kept("node2", DATA / "other", "not kafab's")),
)


def test_what_is_left_on_many_hosts_is_one_line() -> None:
    """The same path with the same reason is said once, with the hosts that have it."""
    assert text(FOUND).splitlines() == [
        "node1, node2: left /data/other (not kafab's)",
        "small: destroyed on node1, node2",
    ]


def test_nothing_to_do_is_said() -> None:
    """A second destroy says that there is nothing left to do."""
    assert text(Removals("small", (), ())) == "small: nothing to do"


def test_document_has_every_step() -> None:
    """`--json` has of each step the kind, the path and the words that people read."""
    found = document(FOUND)
    assert (found["schema"], found["changed"], found["hosts"]) == (
        "kafab.destroy/1",
        True,
        ["node1", "node2"],
    )
    assert found["removed"] == [
        {
            "host": "node1",
            "what": "data",
            "path": "/data",
            "text": "data /data (its file system stays mounted)",
        },
        {"host": "node1", "what": "files", "path": "/etc/kafka/broker", "text": "/etc/kafka/broker: launch"},
        {
            "host": "node2",
            "what": "link",
            "path": "/opt/kafka/current-broker",
            "text": "link /opt/kafka/current-broker",
        },
    ]


def test_equal_losses_are_grouped() -> None:
    """Hosts that lose the same are named together, in their order."""
    assert grouped([("a", 1), ("b", 2), ("c", 1)]) == [(1, "a, c"), (2, "b")]
