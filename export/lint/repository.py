"""All rules, over one model or a whole repository.

layout     config.pbtxt as a file, versions, manifest, signature
tensors    names, types and axes against the graph; class names
batching   queues, priorities, delays
warmup     rows and their files
devices    GPU, accelerators, threads
engines    TensorRT plans
ensembles  steps and the tensors between them
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export.errors import ExportError
from export.lint import batching, devices, engines, ensembles, layout, tensors, warmup
from export.lint.rule import Finding
from export.lint.served import Machine, read_model, this_machine

RULES = (
    *layout.READING,
    *layout.RULES,
    *tensors.RULES,
    *batching.RULES,
    *warmup.RULES,
    *devices.RULES,
    *engines.RULES,
    *ensembles.RULES,
)


def lint_model(folder: Path, repository: Path, machine: Machine | None = None) -> list[Finding]:
    """Hold one model against every rule.

    Args:
        folder: of the model, which may lie elsewhere before it is published.
        repository: where models lie that it asks.
        machine: that it must run on; None for this one.
    """
    model = read_model(folder, repository, machine or this_machine())
    rules = layout.READING if model.unread else RULES
    return [finding for rule in rules for finding in rule.findings(model)]


def lint_repository(
    root: Path,
    machine: Machine | None = None,
    advance: Callable[[str, int], None] = lambda _, __: None,
) -> dict[str, list[Finding]]:
    """Hold every model of a repository against every rule.

    Args:
        root: the repository.
        machine: that the models must run on; None for this one.
        advance: is told what model is next, and of how many.

    Returns:
        Model → what was found.

    Raises:
        ExportError: there is no model.
    """
    folders = sorted(path for path in root.glob("*") if path.is_dir() and path.name[0] != ".")
    if not folders:
        raise ExportError(f"{root} holds no model: name a model repository, or publish a model")
    found = {}
    for folder in folders:
        advance(folder.name, len(folders))
        found[folder.name] = lint_model(folder, root, machine)
    return found
