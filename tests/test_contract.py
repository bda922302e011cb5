"""The contract: what a signature accepts, and when an artifact can be trusted."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.contract import Signature, SignatureError, TensorSpec, near

ROWS = Signature(
    inputs=(
        TensorSpec("ids", "int64", (3,), "word ids", high=10),
        TensorSpec("values", "float32", (3,), "their counts"),
        TensorSpec("name", "object", (), "text"),
    ),
    outputs=(TensorSpec("probabilities", "float32", (2,), "of each class"),),
    max_batch=4,
)
GRAPH = Signature(
    inputs=(
        TensorSpec("x", "float32", ("nodes", 2), "features"),
        TensorSpec("source", "int64", ("edges",), "row in x", high="nodes"),
        TensorSpec("weight", "float32", ("edges",), "of the edge"),
    ),
    outputs=(TensorSpec("logits", "float32", ("nodes", 2), "scores"),),
    max_batch=0,
)


def rows(**changed: Any) -> dict[str, Any]:
    """Two good rows with some inputs replaced; None leaves one out."""
    good = {
        "ids": np.array([[0, 5, 9], [1, 1, 1]]),
        "values": np.ones((2, 3), np.float32),
        "name": np.array(["a", "b"], object),
    }
    return {k: v for k, v in (good | changed).items() if v is not None}


def graph(**changed: Any) -> dict[str, Any]:
    good = {
        "x": np.zeros((3, 2), np.float32),
        "source": np.array([0, 2, 1, 1]),
        "weight": np.ones(4, np.float32),
    }
    return good | changed


BAD_VALUES = np.ones((2, 3), np.float32)
BAD_VALUES[1, 2] = np.nan

REFUSED: dict[str, tuple[Signature, dict[str, Any], str]] = {
    "unknown": (ROWS, rows(valeus=1), "unknown input 'valeus': did you mean values"),
    "missing": (ROWS, rows(values=None), "input 'values' is missing: expected .*'ids'"),
    "dtype": (ROWS, rows(ids=np.ones((2, 3), np.int32)), "'ids' has dtype int32: expected int64"),
    "width": (ROWS, rows(ids=np.ones((2, 4), int)), r"'ids' has shape \(2, 4\): .* \(batch, 3\)"),
    "rank": (ROWS, rows(values=np.ones(3, np.float32)), r"'values' has shape \(3,\): expected"),
    "other batch": (ROWS, rows(name=np.array(["a"], object)), r"'name' .* with batch = 2"),
    "empty": (ROWS, {k: v[:0] for k, v in rows().items()}, "has 0 rows: expected 1 to 4"),
    "too many": (ROWS, {k: np.repeat(v, 3, 0) for k, v in rows().items()}, "6 rows: .* split it"),
    "nan": (ROWS, rows(values=BAD_VALUES), "'values' is NaN or infinite in row 1: clean it"),
    "infinite": (
        ROWS,
        rows(values=np.full((2, 3), -np.inf, "f4")),
        "'values' is NaN or infinite in row 0",
    ),
    "negative id": (
        ROWS,
        rows(ids=np.full((2, 3), -1)),
        "'ids' holds id -1: expected 0 <= id < 10",
    ),
    "high id": (ROWS, rows(ids=np.full((2, 3), 10)), "'ids' holds id 10: expected 0 <= id < 10"),
    "no text": (ROWS, rows(name=np.array(["a", 3], object)), "'name' holds 3: expected strings"),
    "axes": (GRAPH, graph(weight=np.ones(5, np.float32)), r"'weight' .* with edges = 4"),
    "id of axis": (GRAPH, graph(source=np.array([0, 1, 2, 3])), "holds id 3: expected 0 <= id < 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    signature, arrays, message = REFUSED[case]
    with pytest.raises(SignatureError, match=message) as caught:
        signature.check(arrays)
    assert "\n" not in str(caught.value)


def test_accepted() -> None:
    assert ROWS.check(rows()) == 2
    assert GRAPH.check(graph()) == 0
    assert GRAPH.check(graph(source=np.zeros(0, int), weight=np.zeros(0, np.float32))) == 0


def test_scalar_without_batch() -> None:
    scalar = Signature((TensorSpec("t", "float32", (), "temperature"),), (), 0)
    assert scalar.check({"t": np.array(1, np.float32)}) == 0
    with pytest.raises(SignatureError, match="'t' is NaN or infinite in row 0"):
        scalar.check({"t": np.array(np.nan, np.float32)})


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([ROWS, GRAPH]), st.integers(1, 4), st.integers(0, 2**32))
def test_sample_passes_check(signature: Signature, batch: int, seed: int) -> None:
    arrays = signature.sample(batch, seed)
    assert signature.check(arrays) == (batch if signature.max_batch else 0)
    again = signature.sample(batch, seed)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_near_names() -> None:
    known = ["mlp-cora", "mlp-citeseer"]
    assert near("mlp-corra", known).startswith("did you mean mlp-cora")
    assert "mlp-citeseer" in near("zzz", known)
    assert near("zzz", []) == "there is none yet"


FIELDS = Signature(
    inputs=(
        TensorSpec("ids", "int64", (3,), "ids", high=(4, 9, 9), columns=("user", "tag", "tag")),
        TensorSpec("numeric", "float32", (1,), "numbers", columns=("age",), missing=True),
    ),
    outputs=(TensorSpec("score", "float32", (1,), "of a click"),),
    max_batch=8,
)


def fields(ids: list[list[int]], age: float = 1.0) -> dict[str, np.ndarray]:
    return {"ids": np.array(ids), "numeric": np.full((len(ids), 1), age, np.float32)}


def test_each_column_has_its_bound() -> None:
    assert FIELDS.check(fields([[3, 8, 8], [0, 0, 0]])) == 2
    with pytest.raises(SignatureError, match="field 'user' of input 'ids' holds id 4: .* < 4"):
        FIELDS.check(fields([[0, 0, 0], [4, 8, 8]]))
    with pytest.raises(SignatureError, match="field 'tag' of input 'ids' holds id -1: .* < 9"):
        FIELDS.check(fields([[0, 0, -1]]))


def test_a_missing_number_is_accepted_where_the_tensor_says_so() -> None:
    assert FIELDS.check(fields([[0, 0, 0]], age=np.nan)) == 1
    with pytest.raises(SignatureError, match="field 'age' of input 'numeric' is infinite in row 0"):
        FIELDS.check(fields([[0, 0, 0]], age=np.inf))


@pytest.mark.parametrize("signature", [ROWS, GRAPH, FIELDS])
def test_signature_round_trip(signature: Signature) -> None:
    raw = json.loads(json.dumps(signature.to_dict()))
    assert Signature.from_dict(raw) == signature
    assert Signature.from_dict(json.loads(json.dumps(asdict(signature)))) == signature
    assert ("columns" in raw["inputs"][0]) == (signature is FIELDS)
