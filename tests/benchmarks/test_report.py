"""The page's sentences and tables: what they say of results made of formulas."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from benchmarks.report import tables
from benchmarks.report.headline import card
from benchmarks.report.page import SECTIONS, invalid_count, page
from benchmarks.report.results import Result, parse
from benchmarks.report.words import amount, asked, change, digits, per_s, quality, time
from tests.benchmarks.report_results import FEW, KINDS, LATE, complete, older

DASH = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def whole() -> Result:
    return parse(complete())


@pytest.fixture(scope="module")
def html() -> str:
    return page([parse(complete(recipe, recipe != "finalmlp-ml100k")) for recipe in KINDS])


class Parsed(HTMLParser):
    """Ids, references and visible headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if "href" in found else []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (digits(1738.8), "1,740"),
        (digits(0.99951), "1.00"),
        (digits(99.96), "100"),
        (digits(-0.0123), f"{DASH}0.0123"),
        (digits(0), "0"),
        (time(0.0287), "28.7 µs"),
        (time(0.9999), "1.00 ms"),
        (time(0.00041), "410 ns"),
        (time(1999.6), "2.00 s"),
        (time(None), "–"),
        (per_s(50.0), "50 /s"),
        (per_s(1234.56), "1,230 /s"),
        (amount(1.44e6, "FLOP"), "1.44 MFLOP"),
        (quality("accuracy", 0.8349), "83.5 %"),
        (quality("auc", 0.71103), "0.7110"),
        (change("accuracy", -0.0014), f"{DASH}0.14 points"),
        (change("mse", 0.0684, True), "+6.84 %"),
        (asked("A", 1), "A · 1 node"),
        (asked("K", 1000), "K · 1,000 candidates"),
        (asked("C", 2708), "C · all nodes"),
    ],
)
def test_numbers_have_three_digits_and_a_unit(text: str, expected: str) -> None:
    assert text == expected


def test_equal_accuracy_is_said_only_where_it_was_shown() -> None:
    equal, worse, unknown = (card(parse(it)) for it in (complete(), complete(equal=False), older()))
    assert equal.equal is True and equal.lead.endswith(", at equal accuracy.")
    assert worse.equal is False and worse.lead.endswith(", but not at equal accuracy.")
    assert "not shown to be as accurate" in worse.accuracy
    assert unknown.equal is None and "equal accuracy" not in unknown.lead
    assert unknown.accuracy.startswith("Accuracy was not measured together with latency")
    assert f"{DASH}0.10 points to +3.00 points, over 1,000 rows asked over gRPC" in equal.accuracy


def test_accuracy_that_does_not_count_makes_nothing_equal() -> None:
    raw = complete()
    raw["accuracy"]["reasons"] = ["accuracy gate: too far from training"]
    doubtful = card(parse(raw))
    assert doubtful.equal is False
    assert "does not count: accuracy gate: too far from training." in doubtful.accuracy


def test_speed_ups_stand_by_rung_with_what_does_not_count(whole: Result) -> None:
    found = card(whole)
    assert found.rungs == ["in process", "gRPC", "HTTP", "gateway"]
    assert [*found.speed] == [
        f"A · {n} node{'s' * (n != '1')}" for n in ("1", "10", "100", "1,000")
    ]
    inside, _, over_http, _ = found.speed["A · 1 node"]
    assert inside is not None and inside.counts
    assert (inside.ratio, inside.interval) == ("17.5×", "16.8 to 18.4")
    assert over_http is not None and not over_http.counts
    assert f"Struck through: HTTP, A · 1 node ({FEW})." in found.notes
    assert "1.34 to 17.6 times through the gateway" in found.lead


def test_teacher_without_an_endpoint_is_said_to_be_asked_elsewhere(whole: Result) -> None:
    (note,) = [note for note in card(whole).notes if "endpoint" in note]
    assert note.startswith("Gateway: the teacher was asked through gRPC")


def test_source_of_the_speed_up_is_taken_apart(whole: Result) -> None:
    found = card(whole)
    assert found.gains["A · 1 node"] == ["6.00×", "1.25×"]
    assert "comes from distillation into a smaller architecture" in found.source
    assert "6.00 times by its export (PyTorch ÷ ORT) and 1.25 times by int8" in found.source
    assert card(parse(older())).source.endswith("what export or int8 gain was not measured.")


def test_medians_that_do_not_count_are_no_source(whole: Result) -> None:
    doubtful = [replace(it, reasons=("late",)) if it.rung == "torch" else it for it in whole.rungs]
    found = card(replace(whole, rungs=tuple(doubtful)))
    assert (found.beyond, found.gains["A · 1 node"]) == (["int8"], ["1.25×"])
    refused = [replace(it, reasons=("late",)) for it in whole.rungs if it.rung == "ort-int8"]
    kept = [it for it in whole.rungs if it.rung != "ort-int8"]
    told = card(replace(whole, rungs=(*kept, *refused)))
    assert told.beyond == ["export"]
    assert told.source.endswith("Its int8 form does not count; the reason stands at the end.")


def test_older_ratio_that_was_not_formed_says_why() -> None:
    raw = older()
    raw["ratios"] = {"A_b1": None, "A_b1_rows": {"ratio": 2.0, "low": 1.0, "high": 3.0}}
    raw["measurements"][0]["reasons"] = ["one second for a query is too long"]
    found = card(parse(raw))
    assert [*found.speed] == ["A · 1 node"]
    assert found.lead == "No speed-up of this recipe counts; the reasons stand below."
    assert found.notes == [
        "Struck through: ORT, A · 1 node (teacher: one second for a query is too long)."
    ]


def test_tables_hold_a_row_for_each_fact(whole: Result) -> None:
    floors = tables.floor_table([whole])
    assert floors.body[0] == [
        *("mlp-cora", "student", "1", "1.40 MFLOP", "5.70 MB", "9.60 µs", "memory"),
        *("32.0 µs", "3.33×", "8.00 µs"),
    ]
    assert [len(rows) for rows in floors.groups] == [4, 4]
    costs = tables.cost_table([whole])
    assert costs.body[0][4:] == ["2,310", "2,310", "31,250 /s", "2.90 MB"]
    assert tables.quality_table([whole]).body[1] == ["mlp-cora", "student", "83.5 %"]
    assert tables.rates_table([whole]).body[0][-1] == "4.10 µs"


def test_conditions_of_older_results_are_those_of_their_measurements() -> None:
    raw = older()
    raw["measurements"][1]["machine"] = {**raw["measurements"][1]["machine"], "load_average": 2.5}
    (row,) = tables.conditions_table([parse(raw)]).body
    assert row[1:5] == ["–", "none", "4e1f8bb9c0", "a processor"] and row[7] == "2.5"


def test_every_invalid_measurement_is_listed(whole: Result) -> None:
    body = tables.invalid_table([whole]).body
    assert (len(body), invalid_count([whole])) == (2, 3)
    assert body[0] == ["mlp-cora", "ladder", "gcn-cora (teacher)", "HTTP, A · 1 node, closed", FEW]
    at = "A · 1 node, open, 800 /s offered"
    assert body[1][3:] == [f"gRPC, {at}; gateway, {at}", LATE]


def test_what_does_not_count_for_one_reason_stands_in_one_row(whole: Result) -> None:
    again = [replace(it, reasons=("late",)) for it in whole.rungs if it.rung == "torch"]
    students = [it for it in again if it.role == "student"]
    found = replace(whole, rungs=tuple(students), curves=())
    (row,) = tables.invalid_table([found]).body
    assert row[3].count("PyTorch, A · ") == invalid_count([found]) == 4 and row[4] == "late"


def test_page_is_one_file_with_unique_anchors(html: str) -> None:
    found = Parsed(html)
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} - {"data:,"} <= set(found.ids)
    assert {*SECTIONS} <= set(found.ids)
    assert not {"script", "img", "iframe", "object"} & {*found.tags}
    assert "@import" not in html and not re.search(r"url\((?!#)", html)


def test_pictures_take_fonts_and_colours_of_the_page(html: str) -> None:
    figures = html[html.index('<section id="ladder">') :]
    assert "font-family" not in figures and "DejaVu" not in figures
    assert not re.search(r"(fill|stroke): #", figures)
    assert html.count('role="img"') == html.count("<desc ") == html.count("<svg")
    assert html.count("<figure") == html.count("<figcaption>") > 8


def test_page_is_the_same_each_time(whole: Result) -> None:
    assert page([whole]) == page([whole])


def test_page_of_older_results_says_what_is_missing() -> None:
    text = page([parse(older())])
    found = Parsed(text)
    assert {*SECTIONS} & {*found.ids} == {"headline", "conditions"}
    assert "<strong>Not measured here</strong>" in text
    assert "<li>latency at stated rates (open loop)</li>" in text
    assert "accuracy not measured" in text and "Equal accuracy" not in text
    mixed = page([parse(complete()), parse(older("finalmlp-ml100k"))])
    assert "<li>cost: of finalmlp-ml100k</li>" in mixed


def test_names_in_results_are_text_on_the_page() -> None:
    raw = complete()
    raw["conditions"]["server"] = "<script>alert(1)</script>"
    raw["curves"][0]["model"] = raw["rungs"][0]["model"] = "<b>&"
    text = page([parse(raw)])
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "<b>&" not in text
