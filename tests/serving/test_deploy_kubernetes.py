"""The manifests of serving/deploy/kubernetes: strict schemas, and what they promise of access."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.serving.schemas.kubernetes import VERSION, check_kserve
from tests.serving.test_deploy import DEPLOY, SERVICES, tag_of, tool

FOLDER = DEPLOY / "kubernetes"
BASE, GPU = FOLDER / "base", FOLDER / "overlays" / "gpu"
KSERVE = {"InferenceService": "V1beta1InferenceService", "ServingRuntime": "V1alpha1ServingRuntime"}
POD = {"serving.kserve.io/inferenceservice": "leanzoo-triton"}
OURS = {"app.kubernetes.io/name": "gateway"}


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


MANIFESTS = [
    document
    for file in sorted(BASE.glob("*.yaml"))
    if file.name != "kustomization.yaml"
    for document in documents(file)
]


def one(kind: str, name: str | None = None) -> dict[str, Any]:
    """The only manifest of a kind, or of that name."""
    (found,) = [m for m in MANIFESTS if m["kind"] == kind and name in (None, m["metadata"]["name"])]
    return found


def check(document: dict[str, Any]) -> None:
    if document["apiVersion"].startswith("serving.kserve.io/"):
        check_kserve(document, KSERVE[document["kind"]])
    else:
        kubernetes_validate.validate(document, VERSION, strict=True)


def build(folder: Path) -> list[dict[str, Any]]:
    """What kubectl would apply."""
    command = [tool("kubectl"), "kustomize", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize(
    "document", MANIFESTS, ids=lambda m: f"{m['kind']}-{m['metadata']['name']}"
)
def test_a_manifest_fits_its_schema(document: dict[str, Any]) -> None:
    check(document)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("InferenceService", ("spec", "predictor", "minReplica"), 1),
        ("InferenceService", ("spec", "predictor", "minReplicas"), "2"),
        ("InferenceService", ("spec", "predictor", "securityContext", "runAsNobody"), True),
        ("InferenceService", ("spec", "predictor", "model", "modelFormat"), None),
        ("ServingRuntime", ("spec", "supportedModelFormat"), []),
        ("ServingRuntime", ("spec", "containers"), [{"image": "no name"}]),
        ("Deployment", ("spec", "template", "spec", "terminationGracePeriod"), 30),
    ],
)
def test_the_schemas_refuse_what_is_wrong(kind: str, path: tuple[str, ...], value: object) -> None:
    document = inner = json.loads(json.dumps(one(kind)))
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        check(document)


def test_the_base_names_every_file_in_it() -> None:
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    assert kustomization["kind"] == "Kustomization"
    there = {file.name for file in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == there
    (keys,) = kustomization["secretGenerator"]
    assert all((BASE / file.partition("=")[2]).is_file() for file in keys["files"])


def test_the_overlay_names_every_file_in_it() -> None:
    kustomization = yaml.safe_load((GPU / "kustomization.yaml").read_text())
    assert [(GPU / name).resolve() for name in kustomization["resources"]] == [BASE]
    there = {file.name for file in GPU.glob("*.yaml")} - {"kustomization.yaml"}
    assert {patch["path"] for patch in kustomization["patches"]} == there


@pytest.mark.parametrize("folder", [BASE, GPU], ids=["base", "gpu"])
def test_kustomize_builds_what_fits_the_schemas(folder: Path) -> None:
    built = build(folder)
    assert len(built) == len(MANIFESTS) + 1  # and the secret
    for document in built:
        check(document)
        assert "leanzoo" in (document["metadata"].get("namespace"), document["metadata"]["name"])
    (predictor,) = [d["spec"]["predictor"] for d in built if d["kind"] == "InferenceService"]
    limits = predictor["model"].get("resources", {}).get("limits", {})
    assert limits.get("nvidia.com/gpu") == ("1" if folder == GPU else None)
    (gateway,) = [d for d in built if d["kind"] == "Deployment"]
    (container,) = gateway["spec"]["template"]["spec"]["containers"]
    assert tag_of(container["image"]) == tag_of(SERVICES["gateway"]["image"])
    (secret,) = [d["metadata"]["name"] for d in built if d["kind"] == "Secret"]
    volumes = gateway["spec"]["template"]["spec"]["volumes"]
    assert secret in [volume.get("secret", {}).get("secretName") for volume in volumes]


def test_pods_and_containers_have_few_rights() -> None:
    gateway = one("Deployment")["spec"]["template"]["spec"]
    runtime, predictor = one("ServingRuntime")["spec"], one("InferenceService")["spec"]["predictor"]
    for pod in (gateway, predictor):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
    for container in (*gateway["containers"], *runtime["containers"]):
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])


def test_the_repository_and_the_keys_are_read_only() -> None:
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts["models"]["readOnly"] and mounts["keys"]["readOnly"]
    claim = one("PersistentVolumeClaim")["metadata"]["name"]
    model = one("InferenceService")["spec"]["predictor"]["model"]
    assert model["storageUri"] == f"pvc://{claim}"  # KServe mounts a claim read-only
    volumes = one("Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"claimName": claim, "readOnly": True} in [
        v.get("persistentVolumeClaim") for v in volumes
    ]


def test_triton_is_started_as_in_compose() -> None:
    (container,) = one("ServingRuntime")["spec"]["containers"]
    flags, composed = (
        dict(re.findall(r"--([\w-]+)=(\S+)", script))
        for script in (*container["args"], SERVICES["triton"]["command"][0].replace("$$", "$"))
    )
    assert flags.pop("allow-http") == "false" and flags["model-repository"] == "/mnt/models"
    same = {name for name in composed if not name.startswith("http")}
    differ = {"model-repository", "exit-timeout-secs"}
    assert set(flags) == same
    assert {name for name in same if flags[name] != composed[name]} == differ
    assert tag_of(container["image"]) == tag_of(SERVICES["triton"]["image"])
    assert one("InferenceService")["spec"]["predictor"]["model"]["runtime"] == "leanzoo-triton"


def test_probes_ask_for_life_and_readiness() -> None:
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    paths = {
        n: container[f"{n}Probe"]["httpGet"]["path"] for n in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
    (triton,) = one("ServingRuntime")["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert triton[probe]["grpc"]["port"] == triton["ports"][0]["containerPort"]


def test_pods_stop_within_the_time_they_are_given() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    drain_s, deadline_s = (float(env[f"LEANZOO_GATEWAY_{n}_S"]) for n in ("DRAIN", "DEADLINE"))
    assert pod["terminationGracePeriodSeconds"] >= drain_s + deadline_s + 10
    probe = container["readinessProbe"]
    assert drain_s > probe["periodSeconds"] * probe["failureThreshold"]
    (exits_after,) = re.findall(
        r"--exit-timeout-secs=(\d+)", one("ServingRuntime")["spec"]["containers"][0]["args"][0]
    )
    predictor = one("InferenceService")["spec"]["predictor"]
    assert predictor["terminationGracePeriodSeconds"] > int(exits_after)


def test_only_the_gateway_reaches_triton() -> None:
    assert one("NetworkPolicy", "deny-all")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    triton = one("NetworkPolicy", "triton")["spec"]
    assert triton["podSelector"]["matchLabels"] == POD and triton["egress"] == []
    (asks,) = [
        rule for rule in triton["ingress"] if {"port": 8001, "protocol": "TCP"} in rule["ports"]
    ]
    assert asks["from"] == [{"podSelector": {"matchLabels": OURS}}]
    assert all(rule["from"] for rule in triton["ingress"])
    gateway = one("NetworkPolicy", "gateway")["spec"]
    assert gateway["egress"][0]["to"] == [{"podSelector": {"matchLabels": POD}}]


def test_services_budgets_and_scaling_select_what_is_there() -> None:
    assert one("Deployment")["spec"]["template"]["metadata"]["labels"] == OURS
    assert one("InferenceService")["metadata"]["name"] in POD.values()
    for name, labels in (("gateway", OURS), ("triton", POD)):
        assert one("Service", name)["spec"]["selector"] == labels
        assert one("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"] == labels
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "LEANZOO_TRITON_URL", "value": "triton:8001"} in container["env"]
    assert 8001 in [port["port"] for port in one("Service", "triton")["spec"]["ports"]]
    scaling = one("HorizontalPodAutoscaler")["spec"]
    assert scaling["scaleTargetRef"]["name"] == one("Deployment")["metadata"]["name"]
    assert "replicas" not in one("Deployment")["spec"]
    predictor = one("InferenceService")["spec"]["predictor"]
    for least, most in (
        (scaling["minReplicas"], scaling["maxReplicas"]),
        (predictor["minReplicas"], predictor["maxReplicas"]),
    ):
        assert 2 <= least < most  # a budget of one unavailable leaves one
    annotations = one("InferenceService")["metadata"]["annotations"]
    assert annotations["serving.kserve.io/autoscalerClass"] == "hpa"


def test_the_key_in_the_tree_opens_nothing() -> None:
    keys = json.loads((BASE / "keys.example.json").read_text())["keys"]
    assert [key["sha256"] for key in keys] == ["0" * 64]
    assert not any(m["kind"] == "Secret" for m in MANIFESTS)


def test_an_overlay_as_in_the_readme_builds(tmp_path: Path) -> None:
    (overlay,) = re.findall(r"```yaml\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    mine = tmp_path / "kubernetes" / "overlays" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(overlay)
    (mine / "keys.json").write_text('{"keys": []}')
    built = build(mine)
    (secret,) = [document for document in built if document["kind"] == "Secret"]
    assert base64.b64decode(secret["data"]["keys.json"]) == b'{"keys": []}'
    (pod,) = [d["spec"]["template"]["spec"] for d in built if d["kind"] == "Deployment"]
    assert pod["containers"][0]["image"].startswith("registry.example/leanzoo-gateway:")
    assert secret["metadata"]["name"] in [
        volume.get("secret", {}).get("secretName") for volume in pod["volumes"]
    ]
