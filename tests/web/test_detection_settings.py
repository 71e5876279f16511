"""`/settings/detection`: who may set how soon to speak of programs, and what is said of mistakes."""

import re
from typing import Any

import pytest

from server.access.principals import Role
from server.store import fleet
from server.store.sensitivities import sensitivity_rows
from tests.serving import Served
from tests.store.leaking import NOW, a_leak, add_host, add_leaks

from .client import Client
from .test_pages import HTML, signed_in, text

PATH = "/settings/detection"


@pytest.fixture
def alice(served: Served) -> Client:
    return signed_in(served, "Alice", Role.OPERATOR)


def send(client: Client, path: str = PATH, **fields: str) -> Any:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(PATH, headers=HTML).text)
    assert token is not None
    return client.post(path, data={"csrf_token": token[1], **fields}, headers=HTML)


def kept(served: Served) -> list[tuple[str, str | None, str | None, str]]:
    with served.database.read() as connection:
        return [(row.program, row.label_key, row.label_value, row.level) for row in sensitivity_rows(connection)]


def test_without_any_the_page_says_that_none_is_needed(alice: Client) -> None:
    said = text(alice.get(PATH, headers=HTML).text)
    assert "Good results need no setting" in said
    assert "every program is judged alike" in said


def test_a_program_is_made_quiet_where_a_label_says_so(served: Served, alice: Client) -> None:
    answer = send(alice, program="java", label="role:build", level="quiet")
    assert answer.status_code == 303
    assert kept(served) == [("java", "role", "build", "quiet")]
    said = text(alice.get(answer.headers["location"], headers=HTML).text)
    assert "Saved: java on hosts with role:build is not reported any more." in said
    assert "by Alice" in said


def test_what_a_quiet_program_hides_is_counted_listed_and_brought_back(served: Served, alice: Client) -> None:
    with served.database.write() as connection:
        add_host(connection, 1, "web-01", labels={"role": "build"})
        add_host(connection, 2, "web-02")
        rows = [a_leak(1, 1), a_leak(1, 2, program="node"), a_leak(2, 1)]
        add_leaks(connection, *rows, a_leak(1, 3, state="resolved", resolved_us=NOW))
    page = alice.get(send(alice, program="java", label="role:build", level="quiet").headers["location"], headers=HTML)
    assert "java on hosts with role:build is not reported any more. It hides 1 open leak" in text(page.text)
    address = re.search(r'href="(/leaks\?[^"]+)">1 open leak</a>', page.text)
    assert address is not None
    hidden = alice.get(address[1].replace("&amp;", "&"), headers=HTML).text
    assert re.findall(r'data-leak="([^"]+)"', hidden) == ["1-1"]
    assert alice.get("/leaks/1-1", headers=HTML).status_code == 200
    assert re.findall(r'data-leak="([^"]+)"', alice.get("/leaks", headers=HTML).text) == ["1-2", "2-1"]
    with served.database.read() as connection:
        assert fleet.find_host(connection, "web-01").leaks == 1
    number = re.search(r'name="id" value="(\d+)">Undo', page.text)
    assert number is not None
    send(alice, f"{PATH}/remove", id=number[1])
    assert {"1-1", "1-2", "2-1"} == set(re.findall(r'data-leak="([^"]+)"', alice.get("/leaks", headers=HTML).text))


def test_an_exception_brings_back_what_a_wider_setting_hid(served: Served, alice: Client) -> None:
    with served.database.write() as connection:
        for number in (1, 2):
            add_host(connection, number, f"web-{number}", labels={"role": "db"} if number == 2 else {})
            add_leaks(connection, a_leak(number, 1))
    send(alice, program="j*", label="", level="quiet")
    assert "hides 2 open leaks" in text(alice.get(PATH, headers=HTML).text)
    send(alice, program="java", label="role:db", level="normal")
    assert "hides 1 open leak" in text(alice.get(PATH, headers=HTML).text)
    assert 'data-leak="2-1"' in alice.get("/leaks", headers=HTML).text


def test_what_was_removed_can_be_added_again(served: Served, alice: Client) -> None:
    send(alice, program="backup*", label="", level="high")
    number = re.search(r'name="id" value="(\d+)"', alice.get(PATH, headers=HTML).text)
    assert number is not None
    answer = send(alice, f"{PATH}/remove", id=number[1])
    assert kept(served) == []
    page = alice.get(answer.headers["location"], headers=HTML).text
    assert "Removed the setting of backup*" in page
    assert 'name="program" value="backup*"' in page
    assert re.search(r'value="high" checked', page)


@pytest.mark.parametrize("number", ["", "99"])
def test_removing_what_is_gone_does_nothing(served: Served, alice: Client, number: str) -> None:
    send(alice, program="java", label="", level="low")
    assert send(alice, f"{PATH}/remove", id=number).status_code == 303
    assert len(kept(served)) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"program": "", "level": "quiet"}, "The program must have 1 to"),
        ({"program": "java", "label": "build", "level": "quiet"}, "The label must be written key:value."),
        ({"program": "java", "level": "mute"}, "The level must be one of"),
        ({"program": "x" * 5_000, "level": "quiet"}, "The program must have 1 to"),
    ],
)
def test_a_mistake_is_said_at_the_form_which_keeps_what_was_typed(
    served: Served, alice: Client, fields: dict[str, str], words: str
) -> None:
    answer = send(alice, **fields)
    assert answer.status_code == 422
    assert words in text(answer.text)
    assert f'name="program" value="{fields["program"][:1024]}"' in answer.text
    assert kept(served) == []


def test_a_link_fills_in_the_form(alice: Client) -> None:
    page = alice.get(f"{PATH}?program=java&label=a:b&level=low", headers=HTML).text
    assert 'name="program" value="java"' in page
    assert 'value="low" checked' in page


def test_a_viewer_looks_and_changes_nothing(served: Served) -> None:
    bob = signed_in(served, "Bob", Role.VIEWER)
    page = bob.get(PATH, headers=HTML).text
    assert "may look but not change" in page
    assert 'name="program"' not in page
    assert send(bob, program="java", level="quiet").status_code == 403
    assert kept(served) == []


def test_a_forged_form_changes_nothing(served: Served, alice: Client) -> None:
    for path in (PATH, f"{PATH}/remove"):
        assert alice.post(path, data={"program": "java", "level": "quiet"}, headers=HTML).status_code == 403
    assert kept(served) == []
