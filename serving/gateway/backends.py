"""Who answers: Triton over gRPC, or ONNX Runtime in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from serving.dialogue import hold_later
from serving.errors import DeadlineExceeded, ModelUnavailable, ModelUnknown
from serving.gateway.catalogue import Served
from serving.local import Local
from serving.repository import served_versions
from serving.triton_aio import AsyncClient
from zoo.contract import Signature
from zoo.steps import Step, walk_steps

Arrays = Mapping[str, np.ndarray]


class Backend(Protocol):
    """Answers checked requests."""

    async def infer(self, served: Served, arrays: Arrays, timeout_s: float) -> Arrays:
        """The outputs of a version, by name.

        Raises:
            ServingError: any branch of ``serving.errors``.
        """

    async def load(self, name: str) -> None:
        """Make versions that were published since answer."""

    async def close(self) -> None:
        """Let go of connections and sessions."""


class OverTriton:
    """Asks the Triton at ``url``.

    Args:
        url: ``host:port`` of its gRPC endpoint.
        loads: whether it is told to load what is published; one that others run is not.
    """

    def __init__(self, url: str, loads: bool) -> None:
        self._client = AsyncClient(url, retries=0)  # who is asked meanwhile is told at once
        self._loads = loads

    async def infer(self, served: Served, arrays: Arrays, timeout_s: float) -> Arrays:
        """See ``Backend``.

        Triton loads an ensemble's newest version alone, and changes over when a step is loaded
        anew: then, as for older versions, its steps are asked one by one.
        """
        if not served.steps or served.newest:
            try:
                return await self._whole(served, arrays, timeout_s)
            except (ModelUnknown, ModelUnavailable):
                if not served.steps:
                    raise
        return await self._by_steps(served.steps, served.signature, arrays, timeout_s)

    async def load(self, name: str) -> None:
        """See ``Backend``."""
        if self._loads:
            await self._client.load(name)

    async def close(self) -> None:
        """See ``Backend``."""
        await self._client.close()

    async def _whole(self, served: Served, arrays: Arrays, timeout_s: float) -> Arrays:
        outputs = [spec.name for spec in served.signature.outputs]
        version = str(served.version)
        answer, _ = await self._client.infer_raw(served.name, arrays, version, outputs, timeout_s)
        return answer

    async def _by_steps(
        self, steps: Sequence[Step], signature: Signature, arrays: Arrays, timeout_s: float
    ) -> Arrays:
        async def ask(asked: tuple[Step, Arrays]) -> Arrays:
            step, inputs = asked
            version, outputs = str(step.version), list(step.outputs)
            answer, _ = await self._client.infer_raw(
                step.model, inputs, version, outputs, timeout_s
            )
            return answer

        tensors = await hold_later(walk_steps(steps, arrays), ask)
        return {spec.name: tensors[spec.name] for spec in signature.outputs}


class InProcess:
    """Asks the graphs of ``repository`` with ONNX Runtime.

    Args:
        repository: the model repository.
        workers: requests that are answered at a time.
        threads: of each.
    """

    def __init__(self, repository: Path, workers: int, threads: int = 1) -> None:
        self._local = Local(repository, threads)
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="ort")

    async def infer(self, served: Served, arrays: Arrays, timeout_s: float) -> Arrays:
        """See ``Backend``."""
        loop = asyncio.get_running_loop()
        version = str(served.version)
        run = self._local.infer_raw
        asked = loop.run_in_executor(self._workers, run, served.name, arrays, version)
        try:
            return await asyncio.wait_for(asked, timeout_s)
        except TimeoutError:
            raise DeadlineExceeded(f"'{served.name}' gave no answer in {timeout_s:g} s") from None

    async def load(self, name: str) -> None:
        """See ``Backend``: versions are opened when they are first asked; old ones are let go."""
        await asyncio.to_thread(self._keep, name)

    async def close(self) -> None:
        """See ``Backend``."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._local.close()

    def _keep(self, name: str) -> None:
        self._local.keep(name, served_versions(self._local.repository, name))
