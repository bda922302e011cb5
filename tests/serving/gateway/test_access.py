"""API keys: made, kept as hashes, asked for."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.gateway import access
from serving.gateway.settings import check_open, is_loopback


def test_only_the_hash_of_a_key_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = access.add_key(file, "team-a")
    other = access.add_key(file, "team-b")
    assert key.startswith("lz_") and key != other
    text = file.read_text()
    assert key not in text and other not in text
    first, second = json.loads(text)["keys"]
    assert first == {"name": "team-a", "sha256": hashlib.sha256(key.encode()).hexdigest()}
    assert second["name"] == "team-b"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]
    keys = access.read_keys(file)
    assert access.find(keys, f"Bearer {key}") == "team-a"
    assert access.find(keys, f"Bearer {other}") == "team-b"


def test_names_of_keys_are_taken_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    access.add_key(file, "team-a")
    before = file.read_text()
    with pytest.raises(ServingError, match="has a key named 'team-a' already: choose another"):
        access.add_key(file, "team-a")
    assert file.read_text() == before


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="cannot write .*No such file") as caught:
        access.add_key(tmp_path / "missing" / "keys.json", "team-a")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": ["lz_abc"]}',
        '{"keys": [{"name": "a"}]}',
        '{"keys": [{"name": "a", "sha256": 7}]}',
        '{"keys": [{"name": "a", "sha256": "abcd"}]}',
        '{"keys": [{"name": "a", "sha256": "' + "zz" * 32 + '"}]}',
        '{"keys": [{"name": "a", "sha256": "' + "00" * 32 + '", "key": "lz_abc"}]}',
    ],
)
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(ServingError, match="holds no keys .*'leanzoo key NAME --file") as caught:
        access.read_keys(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(ServingError, match="No such file"):
        access.read_keys(tmp_path / "other.json")


def test_a_hash_in_capitals_is_the_same_hash(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    kept = access.hashed("team-a", "lz_1").sha256.upper()
    file.write_text(json.dumps({"keys": [{"name": "team-a", "sha256": kept}]}))
    assert access.find(access.read_keys(file), "Bearer lz_1") == "team-a"


@pytest.mark.parametrize("header", ["Bearer lz_1", "bearer lz_1", "BEARER  lz_1 "])
def test_a_bearer_is_found(header: str) -> None:
    keys = [access.hashed("a", "lz_0"), access.hashed("b", "lz_1"), access.hashed("c", "lz_2")]
    assert access.find(keys, header) == "b"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "lz_1",
        "Basic lz_1",
        "Bearerlz_1",
        "Bearer lz_10",
        "Bearer lz_1 lz_1",
        "Bearer ñ",
        "Bearer \udcff",
    ],
)
def test_anything_else_is_nobody(header: str) -> None:
    assert access.find([access.hashed("b", "lz_1")], header) is None


def test_hash_is_no_key() -> None:
    kept = access.hashed("b", "lz_1")
    assert access.find([kept], f"Bearer {kept.sha256}") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_open_on_loopback(host: str) -> None:
    assert is_loopback(host)
    check_open(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "localhost.example", "", "gw"])
def test_not_open_elsewhere(host: str) -> None:
    with pytest.raises(ServingError, match="can be reached from elsewhere: expected keys"):
        check_open(host)
