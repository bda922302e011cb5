"""Rules about a model's folder: its configuration as a file, its versions, its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator

from export.artifacts import WARMUP
from export.lint.rule import ADVICE, GUIDE, MEASURED, SCHEMA, SERVER, rule
from export.lint.served import PLATFORMS, Served
from export.published import SHARED
from zoo.artifact import Artifact, ArtifactError, check_file
from zoo.contract import Signature, near
from zoo.kept import versions_of
from zoo.rollout import ROLLOUT_FILE, read_rollout

BACKENDS = (
    *("onnxruntime", "tensorrt", "python", "pytorch", "tensorflow", "openvino", "dali", "fil"),
    *("tensorrtllm", "vllm"),
)
FOLDERS = {WARMUP, "configs", "initial_state"}  # of Triton's own, beside versions
AGAIN = "publish the model again"


@rule(f"{SERVER}/6571", "write config.pbtxt as Triton's schema says, or publish the model again")
def config_unreadable(model: Served) -> Iterator[str]:
    """config.pbtxt is there, and is text of Triton's schema."""
    if model.unread:
        yield f"config.pbtxt cannot be read: {model.unread}"


@rule(SCHEMA, "correct the field's name, or leave it out")
def field_unknown(model: Served) -> Iterator[str]:
    """Every field is one of Triton's schema."""
    if model.unknown:
        yield f"config.pbtxt has a field that no server knows: {model.unknown}"


@rule(MEASURED, "leave it out, or serve with a newer server alone")
def field_newer(model: Served) -> Iterator[str]:
    """No field is newer than Triton 2.51, the server for development, which refuses it."""
    if model.config.HasField("model_metrics"):
        yield "model_metrics is newer than Triton 2.51, which does not load the model"
    if model.config.ensemble_scheduling.max_inflight_requests:
        yield "max_inflight_requests is newer than Triton 2.51, which does not load the model"


@rule(f"{GUIDE}/model_configuration.md#name-platform-and-backend", "give both the same name")
def name_differs(model: Served) -> Iterator[str]:
    """A model is named as its folder."""
    if model.config.name not in ("", model.name):
        yield f"the configuration's name is '{model.config.name}': the folder's is '{model.name}'"


@rule("https://github.com/triton-inference-server/backend", "name a backend, such as onnxruntime")
def backend_unknown(model: Served) -> Iterator[str]:
    """Backend and platform are known, and mean the same."""
    backend, platform = model.config.backend, model.config.platform
    if platform and platform not in PLATFORMS:
        yield f"unknown platform '{platform}': {near(platform, PLATFORMS)}"
    elif backend and backend not in BACKENDS:
        yield f"unknown backend '{backend}': {near(backend, BACKENDS)}"
    elif backend and platform and PLATFORMS[platform] != backend:
        yield f"backend is '{backend}': platform '{platform}' is another"
    elif not backend and not platform and not model.ensemble:
        yield "neither backend nor platform is named"


@rule(f"{SERVER}/3687", "publish the model", ADVICE)
def version_missing(model: Served) -> Iterator[str]:
    """A model has a version."""
    if not versions_of(model.folder):
        yield "no version: the model cannot be served yet"


@rule(f"{GUIDE}/model_repository.md#model-versions", "name it by a number from 1, or remove it")
def version_name(model: Served) -> Iterator[str]:
    """Folders of versions are numbers from 1: any other is passed over without a word."""
    numbers = set(map(str, versions_of(model.folder)))
    for path in sorted(model.folder.iterdir()):
        other = path.name not in numbers | FOLDERS and path.name[0] != "."
        if path.is_dir() and other:
            yield f"folder '{path.name}' is no version: Triton ignores it"


@rule(f"{GUIDE}/model_repository.md#repository-layout", "remove the folder, or publish again")
def version_empty(model: Served) -> Iterator[str]:
    """A version holds something."""
    for number in versions_of(model.folder):
        if not any((model.folder / str(number)).iterdir()):
            yield f"version {number} is empty"


@rule(MEASURED, "publish the model again; nothing in a repository is edited by hand")
def manifest_differs(model: Served) -> Iterator[str]:
    """Files of a version, and those beside the latest, are the ones that were published."""
    for number, folder in model.versions.items():
        try:
            artifact = Artifact.load(folder)
            shared = artifact.metrics.get(SHARED, {}) if number == max(model.versions) else {}
            for name, digest in shared.items():
                check_file(model.folder, name, digest)
        except ArtifactError as error:
            yield f"version {number}: {error}"


@rule(MEASURED, AGAIN)
def signature_missing(model: Served) -> Iterator[str]:
    """The configuration has the parameter 'signature', which clients read."""
    if _signature(model) is None:
        yield "the parameter 'signature' is missing or cannot be read: clients refuse the model"


@rule(MEASURED, AGAIN)
def signature_differs(model: Served) -> Iterator[str]:
    """The parameter 'signature' says what the manifest of the latest version does."""
    told = _signature(model)
    if told is None or not model.versions:
        return
    number = max(model.versions)
    try:
        made = Artifact.load(model.versions[number], verify=False).signature
    except ArtifactError:
        return
    if made is not None and told != made:
        yield f"the parameter 'signature' is another than that of version {number}"


@rule(MEASURED, "set it again with 'leanzoo rollout'")
def rollout_version(model: Served) -> Iterator[str]:
    """The versions that rollout.json names can be asked; of an ensemble, so can their steps."""
    try:
        named = read_rollout(model.folder).versions
    except ArtifactError as error:
        yield str(error)
        return
    for number in dict.fromkeys(named):
        if not model.answers(number):
            served = ", ".join(map(str, filter(model.answers, versions_of(model.folder))))
            yield f"{ROLLOUT_FILE} names version {number}: served are {served or 'none'}"


def _signature(model: Served) -> Signature | None:
    try:
        return Signature.from_dict(json.loads(model.parameter("signature")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


READING = (config_unreadable,)
RULES = (
    *(field_unknown, field_newer, name_differs, backend_unknown, version_missing, version_name),
    *(version_empty, manifest_differs, signature_missing, signature_differs, rollout_version),
)
