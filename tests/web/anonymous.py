"""Walks every route of an app without signing in: what is not on the list has to refuse."""

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.web.client import Client

PUBLIC = {"/healthz", "/readyz", "/login", "/install.sh", "/install.ps1"}
PUBLIC_BELOW = ("/static", "/downloads")
FOR_PROGRAMS = ("/api/", "/metrics", "/openapi.json")


def routes_that_answer_anybody(app: FastAPI) -> list[str]:
    """What answers an anonymous request without being on the list: `GET /path: status`. Empty is good news."""
    charlie = Client(app)
    found = []
    for method, path in _calls(app):
        if path in PUBLIC or any(path == root or path.startswith(f"{root}/") for root in PUBLIC_BELOW):
            continue
        answer = charlie.request(method, path)
        if path.startswith(FOR_PROGRAMS):
            refused = answer.status_code == 401 and "bearer" in answer.headers.get("www-authenticate", "").lower()
        else:
            refused = answer.status_code == 303 and answer.headers["location"].startswith("/login")
        if not refused:
            found.append(f"{method} {path}: {answer.status_code}")
    return found


def _calls(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(app.routes):
        path = re.sub(r"{[^}]*}", "x", route.path or "/")
        for method in sorted(route.methods or {"GET", "POST"}):
            yield method, path
