"""The model card states what was measured, and its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from export.card import card
from export.example import ranking, records
from export.report import REPORT_FILE, Parity, Report
from serving.records import rank_arrays, to_arrays
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec
from zoo.golden import GOLDEN_FILE, Golden


def test_card_of_a_real_export(result: dict[str, Any], exported: dict[str, Artifact]) -> None:
    text = card(result, exported["mlp-toy-sparse"])
    assert text.startswith("---\ndatasets:\n- toy\nlibrary_name: onnx\n")
    assert "distilled from `gcn-toy` (a gcn) with ffg2m" in text
    assert "| accuracy on | teacher | this model | without a teacher |" in text
    assert f"{result['metrics']['student']['test_accuracy']:.3f}" in text
    assert "Compared with torch on 600 real rows at batches 1, 2, 3, 7, 256" in text
    assert "leanzoo train mlp-toy\n" in text
    assert "on rows that training did not see was not measured" in text


def test_cold_start_is_the_inductive_number(
    result: dict[str, Any], exported: dict[str, Artifact]
) -> None:
    student = {
        "test_accuracy": 0.8,
        "test_accuracy_std": 0.01,
        "inductive_test_accuracy": 0.7,
        "inductive_test_accuracy_std": 0.02,
    }
    teacher = {"test_accuracy": 0.8, "inductive_edgeless_test_accuracy": 0.5}
    several = {**result, "metrics": {"teacher": teacher, "student": student}, "seeds": [0, 1]}
    text = card(several, exported["mlp-toy"])
    assert "expect the cold-start number, 0.700 ± 0.020" in text
    assert "| new rows, teacher without their edges | 0.500 | – |" in text
    assert "mean ± standard deviation over 2 seeds" in text


@pytest.mark.parametrize(("model", "said"), [("mlp-toy", False), ("mlp-toy-sparse", True)])
def test_unknown_ids_are_mentioned_where_there_are_ids(
    result: dict[str, Any], exported: dict[str, Artifact], model: str, said: bool
) -> None:
    assert ("Feature ids it was not trained with" in card(result, exported[model])) is said


RECIPE = {
    "model": "finalmlp",
    "dataset": "ads",
    "seed": 7,
    "distill": {"method": "kd"},
    "teacher": {"name": "ctr_ensemble-ads", "model": "ctr_ensemble"},
}
METRICS = {"test_auc": 0.9, "test_logloss": 0.3, "test_calibration": 1.05, "test_ece": 0.01}
RESULT = {
    "recipe": "finalmlp-ads",
    "run": "finalmlp-ads-0",
    "seeds": [7],
    "methods": ["kd", "vanilla"],
    "deployed": "kd",
    "metrics": {"teacher": {**METRICS, "test_auc": 0.91}, "student": METRICS, "vanilla": METRICS},
}
NUMERIC_GATE = Parity(10, (1, 2), 1e-7, {"score": 1e-7}, 1e-5, 1e-4)
CHECK = {"ops": {"Gemm": 1}, "opset": 18, "ir": 10, "size_bytes": 330_000, "parameters": 1000}
COLUMNS = ("user", "tags", "tags")
SCORE = TensorSpec("score", "float32", (1,), "probability of a click")
VALUES = TensorSpec("values", "object", (3,), "raw values", columns=COLUMNS, missing=True)
NUMERIC = TensorSpec("numeric", "float32", (1,), "numbers", columns=("price",), missing=True)
RAW = Signature((VALUES, NUMERIC), (SCORE,), 8)
ROWS = {
    "values": np.array([["u1", "red", ""], ["", "", ""]], object),
    "numeric": np.array([[1.1], [np.nan]], np.float32),
}
KNOWN = [
    {"user": "u1", "tags": ["red"], "price": 1.1},
    {"user": None, "tags": [], "price": None},
]
RANK = Signature(
    (
        replace(VALUES, name="request_values", shape=(1,), columns=("user",)),
        replace(VALUES, name="item_values", shape=("candidates", 2), columns=COLUMNS[1:]),
    ),
    (replace(SCORE, shape=("candidates",)),),
    0,
)
REQUEST = {"request_values": ROWS["values"][0, :1], "item_values": ROWS["values"][:, 1:]}


def write_report(folder: Path, numeric: Parity, task: dict[str, Any] | None = None) -> None:
    (folder / REPORT_FILE).write_text(Report(CHECK, numeric, task).to_text())


def click_model(folder: Path, signature: Signature, **metrics: Any) -> Artifact:
    """A model of clicks with golden rows, as export leaves it."""
    inputs = ROWS if signature.max_batch else REQUEST
    scores = np.full((2, 1) if signature.max_batch else 2, 0.5, np.float32)
    (folder / GOLDEN_FILE).write_text(Golden(inputs, {"score": scores}).to_text())
    write_report(folder, NUMERIC_GATE)
    said = {"form": "rows", "precision": "fp32", **metrics}
    parents = {"checkpoint": "0" * 64}
    return Artifact(folder, "onnx", "finalmlp-ads-raw", signature, RECIPE, said, parents)


def test_card_of_a_click_model(tmp_path: Path) -> None:
    text = card(RESULT, click_model(tmp_path, RAW))
    assert "distilled from `ctr_ensemble-ads` (a ctr_ensemble) with kd" in text
    assert "| AUC, test rows | 0.9100 | 0.9000 | 0.9000 |" in text
    assert "| `values` | string | (batch, 3) | raw values; columns: user, tags × 2 |" in text
    assert "predicted clicks were 1.050 times the actual ones" in text
    assert "Values that training did not see are read as one unknown value" in text
    assert "Compared with the ids of the same rows on 10 real rows at batches 1, 2" in text
    assert f'client.predict("finalmlp-ads-raw", [{KNOWN[0]}])' in text
    assert "classes" not in text


def test_card_of_the_user_s_own_data_names_no_folder(tmp_path: Path) -> None:
    """And its commands are ones that work: no recipe is called after a file."""
    own = {
        "dataset": "/home/me/secret/ads.csv",
        "dataset_sha256": "ab",
        "data": {"schema": {"a": 1}},
    }
    model = click_model(tmp_path, RAW)
    text = card(RESULT, replace(model, recipe={**RECIPE, **own}))
    assert "secret" not in text
    assert "- ads.csv" in text
    assert "leanzoo train RECIPE --data ads.csv --schema SCHEMA" in text
    assert "leanzoo export finalmlp-ads" in text


def test_card_of_a_ranking_model(tmp_path: Path) -> None:
    text = card(RESULT, click_model(tmp_path, RANK))
    call = "{'user': 'u1'}, [{'tags': ['red']}, {'tags': []}]"
    assert f'client.rank("finalmlp-ads-raw", {call})' in text
    assert "rows a request" not in text


def test_card_of_a_vocabulary_judges_nothing(tmp_path: Path) -> None:
    ids = TensorSpec("ids", "int64", (3,), "ids", high=(9, 5, 5), columns=COLUMNS)
    text = card(RESULT, click_model(tmp_path, Signature((VALUES,), (ids,), 8)))
    assert "The vocabulary of a `finalmlp`: raw values to the ids that it takes." in text
    assert "## Quality" not in text and "## Limits" not in text and "client." not in text


def test_card_of_an_int8_model(tmp_path: Path) -> None:
    ids = TensorSpec("ids", "int64", (3,), "ids", high=(9, 5, 5), columns=COLUMNS)
    made = click_model(tmp_path, Signature((ids,), (SCORE,), 8), precision="int8", p50_batch1_us=21)
    auc = {"torch": 0.9, "graph": 0.8999, "change": -1e-4, "low": -1.5e-4, "high": 2e-5}
    task = {"rows": 5000, "resamples": 1000, "metrics": {"auc": {**auc, "allowed": 2e-4}}}
    write_report(tmp_path, replace(NUMERIC_GATE, atol=None, rtol=None), task)
    text = card(RESULT, made)
    assert "int8 (int8 weights, and int8 products" in text and "0.33 MB, 1,000 numbers" in text
    assert "one row takes 21 µs" in text and "accepted: " not in text
    assert "On all 5,000 rows of the test set" in text
    assert "| auc | 0.90000 | 0.89990 | -1.0e-04 (-1.5e-04 to +2.0e-05) | 0.0002 |" in text
    assert "leanzoo export finalmlp-ads --precision int8\n" in text
    assert "leanzoo publish finalmlp-ads --precision int8\n" in text
    assert "Ids that training did not see" in text


def test_header_is_what_model_hubs_read(tmp_path: Path) -> None:
    data = ModelCard(card(RESULT, click_model(tmp_path, RAW))).data
    assert (data.library_name, data.datasets) == ("onnx", ["ads"])
    found = {one.metric_type: one.metric_value for one in data.eval_results}
    assert found == {"auc": 0.9, "logloss": 0.3, "calibration": 1.05, "ece": 0.01}
    assert data.eval_results[0].task_type == "click-prediction"


SERIES_RECIPE = {
    "model": "quantile_mlp",
    "dataset": "/home/me/power.csv",
    "dataset_sha256": "ab",
    "data": {"time": "the hour", "columns": ["a", "b"], "split": [0.7, 0.1, 0.2]},
    "seed": 7,
    "distill": {"method": "vanilla"},
    "teacher": None,
}
OF_FORECASTS = {"test_mse": 0.35, "test_mae": 0.4, "test_crps": 0.3, "test_coverage80": 0.79}


def forecaster(folder: Path, channels: int | str) -> Artifact:
    history = TensorSpec("history", "float32", (channels, 48), "values", missing=True)
    signature = Signature((history,), (TensorSpec("mean", "float32", (channels, 8), "mean"),), 64)
    write_report(folder, NUMERIC_GATE)
    said = {"form": "series", "precision": "fp32"}
    parents = {"checkpoint": "0" * 64}
    return Artifact(folder, "onnx", "quantile_mlp-power", signature, SERIES_RECIPE, said, parents)


def test_card_of_a_forecaster_that_the_gate_put_before_the_distilled_one(tmp_path: Path) -> None:
    metrics = {
        role: {**OF_FORECASTS, "test_mse": mse}
        for role, mse in {"teacher": 0.4, "student": 0.38, "vanilla": 0.35, "last_value": 1}.items()
    }
    methods = {"methods": ["paths", "vanilla"], "deployed": "vanilla"}
    text = card({**RESULT, **methods, "metrics": metrics}, forecaster(tmp_path, "channels"))
    assert "trained on labels alone" in text
    heads = "teacher | paths | this model, without a teacher | last value"
    assert f"| measured | {heads} |" in text
    assert "| MSE of the mean, test windows | 0.4000 | 0.3800 | 0.3500 | 1.0000 |" in text
    assert "over their deviation in training; coverage is a fraction; one seed (7)" in text
    assert (
        "largest difference 1.0e-07 of a history's scale (accepted: 1e-05, and 1e-04 of a value)"
        in text
    )
    assert "It sees the last 48 values" in text and "Every series is forecast by itself" in text
    assert "Of 79 % of test values" in text
    assert "--data power.csv --time 'the hour' --columns a,b --split 0.7,0.1,0.2" in text


def test_card_of_a_forecaster_of_several_series_at_once(tmp_path: Path) -> None:
    metrics = {"student": OF_FORECASTS}
    text = card({**RESULT, "metrics": metrics}, forecaster(tmp_path, 7))
    assert "It takes the 7 series it was trained on, in their order" in text


def test_examples_lead_back_to_their_arrays() -> None:
    assert records(RAW, ROWS) == KNOWN
    for name, array in to_arrays(RAW, KNOWN).items():
        np.testing.assert_array_equal(array, ROWS[name])
    for name, array in rank_arrays(RANK, *ranking(RANK, REQUEST)).items():
        np.testing.assert_array_equal(array, REQUEST[name])
