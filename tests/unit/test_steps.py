"""What names a plan: every field of every step of it, but for the values of secrets."""

import dataclasses
import functools
import hashlib
import json
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafab.config import masking
from kafab.config.render import RenderedFile
from kafab.model import Endpoint, Version
from kafab.plans.plan import Plan, Stage
from kafab.plans.steps import COUNTED, InstallRelease, MakeDirectory, Step, WriteFile, document
from kafab.releases.names import Agent, Artifact, ReleaseName
from kafab.shell.layout import MANIFEST

KINDS: tuple[Any, ...] = get_args(Step)
# No letter of these ends the key of a property: a text of them holds no secret.
NAMES = st.sampled_from(["a", "b", "c", "ab", "cab", "a/b", "b/a", "/a", "c/", "/a/b/", "abc/a"])
PATHS = NAMES.map(lambda name: PurePosixPath("/", name))
BASIC: Mapping[Any, st.SearchStrategy[Any]] = {
    str: NAMES,
    int: st.integers(0, 9),
    bool: st.booleans(),
    PurePosixPath: PATHS,
    Path: NAMES.map(Path),
    Version: st.builds(Version, *[st.integers(0, 9)] * 3),
}


@functools.cache
def values(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911  # one return a kind
    """Return values of an annotation; a type that is new in a step fails here, and gets a line above."""
    if kind in BASIC:
        return BASIC[kind]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(
            kind,
            **{item.name: values(hints[item.name]) for item in dataclasses.fields(kind)},
        )
    if kind in (str | None, PurePosixPath | None):
        return st.none() | (NAMES if kind == str | None else PATHS)
    if kind == Artifact | Agent:
        return values(Artifact) | values(Agent)
    if kind == tuple[str, ...]:
        return st.lists(NAMES, max_size=3).map(tuple)
    if kind == tuple[PurePosixPath, ...]:
        return st.lists(PATHS, max_size=3).map(tuple)
    if kind == Mapping[int, Endpoint]:
        return st.dictionaries(st.integers(1, 5), st.builds(Endpoint, NAMES, st.integers(1, 9)), max_size=3)
    raise TypeError(f"no values of {kind!r} are known")


def leaves(kind: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the way to each field of a step, and of the values in it, with its annotation."""
    hints = get_type_hints(kind)
    for item in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[item.name]):
            yield from leaves(hints[item.name], *above, item.name)
        elif item.compare:
            yield (*above, item.name), hints[item.name]


def at(value: Any, way: tuple[str, ...]) -> Any:
    """Return what is at the end of the way."""
    return at(getattr(value, way[0]), way[1:]) if way else value


def changed(value: Any, way: tuple[str, ...], other: Any) -> Any:
    """Return the value with something else at the end of the way."""
    if not way:
        return other
    return dataclasses.replace(value, **{way[0]: changed(getattr(value, way[0]), way[1:], other)})


def plan(*steps: Step) -> Plan:
    """Return a plan of these steps."""
    return Plan("prod", (Stage("configuration", steps),), ())


FIELDS = [
    pytest.param(kind, way, hint, id=f"{kind.__name__}-{'.'.join(way)}")
    for kind in KINDS
    for way, hint in leaves(kind)
    if way[-1] != "secret"  # which follows from the text
]


@pytest.mark.parametrize(("kind", "way", "hint"), FIELDS)
@settings(
    max_examples=10, deadline=None
)  # for each of the fields; the strategies are made in the first of them
@given(data=st.data())
def test_plans_that_differ_in_a_field_have_two_digests(
    kind: Any, way: tuple[str, ...], hint: Any, data: st.DataObject
) -> None:
    """Law: whatever field of whatever step is another one, the plan is another one, but for what is hidden."""
    # No lambdas: Hypothesis would read and parse the source of each.
    step = data.draw(values(kind).filter(functools.partial(_shown, way)))
    other = changed(step, way, data.draw(values(hint).filter(functools.partial(operator.ne, at(step, way)))))
    assert plan(step).digest != plan(other).digest


def _shown(way: tuple[str, ...], step: Any) -> bool:
    """Whether it is not the content of a key store: that is in no digest, and that it changes is (tests/unit/test_security.py)."""
    whole_secret = isinstance(step, WriteFile) and step.file.whole_secret
    if isinstance(step, WriteFile) and step.file.secret and way[-1] == "digest":
        return False
    return not (whole_secret and way[-1] in ("text", "digest", "before"))


@settings(deadline=None)  # the strategies are made in the first example
@given(st.data())
def test_equal_plans_have_one_digest(data: st.DataObject) -> None:
    """Law: the same steps give the same digest."""
    step = data.draw(st.one_of(*map(values, KINDS)))
    assert plan(step).digest == plan(dataclasses.replace(step)).digest


def test_plans_that_differ_in_their_order_have_two_digests() -> None:
    """Steps, stages, the cluster and what stays to be restarted count as well."""
    one, two = (MakeDirectory("n1", "n1/broker", PurePosixPath(path)) for path in ("/a", "/b"))
    first = plan(one, two)
    others = [
        plan(two, one),
        plan(one),
        Plan("prod", (Stage("configuration", (one,)), Stage("configuration", (two,))), ()),
        dataclasses.replace(first, cluster="test"),
        dataclasses.replace(first, restart_pending=("n1/broker",)),
        Plan("prod", (Stage("storage", (one, two)),), ()),
    ]
    assert len({found.digest for found in (first, *others)}) == 1 + len(others)


def test_where_the_archive_lies_here_is_no_part_of_the_plan() -> None:
    """Two operators with the same release in two places have one plan."""
    name = ReleaseName(Version(3, 9, 2), "2.13")
    here, there = (
        plan(
            InstallRelease("n1", PurePosixPath("/opt/kafka"), Artifact(name, Path(at), "ab" * 32, 9, source))
        )
        for at, source in (("/a.tar", "maven"), ("/b.tar", "archive"))
    )
    assert (here == there, here.digest == there.digest) == (True, True)


def test_every_kind_of_step_is_counted() -> None:
    """The summary leaves none out."""
    assert set(COUNTED) == set(KINDS)


# Files that hold secrets.


def written(text: str, before: str | None = None, name: str = "server.properties") -> WriteFile:
    """Return the step that writes this text."""
    return WriteFile("n1", "n1/broker", RenderedFile(PurePosixPath("/etc/kafka/broker", name), text), before)


SECRET = "broker.id=1\nssl.key.password={}\n"


def test_digest_does_not_depend_on_a_secret() -> None:
    """A digest that is the same in every run would let anybody try values: it says that there is a secret, and not which."""
    one, two = (plan(written(SECRET.format(value))) for value in ("hunter2", "hunter3"))
    assert one.digest == two.digest


def test_digest_is_the_same_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of a run, which shows that a secret changes, is no part of it."""
    step = written(SECRET.format("hunter2"), SECRET.format("hunter1"))
    first, shown = plan(step).digest, step.diff
    monkeypatch.setattr(masking, "_KEY", b"the key of another run")
    assert (plan(step).digest == first, step.diff == shown) == (True, False)


def test_digest_tells_that_a_secret_changes() -> None:
    """A plan that replaces a password is not the one that only gives its file another mode."""
    same, other = (plan(written(SECRET.format("a"), SECRET.format(before))) for before in ("a", "b"))
    assert same.digest != other.digest


@pytest.mark.parametrize("name", ["server.properties", MANIFEST])
def test_digests_of_what_holds_a_secret_are_not_shown(name: str) -> None:
    """Neither the file's nor that of the manifest, which follows from it: each guess could be held against them."""
    file = RenderedFile(PurePosixPath("/etc/kafka/broker", name), SECRET.format("hunter2"), secret=True)
    assert file.sha256 not in json.dumps(document(WriteFile("n1", "n1/broker", file, None)))


def test_manifest_of_a_secret_counts_without_its_digests() -> None:
    """What a manifest says of a file with a secret follows from that secret; the names in it count."""
    digests = [hashlib.sha256(value).hexdigest() for value in (b"a", b"b")]

    def recorded(digest: str, name: str = "launch") -> str:
        text = f"{digest}  {name}\n"
        file = RenderedFile(PurePosixPath("/etc/kafka/broker", MANIFEST), text, secret=True)
        return plan(WriteFile("n1", "n1/broker", file, None)).digest

    assert (recorded(digests[0]) == recorded(digests[1]), recorded("", "launch") == recorded("", "log")) == (
        True,
        False,
    )
