"""``leanzoo`` in this process, as its tests call it."""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

import pytest

from zoo.cli import app


class Outcome(NamedTuple):
    """What a call of ``leanzoo`` printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Leanzoo:
    """``leanzoo`` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Outcome:
        self.monkeypatch.setattr(sys, "argv", ["leanzoo", *map(str, arguments)])
        self.capsys.readouterr()
        try:
            app.main()
            code: Any = 0
        except SystemExit as stop:
            code = stop.code or 0
        return Outcome(code, *self.capsys.readouterr())


@pytest.fixture
def leanzoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Leanzoo:
    return Leanzoo(monkeypatch, capsys)


def assert_one_line(outcome: Outcome, message: str) -> None:
    (line,) = outcome.err.splitlines()
    assert line.startswith("leanzoo: ")
    assert message in line
