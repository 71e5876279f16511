"""The compose file and the image's recipe, as far as they can be checked where no container engine runs."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector import config

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


def instructions(name: str) -> list[str]:
    """The arguments of every instruction of that name, continuation lines joined."""
    joined = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in joined.splitlines() if line.startswith(name + " ")]


def test_the_compose_file_follows_the_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_database_is_migrated_before_the_server_starts(services: dict[str, Any]) -> None:
    assert services["migrate"]["command"] == ["db", "upgrade"]
    assert services["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["server"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_no_password_has_a_default() -> None:
    variables = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE.read_text())
    assert {name for name, rest in variables if not rest.startswith((":?", ":-"))} == set()
    assert {rest[:2] for name, rest in variables if "PASSWORD" in name} == {":?"}
    assert [rest for name, rest in variables if "TOKEN" in name] == [":-"]


def test_only_the_server_is_published_and_only_to_this_machine(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["server"]
    assert services["server"]["ports"][0].startswith("${HANDLEWATCH_LISTEN:-127.0.0.1}:")


def test_the_collector_is_optional_and_may_look_but_not_write(services: dict[str, Any]) -> None:
    collector = services["collector"]
    assert collector["profiles"] == ["collector"]
    assert collector["pid"] == "host"
    assert collector["read_only"] is True
    assert (collector["cap_drop"], collector["cap_add"]) == (["ALL"], ["SYS_PTRACE", "DAC_READ_SEARCH"])


def test_the_collector_is_told_where_it_is_by_settings_it_has(services: dict[str, Any]) -> None:
    named = set(services["collector"]["environment"])
    known = {setting.env for setting in (*config.RUNNING, *config.READING, config.STATE)}
    assert named <= known


def test_the_image_runs_as_an_ordinary_user_with_a_fixed_number() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert "--uid 10001 " in DOCKERFILE.read_text()


def test_the_image_serves_on_the_port_it_names() -> None:
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["handlewatch"]
    assert json.loads(instructions("CMD")[0]) == ["serve", "--host", "0.0.0.0"]
    assert instructions("EXPOSE") == ["8765"]


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that gives every request that status; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_image_is_healthy_when_the_server_is_ready(status: int, code: int) -> None:
    command = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    with answering(status) as port:
        program = command[2].replace("8765", str(port))
        done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, timeout=30)
    assert done.returncode == code, done.stderr
