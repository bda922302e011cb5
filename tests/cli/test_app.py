"""What the command line prints when nobody looks at a terminal."""

from __future__ import annotations

import os
import subprocess
import sys

SERVING = """
import sys
from zoo.cli.app import emit
emit({"models": []})
sys.stdin.read()
"""


def test_an_object_is_printed_at_once_into_a_pipe() -> None:
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", SERVING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=plain,
    ) as serving:
        assert serving.stdout is not None
        reader = subprocess.Popen(["head", "-n", "1"], stdin=serving.stdout, stdout=subprocess.PIPE)
        line, _ = reader.communicate(timeout=60)  # while the other still runs
        assert line == b'{"models": []}\n'
