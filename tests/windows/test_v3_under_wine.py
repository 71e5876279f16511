"""The article's own machine: a backup program on Windows leaks V3SOCKHOOK events, and the page of V3 Pro shows it."""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.access.principals import Scope
from tests.conftest import NewDatabase
from tests.e2e.processes import Server, running_server, wait_for
from tests.windows.programs import LEAKER, NT4
from tests.windows.wine import Wine, running

COLLECTOR = "collector-nt4.exe"
DOWNLOAD = "handlewatch-collector.pyz"


@pytest.fixture
def server(new_database: NewDatabase, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    with new_database("sqlite", folder) as url, running_server(url, folder) as server:
        yield server


@contextmanager
def nt4_with_v3(wine: Wine) -> Iterator[None]:
    with running(wine, "-c", NT4, COLLECTOR) as keys:
        assert line_of(keys) == "ready"
        try:
            yield
        finally:
            assert keys.stdin is not None
            keys.stdin.close()
            assert line_of(keys) == "restored"


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leak(leaker: "subprocess.Popen[str]", count: int) -> int:
    """How many it holds after that."""
    assert leaker.stdin is not None
    leaker.stdin.write(f"{count}\n")
    leaker.stdin.flush()
    return int(line_of(leaker))


def downloaded(server: Server, folder: Path) -> Path:
    content = httpx.get(f"{server.url}/downloads/{DOWNLOAD}").content
    checksum = httpx.get(f"{server.url}/downloads/{DOWNLOAD}.sha256").text
    assert checksum.split() == [hashlib.sha256(content).hexdigest(), DOWNLOAD]
    path = folder / DOWNLOAD
    path.write_bytes(content)
    return path


def row_of(server: Server, host: str) -> str:
    """The host's row on the signature's page, as a signed-in person sees it, without tags."""
    server.command("user", "create", "ann", "--role", "viewer", "--password-stdin", given="correct horse battery\n")
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}) as client:
        signed_in = client.post("/login", data={"user": "ann", "password": "correct horse battery"})
        assert signed_in.status_code == 303, signed_in.text
        page = client.get("/signatures/v3-pro").text
    row = re.search(rf'<tr[^>]*data-host="{host}".*?</tr>', page, re.DOTALL)
    assert row is not None, page
    return re.sub(r"<[^>]*>", " ", row[0])


def test_a_backup_program_that_leaks_shows_on_the_page_of_v3_pro(wine: Wine, server: Server, tmp_path: Path) -> None:
    enrol = server.token(Scope.ENROLL)
    reader = server.token(Scope.READ)
    zipapp = wine.windows_path(downloaded(server, tmp_path))
    state = wine.windows_path(tmp_path / "state")

    def shown() -> dict[str, Any]:
        """The host's line of the signature; empty while it is not there."""
        items = server.get("/api/v1/signatures/v3-pro/hosts", reader).json()["items"]
        return next((one for one in items if one["host"] == "NTBK01" and one["handles"]), {})

    arguments = ["run", "--server", server.url, "--token", enrol, "--interval", "1", "--state", state]
    with (
        nt4_with_v3(wine),
        running(wine, "-c", LEAKER, image="ntbackup.exe") as leaker,
        running(wine, zipapp, *arguments, "--host-name", "NTBK01", image=COLLECTOR),
    ):
        pid = int(line_of(leaker))
        assert wait_for(lambda: server.get("/api/v1/hosts/NTBK01", reader).status_code == 200)
        held = leak(leaker, 300)
        assert wait_for(lambda: shown().get("handles") == held), shown()
        held = leak(leaker, 500)
        assert wait_for(lambda: shown().get("handles") == held), shown()
        row = row_of(server, "NTBK01")
        assert f"PID {pid}" in row
        assert "ntbackup.exe" in row
        assert f"{held}" in row
        line = shown()
        assert (line["program"], line["pid"], line["applies_to"]) == ("ntbackup.exe", pid, True)
        assert line["distinct"] == 1
        host = server.get("/api/v1/hosts/NTBK01", reader).json()
        assert host["os"] == {
            "family": "windows", "name": "Windows NT Server", "version": "4.0.1381", "service_pack": "6a"
        }  # fmt: skip
        assert {"name": "V3 Pro 2000 Deluxe", "vendor": "AhnLab", "version": "5.0"} in host["software"]
        assert any(one["vendor"] and one["version"] for one in host["services"]), host["services"]
        processes = server.get("/api/v1/hosts/NTBK01/processes", reader).json()["processes"]
        ours = next(one for one in processes if one["pid"] == pid)
        assert ours["types"]["Event"] >= held
        assert ours["limit"] == 16_777_216
        assert ours["exe"].lower().endswith("\\ntbackup.exe")
