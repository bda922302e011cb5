"""The page in a browser: it asks nothing of anyone, fits, prints, and is pictured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.page import SECTIONS, page
from benchmarks.report.results import parse
from tests.benchmarks.report_results import KINDS, complete, older

pytestmark = pytest.mark.browser
LOOKS = {"light": (1280, "light"), "dark": (1280, "dark"), "narrow": (400, "light")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of complete results."""
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(page([parse(complete(recipe)) for recipe in KINDS]), encoding="utf-8")
    return path


@pytest.fixture
def tab(browser: Any, place: Path) -> Iterator[Any]:
    """A tab that says nothing on its console and asks for nothing but the file."""
    context = browser.new_context()
    opened = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("look", LOOKS)
def test_page_fits_and_is_pictured(tab: Any, place: Path, pictures: Path, look: str) -> None:
    width, scheme = LOOKS[look]
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(place.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [node.get_attribute("id") for node in tab.locator("section").all()] == [*SECTIONS]
    assert tab.locator("figure").count() == tab.locator("figcaption").count() >= 10
    small = tab.evaluate(
        "[...document.querySelectorAll('figure svg text')].filter((text) =>"
        " text.getBoundingClientRect().height < 8).length"
    )
    assert small == 0
    picture = pictures / f"report-{look}.png"
    tab.screenshot(path=picture, full_page=True)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 100_000


def test_marks_have_the_colour_scheme_s_colours(tab: Any, place: Path) -> None:
    found = []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.goto(place.as_uri())
        found.append(
            tab.evaluate("getComputedStyle(document.querySelector('figure svg use')).stroke")
        )
    assert found[0] != found[1] and "none" not in found


def test_page_prints_in_light_colours_without_cuts(tab: Any, place: Path, pictures: Path) -> None:
    tab.emulate_media(media="print", color_scheme="dark")
    tab.set_viewport_size({"width": 673, "height": 900})  # A4 less its margins
    tab.goto(place.as_uri())
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    cut = tab.evaluate(
        "[...document.querySelectorAll('figure svg')].filter((svg) =>"
        " svg.getBoundingClientRect().right > innerWidth).length"
    )
    assert cut == 0
    printed = tab.pdf(path=pictures / "report.pdf", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")


def test_contents_lead_to_sections(tab: Any, place: Path) -> None:
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(place.as_uri())
    tab.emulate_media(reduced_motion="reduce")
    tab.get_by_role("link", name="Cost").click()
    top = tab.evaluate("document.getElementById('cost').getBoundingClientRect().top")
    assert 0 <= top < 100
    assert tab.get_by_role("img", name="A · 10 nodes").first.is_visible()


def test_page_of_older_results_is_short_and_honest(tab: Any, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(page([parse(older())]), encoding="utf-8")
    tab.goto(path.as_uri())
    assert tab.locator("section").count() == 2
    assert tab.locator(".notice").inner_text().startswith("Not measured here")
    assert tab.locator("svg").count() == 0
