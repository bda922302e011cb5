"""Rolls the forms of a published model together, to versions of the same training.

A vocabulary has no rollout of its own: nobody asks it but an ensemble, which names its version.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from serving.errors import ModelUnavailable, ModelUnknown
from serving.repository import (
    base_name,
    latest_manifest,
    list_models,
    load_artifact,
    load_steps,
    model_folder,
    served_versions,
)
from zoo.artifact import Artifact, ArtifactError
from zoo.kept import changing
from zoo.rollout import Rollout, read_rollout, write_rollout

ENCODE = "encode"  # what the form of a vocabulary ends in


@dataclass(frozen=True)
class Form:
    """A published form of a model.

    Attributes:
        root: the repository.
        model: its name there.
    """

    root: Path
    model: str

    @cached_property
    def served(self) -> list[int]:
        """Versions that can be asked, ascending."""
        return served_versions(self.root, self.model)

    @property
    def rollout(self) -> Rollout:
        """What is set."""
        return read_rollout(self.root / self.model)

    @property
    def latest(self) -> int:
        """The latest version that can be asked.

        Raises:
            ModelUnavailable: there is none.
        """
        if not self.served:
            raise ModelUnavailable(f"no version of '{self.model}' is served: publish it again")
        return self.served[-1]

    def load(self, version: int) -> Artifact:
        """A version, which is served, whole and as published, and so are its steps.

        Raises:
            ModelUnknown: it is not served.
            ModelUnavailable: it, or a step, is half-written or was changed.
        """
        if version not in self.served:
            served = ", ".join(map(str, self.served)) or "none"
            raise ModelUnknown(
                f"version {version} of '{self.model}' is not served: served are {served}"
            )
        artifact = load_artifact(self.root, self.model, str(version))
        for step in load_steps(artifact):
            load_artifact(self.root, step.model, str(step.version))
        return artifact

    def manifest(self, version: int) -> Artifact | None:
        """What a version says of itself; None where that cannot be read."""
        with contextlib.suppress(ArtifactError):
            return Artifact.load(self.root / self.model / str(version), verify=False)
        return None


def find_forms(root: Path, model: str) -> list[Form]:
    """The forms of a model that are asked, the model itself first, ensembles last.

    Raises:
        ModelUnknown: there is no such model, or it is a form of another.
    """
    model_folder(root, model)
    owner, _ = _named(root, model)
    if owner != model:
        raise ModelUnknown(f"'{model}' is a form of '{owner}', and rolls with it: name that")
    alike = [name for name in list_models(root) if name.startswith(f"{model}-")]
    named = {name: _named(root, name) for name in alike}
    found = [Form(root, n) for n, (who, kind) in named.items() if who == model and kind != ENCODE]
    ensembles = {form for form in found if _is_ensemble(form)}
    return [Form(root, model), *sorted(found, key=lambda one: (one in ensembles, one.model))]


def roll(
    root: Path, model: str, version: int | None, fraction: float | None, trial: int | None
) -> None:
    """Set the rollout of every form, or of none.

    Args:
        root: the repository.
        model: without a form.
        version: of the model that answers; None for the latest, or with a trial for the one
            that answered before it.
        fraction: of the request keys that a version on trial answers; None for no trial.
        trial: that version; None for the one on trial, else the latest.

    Raises:
        ModelUnknown, ModelUnavailable: a version is not served, half-written or changed, or a
            form has none of the same training; nothing is set.
        ArtifactError: a file cannot be read or written; nothing is set.
    """
    model_folder(root, model)
    with changing(root):
        forms = find_forms(root, model)
        wanted = Rollout(version)
        if fraction is not None:
            wanted = _trial(forms[0], version, fraction, trial)
        if wanted == Rollout():
            for form in forms:
                form.load(form.latest)
            return _write(dict.fromkeys(forms, wanted))
        mapped = {number: _matching(forms, number) for number in wanted.versions}
        return _write({form: _of_form(form, wanted, mapped) for form in forms})


def _trial(base: Form, version: int | None, fraction: float, trial: int | None) -> Rollout:
    """The model's rollout while a version is on trial, or once the trial has ended."""
    now = base.rollout if version is None else Rollout(version)
    if not fraction:
        return Rollout(now.stable)
    canary = trial or now.canary or base.latest
    before = [number for number in base.served if number < canary]
    answering = before[-1:] if canary == base.latest else [base.latest]
    stable = now.stable or (answering[0] if answering else canary)
    if stable == canary:
        raise ModelUnavailable(
            f"version {canary} of '{base.model}' answers already, and cannot be on trial: name "
            f"another, or publish one; served are {', '.join(map(str, base.served))}"
        )
    return Rollout(stable, canary, fraction)


def _matching(forms: Sequence[Form], version: int) -> dict[str, int]:
    """Of every form the version that belongs to a version of the model: form → version."""
    base = forms[0]
    wanted = base.load(version)
    found = {base.model: version}
    for form in forms[1:]:
        made = {number: form.manifest(number) for number in form.served}
        alike = {number: one for number, one in made.items() if one and _same_training(one, wanted)}
        if not alike:
            raise ModelUnavailable(
                f"'{form.model}' has no served version of the training of version {version} of "
                f"'{base.model}': publish both again"
            )
        ranked = {  # of one training published again: what was published together
            number: (*_rank(one, wanted, found), number == version, number)
            for number, one in alike.items()
        }
        found[form.model] = max(ranked, key=lambda number: ranked[number])
        form.load(found[form.model])
    return found


def _same_training(one: Artifact, other: Artifact) -> bool:
    return one.parents.get("checkpoint") == other.parents.get("checkpoint")


def _rank(one: Artifact, wanted: Artifact, found: dict[str, int]) -> tuple[int, bool]:
    """How well a version goes with those already found: by its steps, then by its precision."""
    pinned = [found[step.model] == step.version for step in load_steps(one) if step.model in found]
    same = one.metrics.get("precision") == wanted.metrics.get("precision")
    return sum(pinned), same


def _of_form(form: Form, wanted: Rollout, mapped: dict[int, dict[str, int]]) -> Rollout:
    stable = mapped[wanted.stable][form.model] if wanted.stable else None
    canary = mapped[wanted.canary][form.model] if wanted.canary else None
    if canary is None or canary == stable:  # the form is the same in both
        return Rollout(stable)
    return Rollout(stable, canary, wanted.fraction)


def _write(rollouts: dict[Form, Rollout]) -> None:
    """Write all, or leave all as they were."""
    before: dict[Form, Rollout] = {}
    try:
        for form, rollout in rollouts.items():
            before[form] = Rollout()
            with contextlib.suppress(ArtifactError):  # one that cannot be read is replaced
                before[form] = form.rollout
            write_rollout(form.root / form.model, rollout)
    except ArtifactError:
        for form, rollout in before.items():
            with contextlib.suppress(ArtifactError):
                write_rollout(form.root / form.model, rollout)
        raise


def _named(root: Path, model: str) -> tuple[str, str]:
    """The model that a published one is a form of, and the last word of its form."""
    made = latest_manifest(root, model)
    if made is None:
        return model, ""
    return base_name(made), str(made.metrics.get("form", "")).rpartition("-")[2]


def _is_ensemble(form: Form) -> bool:
    made = form.manifest(form.served[-1]) if form.served else None
    return made is not None and bool(load_steps(made))
