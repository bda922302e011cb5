"""The gateway's page at /, in a headless Chromium against a gateway that answers by rote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="needs the extra gateway")
from tests.serving.page_browser import Server, ask, texts
from tests.serving.page_stub import CITESEER, CLICKS, KEY, POWER, make_stub

WIDE, NARROW = {"width": 1360, "height": 900}, {"width": 400, "height": 860}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with Server(make_stub()) as url:
        yield url


@pytest.fixture(scope="module")
def locked() -> Iterator[str]:
    with Server(make_stub(KEY)) as url:
        yield url


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A fresh tab; at its end, nothing was said on its console and nothing asked of elsewhere."""
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.set_default_timeout(15_000)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert [text for text in said if not text.startswith("Failed to load resource")] == []
    assert {url.split("/")[2].split(":")[0] for url in asked} == {"127.0.0.1"}


def test_models_are_listed_by_task_with_their_state(tab: Any, gateway: str) -> None:
    tab.goto(gateway)
    tab.locator("#models a").first.wait_for()
    assert texts(tab.locator("#models h2")) == ["Graphs", "Clicks", "Forecasts"]
    entries = texts(tab.locator("#models a"))
    assert entries[0] == "mlp-citeseer v1 v2 on 5 %"
    assert entries[1] == "mlp-cora not ready"
    assert tab.locator("#facts").inner_text().split() == [
        *("state", "ready", "answers", "version", "1"),
        *("canary", "v2", "on", "5", "%", "accuracy", "75.7", "%"),
    ]


def test_card_is_shown_as_text(tab: Any, gateway: str) -> None:
    tab.goto(f"{gateway}/#model={CITESEER}")
    card = tab.locator("#card")
    card.get_by_text("<script>window.pwned = 1</script>").wait_for()
    assert tab.evaluate("window.pwned") is None
    assert texts(card.locator("h3")) == ["Accuracy", "Limits"]
    assert texts(card.locator("td")) == ["test rows", "0.721", "0.757"]
    assert texts(card.locator("pre")) == ["leanzoo train mlp-citeseer"]
    assert "library_name" not in card.inner_text()
    assert texts(card.locator("a")) == ["here"]  # and nothing that runs
    assert tab.locator("#summary").inner_text().startswith("A small mlp, distilled from gcn")
    tab.locator("#signature summary").click()
    tensors = texts(tab.locator("#signature td.shape"))
    assert tensors == ["(batch, 3703)", "(batch, 6)", "(3703)", "(6)"]


def test_classes_are_bars(tab: Any, gateway: str) -> None:
    answer = ask(tab, gateway, CITESEER)
    assert answer.locator(".row").count() == 3
    first = answer.locator(".row").first
    assert texts(first.locator("h3")) == ["Row 1 6 non-zero features"]
    assert texts(first.locator("li"))[:2] == ["Agents 91.2 %", "<b>HCI</b> 5.0 %"]
    widths = [box.bounding_box()["width"] for box in first.locator(".bar-fill").all()]
    assert widths[0] / widths[1] == pytest.approx(0.912 / 0.05, rel=0.02)


def test_scores_are_shown_per_row(tab: Any, gateway: str) -> None:
    answer = ask(tab, gateway, CLICKS, "predict")
    assert "user 196" in answer.locator(".shared").inner_text()
    assert texts(answer.locator("li"))[0] == "Row 1 item 242 31.0 %"
    assert texts(answer.locator(".scored .value")) == ["31.0 %", "48.0 %", "65.0 %"]


def test_candidates_are_ranked(tab: Any, gateway: str) -> None:
    answer = ask(tab, gateway, CLICKS, "rank")
    rows = texts(answer.locator("li"))
    assert rows[0] == "1 item 302 genres Comedy, Drama release_year 1994 candidate 2 84.2 %"
    assert texts(answer.locator(".value")) == ["84.2 %", "65.5 %", "31.0 %", "11.8 %", "< 0.1 %"]


def test_forecast_is_drawn_with_its_bands(tab: Any, gateway: str) -> None:
    answer = ask(tab, gateway, POWER)
    assert texts(answer.locator(".key-of")) == ["history", "median", "80 % band", "40 % band"]
    assert answer.locator("canvas").count() == 1
    assert "Forecast of 48 steps" in answer.get_by_role("img").get_attribute("aria-label")
    answer.get_by_role("img").press("ArrowRight")
    assert re.match(r"step \+1 median [\d,]+ 80 % [\d,]+ to", texts(answer.locator(".readout"))[0])
    answer.get_by_text("The values as a table").click()
    assert answer.locator("tbody tr").count() == 48
    answer.get_by_label("Series").select_option("channel 3")
    answer.get_by_text("No value of this channel is known").wait_for()
    assert answer.locator("canvas").count() == 0


def test_key_from_the_address_is_used_and_hidden(tab: Any, locked: str) -> None:
    tab.goto(f"{locked}/#key={KEY}&model={CLICKS}")
    tab.locator("#name", has_text=CLICKS).wait_for()
    assert tab.url == f"{locked}/#model={CLICKS}"
    assert tab.evaluate("sessionStorage.getItem('leanzoo.key')") == KEY
    assert KEY not in tab.content()
    assert not tab.locator("#key-dialog").is_visible()


def test_key_is_asked_for_until_it_is_right(tab: Any, locked: str) -> None:
    tab.goto(locked)
    tab.get_by_label("API key", exact=True).fill("lz_wrong")
    tab.keyboard.press("Enter")
    tab.get_by_text("is not one of this gateway's").wait_for()
    assert tab.get_by_label("API key", exact=True).input_value() == ""
    tab.get_by_label("API key", exact=True).fill(KEY)
    tab.get_by_role("button", name="Use this key").click()
    tab.locator("#name", has_text=CITESEER).wait_for()
    assert not tab.locator("#key-dialog").is_visible()


def test_without_a_key_the_refusal_is_shown(tab: Any, locked: str) -> None:
    tab.clock.install()
    tab.goto(locked)
    tab.locator("#key-dialog").wait_for()
    tab.keyboard.press("Escape")
    with tab.expect_response("**/v1/models"):
        tab.clock.fast_forward(6_000)
    assert not tab.locator("#key-dialog").is_visible()
    assert "Unauthorized no key" in texts(tab.locator("#trouble .problem"))[0]
    tab.get_by_role("button", name="API key").click()
    tab.get_by_label("API key", exact=True).fill(KEY)
    tab.keyboard.press("Enter")
    tab.locator("#name", has_text=CITESEER).wait_for()
    assert tab.locator("#trouble .problem").count() == 0


def test_refusal_is_shown_with_its_request(tab: Any, gateway: str) -> None:
    ask(tab, gateway, POWER)
    tab.locator("#body").fill('{"history": []}')
    tab.locator("#body").press("Control+Enter")
    tab.locator("#answer .problem").wait_for()
    shown = texts(tab.locator("#answer .problem"))[0]
    assert shown == "Unprocessable Content history holds no channel status 422 request r-17"
    assert tab.locator("#count").inner_text() == "1 request · 1 failed"
    tab.get_by_role("button", name="Reset").click()
    tab.get_by_role("button", name="Send").click()
    tab.locator("#answer canvas").wait_for()


def test_gateway_that_is_gone_is_said_to_be(tab: Any) -> None:
    with Server(make_stub()) as url:
        ask(tab, url, CITESEER)
    tab.get_by_role("button", name="Send").click()
    tab.locator("#answer .problem", has_text="The gateway does not answer").wait_for()


def test_repeat_measures_until_it_is_switched_off(tab: Any, gateway: str) -> None:
    ask(tab, gateway, CITESEER)
    tab.get_by_role("switch", name="Repeat").check()
    tab.locator("#count", has_text="4 requests").wait_for()
    tab.get_by_role("switch", name="Repeat").press("Space")
    last, p50, p99 = (float(text.split()[0]) for text in texts(tab.locator("#latency dd")))
    assert 0 < p50 <= p99 and last <= p99
    assert tab.locator("#spark canvas").count() == 1
    tab.goto(f"{gateway}/#model={POWER}")
    tab.locator("#count", has_text="none yet").wait_for()


def test_focus_stays_where_it_was(tab: Any, gateway: str) -> None:
    tab.goto(gateway)
    tab.locator("#models a", has_text=CLICKS).focus()
    tab.keyboard.press("Enter")
    tab.locator("#name", has_text=CLICKS).wait_for()
    assert tab.evaluate("document.activeElement.textContent").startswith(CLICKS)
    tab.get_by_role("button", name="rank").focus()
    tab.keyboard.press("Space")
    tab.locator("#route", has_text="/rank").wait_for()
    assert tab.evaluate("document.activeElement.textContent") == "rank"
    tab.get_by_role("button", name="Send").focus()
    tab.keyboard.press("Enter")
    tab.locator("#answer .ranked").wait_for()
    assert tab.evaluate("document.activeElement.id") == "send"


def test_parts_of_the_page_by_themselves(tab: Any, gateway: str) -> None:
    tab.goto(gateway)
    found = tab.evaluate((Path(__file__).parent / "page_parts.js").read_text())
    assert (found["p50"], found["p99"], found["known"]) == (5, 99, False)
    assert found["same"] and found["widest"] <= 40
    assert found["steps"] == [-199, 2, 202] and found["ahead"] == [None, 8, 9]
    assert found["card"][0] == "<ul><li>one more</li><li>two</li></ul>"
    assert found["card"][-1] == "<p>last <code>x</code> <em>y</em></p>"
    assert found["lead"] == "first a b"


@pytest.mark.parametrize("look", ["light", "dark", "narrow"])
@pytest.mark.parametrize(("model", "verb"), [(CITESEER, ""), (CLICKS, "rank"), (POWER, "")])
def test_page_fits_and_is_pictured(
    tab: Any, gateway: str, pictures: Path, look: str, model: str, verb: str
) -> None:
    tab.emulate_media(color_scheme="dark" if look == "dark" else "light")
    tab.set_viewport_size(NARROW if look == "narrow" else WIDE)
    ask(tab, gateway, model, verb)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    unnamed = tab.evaluate(
        "[...document.querySelectorAll('button, input, select, textarea')].filter((control) =>"
        " !control.textContent.trim() && !control.labels?.length && !control.ariaLabel).length"
    )
    assert unnamed == 0
    picture = pictures / f"page-{model}-{look}.png"
    tab.screenshot(path=picture, full_page=True)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000
