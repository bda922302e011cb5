"""Exports in every precision, as Markdown from ``exports.json``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks import markdown

Found = Mapping[str, Any]
Pairs = list[tuple[Found, Found]]  # a model, and one of its variants
SMALLER = ("fp16", "int8-weights", "int8", "int8-qdq")
HEAD = ("model", "precision", "MB", "of fp32", "p50 µs", "metric", "change, at worst", "engines")
NOTE = (
    "Sizes and medians of one row in ONNX Runtime, one thread, all variants of a model in turns; "
    "in bold what `publish` takes. The metric is the first of the model's kind, on its whole test "
    "set through the exported file; its change against torch, and the lower end of that change's "
    "95 % interval, as a fraction, of errors as a share of the error, above 0 where the graph is "
    "better. Engines: of TensorRT-RTX, for SM 80, 86, 89 and 120, in megabytes and seconds each, "
    "built on a machine without a GPU and not run."
)


def exports(found: Mapping[str, Found]) -> str:
    """A row per model and precision, refused ones too; empty where nothing was measured."""
    if not found:
        return ""
    rows = [
        _row(model, variant)
        for recipe in found.values()
        for model in recipe["models"]
        for variant in model["variants"]
    ]
    return f"{markdown.table(HEAD, rows, texts=2)}\n\n{NOTE}"


def _row(model: Found, variant: Found) -> list[str]:
    whole = model["variants"][0]
    bold = "**" if variant["precision"] == model["published"] else ""
    name = f"{bold}{variant['precision']}{bold}"
    if variant["refused"]:
        return [f"`{model['model']}`", name, "–", "–", "–", *_worth(variant), "refused"]
    size, p50 = variant["size_bytes"], variant["p50_us"]
    return [
        f"`{model['model']}`",
        name,
        f"{size / 1e6:.2f}",
        f"{size / whole['size_bytes']:.0%}",
        "–" if p50 is None else f"{p50:.1f}",
        *_worth(variant),
        _engines(variant),
    ]


def _worth(variant: Found) -> tuple[str, str]:
    """The metric, and how it changes."""
    if not variant["task"]:
        return "–", "–"
    name, one = next(iter(variant["task"]["metrics"].items()))
    return f"{name} {one['graph']:.4f}", f"{one['change']:+.1e}, {one['low']:+.1e}"


def _engines(variant: Found) -> str:
    if not variant["engines"]:
        return "not built" if variant["unbuilt"] else "–"
    sizes = [one["size_bytes"] / 1e6 for one in variant["engines"]]
    slowest = max(one["build_s"] for one in variant["engines"])
    return f"{len(sizes)}: {statistics.fmean(sizes):.1f} MB, {slowest:.1f} s"


def exports_sentence(found: Mapping[str, Found]) -> str:
    """What the table comes to, in a paragraph; empty where nothing was measured."""
    variants = [
        (model, variant)
        for recipe in found.values()
        for model in recipe["models"]
        for variant in model["variants"]
    ]
    if not variants:
        return ""
    passed = [(m, v) for m, v in variants if not v["refused"]]
    models = len({model["model"] for model, _ in variants})
    text = f"Precisions: {len(passed)} of {len(variants)} variants of {models} models pass"
    parts = [_of_precision(name, variants, passed) for name in SMALLER]
    built = [one for _, v in passed for one in v["engines"]]
    slowest = max((one["build_s"] for one in built), default=0)
    return (
        f"{text}: {'; '.join(filter(None, parts))}. {len(built)} engines of TensorRT-RTX were "
        f"built for four GPU architectures without a GPU, the slowest in {slowest:.1f} s (not "
        "run). [Each of them](benchmarks/results/README.md#exports)."
    )


def _of_precision(name: str, variants: Pairs, passed: Pairs) -> str:
    """How many pass, and at which share of the size."""
    shares = [
        variant["size_bytes"] / model["variants"][0]["size_bytes"]
        for model, variant in passed
        if variant["precision"] == name
    ]
    of = sum(variant["precision"] == name for _, variant in variants)
    if not shares:
        return f"{name} none of {of}"
    return f"{name} {len(shares)} of {of}, at {min(shares):.0%} to {max(shares):.0%} of the size"
