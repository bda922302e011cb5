"""A gateway whose answers a test writes down, and which remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from zoo.contract import Signature


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class StubGateway:
    """Answers by path.

    Attributes:
        url: where it listens.
        answers: path without query → status and JSON of each request in turn; the last one stays.
        asked: what it was asked, in order.
        connections: how many were made.
    """

    url: str = ""
    answers: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def describe(self, base: str, task: str, forms: dict[str, Signature], **more: Any) -> None:
        """Answer for a model as the gateway describes it."""
        described = {
            name: {"triton_model": name, **signature.to_dict()} for name, signature in forms.items()
        }
        known = {"name": base, "task": task, "version": 1, "versions": [1], "forms": described}
        self.answers[f"/v1/models/{base}"] = [(200, {**known, **more})]
        listed = self.answers.setdefault("/v1/models", [(200, {"models": []})])
        listed[0][1]["models"].append({"name": base})

    def of(self, path: str) -> list[Asked]:
        """The requests to a path."""
        return [one for one in self.asked if urlsplit(one.path).path == path]


def problem(status: int, detail: str) -> tuple[int, dict[str, Any]]:
    """A refusal."""
    return status, {"status": status, "detail": detail, "request_id": "r-1"}


@contextmanager
def running(port: int = 0) -> Iterator[StubGateway]:
    """A stub that listens; at any free port, unless told which."""
    stub = StubGateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            stub.connections += 1

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(raw) if raw else None
            stub.asked.append(Asked(self.command, self.path, headers, body))
            answers = stub.answers.get(urlsplit(self.path).path, [problem(404, "no such path")])
            status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
            content = answer["raw"] if "raw" in answer else json.dumps(answer).encode()
            self.send_response(status)
            if status in (429, 503):
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  the library's name

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        stub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
