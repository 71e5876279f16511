"""Which leak of a host a signature of the catalogue names: one that matches the same program there, and is about the
same type of handles."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, case, exists, func, or_, select, true

from server.analysis.catalogue import Signature
from server.analysis.signatures import LEVELS
from server.store.tables import leaks, matches

NAMING = ("leaking", "present")  # and `cleared`, of a leak that is resolved


_OF_ONE_HOST = matches.c.host_id == leaks.c.host_id


def types_of(catalogue: Mapping[str, Signature]) -> Mapping[str, str]:
    """The types of handles, without case, that signatures are about; one about all handles is left out."""
    return {signature.id: signature.type for signature in catalogue.values() if signature.type is not None}


def _matched(connection: Connection, types: Mapping[str, str]) -> ColumnElement[bool]:
    """Of matches and leaks of one host: whether the match is about the leak's program, and its type as far as both tell
    one. Without case, since collectors may write a program of Windows now so and now so."""
    wanted = func.lower(leaks.c.program)
    if connection.dialect.name == "sqlite":
        each = func.json_each(matches.c.detail, "$.programs").table_valued("value").alias("each_program")
        name = func.json_extract(each.c.value, "$.program", type_=String)
    else:
        each = func.json_array_elements(matches.c.detail["programs"]).table_valued("value").alias("each_program")
        name = func.json_extract_path_text(each.c.value, "program", type_=String)
    listed = exists(select(1).select_from(each).where(func.lower(name) == wanted).correlate(leaks, matches))
    level = or_(matches.c.level.in_(NAMING), and_(matches.c.level == "cleared", leaks.c.state == "resolved"))
    named = or_(func.lower(matches.c.program) == wanted, listed)
    return and_(level, named, _of_type(types))


def _of_type(types: Mapping[str, str]) -> ColumnElement[bool]:
    if not types:
        return true()
    about = case(dict(types), value=matches.c.signature_id)
    return or_(leaks.c.type.is_(None), about.is_(None), func.lower(leaks.c.type) == about)


def names_leak(connection: Connection, signature_id: str, types: Mapping[str, str]) -> ColumnElement[bool]:
    """Whether a signature names a leak, as a condition over `leaks`."""
    return exists(
        select(1)
        .select_from(matches)
        .where(_OF_ONE_HOST, matches.c.signature_id == signature_id, _matched(connection, types))
        .correlate(leaks)
    )


def signatures_of_leaks(
    connection: Connection, rows: Sequence[Any], types: Mapping[str, str]
) -> Mapping[tuple[int, int], list[tuple[str, str]]]:
    """(id, level) of the signatures that name each of these leaks, by (host_id, leak_no). `types`: as `types_of`."""
    found: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    if not rows:
        return found
    wanted = {(row.host_id, row.leak_no) for row in rows}
    query = (
        select(leaks.c.host_id, leaks.c.leak_no, matches.c.signature_id, matches.c.level)
        .select_from(leaks.join(matches, _OF_ONE_HOST))
        .where(leaks.c.host_id.in_({row.host_id for row in rows}), _matched(connection, types))
        .order_by(matches.c.signature_id)
    )
    for row in connection.execute(query):
        if (row.host_id, row.leak_no) in wanted:
            found[row.host_id, row.leak_no].append((row.signature_id, row.level))
    return found


def signatures_of_groups(
    connection: Connection, rows: Sequence[Any], conditions: Sequence[ColumnElement[bool]], types: Mapping[str, str]
) -> Mapping[tuple[str, str | None, str | None], list[tuple[str, str]]]:
    """(id, the worst level) of the signatures that name leaks of each of these groups; `conditions` are those of
    the leaks that were grouped."""
    found: dict[tuple[str, str | None, str | None], dict[str, str]] = defaultdict(dict)
    if rows:
        group = (leaks.c.program_key, leaks.c.type, leaks.c.object)
        query = (
            select(*group, matches.c.signature_id, matches.c.level)
            .select_from(leaks.join(matches, _OF_ONE_HOST))
            .where(leaks.c.program_key.in_({row.program_key for row in rows}), *conditions, _matched(connection, types))
            .group_by(*group, matches.c.signature_id, matches.c.level)
            .order_by(matches.c.signature_id)
        )
        for row in connection.execute(query):
            levels = found[row.program_key, row.type, row.object]
            levels[row.signature_id] = min(levels.get(row.signature_id, row.level), row.level, key=LEVELS.index)
    return {key: list(levels.items()) for key, levels in found.items()}
