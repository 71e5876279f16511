"""The whole application with its writer and jobs running, and programs that call it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from server.access.principals import Scope
from server.app import create_app
from server.settings import load_settings
from server.store.database import Database
from tests.access.people import token


class Program:
    """Calls the application with a token, from any thread."""

    def __init__(self, app: FastAPI, portal: BlockingPortal, secret: str | None) -> None:
        self._app = app
        self._portal = portal
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def request(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **content: Any) -> Any:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, client=("192.0.2.1", 40_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://handles.test", timeout=30) as client:
                return await client.request(method, path, headers={**self._headers, **(headers or {})}, **content)

        return self._portal.call(call)

    def get(self, path: str, **options: Any) -> httpx.Response:
        answer: httpx.Response = self.request("GET", path, **options)
        return answer

    def post(self, path: str, **options: Any) -> httpx.Response:
        answer: httpx.Response = self.request("POST", path, **options)
        return answer

    def push(self, sent: Mapping[str, Any]) -> httpx.Response:
        return self.post("/api/v1/snapshots", json=sent)


class Served:
    """A running application, and a program for each scope."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self.app = app
        self.database: Database = app.state.database
        self._portal = portal
        self.anonymous = self.program(None)
        self.relay = self.program(token(self.database, Scope.RELAY, name="relay"))
        self.reader = self.program(token(self.database, Scope.READ, name="reader"))
        self.admin = self.program(token(self.database, Scope.ADMIN, name="admin"))
        self.enroller = self.program(token(self.database, Scope.ENROLL, name="enroller"))

    def program(self, secret: str | None) -> Program:
        return Program(self.app, self._portal, secret)

    def of_host(self, host: str) -> Program:
        return self.program(token(self.database, Scope.HOST, name="host", host_name=host))


@contextmanager
def serving(database_url: str, data_dir: Path) -> Iterator[Served]:
    settings = load_settings({"HANDLEWATCH_DATABASE_URL": database_url, "HANDLEWATCH_DATA_DIR": str(data_dir)})
    app = create_app(settings)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        yield Served(app, portal)
