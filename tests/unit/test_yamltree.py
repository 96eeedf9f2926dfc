"""YAML is read as text with places; what it would mean to YAML is only asked."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from kafab.inventory import yamltree
from kafab.inventory.yamltree import Listing, Scalar, Table, Unreadable, describe, meaning, read
from kafab.problems import Problems


def _read(tmp_path: Path, text: str) -> yamltree.Tree:
    file = tmp_path / "file.yaml"
    file.write_text(text, encoding="utf-8")
    problems = Problems(file)
    tree = read(file, problems)
    assert problems.errors == ()
    return tree


def test_places_and_texts(tmp_path: Path) -> None:
    """Every value keeps its text and knows its line and column, from 1."""
    tree = _read(tmp_path, "a: 3.10\nb:\n  - on\n  - 'x'\n")
    assert isinstance(tree, Table)
    (_, first), (key, second) = tree.entries
    assert first == Scalar("3.10", plain=True, line=1, column=4)
    assert (key.text, key.line, key.column) == ("b", 2, 1)
    assert isinstance(second, Listing)
    assert second.items == (
        Scalar("on", plain=True, line=3, column=5),
        Scalar("x", plain=False, line=4, column=5),
    )


def test_alias_stands_for_its_anchor(tmp_path: Path) -> None:
    """An alias is the value it names, counted with everything in it."""
    tree = _read(tmp_path, "a: &one [x, y]\nb: *one\n")
    assert isinstance(tree, Table)
    assert tree.entries[0][1] == tree.entries[1][1]
    assert tree.values == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.10", "number"),
        ("3.9.2", "text"),
        ("0100", "integer"),
        ("1_000", "integer"),
        ("0x10", "integer"),
        ("1:30", "integer"),
        ("on", "boolean"),
        ("No", "boolean"),
        ("2024-01-01", "date"),
        ("~", "null"),
        ("", "null"),
        ("<<", "text"),
    ],
)
def test_meaning_is_that_of_pyyaml(text: str, expected: str) -> None:
    """What a plain scalar would be is told by PyYAML's own rules; in quotes it is text."""
    assert meaning(Scalar(text, plain=True, line=1, column=1)) == expected
    assert meaning(Scalar(text, plain=False, line=1, column=1)) == "text"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0100", "0100, which YAML reads as the number 64"),
        ("1:30", "1:30, which YAML reads as the number 90"),
        ("off", "off, which YAML reads as false"),
        ("9092", "the number 9092"),
        ("0x_", "0x_, which YAML reads as a number"),
        ("x" * 50, "the text '" + "x" * 40 + "'…"),
    ],
)
def test_found_is_described(text: str, expected: str) -> None:
    """A description says what YAML would have made of it, and is short."""
    assert describe(Scalar(text, plain=True, line=1, column=1)) == expected


def test_both_parsers_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree is the same with libyaml and with PyYAML's own parser, where libyaml is not there."""
    text = "a: {b: [1, 'two', \"3\"], c: |\n    block\n  }\nd: *x\n".replace("|\n    block\n  ", "e").replace(
        "*x", "f"
    )
    with_default = _read(tmp_path, text)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert _read(tmp_path, text) == with_default


@given(some.text(max_size=60) | some.text(alphabet="ab:-[]{},&*!|>'\"%@#? \n\t", max_size=60))
def test_no_text_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Any text is a tree or a problem."""
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    problems = Problems(file)
    try:
        read(file, problems)
    except Unreadable:
        assert problems.errors
