"""Signs published versions with an offline key, and checks who made what is about to be served.

<repository>/<model>/
  <version>/       what is signed: every file in it, and with artifact.json's ``shared`` the hashes
                   of the files that all versions share
  <version>.sig    the signature, beside the version: in it every file is in the manifest, and
                   Triton reads no more than folders of a number

The key is an elliptic curve's, in PEM without a password, and is kept off the machines that serve:

    openssl ecparam -name prime256v1 -genkey -noout -out KEY
    openssl ec -in KEY -pubout -out PUBLIC
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from export.errors import ExportError
from zoo.artifact import Artifact

CURVES = "an elliptic curve key (P-256, P-384 or P-521) in PEM without a password"


def signature_file(folder: Path) -> Path:
    """Where the signature of a version is."""
    return folder.with_name(f"{folder.name}.sig")


def check_key(key: Path) -> None:
    """Check that a private key can sign, before anything is published to be signed.

    Raises:
        ExportError: the extra ``sign`` is not installed, or no such key.
    """
    library = _library()
    try:
        library.signing.Config().use_elliptic_key_signer(private_key=key)
    except Exception as error:  # the library raises whatever its parsers meet
        raise _no_key(key, error) from None


def sign(folder: Path, key: Path) -> Path:
    """Sign a version, whose earlier signature is replaced.

    Args:
        folder: of the version.
        key: file of the private key.

    Returns:
        The signature's file.

    Raises:
        ArtifactError: the version is not as its manifest says.
        ExportError: the extra ``sign`` is not installed, no such key, or nothing can be written.
    """
    Artifact.load(folder)
    library, target = _library(), signature_file(folder)
    try:
        config = library.signing.Config().use_elliptic_key_signer(private_key=key)
    except Exception as error:  # the library raises whatever its parsers meet
        raise _no_key(key, error) from None
    scratch = target.with_name(f".{target.name}")
    try:
        config.set_hashing_config(_hashing(library)).sign(folder, scratch)
        os.replace(scratch, target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise ExportError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error
    return target


def check_signature(folder: Path, public_key: Path) -> None:
    """Check that a version is, file by file, what the owner of a key signed.

    Args:
        folder: of the version.
        public_key: file of the public key.

    Raises:
        ExportError: the extra ``sign`` is not installed, no such key, no signature, that of another
            key, or a file that was changed, added or removed since.
    """
    library, signature = _library(), signature_file(folder)
    if not signature.is_file():
        raise ExportError(f"{folder} is not signed: expected {signature}; publish it with --sign")
    try:
        config = library.verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except Exception as error:  # the library raises whatever its parsers meet
        raise _no_key(public_key, error) from None
    try:
        config.set_hashing_config(_hashing(library)).verify(folder, signature)
    except Exception as error:  # as above
        raise ExportError(
            f"{folder} is not what {signature.name} signs ({_cause(error)}): publish it again, or "
            "name the key that it was signed with"
        ) from None


def _library() -> ModuleType:
    try:
        import model_signing
    except ImportError as error:
        raise ExportError(
            f"{error.name} is not installed: signing needs the extra 'sign'; pip install '.[sign]'"
        ) from None
    return model_signing


def _hashing(library: ModuleType) -> Any:
    """Every file counts; by default those of git would not."""
    return library.hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)


def _no_key(key: Path, error: Exception) -> ExportError:
    why = f"{error.strerror}: " if isinstance(error, OSError) else ""
    return ExportError(f"{key} cannot be used ({why}expected {CURVES}); name another file")


def _cause(error: Exception) -> str:
    """The error's first line, without the hashes of the files it names."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    named = re.sub(r": Expected 'Digest.*?(?=Hash mismatch for|$)", ", ", lines[0])
    return re.sub(r'[\[\]"]', "", named).rstrip(" .,")
