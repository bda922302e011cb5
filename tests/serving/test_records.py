"""Raw values become arrays, and what does not fit is refused by row and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.endpoint import MAX_CANDIDATES, check_request
from serving.errors import RequestRefused
from serving.local import Local
from serving.records import rank_arrays, scores_of, to_arrays
from zoo.contract import Signature, SignatureError, TensorSpec


def texts(name: str, columns: tuple[str, ...], *lead: str) -> TensorSpec:
    shape = (*lead, len(columns))
    return TensorSpec(name, "object", shape, "test", columns=columns, missing=True)


def numbers(name: str, columns: tuple[str, ...], *lead: str) -> TensorSpec:
    shape = (*lead, len(columns))
    return TensorSpec(name, "float32", shape, "test", columns=columns, missing=True)


SCORE = TensorSpec("score", "float32", (1,), "test")
SCORES = TensorSpec("score", "float32", ("candidates",), "test")
COLUMNS = ("user", "tags", "tags", "tags", "item")
ROWS = Signature((texts("values", COLUMNS), numbers("numeric", ("price", "age"))), (SCORE,), 8)
RANK = Signature(
    (
        texts("request_values", ("user",)),
        numbers("request_numeric", ("age",)),
        texts("item_values", ("item", "tags", "tags"), "candidates"),
        numbers("item_numeric", ("price",), "candidates"),
    ),
    (SCORES,),
    0,
)
IDS = Signature((TensorSpec("ids", "int64", (1,), "", (9,), ("user",)),), (SCORE,), 8)
DENSE = Signature((TensorSpec("x", "float32", (4,), ""),), (SCORE,), 8)
CLASSES = Signature((texts("values", ("user",)),), (TensorSpec("p", "float32", (2,), ""),), 8)


def test_values_are_written_one_way() -> None:
    records = [
        {"user": 12, "tags": ["a", 1.0], "item": " x ", "price": 3, "age": "2.5"},
        {"user": "12.0", "tags": [], "item": True, "price": None, "age": ""},
        {"user": 12.0, "tags": "one", "item": None, "price": float("nan")},
        {"tags": [None, "", "b", float("nan"), "c", "d", "cut"]},
    ]
    arrays = to_arrays(ROWS, records)
    assert arrays["values"].tolist() == [
        ["12", "a", "1", "", "x"],
        ["12", "", "", "", "true"],
        ["12", "one", "", "", ""],
        ["", "b", "c", "d", ""],
    ]
    nan = np.nan
    np.testing.assert_array_equal(
        arrays["numeric"], np.array([[3, 2.5], [nan, nan], [nan, nan], [nan, nan]], np.float32)
    )
    assert ROWS.check(arrays) == 4


@pytest.mark.parametrize("word", [None, "", " ", "NA", "n/a", "null", "\\N", "NaN", float("nan")])
def test_words_for_a_missing_number_are_those_of_training(word: Any) -> None:
    assert np.isnan(to_arrays(ROWS, [{"price": word}])["numeric"][0, 0])


def test_one_request_and_its_candidates() -> None:
    request = {"user": 7, "age": 30}
    arrays = rank_arrays(RANK, request, [{"item": "a", "tags": ("t",)}, {"price": 1.5}])
    assert arrays["request_values"].tolist() == ["7"]
    assert arrays["request_numeric"].tolist() == [30.0]
    assert arrays["item_values"].tolist() == [["a", "t", ""], ["", "", ""]]
    assert np.isnan(arrays["item_numeric"][0, 0]) and arrays["item_numeric"][1, 0] == 1.5
    RANK.check(arrays)
    assert scores_of({"score": np.array([0.5, 0.25], np.float32)}) == [0.5, 0.25]


REFUSED: list[tuple[Any, str]] = [
    ([{}, {"usr": 1}], "row 1 has unknown field 'usr': did you mean user"),
    ([{"user": ["a"]}], r"row 0: field 'user' is \['a'\]: expected one value"),
    ([{"user": {"a": 1}}], "row 0: field 'user' is .*: expected one value"),
    ([{}, {"tags": [["a"]]}], "row 1: field 'tags' is .*: expected a list of texts and numbers"),
    ([{"price": "cheap"}], "row 0: field 'price' is 'cheap': expected a number"),
    ([{"price": [1.0]}], r"row 0: field 'price' is \[1.0\]: expected a number"),
    ([{"price": 10**400}], "row 0: field 'price' is 1000.*: expected a number"),
    ([{"price": 1e39}], "row 0: field 'price' is 1e.39: expected a number"),
    ([{"price": "1_0"}], "row 0: field 'price' is '1_0': expected a number"),
    ([{"user": bytearray(b"u")}], "row 0: field 'user' is bytearray.*: expected one value"),
    ([{"price": 1e39}], r"row 0: field 'price' is 1e\+39: expected a number"),
    ([{}, {"user": "\ud800"}], r"row 1: field 'user' is '\\ud800': expected text of valid Unicode"),
    ([{}, {"tags": ["a", "\udfff"]}], "row 1: field 'tags' is .*: expected text of valid Unicode"),
    (["user"], "row 0 is 'user': expected a dict of fields"),
    ({"user": 1}, "expected a list of records, got a dict"),
    ("user", "expected a list of records, got a str"),
]


@pytest.mark.parametrize(("records", "message"), REFUSED)
def test_refused(records: Any, message: str) -> None:
    with pytest.raises(SignatureError, match=message) as caught:
        to_arrays(ROWS, records)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "candidates", "message"),
    [
        ({"item": 1}, [{}], "the request has unknown field 'item': it belongs to each candidate"),
        ({}, [{}, {"user": 1}], "candidate 1 has unknown field 'user': it belongs to the request"),
        ({}, [{"itm": 1}], "candidate 0 has unknown field 'itm': did you mean item"),
        ({"age": "old"}, [{}], "the request: field 'age' is 'old': expected a number"),
        ({}, {"item": 1}, "expected a list of records, got a dict"),
    ],
)
def test_refused_to_rank(request_: Any, candidates: Any, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        rank_arrays(RANK, request_, candidates)


def test_models_that_take_no_records() -> None:
    for signature, message in (
        (IDS, "'ids' takes ids, not raw values: ask the model with '-raw'"),
        (DENSE, "'x' has no fields to fill: use infer"),
        (CLASSES, "no output 'score': use infer"),
        (RANK, "ranks candidates for one request: use rank"),
    ):
        with pytest.raises(SignatureError, match=message):
            to_arrays(signature, [{}])
    with pytest.raises(SignatureError, match="answers row by row: use predict"):
        rank_arrays(ROWS, {}, [{}])


def ids(*rows: list[int]) -> dict[str, np.ndarray]:
    return {"ids": np.array(rows), "numeric": np.zeros((len(rows), 1), np.float32)}


BAD_IDS: list[tuple[dict[str, np.ndarray], str]] = [
    (ids([1, -1]), "field 'item' of input 'ids' holds id -1: expected 0 <= id < 4"),
    (ids([1, 1], [4, 1]), "field 'user' of input 'ids' holds id 4: expected 0 <= id < 4"),
    (ids([1]), "input 'ids' has 1 columns: expected 2, of the fields user, item"),
    (ids([1, 1, 1]), "input 'ids' has 3 columns: expected 2, of the fields user, item"),
    (ids(*[[1, 1]] * 9), "has 9 rows: expected 1 to 8; split it"),
]


@pytest.mark.parametrize(("arrays", "message"), BAD_IDS)
def test_bad_ids_are_refused_by_field(
    shared_repository: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(RequestRefused, match=f"model 'clicks': .*{message}"):
        Local(shared_repository).infer("clicks", arrays)


@pytest.mark.parametrize("candidates", [0, MAX_CANDIDATES + 1])
def test_number_of_candidates_is_bounded(candidates: int) -> None:
    arrays = rank_arrays(RANK, {}, [{}] * candidates)
    with pytest.raises(RequestRefused, match=f"'rank': .* has {candidates} candidates: expected 1"):
        check_request("rank", RANK, arrays)
    check_request("rank", RANK, rank_arrays(RANK, {}, [{}] * MAX_CANDIDATES))


def test_asked_with_records_in_process(shared_repository: Path, tiny_models: dict) -> None:
    local = Local(shared_repository)
    records = [{"user": "a", "item": "b", "price": 0.5}, {"item": "unheard of"}]
    known = tiny_models["clicks"].answer(
        {"ids": np.array([[1, 2], [3, 3]]), "numeric": np.array([[0.5], [np.nan]], np.float32)}
    )
    assert local.predict("clicks-raw", records) == known["score"].ravel().tolist()
    assert local.rank("clicks-rank", {"user": "c"}, [{"item": "a"}, {"item": "b"}]) == [2.0, 1.0]
    with pytest.raises(RequestRefused, match="model 'clicks-raw': row 0 has unknown field 'x'"):
        local.predict("clicks-raw", [{"x": 1}])
    with pytest.raises(RequestRefused, match="'clicks-rank': .* has 0 candidates: expected 1"):
        local.rank("clicks-rank", {}, [])
    with pytest.raises(RequestRefused, match="'clicks-raw': .* has 9 rows: expected 1 to 8"):
        local.predict("clicks-raw", [{}] * 9)
