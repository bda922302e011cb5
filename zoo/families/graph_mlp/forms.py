"""In which forms the models are exported, and how real inputs of each form are made."""

from __future__ import annotations

import numpy as np

from zoo.contract import Signature, TensorSpec
from zoo.families.graph_mlp.exported import ExportedTeacher
from zoo.families.graph_mlp.model import (
    DenseStudent,
    MLPConfig,
    SparseStudent,
    dense_signature,
    feature_inputs,
    row_input,
    sparse_signature,
)
from zoo.families.graph_mlp.neighbours import Block
from zoo.families.graph_mlp.setting import GraphData
from zoo.families.graph_mlp.teacher import TeacherConfig
from zoo.spec import Export

Arrays = dict[str, np.ndarray]

FANOUT = 15  # neighbours of a node that the sampled form keeps, as in GLNN's comparison


def dense_rows(data: GraphData, _: MLPConfig | TeacherConfig, ids: np.ndarray) -> Arrays:
    """Raw dense features of nodes. Shapes: x (nodes, features)."""
    return {"x": data.dense.take(ids, axis=0)}


def feature_rows(data: GraphData, config: MLPConfig | TeacherConfig, ids: np.ndarray) -> Arrays:
    """Nodes' features in the format that suits them."""
    return (sparse_rows if config.sparse else dense_rows)(data, config, ids)


def sparse_rows(data: GraphData, _: MLPConfig | TeacherConfig, ids: np.ndarray) -> Arrays:
    """Padded ids and values of nodes' features. Shapes: (nodes, max_nnz)."""
    feature_ids, values = data.padded
    return {
        "feature_ids": feature_ids.take(ids, axis=0),
        "feature_values": values.take(ids, axis=0),
    }


def whole_rows(data: GraphData, config: TeacherConfig, _: np.ndarray) -> Arrays:
    """The whole graph, whichever nodes are asked for."""
    if config.sparse:
        features = dict(zip(("feature_ids", "feature_values"), data.padded, strict=True))
    else:
        features = {"x": data.dense}
    return features | _named(data.adjacency(config.kind).whole(), "")


def block_rows(data: GraphData, config: TeacherConfig, ids: np.ndarray) -> Arrays:
    """The exact neighbourhood of nodes: their features, and one block per layer."""
    nodes, blocks = data.adjacency(config.kind).expand(ids, config.layers)
    return _expanded(data, config, nodes, blocks)


def sampled_rows(data: GraphData, config: TeacherConfig, ids: np.ndarray) -> Arrays:
    """As ``block_rows`` with at most FANOUT neighbours of each node; equal ids, equal draw."""
    random = np.random.default_rng(ids)
    nodes, blocks = data.adjacency(config.kind).expand(ids, config.layers, FANOUT, random)
    return _expanded(data, config, nodes, blocks)


def _expanded(
    data: GraphData, config: TeacherConfig, nodes: np.ndarray, blocks: list[Block]
) -> Arrays:
    arrays = feature_rows(data, config, nodes)
    for layer, block in enumerate(blocks, start=1):
        arrays |= _named(block, f"_{layer}")
    return arrays


def _named(block: Block, suffix: str) -> Arrays:
    return {f"{name}{suffix}": array for name, array in vars(block).items()}


def whole_signature(config: TeacherConfig) -> Signature:
    """Features of all nodes and one edge list for all layers → logits of all nodes."""
    features = _features(config)
    return Signature((*features, *_block("", "nodes", "nodes")), (_logits(config, "nodes"),), 0)


def block_signature(config: TeacherConfig) -> Signature:
    """Features of the outermost nodes and each layer's edge list → logits of the queried nodes."""
    inputs = [*_features(config)]
    sources = "nodes"
    for layer in range(1, config.layers + 1):
        targets = f"targets_{layer}"
        inputs += _block(f"_{layer}", sources, targets)
        sources = targets
    return Signature(tuple(inputs), (_logits(config, sources),), 0)


def _features(config: TeacherConfig) -> tuple[TensorSpec, ...]:
    """Features of nodes in the format that suits them."""
    if config.sparse:
        return feature_inputs(config, ("nodes",))
    return (row_input(config, ("nodes",)),)


def _block(suffix: str, sources: str, targets: str) -> list[TensorSpec]:
    """The four tensors of a block of edges from ``sources`` to ``targets``."""
    edges = (f"edges{suffix}",)
    return [
        TensorSpec(f"source{suffix}", "int64", edges, "row of the edge's source", high=sources),
        TensorSpec(f"target{suffix}", "int64", edges, "row of the edge's target", high=targets),
        TensorSpec(f"weight{suffix}", "float32", edges, "the edge's weight, normalised"),
        TensorSpec(f"self_weight{suffix}", "float32", (targets,), "weight of the self loop"),
    ]


def _logits(config: TeacherConfig, nodes: str) -> TensorSpec:
    return TensorSpec("logits", "float32", (nodes, config.classes), "class scores before softmax")


STUDENT_FORMS = {
    "dense": Export("raw feature rows", dense_signature, DenseStudent, dense_rows),
    "sparse": Export(
        "ids and values of the features that are not zero, where most are",
        sparse_signature,
        SparseStudent,
        sparse_rows,
        suits=lambda config: config.sparse,
    ),
}
TEACHER_FORMS = {
    "whole": Export("whole graph", whole_signature, ExportedTeacher, whole_rows, served=False),
    "blocks": Export(
        "exact neighbourhood", block_signature, ExportedTeacher, block_rows, served=False
    ),
    "sampled": Export(
        f"neighbourhood sampled with fan-out {FANOUT}",
        block_signature,
        ExportedTeacher,
        sampled_rows,
        served=False,
        exact=False,
        suits=lambda _: False,  # asked through the graph that 'blocks' exports
    ),
}
