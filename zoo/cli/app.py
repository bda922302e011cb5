"""The command line's frame: verbs, ``--json``, and failures in one line."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A model zoo built for deployment: small, fast students distilled from strong, slow "
    "teachers.\n\nThe verbs stand in pipeline order; `leanzoo demo` runs them all once.",
)

VERBS = ("zoo.cli.learn", "zoo.cli.deploy", "zoo.cli.measure")


def main() -> None:
    """Run the command line; any failure a user can cause ends in one line and exit code 1."""
    for module in VERBS:
        importlib.import_module(module)
    try:
        app(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        print("leanzoo: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        sys.exit(_failure(error))


def _failure(error: Exception) -> int:
    """Say what a user can mend; let anything else show its traceback."""
    import click

    from zoo.contract import LeanzooError

    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        message = f"{error.name} is not installed: pip install 'leanzoo[{EXTRAS[error.name]}]'"
    elif isinstance(error, LeanzooError):
        message = " ".join(str(error).split())
    else:
        raise error
    for note in getattr(error, "__notes__", []):  # such as the end of a server's log
        print(note, file=sys.stderr)
    print(f"leanzoo: {message}", file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"error": message}))
    return 1


EXTRAS = {
    "torch": "train",
    "torch_geometric": "train",
    "scipy": "train",
    "safetensors": "train",
    "onnx": "export",
    "onnxscript": "export",
    "tritonclient": "serve",
    "onnxruntime": "cpu",
}


def emit(value: Any) -> None:
    """Print the one JSON object of a verb called with ``--json``."""
    print(json.dumps(value, allow_nan=False))
