"""The model card states what was measured, and its limits."""

from __future__ import annotations

from typing import Any

import pytest

from export.card import card
from zoo.artifact import Artifact


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
