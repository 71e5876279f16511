"""From dump files to the list of machines that show V3 Pro: real server, real relay, files as NT 4.0 writes them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from server.access.principals import Scope
from tests.conftest import NewDatabase
from tests.e2e.processes import Server, running_server, wait_for
from tests.e2e.test_spine import CHROMIUM_ARGUMENTS

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "nt4.md"
PSLIST = """PsList v1.12 - Process Information Lister
Copyright (C) 1999-2000 Mark Russinovich
Systems Internals - http://www.sysinternals.com

Process information for NTBK01:

Name         Pid Pri Thd  Hnd    Mem     User Time   Kernel Time   Elapsed Time
Idle           0   0   1    0     16   0:00:00.000  31:22:10.578    37:35:01.000
System         2   8  32  104    200   0:00:00.000   0:01:10.000    37:35:01.000
ntbackup     187   8   6 {handles:>5}   9484   0:05:02.412   0:06:00.000     6:12:44.031
"""
HANDLE = """Handle v3.2
Copyright (C) 1997-2006 Mark Russinovich
Sysinternals - www.sysinternals.com

------------------------------------------------------------------------------
System pid: 2 \\<unable to open process>
   18: File  (---)   C:\\WINNT\\system32\\config\\SYSTEM
------------------------------------------------------------------------------
ntbackup.exe pid: 187 NTBK01\\Administrator
   1C: File  (RW-)   C:\\WINNT\\system32
   70: Key           HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion
"""
HOOKS = 2_600
NT = ("--os", "windows", "--os-name", "Windows NT Server", "--os-version", "4.0.1381", "--service-pack", "6a")


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    with running_server(database_url, tmp_path) as server:
        yield server


@pytest.fixture
def any_server(new_database: NewDatabase, tmp_path: Path) -> Iterator[Server]:
    """For what only this side of the wire does: on one kind of database."""
    with new_database("sqlite", tmp_path) as url, running_server(url, tmp_path) as server:
        yield server


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def command(server: Server, token: str, *arguments: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "HANDLEWATCH_SERVER": server.url, "HANDLEWATCH_TOKEN": token}
    return subprocess.Popen(
        [sys.executable, "-m", "collector", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@contextmanager
def relaying(server: Server, token: str, drop: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = command(server, token, "relay", str(drop), "--every", "0.2", *NT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=15)
        assert process.returncode == 0, said.decode()
        assert b"Traceback" not in said


def dropped(drop: Path, name: str, content: str, *, age_s: float = 0) -> None:
    """As the batch file does: written under another name, then renamed."""
    unfinished = drop / f"{name}.tmp"
    unfinished.write_bytes(content.replace("\n", "\r\n").encode())
    at = time.time() - age_s
    os.utime(unfinished, (at, at))
    unfinished.rename(drop / name)


def handle_a(hooks: int = HOOKS) -> str:
    rows = (
        f"{number:>6X}: Event         \\BaseNamedObjects\\V3SOCKHOOK\n" for number in range(0x100, 0x100 + 4 * hooks, 4)
    )
    return HANDLE + "".join(rows)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def listed(server: Server, reader: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = server.get("/api/v1/signatures/v3-pro/hosts", reader).json()["items"]
    return items


def test_an_nt_4_machine_gets_on_the_list_from_files_alone(server: Server, drop: Path) -> None:
    relay = server.token(Scope.RELAY)
    reader = server.token(Scope.READ)
    with relaying(server, relay, drop):
        dropped(drop, "NTBK01~1.txt", PSLIST.format(handles=312), age_s=7200)
        dropped(drop, "NTBK01~2.txt", PSLIST.format(handles=2650), age_s=3600)
        assert wait_for(lambda: len(names(drop / "done")) == 2)
        host = server.get("/api/v1/hosts/ntbk01", reader).json()
        assert (host["handles"], host["os"]["service_pack"]) == (2754, "6a")
        assert host["collector"]["source"] == "import:pslist"
        assert listed(server, reader) == []
        page = server.get("/hosts/NTBK01", reader).text
        assert "ntbackup.exe rose from 312 to 2,650 handles" in page
        assert "Q276525" in page
        assert 'href="/import?host=NTBK01"' in page
        dropped(drop, "NTBK01~names.txt", handle_a())
        assert wait_for(lambda: listed(server, reader))
    [found] = listed(server, reader)
    assert (found["host"], found["program"], found["pid"], found["handles"]) == ("NTBK01", "ntbackup.exe", 187, HOOKS)
    assert found["applies_to"] is True
    assert found["level"] in ("present", "leaking")
    assert "take one handle -a" not in server.get("/hosts/NTBK01", reader).text


def test_the_batch_file_of_the_guide_writes_names_that_the_relay_takes(any_server: Server, drop: Path) -> None:
    batch = GUIDE.read_text().partition("```bat\n")[2].partition("```")[0]
    [(unfinished, finished)] = re.findall(r"^ren %DROP%\\(\S+) (\S+)$", batch, re.MULTILINE)
    assert f"pslist > %DROP%\\{unfinished}\n" in batch
    relay = any_server.token(Scope.RELAY)
    fill = {"%COMPUTERNAME%": "NTBK01", "%N%": "7"}
    for part, value in fill.items():
        unfinished, finished = unfinished.replace(part, value), finished.replace(part, value)
    with relaying(any_server, relay, drop):
        (drop / unfinished).write_text(PSLIST.format(handles=312))
        time.sleep(1)
        assert names(drop) == [unfinished, "done", "rejected"]
        (drop / unfinished).rename(drop / finished)
        assert wait_for(lambda: names(drop / "done") == [finished])


def test_files_wait_for_a_server_that_is_away(server: Server, drop: Path) -> None:
    relay = server.token(Scope.RELAY)
    reader = server.token(Scope.READ)
    server.kill()
    with relaying(server, relay, drop):
        dropped(drop, "NTBK01_20260101T000000Z.txt", PSLIST.format(handles=1))
        dropped(drop, "NTBK01_20260101T010000Z.txt", PSLIST.format(handles=2))
        time.sleep(1)
        assert names(drop / "done") == []
        server.start()
        assert wait_for(lambda: len(names(drop / "done")) == 2)
    series = server.get("/api/v1/hosts/NTBK01/series?by=program&program=ntbackup.exe", reader).json()
    assert series["series"][0]["last"] == [1, 2]


def test_a_killed_relay_neither_loses_nor_doubles(server: Server, drop: Path) -> None:
    relay = server.token(Scope.RELAY)
    reader = server.token(Scope.READ)
    for hour in range(20):
        dropped(drop, f"NTBK01_20260101T{hour:02}0000Z.txt", PSLIST.format(handles=hour))
    process = command(server, relay, "relay", str(drop), "--every", "0.2")
    assert wait_for(lambda: names(drop / "done"))
    process.kill()
    process.communicate()
    done = command(server, relay, "relay", str(drop), "--every", "0.2", "--once")
    _, said = done.communicate(timeout=60)
    assert done.returncode == 0, said.decode()
    assert len(names(drop / "done")) == 20
    series = server.get("/api/v1/hosts/NTBK01/series?by=program&program=ntbackup.exe", reader).json()
    assert series["series"][0]["last"] == list(range(20))


def test_import_says_what_was_understood_or_what_is_wrong(any_server: Server, tmp_path: Path) -> None:
    relay = any_server.token(Scope.RELAY)
    file = tmp_path / "a.txt"
    file.write_text(PSLIST.format(handles=312))
    for arguments, code, words in (
        (["--time", "2026-01-01T00:00:00Z"], 0, "stored 1 of NTBK01 (pslist): 3 processes at 2026-01-01T00:00:00Z"),
        (["--time", "2026-01-01T00:00:00Z"], 0, "1 were stored already"),
        ([], 2, "time"),
        (["--time", "2026-01-01T00:00:00Z", "--format", "nonsense"], 2, "must be one of"),
        (["--token", "wrong", "--time", "2026-01-01T00:00:00Z"], 2, "not known here"),
        (["--server", "http://127.0.0.1:9", "--time", "2026-01-01T00:00:00Z"], 1, "cannot reach"),
    ):
        process = command(any_server, relay, "import", str(file), *arguments)
        out, err = process.communicate(timeout=30)
        assert process.returncode == code, err
        assert words in (out + err).decode()


@pytest.mark.browser
def test_a_file_dropped_on_the_page_is_shown_then_stored(server: Server, tmp_path: Path) -> None:
    server.command("user", "create", "ann", "--role", "operator", "--password-stdin", given="correct horse battery\n")
    for name, hooks in (("first.txt", 3), ("second.txt", 400)):
        (tmp_path / name).write_text(handle_a(hooks))
    os.utime(tmp_path / "first.txt", (time.time() - 3600,) * 2)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(timezone_id="Asia/Seoul")
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{server.url}/login?next=/import")
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Sign in").click()
        for name in ("first.txt", "second.txt"):
            page.goto(f"{server.url}/import?host=NTBK01")
            page.set_input_files("#dump", tmp_path / name)
            page.get_by_text("Understood, not stored yet").wait_for()
            assert page.get_by_label("Taken at").input_value().endswith("+09:00")
            page.get_by_role("button", name="Store 1 reading").click()
            page.get_by_text("Stored 1 reading of NTBK01").wait_for()
        page.get_by_role("link", name="Compare ntbackup.exe").click()
        page.get_by_role("heading", name="Compare ntbackup.exe").wait_for()
        row = page.get_by_role("row", name="V3SOCKHOOK")
        assert row.locator(".num").all_inner_texts() == ["3", "400", "+397"]
        browser.close()
    assert complaints == []
