"""The files of serving/deploy for containers: schemas, and what they promise of access.

Prometheus' and Grafana's are in test_deploy_measurements.py, Kubernetes' in
test_deploy_kubernetes.py; Triton's command line is run in test_deploy_triton.py.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "serving" / "deploy"
DOCKERFILE = DEPLOY / "gateway" / "Dockerfile"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OVERLAY = yaml.safe_load((DEPLOY / "compose.grafana.yaml").read_text())


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word, rest) for word, rest in pairs]


def default(text: str) -> str:
    """A value as it is where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def tag_of(image: str) -> str:
    return default(image).rpartition(":")[2]


def tool(name: str) -> str:
    """A program beside this Python, or on PATH."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def compose_schema() -> dict[str, Any]:
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((folder / "compose-spec.json").read_text())


@pytest.mark.parametrize("document", [COMPOSE, OVERLAY], ids=["compose", "grafana"])
def test_compose_fits_its_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(compose_schema()).validate(document)


@pytest.mark.parametrize(("field", "value"), [("cap_dropp", ["ALL"]), ("read_only", {"a": 1})])
def test_the_schema_refuses_what_is_wrong(field: str, value: object) -> None:
    wrong = {"services": {"triton": {**SERVICES["triton"], field: value}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(compose_schema()).validate(wrong)


def test_only_the_gateway_has_a_published_port() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["gateway"]
    assert [default(port) for port in published["gateway"]] == ["127.0.0.1:8080:8080"]
    assert OVERLAY["services"]["grafana"]["ports"] == ["127.0.0.1:3000:3000"]
    assert not any("network_mode" in service for service in SERVICES.values())


def test_only_the_gateway_is_on_a_network_that_leads_outside() -> None:
    outside = {name for name, network in COMPOSE["networks"].items() if not network.get("internal")}
    assert outside == {"edge"}
    assert [name for name, s in SERVICES.items() if outside & set(s["networks"])] == ["gateway"]
    beside = [name for name, s in SERVICES.items() if "models" in s["networks"]]
    assert beside == ["triton", "gateway", "prometheus"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_few_rights_and_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["read_only"] is True and not service.get("privileged")
    assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    user = service.get("user") or dict(instructions(DOCKERFILE))["USER"]
    assert re.fullmatch(r"[1-9]\d*:\d+", user)
    assert "healthcheck" in service or "build" in service


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_on_this_machine_is_mounted_writable(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, target, *mode = default(volume).split(":")
        assert mode == ["ro"] or source in COMPOSE["volumes"], volume
        if target == "/models":
            assert (DEPLOY / source).resolve() == ROOT / "model_repository"
        elif mode:
            assert (DEPLOY / source).exists(), volume


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_named_by_tag(name: str) -> None:
    tag = tag_of(SERVICES[name]["image"])
    assert re.search(r"\d", tag) and "latest" not in tag


def test_triton_has_shared_memory_of_a_size_and_restricted_apis() -> None:
    (script,) = SERVICES["triton"]["command"]
    assert SERVICES["triton"]["shm_size"] == "256m"
    for option in ("grpc-restricted-protocol", "http-restricted-api"):
        names = re.search(rf"--{option}=(\S+?):leanzoo=\$\$key", script)[1].split(",")
        assert {"shared-memory", "model-repository", "trace", "logging"} <= set(names)
    assert "--http-address=127.0.0.1" in script
    assert "--load-model" not in script and "--model-control-mode=poll" in script


def test_services_stop_within_the_time_they_are_given() -> None:
    given = {n: int(SERVICES[n]["stop_grace_period"].rstrip("s")) for n in ("triton", "gateway")}
    settings = SERVICES["gateway"]["environment"]
    seconds = [float(default(settings[f"LEANZOO_GATEWAY_{n}_S"])) for n in ("DRAIN", "DEADLINE")]
    assert given["gateway"] >= sum(seconds) + 5
    (exits_after,) = re.findall(r"--exit-timeout-secs=(\d+)", SERVICES["triton"]["command"][0])
    assert given["triton"] > int(exits_after)


def test_keys_are_files_from_outside() -> None:
    for name, secret in COMPOSE["secrets"].items():
        assert list(secret) == ["file"], name
        assert not (DEPLOY / default(secret["file"])).exists(), f"{name} lies in the tree"
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search("KEY|PASSWORD|SECRET|TOKEN", variable):
                assert value.startswith("/run/secrets/"), variable
                assert Path(value).name in service["secrets"]


def test_the_image_holds_the_gateway_alone() -> None:
    steps = instructions(DOCKERFILE)
    copied = [rest.split()[:-1] for word, rest in steps if word == "COPY" and "--from" not in rest]
    sources = {name for names in copied for name in names}
    assert sources == {
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "zoo",
        "serving",
    }
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert "**" in ignored
    (installs,) = [rest for word, rest in steps if word == "RUN" and "pip install" in rest]
    assert "--constraint constraints.txt" in installs and "'.[serve]'" in installs


def test_the_command_starts_without_what_the_image_lacks() -> None:
    absent = ("export", "benchmarks", "torch", "onnx", "onnxruntime", "scipy", "pandas")
    code = f"""import sys
sys.modules.update(dict.fromkeys({absent}))
sys.argv = ["leanzoo", "serve", "--help"]
from zoo.cli.app import main
main()"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--repository" in done.stdout


def test_the_image_runs_as_nobody_special_and_says_whether_it_lives() -> None:
    steps = instructions(DOCKERFILE)
    bases = [rest.split()[0] for word, rest in steps if word == "FROM"]
    assert all(re.fullmatch(r"python:3\.1[12]-slim-\w+", base) for base in bases)
    assert [rest for word, rest in steps if word == "USER"] == ["10001:10001"]
    last = dict(steps)
    assert "/livez" in last["HEALTHCHECK"] and "8080" in last["HEALTHCHECK"]
    assert json.loads(last["ENTRYPOINT"]) == ["leanzoo", "serve", "--repository", "/models"]
    assert not re.search(r"lz_|SECRET|TOKEN|PASSWORD", DOCKERFILE.read_text())
    assert not any(word in ("ARG", "ADD") for word, _ in steps)


def test_hadolint_finds_nothing() -> None:
    subprocess.run([tool("hadolint"), DOCKERFILE], check=True)


def test_the_image_is_named_by_the_projects_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert tag_of(SERVICES["gateway"]["image"]) == version
    assert f"leanzoo-gateway:{version}" in DOCKERFILE.read_text()
