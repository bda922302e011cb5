"""What answers in process, while models come and go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serving.errors import ModelUnknown
from serving.gateway.app import Gateway
from serving.gateway.backends import InProcess
from serving.local import Local
from tests.serving.gateway.inside import counted, entered, retrained, settings, until
from tests.serving.tiny_models import MLP, SPARSE

pytestmark = pytest.mark.usefixtures("fast")


def test_versions_that_are_gone_are_let_go(root: Path) -> None:
    async def scene() -> None:
        backend = InProcess(root, 2)
        gateway = Gateway(settings(root), backend)
        async with entered(gateway):
            for version in (2, 3, 4):
                for model in (MLP, SPARSE):
                    (retrained(model) if version % 2 == 0 else model).publish(root, version)
                await until(lambda: gateway.core.router.stable("mlp-tiny") == version)  # noqa: B023
            loaded = backend._local._models
            await until(lambda: ("mlp-tiny", "2") not in loaded)
            assert {("mlp-tiny", "3"), ("mlp-tiny", "4")} <= set(loaded)
            read = {key[:2] for key in gateway.core.catalogue._read}
            assert read == {(name, n) for name in ("mlp-tiny", "mlp-tiny-sparse") for n in (3, 4)}
            labels = {"model": "mlp-tiny", "version": "4"}
            assert counted(gateway.measures, "leanzoo_model_ready", **labels) == 1
            text = gateway.measures.text().decode()
            assert 'leanzoo_model_ready{model="mlp-tiny",version="1"}' not in text

    asyncio.run(scene())


def test_nobody_waits_while_another_model_is_loaded(offered: Path) -> None:
    rows = MLP.golden()
    with Local(offered) as local:
        local.infer("mlp-tiny", rows.inputs)
        with local._loading:  # as long as another one is loaded
            assert rows.mismatch(local.infer("mlp-tiny", rows.inputs)) == ""
        local.keep("mlp-tiny", [2])
        assert set(local._models) == {("mlp-tiny", "")}
        with pytest.raises(ModelUnknown):
            local.infer("mlp-tiny", rows.inputs, "2")
