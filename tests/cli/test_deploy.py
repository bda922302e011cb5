"""Verbs from a model to a server, without a server."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Leanzoo, assert_one_line
from zoo.cli import deploy

if TYPE_CHECKING:
    from tests.conftest import Trained


@pytest.mark.parametrize("when", ["emit", "wait"])
def test_serve_ends_well_when_it_is_stopped(
    leanzoo: Leanzoo, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def running(*_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(names=["m"], grpc_url="g", http_url="h", wait=stop)

    monkeypatch.setattr(deploy, "running", running)
    if when == "emit":
        monkeypatch.setattr(deploy, "emit", stop)
    assert leanzoo("serve", "--json").code == 0


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
