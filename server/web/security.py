"""What browsers are told about every answer (headers), and what they tell of a request: its scheme and its origin."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)
STRICT_TRANSPORT_SECURITY = f"max-age={180 * 86_400}"

# the same for everybody: caches may keep these
_SHARED = ("/static/", "/downloads/")


class SecurityHeaders:
    """ASGI middleware that adds the headers to every answer. `public_url` is the setting of that name."""

    def __init__(self, app: ASGIApp, *, public_url: str = "") -> None:
        self.app = app
        self.public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), scope)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, scope: Scope) -> None:
        _add(headers, scope["path"], https=came_by_https(scope, self.public_url))


def headers_of_answers(path: str, *, https: bool) -> list[tuple[bytes, bytes]]:
    """What is added to an answer."""
    headers = MutableHeaders()
    _add(headers, path, https=https)
    return headers.raw


def _add(headers: MutableHeaders, path: str, *, https: bool) -> None:
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Permissions-Policy"] = PERMISSIONS_POLICY
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if https:
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
    if not path.startswith(_SHARED):
        headers["Cache-Control"] = "no-store"


def came_by_https(scope: Scope, public_url: str) -> bool:
    """Whether the person's browser used https: as the server saw it, or through a proxy at the public address."""
    if scope.get("scheme") == "https":
        return True
    return public_url.startswith("https://") and _authority("https", Headers(scope=scope).get("host", "")) == (
        _authority_of(public_url)
    )


def is_same_origin(headers: Mapping[str, str], public_url: str) -> bool:
    """Whether a page of ours, or no page at all, made the request.

    Browsers say so themselves in `Sec-Fetch-Site`; where they don't (plain http), `Origin` has to name this server.
    Without either it is no browser, and nobody's session can be misused.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    ours = {_authority(urlsplit(origin).scheme, headers.get("host", "")), _authority_of(public_url)}
    return _authority_of(origin) in ours - {""}


def _authority_of(url: str) -> str:
    parts = urlsplit(url)
    return _authority(parts.scheme, parts.netloc)


def _authority(scheme: str, netloc: str) -> str:
    """Host and port, without the port that goes without saying."""
    return netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(scheme, ":"))
