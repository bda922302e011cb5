"""What services are sent, what is read of their answers, and what is written down of it."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.added_latency import Case, median_difference, sparse_body, timed
from benchmarks.environments import ComparisonError
from benchmarks.peers import services
from benchmarks.peers.__main__ import summary
from benchmarks.peers.connection import Connection, content_length
from benchmarks.peers.generated import CLASSES, FEATURES, publish_mlp
from benchmarks.peers.messages import (
    COUNTS,
    REALS,
    body_of,
    made_rows,
    read_list,
    read_probabilities,
    reader_of_labels,
    worst_difference,
)
from benchmarks.peers.table import added_table, peers_table
from serving.local import Local

MACHINE = {"cpu": "a processor", "load_average": 0.25, "cores": 2}
AT = {"value": 1.0, "low": 0.9, "high": 1.125}
ROWS = np.array([[0.25, 0.75], [1.0, 0.0]])


def test_rows_are_the_same_for_every_service() -> None:
    words, reals = (made_rows(kind, 3, 1000, seed=1) for kind in (COUNTS, REALS))
    assert set(np.unique(words)) == {0.0, 1.0}
    assert 10 < words.sum() < 80
    np.testing.assert_array_equal(reals, made_rows(REALS, 3, 1000, seed=1))
    asked = json.loads(body_of(reals, top=7))
    assert asked["top"] == 7
    np.testing.assert_array_equal(np.array(asked["features"], np.float32), reals)


def test_answers_are_read_as_the_same_array() -> None:
    ours = [
        [{"label": "b", "probability": 0.75}, {"label": "a", "probability": 0.25}],
        [{"label": "a", "probability": 1.0}, {"label": "b", "probability": 0.0}],
    ]
    read = reader_of_labels(["a", "b"])
    np.testing.assert_array_equal(read(json.dumps({"rows": ours}).encode()), ROWS)
    np.testing.assert_array_equal(read_list(json.dumps(ROWS.tolist()).encode()), ROWS)
    body = json.dumps({"probabilities": ROWS.tolist()}).encode()
    np.testing.assert_array_equal(read_probabilities(body), ROWS)


def test_other_answers_are_refused() -> None:
    assert worst_difference({"a": ROWS + 1e-6}, ROWS) == pytest.approx(1e-6)
    with pytest.raises(ComparisonError, match="b answers otherwise than ONNX Runtime, by 2.0e-05"):
        worst_difference({"a": ROWS, "b": ROWS + 2e-5}, ROWS)
    with pytest.raises(ComparisonError, match="a answers otherwise"):
        worst_difference({"a": np.full_like(ROWS, np.nan)}, ROWS)
    with pytest.raises(ComparisonError, match=r"a answers \(1, 2\): expected \(2, 2\)"):
        worst_difference({"a": ROWS[:1]}, ROWS)


def test_sparse_rows_are_sent_without_padding() -> None:
    ids, values = np.array([[3, 17, 0], [5, 0, 0]]), np.array([[1.0, 0.5, 0.0], [2.0, 0.0, 0.0]])
    assert sparse_body({"feature_ids": ids, "feature_values": values}) == {
        "sparse": [{"ids": [3, 17], "values": [1.0, 0.5]}, {"ids": [5], "values": [2.0]}]
    }


@contextmanager
def answering(*pieces: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A service that answers each request with the pieces; its address, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server((services.HOST, 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                while request := peer.recv(1 << 16):
                    heard.append(request)
                    for piece in pieces:
                        peer.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://{services.HOST}:{server.getsockname()[1]}", heard
        thread.join()


def test_connection_stays_open() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-"
    with (
        answering(head, b"Length: 7\r\n\r\n[1", b",2,3]") as (url, heard),
        Connection(url) as connection,
    ):
        request = connection.request("/classify", b"{}")
        assert [connection.ask(request) for _ in range(2)] == [b"[1,2,3]"] * 2
    assert heard == [request, request]
    assert request.startswith(b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1:")
    assert request.endswith(b"Content-Length: 2\r\n\r\n{}")


def test_refusals_are_said() -> None:
    refusal = b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 9\r\n\r\nno row 12"
    with (
        answering(refusal) as (url, _),
        Connection(url) as connection,
        pytest.raises(ComparisonError, match="http/1.1 422 unprocessable: no row 12"),
    ):
        connection.ask(connection.request("/", b"{}"))
    with pytest.raises(ComparisonError, match="no Content-Length"):
        content_length(b"http/1.1 200 ok\r\ntransfer-encoding: chunked")


def test_service_that_ends_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "SAFE", ["-c", "raise SystemExit('no such app')"])
    with (
        pytest.raises(ComparisonError, match=r"fastapi does not listen \(no such app\)"),
        services.fastapi(Path(sys.executable), tmp_path / "model.onnx", tmp_path),
    ):
        raise AssertionError("it does not serve")


def test_generated_model_is_published(tmp_path: Path) -> None:
    model = publish_mlp(tmp_path)
    with Local(tmp_path / "repository") as local:
        assert local.models() == [model, f"{model}-sparse"]
        found = local.infer(model, {"x": made_rows(REALS, 5, FEATURES, seed=0)})
    assert found["probabilities"].shape == (5, CLASSES)
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_summary_is_over_the_gateway() -> None:
    fast, slow = np.linspace(1, 2, 101), np.linspace(2, 4, 101)
    found = summary({"gateway": fast, "bentoml": slow})
    assert found["p50_ms"]["gateway"]["value"] == pytest.approx(1.5)
    assert found["p99_ms"] == {"gateway": None, "bentoml": None}
    assert list(found["over_gateway"]) == ["bentoml"]
    assert found["over_gateway"]["bentoml"]["value"] == pytest.approx(2.0)


def test_difference_of_medians() -> None:
    fast = np.random.default_rng(0).normal(1.0, 0.01, 200)
    found = median_difference(fast + 0.5, fast)
    assert found.value == pytest.approx(0.5)
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.01


def test_ways_must_answer_the_same() -> None:
    ways = {"arrays": lambda: ROWS, "client": lambda: ROWS, "gateway": lambda: ROWS + 1e-7}
    found = timed(Case("classify", ways), 40)
    assert found["max_abs_diff"] == pytest.approx(1e-7)
    assert list(found["p50_ms"]) == ["arrays", "client", "gateway"]
    assert list(found["added_ms"]) == ["arrays", "client"]
    with pytest.raises(ComparisonError, match="gateway answers otherwise"):
        timed(Case("classify", ways | {"gateway": lambda: ROWS + 1e-3}), 40)


def peers() -> dict[str, Any]:
    names = ("gateway", "gateway_in_process", "bentoml", "bentoml_tuned", "fastapi")
    cell = {"rows": 64, "values": COUNTS, "request_bytes": 367_122}
    return {
        "model": "mlp-1433-128-7",
        "threads": 1,
        "cells": [{**cell, "p50_ms": {n: {**AT, "value": k + 0.5} for k, n in enumerate(names)}}],
        "server": "a server",
        "versions": {"bentoml": "1.4", "fastapi": "0.1", "onnxruntime": "1.3"},
        "machine": MACHINE,
    }


def test_tables() -> None:
    row = "| 64 | bag of words | 367 | 0.50 [0.90, 1.12] | 1.50 [0.90, 1.12] | 2.50 [0.90, 1.12] |"
    text = peers_table(peers())
    assert row in text
    assert "BentoML 1.4 as documented" in text
    assert "FastAPI 0.1 (a processor, load 0.2 on 2 cores)" in text
    cell = {
        "case": "rank of 100",
        "p50_ms": {"arrays": AT, "client": None, "gateway": {**AT, "value": 2.0}},
        "added_ms": {"arrays": AT, "client": AT},
    }
    found = {"graph": "mlp-cora", "ranker": "finalmlp-frappe", "cells": [cell], "requests": 2000}
    text = added_table(found | {"server": "a server", "machine": MACHINE})
    assert "| rank of 100 | 1.00 [0.90, 1.12] | – | 2.00 [0.90, 1.12] | 1.00 [0.90, 1.12] |" in text
    assert "2,000 requests each way" in text
