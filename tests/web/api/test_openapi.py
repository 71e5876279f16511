"""The API's own description is a valid OpenAPI document, and every answer is what it says."""

import warnings
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.pushing import body, hooked, process, snapshot, when
from tests.serving import Served

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from openapi_spec_validator import OpenAPIV31SpecValidator

ANSWERS = [
    ("/api/v1/hosts", "/api/v1/hosts?limit=500"),
    ("/api/v1/hosts", "/api/v1/hosts?limit=500&sort=-leaks"),
    ("/api/v1/hosts/{host}", "/api/v1/hosts/nt-leaking"),
    ("/api/v1/hosts/{host}", "/api/v1/hosts/nt-exposed-1"),
    ("/api/v1/hosts/{host}", "/api/v1/hosts/Host-000"),
    ("/api/v1/hosts/{host}", "/api/v1/hosts/rich"),
    ("/api/v1/hosts/{host}/processes", "/api/v1/hosts/rich/processes"),
    ("/api/v1/hosts/{host}/processes", "/api/v1/hosts/Host-000/processes"),
    *[
        ("/api/v1/hosts/{host}/series", f"/api/v1/hosts/rich/series?by={by}&points=7")
        for by in ("total", "program", "type", "process", "object")
    ],
    ("/api/v1/signatures", "/api/v1/signatures"),
    ("/api/v1/signatures/{signature_id}", "/api/v1/signatures/v3-pro"),
    ("/api/v1/signatures/{signature_id}/hosts", "/api/v1/signatures/v3-pro/hosts?limit=500"),
    ("/api/v1/status", "/api/v1/status"),
]
REFUSALS = [
    ("/api/v1/hosts", "/api/v1/hosts?limit=0"),
    ("/api/v1/hosts/{host}", "/api/v1/hosts/nobody"),
    ("/api/v1/hosts/{host}/series", "/api/v1/hosts/rich/series?by=x"),
    ("/api/v1/signatures/{signature_id}", "/api/v1/signatures/nobody"),
]


@pytest.fixture
def document(fleet: Served) -> dict[str, Any]:
    found: dict[str, Any] = fleet.reader.get("/openapi.json").json()
    return found


def fits(document: Mapping[str, Any], method: str, path: str, answer: Any) -> None:
    """The answer's status and media type are described, and its body is as the description says, with nothing more."""
    kind = answer.headers["content-type"].partition(";")[0]
    described = document["paths"][path][method]["responses"][str(answer.status_code)]["content"][kind]["schema"]
    schema = {**described, "components": strict(document["components"])}
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(answer.json())]
    assert errors == []


def strict(components: Any) -> Any:
    """Structures that take no field beyond those described."""
    schemas = {
        name: {**schema, "additionalProperties": False} if "properties" in schema else schema
        for name, schema in components["schemas"].items()
    }
    return {**components, "schemas": schemas}


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize(("path", "url"), [*ANSWERS, *REFUSALS])
def test_answers_are_as_described(fleet: Served, document: dict[str, Any], path: str, url: str) -> None:
    fits(document, "get", path, fleet.reader.get(url))


def test_refusals_of_strangers_are_as_described(fleet: Served, document: dict[str, Any]) -> None:
    for path, url in ANSWERS:
        fits(document, "get", path, fleet.anonymous.get(url))
        fits(document, "get", path, fleet.relay.get(url))


def test_pushes_are_as_described(served: Served) -> None:
    document = served.reader.get("/openapi.json").json()
    sent = body(hooked(0, 5), snapshot(1, process(types={"a": 1}, limit=3, exe=None)), sent_at=when(1))
    described = document["paths"]["/api/v1/snapshots"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = {**described, "components": document["components"]}
    assert [error.message for error in Draft202012Validator(schema).iter_errors(sent)] == []
    fits(document, "post", "/api/v1/snapshots", served.relay.push(sent))
    fits(document, "post", "/api/v1/snapshots", served.relay.push({}))
    fits(document, "post", "/api/v1/snapshots", served.relay.post("/api/v1/snapshots", content=b"{"))
    fits(document, "post", "/api/v1/snapshots", served.reader.push(sent))
    fits(document, "post", "/api/v1/enroll", served.enroller.post("/api/v1/enroll", json={"host": "x"}))


def test_every_route_of_the_api_is_described(served: Served, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert {
        ("POST", "/api/v1/snapshots"),
        ("POST", "/api/v1/enroll"),
        ("DELETE", "/api/v1/hosts/{host}"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        *(("GET", path) for path, _ in ANSWERS),
    } <= described
