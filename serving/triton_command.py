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

import zoo.contract
from serving.errors import PortInUse, ServerFailed, one_line
from serving.triton_install import PYTHON, ServerInstall

CANNOT_START = 127  # the exit code of ld.so
HOST = "127.0.0.1"
OUR_BACKENDS = Path(__file__).with_name("triton_backend")
BACKENDS = "backends"


def server_command(
    install: ServerInstall, repository: Path, models: Sequence[str], scratch: Path, ports: list[int]
) -> list[str]:
    """The command line; ``ports`` are those of HTTP and gRPC.

    Client shared memory is closed with a key nobody has: this server predates its fixes.
    """
    key = f"shared-memory:leanzoo={secrets.token_hex(16)}"
    options = {
        "model-repository": repository,
        "model-control-mode": "explicit",
        "backend-directory": scratch / BACKENDS,
        "backend-config": f"python,shm-region-prefix-name={scratch.name}-",
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


def server_environment(install: ServerInstall, scratch: Path) -> dict[str, str]:
    """The environment variables, and in ``scratch`` the Python environment of the wheel's stubs.

    A stub takes the packages of the environment whose ``python3`` is first on PATH; on Python
    3.11 it does not look at PYTHONPATH (pybind11 #4119). So it gets an environment of its own:
    its numpy, then this environment's packages, then this project.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if install.stub is None:
        return env
    folder, base = scratch / "python", Path(sys.base_prefix)
    packages = folder / "lib" / f"python{PYTHON}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(base / "bin" / f"python{PYTHON}")
    (folder / "pyvenv.cfg").write_text(f"home = {base / 'bin'}\n")
    project = Path(zoo.contract.__file__).parents[1]
    paths = (install.numpy, *map(sysconfig.get_path, ("purelib", "platlib")), project)
    (packages / "leanzoo.pth").write_text("\n".join(dict.fromkeys(map(str, paths))) + "\n")
    libraries = install.backends.parents[2] / "nvidia_pytriton.libs"
    libpython = (sysconfig.get_config_var("LIBDIR"), base / "lib")
    env["PATH"] = _joined(folder / "bin", env.get("PATH"))
    env["LD_LIBRARY_PATH"] = _joined(*libpython, libraries, env.get("LD_LIBRARY_PATH"))
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


def lay_out_backends(install: ServerInstall, scratch: Path) -> None:
    """Fill a folder of ``scratch`` with the server's backends and, where it lacks one, with ours.

    Backends are linked; the wheel's Python backend, which keeps its stub elsewhere, is copied,
    since Triton refuses a linked library ("escapes backend directory").
    """
    folder = scratch / BACKENDS
    folder.mkdir()
    for backend in install.backends.iterdir():
        if backend.name != "python" or install.stub is None:
            (folder / backend.name).symlink_to(backend)
    if install.stub is not None:
        (folder / "python").mkdir()
        for file in (*(install.backends / "python").iterdir(), install.stub):
            shutil.copy(file, folder / "python")
    if not install.has_onnxruntime:
        (folder / "onnxruntime").symlink_to(OUR_BACKENDS / "onnxruntime")


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
