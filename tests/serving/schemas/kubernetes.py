"""The schemas that ``kubernetes-validate`` carries, and ours of KServe, as one registry."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

VERSION = "1.37"
DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
KSERVE = Path(__file__).with_name("kserve.json")


@cache
def definitions() -> dict[str, Any]:
    """The definitions of Kubernetes, by name; no field is allowed beyond them."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}.0-local-strict"
    return json.loads((folder / "_definitions.json").read_text())["$defs"]


def check_kserve(document: dict[str, Any], definition: str) -> None:
    """Check a KServe document.

    Raises:
        jsonschema.ValidationError: naming what does not fit.
    """
    known = Registry().with_resources(
        [
            (DEFINITIONS, Resource({"$defs": definitions()}, DRAFT202012)),
            ("kserve.json", Resource(json.loads(KSERVE.read_text()), DRAFT202012)),
        ]
    )
    schema = {"$ref": f"kserve.json#/$defs/{definition}"}
    jsonschema.Draft202012Validator(schema, registry=known).validate(document)
