"""A Triton server is found, started, and always stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from serving.client import Client
from serving.errors import (
    ModelUnavailable,
    ModelUnknown,
    PortInUse,
    ServerFailed,
    ServerMissing,
    ServerUnreachable,
)
from serving.triton import Triton
from serving.triton_install import find_server
from serving.triton_log import log_cause
from zoo.artifact import Artifact

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


def descendants(pid: int) -> set[int]:
    """Processes below ``pid``."""
    found = children_of(pid)
    return found.union(*(descendants(child) for child in found))


def children_of(pid: int) -> set[int]:
    """Processes that any thread of ``pid`` started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def running(pids: set[int]) -> set[int]:
    """Those of ``pids`` that have not ended; zombies have."""

    def state(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "X"

    return {pid for pid in pids if state(pid) not in "XZ"}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def shared_memory() -> set[Path]:
    return set(Path("/dev/shm").glob("leanzoo-triton-*"))


@pytest.mark.triton
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_parent(
    repository: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    code = (
        "import signal, sys, time; from pathlib import Path; from serving.triton import Triton\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "with Triton(Path(sys.argv[1]), ['mlp-tiny']):\n"
        "    print('ready', flush=True); time.sleep(600)"
    )
    before = shared_memory()
    command = [sys.executable, "-c", code, str(repository)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
        started = descendants(parent.pid)
        assert len(started) >= 3  # guard, server, one stub
        parent.send_signal(ending)
    wait_until(lambda: not running(started))
    wait_until(lambda: shared_memory() <= before)
    wait_until(lambda: not [p for p in tmp_path.glob("leanzoo-triton-*") if p.is_dir()])


@pytest.mark.triton
def test_server_gone_midway(repository: Path, tiny_models: dict) -> None:
    rows = tiny_models["mlp-tiny"].signature.sample(1)
    with Triton(repository, ["mlp-tiny"]) as server, Client(server.grpc_url) as client:
        client.infer("mlp-tiny", rows)
        started = {server.guard_pid, *descendants(server.guard_pid)}
        (tritonserver,) = started & children_of(server.guard_pid)
        os.kill(tritonserver, signal.SIGKILL)
        wait_until(lambda: not client.ready())
        with pytest.raises(ServerUnreachable, match=f"at {server.grpc_url}.*`leanzoo serve`"):
            client.infer("mlp-tiny", rows)
    assert len(started) >= 3 and not running(started)


@pytest.mark.triton
def test_failed_start_names_cause_and_log(repository: Path, tmp_path: Path) -> None:
    config = repository / "mlp-tiny" / "config.pbtxt"
    config.write_text(config.read_text() + 'default_model_filename: "other.onnx"\n')
    log = tmp_path / "triton.log"
    with pytest.raises(ServerFailed, match=r"mlp-tiny.*other\.onnx") as caught:
        Triton(repository, ["mlp-tiny"], log=log).__enter__()
    assert "\n" not in str(caught.value) and str(log) in str(caught.value)
    assert "failed to load" in log.read_text()


@pytest.mark.triton
def test_other_answers_than_golden_ones_fail_the_start(repository: Path, tiny_models: dict) -> None:
    folder = repository / "clicks" / "1"
    golden = tiny_models["clicks"].golden()
    rows = golden.outputs["score"].copy()
    rows[1] += 1e-3
    (folder / "golden.json").write_text(replace(golden, outputs={"score": rows}).to_text())
    Artifact.load(folder, verify=False).write(folder)
    message = (
        r"^model 'clicks' answers its golden rows wrongly \(output 'score' differs by 0\.001: "
        r"expected at most 0\.0001\): do not serve it; export and publish it again$"
    )
    with pytest.raises(ServerFailed, match=message):
        Triton(repository, ["clicks-raw"]).__enter__()


@pytest.mark.triton
def test_port_in_use_is_named(server: Triton, shared_repository: Path) -> None:
    with pytest.raises(PortInUse, match=f"gRPC port {server.grpc_port} .*choose another"):
        Triton(shared_repository, ["mlp-tiny"], grpc_port=server.grpc_port).__enter__()
    with pytest.raises(PortInUse, match=f"HTTP port {server.http_port} .*choose another"):
        Triton(shared_repository, ["mlp-tiny"], http_port=server.http_port).__enter__()


def test_damaged_models_are_refused_before_the_start(repository: Path) -> None:
    with pytest.raises(ModelUnknown, match="no models to serve.*publish one first"):
        Triton(repository, [])
    with pytest.raises(ModelUnknown, match="no model 'mpl-tiny'.*mlp-tiny"):
        Triton(repository, ["mpl-tiny"]).__enter__()
    (repository / "clicks" / "1" / "golden.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"'clicks' version 1: .*golden\.json is missing"):
        Triton(repository, ["clicks-raw"]).__enter__()
    Artifact.load(repository / "clicks" / "1", verify=False).write(repository / "clicks" / "1")
    with pytest.raises(ModelUnavailable, match="'clicks': .* no golden rows: export and publish"):
        Triton(repository, ["clicks-raw"]).__enter__()
    (repository / "mlp-tiny" / "2").mkdir()
    with pytest.raises(ModelUnavailable, match="version 2.*half-written"):
        Triton(repository, ["mlp-tiny"]).__enter__()


def test_missing_server_names_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEANZOO_TRITON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ServerMissing) as caught:
        find_server(tmp_path / "cache")
    message = str(caught.value)
    for part in ("LEANZOO_TRITON", "PATH", "/opt/tritonserver", "pip", ".whl", str(tmp_path)):
        assert part in message
    assert "\n" not in message


def test_wrong_hints_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEANZOO_TRITON", str(tmp_path))
    with pytest.raises(ServerMissing, match=f"LEANZOO_TRITON is {tmp_path}.*correct it"):
        find_server()
    monkeypatch.delenv("LEANZOO_TRITON")
    monkeypatch.setenv("PATH", str(tmp_path))
    wheel = tmp_path / "nvidia_pytriton-0.7.0-py3-none-manylinux_2_35_x86_64.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(ServerMissing, match=r"sha256 differs\): remove it"):
        find_server(tmp_path)


def test_installed_server_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = tmp_path / "server" / "backends" / "onnxruntime"
    backend.mkdir(parents=True)
    (backend / "libtriton_onnxruntime.so").touch()
    binary = tmp_path / "server" / "bin" / "tritonserver"
    binary.parent.mkdir()
    binary.touch(mode=0o755)
    monkeypatch.setenv("LEANZOO_TRITON", str(tmp_path / "server"))
    assert find_server().binary == binary and find_server().has_onnxruntime
    monkeypatch.delenv("LEANZOO_TRITON")
    monkeypatch.setenv("PATH", str(binary.parent))
    assert find_server().binary == binary


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            'E1123 1:2 3 server.cc:1] "CudaDriverHelper has not been initialized."\n'
            "E1123 1:2 3 model.cc:6] \"failed to load 'm' version 1: Internal: sad\\n\\nAt:\"\n",
            "failed to load 'm' version 1: Internal: sad",
        ),
        ('I1123 1:2 3 a.cc:1] "fine"\nE1123 1:2 3 main.cc:1] "no port"\n', "no port"),
        ("/bin/tritonserver: option '--x' is unknown\nUsage: ...", "option '--x' is unknown"),
        ("", "it wrote nothing"),
    ],
)
def test_cause_is_picked_from_the_log(tmp_path: Path, text: str, cause: str) -> None:
    (tmp_path / "log").write_text(text)
    assert log_cause(tmp_path / "log") == cause
