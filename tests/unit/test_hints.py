"""Each command that a message tells to type exists, with these options and values.

The messages are read from the source: whatever names a `fab ...` line, as a hint, a note, a document or the help of a task.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.parser.context import ParserContext

from kafab.lab.kinds import Kind
from kafab.model import Cluster, Version
from kafab.plans.state import limited
from tasks import namespace as tasks
from tests.conftest import cluster_in

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "kafab").rglob("*.py"), *(ROOT / "tasks").glob("*.py")])
SHELL = sorted([*(ROOT / "kafab/shell/sh").glob("*.sh"), *(ROOT / "templates").rglob("*.j2")])

MENTIONED = re.compile(r"(?<![\w/.-])fab (?=[a-z-])")
IN_SOURCE = re.compile(r"fab[ \"']")
QUOTED = re.compile(r"`(?:[A-Z_]+=\S+ )?fab ([^`]*)`")
BARE = re.compile(r"(?:^|: |&& |\d )fab (.*)")
"""A command line without quotes ends with its text."""
OF_THE_SHELL = re.compile(r"\s\d*[<>].*")
NODES = {"limit", "node", "nodes", "accept_empty"}

STANDS_FOR = {
    "where": "prod",
    "' '.join((f'topics.delete {topic}' for topic in topics))": "topics.delete one topics.delete two",
    "cluster.source or cluster.name": "prod",
    "self._cluster.source or self._cluster.name": "prod",
    "self._name": "kafab-probe-00000000-0000",
    "first": "prod",
    "self._name_flag": " --name other",
    "Kind.VAGRANT.value": Kind.VAGRANT.value,
    "node.name": "node1/broker",
    "only": " --limit node1/broker",
    "line.node.name": "node1/broker",
    "name.version": "3.9.2",
    "','.join(stopping.values())": "node1/broker,node2/broker",
    "','.join(ours)": "node1/broker,node2/broker",
}
"""An expression of the source -> what it may be. Others are a word: they are no part of a command's options."""


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module as a reader sees them, each whole, without its documentation."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Constant | ast.JoinedStr) or _is_sum(node):
            yield _rendered(node)
        else:
            yield from _texts(node)


def _is_sum(node: ast.AST) -> bool:
    parts = ast.Constant | ast.JoinedStr
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Add)
        and (isinstance(node.left, parts) or isinstance(node.right, parts))
    )


def _rendered(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_rendered, node.values))
    if isinstance(node, ast.BinOp):
        return _rendered(node.left) + _rendered(node.right)
    expression = ast.unparse(node.value if isinstance(node, ast.FormattedValue) else node)
    return STANDS_FOR.get(expression, "word")


def _typed(text: str) -> list[str]:
    """Return the command lines that a text tells to type, without `fab`."""
    return QUOTED.findall(text) or BARE.findall(text)


def _told() -> Iterator[tuple[str, str]]:
    """Yield where a text stands that mentions a command, and the text."""
    for file in SOURCES:
        source = file.read_text(encoding="utf-8")
        # To parse them all would take each worker of the tests half a second.
        for text in _texts(ast.parse(source)) if IN_SOURCE.search(source) else ():
            if MENTIONED.search(text):
                yield str(file.relative_to(ROOT)), text
    for file in SHELL:
        for line in file.read_text(encoding="utf-8").splitlines():
            if MENTIONED.search(line):
                plain = line.replace("\\`", "`").replace("{{ node.name }}", "node1/broker")
                yield str(file.relative_to(ROOT)), plain


TOLD = sorted(set(_told()))


@cache
def _parser() -> Parser:
    """Return Invoke's parser of all tasks; a parse works on copies."""
    return Parser(contexts=deepcopy(tasks).to_contexts())


def wrong(line: str, cluster: Cluster) -> str | None:
    """Return why a command line could not run, None where its commands, options and the values of those exist."""
    words = shlex.split(OF_THE_SHELL.sub("", line))
    # A reader goes on where three dots are.
    words = [word for word in words if word != "..."]
    if words[:1] == ["--help"]:  # Invoke's own; COMMAND is for the reader to fill in
        words = [word for word in words[1:] if not word.isupper()]
    try:
        parsed = _parser().parse_argv(words)
    except ParseError as error:
        return str(error)
    if parsed.remainder and parsed[-1].name != "tool":
        return f"nobody takes {parsed.remainder}"
    return next((fault for call in parsed if (fault := _wrong_value(call, cluster))), None)


def _wrong_value(call: ParserContext, cluster: Cluster) -> str | None:
    for name, argument in call.args.items():
        # NODE and NAME are for the reader to fill in.
        if not argument.got_value or not isinstance(argument.value, str) or argument.value.isupper():
            continue
        if name in NODES:
            limited(cluster, argument.value)
        if name == "kind":
            Kind(argument.value)
        if name == "version":
            Version.parse(argument.value)
    return None


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return a cluster with the nodes that stand for those of a message."""
    return cluster_in(tmp_path_factory.mktemp("hints"), 3)


@pytest.mark.parametrize(("place", "text"), TOLD)
def test_command_of_a_message_can_be_typed(place: str, text: str, cluster: Cluster) -> None:
    """What a message tells to type is a command with these options and values."""
    lines = _typed(text)
    assert len(lines) == len(MENTIONED.findall(text)), f"{place}: quote the command in {text!r}"
    assert [fault for line in lines if (fault := wrong(line, cluster))] == []


@pytest.mark.parametrize("line", ["no.such", "start --no-such", "can-stop", "start -- now", "start --limit"])
def test_wrong_command_is_noticed(line: str, cluster: Cluster) -> None:
    """The check of the messages can turn red."""
    assert wrong(line, cluster) is not None


def test_messages_are_found() -> None:
    """The source is read to the end: messages of operations, checks, tasks and scripts are among those found."""
    folders = {"/".join(place.split("/")[:2]) for place, _ in TOLD}
    assert {"kafab/ops", "kafab/checks", "kafab/rolling", "kafab/lab", "kafab/shell"} <= folders
    assert len(TOLD) > 50
