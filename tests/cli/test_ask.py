"""What ``predict`` reads: files of all kinds, whole and damaged."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Leanzoo, assert_one_line
from zoo.cli import ask
from zoo.cli.options import URL
from zoo.contract import Signature, TensorSpec

SIGNATURE = Signature(
    (TensorSpec("x", "float32", (2,), "test"),), (TensorSpec("y", "float32", (1,), "test"),), 8
)


class Known:
    """A model whose signature is known."""

    def __enter__(self) -> Known:
        return self

    def __exit__(self, *_: object) -> None: ...

    def signature(self, model: str) -> Signature:
        return SIGNATURE


def damaged_member() -> bytes:
    """An archive whose compressed data is broken."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2000))
    content = bytearray(file.getvalue())
    content[40:48] = b"\xff" * 8
    return bytes(content)


def lone_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((1, 2), np.float32))
    return file.getvalue()


DAMAGED = {
    "empty.npz": b"",
    "array.npz": lone_array(),
    "deflated.npz": damaged_member(),
    "text.npz": b"text",
    "deep.json": b"[" * 100_000,
    "bytes.json": b"\xff\xfe",
    "none.json": None,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_line(
    leanzoo: Leanzoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(ask, "endpoint", lambda *_: Known())
    content = DAMAGED[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    outcome = leanzoo("predict", "m", "--input", tmp_path / name, "--local", "--json")
    assert_one_line(outcome, f"cannot read {tmp_path / name}")
    assert outcome.code == 1
    assert "expected an .npz file, or JSON" in outcome.json["error"]


@pytest.mark.parametrize("url", ["far:8001", URL])
def test_a_server_is_not_named_beside_local(leanzoo: Leanzoo, url: str) -> None:
    outcome = leanzoo("predict", "m", "--rows", "0", "--local", "--url", url)
    assert_one_line(outcome, "--local answers in this process: leave out --url, or --local")


def test_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    path.write_text(json.dumps([{"user": "ü"}]), encoding="utf-8-sig")
    assert ask._read(path) == [{"user": "ü"}]


def test_numbers_beyond_float32_become_infinite_without_a_warning() -> None:
    assert np.isinf(ask.typed({"x": [[1e39, 0.0]]}, SIGNATURE)["x"]).tolist() == [[True, False]]
