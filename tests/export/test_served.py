"""A model asked with raw values, from its checkpoint to a Triton server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from export.repository import publish, publish_all
from serving.client import Client
from serving.errors import RequestRefused, ServingError
from serving.local import Local
from serving.repository import served_versions
from serving.triton import Triton
from tests.export.retrained import retrained
from zoo.artifact import Artifact
from zoo.rollout import Rollout, write_rollout

ROWS = np.arange(300)


@dataclass(frozen=True)
class Served:
    """A server, and the same models in this process."""

    triton: Triton
    client: Client
    local: Local
    data: Any


@pytest.fixture(scope="module")
def served(
    exported_clicks: dict[str, Artifact],
    toy_ctr: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served") / "models"
    publish_all([a.path for a in exported_clicks.values()], root, lambda _: None)
    names = ["toy-clicks-raw", "toy-clicks-rank-raw"]
    with (
        Triton(root, names) as triton,
        Client(triton.grpc_url, timeout_s=30) as client,
        Local(root) as local,
    ):
        yield Served(triton, client, local, toy_ctr.Data())


def strings(data: Any, rows: np.ndarray = ROWS) -> dict[str, np.ndarray]:
    return {"values": data.values[rows], "numeric": data.prices[rows]}


def ids(data: Any) -> dict[str, np.ndarray]:
    return {"ids": data.ids[ROWS], "numeric": data.prices[ROWS]}


def record(data: Any, row: int, *fields: str) -> dict[str, Any]:
    """A row as an application has it."""
    user, hour, item, *genres = data.values[row]
    price = None if np.isnan(data.prices[row, 0]) else float(data.prices[row, 0])
    whole = {"user": user, "hour": hour, "item": item, "price": price}
    whole["genres"] = [*genres]
    return {field: whole[field] for field in fields or whole}


@pytest.mark.triton
def test_ensembles_bring_their_steps(served: Served) -> None:
    assert set(served.client.models()) == set(served.triton.names)
    assert len(served.triton.names) == 6


@pytest.mark.triton
def test_strings_through_the_server_are_strings_in_process_are_ids(served: Served) -> None:
    by_server = served.client.infer("toy-clicks-raw", strings(served.data))
    in_process = served.local.infer("toy-clicks-raw", strings(served.data))
    by_ids = served.client.infer("toy-clicks", ids(served.data))
    for output in ("score", "logit"):
        np.testing.assert_allclose(by_server[output], in_process[output], rtol=0, atol=1e-6)
        np.testing.assert_allclose(by_server[output], by_ids[output], rtol=0, atol=1e-6)
    encoded = served.client.infer("toy-clicks-encode", {"values": served.data.values[ROWS]})
    np.testing.assert_array_equal(encoded["ids"], served.data.ids[ROWS])


@pytest.mark.triton
def test_unseen_strings_are_unknown(served: Served) -> None:
    unknown = [len(served.data.vocabulary[n]) + 1 for n in ("user", "hour", "item", "genres")]
    words = [["nobody", "häh", "nothing", "?", "", ""], ["", "", "", "", "", "?"]]
    answer = served.client.infer("toy-clicks-encode", {"values": np.array(words, object)})
    assert answer["ids"].tolist() == [[*unknown, 0, 0], [*unknown[:3], 0, 0, unknown[3]]]


@pytest.mark.triton
def test_ranking_is_predicting_each_row(served: Served) -> None:
    request = record(served.data, 3, "user", "hour")
    items = [record(served.data, row, "item", "genres", "price") for row in range(100)]
    ranked = served.client.rank("toy-clicks-rank-raw", request, items)
    rows = served.client.predict("toy-clicks-raw", [request | item for item in items])
    assert len(set(ranked)) > 50
    np.testing.assert_allclose(ranked, rows, rtol=0, atol=1e-6)
    local = served.local.rank("toy-clicks-rank-raw", request, items)
    np.testing.assert_allclose(ranked, local, rtol=0, atol=1e-6)


@pytest.mark.triton
def test_bad_requests_are_refused_by_field(served: Served) -> None:
    wrong = ids(served.data)
    wrong["ids"] = wrong["ids"].copy()
    wrong["ids"][7, 2] = 62
    with pytest.raises(RequestRefused, match="field 'item' of input 'ids' holds id 62: .* id < 62"):
        served.client.infer("toy-clicks", wrong)
    with pytest.raises(RequestRefused, match="has 0 candidates: expected 1 to 10,000"):
        served.client.rank("toy-clicks-rank-raw", {"user": "u"}, [])
    with pytest.raises(RequestRefused, match="'user': it belongs to the request"):
        served.client.rank("toy-clicks-rank-raw", {}, [{"user": "u"}])
    with pytest.raises(RequestRefused, match="takes ids, not raw values: .*'-raw'"):
        served.client.predict("toy-clicks", [{"user": "u"}])
    with pytest.raises(RequestRefused, match="has 1025 rows: expected 1 to 1024"):
        served.client.predict("toy-clicks-raw", [{}] * 1025)


@pytest.mark.triton
def test_new_version_is_loaded_with_its_steps(
    served: Served, clicks: Path, exported_clicks: dict[str, Artifact]
) -> None:
    before = served.client.infer("toy-clicks-raw", strings(served.data))["score"]
    root = served.triton.repository
    first = exported_clicks["toy-clicks"].path
    assert publish(first, root, card="another card").version == 2
    assert publish(exported_clicks["toy-clicks-raw"].path, root).version == 2
    served.triton.load("toy-clicks-raw")
    after = served.client.infer("toy-clicks-raw", strings(served.data))["score"]
    np.testing.assert_array_equal(before, after)
    with pytest.raises(ServingError, match="toy-clicks-raw.*version"):
        served.client.infer("toy-clicks-raw", strings(served.data), version="1")


@pytest.mark.triton
def test_what_is_rolled_out_answers_while_others_are_published(
    exported_clicks: dict[str, Artifact], toy_ctr: ModuleType, tmp_path: Path
) -> None:
    root, data = tmp_path / "models", toy_ctr.Data()
    artifacts = exported_clicks.values()
    publish_all([one.path for one in artifacts], root, lambda _: None)
    with Triton(root, ["toy-clicks-raw"]) as triton, Client(triton.grpc_url) as client:
        before = client.infer("toy-clicks", ids(data), version="1")["score"]
        for model in ("toy-clicks", "toy-clicks-raw"):
            write_rollout(root / model, Rollout(1))
        for letter in "bcd":
            folders = retrained(artifacts, tmp_path / letter, letter)
            for version in publish_all(folders, root, lambda _: None):
                if version.model in triton.names:
                    triton.load(version.model)
            after = client.infer("toy-clicks", ids(data), version="1")["score"]
            np.testing.assert_array_equal(before, after)
        client.infer("toy-clicks", ids(data), version="4")
        client.infer("toy-clicks-encode", {"values": data.values[ROWS]}, version="1")
        with pytest.raises(ServingError, match="toy-clicks.*version"):
            client.infer("toy-clicks", ids(data), version="2")
        assert served_versions(root, "toy-clicks") == [1, 3, 4]
