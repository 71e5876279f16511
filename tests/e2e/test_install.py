"""One line puts the collector on a machine: the script of a real server, run by a shell, and what it installed."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from collector import install_settings
from server.access.principals import Scope
from tests.conftest import NewDatabase
from tests.e2e.processes import Server, running_server, wait_for

PROGRAM = "opt/handlewatch-collector/handlewatch-collector.pyz"


@pytest.fixture(scope="module")
def server(new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: it only hands out files, and each test installs on a machine of its own."""
    folder = tmp_path_factory.mktemp("server")
    with new_database("sqlite", folder) as url, running_server(url, folder) as server:
        yield server


def run_line(server: Server, *options: str, token: str = "", fetch: str = "curl -fsSL") -> str:
    """The line that /hosts/add shows, with options after it; what it says."""
    given = f"echo HANDLEWATCH_TOKEN={token}; " if token else ""
    line = f"({given}{fetch} {server.url}/install.sh) | sh -s -- {shlex.join(options)}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def command_of(root: Path) -> tuple[list[str], dict[str, str]]:
    """The unit's command line and environment, for a system that lies in a folder."""
    unit = (root / "etc/systemd/system/handlewatch-collector.service").read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    command = shlex.split(line.removeprefix("ExecStart=").replace("/opt/", f"{root}/opt/"))
    config = root / "etc/handlewatch-collector"
    return command, {
        **install_settings.read(config / "settings.env"),
        "HANDLEWATCH_TOKEN_FILE": str(config / "token"),
        "HANDLEWATCH_STATE": str(root / "state"),
    }


def test_one_line_installs_and_what_it_installed_pushes(server: Server, tmp_path: Path) -> None:
    enrol = server.token(Scope.ENROLL)
    reader = server.token(Scope.READ)
    root = tmp_path / "machine"
    said = run_line(server, "--root", str(root), "--host-name", "fresh-1", "--interval", "1", token=enrol)
    assert enrol not in said
    assert (root / "etc/handlewatch-collector/token").stat().st_mode & 0o777 == 0o600
    command, environment = command_of(root)
    collector = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: server.get("/api/v1/hosts/fresh-1", reader).status_code == 200)
    finally:
        collector.send_signal(signal.SIGTERM)
        assert collector.wait(timeout=15) == 0


@pytest.mark.parametrize("fetch", ["curl -fsSL", "wget -qO-"])
def test_the_second_run_upgrades_and_needs_no_token(server: Server, tmp_path: Path, fetch: str) -> None:
    root = tmp_path / "machine"
    run_line(server, "--root", str(root), "--label", "site=seoul", "--rights", "counts", token="hw_first", fetch=fetch)
    (root / PROGRAM).write_bytes(b"an older one")
    run_line(server, "--root", str(root), "--interval", "30", fetch=fetch)
    assert (root / PROGRAM).read_bytes().startswith(b"#!")
    assert (root / "etc/handlewatch-collector/token").read_text() == "hw_first\n"
    assert install_settings.read(root / "etc/handlewatch-collector/settings.env") == {
        "HANDLEWATCH_INTERVAL": "30", "HANDLEWATCH_LABELS": "site=seoul", "HANDLEWATCH_SERVER": server.url
    }  # fmt: skip
    unit = (root / "etc/systemd/system/handlewatch-collector.service").read_text()
    assert "\nAmbientCapabilities=\n" in unit


def test_uninstall_leaves_nothing(server: Server, tmp_path: Path) -> None:
    root = tmp_path / "machine"
    run_line(server, "--root", str(root), token="hw_first")
    run_line(server, "uninstall", "--root", str(root))
    assert [path for path in root.rglob("*") if not path.is_dir()] == []
    assert "nothing to remove" in run_line(server, "uninstall", "--root", str(root))


def test_a_download_that_is_not_what_the_script_belongs_to_is_not_run(server: Server, tmp_path: Path) -> None:
    script = subprocess.run(["curl", "-fsS", f"{server.url}/install.sh"], capture_output=True, text=True, timeout=30)
    bad = script.stdout.replace("\nsha256=", "\nsha256=0")
    done = subprocess.run(
        ["sh", "-s", "--", "--root", str(tmp_path / "machine")],
        input=bad, capture_output=True, text=True, timeout=60, env={**os.environ, "HANDLEWATCH_TOKEN": "hw_x"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "its SHA-256 differs" in done.stderr
    assert not (tmp_path / "machine").exists()


def test_a_machine_without_a_python_is_told_what_to_install(server: Server, tmp_path: Path) -> None:
    script = subprocess.run(["curl", "-fsS", f"{server.url}/install.sh"], capture_output=True, text=True, timeout=30)
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    text = script.stdout.replace("/usr/local/bin/python3", "")
    done = subprocess.run(
        ["/bin/sh"], input=text, capture_output=True, text=True, timeout=60, env={"PATH": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "apt-get install python3" in done.stderr


def test_from_a_package_it_installs_the_file_that_the_server_hands_out(server: Server, tmp_path: Path) -> None:
    root = tmp_path / "machine"
    done = subprocess.run(
        [sys.executable, "-m", "collector", "install", "--server", server.url, "--root", str(root)],
        capture_output=True, text=True, timeout=60, env={**os.environ, "HANDLEWATCH_TOKEN": "hw_x"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (root / PROGRAM).read_bytes() == httpx.get(f"{server.url}/downloads/handlewatch-collector.pyz").content
    launcher = root / "opt/handlewatch-collector/handlewatch-collector"
    text = launcher.read_text().replace("/opt/", f"{root}/opt/")
    version = subprocess.run(["sh", "-c", text, "sh", "--version"], capture_output=True, text=True, timeout=60)
    assert version.stdout.startswith("handlewatch-collector ")
