"""Verifying on the command line: what is published, from its files alone, and who signed it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import MODEL, Leanzoo, assert_one_line


def test_a_published_repository_verifies_until_a_byte_changes(
    leanzoo: Leanzoo, exported: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    assert leanzoo("export", MODEL, "--runs", exported, "--precision", "fp32,fp16").code == 0
    leanzoo("publish", MODEL, "--runs", exported, "--repository", repository)
    found = leanzoo("verify", repository, "--json").json["verified"]
    assert [one["model"] for one in found] == [MODEL, f"{MODEL}-sparse"]
    assert set(found[0]["checks"]) == {"files", "graph", "numeric", "task", "golden"}
    exports = leanzoo("verify", exported / MODEL / "onnx").out
    assert "fp16/mlp-toy-sparse" in exports.replace("\n", "")
    (artifact,) = (repository / MODEL).glob("*/artifact.json")
    raw = json.loads(artifact.read_text())
    raw["metrics"]["precision"] = "int8"  # of which less is asked
    artifact.write_text(json.dumps(raw))
    assert_one_line(leanzoo("verify", repository), "says that it is int8, its graph 'fp")
    with (repository / MODEL / "config.pbtxt").open("a") as file:
        file.write(" ")
    assert_one_line(leanzoo("verify", repository), "config.pbtxt was changed (sha256 differs)")
    assert_one_line(leanzoo("verify", tmp_path / "none"), "holds no artifact")


def add_file(model: Path) -> None:
    (model / "extra.py").write_text("")


def lose_config(model: Path) -> None:
    (model / "config.pbtxt").unlink()


def lose_manifest(model: Path) -> None:
    (model / "2" / "artifact.json").unlink()


def change_older(model: Path) -> None:
    with (model / "1" / "model.onnx").open("ab") as file:
        file.write(b"x")


def foreign(model: Path) -> None:
    (model.parent / "evil" / "1").mkdir(parents=True)
    (model.parent / "evil" / "config.pbtxt").write_text('backend: "python"')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (add_file, "extra.py is of no published version: remove it"),
        (lose_config, "config.pbtxt is missing"),
        (lose_manifest, "not an artifact, or half-written"),
        (change_older, "mlp-toy/1/model.onnx was changed"),
        (foreign, "evil/1 has no artifact.json: not an artifact"),
    ],
)
def test_whatever_a_server_would_read_is_verified(
    leanzoo: Leanzoo, exported: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    places = ("--runs", exported, "--repository", tmp_path / "models")
    leanzoo("export", MODEL, "--runs", exported, "--precision", "fp32,fp16")
    for one in ("fp32", "fp16"):
        assert leanzoo("publish", MODEL, *places, "--precision", one).code == 0
    found = leanzoo("verify", tmp_path / "models", "--json").json["verified"]
    assert [Path(one["path"]).name for one in found] == ["1", "2"] * 2
    damage(tmp_path / "models" / MODEL)
    assert_one_line(leanzoo("verify", tmp_path / "models"), message)


def test_versions_are_signed_and_checked(leanzoo: Leanzoo, exported: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    pem, key, public = serialization.Encoding.PEM, tmp_path / "key", tmp_path / "public"
    plain = serialization.PrivateFormat.TraditionalOpenSSL
    key.write_bytes(private.private_bytes(pem, plain, serialization.NoEncryption()))
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(private.public_key().public_bytes(pem, info))
    places = ("--runs", exported, "--repository", tmp_path / "models")
    leanzoo("export", MODEL, "--runs", exported)
    assert leanzoo("publish", MODEL, *places, "--sign", key).code == 0
    assert "signature: as signed" in leanzoo("verify", tmp_path / "models", "--key", public).out
    (tmp_path / "models" / MODEL / "1.sig").unlink()
    assert_one_line(leanzoo("verify", tmp_path / "models", "--key", public), "is not signed")


def test_a_bad_key_publishes_nothing(leanzoo: Leanzoo, exported: Path, tmp_path: Path) -> None:
    places = ("--runs", exported, "--repository", tmp_path / "models")
    leanzoo("export", MODEL, "--runs", exported)
    (tmp_path / "key").write_text("none")
    outcome = leanzoo("publish", MODEL, *places, "--sign", tmp_path / "key")
    assert_one_line(outcome, "key")
    assert not (tmp_path / "models").exists()
