"""What an artifact may hold: pickles, links, strange names and huge files are refused unread."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from zoo import intake
from zoo.artifact import ARTIFACT_FILE, Artifact, ArtifactError

VALUE = {"a": [1, 2.5, "b"]}


def sealed(folder: Path, files: dict[str, bytes]) -> Path:
    """An artifact that lists these files, whatever they are."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    Artifact(folder, "onnx", "m", None).write(folder)
    return folder


def torch_file() -> bytes:
    file = io.BytesIO()
    torch.save(VALUE, file)
    return file.getvalue()


def numpy_file() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([VALUE]))
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as stream:
        stream.writestr("m/data.pkl", pickle.dumps(VALUE))
    return file.getvalue()


@pytest.mark.parametrize("suffix", intake.PICKLED)
def test_suffixes_of_pickles_are_refused(tmp_path: Path, suffix: str) -> None:
    for name in (f"model{suffix}", f"model{suffix.upper()}", f"warmup/x{suffix}"):
        folder = sealed(tmp_path / name.replace("/", "-"), {name: b"{}"})
        with pytest.raises(ArtifactError, match=rf"may hold a pickle \({suffix}\): .*; remove it"):
            Artifact.load(folder)


@pytest.mark.parametrize("name", ["golden.json", "model.onnx", "m.safetensors", "warmup/x-1"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_by_another_name_are_refused(tmp_path: Path, name: str, protocol: int) -> None:
    sealed(tmp_path, {name: pickle.dumps(VALUE, protocol) + b"more"})
    with pytest.raises(ArtifactError, match=f"{name} holds a pickle, .*: remove it"):
        Artifact.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(torch_file, "an archive"), (archive, "an archive"), (numpy_file, "a numpy file")],
)
def test_what_wraps_pickles_is_refused(
    tmp_path: Path, content: Callable[[], bytes], said: str
) -> None:
    for name in ("labels.txt", "warmup/x-1"):
        folder = sealed(tmp_path / name.replace("/", "-"), {name: content()})
        with pytest.raises(ArtifactError, match=f"{name} is {said}, .*: remove it"):
            Artifact.load(folder)


def test_numbers_that_begin_like_a_pickle_are_none(tmp_path: Path) -> None:
    """The id 640, and a header of as many bytes, begin with the bytes of a pickle."""
    magic = b"\x80\x02"
    ids = np.array([[640, 3]], "<i8").tobytes()
    size = next(n for n in range(640) if save({"w" * n: np.ones(1)}).startswith(magic))
    weights = save({"w" * size: np.ones(1)})
    assert ids.startswith(magic)
    sealed(tmp_path, {"warmup/x-1": ids, "m.safetensors": weights})
    assert len(Artifact.load(tmp_path).files) == 2


def test_unknown_kinds_are_refused(tmp_path: Path) -> None:
    sealed(tmp_path, {"run.sh": b"#!/bin/sh"})
    with pytest.raises(ArtifactError, match=r"run.sh is of no known kind: artifacts hold .*remove"):
        Artifact.load(tmp_path)


def test_every_known_kind_is_taken(tmp_path: Path) -> None:
    sealed(tmp_path, {f"a{suffix}": b"12345" for suffix in intake.SUFFIXES})
    assert len(Artifact.load(tmp_path).files) == len(intake.SUFFIXES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/etc/hostname", "leads out of the artifact"),
        ("../other.json", "leads out of the artifact"),
        ("a/../../other.json", "leads out of the artifact"),
        ("./a.json", "is no plain path"),
        ("a//b.json", "is no plain path"),
        ("a\\b.json", "is no plain path"),
        ("a\0.json", "is no plain path"),
        ("", "is no plain path"),
    ],
)
def test_names_are_of_files_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    sealed(tmp_path, {})
    raw = json.loads((tmp_path / ARTIFACT_FILE).read_text())
    (tmp_path / ARTIFACT_FILE).write_text(json.dumps({**raw, "files": {name: "00"}}))
    monkeypatch.setattr("zoo.artifact.sha256_file", lambda file: pytest.fail(f"{file} was opened"))
    with pytest.raises(ArtifactError, match=f"which {said}: expected names within it.* again"):
        Artifact.load(tmp_path)


def test_huge_files_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed(tmp_path, {"model.onnx": b"12345"})
    os.truncate(tmp_path / "model.onnx", intake.MAX_FILE_BYTES + 1)
    monkeypatch.setattr("zoo.artifact.sha256_file", lambda file: pytest.fail(f"{file} was read"))
    with pytest.raises(ArtifactError, match="1073741825 bytes: expected at most 1073741824; make"):
        Artifact.load(tmp_path)
    monkeypatch.setattr(intake, "MAX_FILE_BYTES", 20)
    with pytest.raises(ArtifactError, match=r"artifact.json cannot be read \(has .* bytes"):
        Artifact.load(tmp_path)


def test_the_manifest_is_no_link(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "a", {"a.json": b"{}"})
    os.link(folder / ARTIFACT_FILE, tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="artifact.json is a link: .* copy it"):
        Artifact.load(folder)


def test_a_linked_folder_is_refused_though_its_files_are_listed(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "a", {"warmup/x-1": b"1"})
    (folder / "warmup").rename(tmp_path / "elsewhere")
    (folder / "warmup").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(ArtifactError, match="warmup is a link: .* copy it"):
        Artifact.load(folder)
