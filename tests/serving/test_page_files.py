"""The files of the gateway's page: as published where vendored, and in need of nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "serving" / "gateway" / "page"
OWN = sorted(path for path in PAGE.iterdir() if path.is_file())


def test_vendored_files_are_as_published() -> None:
    noted = dict(
        re.findall(r"`([\w.]+)` \| `([0-9a-f]{64})`", (PAGE / "vendor/VERSION.md").read_text())
    )
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (PAGE / "vendor").iterdir()
        if path.name != "VERSION.md"
    }
    assert found == noted and len(noted) == 3


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_file_needs_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[\w.]+", text) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text) == []


def test_html_has_no_inline_script_or_style() -> None:
    html = (PAGE / "index.html").read_text()
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html) == []
    for source in re.findall(r"(?:src|href)=\"(/page/[^\"]+)\"", html):
        assert (PAGE / source.removeprefix("/page/")).is_file(), source
