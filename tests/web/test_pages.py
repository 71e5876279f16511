"""The real pages over real data: what they show, to whom, and what becomes of odd names and addresses."""

import re
from urllib.parse import quote

import pytest

from server.access.principals import Role
from server.access.sessions import make_sign_in_link
from server.analysis.instants import DAY
from server.web import guard
from tests.access.people import add_person
from tests.conftest import Clock
from tests.pushing import NT, START_US, V3_PRO, body, hooked, process, snapshot
from tests.serving import Served
from tests.web.anonymous import routes_that_answer_anybody
from tests.web.client import Client

HTML = {"Accept": "text/html"}


@pytest.fixture
def fleet(served: Served, clock: Clock) -> Served:
    """A backup server that leaks, a web server, and one that fell silent, as of 40 minutes after the start."""
    clock.now_us = START_US + 41 * 60_000_000
    inventory = {"software": [V3_PRO]}
    readings = [hooked(m, 20 + 10 * m, types={"Event": 60 + 10 * m, "File": 30}) for m in range(41)]
    served.relay.push(body(*readings, host="NTBK01", os=NT, inventory=inventory))
    served.relay.push(body(snapshot(40, process("java", limit=4096, handles=3900)), host="web-01"))
    served.relay.push(body(snapshot(0), host="mail-02", about={"labels": {"site": "seoul"}}))
    served.app.state.runner.judge_waiting()
    return served


def signed_in(served: Served, name: str, role: Role) -> Client:
    """Signed in by a link, as the demo's person is."""
    client = Client(served.app)
    user_id = add_person(served.database, name, role)
    with served.database.write() as connection:
        secret = make_sign_in_link(connection, user_id, guard.now_us(), guard.now_us() + DAY)
    assert client.get(f"/login?key={secret}").status_code == 303
    return client


@pytest.fixture
def alice(fleet: Served) -> Client:
    return signed_in(fleet, "Alice", Role.OPERATOR)


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_fleet_page_answers_before_it_lists(alice: Client) -> None:
    said = text(alice.get("/", headers=HTML).text)
    assert "3 hosts" in said
    assert "2 reporting" in said
    assert "1 shows V3 Pro" in said
    assert said.index("Needs attention") < said.index("V3SOCKHOOK") < said.index("Worst program")


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ("search=ntbk", {"NTBK01"}),
        ("search=SEOUL", {"mail-02"}),
        ("os=linux", {"web-01", "mail-02"}),
        ("label=site:seoul", {"mail-02"}),
        ("signature=v3-pro", {"NTBK01"}),
        ("leaking=yes", {"NTBK01"}),
        ("leaking=no", {"web-01", "mail-02"}),
        ("reporting=silent", {"mail-02"}),
        ("reporting=yes&os=windows", {"NTBK01"}),
        ("search=nothing-like-it", set()),
    ],
)
def test_the_fleet_is_narrowed_by_its_address(alice: Client, query: str, hosts: set[str]) -> None:
    page = alice.get(f"/?{query}", headers=HTML)
    table = page.text.partition('id="hosts"')[2]
    assert set(re.findall(r'<tr [^>]*data-host="([^"]+)"', table)) == hosts


def test_a_host_page_says_first_what_is_wrong(alice: Client) -> None:
    said = text(alice.get("/hosts/ntbk01", headers=HTML).text)
    assert said.index("ntbackup.exe leaks Event handles named V3SOCKHOOK: 420 open") < said.index("Processes")
    assert "V3 Pro 2000 Deluxe" in said


def test_a_process_near_its_limit_is_said(alice: Client) -> None:
    said = text(alice.get("/hosts/web-01", headers=HTML).text)
    assert re.search(r"java \(PID \d+\) holds 3,900 of the 4,096 handles it may, 95 %", said)


@pytest.mark.parametrize("by", ["total", "program", "type"])
def test_a_host_page_is_complete_without_scripts(alice: Client, by: str) -> None:
    page = alice.get(f"/hosts/NTBK01?by={by}&range=1h", headers=HTML)
    assert 'data-stat="max">' in page.text


def test_the_series_address_of_a_page_is_its_chart(alice: Client) -> None:
    page = alice.get("/hosts/NTBK01?range=1h&program=ntbackup.exe", headers=HTML)
    address = re.search(r'data-series-url="([^"]+)"', page.text)
    assert address is not None
    series = alice.get(address[1].replace("&amp;", "&")).json()
    assert series["series"][0]["last"][-1] == 520


def test_the_processes_of_a_moment_are_shown(alice: Client) -> None:
    said = text(alice.get("/hosts/NTBK01?at=2025-06-02T00:10:30Z", headers=HTML).text)
    assert "220" in said
    assert "2025-06-02 00:10 UTC" in said


def test_the_signature_page_lists_the_machine(alice: Client) -> None:
    page = alice.get("/signatures/v3-pro", headers=HTML)
    assert '<tr id="' in page.text
    assert 'data-host="NTBK01" data-level="leaking"' in page.text
    said = text(page.text)
    assert "inside the article's list" in said
    assert "Windows NT Server 4.0 SP6a" in said
    assert "AhnLab" in said


def test_a_refresh_gets_the_part_that_changes(alice: Client) -> None:
    page = alice.get("/", headers={**HTML, "HX-Request": "true"})
    assert page.text.lstrip().startswith("<div")
    assert page.headers["vary"] == "HX-Request"


def test_an_operator_gets_a_fresh_enrolment_token(fleet: Served, alice: Client) -> None:
    tokens = [re.findall(r"hw_[\w-]+", alice.get("/hosts/add", headers=HTML).text)[0] for _ in range(2)]
    assert tokens[0] != tokens[1]
    answers = [fleet.program(token).post("/api/v1/enroll", json={"host": f"new-{i}"}) for i, token in enumerate(tokens)]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_a_viewer_gets_none(fleet: Served) -> None:
    bob = signed_in(fleet, "Bob", Role.VIEWER)
    page = bob.get("/hosts/add", headers=HTML)
    assert page.status_code == 200
    assert "hw_" not in page.text


def test_looking_at_the_page_again_and_again_leaves_few_tokens(fleet: Served, alice: Client) -> None:
    tokens = [re.findall(r"hw_[\w-]+", alice.get("/hosts/add", headers=HTML).text)[0] for _ in range(22)]
    fleet.app.state.authenticator.forget()
    oldest = fleet.program(tokens[0]).post("/api/v1/enroll", json={"host": "x"})
    newest = fleet.program(tokens[-1]).post("/api/v1/enroll", json={"host": "x"})
    assert (oldest.status_code, newest.status_code) == (401, 200)


@pytest.mark.parametrize(
    "name", ["a/b", "a%2Fb", "<script>alert(1)</script>", 'o\'hara "q"', "한국어-서버", "x" * 1000, "?q=1#f", "+ +"]
)
def test_any_name_has_a_page(fleet: Served, alice: Client, name: str) -> None:
    assert fleet.relay.push(body(snapshot(40), host=name)).status_code == 200
    listed = alice.get("/?sort=-last_seen", headers=HTML)
    assert f'href="/hosts/{quote(name, safe="")}"' in listed.text
    assert "<script>alert" not in listed.text
    page = alice.get(f"/hosts/{quote(name, safe='')}", headers=HTML)
    assert page.status_code == 200
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/hosts/nobody", 404),
        ("/signatures/nothing", 404),
        ("/nowhere", 404),
        ("/?sort=colour", 422),
        ("/?cursor=rubbish", 422),
        ("/hosts/NTBK01?range=3y", 422),
        ("/hosts/NTBK01?at=yesterday", 422),
        ("/hosts/NTBK01?from=2025-06-03&to=2025-06-02", 422),
        ("/hosts/NTBK01?by=colour", 422),
        ("/signatures/v3-pro?level=loud", 422),
    ],
)
def test_what_is_not_there_is_said_on_a_page(alice: Client, path: str, status: int) -> None:
    page = alice.get(path, headers=HTML)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert "Handlewatch" in page.text


def test_nothing_but_the_public_few_answers_without_sign_in(served: Served) -> None:
    assert routes_that_answer_anybody(served.app) == []


def test_every_page_has_the_strict_policy(alice: Client) -> None:
    for path in ("/", "/hosts/NTBK01", "/signatures", "/signatures/v3-pro", "/hosts/add", "/docs", "/nowhere"):
        page = alice.get(path, headers=HTML)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page.text), path


def test_an_empty_fleet_says_what_to_do(served: Served) -> None:
    page = signed_in(served, "Alice", Role.OPERATOR).get("/", headers=HTML)
    assert 'href="/hosts/add"' in page.text
    assert "no host" in text(page.text).lower()
