"""The served forms: folded rows, one request with many candidates, and their graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from export.graph import to_graph
from zoo.families.ctr import forms
from zoo.families.ctr.ensemble import KINDS, CTREnsemble, EnsembleConfig
from zoo.families.ctr.finalmlp import FinalMLP, FinalMLPConfig
from zoo.families.ctr.layout import Field, Layout
from zoo.families.ctr.rank import ComputedGate, RankFinalMLP, TableGate

GATES: dict[str, dict[str, Any]] = {
    "request and item": {"fs1_context": ["user"], "fs2_context": ["item"]},
    "item and request": {"fs1_context": ["item"], "fs2_context": ["hour", "age"]},
    "static": {},
    "static and item": {"fs2_context": ["item"]},
    "both at once": {"fs1_context": ["user", "item"], "fs2_context": ["price", "tags", "age"]},
    "lists": {"fs1_context": ["tags"], "fs2_context": ["user", "hour"]},
    "none": {"gated": False},
}
SINGLES: dict[str, dict[str, Any]] = {
    "finalmlp": {"mlp1": [12, 8], "mlp2": [6], "heads": 2, "fs1_context": ["user", "price"]},
    "dualmlp": {"mlp1": [12, 8], "mlp2": [6]},
    "dcnv2": {"mlp": [8, 8]},
    "xdeepfm": {"mlp": [8, 8]},
    "autoint": {"mlp": [8, 8]},
    "logreg": {},
}
Arrays = dict[str, np.ndarray]


def finalmlp(log: Any, live: Any, gates: dict[str, Any]) -> FinalMLP:
    torch.manual_seed(0)
    config = FinalMLPConfig(
        **log.sizes, mlp1=[12, 8], mlp2=[6], fs_hidden=[5], heads=2, dropout1=0.3, **gates
    )
    model = live(FinalMLP(config))
    assert isinstance(model, FinalMLP)
    return model


def tiled(log: Any, n_rows: int) -> Arrays:
    """Rows of one request."""
    arrays = forms.rows(log, None, np.arange(n_rows))
    request = tuple(field.name for field in log.layout.fields if field.role == "request")
    for name, columns in zip(("ids", "numeric"), log.layout.columns(request), strict=True):
        if name in arrays:
            arrays[name][:, columns] = arrays[name][:1, columns]
    return arrays


def ranked(log: Any, arrays: Arrays) -> Arrays:
    return forms._ranked(log.layout, arrays)


@torch.no_grad()
def answer(module: nn.Module, arrays: Arrays) -> Any:
    return module(*(torch.from_numpy(array) for array in arrays.values()))


def session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.SerializeToString(), options)


def graph_of(module: nn.Module, signature: Any, arrays: Arrays) -> onnx.ModelProto:
    return to_graph(module.eval(), signature, arrays, "small")


@pytest.mark.parametrize("gates", GATES.values(), ids=GATES)
def test_rank_answers_as_the_rows_do(log: Any, live: Any, gates: dict[str, Any]) -> None:
    model = finalmlp(log, live, gates)
    arrays = tiled(log, 300)
    assert len(np.unique(arrays["ids"][:, 0])) == 1 < len(np.unique(arrays["ids"][:, 1]))
    expected = answer(model, arrays)
    score, logit = answer(RankFinalMLP(model), ranked(log, arrays))
    assert score.shape == logit.shape == (300,)
    assert expected.std() > 0.05
    torch.testing.assert_close(score, torch.sigmoid(expected), atol=1e-6, rtol=0)
    torch.testing.assert_close(logit, expected, atol=1e-5, rtol=1e-5)


def test_gates_are_tables_where_an_item_field_opens_them(log: Any, live: Any) -> None:
    ranker = RankFinalMLP(finalmlp(log, live, GATES["request and item"]))
    assert isinstance(ranker.stream1.gate, ComputedGate)
    assert isinstance(ranker.stream2.gate, TableGate)
    assert ranker.stream2.gate.request.shape == (30, 30)
    assert RankFinalMLP(finalmlp(log, live, GATES["static"])).stream1.gate is None


def test_large_gates_are_computed(log: Any, live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.families.ctr.rank.LARGEST_TABLE", 30 * 60 - 1)
    model = finalmlp(log, live, GATES["request and item"])
    ranker, arrays = RankFinalMLP(model), tiled(log, 50)
    assert isinstance(ranker.stream2.gate, ComputedGate)
    expected = torch.sigmoid(answer(model, arrays))
    torch.testing.assert_close(answer(ranker, ranked(log, arrays))[0], expected, atol=1e-6, rtol=0)


def test_the_request_is_computed_once(log: Any, live: Any) -> None:
    """Its gate and its share of the first layer have one row, whatever the candidates."""
    ranker = RankFinalMLP(finalmlp(log, live, GATES["request and item"]))
    rows: list[int] = []
    gate = ranker.stream1.gate
    assert gate is not None
    gate.register_forward_hook(lambda module, given, out: rows.extend(len(part) for part in out))
    ranker.stream1.first.register_forward_pre_hook(lambda module, given: rows.append(len(given[0])))
    answer(ranker, ranked(log, tiled(log, 40)))
    assert rows == [1, 1, 1]


@pytest.mark.parametrize("gates", ["request and item", "both at once", "static"])
def test_graphs_of_finalmlp(log: Any, live: Any, gates: str) -> None:
    """Rows and rank in ONNX Runtime, at sizes that differ from the example's."""
    model = finalmlp(log, live, GATES[gates])
    rows = graph_of(forms.Rows(model), forms.row_signature(model.config), tiled(log, 7))
    rank = graph_of(
        RankFinalMLP(model), forms.rank_signature(model.config), ranked(log, tiled(log, 7))
    )
    for graph in (rows, rank):
        assert not {n.op_type for n in graph.graph.node} & {"BatchNormalization", "Dropout", "If"}
    for n_rows in (1, 2, 250):
        arrays = tiled(log, n_rows)
        expected = torch.sigmoid(answer(model, arrays)).numpy()
        for graph, given in ((rows, arrays), (rank, ranked(log, arrays))):
            score, logit = session(graph).run(None, given)
            np.testing.assert_allclose(score.ravel(), expected, atol=1e-6, rtol=0)
            assert logit.shape == score.shape


def test_static_gates_leave_no_trace(log: Any, live: Any) -> None:
    model = finalmlp(log, live, GATES["static"])
    graph = graph_of(forms.Rows(model), forms.row_signature(model.config), tiled(log, 7))
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("Sigmoid") == 1  # of the score
    assert operators.count("Gemm") == 5  # three layers and two outputs


def test_graph_of_all_models_at_once(log: Any, live: Any) -> None:
    members = [{"model": name, "config": config} for name, config in SINGLES.items()]
    model = live(CTREnsemble(EnsembleConfig(**log.sizes, members=members)))
    arrays = forms.rows(log, None, np.arange(200))
    signature = forms.row_signature(model.config)
    signature.check(arrays)
    graph = graph_of(forms.Rows(model), signature, {k: v[:5] for k, v in arrays.items()})
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}
    score, logit = session(graph).run(None, arrays)
    expected = answer(model, arrays)
    np.testing.assert_allclose(score[:, 0], torch.sigmoid(expected), atol=1e-6, rtol=0)
    np.testing.assert_allclose(logit[:, 0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SINGLES)
def test_folded_models_answer_as_before(log: Any, live: Any, name: str) -> None:
    kind, build = KINDS[name]
    model = live(build(kind(**log.sizes, **SINGLES[name])))
    arrays = forms.rows(log, None, np.arange(200))
    served = forms.Rows(model)
    assert not any(isinstance(module, nn.BatchNorm1d) for module in served.modules())
    expected = torch.sigmoid(answer(model, arrays))
    torch.testing.assert_close(answer(served, arrays)[0][:, 0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("wrong", [-1, -(2**40), 2**40, "size"])
def test_ids_out_of_range_read_as_unknown(log: Any, live: Any, wrong: Any) -> None:
    model = finalmlp(log, live, GATES["request and item"])
    sizes = np.array(log.layout.sizes)
    arrays = tiled(log, 9)
    unknown = {**arrays, "ids": np.tile(sizes - 1, (9, 1))}
    outside = np.tile(sizes if wrong == "size" else np.full_like(sizes, wrong), (9, 1))
    damaged = {**arrays, "ids": outside}
    rows, rank = forms.Rows(model), RankFinalMLP(model)
    torch.testing.assert_close(answer(rows, damaged), answer(rows, unknown))
    torch.testing.assert_close(
        answer(rank, ranked(log, damaged)), answer(rank, ranked(log, unknown))
    )


def test_a_damaged_row_spares_the_others(log: Any, live: Any) -> None:
    rows = forms.Rows(finalmlp(log, live, GATES["request and item"]))
    arrays = forms.rows(log, None, np.arange(9))
    expected = answer(rows, arrays)[0]
    arrays["ids"][4] = 2**40
    arrays["numeric"][4] = np.nan
    found = answer(rows, arrays)[0]
    assert torch.isfinite(found).all()
    others = [0, 1, 2, 3, 5, 6, 7, 8]
    torch.testing.assert_close(found[others], expected[others])


def test_signatures(log: Any, live: Any) -> None:
    config = finalmlp(log, live, {}).config
    ids, numeric = forms.row_signature(config).inputs
    assert (ids.shape, ids.high, ids.columns) == ((6,), log.layout.sizes, log.layout.slots)
    assert (numeric.columns, numeric.missing) == (("price", "age"), True)
    rank = forms.rank_signature(config)
    assert rank.max_batch == 0
    assert {t.name: t.shape for t in (*rank.inputs, *rank.outputs)} == {
        "request_ids": (2,),
        "request_numeric": (1,),
        "item_ids": ("candidates", 4),
        "item_numeric": ("candidates", 1),
        "score": ("candidates",),
        "logit": ("candidates",),
    }
    arrays = ranked(log, tiled(log, 5))
    rank.check(arrays)
    assert list(arrays) == [tensor.name for tensor in rank.inputs]


def test_logs_of_ids_alone_have_no_numeric_input(make_log: Any, live: Any) -> None:
    fields = (
        Field("user", "categorical", "request", 8, 1),
        Field("item", "categorical", "item", 9, 1),
    )
    log = make_log(Layout(fields), 50)
    model = finalmlp(log, live, {"fs1_context": ["user"], "fs2_context": ["item"]})
    arrays = tiled(log, 20)
    assert list(arrays) == ["ids"]
    assert list(ranked(log, arrays)) == ["request_ids", "item_ids"]
    expected = torch.sigmoid(answer(model, arrays))
    for module, given in ((forms.Rows(model), arrays), (RankFinalMLP(model), ranked(log, arrays))):
        torch.testing.assert_close(answer(module, given)[0].ravel(), expected, atol=1e-6, rtol=0)


def test_rank_needs_both_roles(make_log: Any) -> None:
    suits, layout = forms.FINALMLP["rank"].suits, make_log().layout
    assert suits(FinalMLPConfig(layout.to_dict()))
    for role in ("request", "item"):
        assert not suits(FinalMLPConfig(layout.of(role).to_dict()))
