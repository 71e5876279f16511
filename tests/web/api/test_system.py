"""Status, enrolment, health and metrics."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.e2e.processes import wait_for
from tests.pushing import body, judged, snapshot
from tests.serving import Served


def test_status_counts_hosts_not_yet_judged(served: Served) -> None:
    served.app.state.runner.close()
    assert served.reader.get("/api/v1/status").json()["pending_hosts"] == 0
    served.relay.push(body(snapshot(0)))
    served.relay.push(body(snapshot(0), host="b"))
    served.relay.push(body(snapshot(0), host="b"))
    found = served.reader.get("/api/v1/status").json()
    assert (found["pending_hosts"], found["hosts"], found["reporting"]) == (2, 2, 0)
    assert found["database"] == served.database.dialect
    judged(served.database)
    judged(served.database, "b")
    assert served.reader.get("/api/v1/status").json()["pending_hosts"] == 0


def test_pushes_are_judged_soon(served: Served) -> None:
    for minute in range(5):
        served.relay.push(body(snapshot(minute)))
    assert wait_for(lambda: served.reader.get("/api/v1/status").json()["pending_hosts"] == 0, seconds=10)


def test_an_enrolled_host_pushes_with_its_own_token(served: Served) -> None:
    answer = served.enroller.post("/api/v1/enroll", json={"host": "NTBK01", "future": 1.5}).json()
    assert answer["host"] == "NTBK01"
    own = served.program(answer["token"])
    assert own.push(body(snapshot(0), host="ntbk01")).status_code == 200
    assert own.push(body(snapshot(0), host="other")).status_code == 403
    assert served.enroller.post("/api/v1/enroll", json={"host": "ntbk01"}).status_code == 409


@pytest.mark.parametrize(
    ("content", "status", "path"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b'{"host": "\xff"}', 400, None),
        (b"[" * 100_000, 422, ""),
        (b"{}", 422, "host"),
        (b'{"host": 1}', 422, "host"),
        (b'{"host": " "}', 422, "host"),
        (b'{"host": "a\\u0000b"}', 422, "host"),
        (b'{"host": "%s"}' % (b"x" * 1_025), 422, "host"),
    ],
    ids=range(9),
)
def test_a_wrong_enrolment_is_refused(fleet: Served, content: bytes, status: int, path: str | None) -> None:
    answer = fleet.enroller.post("/api/v1/enroll", content=content)
    assert answer.status_code == status, answer.text
    assert [fault["path"] for fault in answer.json()["errors"]] == ([] if path is None else [path])


def test_other_routes_bound_their_bodies(fleet: Served) -> None:
    assert fleet.enroller.post("/api/v1/enroll", content=b" " * (2**20 + 1)).status_code == 413
    pieces = (b" " * 2**18 for _ in range(5))
    assert fleet.enroller.post("/api/v1/enroll", content=_later(pieces)).status_code == 413


async def _later(pieces: Any) -> Any:
    for piece in pieces:
        yield piece


def test_health_and_readiness(served: Served) -> None:
    assert served.anonymous.get("/healthz").json() == {"status": "alive"}
    assert served.anonymous.get("/readyz").json() == {"status": "ready"}
    with served.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    answer = served.anonymous.get("/readyz")
    assert (answer.status_code, "db upgrade" in answer.json()["status"]) == (503, True)


def test_metrics_count(served: Served) -> None:
    served.relay.push(body(snapshot(0), snapshot(0), snapshot(1)))
    served.relay.post("/api/v1/snapshots", content=b"{")
    found = served.reader.get("/metrics").text
    assert 'handlewatch_snapshots_total{outcome="accepted"} 2.0' in found
    assert 'handlewatch_snapshots_total{outcome="duplicate"} 1.0' in found
    assert 'handlewatch_refused_pushes_total{status="400"} 1.0' in found
    assert "handlewatch_hosts 1.0" in found
