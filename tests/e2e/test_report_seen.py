"""Reports in a real Chromium: at 1280 and 390 pixels, light and dark, on the screen and printed.

With KAFAB_SCREENSHOTS set to a folder the pictures stay there, for whoever wants to look.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from kafab.reporting import palette
from kafab.reporting.page import Page
from kafab.reporting.render import render
from tests.browser import Browser, browser, program
from tests.conftest import cannot_run
from tests.report_pages import canary_of, drill_page, nasty, page_of, roll_of

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("chromium")]
PAGES: Mapping[str, Callable[[], Page]] = {
    "cluster": lambda: page_of(3),
    "empty": lambda: page_of(0),
    "big": lambda: page_of(300),
    "roll": lambda: roll_of(12),
    "canary": lambda: canary_of(3),
    "drill": drill_page,
    "nasty": lambda: nasty(roll_of(3)),
}
WIDTHS = (1280, 390)
WIDTH_OF_PRINT = 688
WIDER = """[...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > window.innerWidth + 1 && !one.closest('.scroll, .chart, svg');
}).map(one => one.tagName + '.' + one.className).slice(0, 5)"""
"""What stands out of the window, but for what scrolls in itself."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start one browser for all tests here."""
    if program() is None:
        cannot_run("there is no Chromium; scripts/bootstrap --test installs it")
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write each page."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(render(make()), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


def kept(name: str) -> Path | None:
    """Return where a picture is to stay; None where nobody wants to look."""
    folder = os.environ.get("KAFAB_SCREENSHOTS")
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) / name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("wide", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_its_window(
    chromium: Browser, files: Mapping[str, Path], name: str, wide: int, scheme: str
) -> None:
    """Nothing stands out to the right of the window, and the page has the colours of its scheme."""
    chromium.show(files[name], wide=wide, scheme=scheme)
    if picture := kept(f"{name}-{wide}-{scheme}.png"):
        chromium.screenshot(picture)
    ground = chromium.value("getComputedStyle(document.body).backgroundColor")
    colours = palette.LIGHT if scheme == "light" else palette.DARK
    expected = tuple(int(colours["page"][at : at + 2], 16) for at in (1, 3, 5))
    assert tuple(map(int, re.findall(r"\d+", ground)))[:3] == expected
    assert (chromium.value("document.documentElement.scrollWidth"), chromium.value(WIDER)) == (wide, [])


@pytest.mark.parametrize("name", ["cluster", "roll", "drill"])
def test_page_is_printed(chromium: Browser, files: Mapping[str, Path], name: str) -> None:
    """A print has white pages of A4, also for whoever reads in the dark, and nothing stands out of one."""
    # A4 less its margins, at 96 dots an inch.
    chromium.show(files[name], wide=WIDTH_OF_PRINT, scheme="dark", media="print")
    ground = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert (ground, chromium.value("document.documentElement.scrollWidth")) == (
        "rgb(255, 255, 255)",
        WIDTH_OF_PRINT,
    )
    assert chromium.value(WIDER.replace(", .chart, svg", ", svg")) == []
    pdf = chromium.pdf()
    if picture := kept(f"{name}.pdf"):
        picture.write_bytes(pdf)
    sizes = {tuple(map(float, size)) for size in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)}
    assert {(round(wide), round(tall)) for wide, tall in sizes} == {(595, 842)}


def test_screen_reader_is_told_charts_and_tables(chromium: Browser, files: Mapping[str, Path]) -> None:
    """The tree that assistive programs read has the chart as an image with its name, and named regions with tables."""
    chromium.show(files["roll"], wide=1280)
    chromium.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    nodes = chromium.call("Accessibility.getFullAXTree")["nodes"]
    found = {
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node
    }
    roles = {role for role, _ in found}
    assert {"heading", "table", "columnheader", "rowheader", "main", "navigation"} <= roles
    images = [name for role, name in found if role in ("image", "img")]
    assert ("Time line of the roll of orders" in images, ("region", "Figures of the canary") in found) == (
        True,
        True,
    )


def test_keyboard_reaches_what_scrolls(chromium: Browser, files: Mapping[str, Path]) -> None:
    """A wide table can be scrolled without a mouse: it takes the focus."""
    chromium.show(files["cluster"], wide=390)
    chromium.value("document.querySelector('main > .scroll').focus()")
    assert chromium.value("document.activeElement.className") == "scroll"


def test_nothing_was_asked_for_and_nothing_complained(chromium: Browser, files: Mapping[str, Path]) -> None:
    """Besides the files themselves no address was asked for, and the browser has logged nothing."""
    for file in files.values():
        chromium.show(file, wide=1280)
    elsewhere = [address for address in chromium.asked if address not in {f.as_uri() for f in files.values()}]
    assert ([one for one in elsewhere if one != "about:blank"], chromium.complaints) == ([], [])
