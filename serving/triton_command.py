"""The command, environment, backends and ports that a tritonserver is started with."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from serving.errors import PortInUse, ServerFailed, one_line
from serving.triton_install import ServerInstall

CANNOT_START = 127  # the exit code of ld.so
HOST = "127.0.0.1"
BACKENDS = Path(__file__).with_name("triton_backend")


def server_command(
    install: ServerInstall,
    repository: Path,
    models: Sequence[str],
    backends: Path,
    ports: Sequence[int],
    shared_prefix: str,
) -> list[str]:
    """The command line.

    Client shared memory is closed with a key nobody has: this server predates its fixes.

    Args:
        models: what to load at start.
        backends: a folder from ``lay_out_backends``.
        ports: of HTTP and gRPC.
        shared_prefix: what the names of the stubs' regions in /dev/shm begin with.
    """
    key = f"shared-memory:leanzoo={secrets.token_hex(16)}"
    options = {
        "model-repository": repository,
        "model-control-mode": "explicit",
        "backend-directory": backends,
        "backend-config": f"python,shm-region-prefix-name={shared_prefix}",
        "http-address": HOST,
        "http-port": ports[0],
        "http-restricted-api": key,
        "grpc-address": HOST,
        "grpc-port": ports[1],
        "grpc-restricted-protocol": key,
        "allow-metrics": "false",
        "allow-gpu-metrics": "false",
        "exit-timeout-secs": 5,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    flags.append("--disable-auto-complete-config")
    return [str(install.binary), *flags, *(f"--load-model={model}" for model in models)]


def server_environment(install: ServerInstall) -> dict[str, str]:
    """The environment, in which the Python backend's stubs find this Python and its packages.

    A stub looks for itself as ``python3`` on PATH, and takes the packages of the environment it
    finds there; on Python 3.11 it does not look at PYTHONPATH (pybind11 #4119).
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if install.stub is not None:
        env["PATH"] = _joined(Path(sys.executable).parent, os.environ.get("PATH"))
        python = (sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib")
        wheel = install.backends.parents[2] / "nvidia_pytriton.libs"
        env["LD_LIBRARY_PATH"] = _joined(*python, wheel, os.environ.get("LD_LIBRARY_PATH"))
    return env


def check_stub(install: ServerInstall, env: dict[str, str]) -> None:
    """Check that the stub finds its shared libraries; a server would wait for it for ever.

    Raises:
        ServerFailed: naming the library.
    """
    if install.stub is not None:
        done = subprocess.run([install.stub], env=env, capture_output=True, text=True)
        if done.returncode == CANNOT_START:
            raise ServerFailed(
                f"Triton's Python stub cannot start ({one_line(done.stderr)}): use a Python "
                "with a shared library (configure --enable-shared), or install it"
            )


def lay_out_backends(install: ServerInstall, folder: Path) -> None:
    """Fill a folder with the server's backends and, where it lacks one, with ours.

    Backends are linked; the wheel's Python backend, which keeps its stub elsewhere, is copied,
    since Triton refuses a linked library ("escapes backend directory").
    """
    folder.mkdir()
    for backend in install.backends.iterdir():
        if backend.name != "python" or install.stub is None:
            (folder / backend.name).symlink_to(backend)
    if install.stub is not None:
        (folder / "python").mkdir()
        for file in (*(install.backends / "python").iterdir(), install.stub):
            shutil.copy(file, folder / "python")
    if not install.has_onnxruntime:
        (folder / "onnxruntime").symlink_to(BACKENDS / "onnxruntime")


def free_ports(wanted: Sequence[tuple[str, int]]) -> list[int]:
    """Ports that nothing listens on.

    Args:
        wanted: what each is for, and its number; 0 for any.

    Raises:
        PortInUse: naming the port and the remedy.
    """
    ports = []
    with ExitStack() as held:
        for purpose, port in wanted:
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
                listener.listen()
            except (OSError, OverflowError) as error:
                raise PortInUse(
                    f"{purpose} port {port} cannot be used ({getattr(error, 'strerror', error)}): "
                    f"stop what listens there (ss -ltnp 'sport = :{port}'), or choose another"
                ) from None
            ports.append(listener.getsockname()[1])
    return ports


def _joined(*paths: object) -> str:
    return os.pathsep.join(dict.fromkeys(str(path) for path in paths if path))
