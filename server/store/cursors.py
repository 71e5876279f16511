"""Lists page by page: the order they are asked for, and an opaque cursor that says where the last page ended."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, literal, or_

from server.problems import Fault, Problem


class Key(NamedTuple):
    """One column of an order. No value may be null, and the last key of an order must tell any two rows apart."""

    column: ColumnElement[Any]
    kind: type
    descends: bool


def read_page(
    connection: Connection, query: Select[Any], keys: Sequence[Key], *, sort: str, limit: int, cursor: str | None
) -> tuple[Sequence[Any], str | None]:
    """The rows of a page, and the next page's cursor. `sort` is what the order was asked for as; Problem 422 for a
    cursor of another one."""
    if cursor:
        query = query.where(_after(keys, unpack_cursor(cursor, sort, [key.kind for key in keys])))
    ordered = query.add_columns(*[key.column.label(f"key_{i}") for i, key in enumerate(keys)]).order_by(
        *[key.column.desc() if key.descends else key.column for key in keys]
    )
    # of the type that it is of, so that a sharded database sees a number there and asks each shard for no more
    rows = connection.execute(ordered.limit(literal(limit + 1, BigInteger))).all()
    if len(rows) <= limit:
        return rows, None
    rows = rows[:limit]
    return rows, pack_cursor(sort, [getattr(rows[-1], f"key_{i}") for i in range(len(keys))])


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


def _after(keys: Sequence[Key], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows that come after these values in the order."""
    choices = []
    for at, (key, value) in enumerate(zip(keys, values, strict=True)):
        same = [earlier.column == known for earlier, known in zip(keys[:at], values[:at], strict=True)]
        choices.append(and_(*same, key.column < value if key.descends else key.column > value))
    return or_(*choices)
