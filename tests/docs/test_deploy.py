"""The container stack and the repository's files: valid, without secrets, without paths of somebody's machine."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prepare import prepare_config
from deploy.stack_secrets import make_secrets
from edge.config import EdgeSettings, check_edge, load_edge
from gateway.settings import load_gateway
from simulators.settings import load_settings
from tests.docs.test_documents import ROOT, check_chejian
from workshop.register_file import parse_register

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MACHINE_PATHS = ["/".join(("", name, "")) for name in ("work", "root", "Users")]
REGISTRY_HOSTS = [".".join(name) for name in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("deb", "debian", "org"), ("crates", "io"))]


def test_the_compose_file_follows_the_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    result = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


OURS = [name for name, service in SERVICES.items() if service["image"].startswith("chejian:")]
SECRET = re.compile(r"password|token|secret|key", re.IGNORECASE)


@pytest.mark.parametrize("name", [name for name in OURS if "command" in SERVICES[name]])
def test_each_service_calls_a_command_that_exists(name: str) -> None:
    check_chejian(["chejian", *SERVICES[name]["command"]])


def test_the_stack_publishes_on_loopback_only_and_holds_no_secret() -> None:
    assert [port for service in SERVICES.values() for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []
    assert [name for name, service in SERVICES.items() if "env_file" in service or ("environment" in service and name in OURS)] == []
    given = [(key, value) for service in SERVICES.values() for key, value in service.get("environment", {}).items()]
    secrets = [(key, value) for key, value in given if SECRET.search(key)]
    assert secrets and [key for key, value in secrets if not (key.endswith("_FILE") and value.startswith("/secrets/"))] == []


def test_every_service_that_stays_has_a_sign_of_life_and_every_image_a_version() -> None:
    staying = [name for name, service in SERVICES.items() if service.get("restart") != "no"]
    assert [name for name in staying if "healthcheck" not in SERVICES[name]] == []
    assert [service["image"] for service in SERVICES.values() if not re.search(r":v?\d+\.\d+\.\d+", service["image"])] == []


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


def test_each_role_has_an_image_of_what_it_needs() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    of = {name: base for base, name in stages}
    assert {name for name, base in of.items() if base == "ready"} == {"edge", "evaluator", "run"} and stages[-1][1] == "run"
    extras = dict(re.findall(r"AS (build\S*)\nRUN .*'\.\[(\w+)\]'", (ROOT / "Dockerfile").read_text()))
    assert extras == {"build-edge": "edge", "build-evaluator": "evidence", "build": "all"}
    assert COMPOSE["x-chejian"]["build"]["target"] in of


def test_the_prepared_configuration_is_accepted_by_every_service(tmp_path: Path) -> None:
    prepare_config(ROOT / "config/demo", tmp_path)
    register = parse_register((tmp_path / "workshop.toml").read_bytes(), "workshop.toml")
    make_secrets(tmp_path / "secrets")

    def checked(name: str) -> EdgeSettings:
        text = (tmp_path / name).read_text().replace("/secrets/", f"{tmp_path}/secrets/edge/")
        settings = load_edge(text, name)
        check_edge(settings, register, name)
        return settings

    checked("edge-1.toml")
    load_settings(tmp_path / "simulators.toml")
    assert load_gateway(tmp_path / "gateway.toml").port == 8410
    for site in ("a", "b"):
        one = checked(f"edge-{site}.toml")
        port = load_gateway(tmp_path / f"gateway-{site}.toml").port
        assert one.gateway.url == f"http://gateway-{site}:{port}" and f"127.0.0.1:{port}/readyz" in str(SERVICES[f"gateway-{site}"]["healthcheck"])
    addresses = (tmp_path / "edge-1.toml").read_text()
    assert "127.0.0.1" not in addresses and "opc.tcp://simulators:" in addresses


def test_the_dashboard_asks_the_provisioned_source() -> None:
    board = json.loads((ROOT / "deploy/grafana/dashboards/workshop.json").read_text())
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/influxdb.yml").read_text())["datasources"][0]
    assert source["uid"] == "chejian" and source["secureJsonData"]["token"].startswith("$__file{/secrets/")
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}
    assert all(f'bucket: "{source["jsonData"]["defaultBucket"]}"' in target["query"] for panel in board["panels"] for target in panel["targets"])


def test_secrets_are_made_once_and_by_chance(tmp_path: Path) -> None:
    make_secrets(tmp_path / "a")
    before = {file: file.read_bytes() for file in (tmp_path / "a").rglob("*") if file.is_file()}
    make_secrets(tmp_path / "a")
    assert {file: file.read_bytes() for file in before} == before
    make_secrets(tmp_path / "b")
    secret = ("broker.key", "passwords", "broker.password", "admin.password", "admin.token")
    assert all((tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes() != content for file, content in before.items() if file.name in secret)


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
