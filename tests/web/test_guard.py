"""Who gets through to what, and what the others are told."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import Depends, FastAPI

from server.access import users
from server.access.principals import Role, Scope
from server.access.sessions import open_session
from server.analysis.instants import DAY
from server.store.database import Database
from server.web import guard
from tests.access.people import NOW, add_person, token
from tests.web.anonymous import routes_that_answer_anybody
from tests.web.client import Client


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "now_us", lambda: NOW)


def signed_in(app: FastAPI, database: Database, name: str, role: Role) -> Client:
    user_id = add_person(database, name, role)
    with database.write() as connection:
        secret = open_session(connection, user_id, now_us=NOW, expires_us=NOW + DAY)
    client = Client(app)
    client.cookies.set("handlewatch_session", secret)
    return client


def csrf_token(client: Client) -> str:
    return str(client.get("/reader").json()["csrf_token"])


# --- Charlie, who has no account ---------------------------------------------------------------------------------


def test_nothing_answers_anybody_but_what_is_on_the_list(guarded_app: FastAPI) -> None:
    assert routes_that_answer_anybody(guarded_app) == []


def test_a_route_without_a_guard_is_found(guarded_app: FastAPI) -> None:
    guarded_app.add_api_route("/open", lambda: "hello")
    guarded_app.add_api_route("/api/v1/open/{name}", lambda: "hello", methods=["DELETE"])
    assert routes_that_answer_anybody(guarded_app) == ["GET /open: 200", "DELETE /api/v1/open/x: 200"]


@pytest.mark.parametrize("path", ["/reader?a=1&b=%20%26", "/echo/a%2Fb%20c?q=%C3%A9"])
def test_a_page_asks_to_sign_in_and_remembers_itself(guarded_app: FastAPI, path: str) -> None:
    answer = Client(guarded_app).get(path)
    assert answer.status_code == 303
    location = urlsplit(answer.headers["location"])
    assert (location.path, parse_qs(location.query)["next"]) == ("/login", [path])


def test_a_path_that_leads_elsewhere_is_not_remembered(guarded_app: FastAPI) -> None:
    guarded_app.add_api_route("/{anything:path}", lambda: "", dependencies=[Depends(guard.reader)])
    answer = Client(guarded_app).get("http://handles.test//evil.test")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/")


def test_a_refresh_by_htmx_leaves_the_page_as_a_whole(guarded_app: FastAPI) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://handles.test/hosts/a?range=1h"}
    answer = Client(guarded_app).get("/reader", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=/hosts/a%3Frange%3D1h"


@pytest.mark.parametrize("path", ["/reader", "/api/v1/reader", "/api/v1/push"])
def test_a_wrong_token_is_a_401_everywhere(guarded_app: FastAPI, path: str) -> None:
    method = "POST" if path.endswith("push") else "GET"
    answer = Client(guarded_app, token="hw_charlie").request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert "not known" in answer.json()["detail"]


def test_a_made_up_cookie_is_nobody(guarded_app: FastAPI) -> None:
    charlie = Client(guarded_app)
    charlie.cookies.set("handlewatch_session", "x" * 43)
    assert charlie.get("/reader").status_code == 303
    assert charlie.get("/api/v1/reader").status_code == 401


# --- Bob, who may look, and Alice, who may do --------------------------------------------------------------------

STATUS = {
    Role.VIEWER: (200, 403, 403),
    Role.OPERATOR: (200, 200, 403),
    Role.ADMIN: (200, 200, 200),
}


@pytest.mark.parametrize("role", STATUS)
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_a_person_gets_as_far_as_the_role_goes(
    guarded_app: FastAPI, database: Database, role: Role, prefix: str
) -> None:
    bob = signed_in(guarded_app, database, "Bob", role)
    found = [bob.get(f"{prefix}/{level}").status_code for level in ("reader", "operator", "admin")]
    assert tuple(found) == STATUS[role]


def test_a_refusal_says_what_is_missing(guarded_app: FastAPI, database: Database) -> None:
    detail = signed_in(guarded_app, database, "Bob", Role.VIEWER).get("/operator").json()["detail"]
    assert "operator or admin" in detail
    assert "Bob has viewer" in detail


def test_a_disabled_person_is_out_at_once(guarded_app: FastAPI, database: Database) -> None:
    bob = signed_in(guarded_app, database, "Bob", Role.VIEWER)
    assert bob.get("/reader").status_code == 200
    with database.write() as connection:
        users.disable_user(connection, "Bob", NOW)
    assert bob.get("/reader").status_code == 303


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope.READ, (200, 403)),
        (Scope.ADMIN, (200, 200)),
        (Scope.RELAY, (403, 403)),
        (Scope.ENROLL, (403, 403)),
        (Scope.HOST, (403, 403)),
    ],
)
def test_a_token_gets_as_far_as_its_scope_goes(
    guarded_app: FastAPI, database: Database, scope: Scope, expected: tuple[int, int]
) -> None:
    secret = token(database, scope, host_name="NTBK01" if scope is Scope.HOST else None)
    client = Client(guarded_app, token=secret)
    assert (client.get("/api/v1/reader").status_code, client.post("/api/v1/admin").status_code) == expected
    assert client.post("/api/v1/push").status_code == 200  # whose data it may send is the route's own question


# --- forged requests ---------------------------------------------------------------------------------------------


def test_a_form_with_its_token_is_taken(guarded_app: FastAPI, database: Database) -> None:
    alice = signed_in(guarded_app, database, "Alice", Role.OPERATOR)
    assert alice.post("/operator", data={"csrf_token": csrf_token(alice)}).status_code == 200
    assert alice.post("/api/v1/operator", headers={"X-CSRF-Token": csrf_token(alice)}).status_code == 200


def test_a_form_with_a_file_is_taken(guarded_app: FastAPI, database: Database) -> None:
    alice = signed_in(guarded_app, database, "Alice", Role.OPERATOR)
    answer = alice.post("/operator", data={"csrf_token": csrf_token(alice)}, files={"dump": b"x" * 2_000_000})
    assert answer.status_code == 200


@pytest.mark.parametrize("given", [{}, {"csrf_token": ""}, {"csrf_token": "0" * 64}, {"csrf_token": "é"}])
def test_a_form_without_its_token_is_refused(guarded_app: FastAPI, database: Database, given: dict[str, str]) -> None:
    alice = signed_in(guarded_app, database, "Alice", Role.OPERATOR)
    for path in ("/operator", "/api/v1/operator", "/logout"):
        assert alice.post(path, data=given).status_code == 403


def test_another_sessions_token_does_not_fit(guarded_app: FastAPI, database: Database) -> None:
    alice = signed_in(guarded_app, database, "Alice", Role.OPERATOR)
    bob = signed_in(guarded_app, database, "Bob", Role.OPERATOR)
    assert alice.post("/operator", data={"csrf_token": csrf_token(bob)}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://handles.test"}, 403),
        ({"Origin": "http://handles.test"}, 200),
        ({"Origin": "http://handles.test:80"}, 200),
        ({"Origin": "http://HANDLES.test"}, 200),
        ({"Origin": "http://handles.test:8080"}, 403),
        ({"Origin": "http://handles.test.evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
def test_a_request_from_another_sites_page_is_refused(
    guarded_app: FastAPI, database: Database, headers: dict[str, str], expected: int
) -> None:
    alice = signed_in(guarded_app, database, "Alice", Role.OPERATOR)
    answer = alice.post("/operator", data={"csrf_token": csrf_token(alice)}, headers=headers)
    assert answer.status_code == expected


def test_the_public_address_counts_as_ours(make_guarded_app: Callable[[str], FastAPI], database: Database) -> None:
    alice = signed_in(make_guarded_app("https://handles.example.com"), database, "Alice", Role.OPERATOR)
    form = {"csrf_token": csrf_token(alice)}
    assert alice.post("/operator", data=form, headers={"Origin": "https://handles.example.com"}).status_code == 200
    assert alice.post("/operator", data=form, headers={"Origin": "https://evil.test"}).status_code == 403


def test_a_token_needs_no_csrf_token_and_outweighs_the_cookie(guarded_app: FastAPI, database: Database) -> None:
    alice = signed_in(guarded_app, database, "Alice", Role.ADMIN)
    secret = token(database, Scope.READ)
    answer = alice.post("/api/v1/admin", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403
    assert Client(guarded_app, token=secret).post("/api/v1/reader").status_code == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/hosts/a?x=1", "/hosts/a?x=1"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("hosts", "/"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("/\t/evil.test", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("https://evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("/login?next=/login", "/"),
        ("/logout", "/"),
    ],
)
def test_only_a_path_of_our_own_is_gone_to(text: str | None, expected: str) -> None:
    assert guard.local_path(text) == expected


def test_the_clock_counts_in_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1_700_000_000 < guard.now_us() / 1_000_000 < 10_000_000_000
