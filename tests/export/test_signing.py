"""Signatures of versions: what they cover, and that nothing else passes for what was signed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from export.errors import ExportError
from export.signing import check_signature, sign, signature_file
from zoo.artifact import Artifact, ArtifactError

PRIVATE = serialization.PrivateFormat.PKCS8
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
PEM = serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def key_pair(folder: Path, name: str, key: Key | None = None, password: str = "") -> Path:
    """The private key's file; the public one's is beside it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    kept: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        kept = serialization.BestAvailableEncryption(password.encode())
    file = folder / f"{name}.pem"
    file.write_bytes(key.private_bytes(PEM, PRIVATE, kept))
    file.with_suffix(".pub").write_bytes(key.public_key().public_bytes(PEM, PUBLIC))
    return file


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_pair(tmp_path, "ours")


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A published version."""
    folder = tmp_path / "models" / "m" / "1"
    folder.mkdir(parents=True)
    (folder / "golden.json").write_text("{}")
    (folder / "labels.txt").write_text("a\nb\n")
    Artifact(folder, "published", "m", None).write(folder)
    return folder


def test_what_was_signed_is_recognised(version: Path, key: Path) -> None:
    assert sign(version, key) == signature_file(version) == version.parent / "1.sig"
    check_signature(version, key.with_suffix(".pub"))
    Artifact.load(version)  # the signature is no file of the version
    assert sorted(path.name for path in version.parent.iterdir()) == ["1", "1.sig"]
    sign(version, key_pair(key.parent, "next"))  # another key takes over
    check_signature(version, key.with_name("next.pub"))


def reseal(folder: Path) -> None:
    """A manifest that fits the changed files."""
    (folder / "labels.txt").write_text("b\na\n")
    Artifact.load(folder, verify=False).write(folder)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda f: (f / "labels.txt").write_text("b\na\n"), "mismatch for 'labels.txt'"),
    "added": (lambda f: (f / "more.txt").write_text("x"), "Extra files .*'1': more.txt"),
    "added for git": (lambda f: (f / ".gitignore").write_text("x"), "Extra files .*gitignore"),
    "removed": (lambda f: (f / "labels.txt").unlink(), "Missing files .*'1': labels.txt"),
    "resealed": (reseal, "mismatch for 'artifact.json', Hash mismatch for 'labels.txt'"),
    "linked": (lambda f: (f / "l.txt").symlink_to(f / "labels.txt"), "it is a symlink"),
    "cut": (lambda f: signature_file(f).write_text("{"), "not what 1.sig signs"),
    "empty": (lambda f: signature_file(f).write_text("{}"), "not what 1.sig signs"),
    "unsigned": (lambda f: signature_file(f).unlink(), "is not signed: expected .*1.sig; publish"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_named(version: Path, key: Path, change: str) -> None:
    edit, message = CHANGES[change]
    sign(version, key)
    edit(version)
    with pytest.raises(ExportError, match=message) as caught:
        check_signature(version, key.with_suffix(".pub"))
    assert "\n" not in str(caught.value) and "Digest" not in str(caught.value)


def test_another_key_is_refused(version: Path, key: Path) -> None:
    sign(version, key)
    other = key_pair(key.parent, "other").with_suffix(".pub")
    with pytest.raises(ExportError, match=r"Key mismatch: .* name the key that it was signed with"):
        check_signature(version, other)


def test_what_is_no_key_is_refused(version: Path, key: Path) -> None:
    sign(version, key)
    folder = key.parent
    (folder / "none.pem").write_text("none")
    (folder / "none.pub").write_text("none")
    key_pair(folder, "rsa", rsa.generate_private_key(65537, 2048))
    key_pair(folder, "curve", ec.generate_private_key(ec.SECP256K1()))
    key_pair(folder, "locked", password="secret")
    for name in ("none", "rsa", "curve", "locked", "missing"):
        with pytest.raises(ExportError, match=rf"{name}.pem cannot be used .*elliptic curve key"):
            sign(version, folder / f"{name}.pem")
    for name in ("none", "rsa", "curve", "missing"):
        with pytest.raises(ExportError, match=rf"{name}.pub cannot be used .*elliptic curve key"):
            check_signature(version, folder / f"{name}.pub")


def test_a_damaged_version_is_not_signed(version: Path, key: Path) -> None:
    (version / "labels.txt").write_text("b\na\n")
    with pytest.raises(ArtifactError, match=r"labels.txt was changed"):
        sign(version, key)
    assert not signature_file(version).exists()


def test_the_extra_is_named(version: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    for call in (sign, check_signature):
        with pytest.raises(ExportError, match=r"needs the extra 'sign'; pip install"):
            call(version, key)
