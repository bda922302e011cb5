"""Writes kserve.json, a strict schema of the two KServe kinds that serving/deploy uses.

python -m tests.serving.schemas.from_kserve kserve-0.21.0-py3-none-any.whl

KServe's own schema, the CRD, is in no package. Its Python client is generated from the same types:
this reads the fields, types and required ones from its source, which is not imported. What belongs
to Kubernetes is a reference into the definitions of ``kubernetes-validate``. Left out, and hence
refused: the predictors of other frameworks, explainers, transformers and statuses.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.serving.schemas.kubernetes import DEFINITIONS, definitions

OUT = Path(__file__).with_name("kserve.json")
KINDS = {"InferenceService": "V1beta1InferenceService", "ServingRuntime": "V1alpha1ServingRuntime"}
OMITTED = {
    *("explainer", "transformer", "status", "worker_spec"),
    *("huggingface", "lightgbm", "onnx", "paddle", "pmml", "pytorch", "sklearn", "tensorflow"),
    *("triton", "xgboost"),  # a predictor of Triton is one whose ``model`` has its runtime
}
CLIENTS_OWN = ("discriminator", "local_vars_configuration")
PLAIN = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}
ALIASES = {
    "ResourceQuantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "V1beta1MetricQuantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "IntstrIntOrString": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "K8sIoApiAppsV1DeploymentStrategy": "io.k8s.api.apps.v1.DeploymentStrategy",
    "K8sIoApiAutoscalingV2HorizontalPodAutoscalerBehavior": (
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior"
    ),
}


class Client:
    """The models of KServe's Python client, as source."""

    def __init__(self, wheel: Path) -> None:
        archive = zipfile.ZipFile(wheel)
        names = [name for name in archive.namelist() if name.startswith("kserve/models/v1")]
        trees = [ast.parse(archive.read(name)) for name in names]
        classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
        self.classes = {node.name: node for node in classes}
        self.kubernetes = definitions()
        self.found: dict[str, Any] = {}

    def reference(self, type_name: str) -> dict[str, Any]:
        """The schema of a type, as the client writes it: ``list[V1Container]``."""
        if type_name in PLAIN:
            return {"type": PLAIN[type_name]}
        if inner := re.fullmatch(r"list\[(.*)\]", type_name):
            return {"type": "array", "items": self.reference(inner[1])}
        if inner := re.fullmatch(r"dict\(str, (.*)\)", type_name):
            return {"type": "object", "additionalProperties": self.reference(inner[1])}
        if type_name in self.classes:
            self.define(type_name)
            return {"$ref": f"#/$defs/{type_name}"}
        return {"$ref": f"{DEFINITIONS}#/$defs/{self._kubernetes_name(type_name)}"}

    def define(self, name: str) -> None:
        """Add a class of the client, and all that it refers to."""
        if name in self.found:
            return
        self.found[name] = {}
        node = self.classes[name]
        types, keys = (_literal(node, table) for table in ("openapi_types", "attribute_map"))
        self.found[name] = {
            "type": "object",
            "additionalProperties": False,
            "required": sorted(keys[field] for field in _required(node)),
            "properties": {
                keys[field]: self.reference(type_name)
                for field, type_name in types.items()
                if field not in OMITTED
            },
        }

    def _kubernetes_name(self, type_name: str) -> str:
        if type_name in ALIASES:
            return ALIASES[type_name]
        parts = re.fullmatch(r"(V\d+)(\w+)", type_name)
        ending = f".{parts[1].lower()}.{parts[2]}" if parts else type_name
        names = [name for name in self.kubernetes if name.endswith(ending)]
        if len(names) != 1:
            raise LookupError(f"{type_name}: expected one of its kind in Kubernetes, found {names}")
        return names[0]


def _literal(node: ast.ClassDef, table: str) -> dict[str, str]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == table:
            return ast.literal_eval(statement.value)
    raise LookupError(f"{node.name} has no {table}: this is another kind of client")


def _required(node: ast.ClassDef) -> list[str]:
    """Fields that the constructor sets whether or not they are given."""
    (init,) = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    targets = [s.targets[0] for s in init.body if isinstance(s, ast.Assign)]
    fields = [t.attr for t in targets if isinstance(t, ast.Attribute)]
    return [f for f in fields if f[0] != "_" and f not in CLIENTS_OWN]


def main(wheel: Path) -> None:
    """Write the schema that a wheel's client describes."""
    client = Client(wheel)
    for name in KINDS.values():
        client.define(name)
    schema = {
        "$comment": f"Written by from_kserve.py from {wheel.name} (Apache-2.0); do not edit.",
        "$defs": client.found,
    }
    OUT.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
