"""Everything that the product does, once: pushes, judging, packing, each page and call with all that can be asked."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
from sqlalchemy import select

from server.access.enrolment import enroll
from server.access.principals import Principal, Role
from server.access.sessions import make_sign_in_link
from server.analysis.instants import DAY, rfc3339
from server.jobs.compaction import compact
from server.store import accounts
from server.store.fleet import HOST_SORTS
from server.store.leak_groups import GROUP_SORTS
from server.store.leaks import LEAK_SORTS, PHASES, STATUSES, TRIAGES
from server.store.showing import SHOWING_SORTS
from server.store.tables import hosts
from tests.access.people import PASSWORDS, add_person
from tests.conftest import Clock
from tests.e2e.processes import wait_for
from tests.pushing import KEEP, NT, START_US, V3_PRO, Wire, body, hooked, process, push, push_all, snapshot, when
from tests.serving import Served
from tests.web.client import Client
from tests.web.test_import_api import HANDLE_A

DAYS = 8
HTML = {"Accept": "text/html", "Origin": "http://handles.test"}
HOSTS = {"NTBK01": "ntbackup.exe", "NTBK02": "java", "web-01": "java"}  # and a program of each
LATE = DAYS * 1_440 - 100


def leaking(host: str, *, os: dict[str, Any], name: str = "java", site: str = "seoul") -> Wire:
    """Eight days in which a program takes a socket an hour, and another runs into its limit on the last."""
    readings = []
    for minute in range(0, DAYS * 1_440, 60):
        late = max(0, minute - (DAYS - 1) * 1_440)
        slow = process(name, pid=1, handles=300 + minute // 60, types={"socket": 100 + minute // 60, "file": 200})
        fast = process("fast", pid=3, handles=min(50 + 2 * late, 1_020), limit=1_024)
        full = process("full", pid=4, handles=1_015, limit=1_024)
        readings.append(snapshot(minute, slow, process("calm", pid=2, handles=70 + minute % 7), fast, full))
    about = {"labels": {"site": site, "role": "backup"}, "booted_at": "2025-06-01T00:00:00Z"}
    return body(*readings, host=host, os=os, about=about, collector={"version": "1.0", "interval_s": 3_600})


class Driver:
    """Drives a served application; `visited` has the method and path of each request."""

    def __init__(self, served: Served, clock: Clock) -> None:
        self.served = served
        self.clock = clock
        self.visited: set[tuple[str, str]] = set()
        self.now_us = START_US + DAYS * DAY
        clock.now_us = self.now_us
        self.alice = self._person("Alice", Role.ADMIN)

    def everything(self) -> None:
        self.push()
        self.settle()
        self.rest(DAYS * 1_440 - 30)
        self.read()
        self.triage()
        self.settle()
        self.access()
        self.forget()

    # --- in ------------------------------------------------------------------------------------------------------

    def push(self) -> None:
        database = self.served.database
        bodies = [leaking("web-01", os={"family": "linux"}), leaking("NTBK02", os={"family": "windows"}, site="busan")]
        push_all(database, bodies, received_us=self.now_us)
        software = {"software": [V3_PRO], "services": [{"name": "V3"}], "drivers": []}
        hooks = [hooked(minute, 20 + minute // 10) for minute in range(DAYS * 1_440 - 600, DAYS * 1_440, 30)]
        about = {"labels": {"site": "seoul", "simulated": "yes"}}
        push(database, body(*hooks, host="NTBK01", os=NT, inventory=software, about=about), now=DAYS * 1_440)
        sent = rfc3339(self.now_us)
        own = self.served.of_host("fresh")
        for count in (5, 6):
            now = {**snapshot(0), "time": rfc3339(self.now_us - count * 1_000_000)}
            self._ok(own.push(body(now, host="fresh", sent_at=sent)))
        self._ok(self.served.relay.push(body(host="NTBK01", os=NT, inventory={"software": [V3_PRO] * 2})))
        late = snapshot(DAYS * 1_440 - 90, process("late", handles=3))
        self._ok(self.served.relay.push(body(late, host="NTBK01", os=NT, inventory={"software": []}, sent_at=sent)))
        self._import()
        self.rest(*range(DAYS * 1_440 - 600, DAYS * 1_440 - 30, 30))

    def rest(self, *minutes: int) -> None:
        """Snapshots of a host on which nothing happens."""
        sent = body(*map(snapshot, minutes), host="still", collector={"interval_s": 1_800})
        push(self.served.database, sent, now=DAYS * 1_440)

    def _import(self) -> None:
        path = f"/api/v1/import?host=NTBK03&time={quote(when(5))}&os=windows"
        self._ok(self._call("POST", path, content=HANDLE_A))
        form = {"action": "look", "host": "NTBK03", "time": when(9)}
        page = self._form("/import", "/import", form, files={"dump": ("handles.txt", HANDLE_A)})
        kept = re.search(r'name="kept" value="([^"]*)"', page.text)
        assert kept is not None
        self._form("/import", "/import", {**form, "action": "store", "kept": kept[1]})

    def settle(self) -> None:
        """Judge and pack whatever there is."""
        self.served.app.state.runner.wake()
        assert wait_for(lambda: self._call("GET", "/api/v1/status").json()["pending_hosts"] == 0, seconds=60)
        self.served.app.state.runner.compact_due()
        with self.served.database.read() as connection:
            host_ids = connection.scalars(select(hosts.c.host_id)).all()
        for host_id in host_ids:
            with self.served.database.write() as connection:
                compact(connection, host_id, KEEP)

    # --- out -----------------------------------------------------------------------------------------------------

    def read(self) -> None:
        for path in self.paths():
            answer = self._call("GET", path)
            assert answer.status_code < 400, f"{path}: {answer.text[:300]}"
            self._further(path, answer)
        for path in self.pages():
            answer = self.alice.get(path, headers=HTML)
            self.visited.add(("GET", path.partition("?")[0]))
            assert answer.status_code < 400, f"{path}: {answer.text[:300]}"

    def _further(self, path: str, answer: httpx.Response) -> None:
        """The next page of a list."""
        if "limit=1" in path and answer.json()["next"]:
            self._ok(self._call("GET", f"{path}&cursor={answer.json()['next']}"))

    def paths(self) -> Iterator[str]:
        yield from ("/api/v1/status", "/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v1/sensitivities")
        yield from ("/api/v1/signatures", "/api/v1/signatures/v3-pro", "/install.sh", "/install.ps1", "/docs")
        yield "/downloads/handlewatch-collector.pyz"
        hosts = ["search=n", "os=windows", "label=site:seoul", "signature=v3-pro", "leaking=true", "leaking=false"]
        hosts += ["reporting=true", "reporting=false", "search=x&label=a:b&signature=v3-pro&leaking=true&sort=-leaks"]
        yield from _asked("/api/v1/hosts", HOST_SORTS, hosts)
        yield from _asked("/api/v1/signatures/v3-pro/hosts", SHOWING_SORTS, ["level=present"])
        leaks = [f"status={one}" for one in STATUSES] + [f"triage={one}" for one in TRIAGES]
        leaks += [f"phase={one}" for one in PHASES] + ["host=web-01", "host=nobody", "search=java", "program=java"]
        leaks += ["type=", "type=socket", "object=", "object=x", "signature=v3-pro", "assignee=", "assignee=ann"]
        leaks += ["label=site:seoul", "label=site:seoul&label=role:backup&signature=v3-pro&search=a&program=Java"]
        leaks += [f"group={quote(self.leak()['group'])}"]
        yield from _asked("/api/v1/leaks", LEAK_SORTS, leaks)
        yield from _asked("/api/v1/leaks/groups", GROUP_SORTS, leaks)
        yield f"/api/v1/leaks/{self.leak()['id']}"
        yield "/api/v1/programs/growing"
        yield from _asked("/api/v1/events", (), ["host=web-01", "kind=silence", "kind=software", f"to={when(9)}"])
        for host, program in HOSTS.items():
            yield f"/api/v1/hosts/{host}"
            yield from (f"/api/v1/hosts/{host}/processes{at}" for at in ("", f"?at={when(LATE)}"))
            yield f"/api/v1/hosts/{host}/compare?a={when(LATE - 60)}&b={when(LATE)}&program={program}"
            for by in ("total", "program", "type", "process", "object"):
                yield f"/api/v1/hosts/{host}/series?by={by}&from={when(0)}&to={when(DAYS * 1_440)}"

    def pages(self) -> Iterator[str]:
        yield from ("/", "/?sort=-leaks&leaking=true", "/leaks", "/leaks?view=groups", "/leaks?status=quiet", "/login")
        yield from ("/signatures", "/signatures/v3-pro", "/hosts/add", "/import", "/settings/detection", "/docs")
        yield f"/leaks/{self.leak()['id']}"
        for host, program in HOSTS.items():
            yield from (f"/hosts/{host}", f"/hosts/{host}/programs/{program}")
            yield f"/hosts/{host}/compare?a={when(LATE - 60)}&b={when(LATE)}&program={program}"
            yield f"/hosts/{host}?by=type&from={when(0)}&to={when(DAYS * 1_440)}"

    def leak(self) -> dict[str, Any]:
        found: dict[str, Any] = self._call("GET", "/api/v1/leaks?program=java").json()["items"][0]
        return found

    # --- what people change --------------------------------------------------------------------------------------

    def triage(self) -> None:
        one = self.leak()["id"]
        for change in ({"triage": "acknowledged", "note": "x"}, {"assignee": "ann"}, {"state": "resolved"}):
            self._ok(self._call("PATCH", f"/api/v1/leaks/{one}", json=change))
        self._ok(self._call("PATCH", f"/api/v1/leaks/{one}", json={"state": "leaking"}))
        every = [item["id"] for item in self._call("GET", "/api/v1/leaks").json()["items"]]
        self._ok(self._call("PATCH", "/api/v1/leaks", json={"ids": every, "triage": "new"}))
        self._form("/leaks", "/leaks/triage", {"action": "resolve", "leak": every})
        done = self._form("/leaks?status=all", "/leaks/triage", {"action": "mute-faster", "leak": every[:1]})
        at = re.search(r"done=(\d+)", done.headers["location"])
        assert at is not None
        self.alice.get(done.headers["location"], headers=HTML)
        self._form("/leaks", "/leaks/undo", {"at": at[1], "back": "/leaks"})
        self._form("/leaks", "/leaks/triage", {"action": "acknowledge", "all": "1", "back": "/leaks?search=a"})
        self._form(f"/leaks/{one}", f"/leaks/{one}", {"action": "note", "note": "y"})
        self._call("PATCH", f"/api/v1/leaks/{one}", json={"state": "leaking"})
        for level in ("quiet", "high"):
            made = self._call("POST", "/api/v1/sensitivities", json={"program": "java", "level": level})
            self._ok(made)
            self._ok(self._call("GET", "/api/v1/sensitivities"))
        self._ok(self._call("DELETE", f"/api/v1/sensitivities/{made.json()['id']}"))
        path = "/settings/detection"
        self._form(path, path, {"program": "fast", "level": "quiet", "label": "site:seoul"})
        page = self.alice.get(path, headers=HTML).text
        number = re.search(r'name="id" value="(\d+)"', page)
        assert number is not None, page
        self._form(path, f"{path}/remove", {"id": number[1]})

    def access(self) -> None:
        database = self.served.database
        self._ok(self._call("POST", "/api/v1/enroll", json={"host": "enrolled"}, by=self.served.enroller))
        with database.write() as connection:
            enroller = Principal(kind="token", name="e", scope="enroll")
            enroll(connection, enroller, "web-01", self.now_us)
            (token,) = accounts.live_tokens_of_host(connection, "web-01", self.now_us)
            accounts.revoke_token(connection, token.token_id, self.now_us)
            accounts.all_tokens(connection)
            accounts.all_users(connection)
            accounts.tokens_named(connection, "x")
        self.clock.now_us += DAY // 24
        self._call("GET", "/api/v1/status")
        self.served.app.state.authenticator.write_uses()
        self.alice.get("/hosts/add", headers=HTML)
        bob = Client(self.served.app)
        add_person(database, "Bob", Role.VIEWER)
        self.visited.add(("POST", "/login"))
        data = {"user": "Bob", "password": PASSWORDS["Bob"], "next": "/"}
        assert bob.post("/login", data=data, headers=HTML).status_code == 303
        self._form("/", "/logout", {})
        self.alice = self._sign_in("alice")
        with database.write() as connection:
            user = accounts.user_by_key(connection, "bob")
            assert user is not None
            accounts.set_disabled(connection, user.user_id, self.now_us)
            accounts.set_password_hash(connection, user.user_id, "x")
            accounts.end_all_of(connection, user.user_id)

    def forget(self) -> None:
        for host in ("web-01", "fresh"):
            assert self._call("DELETE", f"/api/v1/hosts/{host}").status_code == 204
        self._ok(self.served.relay.push(body(snapshot(0), host="web-01")))
        self.settle()

    # --- requests ------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, *, by: Any = None, **content: Any) -> httpx.Response:
        self.visited.add((method, path.partition("?")[0]))
        answer: httpx.Response = (by or self.served.admin).request(method, path, **content)
        return answer

    def _form(self, page: str, path: str, data: dict[str, Any], **more: Any) -> httpx.Response:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.alice.get(page, headers=HTML).text)
        assert found is not None, page
        self.visited.add(("POST", path))
        answer = self.alice.post(path, data={"csrf_token": found[1], **data}, headers=HTML, **more)
        assert answer.status_code < 400, f"{path}: {answer.text[:600]}"
        return answer

    def _person(self, name: str, role: Role) -> Client:
        add_person(self.served.database, name, role)
        return self._sign_in(name.casefold())

    def _sign_in(self, name_key: str) -> Client:
        client = Client(self.served.app)
        with self.served.database.write() as connection:
            user = accounts.user_by_key(connection, name_key)
            assert user is not None
            secret = make_sign_in_link(connection, user.user_id, self.clock.now_us, self.clock.now_us + 9 * DAY)
        assert client.get(f"/login?key={secret}").status_code == 303
        return client

    def _ok(self, answer: httpx.Response) -> None:
        assert answer.status_code < 300, answer.text


def _asked(path: str, sorts: tuple[str, ...], narrowings: list[str]) -> Iterator[str]:
    for sort in sorts:
        yield from (f"{path}?sort={sign}{sort}&limit=1" for sign in ("", "-"))
    yield f"{path}?limit=1"
    yield from (f"{path}?{one}" for one in narrowings)
