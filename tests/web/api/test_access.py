"""Who may call what: nothing answers anybody but what is on the list, and each scope may what it may and no more."""

import pytest
from fastapi import FastAPI

from tests.serving import Program, Served
from tests.web.anonymous import routes_that_answer_anybody

READS = [
    "/api/v1/hosts",
    "/api/v1/hosts/alive",
    "/api/v1/hosts/alive/processes",
    "/api/v1/hosts/alive/series",
    "/api/v1/signatures",
    "/api/v1/signatures/v3-pro",
    "/api/v1/signatures/v3-pro/hosts",
    "/api/v1/status",
    "/metrics",
    "/openapi.json",
]


def test_nothing_answers_anybody_but_what_is_on_the_list(app: FastAPI) -> None:
    assert routes_that_answer_anybody(app) == []


@pytest.mark.parametrize("path", READS)
def test_reading_needs_read_or_admin(fleet: Served, path: str) -> None:
    own = fleet.of_host(f"of its own {path}")
    callers: list[Program] = [fleet.reader, fleet.admin, fleet.relay, fleet.enroller, own, fleet.anonymous]
    assert [one.get(path).status_code for one in callers] == [200, 200, 403, 403, 403, 401]


def test_forgetting_needs_more_than_read(fleet: Served) -> None:
    callers = [fleet.reader, fleet.relay, fleet.enroller, fleet.anonymous]
    codes = [one.request("DELETE", "/api/v1/hosts/nobody").status_code for one in callers]
    assert codes == [403, 403, 403, 401]
    assert fleet.admin.request("DELETE", "/api/v1/hosts/nobody").status_code == 404


def test_enrolling_needs_enroll_or_admin(fleet: Served) -> None:
    callers = [fleet.reader, fleet.relay, fleet.of_host("enrols"), fleet.anonymous, fleet.enroller]
    codes = [one.post("/api/v1/enroll", json={"host": "enrolled"}).status_code for one in callers]
    assert codes == [403, 403, 403, 401, 200]
    assert fleet.admin.post("/api/v1/enroll", json={"host": "enrolled by admin"}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/downloads/handlewatch-collector.pyz"])
def test_what_is_open_is_open(fleet: Served, path: str) -> None:
    assert fleet.anonymous.get(path).status_code == 200
