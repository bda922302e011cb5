"""Results as tables for people."""

from __future__ import annotations

import pytest

from zoo.cli.tables import metrics_table


@pytest.mark.parametrize(
    ("metric", "title"),
    [("accuracy", "one: accuracy, % (2 seed(s))"), ("mse", "one (2 seed(s))")],
)
def test_title_has_a_unit_or_no_colon(metric: str, title: str) -> None:
    result = {"recipe": "one", "seeds": [1, 2], "metrics": {"student": {f"test_{metric}": 0.5}}}
    assert metrics_table(result, metric).title == title
