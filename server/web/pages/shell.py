"""What every page has around its content, and how a page or its refresh goes out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server import __version__
from server.access.principals import Principal
from server.analysis.catalogue import Signature
from server.analysis.instants import SECOND, from_us
from server.web import guard, views
from server.web.render import render, render_partial


def shell(
    request: Request, principal: Principal, *, nav: views.Nav, simulated: bool = False, search: str = ""
) -> views.Shell:
    return views.Shell(
        user=principal.name,
        role=principal.scope if principal.kind == "session" else None,  # type: ignore[arg-type]  # a role
        csrf_token=principal.csrf_token or "",
        nav=nav,
        version=__version__,
        now=from_us(guard.now_us()),
        simulated=simulated,
        search=search,
        notices=request.app.state.notices(),
    )


def answer(request: Request, view: views.View) -> Response:
    """The page; for a refresh the part of it that changes."""
    refresh = request.headers.get("hx-request") == "true"
    return HTMLResponse(render_partial(view) if refresh else render(view), headers={"Vary": "HX-Request"})


def is_simulated(labels: Mapping[str, str]) -> bool:
    return "simulated" in labels


def moment(value: int | None) -> datetime | None:
    return None if value is None else from_us(value)


def seconds_to(moment_us: int | None, now_us: int) -> float | None:
    """None for a time that is not known, 0 for one that is past."""
    return None if moment_us is None else max(0, moment_us - now_us) / SECOND


def os_view(row: Any) -> views.Os:
    return views.Os(family=row.os_family, name=row.os_name, version=row.os_version, service_pack=row.service_pack)


def on_list(applies_to: bool, row: Any) -> bool | None:
    """Whether a host's system is on a signature's list; None where no more than its family is known."""
    family_alone = row.os_name is None and row.os_version is None and row.os_family in ("windows", "other")
    return applies_to or (None if family_alone else False)


def badge(catalogue: Mapping[str, Signature], signature_id: str, level: Any) -> views.SignatureBadge:
    known = catalogue.get(signature_id)
    return views.SignatureBadge(id=signature_id, title=known.said.short_name if known else signature_id, level=level)
