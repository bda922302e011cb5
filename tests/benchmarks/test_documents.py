"""What results look like in documents, on results that are written down here."""

from pathlib import Path
from typing import Any

from benchmarks.ctr_table import ctr
from benchmarks.readme import forecasts
from benchmarks.side_results import (
    epoch_sentence,
    hits_sentence,
    log_sentence,
    raw_sentence,
    samplers_sentence,
    unseen_sentence,
)
from zoo.results import write_json


def row(model: str, roles: dict[str, float], seeds: int) -> dict[str, Any]:
    def spread(mean: float) -> dict[str, float]:
        return {"mean": mean, "std": 0.00049}

    return {
        "model": model,
        "dataset": "ads",
        "teacher": "ctr_ensemble" if "teacher" in roles else None,
        "seeds": list(range(seeds)),
        "deployed": "vanilla" if "vanilla" in roles else "student",
        "roles": {
            role: {
                "test_auc": spread(auc),
                "test_logloss": spread(0.5 - auc / 10),
                "test_calibration": spread(1.0123),
                "test_ece": spread(0.01),
            }
            for role, auc in roles.items()
        },
    }


def test_click_table() -> None:
    rows = {
        "logreg-ads": row("logreg", {"student": 0.8}, 2),
        "finalmlp-ads": row("finalmlp", {"teacher": 0.9, "student": 0.89, "vanilla": 0.88}, 2),
        "dcnv2-ads": row("dcnv2", {"student": 0.87}, 1),
    }
    _, _, student, single = ctr(rows).splitlines()
    assert student == (
        "| `finalmlp-ads` | ads | 2 | 0.8000 ± 0.0005 / 0.4200 | 0.9000 ± 0.0005 / 0.4100 | "
        "0.8900 ± 0.0005 / 0.4110 | **0.8800 ± 0.0005 / 0.4120** | 1.012, 0.0100 |"
    )
    assert single.startswith("| `dcnv2-ads` | ads | 1 | 0.8000 ± 0.0005 / 0.4200 | – | – | 0.8700")
    assert ctr({}) == ctr({"logreg-ads": rows["logreg-ads"]}) == ""


def test_sentences() -> None:
    machine = {"cpu": "a processor"}
    epoch = {
        "model": "finalmlp",
        "dataset": "frappe",
        "threads": 1,
        "epochs": 3,
        "ours_s": {"median": 5.0},
        "fuxictr_s": {"median": 25.0},
        "ours_over_fuxictr": 0.2,
        "versions": {"fuxictr": "2.3.7"},
        "machine": machine,
    }
    assert "takes 5.0 s an epoch on 1 thread(s), FuxiCTR 2.3.7's" in epoch_sentence(epoch)
    assert "25.0 s: 0.20 of its time" in epoch_sentence(epoch)
    path = {
        "form": "rank",
        "rows": 100,
        "raw_p50_ms": {"value": 1.5},
        "ids_p50_ms": {"value": 1.0},
        "raw_over_ids": {"value": 1.5},
    }
    raw = {"recipe": "finalmlp-ads", "server": "a server", "machine": machine, "paths": [path]}
    assert "rank of 100: 1.50 ms against 1.00 ms (1.50 times)" in raw_sentence(raw)
    log = {
        "rows": 20_000_000,
        "fields": 39,
        "encode": {"seconds": 120.0},
        "epoch": {"seconds": 600.0, "rows_per_s": 33_333, "peak_resident_gib": 4.25},
        "threads": 1,
        "machine": machine,
    }
    assert "20 million rows and 39 fields is encoded in 2.0 minutes" in log_sentence(log)
    assert "an epoch in 10.0 (33,333 rows/s) on 1 thread(s), with at most 4.2" in log_sentence(log)


def test_sentence_of_n_hits(tmp_path: Path) -> None:
    found = {
        "recipe": "quantile_mlp-etth1",
        "dataset": "etth1",
        "training": {"train_seconds": 90.0},
        "test_windows": 2785,
        "ours": {"mse": 0.35, "mae": 0.38},
        "neuralforecast": {"mse": 0.4, "mae": 0.42},
        "timed_windows": 64,
        "ours_p50_ms": {"value": 0.25},
        "neuralforecast_p50_ms": {"value": 50.0},
        "threads": 1,
        "versions": {"neuralforecast": "3.3.0"},
        "machine": {"cpu": "a processor", "load_average": 0.5, "cores": 2},
    }
    sentence = hits_sentence(found)
    assert "neuralforecast 3.3.0, trained on etth1 for the MSE in 1.5 minutes" in sentence
    assert "has MSE 0.4000 over all 2,785 test windows, the published" in sentence
    assert "takes 50 ms, through `Local.forecast` 0.25 ms, p50 of 64 in turns on 1 th" in sentence
    assert "load 0.5 on 2 cores" in sentence
    write_json(tmp_path / "neuralforecast.json", found)
    assert forecasts(tmp_path) == sentence


def test_sentences_of_paths() -> None:
    quality = {"mse": 0.45, "crps": 0.34, "coverage80": 0.81}
    found = {
        "trained_on": "a+b",
        "unseen": "c",
        "paths": 100,
        "windows": 50,
        "missing": 0.3,
        "gpd": quality,
        "gpd_gaps": {**quality, "mse": 0.47},
        "seasonal_naive": {**quality, "mse": 0.51, "crps": 0.39},
    }
    text = unseen_sentence(found)
    assert (
        "trained on a and b (hourly means) and asked about c, which it never saw: MSE 0.450" in text
    )
    assert (
        "with 30 % of each history missing 0.470 and 0.340; seasonal naive 0.510 and 0.390" in text
    )
    rows = {"one": {**quality, "path_ms": 1.234}}
    said = samplers_sentence({"recipe": "gpd-c", "windows": 5, "paths": 8, "samplers": rows})
    assert said.endswith("8 paths, MSE and CRPS: one 0.450 and 0.340 (1.23 ms a path).")
