"""The model card states what was measured, and its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.card import card
from export.example import ranking, records
from serving.records import rank_arrays, to_arrays
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec
from zoo.golden import GOLDEN_FILE, Golden


def test_card_of_a_real_export(result: dict[str, Any], exported: dict[str, Artifact]) -> None:
    text = card(result, exported["mlp-toy-sparse"])
    assert text.startswith("---\nlibrary_name: onnx\n")
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
PARITY = {
    "rows": 10,
    "batches": [1, 2],
    "max_abs_diff": 1e-7,
    "tolerance": 1e-6,
    "top1_agreement": None,
}
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


def click_model(folder: Path, signature: Signature, **metrics: Any) -> Artifact:
    """A model of clicks with golden rows, as export leaves it."""
    inputs = ROWS if signature.max_batch else REQUEST
    scores = np.full((2, 1) if signature.max_batch else 2, 0.5, np.float32)
    (folder / GOLDEN_FILE).write_text(Golden(inputs, {"score": scores}).to_text())
    said = {"form": "rows", "parity": PARITY, **metrics}
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
    held = {"metric": "test_auc", "fp32": 0.9, "int8": 0.8999, "size": 0.33}
    signature = Signature((ids,), (SCORE,), 8)
    made = click_model(tmp_path, signature, int8=held, parity={**PARITY, "tolerance": None})
    text = card(RESULT, made)
    assert "with the fp32 graph on 10 real rows" in text
    assert "test_auc 0.89990 against 0.90000, at 33 % of the size" in text
    assert "Ids that training did not see" in text


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


def forecaster(channels: int | str) -> Artifact:
    history = TensorSpec("history", "float32", (channels, 48), "values", missing=True)
    signature = Signature((history,), (TensorSpec("mean", "float32", (channels, 8), "mean"),), 64)
    said = {"form": "series", "parity": {**PARITY, "tolerance": 1e-4}}
    parents = {"checkpoint": "0" * 64}
    return Artifact(Path(), "onnx", "quantile_mlp-power", signature, SERIES_RECIPE, said, parents)


def test_card_of_a_forecaster_that_the_gate_put_before_the_distilled_one() -> None:
    metrics = {
        role: {**OF_FORECASTS, "test_mse": mse}
        for role, mse in {"teacher": 0.4, "student": 0.38, "vanilla": 0.35, "last_value": 1}.items()
    }
    methods = {"methods": ["paths", "vanilla"], "deployed": "vanilla"}
    text = card({**RESULT, **methods, "metrics": metrics}, forecaster("channels"))
    assert "trained on labels alone" in text
    heads = "teacher | paths | this model, without a teacher | last value"
    assert f"| measured | {heads} |" in text
    assert "| MSE of the mean, test windows | 0.4000 | 0.3800 | 0.3500 | 1.0000 |" in text
    assert "over their deviation in training; coverage is a fraction; one seed (7)" in text
    assert "largest difference 1.0e-07 of a history's scale (accepted: 1e-04)" in text
    assert "It sees the last 48 values" in text and "Every series is forecast by itself" in text
    assert "Of 79 % of test values" in text
    assert "--data power.csv --time 'the hour' --columns a,b --split 0.7,0.1,0.2" in text


def test_card_of_a_forecaster_of_several_series_at_once() -> None:
    metrics = {"student": OF_FORECASTS}
    text = card({**RESULT, "metrics": metrics}, forecaster(7))
    assert "It takes the 7 series it was trained on, in their order" in text


def test_examples_lead_back_to_their_arrays() -> None:
    assert records(RAW, ROWS) == KNOWN
    for name, array in to_arrays(RAW, KNOWN).items():
        np.testing.assert_array_equal(array, ROWS[name])
    for name, array in rank_arrays(RANK, *ranking(RANK, REQUEST)).items():
        np.testing.assert_array_equal(array, REQUEST[name])
