"""Which models and versions a repository holds, read again whenever something in it changes.

A model is known by its base name, such as ``mlp-citeseer``. What is published of it are forms:
``mlp-citeseer-sparse`` takes the same rows in another shape. Requests name the base and are led to
the form that they fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serving.errors import ModelUnavailable, ModelUnknown, ServingError
from serving.repository import (
    CONFIG_FILE,
    LABELS_FILE,
    SHARED,
    base_name,
    latest_manifest,
    list_models,
    list_versions,
    load_artifact,
    load_signature,
    load_steps,
    served_versions,
)
from zoo.artifact import ARTIFACT_FILE, Artifact, ArtifactError, sha256_file
from zoo.contract import Signature, near
from zoo.golden import LABELLED, Golden
from zoo.kept import VERSIONS_SERVED
from zoo.rollout import ROLLOUT_FILE, Rollout, read_rollout
from zoo.steps import Step

GRAPH, CTR, FORECAST = "graph", "ctr", "forecast"
TASKS = {  # form → what is asked of it
    **{"dense": GRAPH, "sparse": GRAPH, "series": FORECAST},
    **{"rows": CTR, "rows-raw": CTR, "rank": CTR, "rank-raw": CTR},
}


@dataclass(frozen=True, eq=False)
class Served:
    """One version of one published form.

    Attributes:
        name: in the repository and in Triton.
        version: its number.
        base: the model that it is a form of.
        form: which one.
        artifact, signature, golden, steps: what was published.
        labels: class names; empty where there are none.
        newest: whether no later version is published.
    """

    name: str
    version: int
    base: str
    form: str
    artifact: Artifact
    signature: Signature
    golden: Golden
    steps: tuple[Step, ...] = ()
    labels: tuple[str, ...] = ()
    newest: bool = True

    @property
    def training(self) -> str:
        """What it was exported from; the same for all forms of one training."""
        return self.artifact.parents.get("checkpoint", "")


@dataclass(frozen=True)
class Found:
    """One published name, as it lies in the repository now.

    Attributes:
        stamp: changes whenever versions, configuration or rollout do.
        versions: number → what can be asked; empty for steps that nobody asks by themselves.
        rollout: which of them answers.
        faults: number → why that version cannot be asked.
        ensemble: whether its latest version asks other models.
        wanted: whether it is of a model that may be asked.
    """

    stamp: tuple[Any, ...]
    versions: Mapping[int, Served] = field(default_factory=dict)
    rollout: Rollout = field(default_factory=Rollout)
    faults: Mapping[int, str] = field(default_factory=dict)
    ensemble: bool = False
    wanted: bool = True

    @property
    def loadable(self) -> tuple[Any, ...]:
        """What a server loads; it changes with the stamp, but not with a rollout alone."""
        return self.stamp[:-1]


class Catalogue:
    """What is published at ``repository``.

    Args:
        repository: its folder.
        models: base names that may be asked; None for all.
    """

    def __init__(self, repository: Path, models: Iterable[str] | None = None) -> None:
        self.repository = repository
        self.models = None if models is None else frozenset(models)
        self._read: dict[tuple[Any, ...], Served] = {}

    def scan(self, before: Mapping[str, Found]) -> dict[str, Found]:
        """Read what has changed since ``before``: published name → what is found.

        Raises:
            ServingError: there is no repository.
        """
        found = {}
        for name in list_models(self.repository):
            stamp = self._stamp(name)
            known = before.get(name)
            same = known is not None and known.stamp == stamp
            found[name] = known if known and same else self._find(name, stamp, known)
        return found

    def card(self, name: str) -> str:
        """The model card of a published name; empty where it has none."""
        file = self.repository / name / "card.md"
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def _stamp(self, name: str) -> tuple[Any, ...]:
        folder = self.repository / name
        files = (folder / CONFIG_FILE, folder / LABELS_FILE, folder / ROLLOUT_FILE)
        numbers = list_versions(self.repository, name)
        new = numbers[-VERSIONS_SERVED:]  # older ones do not change any more
        return (
            *numbers,
            *(_files(folder / str(number)) for number in new),
            *map(_changed, files),
        )

    def _find(self, name: str, stamp: tuple[Any, ...], known: Found | None) -> Found:
        versions: dict[int, Served] = {}
        faults: dict[int, str] = {}
        try:
            rollout = read_rollout(self.repository / name)
            numbers = served_versions(self.repository, name)
        except (ArtifactError, ServingError) as error:
            return replace(known or Found(stamp), stamp=stamp, faults={0: str(error)})
        for number in numbers:
            try:
                served = self._load(name, number)
            except (ArtifactError, ServingError) as error:
                faults[number] = str(error)
                continue
            versions[number] = replace(served, newest=number == numbers[-1])
        for key in [key for key in self._read if key[0] == name and key[1] not in numbers]:
            del self._read[key]
        latest = versions[max(versions)] if versions else None
        wanted = latest is None or self.models is None or latest.base in self.models
        asked = {k: v for k, v in versions.items() if wanted and v.form in TASKS}
        return Found(stamp, asked, rollout, faults, bool(latest and latest.steps), wanted)

    def _load(self, name: str, number: int) -> Served:
        """One version, its files checked the first time."""
        folder = self.repository / name
        labels = _digest(folder / LABELS_FILE)
        key = (name, number, _changed(folder / str(number) / ARTIFACT_FILE), labels)
        if key not in self._read:
            self._read[key] = self._open(name, number, labels)
        return self._read[key]

    def _open(self, name: str, number: int, labels: str) -> Served:
        artifact = load_artifact(self.repository, name, str(number))
        signature = load_signature(artifact)
        names: tuple[str, ...] = ()
        if any(spec.name == LABELLED for spec in signature.outputs):
            if artifact.metrics.get(SHARED, {}).get(LABELS_FILE) != labels:
                raise ModelUnavailable(
                    f"model '{name}' version {number} has other class names than {LABELS_FILE}: "
                    "publish it again"
                )
            text = (self.repository / name / LABELS_FILE).read_text(encoding="utf-8")
            names = tuple(text.splitlines())
        return Served(
            name=name,
            version=number,
            base=base_name(artifact),
            form=str(artifact.metrics.get("form", "")),
            artifact=artifact,
            signature=signature,
            golden=Golden.load(artifact.path, signature),
            steps=load_steps(artifact),
            labels=names,
        )


def named(repository: Path, models: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """Base names, and the published names of all their forms.

    Args:
        models: base names, or published names of any form.

    Raises:
        ModelUnknown: there is none of that name.
    """
    manifests = {name: latest_manifest(repository, name) for name in list_models(repository)}
    base_of = {name: base_name(made) for name, made in manifests.items() if made}
    known = {**{base: base for base in base_of.values()}, **base_of}
    for model in models:
        if model not in known:
            raise ModelUnknown(f"no model '{model}' in {repository}: {near(model, known)}")
    bases = frozenset(known[model] for model in models)
    return bases, [name for name, base in base_of.items() if base in bases]


def read_json(artifact: Artifact, name: str) -> Any:
    """A JSON file of an artifact; None where it has none."""
    return json.loads((artifact.path / name).read_text()) if name in artifact.files else None


def _changed(file: Path) -> tuple[int, int]:
    """When a file was last written, and its inode; zeros where there is none."""
    try:
        status = file.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)


def _files(version: Path) -> tuple[Any, ...]:
    """What lies in a version's folder, which others may fill file by file."""
    try:
        return tuple(sorted((file.name, *_changed(file)) for file in version.iterdir()))
    except OSError:
        return ()


def _digest(file: Path) -> str:
    return sha256_file(file) if file.is_file() else ""
