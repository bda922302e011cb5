"""Which version of a model is asked, where that is not simply the latest.

rollout.json    beside config.pbtxt: {"stable": version or null, "canary": version or null,
                "fraction": 0..1}; its absence means that the latest version gets every request

``leanzoo rollout`` writes it; the gateway reads it whenever it changes, and takes a canary out that
fails. Publishing keeps every version that it names among those that are served.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.artifact import ArtifactError

ROLLOUT_FILE = "rollout.json"
SPAN = 1 << 32  # of a key's hash


@dataclass(frozen=True)
class Rollout:
    """How the requests for a model are shared out.

    Attributes:
        stable: the version that answers; None for the latest.
        canary: a version on trial; None where there is none.
        fraction: of the request keys that the canary answers.
    """

    stable: int | None = None
    canary: int | None = None
    fraction: float = 0.0

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions it names."""
        return tuple(v for v in (self.stable, self.canary) if v is not None)

    def is_canary(self, key: str) -> bool:
        """Whether requests with this key go to the canary: always the same for the same key."""
        if self.canary is None:
            return False
        digest = hashlib.blake2b(key.encode(errors="replace"), digest_size=4).digest()
        return int.from_bytes(digest, "little") < self.fraction * SPAN


def read_rollout(folder: Path) -> Rollout:
    """The rollout of a published model; of the latest version where none is set.

    Raises:
        ArtifactError: the file cannot be read.
    """
    file = folder / ROLLOUT_FILE
    try:
        return _checked(json.loads(file.read_text()))
    except FileNotFoundError:
        return Rollout()
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{file} cannot be read ({error}): set the rollout again with 'leanzoo rollout'"
        ) from None


def write_rollout(folder: Path, rollout: Rollout) -> None:
    """Replace a model's rollout at once; the one of the latest version alone removes the file.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    file = folder / ROLLOUT_FILE
    try:
        if rollout == Rollout():
            file.unlink(missing_ok=True)
            return
        handle, scratch = tempfile.mkstemp(prefix=f".{ROLLOUT_FILE}-", dir=folder)
        with os.fdopen(handle, "w") as stream:
            stream.write(json.dumps(asdict(rollout)) + "\n")
        os.chmod(scratch, 0o644)
        os.replace(scratch, file)
    except OSError as error:
        raise ArtifactError(f"cannot write {file}: {error.strerror or error}") from None


def _checked(raw: Mapping[str, Any]) -> Rollout:
    rollout = Rollout(**raw)
    for version in rollout.versions:
        if type(version) is not int or version < 1:
            raise ValueError(f"version {version!r}: expected a whole number from 1")
    if not 0 <= float(rollout.fraction) <= 1:
        raise ValueError(f"fraction {rollout.fraction!r}: expected 0 to 1")
    return rollout
