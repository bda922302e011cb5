"""What a test of the page needs: a served application, a browser's settings, a way to ask."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import uvicorn

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


class Server:
    """An application on a port of its own, in a thread."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        while not self.server.started and self.thread.is_alive():
            self.thread.join(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(10)


def ask(tab: Any, url: str, model: str, verb: str = "") -> Any:
    """Open a model, choose an endpoint, send its example; what the answer's place then holds."""
    tab.goto(f"{url}/#model={model}")
    tab.locator("#name", has_text=model).wait_for()
    if verb:
        tab.get_by_role("button", name=verb, exact=True).click()
    tab.get_by_role("button", name="Send").click()
    tab.locator("#meta", has_text="version").wait_for()
    return tab.locator("#answer")


def texts(found: Any) -> list[str]:
    """The visible text of each element, in single spaces."""
    return [" ".join(text.split()) for text in found.all_inner_texts()]
