"""ASGI middleware: bounds request bodies of all routes but those that bound their own, and lets names in paths hold
slashes."""

from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.problems import Problem
from server.web.answers import problem_answer
from server.web.render import STANDS

MOST_BODY = 2**20
OWN_BOUNDS = frozenset({"/api/v1/snapshots", "/api/v1/import", "/import"})
SLASH = "\uffff"  # stands for a %2F inside a path's segment; a noncharacter, so no name has it


class Limits:
    """Refuses bodies over 1 MiB with 413."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OWN_BOUNDS:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > MOST_BODY:
            await problem_answer(_too_long())(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BODY:
                raise _too_long()
            return message

        await self.app(scope, bounded, send)


class Slashes:
    """Keeps an escaped slash inside its path segment: `/hosts/a%2Fb` is the host `a/b`, not a path of three."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%2f" in raw.lower():
            escaped = raw.decode("latin-1").replace("%2f", "%2F").replace("%2F", "%EF%BF%BF")
            scope = {**scope, "path": unquote(escaped, errors="replace")}
        await self.app(scope, receive, send)


def segment(text: str) -> str:
    """A path parameter as it was meant; a NUL as the wire format keeps it."""
    return text.removesuffix(STANDS).replace(SLASH, "/").replace("\0", "\ufffd")


def _too_long() -> Problem:
    return Problem(413, "The body is over 1 MiB.", headers={"Connection": "close"})
