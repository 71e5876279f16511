"""Taking in what nearly every push is: one more snapshot of a host that says of itself what it said before. Two
statements, past what SQLAlchemy does for each; any other push, and one that finds something else than it expects, is
for `store.pushes`."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from server.analysis.instants import SECOND
from server.store.pushes import NewPush, Taken, held_skew, measured_skew, skew_of_rows

_INSERT = """
INSERT INTO snapshots (host_id, time_us, shown_us, skew_s, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (host_id, time_us) DO NOTHING
"""
# what `pushes.take` does where the host is as expected and the snapshot is its newest
_UPDATE = """
UPDATE host_state SET
  info_us = ?, collector = ?, newest_us = ?, shown_us = ?, handles = ?, processes = ?, denied = ?, machine = ?,
  dirty_us = CASE WHEN dirty_us <= ? THEN dirty_us ELSE ? END,
  recent_us = CASE WHEN recent_us <= ? THEN recent_us ELSE ? END,
  pushed_seq = pushed_seq + 1
WHERE host_id = ? AND info_us = ? AND skew_s = ? AND shown_us < ? AND sealed_us <= ?
RETURNING advice
"""
_DELETE = "DELETE FROM snapshots WHERE host_id = ? AND time_us = ?"
_OF_POSTGRESQL = {text: text.replace("?", "%s") for text in (_UPDATE, _DELETE)} | {
    _INSERT: _INSERT.replace("?)", "%b)").replace("?", "%s")
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a server process last wrote of a host. Whoever has written its facts since has raised `info_us`."""

    host_id: int
    facts: bytes  # `facts_key`
    info_us: int
    skew_s: int


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The parameters of the statements, and what to expect after them."""

    insert: Sequence[Any]
    update: Sequence[Any]
    expected: Expected
    measured: float


def facts_key(facts: Mapping[str, Any]) -> bytes:
    """Tells what hosts say of themselves apart, but for what the collector says of itself, which changes each time."""
    said = {name: value for name, value in facts.items() if name != "collector"}
    return hashlib.blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()


def take_newest(
    connection: Connection, pushes: Sequence[tuple[NewPush, Expected]]
) -> Sequence[tuple[Taken, Expected] | None]:
    """Store pushes of different hosts, each with what its host is expected to be; with each, what to expect from then
    on. None where nothing was stored, which is not refused: `pushes.take` is to look at it."""
    attempts = [_attempt(push, expected) for push, expected in pushes]
    raw: Any = connection.connection.driver_connection
    with _as_others_raise(connection):
        take_all = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
        advice = list(take_all(raw, attempts))
    found: list[tuple[Taken, Expected] | None] = []
    for one, said in zip(attempts, advice, strict=True):
        if one is None or said is None:
            found.append(None)
            continue
        skew_s = round(one.measured, 3)
        found.append((Taken(one.expected.host_id, 1, 0, skew_s, _advice(said)), one.expected))
    return found


def _attempt(push: NewPush, expected: Expected) -> _Attempt | None:
    if len(push.snapshots) != 1 or push.inventory or push.modest is not None:
        return None
    one = push.snapshots[0]
    measured = measured_skew(push)
    skew = held_skew(expected.skew_s, push.sent_us, measured)
    lead = skew_of_rows(push, skew)
    shown_us = one.time_us - lead * SECOND
    if one.partial or skew != expected.skew_s or shown_us <= expected.info_us:
        return None
    if facts_key(push.facts) != expected.facts:
        return None
    collector = _json(push.facts["collector"])
    machine = None if one.machine is None else _json(one.machine)
    host_id, old = expected.host_id, expected.info_us
    return _Attempt(
        (host_id, one.time_us, shown_us, lead, one.body),
        (
            *(shown_us, collector, one.time_us, shown_us, one.handles, one.processes, one.denied, machine),
            *(shown_us, shown_us, shown_us, shown_us),
            *(host_id, old, skew, shown_us, one.time_us),
        ),
        Expected(host_id, expected.facts, shown_us, skew),
        measured,
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _advice(said: Any) -> Sequence[str]:
    found: Sequence[str] = msgspec.json.decode(said) if isinstance(said, str) else said
    return found


def _on_sqlite(raw: Any, attempts: Sequence[_Attempt | None]) -> Iterator[Any]:
    """What the host is advised of each, None where nothing was stored."""
    for one in attempts:
        if one is None or raw.execute(_INSERT, one.insert).rowcount != 1:
            yield None
            continue
        row = raw.execute(_UPDATE, one.update).fetchone()
        if row is None:
            raw.execute(_DELETE, one.insert[:2])
        yield None if row is None else row[0]


def _on_postgresql(raw: Any, attempts: Sequence[_Attempt | None]) -> Iterator[Any]:
    """As `_on_sqlite`; each of the statements in one go for all."""
    given = [one for one in attempts if one is not None]
    stored: set[int] = set()
    advice: dict[int, Any] = {}
    with raw.cursor() as cursor:
        if given:
            cursor.executemany(_OF_POSTGRESQL[_INSERT], [one.insert for one in given], returning=True)
            stored = {at for at, result in enumerate(cursor.results()) if result.rowcount == 1}
        there = [given[at] for at in sorted(stored)]
        if there:
            cursor.executemany(_OF_POSTGRESQL[_UPDATE], [one.update for one in there], returning=True)
            for one, result in zip(there, cursor.results(), strict=True):
                row = result.fetchone()
                if row is not None:
                    advice[id(one)] = row[0]
        undone = [one.insert[:2] for one in there if id(one) not in advice]
        if undone:
            cursor.executemany(_OF_POSTGRESQL[_DELETE], undone)
    for attempt in attempts:
        yield advice.get(id(attempt))


@contextmanager
def _as_others_raise(connection: Connection) -> Iterator[None]:
    """What the driver raises as what SQLAlchemy would make of it."""
    driver: Any = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.OperationalError as error:
        raise OperationalError(None, None, error) from error
    except driver.Error as error:
        raise DBAPIError(None, None, error) from error
