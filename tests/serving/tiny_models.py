"""Tiny models, one of every kind that is served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.serving.tiny_model import TinyModel
from zoo.contract import Signature, TensorSpec
from zoo.steps import Step


def _spec(name: str, dtype: str, *shape: int | str, high: int | None = None) -> TensorSpec:
    return TensorSpec(name, dtype, shape, "test", high)


def _mlp(name: str, max_batch: int, lead: tuple[str, ...] = (), form: str = "") -> TinyModel:
    rng = np.random.default_rng(0)
    return TinyModel(
        name,
        Signature(
            (_spec("x", "float32", *lead, 4),),
            (_spec("probabilities", "float32", *lead, 3),),
            max_batch,
        ),
        [
            helper.make_node("MatMul", ["x", "w"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ],
        {"w": rng.normal(size=(4, 3)).astype(np.float32)},
        labels=LABELS,
        form=form,
    )


LABELS = ("cat", "dog", "great: owl")
MLP = _mlp("mlp-tiny", max_batch=8, form="dense")
NODES = _mlp("mlp-nodes", max_batch=0, lead=("nodes",))
EMBED = TinyModel(
    "embed-tiny",
    Signature((_spec("ids", "int64", 2, high=10),), (_spec("score", "float32", 2),), 16),
    [helper.make_node("Gather", ["table", "ids"], ["score"])],
    {"table": np.arange(10, dtype=np.float32)},
    queue_delay_us=300_000,
)
ENCODE = TinyModel(
    "encode-tiny",
    Signature(
        (_spec("word", "object", 1),), (_spec("id", "int64", 1), _spec("echo", "object", 1)), 8
    ),
    [
        helper.make_node(
            "LabelEncoder",
            ["word"],
            ["id"],
            domain="ai.onnx.ml",
            keys_strings=["kéks", "bread"],
            values_int64s=[1, 2],
            default_int64=0,
        ),
        helper.make_node("Identity", ["word"], ["echo"]),
    ],
)
FIELDS = ("user", "item")
WORDS = TensorSpec("values", "object", (2,), "test", columns=FIELDS, missing=True)
IDS = TensorSpec("ids", "int64", (2,), "test", (4, 4), FIELDS)
PRICE = TensorSpec("numeric", "float32", (1,), "test", columns=("price",), missing=True)
SCORE = _spec("score", "float32", 1)


def _encoder(text: str, ids: str) -> onnx.NodeProto:
    """a and b are 1 and 2, anything else 3."""
    return helper.make_node(
        "LabelEncoder",
        [text],
        [ids],
        domain="ai.onnx.ml",
        keys_strings=["a", "b"],
        values_int64s=[1, 2],
        default_int64=3,
    )


CODES = TinyModel(
    "clicks-encode",
    Signature((WORDS,), (IDS,), 8),
    [_encoder("values", "ids")],
    form="rows-encode",
)
CLICKS = TinyModel(
    "clicks",
    Signature((IDS, PRICE), (SCORE,), 8),
    [
        helper.make_node("Cast", ["ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["sum"]),
        helper.make_node("IsNaN", ["numeric"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "numeric"], ["price"]),
        helper.make_node("Add", ["sum", "price"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ],
    {"w": np.array([[0.5], [-0.25]], np.float32), "zero": np.zeros(1, np.float32)},
    form="rows",
)
RAW = TinyModel(
    "clicks-raw",
    Signature((WORDS, PRICE), (SCORE,), 8),
    steps=(
        Step("clicks-encode", {"values": "values"}, {"ids": "ids"}, 1),
        Step("clicks", {"ids": "ids", "numeric": "numeric"}, {"score": "score"}, 1),
    ),
    parts=(CODES, CLICKS),
    form="rows-raw",
)
RANK = TinyModel(
    "clicks-rank",
    Signature(
        (
            TensorSpec("request_values", "object", (1,), "test", columns=("user",)),
            TensorSpec("item_values", "object", ("candidates", 1), "test", columns=("item",)),
        ),
        (_spec("score", "float32", "candidates"),),
        0,
    ),
    [
        _encoder("request_values", "user"),
        _encoder("item_values", "item"),
        helper.make_node("Sub", ["user", "item"], ["difference"]),
        helper.make_node("Squeeze", ["difference", "axis"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["score"], to=TensorProto.FLOAT),
    ],
    {"axis": np.array([1])},
    form="rank-raw",
)
LOOKBACK, HORIZON = 4, 3
LEVELS = tuple(k / 10 for k in range(1, 10))
FORECAST = TinyModel(
    "forecast-tiny",
    Signature(
        (TensorSpec("history", "float32", ("channels", LOOKBACK), "test", missing=True),),
        (
            TensorSpec(
                "quantiles",
                "float32",
                ("channels", HORIZON, 9),
                "the mean of what is known, ever further from its median",
                columns=tuple(map(str, LEVELS)),
            ),
            _spec("median", "float32", "channels", HORIZON),
            _spec("mean", "float32", "channels", HORIZON),
            _spec("status", "int64", "channels"),
        ),
        8,
    ),
    [
        helper.make_node("IsNaN", ["history"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "history"], ["filled"]),
        helper.make_node("Where", ["missing", "zero", "one"], ["known"]),
        helper.make_node("ReduceSum", ["filled", "time"], ["sum"]),
        helper.make_node("ReduceSum", ["known", "time"], ["count"]),
        helper.make_node("Div", ["sum", "count"], ["level"]),
        helper.make_node("Add", ["level", "slope"], ["median"]),
        helper.make_node("Add", ["median", "half"], ["mean"]),
        helper.make_node("Unsqueeze", ["median", "time"], ["upright"]),
        helper.make_node("Add", ["upright", "offsets"], ["quantiles"]),
        helper.make_node("Squeeze", ["count", "time"], ["counts"]),
        helper.make_node("Equal", ["counts", "zero"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["status"], to=TensorProto.INT64),
    ],
    {
        "zero": np.float32(0)[None],
        "one": np.float32(1)[None],
        "half": np.float32(0.5)[None],
        "time": np.array([-1]),
        "slope": np.arange(1, HORIZON + 1, dtype=np.float32),
        "offsets": np.outer(np.arange(1, HORIZON + 1), np.array(LEVELS) - 0.5).astype(np.float32),
    },
    form="series",
)
ALL = (MLP, NODES, EMBED, ENCODE, CODES, CLICKS, RAW, RANK, FORECAST)

SPARSE = TinyModel(
    "mlp-tiny-sparse",
    Signature(
        (_spec("feature_ids", "int64", 3, high=5), _spec("feature_values", "float32", 3)),
        (_spec("probabilities", "float32", 3),),
        4,
    ),
    [
        helper.make_node("Gather", ["rows", "feature_ids"], ["given"]),
        helper.make_node("Unsqueeze", ["feature_values", "last"], ["upright"]),
        helper.make_node("Mul", ["given", "upright"], ["terms"]),
        helper.make_node("ReduceSum", ["terms", "features"], ["logits"], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ],
    {
        "rows": np.vstack([MLP.weights["w"], np.zeros((1, 3), np.float32)]),
        "last": np.array([-1]),
        "features": np.array([1]),
    },
    labels=LABELS,
    form="sparse",
)
RANK_IDS = TinyModel(
    "clicks-rank",
    Signature(
        (
            TensorSpec("request_ids", "int64", (1,), "test", (4,), ("user",)),
            TensorSpec("request_numeric", "float32", (1,), "test", columns=("age",), missing=True),
            TensorSpec("item_ids", "int64", ("candidates", 1), "test", (4,), ("item",)),
        ),
        (_spec("score", "float32", "candidates"),),
        0,
    ),
    [
        helper.make_node("Sub", ["request_ids", "item_ids"], ["difference"]),
        helper.make_node("Cast", ["difference"], ["apart"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["apart", "request_numeric"], ["sum"]),
        helper.make_node("Squeeze", ["sum", "axis"], ["score"]),
    ],
    {"axis": np.array([1])},
    form="rank",
)
OFFERED = (  # by a gateway: every form once
    MLP,
    SPARSE,
    CODES,
    CLICKS,
    RAW,
    RANK_IDS,
    replace(RANK, name="clicks-rank-raw"),
    FORECAST,
)
