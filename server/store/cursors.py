"""Opaque cursors of lists: where the last page ended, in the order it was asked for."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, or_

from server.problems import Fault, Problem


def pack_cursor(order: str, values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([order, *values])).decode().rstrip("=")


def unpack_cursor(cursor: str, order: str, kinds: Sequence[type]) -> list[Any]:
    """The values the last row was ordered by. Raises Problem 422 for what is no cursor of this order."""
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        said, *values = msgspec.json.decode(data, type=list[Any])
    except (binascii.Error, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise _no_cursor() from error
    fits = len(values) == len(kinds) and all(
        isinstance(value, kind) and not isinstance(value, bool) and abs(value if isinstance(value, int) else 0) < 2**63
        for value, kind in zip(values, kinds, strict=False)
    )
    if said != order or not fits or any("\0" in value for value in values if isinstance(value, str)):
        raise _no_cursor()
    return values


def _no_cursor() -> Problem:
    detail = "is not a cursor of this list in this order; leave it out to start at the front"
    return Problem(422, f"cursor: {detail}.", [Fault("cursor", detail)])


def after(
    columns: Sequence[ColumnElement[Any]], descending: Sequence[bool], values: Sequence[Any]
) -> ColumnElement[bool]:
    """Rows that come after these values in an order by these columns."""
    choices = []
    for at, (column, down, value) in enumerate(zip(columns, descending, values, strict=True)):
        same = [earlier == known for earlier, known in zip(columns[:at], values[:at], strict=True)]
        choices.append(and_(*same, column < value if down else column > value))
    return or_(*choices)
