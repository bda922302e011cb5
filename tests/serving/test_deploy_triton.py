"""The Triton on this machine, started with the command line of serving/deploy/compose.yaml."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from serving.client import Client
from serving.triton_command import BACKENDS, free_ports, lay_out_backends, server_environment
from serving.triton_install import find_server
from tests.serving.tiny_models import MLP

pytestmark = pytest.mark.triton

DEPLOY = Path(__file__).parents[2] / "serving" / "deploy"
NEWER = "--allow-client-shm=false"  # since 26.04; the server of the wheel is older
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Running:
    """A server that runs, and the repository it polls."""

    repository: Path
    http: str
    grpc: str
    metrics: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with the flags of the compose file, but for folders, addresses and NEWER."""
    scratch = tmp_path_factory.mktemp("composed")
    MLP.publish(scratch / "models")
    install = find_server()
    env = server_environment(install, scratch)
    env["PATH"] = os.pathsep.join((str(install.binary.parent), env["PATH"]))
    lay_out_backends(install, scratch)
    http, grpc, metrics = ports = free_ports([("HTTP", 0), ("gRPC", 0), ("metrics", 0)])
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _script(scratch, ports)], env=env, stdout=log, stderr=log
        )
    found = Running(scratch / "models", *(f"127.0.0.1:{port}" for port in (http, grpc, metrics)))
    try:
        with Client(found.grpc) as client:
            _until(lambda: process.poll() is not None or client.ready())
        assert process.poll() is None, (scratch / "log").read_text()[-2000:]
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def _script(scratch: Path, ports: list[int]) -> str:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    (script,) = compose["services"]["triton"]["command"]
    assert NEWER in script
    for old, new in (
        ("$$", "$"),
        (NEWER, f"--backend-directory={scratch / BACKENDS}"),
        ("=/models", f"={scratch / 'models'}"),
        ("0.0.0.0", "127.0.0.1"),
        ("--repository-poll-secs=5", "--repository-poll-secs=1"),
        ("--http-port=8000", f"--http-port={ports[0]}"),
        ("--grpc-port=8001", f"--grpc-port={ports[1]}"),
        ("--metrics-port=8002", f"--metrics-port={ports[2]}"),
    ):
        assert old in script
        script = script.replace(old, new)
    return script


def _until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def _status(url: str, body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(f"http://{url}", body, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_it_answers_and_says_that_it_is_healthy(running: Running) -> None:
    golden = MLP.golden()
    with Client(running.grpc) as client:
        answers = client.infer(MLP.name, golden.inputs)
    np.testing.assert_allclose(answers["probabilities"], golden.outputs["probabilities"], rtol=1e-5)
    assert _status(f"{running.http}/v2/health/ready") == 200


@pytest.mark.parametrize(
    "call",
    [
        lambda triton: triton.load_model(MLP.name),
        lambda triton: triton.unload_model(MLP.name),
        lambda triton: triton.get_model_repository_index(),
        lambda triton: triton.register_system_shared_memory("a", "/a", 8),
        lambda triton: triton.get_system_shared_memory_status(),
        lambda triton: triton.get_inference_statistics(),
        lambda triton: triton.get_trace_settings(),
        lambda triton: triton.update_log_settings({"log_verbose_level": 1}),
    ],
    ids=["load", "unload", "index", "register", "shared-memory", "statistics", "trace", "log"],
)
def test_what_the_gateway_does_not_need_is_closed(
    running: Running, call: Callable[[InferenceServerClient], object]
) -> None:
    with (
        InferenceServerClient(running.grpc) as triton,
        pytest.raises(InferenceServerException, match="restricted"),
    ):
        call(triton)


@pytest.mark.parametrize(
    "path", ["", "/models/mlp-tiny", "/models/mlp-tiny/config", "/models/stats", "/logging"]
)
def test_http_is_for_health_alone(running: Running, path: str) -> None:
    assert _status(f"{running.http}/v2{path}") == 403


@pytest.mark.parametrize("path", ["/models/mlp-tiny/infer", "/repository/index"])
def test_http_takes_no_request(running: Running, path: str) -> None:
    assert _status(f"{running.http}/v2{path}", b"{}") == 403


def test_the_dashboard_asks_for_metrics_that_triton_has(running: Running) -> None:
    with urllib.request.urlopen(f"http://{running.metrics}/metrics", timeout=5) as answer:
        has = set(re.findall(r"^# TYPE (nv_\w+)", answer.read().decode(), re.MULTILINE))
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "leanzoo.json").read_text())
    asked = set(re.findall(r"\bnv_\w+", json.dumps(board)))
    assert asked
    assert asked <= has


def test_a_version_published_later_is_found(running: Running) -> None:
    with InferenceServerClient(running.grpc) as triton:
        assert not triton.is_model_ready(MLP.name, "2")
        MLP.publish(running.repository, 2)
        _until(lambda: triton.is_model_ready(MLP.name, "2"))
        assert triton.is_model_ready(MLP.name, "1")
