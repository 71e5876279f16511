"""An app as small as can be, with the real guard, sign-in and headers in front of it."""

from collections.abc import Callable, Iterator
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from server.access.authentication import Authenticator
from server.access.principals import Principal
from server.problems import Problem
from server.settings import load_settings
from server.store.database import Database
from server.web import guard, sign_in
from server.web.security import SecurityHeaders


@pytest.fixture
def guarded_app(database: Database) -> Iterator[FastAPI]:
    app = make_app(database)
    yield app
    app.state.authenticator.close()


@pytest.fixture
def make_guarded_app(database: Database) -> Iterator[Callable[[str], FastAPI]]:
    """Makes the app for a public URL."""
    made: list[FastAPI] = []

    def make(public_url: str) -> FastAPI:
        made.append(make_app(database, public_url=public_url))
        return made[-1]

    yield make
    for app in made:
        app.state.authenticator.close()


def make_app(database: Database, *, public_url: str = "") -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.database = database
    app.state.authenticator = Authenticator(database)
    app.state.settings = load_settings({"HANDLEWATCH_PUBLIC_URL": public_url})
    app.add_middleware(SecurityHeaders, public_url=public_url)
    app.add_exception_handler(Problem, _answer)
    app.include_router(sign_in.router)
    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:
    for prefix in ("", "/api/v1"):
        for level in ("reader", "operator", "admin"):
            app.add_api_route(f"{prefix}/{level}", _route(level), methods=["GET", "POST"])

    @app.post("/api/v1/push")
    async def push(who: Annotated[Principal, Depends(guard.bearer)]) -> str:
        return who.name

    @app.get("/static/app.css")
    async def static() -> Response:
        return PlainTextResponse("a {}")

    @app.get("/echo/{path:path}")
    async def echo(path: str, _who: Annotated[Principal, Depends(guard.reader)]) -> str:
        return path


def _route(level: str) -> Callable[..., object]:
    async def route(who: Annotated[Principal, Depends(getattr(guard, level))]) -> dict[str, str | None]:
        return {"name": who.name, "csrf_token": who.csrf_token}

    return route


async def _answer(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return JSONResponse(problem.body(), problem.status, headers=dict(problem.headers))
