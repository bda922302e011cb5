"""Artifacts: when one can be trusted, and that none is half-written."""

import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo.artifact import ARTIFACT_FILE, Artifact, ArtifactError, check_file, sha256_file, staging
from zoo.contract import Signature, TensorSpec

ROWS = Signature(
    (TensorSpec("x", "float32", (3,), "features"),),
    (TensorSpec("probabilities", "float32", (2,), "of each class"),),
    max_batch=4,
)


WEIGHTS = "weights.safetensors"


def make(folder: Path) -> Artifact:
    """A finished artifact of two files."""
    artifact = Artifact(folder, "checkpoint", "m", ROWS, {"seed": 1}, {"a": 0.5}, {"t": "ff"})
    with staging(folder) as scratch:
        (scratch / WEIGHTS).write_bytes(b"1234")
        (scratch / "sub").mkdir()
        (scratch / "sub" / ARTIFACT_FILE).write_text("{}")
        return artifact.write(scratch)


def test_round_trip(tmp_path: Path) -> None:
    written = make(tmp_path / "a")
    read = Artifact.load(tmp_path / "a")
    assert read == written
    assert set(read.files) == {WEIGHTS, f"sub/{ARTIFACT_FILE}"}
    assert replace(read, files={WEIGHTS: "00"}).digest != read.digest
    make(tmp_path / "a")  # replaces
    assert Artifact.load(tmp_path / "a").digest == written.digest


def hard_link(folder: Path) -> None:
    os.link(folder / WEIGHTS, folder.parent / "elsewhere")


def link(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.parent / "elsewhere")
    (folder / WEIGHTS).symlink_to(folder.parent / "elsewhere")


def folder_link(folder: Path) -> None:
    (folder / "extra").symlink_to(folder.parent, target_is_directory=True)


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        raw = json.loads((folder / ARTIFACT_FILE).read_text())
        change(raw)
        (folder / ARTIFACT_FILE).write_text(json.dumps(raw))

    return damage


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "changed": (
        lambda f: (f / WEIGHTS).write_bytes(b"1235"),
        "weights.safetensors was changed .*again",
    ),
    "missing": (lambda f: (f / WEIGHTS).unlink(), "weights.safetensors is missing; make .* again"),
    "extra": (lambda f: (f / "more").touch(), "more is not in the manifest; remove it"),
    "hard link": (hard_link, "weights.safetensors is a link: .* copy it"),
    "link": (link, "weights.safetensors is a link: .* copy it"),
    "linked folder": (folder_link, "extra is a link: .* copy it"),
    "half-written": (lambda f: (f / ARTIFACT_FILE).unlink(), "half-written; make it again"),
    "cut short": (lambda f: os.truncate(f / ARTIFACT_FILE, 30), "cannot be read .*again"),
    "binary": (lambda f: (f / ARTIFACT_FILE).write_bytes(b"\xff"), "cannot be read .*again"),
    "deep": (lambda f: (f / ARTIFACT_FILE).write_text("[" * 99_999), "cannot be read .*again"),
    "list": (lambda f: (f / ARTIFACT_FILE).write_text("[]"), "cannot be read .*again"),
    "no kind": (manifest(lambda raw: raw.pop("kind")), "cannot be read .*kind.*again"),
    "new key": (manifest(lambda raw: raw.update(colour=1)), "cannot be read .*colour.*again"),
    "no table": (manifest(lambda raw: raw.update(files=3)), "cannot be read .*files.*again"),
    "signature": (
        manifest(lambda raw: raw.update(signature={"inputs": 3})),
        "cannot be read .*again",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_refused(tmp_path: Path, case: str) -> None:
    damage, message = DAMAGE[case]
    folder = tmp_path / "a"
    make(folder)
    damage(folder)
    with pytest.raises(ArtifactError, match=message) as caught:
        Artifact.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_beside_an_artifact_is_checked_alike(tmp_path: Path) -> None:
    file = tmp_path / "config.pbtxt"
    file.write_text("name: 'm'")
    digest = sha256_file(file)
    check_file(tmp_path, file.name, digest)
    os.link(file, tmp_path / "elsewhere")
    for name, said in ((file.name, "a link"), ("../a.txt", "leads out"), ("a.txt", "is missing")):
        with pytest.raises(ArtifactError, match=said):
            check_file(tmp_path, name, digest)


def test_a_file_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(ArtifactError, match="not an artifact"):
        Artifact.load(tmp_path / "a")


def test_load_without_verification(tmp_path: Path) -> None:
    make(tmp_path / "a")
    (tmp_path / "a" / WEIGHTS).write_bytes(b"other")
    assert Artifact.load(tmp_path / "a", verify=False).model == "m"


def test_nan_is_no_metric(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path, "checkpoint", "m", None, metrics={"a": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifact.write(tmp_path)


@pytest.mark.parametrize("existing", [False, True])
def test_failed_staging_leaves_nothing(tmp_path: Path, existing: bool) -> None:
    target = tmp_path / "a"
    if existing:
        make(target)
    before = sorted(tmp_path.rglob("*"))

    def write_half() -> None:
        with staging(target) as scratch:
            (scratch / WEIGHTS).write_bytes(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert sorted(tmp_path.rglob("*")) == before
    if existing:
        Artifact.load(target)


def test_full_disk_is_one_line(tmp_path: Path) -> None:
    target = tmp_path / "a"
    make(target)
    with pytest.raises(ArtifactError, match="free space or choose") as caught, staging(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert re.search(f"cannot write {target}: No space left", str(caught.value))
    assert "\n" not in str(caught.value)
    assert Artifact.load(target).files
    assert sorted(tmp_path.iterdir()) == [target]


def test_staging_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"cannot write .*file/a"), staging(tmp_path / "file/a"):
        pytest.fail("entered")
