"""`/docs`: the API, to read and try."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from server.access.principals import Principal
from server.web import guard, views
from server.web.pages import shell as shells

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs_page(request: Request, principal: Annotated[Principal, Depends(guard.reader)]) -> Response:
    return shells.answer(request, views.DocsView(shell=shells.shell(request, principal, nav="docs")))
