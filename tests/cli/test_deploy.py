"""Verbs from a model to a server, without a server."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from serving.gateway import start
from serving.gateway.access import Key, find
from serving.gateway.settings import Settings
from serving.gateway.start import Addresses, Behind
from tests.cli.conftest import Leanzoo, assert_one_line

if TYPE_CHECKING:
    from tests.conftest import Trained


class Started(NamedTuple):
    """What the verb asked for."""

    settings: Settings
    behind: Behind
    keys: Sequence[Key] | None


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Started]:
    """Servers that were started; each says at once that it serves, and ends."""
    found: list[Started] = []

    def serve(settings: Settings, behind: Behind, keys: Any, say: Any) -> None:
        found.append(Started(settings, behind, keys))
        say(Addresses(["mlp-toy"], "http://127.0.0.1:8080", "127.0.0.1:8001", None))

    monkeypatch.setattr(start, "serve", serve)
    return found


def test_serve_makes_a_key_that_opens_it(leanzoo: Leanzoo, started: list[Started]) -> None:
    said = leanzoo("serve", "--json", "--rate", "5/second").json
    assert said["models"] == ["mlp-toy"] and said["gateway"] == "http://127.0.0.1:8080"
    assert started[0].settings.rate == "5/second"
    assert started[0].behind == Behind(http_port=8000, grpc_port=8001)
    assert find(started[0].keys or (), f"Bearer {said['key']}") == "this-run"


def test_serve_says_where_its_page_is(leanzoo: Leanzoo, started: list[Started]) -> None:
    assert "page http://127.0.0.1:8080/#key=lz_" in leanzoo("serve").err
    assert "page http://127.0.0.1:8080/\n" in leanzoo("serve", "--open", "--in-process").err
    assert started[1].keys is None and started[1].behind.in_process


def test_serve_takes_the_keys_of_a_file(
    leanzoo: Leanzoo, started: list[Started], tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    key = leanzoo("key", "team-a", "--file", file).out.strip()
    assert leanzoo("serve", "--json", "--keys", file).json["key"] is None
    assert find(started[0].keys or (), f"Bearer {key}") == "team-a"
    assert_one_line(leanzoo("key", "team-a", "--file", file), "choose another name")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--open", "--keys", "none.json"], "leave it out, or --keys"),
        (["--keys", "none.json"], "holds no keys"),
        (["--in-process", "--triton-url", "h:1"], "leave it out, or --triton-url"),
        (["--in-process", "--http-port", "0"], "none is, leave them out"),
        (["--triton-url", "h:1", "--grpc-port", "8001"], "none is, leave them out"),
    ],
)
def test_serve_refuses_what_contradicts(
    leanzoo: Leanzoo, started: list[Started], options: list[str], message: str
) -> None:
    assert_one_line(leanzoo("serve", *options), message)
    assert not started


@pytest.mark.parametrize("option", ["--http-port", "--grpc-port"])
@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_are_bounded(leanzoo: Leanzoo, option: str, port: int) -> None:
    outcome = leanzoo("serve", option, port)
    assert_one_line(outcome, f"Invalid value for '{option}'")
    assert outcome.code == 2


@pytest.mark.parametrize("content", ["{}", "[]", '{"run": 7}'])
def test_a_result_that_is_none_is_one_line(
    leanzoo: Leanzoo, toy: Trained, tmp_path: Path, content: str
) -> None:
    shutil.copytree(toy.runs / "mlp-toy", tmp_path / "mlp-toy")
    (tmp_path / "mlp-toy" / "train.json").write_text(content)
    message = "train.json is broken: run 'leanzoo train mlp-toy' again"
    assert_one_line(leanzoo("export", "mlp-toy", "--runs", tmp_path), message)
    listed = leanzoo("list", "--runs", tmp_path, "--json")
    assert listed.code == 0 and "train.json is broken" in listed.err.replace("\n", " ")
