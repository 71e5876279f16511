"""The sign-in page: in by name and password or by a link's key, out by a button."""

import asyncio
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from server import __version__
from server.access.principals import Principal
from server.access.sessions import close_session
from server.access.sign_in import SignIn
from server.analysis.instants import from_us
from server.problems import Problem
from server.store.database import Database
from server.web import guard
from server.web.render import render
from server.web.views import LoginView, Shell

router = APIRouter(include_in_schema=False)

# a name and a password of 1,024 characters, however they are escaped
_LONGEST_FORM = 64 * 1024


@router.get("/login")
async def show_sign_in(
    request: Request,
    key: str | None = None,
    next_path: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """The form; with a sign-in link's key, straight in."""
    target = guard.local_path(next_path)
    if key is not None:
        sign_in: SignIn = request.app.state.authenticator.sign_in
        try:
            secret = await run_in_threadpool(
                sign_in.with_link, key, now_us=guard.now_us(), session_days=request.app.state.settings.session_days
            )
        except Problem as problem:
            return _page(target, problem=problem)
        return _signed_in(request, secret, target)
    if await guard.person(request) is not None:
        return RedirectResponse(target, 303)
    return _page(target)


@router.post("/login")
async def sign_in_by_password(request: Request) -> Response:
    """A new session, or the form again with what was wrong."""
    # before anybody is signed in there is no session to bind a token to: the origin tells a forged form
    if not guard.from_our_pages(request):
        return _page("/", problem=Problem(403, "that form came from another site; sign in here"))
    form = await _read_form(request)
    target, name = guard.local_path(form.get("next")), form.get("user", "")
    sign_in: SignIn = request.app.state.authenticator.sign_in
    try:
        secret = await asyncio.wrap_future(
            sign_in.submit(
                name,
                form.get("password", ""),
                address=request.client.host if request.client else "",
                now_us=guard.now_us(),
                session_days=request.app.state.settings.session_days,
            )
        )
    except Problem as problem:
        return _page(target, name=name, problem=problem)
    return _signed_in(request, secret, target)


@router.post("/logout")
async def sign_out(request: Request, _who: Annotated[Principal, Depends(guard.reader)]) -> Response:
    """End this session, here and in the database."""
    cookie = guard.cookie_name(request)
    await run_in_threadpool(_close, request.app.state.database, request.cookies.get(cookie, ""))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie, path="/", secure=guard.by_https(request), httponly=True, samesite="lax")
    return answer


def _close(database: Database, secret: str) -> None:
    with database.write() as connection:
        close_session(connection, secret)


async def _read_form(request: Request) -> dict[str, str]:
    """The form's fields, each once; no more is read than a sign-in can need, as anybody may send one."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Problem(415, "send the sign-in form as application/x-www-form-urlencoded")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise Problem(413, f"a sign-in form has {_LONGEST_FORM:,} bytes at most")
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Problem(400, "the sign-in form has more fields than it should") from None
    return {name: values[0] for name, values in fields.items()}


def _signed_in(request: Request, secret: str, target: str) -> Response:
    answer = RedirectResponse(target, 303)
    answer.set_cookie(
        guard.cookie_name(request),
        secret,
        max_age=request.app.state.settings.session_days * 86_400,
        path="/",
        secure=guard.by_https(request),
        httponly=True,
        samesite="lax",
    )
    return answer


def _page(target: str, *, name: str = "", problem: Problem | None = None) -> Response:
    shell = Shell(user=None, role=None, csrf_token="", nav="", version=__version__, now=from_us(guard.now_us()))
    view = LoginView(shell=shell, next=target, user=name, error=_sentence(problem.detail) if problem else None)
    return HTMLResponse(
        render(view), problem.status if problem else 200, headers=dict(problem.headers) if problem else None
    )


def _sentence(detail: str) -> str:
    return f"{detail[:1].upper()}{detail[1:]}."
