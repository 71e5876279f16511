"""The sign-in page and the cookie it gives."""

import threading
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from server.access.principals import Role
from server.access.sessions import make_sign_in_link
from server.access.sign_in import SignIn
from server.access.throttle import FREE_TRIES
from server.analysis.instants import HOUR
from server.store.database import Database
from server.web import guard
from tests.access.people import NOW, PASSWORDS, add_person
from tests.web.client import Client


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "now_us", lambda: NOW)


@pytest.fixture
def bob(database: Database) -> int:
    return add_person(database, "Bob", Role.VIEWER)


def submit(client: Client, password: str = PASSWORDS["Bob"], *, user: str = "Bob", next: str = "/") -> httpx.Response:
    return client.post("/login", data={"user": user, "password": password, "next": next, "csrf_token": ""})


def test_bob_signs_in_and_goes_where_he_wanted(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app)
    answer = submit(client, next="/reader?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/reader?x=1")
    assert client.get("/reader").json()["name"] == "Bob"


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(guarded_app: FastAPI, bob: int) -> None:
    cookie = submit(Client(guarded_app)).headers["set-cookie"].lower()
    assert cookie.startswith("handlewatch_session=")
    assert {"httponly", "samesite=lax", "path=/", f"max-age={14 * 86_400}"} <= set(cookie.split("; "))
    assert "secure" not in cookie
    assert "domain" not in cookie


def test_over_https_the_cookie_is_secure_and_of_this_host(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app, url="https://handles.test")
    cookie = submit(client).headers["set-cookie"]
    assert cookie.startswith("__Host-handlewatch_session=")
    assert "Secure" in cookie.split("; ")
    assert client.get("/reader").status_code == 200


def test_over_https_a_plain_cookie_does_not_count(guarded_app: FastAPI, bob: int) -> None:
    plain = Client(guarded_app)
    submit(plain)
    client = Client(guarded_app, url="https://handles.test")
    client.cookies.set("handlewatch_session", plain.cookies["handlewatch_session"])
    assert client.get("/reader").status_code == 303


@pytest.mark.parametrize("target", ["//evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)"])
def test_signing_in_leads_to_no_other_site(guarded_app: FastAPI, bob: int, target: str) -> None:
    client = Client(guarded_app)
    assert "evil" not in client.get("/login", params={"next": target}).text
    assert submit(client, next=target).headers["location"] == "/"


def test_a_wrong_password_shows_the_form_again(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app)
    answer = submit(client, "a guess", user='B"<ob', next="/reader")
    assert answer.status_code == 403
    assert "fit together, or the account is disabled." in answer.text
    assert 'value="/reader"' in answer.text
    assert "B&#34;&lt;ob" in answer.text
    assert "a guess" not in answer.text
    assert "set-cookie" not in answer.headers


def test_charlie_who_has_no_account_is_told_the_same(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app)
    bobs, charlies = submit(client, "a guess"), submit(client, "a guess", user="Charlie")
    assert charlies.text.replace("Charlie", "Bob") == bobs.text
    assert charlies.status_code == bobs.status_code


def test_too_many_tries_are_told_to_wait(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app)
    for _ in range(FREE_TRIES):
        submit(client, "a guess")
    answer = submit(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "try again in 1 s" in answer.text
    assert submit(Client(guarded_app, address="192.0.2.2")).status_code == 303


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_sites_form_signs_nobody_in(guarded_app: FastAPI, bob: int, headers: dict[str, str]) -> None:
    answer = Client(guarded_app).post("/login", data={"user": "Bob", "password": PASSWORDS["Bob"]}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_no_more_of_a_form_is_read_than_a_sign_in_needs(guarded_app: FastAPI) -> None:
    client = Client(guarded_app)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/login", content=b"password=" + b"x" * 70_000, headers=kind).status_code == 413
    assert client.post("/login", content=b"a=1&" * 1_000, headers=kind).status_code == 400
    assert client.post("/login", json={"user": "Bob"}).status_code == 415
    assert client.post("/login", content=b"user=%00%ff&password=%00", headers=kind).status_code == 403


def test_a_hash_is_never_computed_on_the_event_loop(
    guarded_app: FastAPI, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    real = SignIn.with_password

    def watched(*arguments: object, **named: object) -> str:
        threads.append(threading.current_thread().name)
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(SignIn, "with_password", watched)
    submit(Client(guarded_app))
    assert [name.startswith("sign-in") for name in threads] == [True]


def test_whoever_is_signed_in_needs_no_form(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app)
    submit(client)
    answer = client.get("/login?next=/reader")
    assert (answer.status_code, answer.headers["location"]) == (303, "/reader")


def test_signing_out_ends_the_session_for_good(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app)
    submit(client)
    secret = client.cookies["handlewatch_session"]
    form = {"csrf_token": client.get("/reader").json()["csrf_token"]}
    assert client.post("/logout", data=form).headers["location"] == "/login"
    assert "handlewatch_session" not in client.cookies
    client.cookies.set("handlewatch_session", secret)
    assert client.get("/reader").status_code == 303


def test_signing_out_needs_the_form_of_our_page(guarded_app: FastAPI, bob: int) -> None:
    client = Client(guarded_app)
    submit(client)
    assert client.post("/logout").status_code == 403
    assert client.get("/reader").status_code == 200


def link(database: Database, user_id: int) -> str:
    with database.write() as connection:
        return make_sign_in_link(connection, user_id, NOW, NOW + HOUR)


def test_a_sign_in_link_opens_the_dashboard(guarded_app: FastAPI, database: Database, bob: int) -> None:
    path = f"/login?key={link(database, bob)}"
    for _ in range(2):
        client = Client(guarded_app)
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert client.get("/reader").json()["name"] == "Bob"


def test_a_link_that_is_not_valid_shows_the_form_and_says_so(
    guarded_app: FastAPI, database: Database, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = link(database, bob)
    monkeypatch.setattr(guard, "now_us", lambda: NOW + HOUR)
    for path in (f"/login?key={key}", "/login?key=x", "/login?key="):
        answer = Client(guarded_app).get(path)
        assert answer.status_code == 403
        assert "This sign-in link is not valid" in answer.text
        assert "set-cookie" not in answer.headers


def test_behind_a_proxy_with_https_the_cookie_is_secure(make_guarded_app: Callable[[str], FastAPI], bob: int) -> None:
    client = Client(make_guarded_app("https://handles.example.com"), url="http://handles.example.com")
    assert "Secure" in submit(client).headers["set-cookie"].split("; ")
