"""Golden rows and steps of ensembles: written, read back, and compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoo.artifact import ArtifactError
from zoo.contract import Signature, TensorSpec
from zoo.golden import Golden, ranked
from zoo.steps import Step, read_steps, run_steps, steps_text

SIGNATURE = Signature(
    (
        TensorSpec("words", "object", (2,), "test"),
        TensorSpec("numeric", "float32", (1,), "test", missing=True),
    ),
    (TensorSpec("score", "float32", (1,), "test"), TensorSpec("ids", "int64", (2,), "test")),
    8,
)
GOLDEN = Golden(
    {
        "words": np.array([["a", 'ü"\n'], ["", "b"]], object),
        "numeric": np.array([[np.nan], [1 / 3]], np.float32),
    },
    {"score": np.array([[0.1], [1e-30]], np.float32), "ids": np.array([[1, 2], [3, 2**62]])},
)


def test_golden_rows_are_read_back_to_the_bit(tmp_path: Path) -> None:
    text = GOLDEN.to_text()
    assert "[[null], [0.33333334]]" in text and "[[0.1], [1e-30]]" in text
    (tmp_path / "golden.json").write_text(text)
    read = Golden.load(tmp_path, SIGNATURE)
    for written, found in ((GOLDEN.inputs, read.inputs), (GOLDEN.outputs, read.outputs)):
        assert list(written) == list(found)
        for name, array in written.items():
            assert array.dtype == found[name].dtype
            np.testing.assert_array_equal(array, found[name])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no golden rows: export and publish again"),
        ("{", "golden.json holds no golden rows"),
        ('{"inputs": {"words": [["a", "b"]]}, "outputs": {}}', r"no golden rows \('numeric'\)"),
        ('{"inputs": {"words": [["a"]], "numeric": [[1]]}}', "input 'words' has shape"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "golden.json").write_text(content)
    with pytest.raises(ArtifactError, match=message):
        Golden.load(tmp_path, SIGNATURE)


def test_tolerance_is_part_of_them(tmp_path: Path) -> None:
    loose = Golden(GOLDEN.inputs, GOLDEN.outputs, tolerance=0.5)
    (tmp_path / "golden.json").write_text(loose.to_text())
    read = Golden.load(tmp_path, SIGNATURE)
    assert read.mismatch(answers(score=SCORE + np.float32(0.25))) == ""
    assert read.mismatch(answers(score=SCORE + 1)).endswith("differs by 1: expected at most 0.5")


def answers(**changed: np.ndarray) -> dict[str, np.ndarray]:
    return {**GOLDEN.outputs, **changed}


SCORE = GOLDEN.outputs["score"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answers(), ""),
        (answers(score=SCORE + np.float32(9e-5)), ""),
        (answers(score=SCORE + 1), "output 'score' differs by 1: expected at most 0.0001"),
        (answers(score=SCORE * np.nan), "output 'score' differs by nan: expected at most 0.0001"),
        (answers(score=SCORE[:1]), "output 'score' has shape (1, 1): expected (2, 1)"),
        (answers(ids=np.array([[1, 2], [3, 4]])), "output 'ids' differs in 1 of 4 entries"),
        ({"score": SCORE}, "output 'ids' is missing"),
    ],
)
def test_answers_are_compared(given: dict[str, np.ndarray], said: str) -> None:
    assert GOLDEN.mismatch(given) == said


def test_differences_count_in_units_and_nan_where_nothing_is_known(tmp_path: Path) -> None:
    """One unit per row, whatever axes follow; a unit of NaN stands for nothing known."""
    score = np.array([[1000.0], [np.nan]], np.float32)
    written = Golden(GOLDEN.inputs, answers(score=score), unit=np.array([100.0, np.nan]))
    (tmp_path / "golden.json").write_text(written.to_text())
    read = Golden.load(tmp_path, SIGNATURE)
    assert read.mismatch(answers(score=score + np.float32(0.009))) == ""
    assert read.mismatch(answers(score=score + 1)).startswith("output 'score' differs by 0.01:")
    for other in ([[np.nan], [np.nan]], [[1000], [0]], [[1000], [np.inf]], [[np.inf], [np.nan]]):
        assert "differs by" in read.mismatch(answers(score=np.array(other, np.float32)))
    assert "differs by nan" in replace(read, unit=None).mismatch(answers(score=score))


CLASSES = Signature(
    (TensorSpec("x", "float32", (1,), "test"),),
    (TensorSpec("probabilities", "float32", (3,), "test"),),
    8,
)
NAMES = ["cat", "dog", "mähre"]


def labelled() -> Golden:
    outputs = {"probabilities": np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]], np.float32)}
    x = np.zeros((2, 1), np.float32)
    return Golden({"x": x}, outputs, labels=ranked(outputs, NAMES))


def test_classes_are_ranked_by_name() -> None:
    assert labelled().labels == (("dog", "mähre", "cat"), ("cat", "mähre", "dog"))
    assert '"labels"' not in GOLDEN.to_text()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (NAMES, ""),
        (["dog", "cat", "mähre"], "'cat' where 'dog' was"),
        (["cat", "mähre", "dog"], "'mähre' where 'dog' was"),
        (["mähre", "dog", "cat"], "'cat' where 'mähre' was"),
        (["cat", "dog", "mare"], "'mare' where 'mähre' was"),
        (["cat", "dog"], "2 names: expected 3"),
        ([*NAMES, ""], "4 names: expected 3"),
    ],
)
def test_names_in_another_order_are_found(tmp_path: Path, names: list[str], said: str) -> None:
    (tmp_path / "golden.json").write_text(labelled().to_text())
    assert Golden.load(tmp_path, CLASSES).mislabelled(names) == said


@pytest.mark.parametrize("labels", ["3", "[3]", '[["a"]]', '[["cat", "dog"], ["a", "b"]]'])
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: str) -> None:
    text = labelled().to_text().split(', "labels"')[0] + f', "labels": {labels}}}'
    (tmp_path / "golden.json").write_text(text)
    with pytest.raises(ArtifactError, match="holds no golden rows .*: export and publish again"):
        Golden.load(tmp_path, CLASSES)


STEPS = (
    Step("double", {"x": "number"}, {"y": "doubled"}, version=2),
    Step("add", {"a": "doubled", "b": "number"}, {"sum": "total"}),
)


def test_steps_are_run_in_turn(tmp_path: Path) -> None:
    (tmp_path / "steps.json").write_text(steps_text(STEPS))
    assert read_steps(tmp_path) == STEPS

    def ask(step: Step, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if step.model == "double":
            return {"y": 2 * arrays["x"]}
        return {"sum": arrays["a"] + arrays["b"]}

    tensors = run_steps(STEPS, {"number": np.array([1, 2])}, ask)  # type: ignore[arg-type]
    assert tensors["total"].tolist() == [3, 6] and set(tensors) == {"number", "doubled", "total"}


def test_no_steps_and_broken_ones(tmp_path: Path) -> None:
    assert read_steps(tmp_path) == ()
    for content in ("[", "[3]", '[{"model": "a", "colour": 1}]', "3"):
        (tmp_path / "steps.json").write_text(content)
        with pytest.raises(ArtifactError, match=r"steps\.json cannot be read .*again"):
            read_steps(tmp_path)
