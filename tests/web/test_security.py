"""The headers that every answer carries."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI

from tests.web.client import Client


@pytest.mark.parametrize("path", ["/login", "/reader", "/api/v1/reader", "/no/such/page", "/static/app.css"])
def test_every_answer_carries_them(guarded_app: FastAPI, path: str) -> None:
    headers = Client(guarded_app).get(path).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers


def test_caches_keep_static_files_and_nothing_else(guarded_app: FastAPI) -> None:
    client = Client(guarded_app)
    assert client.get("/login").headers["cache-control"] == "no-store"
    assert client.get("/api/v1/reader").headers["cache-control"] == "no-store"
    assert "cache-control" not in client.get("/static/app.css").headers


def test_https_is_held_on_to_once_used(guarded_app: FastAPI) -> None:
    headers = Client(guarded_app, url="https://handles.test").get("/login").headers
    assert headers["strict-transport-security"] == "max-age=15552000"


@pytest.mark.parametrize(("url", "expected"), [("http://handles.example.com", True), ("http://10.0.0.1:8765", False)])
def test_a_proxy_at_the_public_address_counts_as_https(
    make_guarded_app: Callable[[str], FastAPI], url: str, expected: bool
) -> None:
    app = make_guarded_app("https://handles.example.com")
    headers = Client(app, url=url).get("/login").headers
    assert ("strict-transport-security" in headers) is expected
