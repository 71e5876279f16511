"""The application: where settings, database, writer, jobs and routes meet. Nothing happens at import."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server import __version__, windows_bundle
from server.access.authentication import Authenticator
from server.analysis.catalogue import Signature, read_catalogue
from server.analysis.instants import DAY
from server.assets import static_dir
from server.downloads import COLLECTOR_ZIPAPP, Download, DownloadError, collector_zipapp
from server.ingest.writer import Writer
from server.jobs.compaction import Retention
from server.jobs.runner import Runner
from server.metrics import Metrics
from server.problems import Fault, Problem
from server.settings import Settings, SettingsError
from server.store import distributing, schema
from server.store.database import Database
from server.store.schema import SchemaError
from server.web import errors, install, pages, sign_in
from server.web.api import compare, events, growing, hosts, imports, leaks, sensitivities, signatures, system
from server.web.limits import Limits, Slashes
from server.web.push import PATH, Push
from server.web.security import SecurityHeaders

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """An application on its own database. Raises SettingsError for signatures that can't be used. The database is
    opened, and must have the schema of this version, when the application starts."""
    database = Database(settings.database_url)
    catalogue = load_catalogue(settings)
    retention = Retention(
        full=settings.keep_full_days * DAY,
        ten_minutes=settings.keep_10min_days * DAY,
        hour=settings.keep_hourly_days * DAY,
    )
    runner = Runner(database, catalogue, retention)
    writer = Writer(database, on_taken=lambda _hosts: runner.wake())
    authenticator = Authenticator(database)
    metrics = Metrics(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            _require_schema(database)
        except SchemaError:
            database.close()
            raise
        writer.start()
        runner.start()
        try:
            yield
        finally:
            writer.close()
            runner.close()
            authenticator.close()
            database.close()

    push = Push(
        writer,
        authenticator,
        metrics.snapshots,
        metrics.refusals,
        public_url=settings.public_url,
    )
    app = _Application(
        push,
        title="Handlewatch",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    state = app.state
    state.settings, state.database, state.catalogue = settings, database, catalogue
    state.writer, state.runner, state.authenticator = writer, runner, authenticator
    state.metrics = metrics
    state.downloads = _downloads(settings)
    state.notices = tuple  # what pages say at their top; the demo puts its own in its place
    state.importing = imports.Turns()
    app.router.routes.append(Route(PATH, push, methods=["POST"]))
    for router in (
        events.router,
        growing.router,
        hosts.router,
        compare.router,
        imports.router,
        leaks.router,
        sensitivities.router,
        signatures.router,
        system.router,
        install.router,
        sign_in.router,
        *pages.routers,
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=static_dir()), name="static")
    app.add_exception_handler(Problem, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_middleware(errors.Failures)
    app.add_middleware(Limits)
    app.add_middleware(Slashes)
    app.add_middleware(SecurityHeaders, public_url=settings.public_url)
    return app


class _Application(FastAPI):
    """Pushes go their own way, past all that is for pages and other calls."""

    def __init__(self, push: Push, **options: Any) -> None:
        super().__init__(**options)
        self._push = push

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            scope["app"] = self
            await self._push(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def load_catalogue(settings: Settings) -> Mapping[str, Signature]:
    """The built-in signatures and the operator's own, which win over built-in ones of the same id."""
    built_in = [
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in resources.files("server").joinpath("signatures").iterdir()
        if entry.name.endswith(".yaml")
    ]
    found, problems = read_catalogue(sorted(built_in))
    if settings.signatures_dir is not None:
        own, own_problems = read_catalogue(_signature_files(settings.signatures_dir))
        found, problems = {**found, **own}, [*problems, *own_problems]
    if problems:
        raise SettingsError("\n".join(str(problem) for problem in problems))
    return found


def _signature_files(directory: Path) -> list[tuple[str, str]]:
    if not directory.is_dir():
        raise SettingsError(f"HANDLEWATCH_SIGNATURES_DIR={directory} is not a directory")
    try:
        return [(str(file), file.read_text(encoding="utf-8")) for file in sorted(directory.glob("*.y*ml"))]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"HANDLEWATCH_SIGNATURES_DIR={directory} can't be read: {error}") from error


def _require_schema(database: Database) -> None:
    with database.read() as connection:
        if not schema.is_current(connection):
            raise SchemaError("the database has not the schema of this version: run `handlewatch db upgrade` first")
        if distributing.undistributed(connection):
            raise SchemaError("the database is distributed in part: run `handlewatch db distribute` first")


def _downloads(settings: Settings) -> dict[str, Download]:
    found: dict[str, Download] = {}
    try:
        zipapp = found[COLLECTOR_ZIPAPP] = collector_zipapp()
        bundle = windows_bundle.load(settings.downloads_dir, zipapp)
        if bundle is not None:
            found[bundle.name] = bundle
    except DownloadError as error:
        log.warning("Not all downloads of the collector can be offered: %s", error)
    return found


async def _refused(request: Request, error: Exception) -> Response:
    return await errors.answer(request, _as_problem(error))


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers or {})
    if isinstance(error, RequestValidationError):
        faults = [
            Fault(".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]), one["msg"])
            for one in error.errors()
        ]
        return Problem(422, f"{faults[0].path}: {faults[0].detail}." if faults else "The request is wrong.", faults)
    raise TypeError(type(error))
