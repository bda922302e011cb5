"""``leanzoo serve`` as a process: it starts, says where, drains and ends, or says why not."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.errors import PortInUse
from serving.gateway.server import listen
from tests.serving.gateway.inside import CLASSIFY, ONE_ROW

COMMAND = Path(sys.executable).with_name("leanzoo")
PATIENCE_S = 60.0
HEADERS = {"Content-Type": "application/json"}


@contextlib.contextmanager
def serving(repository: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A gateway that answers in process, and what it said."""
    command = [str(COMMAND), "serve", "--in-process", "--json", "--port", "0"]
    command += ["--repository", str(repository), *options]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=plain()) as process:
        timer = threading.Timer(PATIENCE_S, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield process, json.loads(line)
        finally:
            process.kill()
            process.communicate()
            timer.cancel()


def plain() -> dict[str, str]:
    """The environment without settings of a gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LEANZOO_")}


def connect(said: Any) -> http.client.HTTPConnection:
    host, _, port = said["gateway"].removeprefix("http://").rpartition(":")
    return http.client.HTTPConnection(host, int(port), timeout=30)


def get(said: Any, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = connect(said)
    try:
        connection.request("GET", path, headers=headers or {})
        found = connection.getresponse()
        return found.status, json.loads(found.read())
    finally:
        connection.close()


def failed(*options: str, **env: str) -> tuple[int, list[str]]:
    """The code and the lines of a gateway that does not start."""
    done = subprocess.run(
        [COMMAND, "serve", "--in-process", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**plain(), **env, "COLUMNS": "1000"},
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_it_answers_drains_and_ends_with_code_0(offered: Path) -> None:
    with serving(offered, "--open", "--drain-s", "1.5") as (process, said):
        assert said == {
            "models": ["clicks", "forecast-tiny", "mlp-tiny"],
            **{"gateway": said["gateway"], "grpc": None, "http": None, "key": None},
        }
        assert said["gateway"].startswith("http://127.0.0.1:")
        assert get(said, "/readyz") == (200, {"status": "ready"})
        kept = connect(said)
        kept.request("POST", CLASSIFY, json.dumps(ONE_ROW), HEADERS)
        answer = kept.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["version"] == 1
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while get(said, "/readyz")[0] == 200:  # readiness says no while it still answers
            assert time.monotonic() < deadline
        kept.request("POST", CLASSIFY, json.dumps(ONE_ROW), HEADERS)
        answer = kept.getresponse()
        assert answer.status == 200 and answer.getheader("connection") == "close"
        kept.close()
        _, log = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0 and "Traceback" not in log
        lines = [json.loads(line) for line in log.splitlines()]
        assert {"request", "probe"} <= {line["event"] for line in lines}
        assert "0.1, 0.2" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_answered(offered: Path, number: signal.Signals) -> None:
    with serving(offered, "--open", "--drain-s", "0", "--deadline-s", "20") as (process, said):
        body = json.dumps(ONE_ROW).encode()
        slow = connect(said)
        slow.putrequest("POST", CLASSIFY)
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            slow.putheader(name, value)
        slow.endheaders(body[:10])
        while get(said, "/readyz")[0] != 200:
            pass
        process.send_signal(number)
        time.sleep(0.3)
        slow.send(body[10:])
        assert slow.getresponse().status == 200
        slow.close()
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0


def test_a_key_is_made_for_the_run(offered: Path) -> None:
    with serving(offered, "mlp-tiny") as (_, said):
        assert said["models"] == ["mlp-tiny"] and said["key"].startswith("lz_")
        assert get(said, "/v1/models")[0] == 401
        status, found = get(said, "/v1/models", {"Authorization": f"Bearer {said['key']}"})
        assert status == 200 and [one["name"] for one in found["models"]] == ["mlp-tiny"]


def test_keys_of_a_file_open_it(offered: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made = subprocess.run(
        [COMMAND, "key", "team-a", "--file", file, "--json"], capture_output=True, check=True
    )
    key = json.loads(made.stdout)["key"]
    assert key not in file.read_text()
    with serving(offered, "--keys", str(file)) as (_, said):
        assert said["key"] is None
        assert get(said, "/v1/models", {"Authorization": f"Bearer {key}"})[0] == 200
        assert get(said, "/v1/models", {"Authorization": "Bearer lz_other"})[0] == 401


def test_a_port_that_is_taken_is_one_line(offered: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, lines = failed("--open", "--repository", str(offered), "--port", str(port))
        with pytest.raises(PortInUse, match=f"port {port} of 127.0.0.1 cannot be used"):
            listen("127.0.0.1", port)
    assert code == 1 and len(lines) == 1 and f"port {port} of 127.0.0.1 cannot be used" in lines[0]


def test_what_cannot_be_served_is_one_line(offered: Path, tmp_path: Path) -> None:
    at = ("--repository", str(offered), "--port", "0")
    for options, why in (
        (("mlp-tin", "--open", *at), "no model 'mlp-tin' in"),
        (("--open", "--host", "0.0.0.0", *at), "host 0.0.0.0 can be reached from elsewhere"),
        (("--open", "--keys", "keys.json", *at), "--open asks for no key"),
        (("--keys", str(tmp_path / "none.json"), *at), "holds no keys (No such file"),
        (("--open", "--rate", "fast", *at), "rate 'fast': expected one such as 100/second"),
        (("--open", "--repository", str(tmp_path / "none")), "no model repository at"),
        (("--triton-url", "localhost:1", *at), "--in-process needs no Triton"),
    ):
        code, lines = failed(*options)
        assert code == 1 and len(lines) == 1 and why in lines[0], (options, lines)
