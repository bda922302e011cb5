"""The command line's frame: verbs, ``--json``, and failures in one line."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A model zoo built for deployment: small, fast students distilled from strong, slow "
    "teachers.\n\nThe verbs stand in pipeline order; `leanzoo demo` runs them all once.",
)

STOPPED = 130  # exit code by convention


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Say the version, or the help where no verb is given."""
    if version:
        from importlib import metadata

        print(metadata.version("leanzoo"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


VERBS = (
    *("zoo.cli.learn", "zoo.cli.convert", "zoo.cli.check", "zoo.cli.publish"),
    *("zoo.cli.rollout", "zoo.cli.deploy"),
    *("zoo.cli.ask", "zoo.cli.foresee", "zoo.cli.measure", "zoo.cli.report"),
)


def main() -> None:
    """Run the command line; any failure a user can cause ends in one line.

    Exit code 2: a verb or option that does not exist or got a wrong value; 1: any other failure.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve other jobs
    for module in VERBS:
        importlib.import_module(module)
    try:
        code = app(prog_name="leanzoo", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        code = _failure(error)
    if code == STOPPED:  # which is also how typer reports Ctrl-C
        print("leanzoo: stopped", file=sys.stderr)
    sys.exit(code)


def _failure(error: Exception) -> int:
    """Say what a user can mend; let anything else show its traceback."""
    from zoo.contract import LeanzooError

    code = 1
    if hasattr(error, "format_message"):  # a usage error, click's or that of typer's copy of it
        code, message = 2, _usage(error)
        if not message:  # no verb: the help is on the screen
            return code
    elif isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        extra = EXTRAS[error.name]
        message = f"{error.name} is not installed: run 'make install' or pip install '.[{extra}]'"
    elif isinstance(error, LeanzooError):
        message = str(error)
    else:
        raise error
    message = " ".join(message.split())
    for note in getattr(error, "__notes__", []):  # such as the end of a server's log
        print(note, file=sys.stderr)
    print(f"leanzoo: {message}", file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"error": message}))
    return code


def _usage(error: Any) -> str:
    """What is wrong with the arguments, and whose help to read."""
    message: str = error.format_message()
    context = getattr(error, "ctx", None)
    if not message or context is None:
        return message
    return f"{message} (see '{context.command_path} --help')"


EXTRAS = {
    "torch": "train",
    "torch_geometric": "train",
    "scipy": "train",
    "safetensors": "train",
    "pyarrow": "train",
    "pandas": "train",
    "matplotlib": "train",
    "onnx": "export",
    "onnxscript": "export",
    "tritonclient": "serve",
    "psutil": "bench",
    "onnxruntime": "cpu",
}


def emit(value: Any) -> None:
    """Print the one JSON object of a verb called with ``--json``."""
    print(json.dumps(value, allow_nan=False), flush=True)  # into a pipe, serve goes on behind it
