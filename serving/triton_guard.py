"""Runs one command and makes sure that nothing of it outlives the process that asked for it.

    python triton_guard.py <parent pid> <scratch folder> <command> ...

In the end the folder is removed, and the shared memory named after it.

A process of its own, since a parent that is killed cannot clean up, and since Linux sends its
parent-death signal when the parent's *thread* ends. Standard library only: run by path.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

GRACE_S = 10.0
POLL_S = 0.5
PR_SET_PDEATHSIG = 1
WAKERS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


def main(parent_pid: int, scratch: Path, command: list[str]) -> int:
    """Run ``command`` until it ends, a signal asks to stop, or the parent is gone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKERS)
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAKERS)

    server = subprocess.Popen(command, start_new_session=True, preexec_fn=prepare)
    try:
        while server.poll() is None and os.getppid() == parent_pid:
            wake = signal.sigtimedwait(WAKERS, POLL_S)
            if wake is not None and wake.si_signo != signal.SIGCHLD:
                break
    finally:
        _stop(server)
        for region in Path("/dev/shm").glob(f"{scratch.name}-*"):
            region.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
    return server.returncode


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server, then whatever is left of its process group."""
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
