"""The verb that asks a served model: predict."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.door import Key, Url, endpoint
from zoo.cli.options import REPOSITORY, Json, Local, Repository, stdout

if TYPE_CHECKING:
    import numpy as np

    from serving.endpoint import Endpoint, Labels
    from zoo.contract import Signature

Arrays = dict[str, "np.ndarray"]

SCORE = "score"  # the output of models whose rows have no labels
MEDIAN = "median"  # that of models which forecast
RANKING = ("request", "candidates")  # keys of a ranking request of raw values
LABELS, RANKED = 3, 10  # shown unless asked for otherwise
RAW, ENCODE = "-raw", "-encode"  # models of raw values, and the first of their two steps
DAMAGED = (OSError, ValueError, TypeError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A published model.")],
    rows: Annotated[
        str | None,
        typer.Option(
            help="Rows of the model's own dataset, such as 0,5,17: nodes of a graph, rows of a "
            "log's test part; of a ranking model the candidates, for the first row's request."
        ),
    ] = None,
    input: Annotated[  # noqa: A002  the option's name
        Path | None,
        typer.Option(
            help="An .npz or .json file: one array per input, by name. For models of raw values "
            "(-raw) .json: a list of records, or {request: record, candidates: [records]}."
        ),
    ] = None,
    url: Url = None,
    key: Key = None,
    local: Local = False,
    top: Annotated[
        int | None,
        typer.Option(min=1, help="Labels per row (default 3), or ranked candidates (default 10)."),
    ] = None,
    repository: Repository = REPOSITORY,
    json: Json = False,
) -> None:
    """Ask a served model, with rows of its dataset (--rows) or your own (--input)."""
    from zoo.contract import SignatureError

    if (rows is None) == (input is None):
        raise SignatureError("expected either --rows 0,1,2 or --input FILE")
    with endpoint(local, repository, url, key) as asked:
        signature = asked.signature(model)
        given = _read(input) if input else dataset_rows(model, repository, row_ids(rows or ""))
        names = [spec.name for spec in signature.outputs]
        if MEDIAN in names:
            raise SignatureError(f"{model} forecasts: ask 'leanzoo forecast {model} --data FILE'")
        if SCORE not in names:
            answers = asked.classify(model, typed(given, signature), top or LABELS)
            answer, lines = labelled(answers, row_ids(rows) if rows else [*range(len(answers))])
        else:
            scores = scores_of(asked, model, given, signature)
            ids = row_ids(rows) if rows else [*range(len(scores))]
            answer, lines = (scored if signature.max_batch else ranked)(scores, ids, top)
    if json:
        return emit({"model": model, **answer})
    for line in lines:
        stdout().print(line, highlight=False)
    return None


def labelled(answers: list[Labels], rows: list[int]) -> tuple[dict[str, Any], list[str]]:
    """The likeliest labels of each row, and as lines."""
    cells = [[{"label": label, "probability": p} for label, p in row] for row in answers]
    texts = [", ".join(f"{label} {100 * p:.1f} %" for label, p in row) for row in answers]
    return {"rows": cells}, [f"row {row}: {text}" for row, text in zip(rows, texts, strict=True)]


def scored(
    scores: list[float], rows: list[int], top: int | None
) -> tuple[dict[str, Any], list[str]]:
    """The score of each row, and as lines.

    Raises:
        SignatureError: ``top`` is given, which needs several labels or candidates.
    """
    from zoo.contract import SignatureError

    if top is not None:
        raise SignatureError("this model gives each row one score: leave out --top")
    lines = [f"row {row}: {score:.4f}" for row, score in zip(rows, scores, strict=True)]
    return {"scores": scores}, lines


def ranked(
    scores: list[float], candidates: list[int], top: int | None
) -> tuple[dict[str, Any], list[str]]:
    """The candidates with the highest scores, highest first, and as lines."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: top or RANKED]
    found = [{"candidate": candidates[index], "score": scores[index]} for index in order]
    lines = [
        f"{place}. candidate {one['candidate']}: {one['score']:.4f}"
        for place, one in enumerate(found, start=1)
    ]
    return {"ranking": found}, lines


def scores_of(asked: Endpoint, model: str, given: Any, signature: Signature) -> list[float]:
    """One score per row or candidate, from raw records or from arrays.

    Raises:
        SignatureError: records of another kind than the model takes.
    """
    from zoo.contract import SignatureError

    ranks = not signature.max_batch
    if isinstance(given, list):
        if ranks:
            raise SignatureError(f"{model} ranks: expected an object of {', '.join(RANKING)}")
        return asked.predict(model, given)
    if set(given) == set(RANKING):
        if not ranks:
            raise SignatureError(f"{model} answers row by row: expected a list of records")
        return asked.rank(model, given["request"], given["candidates"])
    scores: list[float] = asked.infer(model, typed(given, signature))[SCORE].ravel().tolist()
    return scores


def _read(path: Path) -> Any:
    """What a file holds: arrays by input name, a list of records, or a ranking request.

    Raises:
        SignatureError: no such file, or none of these.
    """
    import json

    import numpy as np

    from zoo.contract import SignatureError

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except DAMAGED as error:
        raise SignatureError(
            f"cannot read {path} ({error}): expected an .npz file, or JSON"
        ) from None
    if not isinstance(given, list | dict):
        raise SignatureError(
            f"{path} holds {given!r:.40}: expected one array per input, by name, or records"
        )
    return given


def typed(given: Any, signature: Signature) -> Arrays:
    """Arrays by input name, of the inputs' types where no precision is lost.

    Raises:
        SignatureError: records, or no arrays.
    """
    import numpy as np

    from zoo.contract import SignatureError

    if not isinstance(given, dict):
        raise SignatureError("this model takes no records: expected one array per input, by name")
    try:
        arrays = {name: np.asarray(array) for name, array in given.items()}
    except ValueError:
        raise SignatureError("rows of unequal length: expected one array per input") from None
    for spec in signature.inputs:
        if spec.name in arrays and np.can_cast(arrays[spec.name].dtype, spec.dtype, "same_kind"):
            with np.errstate(over="ignore"):  # becomes infinite, which is refused
                arrays[spec.name] = arrays[spec.name].astype(spec.dtype)
    return arrays


def row_ids(rows: str) -> list[int]:
    """Numbers out of ``0,5,17``.

    Raises:
        SignatureError: they are none.
    """
    from zoo.contract import SignatureError

    try:
        return [int(row) for row in rows.split(",")]
    except ValueError:
        raise SignatureError(f"--rows {rows}: expected ids such as 0,5,17") from None


def dataset_rows(model: str, repository: Path, ids: list[int]) -> Arrays:
    """Real inputs for a published model from the dataset it was trained on.

    Raises:
        SignatureError: ids outside the dataset.
    """
    import numpy as np

    from serving.repository import load_artifact, load_signature
    from zoo.checkpoint import recipe_of
    from zoo.contract import SignatureError
    from zoo.registry import get_spec
    from zoo.spec import config_of, forms_of

    artifact = load_artifact(repository, model)
    taken = load_signature(artifact).inputs
    recipe = recipe_of(artifact)
    spec = get_spec(recipe.model)
    data = spec.data(recipe)
    config = config_of(spec, recipe, data.sizes)
    if min(ids) < 0 or max(ids) >= data.n_rows:
        wrong = next(row for row in ids if not 0 <= row < data.n_rows)
        raise SignatureError(f"--rows {wrong}: expected 0 <= id < {data.n_rows}")
    for form in forms_of(spec, config).values():
        inputs = form.signature(config).inputs
        if [tensor.name for tensor in inputs] == [tensor.name for tensor in taken]:
            return form.rows(data, config, np.array(ids))
        if form.raw and [tensor.columns for tensor in inputs] == [t.columns for t in taken]:
            raw = form.raw(data, config, np.array(ids))
            return {to.name: raw[of.name] for of, to in zip(inputs, taken, strict=True)}
    if model.endswith(ENCODE):
        whole = model.removesuffix(ENCODE) + RAW
        raise SignatureError(f"{model} is the first step of {whole}: ask that for --rows")
    names = ", ".join(tensor.name for tensor in taken)
    raise SignatureError(f"{model} takes {names}, which no form of {recipe.model} makes")
