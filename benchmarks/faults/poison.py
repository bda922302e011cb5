"""A queue timeout that lets one request stop a model: refused by lint, and noticed if forced.

With a batching delay and a queue timeout, one request that expires while it waits alone makes every
later one fail, for as long as they keep coming, while Triton calls server and model ready
(Triton's server#8870). So ``leanzoo lint`` must refuse such a configuration; and where it stands in
the repository all the same, ``/readyz`` must say no soon after. One client that asks the model
again as soon as it is answered keeps it stopped; other models must not notice.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import InferenceServerClient, InferInput, model_config_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from benchmarks.faults.gateway import Gateway, Sampler, gateway, readiness
from benchmarks.faults.generator import Generator, lag_ms
from benchmarks.faults.outcome import Figure, Outcome, faults, statuses, worst
from benchmarks.faults.setting import Setting
from export.lint.repository import lint_model
from serving.repository import list_versions, load_golden
from zoo.artifact import Artifact, sha256_file
from zoo.contract import LeanzooError

RATE = 50.0  # requests per second to other models
DELAY_US, TIMEOUT_US, PILL_US = 100_000, 200_000, 50_000
CALM_S = 2.0
PILLS = 50
WATCH_S = 15.0
MOST_S = 5.0  # until readiness says no
RULES = ("queue-timeout", "client-timeout")
CONFIG = "config.pbtxt"


def poison(setting: Setting) -> Outcome:
    """Have the configuration refused, force it, let a request expire, and watch readiness."""
    model = _model(setting)
    force(setting.repository / model)
    refused = {one.rule for one in lint_model(setting.repository / model, setting.repository)}
    others = tuple(one for one in setting.questions if one.model != model)
    with (
        gateway(setting.repository) as running,
        Generator(running.plan(others, RATE)) as bystander,
    ):
        time.sleep(CALM_S)
        seen = _watch(running, setting, model)
    asked = bystander.asked
    return Outcome(
        (
            Figure("rules that refuse it", len(refused.intersection(RULES)), least=len(RULES)),
            Figure("ready before", int(seen.ready_before), least=1),
            Figure("not ready, s", round(seen.noticed_s, 2), most=MOST_S),
            Figure("requests that the model failed", len(seen.faults), least=1),
            Figure("other models' answers that are not right", faults(asked), most=0),
        ),
        {
            "rate_per_s": RATE,
            "model": model,
            "batching_delay_ms": DELAY_US / 1e3,
            "queue_timeout_ms": TIMEOUT_US / 1e3,
            "pill_ms": PILL_US / 1e3,
        },
        {
            "statuses_of_others": statuses(asked),
            "readyz_says": seen.said,
            "generator_lag_p99_ms": lag_ms(asked, 0.99),
            "faults": [*dict.fromkeys(seen.faults), *worst(asked)],
        },
    )


@dataclass(frozen=True)
class Seen:
    """What readiness said.

    Attributes:
        ready_before: it said yes before.
        noticed_s: after which it said no.
        said: its last answer.
        faults: of the answers that the model gave a client of the gateway since.
    """

    ready_before: bool
    noticed_s: float
    said: str
    faults: list[str]


def _watch(running: Gateway, setting: Setting, model: str) -> Seen:
    """Let a request expire, and see what readiness says for a while."""
    before = running.get("/readyz")[0]
    question = next(one for one in setting.questions if one.form == model)
    with readiness(running) as watch:
        stopped_s = _stop(running, setting.repository, model)
        with Sampler(lambda: running.ask(question)) as client:
            time.sleep(setting.lasting(WATCH_S))
            said = running.get("/readyz")[1].decode()[:500]
    noticed_s = min((at for at, status in watch.found if status == 503), default=math.inf)
    faults = [fault for _, fault in client.found if fault]
    return Seen(before == 200, noticed_s - stopped_s, said, faults)


def force(folder: Path) -> None:
    """Write the configuration into a published model, and into its manifests, as if it had been."""
    file = folder / CONFIG
    config = text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
    config.dynamic_batching.max_queue_delay_microseconds = DELAY_US
    policy = config.dynamic_batching.default_queue_policy
    policy.timeout_action = model_config_pb2.ModelQueuePolicy.REJECT
    policy.default_timeout_microseconds = TIMEOUT_US
    policy.allow_timeout_override = True
    file.write_text(text_format.MessageToString(config))
    for version in list_versions(folder.parent, folder.name):
        artifact = Artifact.load(folder / str(version))
        shared = {**artifact.metrics["shared"], CONFIG: sha256_file(file)}
        replace(artifact, metrics={**artifact.metrics, "shared": shared}).write(artifact.path)


def _model(setting: Setting) -> str:
    """A model that batches what is waiting."""
    for name in dict.fromkeys(one.model for one in setting.questions if one.form == one.model):
        if "dynamic_batching" in (setting.repository / name / CONFIG).read_text():
            return name
    raise LeanzooError(f"no model of {setting.repository} batches: publish one that does")


def _stop(running: Gateway, repository: Path, model: str) -> float:
    """Let a request expire while it waits alone, until a later one fails; the time it did.

    Raises:
        LeanzooError: the model goes on answering.
    """
    rows: dict[str, Any] = dict(load_golden(repository, model).inputs)
    inputs = []
    for name, array in rows.items():
        one = InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
        one.set_data_from_numpy(array)
        inputs.append(one)
    with InferenceServerClient(running.said["grpc"]) as client:
        for _ in range(PILLS):  # others may wait with it
            began_s = time.monotonic()
            with contextlib.suppress(InferenceServerException):
                client.infer(model, inputs, timeout=PILL_US)
                continue
            try:
                client.infer(model, inputs)
            except InferenceServerException:
                return began_s
    raise LeanzooError(f"{model} goes on answering after {PILLS} requests that expire")
