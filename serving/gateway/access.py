"""Who may ask: API keys, of which only hashes are kept.

keys.json    {"keys": [{"name": "team-a", "sha256": "<hex of the key's sha256>"}, …]}

A key is 256 random bits, so one round of sha256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.errors import ServingError

PREFIX = "lz_"


@dataclass(frozen=True)
class Key:
    """A key that opens the gateway.

    Attributes:
        name: whose it is; it stands in the log.
        sha256: of the key, in hex.
    """

    name: str
    sha256: str


def make_key() -> str:
    """A new key."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(name: str, key: str) -> Key:
    """What is kept of a key."""
    return Key(name, hashlib.sha256(key.encode(errors="replace")).hexdigest())


def find(keys: Sequence[Key], authorization: str) -> str | None:
    """Whose key a header ``Authorization: Bearer …`` holds; None where it is nobody's.

    Every key is compared, each in constant time.
    """
    scheme, _, key = authorization.partition(" ")
    given = hashed("", key.strip()).sha256
    whose = None
    for one in keys:
        if hmac.compare_digest(one.sha256, given):
            whose = one.name
    return whose if scheme.lower() == "bearer" else None


def read_keys(file: Path) -> list[Key]:
    """The keys of a file.

    Raises:
        ServingError: it cannot be read, or holds none.
    """
    try:
        keys = [_checked(Key(**one)) for one in json.loads(file.read_text())["keys"]]
        if not keys:
            raise ValueError("expected some")
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServingError(
            f"{file} holds no keys ({reason}): make one with 'leanzoo key NAME --file {file}'"
        ) from None
    return keys


def _checked(key: Key) -> Key:
    """A key as ``hashed`` makes it."""
    digest = bytes.fromhex(key.sha256)
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError(f"key '{key.name}' has no sha256")
    return Key(str(key.name), digest.hex())


def add_key(file: Path, name: str) -> str:
    """Make a key, keep its hash in a file that only its owner reads, and return the key.

    Raises:
        ServingError: the name is taken, or the file cannot be read or written.
    """
    keys = read_keys(file) if file.exists() else []
    if name in {key.name for key in keys}:
        raise ServingError(f"{file} has a key named '{name}' already: choose another name")
    key = make_key()
    text = json.dumps({"keys": [asdict(one) for one in (*keys, hashed(name, key))]}, indent=1)
    scratch = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(text + "\n")
        os.replace(scratch, file)
    except OSError as error:
        raise ServingError(f"cannot write {file}: {error.strerror or error}") from None
    return key
