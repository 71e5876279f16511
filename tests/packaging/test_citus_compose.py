"""The compose file of a Citus cluster, as far as it can be checked where no container engine runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.citus.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


def test_it_follows_the_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_nodes_join_then_the_schema_is_made_then_distributed_then_served(services: dict[str, Any]) -> None:
    assert services["migrate"]["command"] == ["db", "upgrade"]
    assert services["distribute"]["command"] == ["db", "distribute"]
    assert services["join"]["depends_on"] == {
        node: {"condition": "service_healthy"} for node in ("coordinator", "worker-1", "worker-2")
    }
    order = {"migrate": "join", "distribute": "migrate", "server-1": "distribute", "server-2": "distribute"}
    for name, before in order.items():
        assert services[name]["depends_on"] == {before: {"condition": "service_completed_successfully"}}


def test_each_worker_is_added_to_the_coordinator(services: dict[str, Any]) -> None:
    told = " ".join(services["join"]["command"])
    for name in services:
        if name.startswith("worker-"):
            assert f"citus_add_node('{name}', 5432)" in told
    assert "citus_set_coordinator_host('coordinator', 5432)" in told


def test_only_the_balancer_is_published_and_only_to_this_machine(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["balancer"]
    assert services["balancer"]["ports"][0].startswith("${HANDLEWATCH_LISTEN:-127.0.0.1}:")


def test_every_server_is_behind_the_balancer(services: dict[str, Any]) -> None:
    behind = {name for name, service in services.items() if service.get("command", [""])[0] == "serve"}
    command = services["balancer"]["command"]
    assert {command[at + 1] for at, word in enumerate(command) if word == "--to"} == {f"{name}:8765" for name in behind}
    assert set(services["balancer"]["depends_on"]) == behind
