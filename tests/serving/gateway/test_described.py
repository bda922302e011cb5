"""What the gateway says of its models and of itself, and that it is so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from serving.gateway.app import Gateway
from serving.gateway.backends import InProcess
from tests.serving.gateway.inside import (
    CLASSIFY,
    FORECASTS,
    PREDICT,
    RANK,
    Scripted,
    ask,
    entered,
    retrained,
    settings,
)
from tests.serving.tiny_models import LABELS, MLP, SPARSE
from zoo.rollout import Rollout, write_rollout

BASES = {"mlp-tiny": "graph", "clicks": "ctr", "forecast-tiny": "forecast"}


def test_the_list_of_models(gateway: Gateway) -> None:
    found = ask(gateway, "GET", "/v1/models").json()["models"]
    assert {one["name"]: one["task"] for one in found} == BASES
    assert all(one["ready"] and one["version"] == 1 and one["canary"] is None for one in found)
    (clicks,) = [one for one in found if one["name"] == "clicks"]
    assert clicks["endpoints"] == [PREDICT, RANK] and clicks["versions"] == [1]


def test_a_model(gateway: Gateway) -> None:
    found = ask(gateway, "GET", "/v1/models/mlp-tiny").json()
    assert found["labels"] == list(LABELS) and found["card"] == ""
    assert set(found["forms"]) == {"dense", "sparse"}
    assert found["forms"]["dense"]["triton_model"] == "mlp-tiny"
    assert found["forms"]["dense"]["max_batch"] == 8
    assert found["forms"]["dense"]["inputs"][0]["name"] == "x"
    assert "shared" not in found["metrics"]
    missing = ask(gateway, "GET", "/v1/models/mlp")
    assert missing.status_code == 404 and "did you mean mlp-tiny" in missing.json()["detail"]


def test_a_trial_is_shown_and_what_does_not_answer(tmp_path: Path) -> None:
    MLP.publish(tmp_path)
    retrained(MLP).publish(tmp_path, 2)
    write_rollout(tmp_path / "mlp-tiny", Rollout(1, 2, 0.25))
    (tmp_path / "mlp-tiny" / "card.md").write_text("# Kärtchen\n")
    backend = Scripted(tmp_path)

    async def scene() -> None:
        gateway = Gateway(settings(tmp_path, probe_s=60.0), backend)
        async with entered(gateway) as client:
            found = (await client.get("/v1/models/mlp-tiny")).json()
            assert (found["version"], found["versions"]) == (1, [1, 2])
            assert found["canary"] == {"version": 2, "fraction": 0.25} and found["ready"]
            assert found["card"] == "# Kärtchen\n" and found["forms"]["dense"]["version"] == 1
            gateway.core.router.state["mlp-tiny", 1].fault = "lost"
            (found,) = (await client.get("/v1/models")).json()["models"]
            assert not found["ready"]
            ready = await client.get("/readyz")
            assert ready.status_code == 503 and ready.json()["status"] == "not ready"
            assert ready.json()["reasons"] == {"mlp-tiny": "lost"}

    asyncio.run(scene())


def test_an_empty_repository_is_not_ready(tmp_path: Path) -> None:
    gateway = Gateway(settings(tmp_path), InProcess(tmp_path, 1))
    found = ask(gateway, "GET", "/readyz")
    assert found.status_code == 503
    assert found.json()["reasons"] == {"gateway": "no model is published"}


def test_examples_run(gateway: Gateway) -> None:
    async def scene() -> set[str]:
        asked = set()
        async with entered(gateway) as client:
            for base in BASES:
                found = (await client.get(f"/v1/models/{base}")).json()
                assert sorted(found["examples"]) == found["endpoints"]
                for path, body in found["examples"].items():
                    answer = await client.post(path, json=body)
                    assert answer.status_code == 200, (path, body, answer.text)
                    asked.add(path)
        return asked

    assert asyncio.run(scene()) == {CLASSIFY, PREDICT, RANK, FORECASTS}


@pytest.mark.parametrize("forms", [(MLP,), (SPARSE,)])
def test_examples_of_single_forms_run(tmp_path: Path, forms: tuple[Any, ...]) -> None:
    for model in forms:
        model.publish(tmp_path)

    async def scene() -> None:
        async with entered(Gateway(settings(tmp_path), InProcess(tmp_path, 1))) as client:
            found = (await client.get("/v1/models/mlp-tiny")).json()["examples"]
            for path, body in found.items():
                assert (await client.post(path, json=body)).status_code == 200
            assert found

    asyncio.run(scene())


def test_examples_are_golden_rows(gateway: Gateway) -> None:
    found = ask(gateway, "GET", "/v1/models/forecast-tiny").json()["examples"][FORECASTS]
    golden = json.loads(
        (gateway.core.settings.repository / "forecast-tiny/1/golden.json").read_text()
    )
    assert found["history"] == golden["inputs"]["history"][0]


def resolved(document: Any, part: Any) -> Any:
    """A part of a document that stands by itself."""
    return {**part, "components": document.get("components", {})}


def test_the_description_is_valid_and_its_examples_run(gateway: Gateway) -> None:
    async def scene() -> Any:
        async with entered(gateway) as client:
            document = (await client.get("/openapi.json")).json()
            again = (await client.get("/openapi.json")).json()
            assert document == again
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if "requestBody" in operation:
                        await run_examples(client, document, path, operation)
        return document

    document = asyncio.run(scene())
    assert document["openapi"].startswith("3.1")
    assert {"/v1/models", "/readyz", "/v1/graph/{model}/classify"} <= set(document["paths"])
    assert document["paths"]["/livez"]["get"]["security"] == []
    assert "security" not in document["paths"]["/v1/models"]["get"]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    identifiers = [
        one["operationId"] for path in document["paths"].values() for one in path.values()
    ]
    assert len(identifiers) == len(set(identifiers))


async def run_examples(client: Any, document: Any, path: str, operation: Any) -> None:
    """Each example fits its schema and runs; each answer fits its own."""
    asked = operation["requestBody"]["content"]["application/json"]
    answered = operation["responses"]["200"]["content"]["application/json"]["schema"]
    schemas = [resolved(document, part) for part in (asked["schema"], answered)]
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    assert asked["examples"], path
    for model, example in asked["examples"].items():
        jsonschema.validate(example["value"], schemas[0])
        answer = await client.post(path.replace("{model}", model), json=example["value"])
        assert answer.status_code == 200, (path, answer.text)
        jsonschema.validate(answer.json(), schemas[1])
    refused = await client.post(path.replace("{model}", "nobody"), json={})
    problem = operation["responses"][str(refused.status_code)]["content"]
    jsonschema.validate(
        refused.json(), resolved(document, problem["application/problem+json"]["schema"])
    )


def test_answers_of_what_is_missing_fit_the_description(gateway: Gateway) -> None:
    async def scene() -> None:
        async with entered(gateway) as client:
            document = (await client.get("/openapi.json")).json()
            for template, path, body in (
                ("/v1/forecast/{model}", FORECASTS, {"history": [[None]]}),
                (
                    "/v1/ctr/{model}/rank",
                    RANK,
                    {"request_ids": [0], "item_ids": [[0]], "request_numbers": [None]},
                ),
            ):
                content = document["paths"][template]["post"]["responses"]["200"]["content"]
                answer = await client.post(path, json=body)
                assert answer.status_code == 200
                schema = content["application/json"]["schema"]
                jsonschema.validate(answer.json(), resolved(document, schema))

    asyncio.run(scene())


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/page.css"])
def test_the_page_loads_nothing_from_elsewhere(gateway: Gateway, path: str) -> None:
    found = ask(gateway, "GET", path)
    assert found.status_code == 200
    assert "default-src 'self'" in found.headers["content-security-policy"]
    assert found.headers["x-content-type-options"] == "nosniff"
    assert ask(gateway, "GET", "/docs").status_code == 404
