"""The import page, as a form without scripts: looked at first, stored after, errors in words."""

import re

import httpx
import pytest

from server.access.principals import Role
from server.analysis.instants import DAY
from tests.conftest import Clock
from tests.pushing import START_US, host_row, when
from tests.serving import Served
from tests.web.client import Client
from tests.web.test_import_api import HANDLE_A
from tests.web.test_pages import signed_in, text

HTML = {"Accept": "text/html", "Origin": "http://handles.test"}


@pytest.fixture
def running(served: Served, clock: Clock) -> Served:
    clock.now_us = START_US + DAY
    return served


@pytest.fixture
def alice(running: Served) -> Client:
    return signed_in(running, "Alice", Role.OPERATOR)


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    return found[1] if found else ""


def send(client: Client, *, content: bytes | None = None, **fields: str) -> httpx.Response:
    token = hidden(client.get("/import", headers=HTML).text, "csrf_token")
    files = {"dump": ("handles.txt", content if content is not None else b"")} if content is not None else None
    return client.post("/import", data={"csrf_token": token, "action": "look", **fields}, files=files, headers=HTML)


def test_a_file_is_shown_before_it_is_stored(running: Served, alice: Client) -> None:
    page = send(alice, content=HANDLE_A, host="NTBK01", time=when(5))
    said = text(page.text)
    assert "Understood, not stored yet" in said
    assert "ntbackup.exe 187" in said
    assert "V3SOCKHOOK 3" in said
    assert "NTBK01 is new here" in said
    assert host_row(running.database, "NTBK01") is None


def test_what_was_shown_is_stored_without_sending_the_file_again(running: Served, alice: Client) -> None:
    kept = hidden(send(alice, content=HANDLE_A, host="NTBK01", time=when(5)).text, "kept")
    page = send(alice, kept=kept, host="NTBK01", time=when(5), action="store")
    assert "Stored 1 reading of NTBK01" in text(page.text)
    assert '<a class="host-link" href="/hosts/NTBK01">' in page.text
    assert host_row(running.database, "NTBK01").processes == 2
    again = send(alice, kept=kept, host="NTBK01", time=when(5), action="store")
    assert "Nothing new for NTBK01" in text(again.text)


def test_what_the_file_does_not_tell_is_asked_for(alice: Client) -> None:
    page = send(alice, content=HANDLE_A)
    assert page.status_code == 200
    assert "Say which machine it is from and when it was taken" in text(page.text)
    assert 'value="store"' not in page.text
    assert page.text.count('aria-invalid="true"') == 2


def test_storing_what_lacks_a_host_is_refused_on_the_page(alice: Client) -> None:
    page = send(alice, content=HANDLE_A, time=when(5), action="store")
    assert page.status_code == 422
    assert 'role="alert"' in page.text


@pytest.mark.parametrize(
    ("content", "fields", "status", "words"),
    [
        (b"hello", {}, 415, "none of the formats known"),
        (b"", {}, 415, "file is empty"),
        (None, {}, 422, "Choose a file first"),
        (HANDLE_A, {"time": "2025-06-02T00:00:00"}, 422, "with its zone"),
        (HANDLE_A, {"format": "csv"}, 422, "Must be one of"),
        (b"a" * (8 * 2**20 + 1), {}, 413, "over 8 MiB"),
        (b"a" * (13 * 2**20), {}, 413, "over 8 MiB"),
        (None, {"kept": "%%%"}, 422, "Choose the file again"),
        (None, {"kept": "aGVsbG8="}, 400, "does not unpack"),
    ],
)
def test_what_is_wrong_is_said_in_words(
    alice: Client, content: bytes | None, fields: dict[str, str], status: int, words: str
) -> None:
    page = send(alice, content=content, **fields)
    assert page.status_code == status
    assert words in text(page.text)


def test_the_address_fills_in_the_form(alice: Client) -> None:
    page = alice.get('/import?host="><b>&os=windows', headers=HTML).text
    assert 'name="host" value="&#34;&gt;&lt;b&gt;"' in page
    assert '<option value="windows" selected>' in page


def test_a_viewer_is_told_who_may(running: Served) -> None:
    bob = signed_in(running, "Bob", Role.VIEWER)
    page = bob.get("/import", headers=HTML)
    assert "may look but not import" in text(page.text)
    assert 'type="file"' not in page.text
    refused = bob.post("/import", data={"csrf_token": hidden(page.text, "csrf_token")}, headers=HTML)
    assert refused.status_code == 403


def test_a_form_from_elsewhere_is_refused(alice: Client) -> None:
    files = {"dump": ("handles.txt", HANDLE_A)}
    assert alice.post("/import", data={"csrf_token": "x"}, files=files, headers=HTML).status_code == 403


def test_nobody_is_sent_to_sign_in(running: Served) -> None:
    answer = Client(running.app).post("/import", files={"dump": ("a", HANDLE_A)}, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
