"""What is served as tables: ladder, speed-ups, quality, load, cost; and older results without."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import readme
from benchmarks.perf_analyzer.table import WAYS
from benchmarks.served_table import brief_table, sections, served_markdown
from benchmarks.table import headline_table, markdown_table, terminal_table
from tests.benchmarks.report_results import FEW, LATE, complete, older
from zoo.results import write_json

TITLES = [
    *("Speed-up", "p50 on the rungs", "Quality", "Open loop, p99 at each rate"),
    *("The machine's floor", "Cost"),
]


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return complete()


def table_of(raw: dict[str, Any], title: str) -> tuple[list[str], list[dict[str, str]], list[str]]:
    """Headings, rows by heading, notes."""
    (found,) = (one for one in sections(raw) if one.title == title)
    head = [*found.table.head]
    return head, [dict(zip(head, row, strict=True)) for row in found.table.body], [*found.notes]


def test_every_part_has_its_table(whole: dict[str, Any]) -> None:
    assert [one.title for one in sections(whole)] == TITLES
    text = served_markdown(whole)
    for title in TITLES:
        assert f"{title}:\n\n| " in text
    for one in sections(whole):
        assert {len(row) for row in one.table.body} == {len(one.table.head)}


def test_ladder_by_rung_and_batch(whole: dict[str, Any]) -> None:
    head, rows, notes = table_of(whole, "p50 on the rungs")
    assert head[2:] == [
        *("floor", "PyTorch", "ORT", "ORT int8", "Triton compute", "gRPC", "HTTP", "gateway"),
    ]
    assert [row["model"] for row in rows] == ["student", "teacher", "identity"] * 4
    one = whole["rungs"][0]["p50_ms"]["value"]
    assert rows[0]["floor"] == f"{1000 * one:.3g}0 µs"
    assert rows[1]["gateway"] == rows[2]["ORT"] == "–"  # no endpoint; not measured
    assert rows[1]["HTTP"].endswith(" ms†") and notes == [f"† {FEW}."]
    assert "†" not in "".join(rows[0].values())


def test_speed_ups_say_what_does_not_count(whole: dict[str, Any]) -> None:
    head, rows, notes = table_of(whole, "Speed-up")
    assert head == ["teacher over student", "in process", "gRPC", "HTTP", "gateway"]
    none = whole | {"headlines": [{**whole["headlines"][0], "ratio": None, "low": None}]}
    assert [*table_of(none, "Speed-up")[1][0].values()] == ["A · 1 node", "–"]
    assert [row["teacher over student"] for row in rows][:2] == ["A · 1 node", "A · 10 nodes"]
    assert rows[0]["HTTP"].endswith(")†") and not rows[0]["gRPC"].endswith("†")
    said = "\n".join(notes)
    assert "equal accuracy" in notes[0] and "over 1,000 rows" in notes[0]
    assert f"† HTTP, A · 1 node ({FEW})." in said and "Struck" not in said
    assert "the teacher was asked through gRPC" in said


def test_curves_name_their_rates(whole: dict[str, Any]) -> None:
    head, rows, notes = table_of(whole, "Open loop, p99 at each rate")
    assert head[3:] == ["rate 1", "rate 2", "rate 3", "rate 4"]
    assert [(row["path"], row["model"]) for row in rows] == [
        *(("gRPC", "student"), ("gRPC", "teacher")),
        *(("gateway", "student"), ("gateway", "teacher")),
    ]
    assert rows[0]["rate 1"].endswith("at 50 /s") and rows[1]["rate 4"].endswith("at 800 /s†")
    assert notes == [f"† {LATE} (2 measurements)."]


def test_a_trivial_baseline_stands_beside_quality(whole: dict[str, Any]) -> None:
    _, rows, _ = table_of(whole, "Quality")
    assert [row["model"] for row in rows] == ["teacher", "student", "vanilla", "trivial"]
    assert "51.0 % (trivial)" in brief_table([whole])
    without = whole | {"quality": {"vanilla": {"test_accuracy": 0.563}}}
    assert "56.3 % (labels alone)" in brief_table([without])
    errors = complete("quantile_mlp-etth1")
    errors["quality"] |= {"ridge": {"mse": 0.3673}, "last_value": {"mse": 1.29}}
    del errors["quality"]["trivial"]
    assert "0.3673 (ridge)" in brief_table([errors])


def cells(text: str, recipe: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| `{recipe}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_brief_table_says_what_remains(whole: dict[str, Any]) -> None:
    clicks = complete("finalmlp-ml100k", equal=False)
    text = brief_table([whole, clicks, older("quantile_mlp-etth1")])
    graph = cells(text, "mlp-cora")
    assert graph[1] == "accuracy" and graph[3:7] == ["82.1 %", "83.5 %", "yes", "A · 10 nodes"]
    assert graph[7] == "22.0×" and graph[9].endswith("× (teacher over gRPC)")
    assert cells(text, "finalmlp-ml100k")[5:7] == ["no", "K · 1,000 candidates"]
    assert "quantile_mlp" not in text and "†" not in text


def test_doubts_are_marked(whole: dict[str, Any]) -> None:
    doubted = [{**one, "reasons": ["2 start(s)"]} for one in whole["headlines"]]
    accuracy = whole["accuracy"] | {"reasons": ["accuracy gate"]}
    text = brief_table([whole | {"headlines": doubted, "accuracy": accuracy}])
    assert cells(text, "mlp-cora")[5] == "†" and cells(text, "mlp-cora")[7] == "22.0×†"
    assert "† does not count" in text
    none = [{**one, "ratio": None, "low": None, "high": None} for one in whole["headlines"]]
    text = brief_table([whole | {"headlines": none, "accuracy": None}])
    assert cells(text, "mlp-cora")[1:6] == ["–"] * 5 and cells(text, "mlp-cora")[7:] == ["–"] * 3


def test_older_results_have_none() -> None:
    assert sections(older()) == [] and served_markdown(older()) == brief_table([older()]) == ""
    assert headline_table([older()]).count("\n") == 2
    assert markdown_table([older()]).count("\n| ---") == 1


def test_whole_documents_hold_them(whole: dict[str, Any]) -> None:
    text = markdown_table([whole])
    assert text.index("**mlp-cora**") < text.index("Speed-up:") < text.index("Cost:")
    assert "What remains behind a server" in headline_table([older(), whole])
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal_table(whole))
    shown = console.export_text()
    assert all(title in shown for title in TITLES)


def test_documents_say_when_a_number_changed(tmp_path: Path, whole: dict[str, Any]) -> None:
    results, copy = tmp_path / "results", tmp_path / "README.md"
    write_json(results / "mlp-cora.json", whole)
    copy.write_text(readme.render(readme.README.read_text(), results))
    (results / readme.DETAILS_FILE).write_text(readme.details(results))
    assert readme.outdated(copy, results) == ""
    changed = json.loads((results / "mlp-cora.json").read_text())
    changed["headlines"][5]["ratio"] *= 2  # gRPC, 10 nodes
    write_json(results / "mlp-cora.json", changed)
    assert "(latency, results/README.md)" in readme.outdated(copy, results)
    write_json(results / "mlp-cora.json", whole)
    changed["rungs"] = whole["rungs"][1:]
    write_json(results / "mlp-cora.json", whole | {"rungs": changed["rungs"]})
    assert "(results/README.md)" in readme.outdated(copy, results)


def test_other_results_have_their_parts(tmp_path: Path) -> None:
    assert readme.details(tmp_path).count("Not run.") == 7
    ratio = {"value": 1.02, "low": 1.0, "high": 1.04}
    way = dict.fromkeys(WAYS, 1.0)
    case = {
        **{"model": "m", "rows": 1, "p50_ms": way, "client_core_ms": way},
        **{"ratios": {"client": ratio}, "agree": {"client": True}},
        "ratios_less_client": {"client": 1.0},
        "server_ms": {name: {"all": 0.5, "queue": 0.0, "infer": 0.1} for name in WAYS},
    }
    machine = {"cpu": "a processor", "load_average": 0.1, "cores": 2}
    found = {
        **{"cases": [case], "rounds": 2, "seconds": 3.0, "agree_within": 0.1},
        **{"server": "s", "machine": machine, "versions": {"perf_analyzer": "2.44.0"}},
    }
    write_json(tmp_path / readme.PERF_FILE, found)
    side = {"ratio": 10.0, "low": 9.0, "high": 11.0}
    row = {"recipe": "r", "rung": "grpc", "protocol": "R", "batch": 1, "a": side, "b": side}
    repeated = {
        **{"headlines": [{**row, "verdict": "inside"}], "recipes": ["r"]},
        **{"machine": machine, "load_average": 0.2},
    }
    write_json(tmp_path / readme.REPEATED_FILE, repeated)
    text = readme.details(tmp_path)
    assert text.count("Not run.") == 5
    assert "**1.000 (1.02 [1.00, 1.04])**" in text
    assert "of 1 headline ratios that count in both, 1 lie inside each other's" in text
