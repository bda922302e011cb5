"""Environments for the libraries that are compared with, and processes that run in them."""

from __future__ import annotations

import contextlib
import json
import os
import site
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from zoo.contract import LeanzooError

SAFE = ["-P"]  # or a file that lies beside a worker would pass for the library of its name


class ComparisonError(LeanzooError):
    """The two cannot be compared."""


def environment(folder: Path, *installs: Sequence[str]) -> Path:
    """The Python of a new environment, which borrows the packages of this one.

    Args:
        folder: where to make it; what it held before is gone.
        installs: arguments of pip, an installation each.

    Raises:
        ComparisonError: something cannot be installed.
    """
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    where = "import site; print(site.getsitepackages()[0])"
    packages = Path(run([str(python), "-c", where]).strip())
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for arguments in installs:
        run([*install, *arguments])
    return python


def run(command: list[str]) -> str:
    """The output of a command.

    Raises:
        ComparisonError: it failed, with the last line that it wrote.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ComparisonError(
            f"{' '.join(command[:4])} … failed ({last_line(done.stderr)}): see what it needs"
        )
    return done.stdout


class Worker:
    """A script in an environment of its own that writes a JSON value per line, asked or not.

    Args:
        python: of the environment.
        script: the worker's, told its folder.
        folder: of its files.
        threads: of its libraries.
    """

    def __init__(self, python: Path, script: Path, folder: Path, threads: int) -> None:
        self.script, self._errors = script, folder / "errors.txt"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), *SAFE, str(script), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def ask(self, question: int) -> Any:
        """The answer to a question."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # reading says why
            print(question, file=self._process.stdin, flush=True)
        return self.read()

    def read(self) -> Any:
        """What it writes next.

        Raises:
            ComparisonError: it failed, with the last line of its errors.
        """
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            last = last_line(self._errors.read_text())
            raise ComparisonError(f"{self.script.name} failed ({last}): see what it needs")
        return json.loads(answer)


def last_line(text: str) -> str:
    """What a failed command said last."""
    return (text.strip().splitlines() or ["it said nothing"])[-1]
