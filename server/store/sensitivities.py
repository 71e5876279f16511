"""Which programs are to be spoken of sooner or later than others, as operators set it; few rows, read as a whole."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from server.analysis.patterns import PatternError, wildcard
from server.analysis.sensitivity import LEVELS, Sensitivity
from server.problems import Fault, Problem
from server.store.tables import sensitivities as table

MOST = 200
LONGEST_LABEL = 1_024  # of its key and of its value


def sensitivities(connection: Connection) -> list[Sensitivity]:
    """All, as `analysis.sensitivity.level_for` takes them."""
    return [as_sensitivity(row) for row in sensitivity_rows(connection)]


def sensitivity_rows(connection: Connection) -> Sequence[Any]:
    """All with who set them and when, by program."""
    order = (func.lower(table.c.program), table.c.label_key, table.c.label_value, table.c.sensitivity_id)
    return connection.execute(select(table).order_by(*order)).all()


def as_sensitivity(row: Any) -> Sensitivity:
    label = None if row.label_key is None else (row.label_key, row.label_value)
    return Sensitivity(row.sensitivity_id, row.program, label, row.level)


def add_sensitivity(
    connection: Connection, program: str, label: tuple[str, str] | None, level: str, *, by: str, now_us: int
) -> Any:
    """Set the level of programs that fit a pattern, on hosts with a label or, None, on all; the row. It takes the place
    of what was said of the same. Problem 422 for a bad value, 409 where there are too many."""
    program = program.replace("\0", "\ufffd").strip()
    try:
        wildcard(program)
    except PatternError as error:
        raise _wrong("program", str(error)) from error
    if level not in LEVELS:
        raise _wrong("level", f"must be one of {', '.join(LEVELS)}")
    key, value = (None, None) if label is None else (part.replace("\0", "\ufffd") for part in label)
    if key == "" or max(len(key or ""), len(value or "")) > LONGEST_LABEL:
        raise _wrong("label", f"must have a key, and at most {LONGEST_LABEL:,} characters in each part")
    for row in sensitivity_rows(connection):
        if (row.program.casefold(), row.label_key, row.label_value) == (program.casefold(), key, value):
            remove_sensitivity(connection, row.sensitivity_id)
    if (connection.scalar(select(func.count()).select_from(table)) or 0) >= MOST:
        raise Problem(
            409, f"There are {MOST} already: remove one first, or let one pattern stand for several programs."
        )
    columns = {"program": program, "label_key": key, "label_value": value, "level": level}
    added = insert(table).values(created_us=now_us, created_by=by, **columns).returning(table)
    return connection.execute(added).one()


def remove_sensitivity(connection: Connection, sensitivity_id: int) -> bool:
    """Whether there was one."""
    return connection.execute(delete(table).where(table.c.sensitivity_id == sensitivity_id)).rowcount > 0


def _wrong(field: str, detail: str) -> Problem:
    return Problem(422, f"{field}: {detail}.", [Fault(field, detail)])
