"""What an artifact's files may be, found out before one of them is parsed (standard library only).

    .safetensors .json       weights, and what is said of them
    .onnx .engine .plan      graphs, and what TensorRT makes of them
    .txt .csv .md .pbtxt     texts
    warmup/<any name>        one request's raw bytes

All else is refused, above all pickles, which run code as they are read: by name, by the bytes they
begin with, and in archives. That a manifest lists a file does not make it welcome.
"""

from __future__ import annotations

import pickletools
from pathlib import Path, PurePosixPath

MAX_FILE_BYTES = 1 << 30
SUFFIXES = (".safetensors", ".json", ".onnx", ".engine", ".plan", ".txt", ".csv", ".md", ".pbtxt")
PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".npy", ".npz", ".dill")
RAW_FOLDER = "warmup"
PICKLE_MAGIC = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
MAGIC = {  # first bytes → what begins with them
    b"PK\x03\x04": "an archive, as torch.save and numpy write them with pickles inside",
    b"\x93NUMPY": "a numpy file, which may hold pickles",
}
HEAD_BYTES = 16


def name_fault(name: str) -> str:
    """What is wrong with a manifest's name of a file; empty where nothing is."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the artifact"
    if name != str(path) or not path.name or "\\" in name or "\0" in name:
        return "is no plain path"
    return ""


def file_fault(folder: Path, name: str) -> str:
    """What is wrong with a file, of which its first bytes are read; empty where nothing is.

    Args:
        folder: of the artifact.
        name: of the file in it, which ``name_fault`` finds no fault with.
    """
    file, suffix = folder / name, PurePosixPath(name).suffix.lower()
    raw = PurePosixPath(name).parts[0] == RAW_FOLDER
    if suffix in PICKLED:
        return f"may hold a pickle ({suffix}): artifacts hold {', '.join(SUFFIXES)}; remove it"
    if suffix not in SUFFIXES and not raw:
        return f"is of no known kind: artifacts hold {', '.join(SUFFIXES)}; remove it"
    if fault := size_fault(file):
        return f"{fault}; make the model smaller"
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if head.startswith(PICKLE_MAGIC) and (not _may_begin_so(head, suffix, raw) or _is_pickle(file)):
        return "holds a pickle, which runs code as it is read: remove it"
    found = next((what for magic, what in MAGIC.items() if head.startswith(magic)), "")
    return f"is {found}: remove it" if found else ""


def size_fault(file: Path) -> str:
    """What is wrong with a file's size; empty where nothing is."""
    size = file.stat().st_size
    if size <= MAX_FILE_BYTES:
        return ""
    return f"has {size} bytes: expected at most {MAX_FILE_BYTES}"


def _may_begin_so(head: bytes, suffix: str, raw: bool) -> bool:
    """Whether first bytes like a pickle's mean nothing.

    Raw numbers may be any bytes, and safetensors begin with the length of their header, in eight.
    """
    return raw or (suffix == ".safetensors" and head[4:9] == b"\0\0\0\0{")


def _is_pickle(file: Path) -> bool:
    """Whether a file can be read as a pickle up to its end; nothing in it is run."""
    try:
        with file.open("rb") as stream:
            for _ in pickletools.genops(stream):
                pass
    except Exception:  # whatever the decoders of its operands meet in other bytes
        return False
    return True
