"""What people say of leaks and of programs through REST: who may, what is refused, and that all or nothing is done."""

from typing import Any

import httpx
import pytest

from server.access.credentials import csrf_token
from server.access.principals import Role
from server.access.sessions import open_session
from server.analysis.instants import DAY
from tests.access.people import add_person
from tests.conftest import Clock
from tests.serving import Program, Served
from tests.store.leaking import NOW, a_leak, add_host, add_leaks

ONE = "/api/v1/leaks/1-1"
MANY = "/api/v1/leaks"
RULES = "/api/v1/sensitivities"


@pytest.fixture
def leaky(served: Served, clock: Clock) -> Served:
    clock.now_us = NOW
    with served.database.write() as connection:
        add_host(connection, 1, "web-01")
        add_leaks(connection, *[a_leak(1, i) for i in (1, 2, 3)], a_leak(1, 4, state="resolved", resolved_us=NOW))
    return served


def patch(program: Program, url: str = ONE, **sent: Any) -> httpx.Response:
    answer: httpx.Response = program.request("PATCH", url, json=sent)
    return answer


def of(served: Served, name: str) -> dict[str, Any]:
    found: dict[str, Any] = served.reader.get(f"/api/v1/leaks/{name}").json()
    return found


def test_a_change_is_answered_and_logged(leaky: Served) -> None:
    answer = patch(leaky.admin, triage="acknowledged", assignee="Ann", note="<script>\n漢")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["triage"], found["assignee"], found["note"]) == ("acknowledged", "Ann", "<script>\n漢")
    said = {"triage": "acknowledged", "assignee": "Ann", "note": "<script>\n漢"}
    assert found["log"][-1] == {"time": "2024-10-04T00:00:00Z", "kind": "changed", "by": "admin", "changes": said}
    assert of(leaky, "1-1") == found


def test_muting_by_time_and_by_rate(leaky: Served, clock: Clock) -> None:
    found = patch(leaky.admin, muted_until="2024-10-05T09:00:00+09:00", muted_above_rate_per_hour=20).json()
    assert (found["triage"], found["muted_until"], found["muted_above_rate_per_hour"]) == (
        "muted",
        "2024-10-05T00:00:00Z",
        20.0,
    )
    assert found["log"][-1]["changes"] == {
        "triage": "muted",
        "muted_until": "2024-10-05T00:00:00Z",
        "muted_above_rate_per_hour": 20.0,
    }
    clock.now_us = NOW + DAY
    assert of(leaky, "1-1")["triage"] == "new"


def test_resolving_and_opening_keeps_the_hosts_count_right(leaky: Served) -> None:
    def count() -> int:
        return int(leaky.reader.get("/api/v1/hosts?search=web-01").json()["items"][0]["leaks"])

    found = patch(leaky.admin, state="resolved").json()
    assert (found["state"], found["resolved_by"], count()) == ("resolved", "admin", 2)
    assert (patch(leaky.admin, state="leaking").json()["state"], count()) == ("leaking", 3)


def test_what_ended_by_itself_is_a_409(leaky: Served) -> None:
    answer = patch(leaky.admin, "/api/v1/leaks/1-4", state="leaking")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (409, "state")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"triage": "x"}, "triage"),
    ({"triage": None}, "triage"),
    ({"triage": "new", "muted_until": "2024-10-05T00:00:00Z"}, "triage"),
    ({"muted_until": "2024-10-04T00:00:00Z"}, "muted_until"),
    ({"muted_until": "2024-10-05T00:00:00"}, "muted_until"),
    ({"muted_until": "tomorrow"}, "muted_until"),
    ({"muted_until": 5}, "muted_until"),
    ({"muted_above_rate_per_hour": -1}, "muted_above_rate_per_hour"),
    ({"muted_above_rate_per_hour": "fast"}, "muted_above_rate_per_hour"),
    ({"note": "x" * 4_097}, "note"),
    ({"note": ["x"]}, "note"),
    ({"assignee": "漢" * 201}, "assignee"),
    ({"state": "new"}, "state"),
    ({"state": None}, "state"),
]


def test_a_bad_value_is_named(leaky: Served) -> None:
    for sent, path in BAD:
        for url, more in ((ONE, {}), (MANY, {"ids": ["1-1"]})):
            answer = patch(leaky.admin, url, **sent, **more)
            assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path), sent
    assert [one["kind"] for one in of(leaky, "1-1")["log"]] == ["started", "detected"]


def test_nothing_said_is_refused(leaky: Served) -> None:
    assert "triage, muted_until" in patch(leaky.admin, colour="red").json()["detail"]
    assert patch(leaky.admin).status_code == 422


NO_JSON = [
    (b"", 400),
    (b"{", 400),
    (b"\xff", 400),
    (b'{"note": "\\ud800"}', 400),
    (b"[" * 100_000, 422),
    (b"[]", 422),
    (b'{"muted_above_rate_per_hour": 1e999}', 422),
    (b'{"muted_above_rate_per_hour": NaN}', 400),
    (b'"' + b"x" * 2**20 + b'"', 413),
]


def test_what_is_no_json_is_refused(leaky: Served) -> None:
    for sent, status in NO_JSON:
        for method, url in (("PATCH", ONE), ("PATCH", MANY), ("POST", RULES)):
            answer = leaky.admin.request(method, url, content=sent)
            assert answer.status_code == status, (method, url, sent[:40], answer.text)


def test_a_nul_becomes_a_sign(leaky: Served) -> None:
    assert patch(leaky.admin, note="a\0b", assignee="\0").json()["note"] == "a\ufffdb"


# --- many at once ------------------------------------------------------------------------------------------------


def test_many_are_changed_at_once(leaky: Served) -> None:
    answer = patch(leaky.admin, MANY, ids=["1-3", "1-1", "1-3"], triage="muted", note="x")
    assert [(item["id"], item["triage"]) for item in answer.json()["items"]] == [("1-3", "muted"), ("1-1", "muted")]
    assert [len(of(leaky, name)["log"]) for name in ("1-1", "1-2", "1-3")] == [3, 2, 3]


def test_one_that_is_not_there_leaves_all_as_they_are(leaky: Served) -> None:
    for strange in ("9-9", "x", "", "1-1-1", "\0"):
        answer = patch(leaky.admin, MANY, ids=["1-1", strange], note="x")
        assert (answer.status_code, [fault["path"] for fault in answer.json()["errors"]]) == (404, ["ids[1]"])
    assert of(leaky, "1-1")["note"] is None


def test_one_that_can_not_be_leaves_all_as_they_are(leaky: Served) -> None:
    assert patch(leaky.admin, MANY, ids=["1-4", "1-1"], state="leaking", note="x").status_code == 409
    assert patch(leaky.admin, MANY, ids=["1-1", "1-4"], state="leaking", note="x").status_code == 409
    assert of(leaky, "1-1")["note"] is None


def test_so_many_and_no_more(leaky: Served) -> None:
    for ids in ([], ["1-1"] * 501):
        answer = patch(leaky.admin, MANY, ids=ids, note="x")
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "ids")
    assert patch(leaky.admin, MANY, note="x").status_code == 422


# --- who may -----------------------------------------------------------------------------------------------------


def callers(served: Served) -> list[Program]:
    return [served.anonymous, served.reader, served.relay, served.enroller, served.of_host("web-01"), served.admin]


def test_reading_needs_read(leaky: Served) -> None:
    asking = callers(leaky)
    for url in ("/api/v1/leaks", "/api/v1/leaks/groups", ONE, RULES):
        assert [one.get(url).status_code for one in asking] == [401, 200, 403, 403, 403, 200]
        assert leaky.anonymous.get(f"{url}?limit=x").status_code == 401


def test_writing_needs_admin(leaky: Served) -> None:
    rule, asking = {"program": "java", "level": "quiet"}, callers(leaky)
    for method, url, sent, done in (
        ("PATCH", ONE, {"note": "x"}, 200),
        ("PATCH", MANY, {"note": "x", "ids": ["1-1"]}, 200),
        ("POST", RULES, rule, 201),
        ("DELETE", f"{RULES}/1", None, 204),
    ):
        codes = [one.request(method, url, json=sent).status_code for one in asking]
        assert codes == [401, 403, 403, 403, 403, done]


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.OPERATOR, 200), (Role.ADMIN, 200)])
def test_people_change_what_their_role_lets_them(leaky: Served, role: Role, status: int) -> None:
    user_id = add_person(leaky.database, "Bob", role)
    with leaky.database.write() as connection:
        secret = open_session(connection, user_id, now_us=NOW, expires_us=NOW + DAY)
    cookie = {"Cookie": f"handlewatch_session={secret}"}
    forged = leaky.anonymous.request("PATCH", ONE, json={"note": "x"}, headers=cookie)
    assert forged.status_code == 403
    headers = {**cookie, "X-CSRF-Token": csrf_token(secret)}
    answer = leaky.anonymous.request("PATCH", ONE, json={"note": "by Bob"}, headers=headers)
    assert answer.status_code == status
    elsewhere = {**headers, "Sec-Fetch-Site": "cross-site"}
    assert leaky.anonymous.request("PATCH", ONE, json={"note": "x"}, headers=elsewhere).status_code == 403
    if status == 200:
        assert answer.json()["log"][-1]["by"] == "Bob"


def test_forgetting_a_host_forgets_its_leaks(leaky: Served) -> None:
    patch(leaky.admin, note="x")
    assert leaky.admin.request("DELETE", "/api/v1/hosts/web-01").status_code == 204
    assert leaky.reader.get("/api/v1/leaks?status=all").json()["items"] == []
    assert leaky.reader.get(ONE).status_code == 404


# --- sensitivities -----------------------------------------------------------------------------------------------


def test_a_sensitivity_is_set_listed_and_removed(leaky: Served) -> None:
    answer = leaky.admin.post(RULES, json={"program": "backup*", "label": "role:a:b", "level": "quiet"})
    rule = answer.json()
    assert answer.status_code == 201
    assert rule == {
        "id": rule["id"],
        "program": "backup*",
        "label": "role:a:b",
        "level": "quiet",
        "created_at": "2024-10-04T00:00:00Z",
        "created_by": "admin",
    }
    assert leaky.reader.get(RULES).json() == {"items": [rule]}
    assert leaky.admin.request("DELETE", f"{RULES}/{rule['id']}").status_code == 204
    assert leaky.admin.request("DELETE", f"{RULES}/{rule['id']}").status_code == 404


def test_a_sensitivity_that_is_not_there_is_a_404(leaky: Served) -> None:
    for name in ("x", "0", "-1", "²", "9" * 30, str(2**31)):
        assert leaky.admin.request("DELETE", f"{RULES}/{name}").status_code == 404


BAD_RULES = [
    ({"level": "quiet"}, "program"),
    ({"program": "", "level": "quiet"}, "program"),
    ({"program": "x" * 201, "level": "quiet"}, "program"),
    ({"program": "x", "level": "loud"}, "level"),
    ({"program": "x", "level": "low", "label": "nocolon"}, "label"),
    ({"program": "x", "level": "low", "label": ":v"}, "label"),
]


def test_a_bad_sensitivity_is_named(leaky: Served) -> None:
    for sent, path in BAD_RULES:
        answer = leaky.admin.post(RULES, json=sent)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path), sent
