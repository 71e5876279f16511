"""JSON that a request carries, as one of the structures of `schema`."""

from typing import TypeVar

import msgspec
from fastapi import Request

from server.ingest.wire import refusal
from server.problems import Problem

Body = TypeVar("Body")


async def read_json(request: Request, kind: type[Body]) -> Body:
    """Raises Problem 400 for what is no JSON, 422 for what does not fit."""
    body = await request.body()
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise refusal(error, body) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"The body is not JSON: {error}.") from error
