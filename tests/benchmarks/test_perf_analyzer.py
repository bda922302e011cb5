"""perf_analyzer beside our clients: what is asked, what is read, what is compared."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from benchmarks.environments import ComparisonError
from benchmarks.perf_analyzer import clients, install
from benchmarks.perf_analyzer.__main__ import main
from benchmarks.perf_analyzer.clients import Turn, closed_loop, command, read_report
from benchmarks.perf_analyzer.compare import (
    BESIDE,
    Spent,
    read_statistics,
    summary,
    take_turns,
    toy,
)
from benchmarks.perf_analyzer.install import B64, Install, find
from benchmarks.perf_analyzer.question import Question, question
from benchmarks.perf_analyzer.table import WAYS, perf_analyzer_table
from zoo.contract import Signature, TensorSpec

REPORT = (
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,"
    "Server Compute Input,Server Compute Infer,Server Compute Output,Client Recv,"
    "p50 latency,p90 latency,p95 latency,p99 latency\n"
    "1,3285.23,2,98,9,9,136,45,0,277,372,438,520\n"
)
RANK = Signature(
    (
        TensorSpec("request_ids", "int64", (3,), ""),
        TensorSpec("item_ids", "int64", ("candidates", 1), ""),
    ),
    (TensorSpec("score", "float32", ("candidates",), ""),),
    0,
)


@pytest.fixture
def asked() -> Question:
    arrays = {"request_ids": np.arange(3), "item_ids": np.array([[7], [8]])}
    return Question("rank", 2, RANK, arrays)


def test_report_is_read() -> None:
    assert read_report(REPORT) == (0.277, 0.520)
    for broken in ("", REPORT.splitlines()[0], "Concurrency\n1\n", REPORT.replace("277", "")):
        with pytest.raises(ComparisonError, match="no row with 'p50 latency'"):
            read_report(broken)


def test_rows_of_a_batch_are_steps(tmp_path: Path) -> None:
    repository, (name,) = toy(tmp_path)
    one = question(repository, f"{name}:3")
    assert one.batched and one.rows == 3 and one.arrays["values"].shape == (3, 64)
    steps = one.to_perf_analyzer()["data"]
    assert [step["values"]["shape"] for step in steps] == [[64]] * 3
    assert steps[1]["values"]["content"] == one.arrays["values"][1].tolist()
    call = command(Path("pa"), one, "grpc", "host:1", 3.0, Path("data"), Path("report"))
    assert call[call.index("-b") + 1] == "3"
    assert call[call.index("--measurement-interval") + 1] == "1000"
    assert question(repository, name).rows == 1


def test_what_has_no_batch_is_one_step(asked: Question) -> None:
    assert asked.to_perf_analyzer() == {
        "data": [
            {
                "request_ids": {"content": [0, 1, 2], "shape": [3]},
                "item_ids": {"content": [7, 8], "shape": [2, 1]},
            }
        ]
    }
    call = command(Path("pa"), asked, "http", "host:1", 3.0, Path("data"), Path("report"))
    assert call[call.index("-b") + 1] == "1" and call[call.index("-i") + 1] == "http"


def test_messages_hold_the_arrays(asked: Question) -> None:
    message = service_pb2.ModelInferRequest.FromString(asked.to_grpc())
    assert [(one.name, one.datatype, [*one.shape]) for one in message.inputs] == [
        ("request_ids", "INT64", [3]),
        ("item_ids", "INT64", [2, 1]),
    ]
    assert np.frombuffer(message.raw_input_contents[1], np.int64).tolist() == [7, 8]
    body, head_bytes = asked.to_http()
    head = json.loads(body[:head_bytes])
    sizes = [one["parameters"]["binary_data_size"] for one in head["inputs"]]
    assert sizes == [24, 16] and len(body) == head_bytes + sum(sizes)


def test_http_request_names_its_head(asked: Question) -> None:
    sent: list[bytes] = []
    connection = SimpleNamespace(
        request=lambda path, body: (
            f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n".encode() + body
        ),
        ask=sent.append,
    )
    clients.socket(asked, connection)()  # type: ignore[arg-type]
    head, _, body = sent[0].partition(b"\r\n\r\n")
    assert b"/v2/models/rank/infer" in head and b"application/octet-stream" in head
    (length,) = (line for line in head.split(b"\r\n") if line.startswith(b"Inference-Header"))
    assert json.loads(body[: int(length.split(b": ")[1])])["inputs"]


@pytest.mark.parametrize("named", ["identity:0", "identity:x"])
def test_bad_rows_are_refused(tmp_path: Path, named: str) -> None:
    repository, _ = toy(tmp_path)
    with pytest.raises(ComparisonError, match="expected MODEL or MODEL:ROWS"):
        question(repository, named)


def test_closed_loop_waits_for_every_answer() -> None:
    asked: list[int] = []
    turn = closed_loop(lambda: asked.append(1), seconds=0.02)
    assert len(asked) > clients.WARM_UP
    assert 0 <= turn.p50_ms <= turn.p99_ms and turn.core_s >= 0


def test_turns_are_reversed_and_accounted() -> None:
    order: list[str] = []
    server = {"requests": 0}

    def way(name: str, requests: int) -> Turn:
        order.append(name)
        server["requests"] += requests
        return Turn(1.0, 2.0, 0.5)

    turns, said = take_turns(
        {"a": lambda _: way("a", 10), "b": lambda _: way("b", 5)},
        rounds=2,
        seconds=1.0,
        spent=lambda: Spent(server["requests"], 3.0 * server["requests"], 0.0, 0.0),
    )
    assert order == ["a", "b", "b", "a"]
    assert [one.requests for one in said["a"]] == [10, 10]
    assert said["b"][0].per_request() == {"all": 3.0, "queue": 0.0, "infer": 0.0}
    assert len(turns["b"]) == 2


def test_statistics_are_read() -> None:
    def part(ns: int, count: int = 0) -> SimpleNamespace:
        return SimpleNamespace(ns=ns, count=count)

    found = SimpleNamespace(
        success=part(4_000_000, 2), queue=part(1_000_000), compute_infer=part(2_000_000)
    )
    answer = SimpleNamespace(model_stats=[SimpleNamespace(inference_stats=found)])
    assert read_statistics(answer) == Spent(2, 4.0, 1.0, 2.0)


def case(p50_ms: dict[str, tuple[float, float]], queue_ms: float = 0.0) -> dict[str, object]:
    turns = {name: [Turn(at, 2 * at, 0.2) for at in p50_ms[name]] for name in WAYS}
    said = {name: [Spent(100, 30.0, 100 * queue_ms, 10.0)] * 2 for name in WAYS}
    return {"model": "m", "rows": 1, **summary(turns, said)}


SLOW = dict.fromkeys(WAYS, (1.0, 1.1)) | {"client": (1.5, 1.7), "prepared": (1.05, 1.155)}


def test_agreement_is_within_ten_per_cent() -> None:
    found = case(SLOW)
    assert found["agree"] == {"client": False, "prepared": True, "socket": True}
    ratio = found["ratios"]["client"]  # type: ignore[index]
    assert ratio["low"] < ratio["value"] == pytest.approx((1.5 * 1.7 / 1.1) ** 0.5)
    assert found["client_core_ms"]["socket"] == 2.0  # type: ignore[index]
    less = found["ratios_less_client"]
    assert less["client"] == pytest.approx(1.6 / 1.05)  # type: ignore[index]
    assert set(BESIDE) == set(found["ratios"])  # type: ignore[call-overload]


def test_a_clients_own_time_is_taken_out() -> None:
    turns = {name: [Turn(1.0, 2.0, 0.1)] * 2 for name in WAYS}
    turns["client"] = [Turn(1.4, 2.0, 0.14)] * 2  # 0.4 ms a request more, all its own
    said = {name: [Spent(100, 30.0, 0.0, 10.0)] * 2 for name in WAYS}
    found = summary(turns, said)
    assert found["ratios"]["client"]["value"] == pytest.approx(1.4)
    assert found["ratios_less_client"]["client"] == pytest.approx(1.0)


def test_table_says_who_agrees_and_who_waited() -> None:
    found = {
        "cases": [case(SLOW)],
        "rounds": 2,
        "seconds": 3.0,
        "agree_within": 0.1,
        "server": "a server",
        "machine": {"cpu": "a processor", "load_average": 0.5, "cores": 2},
        "versions": {"perf_analyzer": "2.44.0"},
    }
    text = perf_analyzer_table(found)
    assert "| `m` | 1 | 1.050 | 1.600 (1.52 [" in text
    assert "**1.103 (1.05 [1.05, 1.05])**" in text
    assert (
        "bare connection 1.00." in text and "0.300 / 2.000" in text and "wait so long" not in text
    )
    assert "Of `m` few requests wait" in perf_analyzer_table(found | {"cases": [case(SLOW, 9.0)]})


def failing(folder: Path, says: str) -> Install:
    """A perf_analyzer that fails."""
    binary = folder / "pa"
    binary.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('{says}')\n")
    binary.chmod(0o755)
    return Install(binary, (folder,))


def test_failure_is_one_line(tmp_path: Path, asked: Question) -> None:
    with pytest.raises(ComparisonError, match="^perf_analyzer failed: no such model$"):
        clients.perf_analyzer(
            failing(tmp_path, "no such model"), asked, "grpc", "host:1", 1.0, tmp_path
        )


def test_libraries_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/there")
    found = Install(tmp_path / "pa", (tmp_path,)).environment["LD_LIBRARY_PATH"]
    assert found == f"{tmp_path}:/there"


def test_other_systems_are_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "unpacked", lambda wheel, cache: tmp_path)
    monkeypatch.setattr(install.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(ComparisonError, match=f"needs {B64}: install the package libb64-0d"):
        find(tmp_path)
    monkeypatch.setattr(install.ctypes.util, "find_library", lambda name: B64)
    assert find(tmp_path).libraries == (tmp_path / install.CUDA,)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--rounds", "1"], "at least 2"), (["--model", "m"], "go together")],
)
def test_bad_calls_are_refused(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["pa", "--out", str(tmp_path / "out.json"), *arguments])
    with pytest.raises(SystemExit):
        main()
    assert says in capsys.readouterr().err


@pytest.mark.network
@pytest.mark.triton
def test_it_asks_the_server_that_we_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    call = ["pa", "--rounds", "2", "--seconds", "1.8", "--out", str(out)]
    monkeypatch.setattr("sys.argv", call)
    main()
    (found,) = json.loads(out.read_text())["cases"]
    assert found["model"] == "identity" and set(found["p50_ms"]) == set(WAYS)
    assert min(found["requests"].values()) > 10
    assert all(at > 0 for at in found["p50_ms"].values())
    assert "| `identity` | 1 |" in capsys.readouterr().out
