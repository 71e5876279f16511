"""What a host's programs hold at least, hour by hour, laid out from its digests: what the detector looks at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from server.analysis.digest import AGES_H, HOURS, NOTHING, Digest, Row, digest
from server.analysis.frames import Frame, Ints, take
from server.analysis.instants import HOUR, SECOND

__all__ = ["AGES_H", "LOOK_BACK_DAYS", "Floors", "Row", "floors", "laid_out"]

Floats = NDArray[np.float64]

LOOK_BACK_DAYS = 28  # UTC days before the one that is judged


@dataclass(frozen=True, slots=True)
class Floors:
    """R rows by N whole hours, from the first with a snapshot on; NaN where nothing is known.

    hours: their beginnings (microseconds, UTC); ends: when each was known to be over: the first snapshot after it.
    held: the least held in the hour; high: the most. grown: per age of AGES_H, what processes of at least that age
    took and kept (losses count against it) since the first snapshot, at least; a restart leaves it as it is. lived:
    per age, the hours so far for which there was a process of that age.
    alive: the most processes at a time; births: processes first seen in the hour; there: the share of snapshots with
    a process; young: hours since the youngest process was born; life: the median life so far, in hours; limit: of
    one process, the least of all.
    """

    hours: Ints
    ends: Ints
    rows: list[Row]
    names: dict[str, str]
    held: Floats
    high: Floats
    grown: Floats
    lived: Floats
    alive: Floats
    births: Floats
    there: Floats
    young: Floats
    life: Floats
    limit: Floats

    def of_rows(self, rows: NDArray[np.intp]) -> "Floors":
        """These rows alone."""
        return replace(
            self,
            rows=[self.rows[row] for row in rows.tolist()],
            grown=self.grown[:, rows],
            lived=self.lived[:, rows],
            **{name: getattr(self, name)[rows] for name in _BY_ROW},
        )


_BY_ROW = ("held", "high", "alive", "births", "there", "young", "life", "limit")


def floors(frame: Frame, *, fold: bool) -> Floors:
    """Of all whole hours of a frame; `fold` as `names.folds_case` says of the host."""
    newest_us = int(frame.shown.max())
    whole = take(frame, np.flatnonzero(frame.shown < newest_us // HOUR * HOUR))
    return laid_out(digest([whole], None, fold=fold), newest_us)


def laid_out(days: Sequence[Digest], next_us: int) -> Floors:
    """The hours of these days, which ascend and follow each other or leave gaps; `next_us` is the first snapshot after
    them. Rows come in an order of their own, whatever that of the days."""
    if not days:
        nothing = np.zeros((0, 0))
        ages = np.zeros((len(AGES_H), 0, 0))
        return Floors(
            np.zeros(0, np.int64), np.zeros(0, np.int64), [], {}, nothing, nothing, ages, ages, nothing, nothing,
            nothing, nothing, nothing, np.zeros(0),
        )  # fmt: skip
    rows = sorted({row for day in days for row in day.rows}, key=_order)
    place = {row: at for at, row in enumerate(rows)}
    programs = {name: at for at, name in enumerate(dict.fromkeys(row.program for row in rows))}
    first_day = days[0].day_us
    width = (days[-1].day_us - first_day) // HOUR + HOURS
    of_rows = {name: np.full(_shape(name, len(rows), width), NOTHING, np.int64) for name in ("held", "high", "kept")}
    of_programs = {
        name: np.full(_shape(name, len(programs), width), NOTHING, np.int64)
        for name in ("lived", "alive", "births", "there", "born", "life", "limit")
    }
    first, last = np.full(width, NOTHING, np.int64), np.full(width, NOTHING, np.int64)
    for day in days:
        at = (day.day_us - first_day) // HOUR
        hours = slice(at, at + HOURS)
        first[hours], last[hours] = day.first, day.last
        where = np.array([place[row] for row in day.rows], np.intp)
        for name, laid in of_rows.items():
            laid[..., where, hours] = getattr(day, name)
        known = [(programs[name], number) for number, name in enumerate(day.programs) if name in programs]
        into, of = np.array([k[0] for k in known], np.intp), np.array([k[1] for k in known], np.intp)
        for name, laid in of_programs.items():
            laid[..., into, hours] = getattr(day, name)[..., of, :]
    seen = np.flatnonzero(first != NOTHING)
    whole = slice(int(seen[0]), int(seen[-1]) + 1)
    own = np.array([programs[row.program] for row in rows], np.intp)
    for name in ("alive", "births", "there"):
        of_programs[name][(of_programs[name] == NOTHING) & (first != NOTHING)] = 0
    young = np.where(of_programs["born"] == NOTHING, np.nan, (last - of_programs["born"]) / HOUR)

    def of_own(values: Floats) -> Floats:
        return values[..., own, whole]

    return Floors(
        hours=first_day + np.arange(width)[whole] * HOUR,
        ends=_known_over(first, next_us)[whole],
        rows=rows,
        names={key: name for day in days for key, name in day.names.items()},
        held=_floats(of_rows["held"])[:, whole],
        high=_floats(of_rows["high"])[:, whole],
        grown=_floats(of_rows["kept"])[:, :, whole],
        lived=of_own(_floats(of_programs["lived"]) * SECOND / HOUR),
        alive=of_own(_floats(of_programs["alive"])),
        births=of_own(np.nan_to_num(_floats(of_programs["births"]))),
        there=of_own(_floats(of_programs["there"]) / 1000),
        young=of_own(young),
        life=of_own(_lives(of_programs["life"])),
        limit=_limits(of_programs["limit"], days[-1].day_us, first_day)[own],
    )


def _order(row: Row) -> tuple[str, bool, str, bool, int, int]:
    alone = row.process
    started = -1 if alone is None or alone.started_us is None else alone.started_us
    return row.program, row.type is not None, row.type or "", alone is not None, started, alone.pid if alone else 0


def _shape(name: str, rows: int, width: int) -> tuple[int, ...]:
    return (len(AGES_H), rows, width) if name in ("kept", "lived") else (rows, width)


def _floats(values: Ints) -> Floats:
    return np.where(values == NOTHING, np.nan, values)


def _lives(life: Ints) -> Floats:
    """In hours; infinite until one is known, and then what was known last."""
    columns = np.arange(life.shape[1])
    known = np.maximum.accumulate(np.where(life == NOTHING, -1, columns), axis=1)
    last = np.take_along_axis(life, known.clip(0), axis=1)
    return np.where(known >= 0, last * SECOND / HOUR, np.inf)


def _limits(limit: Ints, today_us: int, first_day: int) -> Floats:
    """By program: what was known last before the day that is judged, else what was known first; infinite for none."""
    known = limit != NOTHING
    split = (today_us - first_day) // HOUR
    columns = np.arange(limit.shape[1])
    last = np.where(known[:, :split], columns[:split], -1).max(axis=1, initial=-1)
    at = np.where(last >= 0, last, known.argmax(axis=1))
    found = np.take_along_axis(limit, at[:, np.newaxis], axis=1)[:, 0]
    return np.where(known.any(axis=1), found, np.inf)


def _known_over(first: Ints, next_us: int) -> Ints:
    """By hour, the first snapshot of a later one."""
    later = np.where(first == NOTHING, np.iinfo(np.int64).max, first)
    following = np.append(later[1:], next_us)
    ends: Ints = np.minimum.accumulate(following[::-1])[::-1]
    return ends
