"""The model card: what a published model is, how good it is, and what it cannot do."""

from __future__ import annotations

from typing import Any

from zoo.artifact import Artifact
from zoo.contract import Signature
from zoo.spec import VANILLA

UNSTATED = "not stated by its source"
SETTINGS = {
    "test_accuracy": "test rows that training saw without their labels (transductive)",
    "inductive_test_accuracy": "new rows, of which training saw nothing (cold start)",
    "inductive_edgeless_test_accuracy": "new rows, teacher without their edges",
}


def card(result: dict[str, Any], artifact: Artifact) -> str:
    """Render a model card.

    Args:
        result: of ``leanzoo train``, as in ``runs/<recipe>/train.json``.
        artifact: the exported or published model.

    Returns:
        Markdown with a YAML header as model hubs read it.
    """
    recipe = artifact.recipe
    sections = [
        _header(recipe),
        f"# {artifact.model}",
        _summary(recipe, artifact),
        "## Accuracy\n\n" + _accuracy(result),
        "## Inputs and outputs\n\n" + _tensors(artifact.signature),
        "## Exported graph\n\n" + _parity(artifact.metrics["parity"]),
        "## Limits\n\n" + _limits(result["metrics"]["student"], artifact.signature),
        "## Make it again\n\n" + _commands(recipe, result),
    ]
    return "\n\n".join(sections) + "\n"


def _header(recipe: dict[str, Any]) -> str:
    tags = ["knowledge-distillation", "onnx", "triton", recipe["model"]]
    lines = ["library_name: onnx", "tags:", *(f"- {tag}" for tag in tags), "datasets:"]
    return "\n".join(["---", *lines, f"- {recipe['dataset']}", "---"])


def _summary(recipe: dict[str, Any], artifact: Artifact) -> str:
    teacher = recipe["teacher"]
    origin = "trained on labels alone"
    if teacher:
        method = recipe["distill"].get("method", "distillation")
        origin = f"distilled from `{teacher['name']}` (a {teacher['model']}) with {method}"
    licence = artifact.metrics.get("data_licence") or UNSTATED
    checkpoint = artifact.parents["checkpoint"][:12]
    return (
        f"A small `{recipe['model']}`, {origin}.\n\n"
        f"- Data: `{recipe['dataset']}`; licence: {licence}\n"
        f"- Form: {artifact.metrics['form']}\n"
        f"- Weights: checkpoint `{checkpoint}`, seed {recipe['seed']}"
    )


def _accuracy(result: dict[str, Any]) -> str:
    """One row per setting, one column per role."""
    metrics = result["metrics"]
    names = {"teacher": "teacher", "student": "this model", VANILLA: "without a teacher"}
    roles = sorted(metrics, key=[*names, *metrics].index)
    lines = [
        "| accuracy on | " + " | ".join(names.get(role, role) for role in roles) + " |",
        "|---|" + "---|" * len(roles),
    ]
    for key, meaning in SETTINGS.items():
        if any(key in metrics[role] for role in roles):
            cells = " | ".join(_cell(metrics[role], key) for role in roles)
            lines.append(f"| {meaning} | {cells} |")
    seeds = result["seeds"]
    lines += ["", f"Fractions; {_over(seeds)}"]
    return "\n".join(lines)


def _over(seeds: list[int]) -> str:
    if len(seeds) == 1:
        return f"one seed ({seeds[0]})"
    return f"mean ± standard deviation over {len(seeds)} seeds"


def _cell(metrics: dict[str, Any], key: str) -> str:
    if key not in metrics:
        return "–"
    spread = metrics.get(f"{key}_std")
    return f"{metrics[key]:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")


def _tensors(signature: Signature | None) -> str:
    assert signature is not None
    lines = ["| tensor | type | shape | meaning |", "|---|---|---|---|"]
    lead = ("batch",) if signature.max_batch else ()
    for spec in (*signature.inputs, *signature.outputs):
        shape = ", ".join(map(str, (*lead, *spec.shape)))
        lines.append(f"| `{spec.name}` | {spec.dtype} | ({shape}) | {spec.doc} |")
    return "\n".join([*lines, "", f"At most {signature.max_batch} rows a request."])


def _parity(parity: dict[str, Any]) -> str:
    batches = ", ".join(map(str, parity["batches"]))
    return (
        f"Compared with torch on {parity['rows']} real rows at batches {batches}: largest "
        f"difference {parity['max_abs_diff']:.1e} (accepted: {parity['tolerance']:.0e}), same top "
        f"class in {parity['top1_agreement']:.4f} of them."
    )


def _limits(student: dict[str, Any], signature: Signature | None) -> str:
    assert signature is not None
    limits = [
        "- It knows only the classes in `labels.txt` and always names one of them: a row without "
        "any known feature gets the answer to an empty row, not a refusal.",
    ]
    if any(spec.high is not None for spec in signature.inputs):
        limits.append("- Feature ids it was not trained with are read as absent.")
    if "inductive_test_accuracy" in student:
        value = _cell(student, "inductive_test_accuracy")
        limits.append(
            f"- On rows that training did not see, expect the cold-start number, {value}."
        )
    else:
        limits.append("- Its accuracy on rows that training did not see was not measured.")
    return "\n".join(limits)


def _commands(recipe: dict[str, Any], result: dict[str, Any]) -> str:
    verbs = ("train", "export", "publish")
    lines = "\n".join(f"leanzoo {verb} {result['recipe']}" for verb in verbs)
    return f"```bash\n{lines}\n```\n\nSeed {recipe['seed']}; checkpoint folder `{result['run']}`."
