"""How a forecaster and its teacher are compared, from histories to forecasts.

    F  windows  1, 16 or 64 real windows at a time, all their channels: student against teacher

A teacher that draws sample paths is asked for PATHS of every channel, each a row of its graph, and
only for one window at a time: that is rows enough to fill its batches already.

All run in ONNX Runtime with the same number of threads; the inputs are made beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.comparison import Outcome, Plan, compare, few_queries, repeated
from benchmarks.subjects import Pair, Subject

DRAWING = "paths"  # the form of a teacher that draws
PATHS = 100
BATCHES = (1, 16, 64)

Arrays = dict[str, np.ndarray]


def protocols(pair: Pair, plan: Plan) -> dict[str, Callable[[], Outcome]]:
    """Every protocol by name, ready to run."""
    return {f"F_b{batch}": partial(windows, pair, batch, plan) for batch in BATCHES}


def windows(pair: Pair, batch: int, plan: Plan) -> Outcome:
    """Protocol F; graphs were held against the trained models when they were exported."""
    subjects = [next(iter(pair.students.values()))]
    if DRAWING not in pair.teacher_forms:
        subjects.insert(0, pair.teacher(pair.teacher_forms[0]))
    elif batch == 1:
        subjects.insert(0, drawing(pair.teacher(DRAWING), pair.data, plan.seed))
        plan = replace(plan, least=min(plan.least, 6))
    few = few_queries(pair.data.n_rows, batch, plan)
    prepared = [subject.prepare(few) for subject in subjects]
    return compare("F", prepared, repeated(few, plan), plan, [{}] * len(prepared))


def drawing(teacher: Subject, data: Any, seed: int) -> Subject:
    """A graph of sample paths, asked for PATHS of every channel of its windows.

    All its batches get the same noise: what they answer does not matter here.
    """
    shapes = {spec.name: [int(n) for n in spec.shape] for spec in teacher.signature.inputs}
    (prompt,), step = shapes["history"], teacher.max_batch
    noise = np.random.default_rng(seed).standard_normal((step, *shapes["noise"]), np.float32)

    def rows(ids: np.ndarray) -> Arrays:
        history = data.parts["test"].history(data.asked[ids])[..., -prompt:]
        return {"history": history.reshape(-1, prompt).repeat(PATHS, axis=0)}

    def run(arrays: Arrays) -> list[np.ndarray]:
        history, paths = arrays["history"], []
        for start in range(0, len(history), step):
            part = history[start : start + step]
            paths += teacher.run({"history": part, "noise": noise[: len(part)]})
        return [np.concatenate(paths)]

    return replace(teacher, rows=rows, run=run)
