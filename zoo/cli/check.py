"""The verb about what a model repository would do: lint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import REPOSITORY, Json, progress, stdout

if TYPE_CHECKING:
    from export.lint.rule import Finding
    from export.lint.served import Machine


@app.command()
def lint(
    repository: Annotated[Path, typer.Argument(help="A model repository.")] = REPOSITORY,
    cores: Annotated[
        int | None, typer.Option(min=1, help="That a model may use; default: this machine's.")
    ] = None,
    gpu: Annotated[
        bool | None,
        typer.Option("--gpu/--no-gpu", help="Whether the models run on one; default: as here."),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and their sources.")] = (
        False
    ),
    json: Json = False,
) -> None:
    """Hold the configurations of a model repository against their graphs, files and machine.

    Every model's config.pbtxt is compared with the inputs and outputs of its ONNX graph, its class
    names, warm-up, threads, steps, engines and manifest, and with what is known to go wrong in
    Triton. The exit code is 1 where an error is found, and 0 where there is advice alone.
    """
    if rules:
        return _list_rules(json)
    from export.lint.repository import lint_repository
    from export.lint.rule import ERROR

    with progress() as bars:
        task = bars.add_task(f"lint {repository}", total=None)

        def advance(model: str, total: int) -> None:
            bars.update(task, description=f"lint {model}", total=total, advance=1)

        found = lint_repository(repository, _machine(cores, gpu), advance)
    findings = [finding for each in found.values() for finding in each]
    if json:
        emit({"findings": [vars(one) for one in findings], "models": len(found)})
    else:
        _say(found)
    if any(one.severity == ERROR for one in findings):
        raise typer.Exit(1)
    return None


def _machine(cores: int | None, gpu: bool | None) -> Machine:
    """This machine, or what is said of another."""
    from export.lint.served import Machine, this_machine

    here = this_machine()
    return Machine(cores or here.cores, here.gpu if gpu is None else gpu)


def _say(found: Mapping[str, list[Finding]]) -> None:
    """Print findings as lines, by model."""
    for model, findings in found.items():
        if findings:
            stdout().print(model, highlight=False, soft_wrap=True, markup=False)
        for one in findings:
            line = f"  {one.severity} {one.rule}: {one.message}; {one.remedy}"
            stdout().print(line, highlight=False, soft_wrap=True, markup=False)
    total = sum(map(len, found.values()))
    stdout().print(f"{len(found)} model(s), {total} finding(s)", highlight=False)


def _list_rules(json: bool) -> None:
    from export.lint.repository import RULES

    keys = ("name", "severity", "doc", "source", "remedy")
    rows = [{key: getattr(rule, key) for key in keys} for rule in RULES]
    if json:
        return emit({"rules": rows})
    for row in rows:
        line = f"{row['name']} ({row['severity']}): {row['doc']}\n  {row['remedy']}"
        text = f"{line}\n  {row['source']}"
        stdout().print(text, highlight=False, soft_wrap=True, markup=False)
    return None
