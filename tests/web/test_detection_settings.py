"""`/settings/detection`: who may set how soon to speak of programs, and what is said of mistakes."""

import re
from typing import Any

import pytest

from server.access.principals import Role
from server.store.sensitivities import sensitivity_rows
from tests.serving import Served

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
