"""The model card: what a published model is, how good it is, and what it cannot do."""

from __future__ import annotations

import itertools
import shlex
from pathlib import PurePath
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from export.card_graph import about_graph
from export.example import ranking, records
from export.limits import limits
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec
from zoo.golden import Golden
from zoo.recipes import VANILLA
from zoo.registry import get_spec
from zoo.results import STUDENT, deployed_role

UNSTATED = "not stated by its source"
NAMES = {"teacher": "teacher", STUDENT: "this model", VANILLA: "without a teacher"}
ROWS = {  # the metric by which models are compared → what its table shows, each with its meaning
    "accuracy": {
        "test_accuracy": "test rows that training saw without their labels (transductive)",
        "inductive_test_accuracy": "new rows, of which training saw nothing (cold start)",
        "inductive_edgeless_test_accuracy": "new rows, teacher without their edges",
    },
    "auc": {
        "test_auc": "AUC, test rows",
        "test_logloss": "logloss, test rows",
        "test_calibration": "predicted over actual clicks, test rows",
        "test_ece": "expected calibration error, test rows",
    },
    "mse": {
        "test_mse": "MSE of the mean, test windows",
        "test_mae": "MAE of the median, test windows",
        "test_crps": "CRPS of the nine quantiles, test windows",
        "test_coverage80": "values between quantiles 0.1 and 0.9, test windows",
    },
}
SECTIONS = {"accuracy": "Accuracy", "auc": "Quality", "mse": "Quality"}
HEADINGS = {"accuracy": "accuracy on", "auc": "measured", "mse": "measured"}
UNITS = {
    "accuracy": "Fractions",
    "auc": "Fractions",
    "mse": "On values less their mean, over their deviation in training; coverage is a fraction",
}
DIGITS = {"accuracy": 3, "auc": 4, "mse": 4}


def card(result: dict[str, Any], artifact: Artifact) -> str:
    """Render a model card.

    Args:
        result: of ``leanzoo train``, as in ``runs/<recipe>/train.json``.
        artifact: the exported or published model.

    Returns:
        Markdown with a YAML header as model hubs read it.
    """
    recipe, signature = artifact.recipe, artifact.signature
    assert signature is not None
    metric = get_spec(recipe["model"]).metric
    sections = [f"# {artifact.model}", _summary(recipe, artifact, signature)]
    if not _encodes(signature):
        sections.append(f"## {SECTIONS[metric]}\n\n" + _quality(result, metric))
    sections.append("## Inputs and outputs\n\n" + _tensors(signature))
    if _takes_records(signature):
        sections.append("## Asked with records\n\n" + _records(artifact, signature))
    sections.append("## Exported graph\n\n" + about_graph(artifact, signature))
    if not _encodes(signature):
        found = result["metrics"][deployed_role(result)]
        sections.append("## Limits\n\n" + limits(metric, found, signature))
    commands = _commands(recipe, result, artifact.metrics["precision"])
    sections.append(f"## Make it again\n\n{commands}")
    header = _header(result, artifact).to_yaml()
    return str(ModelCard(f"---\n{header}\n---\n\n" + "\n\n".join(sections) + "\n"))


def _encodes(signature: Signature) -> bool:
    """Whether it is a vocabulary, which has ids as its answers."""
    return all(spec.dtype == "int64" for spec in signature.outputs)


def _takes_records(signature: Signature) -> bool:
    """Whether it answers to raw values."""
    return not _encodes(signature) and any(spec.dtype == "object" for spec in signature.inputs)


def _header(result: dict[str, Any], artifact: Artifact) -> ModelCardData:
    """What model hubs read: names, data, and the test metrics of what is deployed."""
    recipe = artifact.recipe
    spec, dataset = get_spec(recipe["model"]), _dataset(recipe)
    found = result["metrics"][deployed_role(result)]
    measured = [
        EvalResult(spec.task, dataset, dataset, name.removeprefix("test_"), found[name])
        for name in ROWS[spec.metric]
        if name in found
    ]
    return ModelCardData(
        model_name=artifact.model,
        library_name="onnx",
        tags=["knowledge-distillation", "onnx", "triton", recipe["model"]],
        datasets=[dataset],
        eval_results=measured,
    )


def _dataset(recipe: dict[str, Any]) -> str:
    """A known dataset, or the name of the user's own file, whose folder is nobody's business."""
    own = recipe.get("dataset_sha256")
    return PurePath(recipe["dataset"]).name if own else str(recipe["dataset"])


def _summary(recipe: dict[str, Any], artifact: Artifact, signature: Signature) -> str:
    teacher = recipe["teacher"]
    origin = "trained on labels alone"
    if teacher:
        method = recipe["distill"].get("method", "distillation")
        origin = f"distilled from `{teacher['name']}` (a {teacher['model']}) with {method}"
    what = f"A small `{recipe['model']}`, {origin}."
    if _encodes(signature):
        what = f"The vocabulary of a `{recipe['model']}`: raw values to the ids that it takes."
    licence = artifact.metrics.get("data_licence") or UNSTATED
    checkpoint = artifact.parents["checkpoint"][:12]
    return (
        f"{what}\n\n"
        f"- Data: `{_dataset(recipe)}`; licence: {licence}\n"
        f"- Form: {artifact.metrics['form']}\n"
        f"- Weights: checkpoint `{checkpoint}`, seed {recipe['seed']}"
    )


def _quality(result: dict[str, Any], metric: str) -> str:
    """One row per measured setting, one column per role."""
    metrics, names = result["metrics"], _names(result)
    roles = sorted(metrics, key=[*NAMES, *metrics].index)
    lines = [
        f"| {HEADINGS[metric]} | " + " | ".join(names[role] for role in roles) + " |",
        "|---|" + "---|" * len(roles),
    ]
    for key, meaning in ROWS[metric].items():
        if any(key in metrics[role] for role in roles):
            cells = " | ".join(_cell(metrics[role], key, DIGITS[metric]) for role in roles)
            lines.append(f"| {meaning} | {cells} |")
    return "\n".join([*lines, "", f"{UNITS[metric]}; {_over(result['seeds'])}"])


def _names(result: dict[str, Any]) -> dict[str, str]:
    """Role → heading; where another method than the recipe's is deployed, that is this model."""
    names = {role: NAMES.get(role, role.replace("_", " ")) for role in result["metrics"]}
    role = deployed_role(result)
    if role != STUDENT:
        names |= {STUDENT: result["methods"][0], role: f"{NAMES[STUDENT]}, {names[role]}"}
    return names


def _over(seeds: list[int]) -> str:
    if len(seeds) == 1:
        return f"one seed ({seeds[0]})"
    return f"mean ± standard deviation over {len(seeds)} seeds"


def _cell(metrics: dict[str, Any], key: str, digits: int) -> str:
    if key not in metrics:
        return "–"
    spread = metrics.get(f"{key}_std")
    return f"{metrics[key]:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread is not None else "")


def _tensors(signature: Signature) -> str:
    lines = ["| tensor | type | shape | meaning |", "|---|---|---|---|"]
    lead = ("batch",) if signature.max_batch else ()
    for spec in (*signature.inputs, *signature.outputs):
        shape = ", ".join(map(str, (*lead, *spec.shape)))
        dtype = "string" if spec.dtype == "object" else spec.dtype
        lines.append(f"| `{spec.name}` | {dtype} | ({shape}) | {spec.doc}{_columns(spec)} |")
    most = f"At most {signature.max_batch} rows a request." if signature.max_batch else ""
    return "\n".join([*lines, *(["", most] if most else [])])


def _columns(spec: TensorSpec) -> str:
    """Fields of the columns; of a list only once, with how many it has."""
    counts = [(name, len(list(same))) for name, same in itertools.groupby(spec.columns)]
    names = [name if count == 1 else f"{name} × {count}" for name, count in counts]
    return f"; columns: {', '.join(names)}" if names else ""


def _records(artifact: Artifact, signature: Signature) -> str:
    """How it is asked from Python, with a real row."""
    inputs = Golden.load(artifact.path, signature).inputs
    if signature.max_batch:
        call = f'client.predict("{artifact.model}", [{records(signature, inputs)[0]}])'
    else:
        request, candidates = ranking(signature, inputs)
        call = f'client.rank("{artifact.model}", {request}, {candidates[:2]})'
    lines = ["from serving.client import Client", "", 'with Client("127.0.0.1:8001") as client:']
    return "\n".join(["```python", *lines, f"    print({call})", "```"])


def _commands(recipe: dict[str, Any], result: dict[str, Any], precision: str) -> str:
    of_it = "" if precision == "fp32" else f" --precision {precision}"
    verbs = {"train": "", "export": of_it, "publish": of_it}
    lines = "\n".join(f"leanzoo {verb} {result['recipe']}{o}" for verb, o in verbs.items())
    if recipe.get("dataset_sha256"):
        own = f"leanzoo train RECIPE --data {_dataset(recipe)}{_options(recipe['data'])}"
        lines = lines.replace(f"leanzoo train {result['recipe']}", own)
    return f"```bash\n{lines}\n```\n\nSeed {recipe['seed']}; checkpoint folder `{result['run']}`."


def _options(data: dict[str, Any]) -> str:
    """What was said of the user's own file when it was trained on."""
    said = {
        "schema": "SCHEMA" if data.get("schema") else "",
        "time": data.get("time", ""),
        "columns": ",".join(data.get("columns", ())),
        "split": ",".join(map(str, data.get("split", ()))),
    }
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in said.items() if value)
