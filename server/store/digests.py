"""Digests of a host's days as rows: packed columns, most of which do not move."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, delete, select

from server.analysis.digest import HOURS, OF_PROGRAMS, OF_ROWS, Alone, Carry, Digest, Row
from server.analysis.frames import Ints
from server.store.blocks import compress, decompress
from server.store.database import upsert
from server.store.tables import digests

_OF_HOURS = ("first", "last", "total", "elapsed")


def read_digests(connection: Connection, host_id: int, from_us: int, to_us: int) -> list[Digest]:
    """Of the days that begin in this time (both ends included), oldest first."""
    rows = connection.execute(
        select(digests.c.day_us, digests.c.body)
        .where(digests.c.host_id == host_id, digests.c.day_us >= from_us, digests.c.day_us <= to_us)
        .order_by(digests.c.day_us)
    )
    return [unpack_digest(row.day_us, row.body) for row in rows]


def write_digests(connection: Connection, host_id: int, days: Sequence[Digest], *, keep_from_us: int) -> None:
    """Put these in the place of all there are from the first of them on; drop those of days before `keep_from_us`."""
    if not days:
        return
    old = (digests.c.day_us > days[-1].day_us) | (digests.c.day_us < keep_from_us)
    connection.execute(delete(digests).where(digests.c.host_id == host_id, old))
    for day in days:
        body = pack_digest(day)
        new = upsert(connection, digests).values(host_id=host_id, day_us=day.day_us, body=body)
        connection.execute(new.on_conflict_do_update(index_elements=["host_id", "day_us"], set_={"body": body}))


def forget_digests(connection: Connection, host_id: int, from_us: int) -> None:
    connection.execute(delete(digests).where(digests.c.host_id == host_id, digests.c.day_us >= from_us))


def pack_digest(day: Digest) -> bytes:
    said = {name: _pack(getattr(day, name)[np.newaxis]) for name in _OF_HOURS}
    said |= {name: _pack(getattr(day, name).reshape(-1, HOURS)) for name in (*OF_ROWS, *OF_PROGRAMS)}
    head: dict[str, Any] = {
        "rows": [[row.program, row.type, None if row.process is None else list(row.process)] for row in day.rows],
        "marks": day.marks.tobytes(),
        "names": day.names,
        "programs": day.programs,
        "carry": day.carry,
    }
    return compress(msgspec.msgpack.encode(head | said))


def unpack_digest(day_us: int, body: bytes) -> Digest:
    said = msgspec.msgpack.decode(decompress(body))
    rows = [Row(program, kind, None if process is None else Alone(*process)) for program, kind, process in said["rows"]]
    values: dict[str, Ints] = {name: _unpack(said[name])[0] for name in _OF_HOURS}
    for names, height in ((OF_ROWS, len(rows)), (OF_PROGRAMS, len(said["programs"]))):
        for name in names:
            laid = _unpack(said[name])
            values[name] = laid.reshape(-1, height, HOURS) if name in ("kept", "lived") else laid
    return Digest(
        day_us=day_us,
        rows=rows,
        marks=np.frombuffer(said["marks"], np.int64),
        names=said["names"],
        programs=said["programs"],
        carry=msgspec.convert(said["carry"], Carry),
        **values,
    )


def _pack(matrix: Ints) -> list[Any]:
    """Each row's first value, and the rows that move as differences."""
    steps = np.diff(matrix, axis=1)
    moves = np.flatnonzero(steps.any(axis=1))
    return [matrix.shape[0], matrix[:, 0].tobytes(), moves.astype(np.int32).tobytes(), steps[moves].tobytes()]


def _unpack(packed: list[Any]) -> Ints:
    height, first, moves, steps = packed
    matrix = np.repeat(np.frombuffer(first, np.int64)[:, np.newaxis], HOURS, axis=1).reshape(height, HOURS)
    rows = np.frombuffer(moves, np.int32)
    matrix[rows, 1:] += np.cumsum(np.frombuffer(steps, np.int64).reshape(len(rows), HOURS - 1), axis=1)
    return matrix
