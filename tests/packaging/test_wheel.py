"""The wheel, installed in an empty environment elsewhere: it serves its pages with every file they name."""

import re
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.packaging.conftest import ROOT, Installed

CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
STARTS_WITHIN = 30.0


@pytest.fixture(scope="module")
def server(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `handlewatch serve`, with a user named ann."""
    data = tmp_path_factory.mktemp("data")
    environment = installed.environment(data)
    handlewatch = installed.programs / "handlewatch"
    for arguments in (["db", "upgrade"], ["user", "create", "ann", "--role", "admin", "--password-stdin"]):
        done = subprocess.run(
            [handlewatch, *arguments],
            cwd=installed.elsewhere,
            env=environment,
            input="correct horse battery\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    log = data / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [handlewatch, "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=installed.elsewhere,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address, process, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Of nobody."""
    with httpx.Client(timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def signed_in(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=20) as client:
        answer = client.post("/login", data={"user": "ann", "password": "correct horse battery"})
        assert answer.status_code == 303, answer.text
        yield client


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    with httpx.Client() as client:
        while time.monotonic() < until and process.poll() is None:
            try:
                if client.get(f"{address}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    pytest.fail(f"the server did not become ready:\n{log.read_text()}")


def named_files(page: str) -> set[str]:
    return set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))


def test_the_wheel_carries_everything_that_is_not_python(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").rglob("*.html")}
    here |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "migrations").rglob("*.py")}
    assert {f"server/_data/{name}" for name in here} <= names
    static = {path.relative_to(ROOT).as_posix() for path in (ROOT / "server" / "static").rglob("*") if path.is_file()}
    static |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "server" / "signatures").glob("*.yaml")}
    assert static <= names


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} - {"server", "collector"} == {f"{distribution(wheel)}.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".db", ".map"))]


def distribution(wheel: Path) -> str:
    return "-".join(wheel.name.split("-")[:2])


@pytest.mark.parametrize("program", ["handlewatch", "handlewatch-collector"])
def test_both_programs_start_from_any_directory(installed: Installed, tmp_path: Path, program: str) -> None:
    done = subprocess.run(
        [installed.programs / program, "--help"],
        cwd=installed.elsewhere,
        env=installed.environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


def test_the_sign_in_page_comes_with_every_file_it_names(client: httpx.Client, server: str) -> None:
    page = client.get(f"{server}/login")
    assert page.status_code == 200
    named = named_files(page.text)
    assert {Path(name.partition("?")[0]).suffix for name in named} >= {".css", ".js"}
    assert {name: client.get(server + name).status_code for name in named} == dict.fromkeys(named, 200)


def test_every_static_file_is_served_as_what_it_is(client: httpx.Client, server: str, installed: Installed) -> None:
    paths = [path for path in installed.static.rglob("*") if path.suffix in CONTENT_TYPES]
    assert len(paths) >= 8
    for path in paths:
        answer = client.get(f"{server}/static/{path.relative_to(installed.static).as_posix()}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].partition(";")[0] == CONTENT_TYPES[path.suffix], path
        assert answer.content == path.read_bytes(), path


def test_what_style_sheets_and_modules_name_is_there(client: httpx.Client, server: str, installed: Installed) -> None:
    own = [path for path in installed.static.rglob("*") if path.suffix in (".css", ".js") and ".min." not in path.name]
    for path in [*own, *installed.static.rglob("*.css")]:
        address = f"{server}/static/{path.relative_to(installed.static).as_posix()}"
        text = path.read_text()
        pattern = (
            r"""url\(["']?(?!data:|#)([^"')]+)""" if path.suffix == ".css" else r"""^import [^;]*?["'](\.[^"']+)"""
        )
        for name in re.findall(pattern, text, re.M):
            assert client.get(urljoin(address, name)).status_code == 200, (address, name)


@pytest.mark.parametrize("path", ["/", "/hosts/add", "/signatures", "/signatures/v3-pro", "/docs"])
def test_a_page_comes_with_every_file_it_names(signed_in: httpx.Client, path: str) -> None:
    page = signed_in.get(path)
    assert page.status_code == 200, page.text
    named = named_files(page.text)
    assert named
    assert {name: signed_in.get(name).status_code for name in named} == dict.fromkeys(named, 200)


def test_the_collector_can_be_fetched(client: httpx.Client, server: str) -> None:
    file = client.get(f"{server}/downloads/handlewatch-collector.pyz")
    assert file.status_code == 200
    checksum = client.get(f"{server}/downloads/handlewatch-collector.pyz.sha256").text
    assert checksum.split()[1] == "handlewatch-collector.pyz"
    assert len(checksum.split()[0]) == 64
