"""What the gateway says of a model: its card, tensors and versions, and requests that run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np

from serving.gateway.catalogue import CTR, FORECAST, GRAPH, TASKS, Served, read_json
from serving.gateway.core import Core
from serving.gateway.graph import IDS, VALUES
from serving.gateway.problems import Problem
from zoo.contract import TensorSpec, near

MAIN = ("dense", "rows", "series")  # the forms that carry the base name
CLASSIFY, PREDICT, RANK, FORECASTS = "classify", "predict", "rank", "forecast"
PATHS = {
    CLASSIFY: "/v1/graph/{}/classify",
    PREDICT: "/v1/ctr/{}/predict",
    RANK: "/v1/ctr/{}/rank",
    FORECASTS: "/v1/forecast/{}",
}
OF_FORM = {
    **{"dense": CLASSIFY, "sparse": CLASSIFY, "rows": PREDICT, "rows-raw": PREDICT},
    **{"rank": RANK, "rank-raw": RANK, "series": FORECASTS},
}
PREFERRED = ("sparse", "rows-raw", "rank-raw", "series", "dense", "rows", "rank")  # as examples
EXAMPLE_ROWS, EXAMPLE_CANDIDATES = 2, 10


def summaries(core: Core) -> list[dict[str, Any]]:
    """The list of models."""
    faults = core.router.faults()
    return [_summary(core, base, faults) for base in sorted(core.router.bases)]


def _summary(core: Core, base: str, faults: Mapping[str, str]) -> dict[str, Any]:
    router = core.router
    forms = router.bases[base]
    name = _main(forms)
    rollout = router.rollout(name)
    canary = {"version": rollout.canary, "fraction": rollout.fraction}
    return {
        "name": base,
        "task": TASKS[next(iter(forms))],
        "endpoints": sorted({PATHS[OF_FORM[form]].format(base) for form in forms}),
        "versions": sorted(router.found[name].versions),
        "version": router.stable(name) or None,
        "canary": None if rollout.canary is None else canary,
        "ready": not any(one in faults for one in forms.values()),
    }


def described(core: Core, base: str) -> dict[str, Any]:
    """All that is known of a model.

    Raises:
        Problem: there is none of that name.
    """
    router = core.router
    if base not in router.bases:
        raise Problem(404, f"no model '{base:.80}': {near(base[:80], router.bases)}")
    shown = {form: _shown(core, name) for form, name in router.bases[base].items()}
    main = shown[next((form for form in MAIN if form in shown), next(iter(shown)))]
    report = read_json(main.artifact, "report.json")
    return {
        **_summary(core, base, router.faults()),
        "card": core.catalogue.card(main.name),
        "metrics": {**_public(main.artifact.metrics), "gates": report},
        "recipe": main.artifact.recipe,
        "labels": list(main.labels),
        "forms": {form: _form(served) for form, served in shown.items()},
        "examples": examples(shown),
    }


def examples(shown: Mapping[str, Served]) -> dict[str, Any]:
    """Of each endpoint a request that runs, made of golden rows: path → body."""
    found: dict[str, Any] = {}
    for form in PREFERRED:
        if form in shown:
            path = PATHS[OF_FORM[form]].format(shown[form].base)
            found.setdefault(path, example(shown[form]))
    return found


def example(served: Served) -> dict[str, Any]:
    """A request that a form answers, made of its golden rows."""
    task = TASKS[served.form]
    rows = dict(served.golden.inputs)
    if task == GRAPH:
        return _nodes(served, rows)
    if task == FORECAST:
        return {"history": _plain(next(iter(rows.values()))[0])}
    assert task == CTR
    return _clicks(served, rows)


def _nodes(served: Served, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
    if served.form == "dense":
        return {"features": _plain(rows["x"][:EXAMPLE_ROWS]), "top": 3}
    high = served.signature.inputs[0].high
    pad = high - 1 if isinstance(high, int) else -1
    sparse = []
    for ids, values in zip(rows[IDS][:EXAMPLE_ROWS], rows[VALUES][:EXAMPLE_ROWS], strict=True):
        known = ids != pad
        sparse.append({"ids": ids[known].tolist(), "values": _plain(values[known])})
    return {"sparse": sparse, "top": 3}


def _clicks(served: Served, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
    inputs = served.signature.inputs
    if not served.form.endswith("-raw"):
        cut = {n: a[:EXAMPLE_ROWS] if served.form == "rows" else a for n, a in rows.items()}
        return {name.replace("numeric", "numbers"): _plain(a) for name, a in cut.items()}
    if served.form == "rows-raw":
        return {"rows": [_record(inputs, rows, row) for row in range(EXAMPLE_ROWS)]}
    items = [spec for spec in inputs if isinstance(spec.shape[0], str)]
    shared = [spec for spec in inputs if spec not in items]
    count = min(EXAMPLE_CANDIDATES, len(rows[items[0].name]))
    whole = {spec.name: rows[spec.name][None] for spec in shared}
    return {
        "request": _record(shared, whole, 0),
        "candidates": [_record(items, rows, row) for row in range(count)],
    }


def _record(
    specs: tuple[TensorSpec, ...] | list[TensorSpec], rows: Mapping[str, np.ndarray], row: int
) -> dict[str, Any]:
    """One row's fields by name, without those that are missing."""
    found: dict[str, Any] = {}
    for spec in specs:
        column = 0
        for name, same in groupby(spec.columns):
            count = len(list(same))
            values = [_value(v) for v in rows[spec.name][row][column : column + count]]
            known = [v for v in values if v is not None]
            column += count
            if known:
                found[name] = known if count > 1 else known[0]
    return found


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value or None
    return None if np.isnan(value) else float(str(value))


def _plain(array: np.ndarray) -> Any:
    """Nested lists in the digits of their own type, NaN as None."""
    if array.ndim > 1:
        return [_plain(row) for row in array]
    if np.issubdtype(array.dtype, np.floating):
        return [_value(value) for value in array]
    return array.tolist()


def _shown(core: Core, name: str) -> Served:
    """The version that is described: the one that answers, else the latest."""
    versions = core.router.found[name].versions
    return versions.get(core.router.stable(name)) or versions[max(versions)]


def _main(forms: Mapping[str, str]) -> str:
    return forms[next((form for form in MAIN if form in forms), next(iter(forms)))]


def _form(served: Served) -> dict[str, Any]:
    return {"triton_model": served.name, "version": served.version, **served.signature.to_dict()}


def _public(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "shared"}
