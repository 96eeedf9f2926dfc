"""A report as one HTML file: what it shows, what it never shows, how large it is, and that its data are all of it."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from kafab.reporting import palette
from kafab.reporting.document import document, read
from kafab.reporting.hiding import hidden
from kafab.reporting.page import SCHEMA, Found, Page, Verdict
from kafab.reporting.render import data, render
from tests.report_pages import NASTY, canary_of, drill_page, nasty, page_of, roll_of

ROOT = Path(__file__).resolve().parents[2]
PAGES: Mapping[str, Callable[[], Page]] = {
    "a cluster": lambda: page_of(3),
    "no nodes": lambda: page_of(0),
    "no racks": lambda: page_of(3, racks=0),
    "a roll": lambda: roll_of(3),
    "a roll of one node": lambda: roll_of(1),
    "a roll of 15 nodes": lambda: roll_of(15),
    "a canary": lambda: canary_of(3),
    "a drill": drill_page,
    "nasty names": lambda: nasty(roll_of(3)),
}
each_page = pytest.mark.parametrize("page", [pytest.param(make(), id=name) for name, make in PAGES.items()])
VOID = {"meta", "br"}


class Elements(HTMLParser):
    """What a file has: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"{name} is not closed" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element."""
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element that has nothing in it."""
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Take the end of an element."""
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        """Take a text."""
        self.words.append(data)

    def names(self) -> Counter[str]:
        """Return how many elements of each name there are."""
        return Counter(name for name, _ in self.found)


@each_page
def test_elements_are_closed_in_order(page: Page) -> None:
    """The file is well formed, whatever names stand in it."""
    assert Elements(render(page)).wrong == []


@each_page
def test_file_runs_no_script_and_asks_for_nothing(page: Page) -> None:
    """No element runs or loads anything, no attribute does, and the style has no address."""
    text = render(page)
    found = Elements(text)
    active = {"script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use"}
    loading = [
        (tag, name, value)
        for tag, attributes in found.found
        for name, value in attributes.items()
        if name.startswith("on") or name in ("src", "srcset", "action", "style", "xlink:href")
        if not (name == "href" and (value or "").startswith("#"))
    ]
    links = [value for _, attributes in found.found if (value := attributes.get("href")) and value[0] != "#"]
    style = text[text.index("<style>") : text.index("</style>")]
    assert (active & found.names().keys(), loading, links) == (set(), [], [])
    assert re.findall(r"url\(|@import|expression", style) == []


@each_page
def test_same_page_gives_the_same_bytes(page: Page) -> None:
    """Two files of one page do not differ."""
    assert render(page) == render(page)


@each_page
def test_data_in_the_file_make_the_file(page: Page) -> None:
    """Whatever a file shows stands in its JSON: from that alone the same bytes are made."""
    text = render(page)
    assert render(data(text)[0]) == text


@each_page
def test_data_are_of_the_schema(page: Page) -> None:
    """The JSON in a file keeps to the JSON Schema beside it."""
    found, described = data(render(page))
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.Draft202012Validator(described).validate(json.loads(json.dumps(document(found))))


def test_data_of_another_schema_are_refused() -> None:
    """A reader does not take what it does not know."""
    with pytest.raises(ValueError, match=re.escape(f"expected {SCHEMA}")):
        read({**document(page_of(1)), "schema": "kafab.report-page/99"})


def test_file_without_data_is_refused() -> None:
    """A page that is none of kafab's has no data."""
    with pytest.raises(ValueError, match="no data"):
        data("<html></html>")


def test_names_are_text() -> None:
    """Names with <, " and & in topics and racks are shown as they are, and are no elements."""
    found = Elements(render(nasty(roll_of(3))))
    shown = sum(NASTY in text for text in found.words)
    assert (shown > 10, "script" in found.names()) == (True, False)


@each_page
def test_each_chart_has_a_title_and_its_table(page: Page) -> None:
    """A screen reader is told what a chart is, and finds its numbers in a table."""
    text = render(page)
    found = Elements(text)
    charts = [attributes for tag, attributes in found.found if tag == "svg"]
    ids = {attributes["id"] for _, attributes in found.found if attributes.get("id")}
    named = all(one["role"] == "img" and one["aria-labelledby"] in ids for one in charts)
    followed = re.findall(
        r"</svg>(?:(?!<svg).)*?<summary>The numbers of this chart.*?<table>", text, re.DOTALL
    )
    assert (named, len(followed)) == (True, len(charts))


@each_page
def test_structure_can_be_read_aloud(page: Page) -> None:
    """Ids are unique, headings skip no level, each column and row has a heading, and what scrolls has a name and the focus."""
    found = Elements(render(page)).found
    ids = Counter(attributes["id"] for _, attributes in found if "id" in attributes)
    levels = [int(tag[1]) for tag, _ in found if re.fullmatch("h[1-6]", tag)]
    skipped = [after for before, after in pairwise(levels) if after > before + 1]
    unscoped = [attributes for tag, attributes in found if tag == "th" and "scope" not in attributes]
    scrolls = [a for _, a in found if a.get("class") in ("scroll", "chart")]
    nameless = [one for one in scrolls if not one.get("aria-label") or one.get("tabindex") != "0"]
    assert ([name for name, count in ids.items() if count > 1], levels[:1], skipped) == ([], [1], [])
    assert (unscoped, nameless) == ([], [])


def test_three_hundred_nodes_have_a_report() -> None:
    """Each of them is in the map, in the table and in the data."""
    text = render(page_of(300))
    found = Elements(text)
    hosts = sum(attributes.get("class") == "host" for _, attributes in found.found)
    assert (found.wrong, hosts, len(data(text)[0].nodes)) == ([], 300, 300)


def test_verdict_is_first() -> None:
    """The first thing behind the title is the verdict, with its reasons."""
    text = render(page_of(3))
    body = text[text.index("</h1>") :]
    assert body.index('aria-label="Verdict"') < body.index("<h2")


@pytest.mark.parametrize("make", [lambda: page_of(100), lambda: roll_of(100)], ids=["cluster", "roll"])
def test_hundred_nodes_are_less_than_a_megabyte_and_a_second(make: Callable[[], Page]) -> None:
    """A report of 100 nodes, a roll of all of them as well, has below 1 MB and takes below 1 s of CPU."""
    page = make()
    begun = time.process_time()
    size = len(render(page).encode())
    assert (size < 1_000_000, time.process_time() - begun < 1) == (True, True), size


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), palette.TEXTS)
def test_text_can_be_read(colours: Mapping[str, str], ink: str, ground: str) -> None:
    """Each text has a contrast of 4.5 to what it lies on (WCAG 2.2, 1.4.3)."""
    assert palette.contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), palette.MARKS)
def test_charts_can_be_seen(colours: Mapping[str, str], ink: str, ground: str) -> None:
    """Each part of a chart has a contrast of 3 to what it lies on (WCAG 2.2, 1.4.11)."""
    assert palette.contrast(colours[ink], colours[ground]) >= 3


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#777777", "#ffffff", 4.48)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, expected: float) -> None:
    """Known pairs have the contrast that WCAG's formula gives them."""
    assert palette.contrast(one, other) == pytest.approx(expected, abs=0.01)


def test_both_palettes_have_the_same_colours() -> None:
    """No colour is missing in the dark, and each one that the style names is there."""
    style = (ROOT / "kafab" / "reporting" / "html" / "style.css").read_text(encoding="utf-8")
    named = set(re.findall(r"var\(--([\w-]+)\)", style))
    assert (palette.LIGHT.keys() - palette.DARK.keys(), named - palette.LIGHT.keys()) == (set(), set())


@pytest.mark.parametrize(
    "text",
    [
        "ssl.keystore.password=hunter2",
        "did not start: sasl.jaas.config=org.x.Login required password=hunter2;",
        'refused: password="hunter2 two"',
        "config.apply --set ssl.key.password=hunter2 --yes",
    ],
)
def test_secret_in_a_text_is_left_out(text: str) -> None:
    """What a key that holds a secret is set to is nowhere in the file, the data included."""
    page = replace(page_of(1), verdict=Verdict("CRIT", text, (text,), 1), not_checked=(text,))
    assert "hunter2" not in render(page)


def test_secret_in_evidence_is_left_out() -> None:
    """So is a value below such a key, however deep."""
    evidence = {"settings": [{"ssl.key.password": "hunter2", "node.id": "7"}], "password": "hunter2"}
    found = Found("config", "node1", "WARN", "differs", evidence=evidence)
    shown = hidden(found).evidence
    assert shown == {"settings": [{"ssl.key.password": "***", "node.id": "7"}], "password": "***"}


def test_letters_that_do_not_print_are_escaped() -> None:
    """Neither an escape nor a change of writing direction reaches a reader; lines stay lines."""
    page = replace(page_of(1), not_checked=("a\x1b[31m\u202eb\nc\ud800",))
    shown = hidden(page).not_checked
    assert (shown, "\x1b" in render(page)) == (("a\\x1b[31m\\u202eb\nc\\ud800",), False)
