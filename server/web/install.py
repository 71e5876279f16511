"""`/install.sh` and `/install.ps1`: the scripts that put the collector on a machine, made for this very server.

Each carries the address of this server and the SHA-256 of what it downloads. Nothing of a request gets into a script
but an address that was looked at.
"""

import re
import shlex
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from server.assets import templates_dir
from server.downloads import COLLECTOR_WINDOWS, COLLECTOR_ZIPAPP, Download
from server.problems import Problem
from server.settings import Settings

router = APIRouter(include_in_schema=False)

_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_ADDRESS: Final = re.compile(rf"https?://{_HOST.pattern}(?:/[A-Za-z0-9._~/-]*)?", re.ASCII)


def server_address(request: Request) -> str:
    """This server as machines reach it, without a slash at the end: the public URL, else as the request says.

    It holds nothing that a shell, PowerShell or HTML would take for more than an address. Problem 400 for another.
    """
    settings: Settings = request.app.state.settings
    host = request.headers.get("host", "")
    address = settings.public_url or f"{request.scope['scheme']}://{host}"
    if not _ADDRESS.fullmatch(address) or not (settings.public_url or _HOST.fullmatch(host)):
        raise Problem(
            400,
            "This request does not say which server it is for in a way that can be used: set HANDLEWATCH_PUBLIC_URL.",
        )
    return address


@router.get("/install.sh")
def install_sh(request: Request) -> Response:
    """For Linux: finds a Python, downloads the collector, checks it and lets it install itself."""
    found = _download(request, COLLECTOR_ZIPAPP)
    values = {"SERVER": shlex.quote(server_address(request)), "SHA256": shlex.quote(found.sha256), "FILE": found.name}
    return _script("install.sh", values, media_type="text/x-shellscript")


@router.get("/install.ps1")
def install_ps1(request: Request) -> Response:
    """For Windows: the same in PowerShell, with a Python of its own where this server has the bundle."""
    downloads = request.app.state.downloads
    bundled = COLLECTOR_WINDOWS in downloads
    found = _download(request, COLLECTOR_WINDOWS if bundled else COLLECTOR_ZIPAPP)
    values = {"SERVER": server_address(request), "SHA256": found.sha256, "FILE": found.name}
    return _script("install.ps1" if bundled else "install-python.ps1", values, media_type="text/plain")


def _download(request: Request, name: str) -> Download:
    found: Download | None = request.app.state.downloads.get(name)
    if found is None:
        raise Problem(503, "This server has no collector to install; its log says why.")
    return found


def _script(template: str, values: dict[str, str], *, media_type: str) -> Response:
    text = (templates_dir() / "install" / template).read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return Response(text, media_type=f"{media_type}; charset=utf-8")
