"""Identity graphs: a model's inputs and outputs, at any size, and nothing in between."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from benchmarks.floor.identity import identity
from export.errors import ExportError
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec

RUNS = Path(__file__).parents[2] / "runs"
EXPORTED = [*RUNS.glob("*/bench/**/artifact.json"), *RUNS.glob("*/onnx/**/artifact.json")]
CLASSES = 4


def _spec(name: str, dtype: str, *shape: int | str) -> TensorSpec:
    return TensorSpec(name, dtype, shape, "")


NODES = Signature(
    (_spec("x", "float32", 5),), (_spec("probabilities", "float32", CLASSES),), max_batch=8
)
RANKING = Signature(
    (_spec("request", "int64", 3), _spec("items", "object", "candidates", 2)),
    (_spec("score", "float32", "candidates"), _spec("request_ids", "int64", 3)),
    max_batch=0,
)
SERIES = Signature(
    (_spec("history", "float32", "channels", 7),),
    (_spec("mean", "float16", "channels", 6), _spec("status", "int64", "channels")),
    max_batch=3,
)
NAMES = Signature(
    (_spec("ids", "int64", "rows"), _spec("t", "float32")),
    (_spec("names", "object", "rows"), _spec("total", "float32")),
    max_batch=0,
)


def answers_of(signature: Signature, batch: int) -> dict[str, np.ndarray]:
    """Outputs by name, each checked to have the type and the shape that the signature says."""
    session = onnxruntime.InferenceSession(
        identity(signature).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [spec.name for spec in signature.outputs]
    answers = session.run(names, signature.sample(batch))
    lead = (batch,) if signature.max_batch else ()
    for spec, answer in zip(signature.outputs, answers, strict=True):
        sizes = [batch if isinstance(axis, str) else axis for axis in spec.shape]
        assert answer.shape == (*lead, *sizes)
        assert answer.dtype == np.dtype(spec.dtype)
    return dict(zip(names, answers, strict=True))


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("signature", [NODES, RANKING, SERIES, NAMES])
def test_answers_have_the_signatures_types_and_sizes(signature: Signature, batch: int) -> None:
    answers_of(signature, batch)


def test_answers_are_what_a_caller_may_take_for_answers() -> None:
    shares = answers_of(NODES, 3)["probabilities"]
    np.testing.assert_allclose(shares.sum(axis=-1), 1)
    ranking = answers_of(RANKING, 3)
    assert (ranking["score"] == 0.5).all()
    assert (ranking["request_ids"] == 0).all()
    assert (answers_of(SERIES, 3)["status"] == 0).all()
    assert set(answers_of(NAMES, 3)["names"]) == {""}


def test_an_axis_of_no_input_is_refused() -> None:
    unsized = Signature(
        (_spec("x", "float32", "nodes"),), (_spec("logits", "float32", "node"),), max_batch=0
    )
    with pytest.raises(ExportError, match=r"axis 'node' of output 'logits'.*did you mean nodes"):
        identity(unsized)


@pytest.mark.skipif(not EXPORTED, reason="nothing is exported in runs/")
def test_every_form_that_is_exported_here_has_one() -> None:
    """Models of all families, teachers, vocabularies, ensembles, in all precisions."""
    artifacts = [Artifact.load(file.parent, verify=False) for file in EXPORTED]
    for signature in {artifact.signature for artifact in artifacts if artifact.signature}:
        for batch in (1, 2, min(signature.max_batch or 5, 5)):
            answers_of(signature, batch)
