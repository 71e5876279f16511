"""Which programs are to be spoken of sooner or later than others, as operators set it; few rows, read as a whole. What
they make quiet leaves the lists of leaks at once, and comes back when they no longer do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update

from server.analysis.patterns import PatternError, wildcard
from server.analysis.sensitivity import LEVELS, Sensitivity, level_for, setting_for
from server.problems import Fault, Problem
from server.store.leaks import SAID, recount
from server.store.tables import host_state, leaks
from server.store.tables import sensitivities as table

MOST = 200
LONGEST_LABEL = 1_024  # of its key and of its value
_AT_ONCE = 500  # hosts in a statement


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
            _delete(connection, row.sensitivity_id)
    if (connection.scalar(select(func.count()).select_from(table)) or 0) >= MOST:
        raise Problem(
            409, f"There are {MOST} already: remove one first, or let one pattern stand for several programs."
        )
    columns = {"program": program, "label_key": key, "label_value": value, "level": level}
    added = insert(table).values(created_us=now_us, created_by=by, **columns).returning(table)
    row = connection.execute(added).one()
    _hide_and_show(connection)
    return row


def remove_sensitivity(connection: Connection, sensitivity_id: int) -> bool:
    """Whether there was one. Leaks that it hid are told again."""
    found = _delete(connection, sensitivity_id)
    _hide_and_show(connection)
    return found


def hidden_by(connection: Connection) -> Mapping[int, int]:
    """How many open leaks each setting hides, by its id."""
    said = sensitivities(connection)
    hidden = Counter(
        setting.number
        for row in connection.execute(_told().where(leaks.c.quieted, ~leaks.c.standing, leaks.c.state == "leaking"))
        if (setting := setting_for(said, row.program, row.labels)) is not None
    )
    return dict(hidden)


def _told() -> Select[Any]:
    columns = leaks.c.host_id, leaks.c.leak_no, leaks.c.program, leaks.c.standing, host_state.c.labels
    return select(*columns).join(host_state, host_state.c.host_id == leaks.c.host_id)


def _hide_and_show(connection: Connection) -> None:
    """Leave the lists to what is not quiet, as the settings now say; judging keeps it so."""
    said = sensitivities(connection)
    told = connection.execute(_told().where(SAID)).all()
    changed = [row for row in told if row.standing == (level_for(said, row.program, row.labels) == "quiet")]
    host_ids = sorted({row.host_id for row in changed})
    # first the hosts, in order, as judging does
    held = select(host_state.c.host_id).where(host_state.c.host_id == bindparam("this")).with_for_update()
    for host_id in host_ids:
        connection.execute(held, {"this": host_id})
    this = leaks.c.host_id == bindparam("of_host"), leaks.c.leak_no == bindparam("of_leak")
    if changed:
        turned = update(leaks).where(*this).values(standing=bindparam("stands"), quieted=bindparam("hidden"))
        of = [
            {"of_host": row.host_id, "of_leak": row.leak_no, "stands": not row.standing, "hidden": row.standing}
            for row in changed
        ]
        connection.execute(turned, of)
    for at in range(0, len(host_ids), _AT_ONCE):
        recount(connection, host_ids[at : at + _AT_ONCE])


def _delete(connection: Connection, sensitivity_id: int) -> bool:
    return connection.execute(delete(table).where(table.c.sensitivity_id == sensitivity_id)).rowcount > 0


def _wrong(field: str, detail: str) -> Problem:
    return Problem(422, f"{field}: {detail}.", [Fault(field, detail)])
