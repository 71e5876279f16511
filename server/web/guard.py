"""Who may call a route: dependencies for reading, operating and administering, and the check against forged requests.

They find what they need on `request.app.state`: `authenticator` and `settings`.
"""

import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote, urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from server.access import credentials
from server.access.authentication import Authenticator
from server.access.principals import Principal, Right
from server.problems import Problem
from server.settings import Settings
from server.web.security import came_by_https, is_same_origin

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_NEEDED = {
    Right.READ: "reading needs a signed-in person, or a token of scope read or admin",
    Right.OPERATE: "this needs a person with the role operator or admin, or a token of scope admin",
    Right.ADMINISTER: "this needs a person with the role admin, or a token of scope admin",
}


def now_us() -> int:
    """The server's clock, in microseconds since 1970; nothing else of the web reads it."""
    return time.time_ns() // 1000


def cookie_name(request: Request) -> str:
    """The session cookie's name: over https one that browsers take from this very host alone, and only encrypted."""
    return "__Host-handlewatch_session" if by_https(request) else "handlewatch_session"


def by_https(request: Request) -> bool:
    settings: Settings = request.app.state.settings
    return came_by_https(request.scope, settings.public_url)


def from_our_pages(request: Request) -> bool:
    settings: Settings = request.app.state.settings
    return is_same_origin(request.headers, settings.public_url)


def local_path(text: str | None) -> str:
    """The path if it leads nowhere but to a page of this server, else `/`. Browsers read `\\` as `/` and skip
    control characters, so neither may be in it."""
    if not text or text[0] != "/" or text[1:2] == "/" or "\\" in text or not text.isprintable():
        return "/"
    return "/" if urlsplit(text).path in ("/login", "/logout") else text


async def bearer(request: Request) -> Principal:
    """The token's principal, whatever its scope; Problem 401. Costs a look-up in memory for a token seen lately."""
    authenticator: Authenticator = request.app.state.authenticator
    header, now = request.headers.get("authorization"), now_us()
    remembered = authenticator.remembered(header, now)
    if remembered is not None:
        return remembered
    return await run_in_threadpool(authenticator.of_bearer, header, now)


async def person(request: Request) -> Principal | None:
    """Whoever is signed in, without asking for it; no check against forged requests."""
    authenticator: Authenticator = request.app.state.authenticator
    cookie = request.cookies.get(cookie_name(request))
    return await run_in_threadpool(authenticator.of_session, cookie, now_us()) if cookie else None


async def require(request: Request, right: Right) -> Principal:
    """Whoever makes the request, if they have the right. The others get Problem 401 or 403, and people on pages a
    redirect to the sign-in page."""
    principal = await _identify(request)
    if not principal.may(right):
        raise Problem(403, f"{_NEEDED[right]}; {principal.name} has {principal.scope}")
    return principal


def allow(right: Right) -> Callable[[Request], AsyncIterator[Principal]]:
    """`require` as a dependency of a route."""

    async def dependency(request: Request) -> AsyncIterator[Principal]:
        try:
            yield await require(request, right)
        finally:
            await request.close()  # an upload may have been read on the way to the form's CSRF token

    return dependency


reader = allow(Right.READ)
operator = allow(Right.OPERATE)
admin = allow(Right.ADMINISTER)


async def _identify(request: Request) -> Principal:
    if "authorization" in request.headers:
        return await bearer(request)
    principal = await person(request)
    if principal is None:
        if _is_for_programs(request):
            return await bearer(request)  # which says what is missing
        raise _sign_in_first(request)
    if request.method not in SAFE_METHODS:
        await _refuse_forgery(request, principal)
    return principal


async def _refuse_forgery(request: Request, principal: Principal) -> None:
    """Problem 403 unless a page that we gave to this very session sent the request."""
    if not from_our_pages(request):
        raise Problem(403, "the request came from another site's page, so nothing was done")
    given = request.headers.get("x-csrf-token")
    if given is None:
        field = (await request.form()).get("csrf_token")
        given = field if isinstance(field, str) else ""
    if not credentials.same(given, principal.csrf_token or ""):
        raise Problem(403, "the form is out of date, so nothing was done: reload the page and send it again")


def _is_for_programs(request: Request) -> bool:
    path = request.url.path
    return path.startswith("/api/") or path in ("/metrics", "/openapi.json")


def _sign_in_first(request: Request) -> Problem:
    if request.headers.get("hx-request") == "true":
        # a redirect would put the sign-in page into a corner of the page: htmx has to leave the page as a whole
        here = urlsplit(request.headers.get("hx-current-url", ""))
        return Problem(401, "sign in first", headers={"HX-Redirect": _login(here.path, here.query)})
    if request.method not in SAFE_METHODS:
        return Problem(303, "sign in first", headers={"Location": "/login"})
    path = request.scope.get("raw_path") or quote(request.url.path).encode()
    return Problem(303, "sign in first", headers={"Location": _login(path.decode("latin-1"), request.url.query)})


def _login(path: str, query: str) -> str:
    target = local_path(f"{path}?{query}" if query else path)
    return f"/login?next={quote(target, safe='/')}"
