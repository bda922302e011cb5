"""What graphs are made of: an operator more or less is a change that somebody meant.

Where one did: ``python -m tests.export.test_golden_ops`` writes the list anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.graph import facts_of
from tests.export.graphs import graph_of, list_graphs

GOLDEN = Path(__file__).with_name("golden_ops.json")


def found() -> dict[str, dict[str, int]]:
    return {f"{m} {form}": facts_of(graph_of(m, form)[0])["ops"] for m, form in list_graphs()}


def test_every_form_is_listed() -> None:
    assert list(json.loads(GOLDEN.read_text())) == [f"{m} {form}" for m, form in list_graphs()]


@pytest.mark.parametrize(("model", "form"), list_graphs())
def test_operators_are_the_ones_listed(model: str, form: str) -> None:
    listed = json.loads(GOLDEN.read_text())[f"{model} {form}"]
    assert facts_of(graph_of(model, form)[0])["ops"] == listed
    assert not {"BatchNormalization", "Identity"} & set(listed)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(found(), indent=1) + "\n")
