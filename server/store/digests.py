"""Digests of a host's days as rows: packed columns, most of which do not move, in parts of which most are not needed
at a time."""

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, select

from server.analysis.digest import AGES_H, HOURS, NOTHING, OF_PROGRAMS, Alone, Carry, Digest, Row
from server.analysis.frames import Ints
from server.analysis.worth import Summary, summary
from server.store.blocks import compress, decompress
from server.store.database import upsert
from server.store.tables import digests

_OF_HOURS = ("first", "last", "total", "elapsed")
_AGES = len(AGES_H)
_LINES_OF_ROW = 2 + _AGES  # held, high, kept
_LINES_OF_PROGRAM = len(OF_PROGRAMS) - 1 + _AGES  # lived at each age, and the others
_SINGLE = tuple(name for name in OF_PROGRAMS if name != "lived")
_SUMMARY, _LINES, _KEYS, _CARRY = range(4)

Places = NDArray[np.intp]


class StoredDay:
    """One day's digest, of which each part is unpacked when it is asked for."""

    def __init__(self, day_us: int, body: bytes) -> None:
        self.day_us = day_us
        self.body = body

    @classmethod
    def of(cls, day: Digest) -> "StoredDay":
        place = {program: at for at, program in enumerate(day.programs)}
        own = np.array([place[row.program] for row in day.rows], np.int32)
        of_hours = np.stack([getattr(day, name) for name in _OF_HOURS])
        marks = np.array([Row(program, None).mark for program in day.programs], np.int64)
        of_rows = np.concatenate([np.stack([day.held, day.high]), day.kept]).swapaxes(0, 1)
        of_programs = np.concatenate([np.stack([getattr(day, name) for name in _SINGLE]), day.lived]).swapaxes(0, 1)
        values = np.concatenate([of_rows.reshape(-1, HOURS), of_programs.reshape(-1, HOURS)])
        told = summary(day).values
        parts = [
            [of_hours.tobytes(), day.marks.tobytes(), own.tobytes(), marks.tobytes(), told.tobytes()],
            _pack(values),
            [[[row.type, row.process] for row in day.rows], day.programs, day.names],
            day.carry,
        ]
        encoded = [compress(msgspec.msgpack.encode(part)) for part in parts]
        return cls(day.day_us, msgspec.msgpack.encode(encoded))

    @cached_property
    def _parts(self) -> list[bytes]:
        return msgspec.msgpack.decode(self.body, type=list[bytes])

    def _part(self, number: int) -> Any:
        return msgspec.msgpack.decode(decompress(self._parts[number]))

    @cached_property
    def _index(self) -> tuple[Ints, Ints, NDArray[np.int32], Ints, Ints]:
        """Of hours; the rows' marks, and the number of each one's program; the programs' marks; the summary."""
        of_hours, marks, own, programs, told = self._part(_SUMMARY)
        return (
            np.frombuffer(of_hours, np.int64).reshape(-1, HOURS),
            np.frombuffer(marks, np.int64),
            np.frombuffer(own, np.int32),
            np.frombuffer(programs, np.int64),
            np.frombuffer(told, np.int64).reshape(-1, 2, 4),
        )

    @property
    def begins_us(self) -> int:
        first = self._index[0][0]
        return int(first[first != NOTHING][0])

    @property
    def summary(self) -> Summary:
        return Summary(self.day_us, self._index[1], self._index[4])

    @cached_property
    def carry(self) -> Carry:
        return msgspec.msgpack.decode(decompress(self._parts[_CARRY]), type=Carry)

    @cached_property
    def whole(self) -> Digest:
        _, programs, names = self._keys
        every = np.arange(len(self._index[1]))
        rows = [self._row(at) for at in every.tolist()]
        return self._digest(every, np.arange(len(programs)), rows, programs, dict(names), self.carry)

    @cached_property
    def unnamed(self) -> Digest:
        """All of it but for its rows' keys and its carry."""
        _, programs, _ = self._keys
        return self._digest(np.arange(len(self._index[1])), np.arange(len(programs)), [], programs, {}, Carry(0, 0))

    @cached_property
    def _keys(self) -> tuple[list[Any], list[str], dict[str, str]]:
        """Of rows, the type and the process; the programs; how they are shown."""
        rows, programs, names = self._part(_KEYS)
        return rows, programs, names

    def _row(self, at: int) -> Row:
        rows, programs, _ = self._keys
        kind, alone = rows[at]
        return Row(programs[self._index[2][at]], kind, None if alone is None else Alone(*alone))

    def of_programs(self, marks: Ints, known: "KnownRows") -> Digest:
        """These programs alone, by the marks of their totals, sorted; without a carry."""
        _, own_marks, own, programs, _ = self._index
        chosen = np.flatnonzero(_among(programs, marks))
        rows = np.flatnonzero(_among(own, chosen))
        keys = []
        for at, mark in zip(rows.tolist(), own_marks[rows].tolist(), strict=True):
            if mark not in known.rows:
                known.rows[mark] = self._row(at)
            keys.append(known.rows[mark])
        named = {}
        for at, mark in zip(chosen.tolist(), programs[chosen].tolist(), strict=True):
            if mark not in known.programs:
                _, all_programs, names = self._keys
                known.programs[mark] = all_programs[at], names.get(all_programs[at], all_programs[at])
            key, name = known.programs[mark]
            named[key] = name
        return self._digest(rows, chosen, keys, list(named), named, Carry(0, 0))

    def _digest(
        self, rows: Places, chosen: Places, keys: list[Row], programs: list[str], names: dict[str, str], carry: Carry
    ) -> Digest:
        of_hours, marks, *_ = self._index
        base = len(marks) * _LINES_OF_ROW
        lines = np.concatenate(
            [
                (rows[:, np.newaxis] * _LINES_OF_ROW + np.arange(_LINES_OF_ROW)).ravel(),
                (chosen[:, np.newaxis] * _LINES_OF_PROGRAM + np.arange(_LINES_OF_PROGRAM)).ravel() + base,
            ]
        )
        values = _unpack(self._part(_LINES), lines)
        split = len(rows) * _LINES_OF_ROW
        of_rows = values[:split].reshape(-1, _LINES_OF_ROW, HOURS).swapaxes(0, 1)
        of_programs = values[split:].reshape(-1, _LINES_OF_PROGRAM, HOURS).swapaxes(0, 1)
        single = dict(zip(_SINGLE, of_programs, strict=False))
        return Digest(
            day_us=self.day_us,
            rows=keys,
            marks=marks[rows],
            names=names,
            held=of_rows[0],
            high=of_rows[1],
            kept=of_rows[2:],
            programs=programs,
            lived=of_programs[len(_SINGLE) :],
            carry=carry,
            **single,
            **dict(zip(_OF_HOURS, of_hours, strict=True)),
        )


class KnownRows:
    """Rows and programs by their marks, as days are read newest first."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.programs: dict[int, tuple[str, str]] = {}


def of_programs(days: Sequence[StoredDay], programs: Collection[str]) -> list[Digest]:
    """Each day's digest with the rows of these programs alone, by their keys."""
    marks = np.sort(np.array([Row(program, None).mark for program in programs], np.int64))
    known = KnownRows()
    return [day.of_programs(marks, known) for day in reversed(days)][::-1]


def read_digests(connection: Connection, host_id: int, from_us: int, to_us: int) -> list[StoredDay]:
    """Of the days that begin in this time (both ends included), oldest first."""
    rows = connection.execute(
        select(digests.c.day_us, digests.c.body)
        .where(digests.c.host_id == host_id, digests.c.day_us >= from_us, digests.c.day_us <= to_us)
        .order_by(digests.c.day_us)
    )
    return [StoredDay(row.day_us, row.body) for row in rows]


def write_digests(connection: Connection, host_id: int, days: Sequence[StoredDay], *, keep_from_us: int) -> None:
    """Put these in the place of all there are from the first of them on; drop those of days before `keep_from_us`."""
    if not days:
        return
    old = (digests.c.day_us > days[-1].day_us) | (digests.c.day_us < keep_from_us)
    connection.execute(delete(digests).where(digests.c.host_id == host_id, old))
    for day in days:
        new = upsert(connection, digests).values(host_id=host_id, day_us=day.day_us, body=day.body)
        connection.execute(new.on_conflict_do_update(index_elements=["host_id", "day_us"], set_={"body": day.body}))


def forget_digests(connection: Connection, host_id: int, from_us: int) -> None:
    connection.execute(delete(digests).where(digests.c.host_id == host_id, digests.c.day_us >= from_us))


def _among(values: NDArray[Any], of: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of these are among others that ascend."""
    if not len(of):
        return np.zeros(len(values), bool)
    return np.asarray(of[np.searchsorted(of, values).clip(0, len(of) - 1)] == values, np.bool_)


def _pack(matrix: Ints) -> list[Any]:
    """Each line's first value, and the lines that move as differences: as `_planes`, which the last element says."""
    steps = np.diff(matrix, axis=1)
    moves = steps.any(axis=1)
    return [_planes(matrix[:, 0]), np.packbits(moves).tobytes(), _planes(steps[moves]), 1]


def _planes(values: Ints) -> bytes:
    """All first bytes, then all second ones, and so on, without a sign: small numbers leave most of them empty."""
    unsigned = np.ascontiguousarray((values << 1) ^ (values >> 63)).reshape(-1, 1)
    return unsigned.view(np.uint8).T.tobytes()


def _from_planes(data: bytes) -> Ints:
    planes = np.frombuffer(data, np.uint8).reshape(8, -1)
    unsigned = np.ascontiguousarray(planes.T).view(np.uint64).reshape(-1)
    return (unsigned >> np.uint64(1)).view(np.int64) ^ -(unsigned & np.uint64(1)).view(np.int64)


def _unpack(packed: list[Any], lines: Places) -> Ints:
    """These lines of a packed matrix."""
    first, moves, steps, *planes = packed
    firsts = _from_planes(first) if planes else np.frombuffer(first, np.int64)
    matrix = np.repeat(firsts[lines, np.newaxis], HOURS, axis=1)
    moving = np.flatnonzero(np.unpackbits(np.frombuffer(moves, np.uint8))) if planes else np.frombuffer(moves, np.int32)
    if not len(moving):
        return matrix
    place = np.searchsorted(moving, lines).clip(0, len(moving) - 1)
    there = np.flatnonzero(moving[place] == lines)
    flat = _from_planes(steps) if planes else np.frombuffer(steps, np.int64)
    differences = flat.reshape(len(moving), HOURS - 1)
    matrix[there, 1:] += np.cumsum(differences[place[there]], axis=1)
    return matrix
