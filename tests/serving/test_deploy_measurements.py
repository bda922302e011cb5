"""What Prometheus asks, and what the dashboard shows of it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from serving.gateway.measures import Measures
from tests.serving.test_deploy import DEPLOY, SERVICES, tool

PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
BOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "leanzoo.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
ASKED = [target["expr"] for panel in PANELS for target in panel["targets"]]
GATEWAYS_METRICS = {
    re.sub("_(bucket|sum|count)$", "", line.split()[2])
    for line in Measures().text().decode().splitlines()
    if line.startswith("# TYPE ") and not line.split()[2].endswith("_created")
}


def test_prometheus_asks_services_that_are_there() -> None:
    jobs = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
    (triton,), (gateway,) = (jobs[n]["static_configs"][0]["targets"] for n in ("triton", "gateway"))
    assert triton.startswith("triton:") and gateway == "gateway:8080"
    assert f"--metrics-port={triton.rpartition(':')[2]}" in SERVICES["triton"]["command"][0]
    assert SERVICES["gateway"]["environment"]["LEANZOO_GATEWAY_PORT"] == "8080"
    key = Path(jobs["gateway"]["authorization"]["credentials_file"])
    assert key.parts[:3] == ("/", "run", "secrets")
    assert key.name in SERVICES["prometheus"]["secrets"]
    for name in ("triton", "gateway"):
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_promtool_accepts_the_configuration() -> None:
    file = DEPLOY / "prometheus" / "prometheus.yml"
    subprocess.run([tool("promtool"), "check", "config", "--syntax-only", file], check=True)


def test_promtool_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    texts = [text.replace("$__rate_interval", "1m") for text in ASKED]
    rules = [{"record": f"panel:{i}", "expr": text} for i, text in enumerate(texts)]
    file = tmp_path / "rules.json"  # which is YAML too
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    subprocess.run([tool("promtool"), "check", "rules", file], check=True)


def test_the_dashboard_asks_for_metrics_that_are_exported() -> None:
    assert all(panel["datasource"]["uid"] == _datasource()["uid"] for panel in PANELS)
    asked = set(re.findall(r"\b(?:leanzoo|process|nv)_\w+", " ".join(ASKED)))
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in asked if name[:3] != "nv_"}
    assert ours <= GATEWAYS_METRICS
    assert {n for n in GATEWAYS_METRICS if n.startswith("leanzoo")} <= ours
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_the_dashboard_is_found() -> None:
    (provider,) = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/leanzoo.yaml").read_text()
    )["providers"]
    targets = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in targets
    assert _datasource()["url"] == "http://prometheus:9090"


def _datasource() -> dict[str, Any]:
    file = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    return source
