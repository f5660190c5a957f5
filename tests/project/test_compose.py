"""docker-compose.yml keeps its promises: health, start order, restarts, no root, no default secret."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE)["services"]
LASTING = sorted(set(SERVICES) - {"setup"})


def test_it_has_every_part_of_the_shape():
    assert set(SERVICES) == {"setup", "web", "scheduler", "worker-cpu", "worker-gpu", "proxy", "database", "broker"}


@pytest.mark.parametrize("name", LASTING)
def test_it_checks_health_and_restarts(name):
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", ["web", "scheduler", "worker-cpu", "worker-gpu"])
def test_it_starts_ours_after_setup_and_healthy_services(name):
    conditions = {part: how["condition"] for part, how in SERVICES[name]["depends_on"].items()}
    assert conditions == {
        "setup": "service_completed_successfully",
        "database": "service_healthy",
        "broker": "service_healthy",
    }


def test_it_gives_the_gpu_to_a_profile():
    assert SERVICES["worker-gpu"]["profiles"] == ["gpu"]
    assert SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert SERVICES["worker-cpu"]["profiles"] == ["cpu"]


def test_it_runs_nothing_as_root():
    for name in ("database", "broker"):
        assert SERVICES[name]["user"] not in {"root", "0", "0:0"}
    assert "unprivileged" in SERVICES["proxy"]["image"]
    stages = re.findall(r"^FROM (\S+) AS (\w+)\n(.*?)(?=^FROM|\Z)", (ROOT / "Dockerfile").read_text(), re.M | re.S)
    for _, stage, body in stages:
        if stage != "base":
            assert re.findall(r"^USER (\w+)", body, re.M)[-1] == "desk"


def test_it_has_no_default_secret():
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD"):
        assert re.findall(rf"\$\{{{name}:\?", FILE)
        assert not re.findall(rf"\$\{{{name}(:-|-|\}})", FILE)


def test_it_keeps_data_in_named_volumes():
    document = yaml.safe_load(FILE)
    mounted = {v.split(":")[0] for service in SERVICES.values() for v in service.get("volumes", []) if v[0] not in "./"}
    assert mounted == set(document["volumes"])


def test_it_runs_modules_and_commands_that_exist():
    for name, service in SERVICES.items():
        words = " ".join(map(str, [*service.get("command", []), *service.get("healthcheck", {}).get("test", [])]))
        for module in re.findall(r"-m (\w+)", words):
            assert module in {"celery", "worker", "uvicorn"}, name
        for command in re.findall(r"manage\.py (\w+)", words):
            done = subprocess.run(
                [sys.executable, "manage.py", command, "--help"], cwd=ROOT, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr


def test_it_sets_only_variables_that_the_settings_read():
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert set(SERVICES["web"]["environment"]) <= documented
    example = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example <= documented | {"POSTGRES_PASSWORD", "LISTEN"}
    assert set(re.findall(r"\$\{([A-Z0-9_]+):\?", FILE)) <= example


def test_its_proxy_sends_media_only_by_internal_redirect():
    proxy = (ROOT / "captionsite/nginx.conf").read_text()
    prefix = SERVICES["web"]["environment"]["MEDIA_ACCEL_PREFIX"]
    block = re.search(rf"location {re.escape(prefix)} {{(.*?)}}", proxy, re.S)
    assert block
    assert "internal;" in block[1]
    assert proxy.count("/data/") == 1
