"""Errors of exporting and publishing."""

from __future__ import annotations

from zoo.contract import LeanzooError


class ExportError(LeanzooError):
    """A model that cannot be exported, a graph that fails a gate, or a failed publication."""
