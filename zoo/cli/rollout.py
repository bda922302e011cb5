"""The verb that says which version of a published model answers: rollout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import REPOSITORY, Json, Repository, stdout

if TYPE_CHECKING:
    from zoo.rollout import Rollout

LATEST = "latest"
Choice = Annotated[
    str | None, typer.Option(help="Version that answers every request; `latest` removes the pin.")
]
Share = Annotated[
    str | None,
    typer.Option(help="Share of the request keys for a version on trial, as 5%; 0% ends it."),
]
Trial = Annotated[
    int | None,
    typer.Option(min=1, help="Version on trial; default: the one that is, else the latest."),
]


@app.command()
def rollout(
    model: Annotated[str, typer.Argument(help="A published model, without its form.")],
    to: Choice = None,
    canary: Share = None,
    canary_version: Trial = None,
    repository: Repository = REPOSITORY,
    json: Json = False,
) -> None:
    """Say which version of a model answers, roll back to one, or put one on trial.

    All forms of a model roll together, to the versions of the same training. The gateway reads
    what is set at once; nothing is set unless every version is served, whole, and as published.
    While a version is on trial, the one that answered before it keeps the rest of the keys.
    """
    from zoo.cli.rollouts import find_forms, roll

    fraction = _fraction(canary)
    if canary_version is not None and not fraction:
        hint = "it names the version that --canary puts on trial: give its share too, as 5%"
        raise typer.BadParameter(hint, param_hint="--canary-version")
    version = _version(to)
    if version is None and fraction is not None and to is not None:
        hint = "'latest' ends a trial: name a version, or leave --canary out"
        raise typer.BadParameter(hint, param_hint="--to")
    if to is not None or fraction is not None:
        roll(repository, model, version, fraction, canary_version)
    forms = find_forms(repository, model)
    rows = [_row(form.model, form.served, form.rollout) for form in forms]
    if json:
        return emit({"model": model, "rollouts": rows})
    for row in rows:
        stdout().print(_said(row), highlight=False, soft_wrap=True)
    return None


def _version(to: str | None) -> int | None:
    """The version named; None for the latest."""
    if to is None or to == LATEST:
        return None
    if not (to.isascii() and to.isdigit() and to[0] != "0"):
        hint = f"'{to}' is no version: expected a whole number from 1, or '{LATEST}'"
        raise typer.BadParameter(hint, param_hint="--to")
    return int(to)


def _fraction(canary: str | None) -> float | None:
    """A share of the request keys, 0..1; None where none is named."""
    if canary is None:
        return None
    number, sign, rest = canary.strip().partition("%")
    try:
        fraction = float(number) / 100
    except ValueError:
        fraction = -1
    if not sign or rest or not 0 <= fraction <= 1:
        hint = f"'{canary}' is no share: expected one from 0% to 100%, such as 5%"
        raise typer.BadParameter(hint, param_hint="--canary")
    return fraction


def _row(model: str, served: list[int], rollout: Rollout) -> dict[str, Any]:
    return {
        "model": model,
        "versions": served,
        "version": rollout.stable or max(served, default=None),
        "canary": rollout.canary,
        "fraction": rollout.fraction if rollout.canary else 0.0,
    }


def _said(row: dict[str, Any]) -> str:
    """A state in one line."""
    versions = ", ".join(map(str, row["versions"])) or "none"
    text = f"{row['model']}: version {row['version']} answers, of {versions}"
    if row["canary"]:
        text += f"; version {row['canary']} is on trial for {100 * row['fraction']:g} % of the keys"
    return text
