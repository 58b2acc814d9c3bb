"""The container stack and the repository's files: valid, without secrets, without paths of somebody's machine."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prepare import prepare_config
from edge.config import check_edge, load_edge
from gateway.settings import load_gateway
from simulators.settings import load_settings
from tests.docs.test_documents import ROOT, check_chejian
from workshop.register import parse_register

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MACHINE_PATHS = ["/".join(("", name, "")) for name in ("work", "root", "Users")]
REGISTRY_HOSTS = [".".join(name) for name in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("deb", "debian", "org"), ("crates", "io"))]


def test_the_compose_file_follows_the_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    result = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "command" in service])
def test_each_service_calls_a_command_that_exists(name: str) -> None:
    check_chejian(["chejian", *SERVICES[name]["command"]])


def test_the_stack_publishes_on_loopback_only_and_holds_no_secret() -> None:
    assert [port for service in SERVICES.values() for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []
    assert [name for name, service in SERVICES.items() if "environment" in service or "env_file" in service] == []


def test_every_volume_is_declared_and_every_dependency_is_a_service_with_a_sign_of_life() -> None:
    for service in SERVICES.values():
        volumes = [volume.split(":")[0] for volume in service.get("volumes", [])]
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(COMPOSE["volumes"])
        assert [volume for volume in volumes if volume.startswith(".") and not (ROOT / volume).exists()] == []
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]


def test_the_image_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1] not in ("root", "0")
    copied = [word for line in lines if line.startswith("COPY ") and "--from" not in line for word in shlex.split(line)[1:-1]]
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_the_prepared_configuration_is_accepted_by_every_service(tmp_path: Path) -> None:
    prepare_config(ROOT / "config/demo", tmp_path)
    register = parse_register((tmp_path / "workshop.toml").read_bytes(), "workshop.toml")
    settings = load_edge((tmp_path / "edge-1.toml").read_bytes(), "edge-1.toml")
    check_edge(settings, register, "edge-1.toml")
    load_settings(tmp_path / "simulators.toml")
    assert load_gateway(tmp_path / "gateway.toml").port == 8410
    addresses = (tmp_path / "edge-1.toml").read_text()
    assert "127.0.0.1" not in addresses and "opc.tcp://simulators:" in addresses


def test_no_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: the list of files is not known")
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix == ".png" or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        found += [f"{name}: {word}" for word in (*MACHINE_PATHS, *REGISTRY_HOSTS) if re.search(rf"(?<![\w.]){re.escape(word)}", text)]
    assert found == []
