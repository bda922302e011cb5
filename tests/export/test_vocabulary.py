"""Vocabularies as graphs: strings become ids, unseen and missing ones included."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from export.candidate import open_session
from export.errors import ExportError
from export.graph import OPSET, check_graph
from export.vocabulary import DOMAIN, encode_graph, encode_signature, read_vocabulary
from zoo.contract import Signature, TensorSpec

SCORE = (TensorSpec("score", "float32", (1,), "test"),)
COLUMNS = ("user", "tags", "tags", "tags", "new")
VOCABULARY = {"user": ["ann", "böb"], "tags": ["x", "y", "z"], "new": [], "age": ["12"]}
IDS = TensorSpec("ids", "int64", (5,), "test", (4, 5, 5, 5, 2), COLUMNS)
PRICE = TensorSpec("numeric", "float32", (1,), "test", columns=("price",), missing=True)
NET = Signature((IDS, PRICE), SCORE, 8)
RANK = Signature(
    (
        TensorSpec("request_ids", "int64", (1,), "test", (3,), ("age",)),
        TensorSpec("item_ids", "int64", ("candidates", 4), "test", (2, 5, 5, 5), COLUMNS[4:0:-1]),
    ),
    SCORE,
    0,
)


def test_strings_become_ids() -> None:
    graph = encode_graph(NET, VOCABULARY, "tiny")
    rows = [
        ["ann", "x", "z", "", ""],
        ["böb", "", "", "", "anything"],
        ["", "y", "unseen", "x", "x"],
        ["x", "ann", "böb", "12", "12"],
    ]
    (ids,) = open_session(graph).run(None, {"values": np.array(rows, object)})
    assert ids.dtype == np.int64
    assert ids.tolist() == [[1, 1, 3, 0, 1], [2, 0, 0, 0, 1], [3, 2, 4, 1, 1], [3, 4, 4, 4, 1]]
    encoders = ["LabelEncoder"] * 3
    assert [node.op_type for node in graph.graph.node] == ["Split", *encoders, "Concat"]
    assert {o.domain: o.version for o in graph.opset_import} == {"": OPSET, DOMAIN: 4}


def test_one_request_and_its_candidates() -> None:
    session = open_session(encode_graph(RANK, VOCABULARY, "tiny"))
    items = [["q", "z", "", "x"], ["", "?", "y", ""]]
    inputs = {"request_values": np.array(["12"], object), "item_values": np.array(items, object)}
    request, item = session.run(["request_ids", "item_ids"], inputs)
    assert request.tolist() == [1] and item.tolist() == [[1, 3, 0, 1], [1, 4, 2, 0]]


def test_signature_is_the_nets_with_strings() -> None:
    signature = encode_signature(NET)
    assert signature.outputs == (IDS,) and signature.max_batch == 8
    (values,) = signature.inputs
    assert (values.name, values.dtype, values.shape) == ("values", "object", (5,))
    assert (values.columns, values.missing, values.high) == (COLUMNS, True, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": None}, "tiny: field 'user' is not in vocabulary.json"),
        ({"tags": ["x", "y"]}, "field 'tags' has 4 ids in vocabulary.json: the net has 5"),
    ],
)
def test_another_vocabulary_is_refused(change: dict, message: str) -> None:
    vocabulary = {k: v for k, v in (VOCABULARY | change).items() if v is not None}
    with pytest.raises(ExportError, match=message):
        encode_graph(NET, vocabulary, "tiny")


def test_ids_bounded_as_a_whole_are_refused() -> None:
    ids = TensorSpec("ids", "int64", (1,), "test", 4, ("user",))
    with pytest.raises(ExportError, match="'ids' bounds no column: expected one bound per column"):
        encode_graph(Signature((ids,), SCORE, 8), VOCABULARY, "tiny")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"user": "ann"}', b'{"user": [1]}', b"\xff"])
def test_what_is_no_vocabulary_is_refused(content: bytes) -> None:
    with pytest.raises(ExportError, match="tiny: vocabulary.json is no table of lists of strings"):
        read_vocabulary(content, "tiny")
    assert read_vocabulary(json.dumps(VOCABULARY).encode(), "tiny") == VOCABULARY


def test_operators_outside_onnx_are_for_vocabularies_alone() -> None:
    graph = encode_graph(NET, VOCABULARY, "tiny")
    with pytest.raises(ExportError, match="operators outside ONNX's own: LabelEncoder"):
        check_graph(graph, encode_signature(NET), "tiny")
    onnx.checker.check_model(graph, full_check=True)
