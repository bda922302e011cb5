"""The contract: what a signature accepts, and when an artifact can be trusted."""

import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.contract import (
    ARTIFACT_FILE,
    Artifact,
    ArtifactError,
    Signature,
    SignatureError,
    TensorSpec,
    near,
    staging,
)

ROWS = Signature(
    inputs=(
        TensorSpec("ids", "int64", (3,), "word ids", high=10),
        TensorSpec("values", "float32", (3,), "their counts"),
        TensorSpec("name", "object", (), "text"),
    ),
    outputs=(TensorSpec("probabilities", "float32", (2,), "of each class"),),
    max_batch=4,
)
GRAPH = Signature(
    inputs=(
        TensorSpec("x", "float32", ("nodes", 2), "features"),
        TensorSpec("source", "int64", ("edges",), "row in x", high="nodes"),
        TensorSpec("weight", "float32", ("edges",), "of the edge"),
    ),
    outputs=(TensorSpec("logits", "float32", ("nodes", 2), "scores"),),
    max_batch=0,
)


def rows(**changed: Any) -> dict[str, Any]:
    """Two good rows with some inputs replaced; None leaves one out."""
    good = {
        "ids": np.array([[0, 5, 9], [1, 1, 1]]),
        "values": np.ones((2, 3), np.float32),
        "name": np.array(["a", "b"], object),
    }
    return {k: v for k, v in (good | changed).items() if v is not None}


def graph(**changed: Any) -> dict[str, Any]:
    good = {
        "x": np.zeros((3, 2), np.float32),
        "source": np.array([0, 2, 1, 1]),
        "weight": np.ones(4, np.float32),
    }
    return good | changed


BAD_VALUES = np.ones((2, 3), np.float32)
BAD_VALUES[1, 2] = np.nan

REFUSED: dict[str, tuple[Signature, dict[str, Any], str]] = {
    "unknown": (ROWS, rows(valeus=1), "unknown input 'valeus': did you mean values"),
    "missing": (ROWS, rows(values=None), "input 'values' is missing: expected .*'ids'"),
    "dtype": (ROWS, rows(ids=np.ones((2, 3), np.int32)), "'ids' has dtype int32: expected int64"),
    "width": (ROWS, rows(ids=np.ones((2, 4), int)), r"'ids' has shape \(2, 4\): .* \(batch, 3\)"),
    "rank": (ROWS, rows(values=np.ones(3, np.float32)), r"'values' has shape \(3,\): expected"),
    "other batch": (ROWS, rows(name=np.array(["a"], object)), r"'name' .* with batch = 2"),
    "empty": (ROWS, {k: v[:0] for k, v in rows().items()}, "has 0 rows: expected 1 to 4"),
    "too many": (ROWS, {k: np.repeat(v, 3, 0) for k, v in rows().items()}, "6 rows: .* split it"),
    "nan": (ROWS, rows(values=BAD_VALUES), "'values' is NaN or infinite in row 1: clean it"),
    "infinite": (
        ROWS,
        rows(values=np.full((2, 3), -np.inf, "f4")),
        "'values' is NaN or infinite in row 0",
    ),
    "negative id": (
        ROWS,
        rows(ids=np.full((2, 3), -1)),
        "'ids' holds id -1: expected 0 <= id < 10",
    ),
    "high id": (ROWS, rows(ids=np.full((2, 3), 10)), "'ids' holds id 10: expected 0 <= id < 10"),
    "no text": (ROWS, rows(name=np.array(["a", 3], object)), "'name' holds 3: expected strings"),
    "axes": (GRAPH, graph(weight=np.ones(5, np.float32)), r"'weight' .* with edges = 4"),
    "id of axis": (GRAPH, graph(source=np.array([0, 1, 2, 3])), "holds id 3: expected 0 <= id < 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    signature, arrays, message = REFUSED[case]
    with pytest.raises(SignatureError, match=message) as caught:
        signature.check(arrays)
    assert "\n" not in str(caught.value)


def test_accepted() -> None:
    assert ROWS.check(rows()) == 2
    assert GRAPH.check(graph()) == 0
    assert GRAPH.check(graph(source=np.zeros(0, int), weight=np.zeros(0, np.float32))) == 0


def test_scalar_without_batch() -> None:
    scalar = Signature((TensorSpec("t", "float32", (), "temperature"),), (), 0)
    assert scalar.check({"t": np.array(1, np.float32)}) == 0
    with pytest.raises(SignatureError, match="'t' is NaN or infinite in row 0"):
        scalar.check({"t": np.array(np.nan, np.float32)})


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([ROWS, GRAPH]), st.integers(1, 4), st.integers(0, 2**32))
def test_sample_passes_check(signature: Signature, batch: int, seed: int) -> None:
    arrays = signature.sample(batch, seed)
    assert signature.check(arrays) == (batch if signature.max_batch else 0)
    again = signature.sample(batch, seed)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_near_names() -> None:
    known = ["mlp-cora", "mlp-citeseer"]
    assert near("mlp-corra", known).startswith("did you mean mlp-cora")
    assert "mlp-citeseer" in near("zzz", known)
    assert near("zzz", []) == "there is none yet"


def make(folder: Path) -> Artifact:
    """A finished artifact of two files."""
    artifact = Artifact(folder, "checkpoint", "m", ROWS, {"seed": 1}, {"a": 0.5}, {"t": "ff"})
    with staging(folder) as scratch:
        (scratch / "weights").write_bytes(b"1234")
        (scratch / "sub").mkdir()
        (scratch / "sub" / ARTIFACT_FILE).write_text("{}")
        return artifact.write(scratch)


def test_round_trip(tmp_path: Path) -> None:
    written = make(tmp_path / "a")
    read = Artifact.load(tmp_path / "a")
    assert read == written
    assert set(read.files) == {"weights", f"sub/{ARTIFACT_FILE}"}
    assert replace(read, files={"weights": "00"}).digest != read.digest
    make(tmp_path / "a")  # replaces
    assert Artifact.load(tmp_path / "a").digest == written.digest


def hard_link(folder: Path) -> None:
    os.link(folder / "weights", folder.parent / "elsewhere")


def link(folder: Path) -> None:
    (folder / "weights").rename(folder.parent / "elsewhere")
    (folder / "weights").symlink_to(folder.parent / "elsewhere")


def folder_link(folder: Path) -> None:
    (folder / "extra").symlink_to(folder.parent, target_is_directory=True)


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        raw = json.loads((folder / ARTIFACT_FILE).read_text())
        change(raw)
        (folder / ARTIFACT_FILE).write_text(json.dumps(raw))

    return damage


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "changed": (lambda f: (f / "weights").write_bytes(b"1235"), "weights was changed .*again"),
    "missing": (lambda f: (f / "weights").unlink(), "weights is missing; make .* again"),
    "extra": (lambda f: (f / "more").touch(), "more is not in the manifest; remove it"),
    "hard link": (hard_link, "weights is a link: .* copy it"),
    "link": (link, "weights is a link: .* copy it"),
    "linked folder": (folder_link, "extra is not in the manifest; remove it"),
    "half-written": (lambda f: (f / ARTIFACT_FILE).unlink(), "half-written; make it again"),
    "cut short": (lambda f: os.truncate(f / ARTIFACT_FILE, 30), "cannot be read .*again"),
    "binary": (lambda f: (f / ARTIFACT_FILE).write_bytes(b"\xff"), "cannot be read .*again"),
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


def test_a_file_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(ArtifactError, match="not an artifact"):
        Artifact.load(tmp_path / "a")


def test_load_without_verification(tmp_path: Path) -> None:
    make(tmp_path / "a")
    (tmp_path / "a" / "weights").write_bytes(b"other")
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
            (scratch / "weights").write_bytes(b"half")
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
