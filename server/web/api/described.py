"""How OpenAPI learns what routes answer: the structures of `schema` by name, and the problems each may give."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server import __version__
from server.ingest.packed import MEDIA_TYPE
from server.ingest.wire import Push, PushAnswer
from server.web.api import schema

_TEMPLATE = "#/components/schemas/{name}"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": _TEMPLATE.format(name="ProblemBody")}}}
_BODIES = (
    schema.HostList,
    schema.HostDetail,
    schema.ProcessList,
    schema.CompareBody,
    schema.SeriesList,
    schema.GrowingList,
    schema.SignatureList,
    schema.SignatureBody,
    schema.MatchList,
    schema.EventList,
    schema.LeakList,
    schema.LeakDetail,
    schema.LeakChanges,
    schema.ManyLeakChanges,
    schema.LeakGroupList,
    schema.SensitivityList,
    schema.SensitivityBody,
    schema.SensitivityRequest,
    schema.StatusBody,
    schema.EnrollRequest,
    schema.EnrollAnswer,
    schema.ImportAnswer,
    schema.ProblemBody,
    Push,
    PushAnswer,
)


def problem(why: str) -> dict[str, Any]:
    """One refusal among a route's `responses`."""
    return {"description": why, "content": _PROBLEM}


def answers(body: type | None, *, csv: bool = False, missing: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers this structure."""
    said: dict[int | str, dict[str, Any]] = {
        401: {"description": "No token, or one that is unknown, revoked or expired", "content": _PROBLEM},
        403: {"description": "A token or person without the right", "content": _PROBLEM},
        422: {"description": "A parameter or field that is missing or wrong", "content": _PROBLEM},
    }
    if body is not None:
        content: dict[str, Any] = {"application/json": {"schema": {"$ref": _TEMPLATE.format(name=body.__name__)}}}
        if csv:
            content["text/csv"] = {"schema": {"type": "string"}}
        said[200] = {"description": (body.__doc__ or "The answer").strip().split("\n")[0], "content": content}
    if missing:
        said[404] = {"description": "There is no such thing", "content": _PROBLEM}
    return said


def takes(body: type) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes this structure as JSON."""
    content = {"application/json": {"schema": {"$ref": _TEMPLATE.format(name=body.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: FastAPI's own, the structures, and the push route that FastAPI does not handle."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title="Handlewatch",
        version=__version__,
        description="Handle leaks across a fleet: which machine, which program, which kind of handle, since when.",
        routes=app.routes,
    )
    _, components = msgspec.json.schema_components(_BODIES, ref_template=_TEMPLATE)
    parts = document.setdefault("components", {})
    parts.setdefault("schemas", {}).update(components)
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "handlewatch_session"},
    }
    document["security"] = [{"token": []}, {"session": []}]
    document["paths"]["/api/v1/snapshots"] = {"post": _push_route()}
    app.openapi_schema = document
    return document


_COLUMNS = "The same content in packed columns, as docs/api.md has it."


def _push_route() -> dict[str, Any]:
    described = answers(PushAnswer)
    for status, why in (
        (400, "Not JSON, or it does not unpack"),
        (415, "A version of packed columns that is not known"),
        (413, "Over 8 MiB as sent or 64 MiB unpacked"),
        (503, "The server can't keep up; Retry-After says when to send again"),
    ):
        described[status] = {"description": why, "content": _PROBLEM}
    return {
        "tags": ["collectors"],
        "summary": "Push snapshots",
        "operationId": "push_snapshots",
        "description": "Takes a request whole or not at all. A 200 means that the snapshots are durable. Idempotent on "
        "(host, time). Needs a token of scope host, relay or admin.",
        "parameters": [
            {
                "name": "Content-Encoding",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "enum": ["gzip", "zstd", "identity"]},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": _TEMPLATE.format(name="Push")}},
                MEDIA_TYPE: {"schema": {"type": "string", "format": "binary", "description": _COLUMNS}},
            },
        },
        "responses": {str(status): said for status, said in sorted(described.items(), key=lambda pair: str(pair[0]))},
        "security": [{"token": []}],
    }
