"""A problem as its asker can use it: problem+json for programs, a page for people."""

import logging
import secrets

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import __version__
from server.access.principals import Principal
from server.analysis.instants import from_us
from server.problems import Problem
from server.web import guard
from server.web.answers import problem_answer
from server.web.render import render
from server.web.views import ErrorView, Shell

log = logging.getLogger(__name__)

_MEND = {
    403: ("Ask somebody with the role operator or admin.",),
    404: ("Check the address.", "Look for it on the fleet page: it may have been forgotten or renamed."),
    422: ("Check what the address says after the question mark.",),
    500: ("Try again.", "If it stays, look into the server's log for the number below."),
    503: ("Try again in a minute.",),
}


async def answer(request: Request, problem: Problem, number: str | None = None) -> Response:
    if problem.status == 303 and "Location" in problem.headers:
        return RedirectResponse(problem.headers["Location"], 303)
    if is_for_programs(request):
        return problem_answer(problem)
    person = await guard.person(request) if problem.status < 500 else None
    html = await run_in_threadpool(_page, person, problem, number)
    return HTMLResponse(html, problem.status, headers=dict(problem.headers))


class Failures:
    """ASGI middleware: what no route foresaw becomes a 500 with a number that the log has too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:  # the outermost loop of a request
            number = secrets.token_hex(4)
            log.exception("Request %s failed: %s %s", number, scope.get("method"), scope.get("path"))
            if started or scope["type"] != "http":
                raise
            problem = Problem(500, f"Something went wrong in the server; its log says more under {number}.")
            await (await answer(Request(scope, receive), problem, number))(scope, receive, send)


def is_for_programs(request: Request) -> bool:
    """Whether the answer goes to a program: pages are for those who ask for HTML elsewhere."""
    path = request.url.path
    if path.startswith(("/api/", "/downloads/", "/static/")) or path in ("/metrics", "/openapi.json"):
        return True
    return "text/html" not in request.headers.get("accept", "text/html") and "*/*" not in request.headers.get(
        "accept", "*/*"
    )


def _page(person: Principal | None, problem: Problem, number: str | None) -> str:
    role = person.scope if person else None
    return render(
        ErrorView(
            shell=Shell(
                user=person.name if person else None,
                role=role,  # type: ignore[arg-type]  # a session's scope is a role
                csrf_token=(person.csrf_token or "") if person else "",
                nav="",
                version=__version__,
                now=from_us(guard.now_us()),
            ),
            status=problem.status,
            title=problem.title,
            detail=problem.detail,
            mend=_MEND.get(problem.status, ()),
            request_id=number,
        )
    )
