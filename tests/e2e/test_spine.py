"""From a real machine's handles to a page that shows them: real server, real collector, real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.processes import Leaker, Server, running_collector, running_leaker, running_server, wait_for

NT = Path(__file__).parent.parent / "wire" / "push-1.json"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    with running_server(database_url, tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of Ann's, signed in through the form; whatever the console complains of fails the test."""
    server.command("user", "create", "ann", "--role", "admin", "--password-stdin", given="correct horse battery\n")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.url)
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server.url}/")
    yield page
    page.close()
    assert complaints == []


def eventfds(server: Server, token: str, leaker: Leaker) -> list[int | None]:
    """The leaker's eventfds over time, by the series call."""
    answer = server.get("/api/v1/hosts/spine-1/series?by=process&type=eventfd", token)
    if answer.status_code == 404:
        return []
    found: list[dict[str, Any]] = answer.json()["series"]
    return next((line["last"] for line in found if line["key"]["pid"] == leaker.pid), [])


@pytest.mark.browser
def test_five_hundred_leaked_eventfds_are_seen_rising(server: Server, page: Page, tmp_path: Path) -> None:
    enrol = server.command("token", "create", "spine", "--scope", "enroll")
    reader = server.command("token", "create", "spine", "--scope", "read")
    with running_leaker() as leaker, running_collector(server, enrol, tmp_path / "state", host="spine-1"):
        leaker.leak(20)
        assert wait_for(lambda: 20 in eventfds(server, reader, leaker))
        for _ in range(5):
            leaker.leak(100)
        assert wait_for(lambda: 520 in eventfds(server, reader, leaker))
        seen = [count for count in eventfds(server, reader, leaker) if count is not None]
        assert seen == sorted(seen)
        name = server.get("/api/v1/hosts/spine-1/processes", reader).json()["processes"]
        program = next(one["program"] for one in name if one["pid"] == leaker.pid)
        page.goto(f"{server.url}/")
        page.get_by_role("link", name="spine-1").first.click()
        page.get_by_role("heading", name="spine-1").wait_for()
        page.goto(f"{server.url}/hosts/spine-1?program={program}&by=type")
        assert page.locator("tr[data-label='eventfd'] [data-stat='max']").inner_text().replace(",", "") >= "520"
        page.locator(".uplot canvas").wait_for()


@pytest.mark.browser
def test_the_nt_4_example_is_on_the_list(server: Server, page: Page) -> None:
    relay = server.command("token", "create", "relay", "--scope", "relay")
    reader = server.command("token", "create", "reader", "--scope", "read")
    body = json.loads(NT.read_text())
    sent = httpx.post(
        f"{server.url}/api/v1/snapshots",
        content=json.dumps({**body, "sent_at": None}).encode(),
        headers={"Authorization": f"Bearer {relay}", "Content-Type": "application/json"},
    )
    assert sent.json()["accepted"] == 1
    assert wait_for(lambda: server.get("/api/v1/status", reader).json()["pending_hosts"] == 0)
    listed = server.get("/api/v1/signatures/v3-pro/hosts", reader).json()["items"]
    assert [(one["host"], one["program"], one["handles"], one["applies_to"]) for one in listed] == [
        ("NTBK01", "ntbackup.exe", 11950, True)
    ]
    page.goto(f"{server.url}/signatures/v3-pro")
    row = page.locator("tr[data-host='NTBK01']")
    assert row.get_attribute("data-level") == "present"
    assert "11,950" in row.inner_text()
    assert "5.0" in row.inner_text()
