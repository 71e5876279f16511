"""From frames to the lines of a chart: grouped, summed, put end to end and thinned without losing the extremes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import UNKNOWN, Frame, Ints, Values, carried_types, summed, union
from server.analysis.instants import rfc3339
from server.analysis.names import program_key, template

By = Literal["total", "program", "type", "process", "object"]

MOST_SERIES = 1_000
MOST_VALUES = 4_000_000  # of all lines together, of each of last, low and high

Key = tuple[str | int | None, ...]
Spelling = dict[str, str]  # of folded program names, as first seen


@dataclass(frozen=True, slots=True)
class Query:
    """What to draw. `fold` compares programs without case, as on Windows. `top` keeps the series with the highest
    peaks; `points` is how many columns there may be."""

    by: By = "total"
    program: str | None = None
    type: str | None = None
    top: int | None = None
    points: int = 1_000
    fold: bool = False

    def is_program(self, name: str) -> bool:
        return self.program is None or (program_key(name, fold=self.fold) == program_key(self.program, fold=self.fold))


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its key as REST shows it, and per column the last, lowest and highest value, UNKNOWN for a gap."""

    key: dict[str, Any]
    last: Ints
    low: Ints
    high: Ints


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same times (shown, ascending, microseconds). `left_out` counts series beyond `top`."""

    times: Ints
    lines: list[Line] = field(default_factory=list)
    left_out: int = 0


def sections_for(query: Query, *, coarse: bool = False) -> frozenset[str]:
    """The block sections that a query needs, at full resolution or at a coarser step."""
    if query.by == "object":
        return frozenset({"counts", "objects"})
    if coarse and _sum_kind(query):
        return frozenset({"sums"})
    if query.by == "type" or query.type is not None:
        return frozenset({"counts", "types"})
    return frozenset({"counts"})


def chart(frames: Sequence[Frame], query: Query) -> Chart:
    """The lines of a query over frames, highest peak first."""
    frames = _seamless([frame for frame in frames if len(frame.times)], query)
    times = np.concatenate([frame.shown for frame in frames]) if frames else np.zeros(0, np.int64)
    order = np.argsort(times, kind="stable")
    parts: dict[Key, list[tuple[int, Values]]] = {}
    spelling: Spelling = {}
    start = 0
    for frame in frames:
        for key, values in _groups(frame, query, spelling).items():
            parts.setdefault(key, []).append((start, values))
        start += len(frame.times)
    kept = _top(parts, query.top)[: max(1, MOST_VALUES // max(1, min(len(times), query.points)))]
    lines = [_line(_said(key, query, spelling), parts[key], order) for key in kept]
    if not lines and query.by == "total" and len(times):
        unknown = np.full(len(times), UNKNOWN, np.int64)
        lines = [Line({}, unknown, unknown, unknown)]
    return _thinned(Chart(times[order], lines, len(parts) - len(kept)), query.points)


def _seamless(frames: list[Frame], query: Query) -> list[Frame]:
    """Types are carried from look to look, so full-resolution frames, which end where blocks happen to, become one."""
    if query.by in ("process", "object") or (query.by != "type" and query.type is None):
        return frames
    full = [frame for frame in frames if not frame.step_s]
    if len(full) < 2:
        return frames
    return [*(frame for frame in frames if frame.step_s), union(full)]


def _said(key: Key, query: Query, spelling: Spelling) -> dict[str, Any]:
    """A group's key as REST shows it."""
    match query.by:
        case "program":
            return {"program": spelling[str(key[0])]}
        case "process":
            started = key[2]
            at = rfc3339(started) if isinstance(started, int) else None
            return {"program": spelling[str(key[0])], "pid": key[1], "started_at": at}
        case "type":
            return {"type": key[0]}
        case "object":
            return {"type": key[0], "object": key[1]}
        case _:
            return {}


def _groups(frame: Frame, query: Query, spelling: Spelling) -> dict[Key, Values]:
    """The 1 x T values of every group of one frame."""
    kind = _sum_kind(query) if frame.step_s else None
    source, rows = _sum_rows(frame, query, kind, spelling) if kind else _rows(frame, query, spelling)
    of_all = query.program is None and query.by in ("total", "type")
    floored = source.map(lambda matrix: np.maximum(matrix, UNKNOWN))
    return {
        key: floored.pick(slice(members[0], members[0] + 1))
        if len(members) == 1 and not of_all
        else summed(frame, source, members, of_all=of_all)
        for key, members in rows.items()
    }


def _sum_kind(query: Query) -> str | None:
    """Which of a coarse frame's exact sums answer the query, if any do."""
    match query.by, query.program, query.type:
        case "total", None, None:
            return "total"
        case ("total" | "program", _, None):
            return "program"
        case ("total" | "type", None, _):
            return "type"
        case _:
            return None


def _sum_rows(frame: Frame, query: Query, kind: str, spelling: Spelling) -> tuple[Values, dict[Key, list[int]]]:
    rows: dict[Key, list[int]] = {}
    for row, (row_kind, name) in enumerate(frame.sum_rows):
        if row_kind != kind:
            continue
        if (kind == "type" and query.type not in (None, name)) or (kind == "program" and not query.is_program(name)):
            continue
        key: Key = ()
        if query.by != "total":
            key = (_folded(name, query, spelling) if kind == "program" else name,)
        rows.setdefault(key, []).append(row)
    return frame.sums, rows


def _rows(frame: Frame, query: Query, spelling: Spelling) -> tuple[Values, dict[Key, list[int]]]:
    source, owners = _members(frame, query)
    groups: dict[Key, list[int]] = {}
    for row, owner, of_row in owners:
        process = frame.processes[owner]
        program = process.program
        if not query.is_program(program):
            continue
        key: Key = of_row
        if query.by == "total":
            key = ()
        elif query.by == "program":
            key = (_folded(program, query, spelling),)
        elif query.by == "process":
            key = (_folded(program, query, spelling), process.pid, process.started_us)
        groups.setdefault(key, []).append(row)
    return source, groups


def _members(frame: Frame, query: Query) -> tuple[Values, list[tuple[int, int, Key]]]:
    """The matrix a query draws from, and its rows of interest: (row, row of the process, type and object)."""
    if query.by == "object":
        named = enumerate(frame.object_rows)
        return frame.objects, [
            (row, owner, (kind, template(name))) for row, (owner, kind, name) in named if query.type in (None, kind)
        ]
    if query.by == "type" or query.type is not None:
        typed = enumerate(frame.type_rows)
        source = frame.types if query.by == "process" else _summable_types(frame)
        return source, [(row, owner, (kind,)) for row, (owner, kind) in typed if query.type in (None, kind)]
    return frame.handles, [(row, row, ()) for row in range(len(frame.processes))]


def _summable_types(frame: Frame) -> Values:
    """Types carried from look to look; unknown at a time at which nothing was said of any process."""
    carried = carried_types(frame)
    silent = ~(frame.types.high != UNKNOWN).any(axis=0) if len(frame.type_rows) else None
    if silent is None or not silent.any():
        return carried

    def hush(matrix: Ints) -> Ints:
        return np.where(silent, UNKNOWN, matrix)

    return carried.map(hush)


def _folded(program: str, query: Query, spelling: Spelling) -> str:
    folded = program_key(program, fold=query.fold)
    spelling.setdefault(folded, program)
    return folded


def _top(parts: dict[Key, list[tuple[int, Values]]], top: int | None) -> list[Key]:
    """The keys with the highest peaks, highest first."""
    peaks = {key: max(int(values.high.max(initial=UNKNOWN)) for _, values in group) for key, group in parts.items()}
    ranked = sorted(peaks, key=lambda key: (-peaks[key], tuple(str(part) for part in key)))
    return ranked[: min(top or MOST_SERIES, MOST_SERIES)]


def _line(key: dict[str, Any], parts: list[tuple[int, Values]], order: NDArray[np.intp]) -> Line:
    matrices: list[Ints] = []
    exact = all(values.is_exact for _, values in parts)
    ascends = bool((order == np.arange(len(order))).all())
    for name in ("last", "low", "high"):
        if exact and matrices:
            matrices.append(matrices[0])
            continue
        row = np.full(len(order), UNKNOWN, np.int64)
        for start, values in parts:
            piece = getattr(values, name)[0]
            row[start : start + len(piece)] = np.maximum(piece, UNKNOWN)
        matrices.append(row if ascends else row[order])
    return Line(key, *matrices)


def _thinned(full: Chart, points: int) -> Chart:
    """At most `points` columns: each stands for the same number of columns and keeps their last known, lowest and
    highest values; its time is that of its last column."""
    columns = len(full.times)
    if columns <= points:
        return full
    edges = np.linspace(0, columns, points + 1).astype(np.int64)
    starts, ends = edges[:-1], edges[1:] - 1
    lines = []
    for line in full.lines:
        low = np.minimum.reduceat(np.where(line.low >= 0, line.low, np.iinfo(np.int64).max), starts)
        high = np.maximum.reduceat(line.high, starts)
        known = np.maximum.reduceat(np.where(line.last >= 0, np.arange(columns), -1), starts)
        last = np.where(known >= 0, line.last[np.maximum(known, 0)], UNKNOWN)
        lines.append(Line(line.key, last, np.where(high >= 0, low, UNKNOWN), high))
    return Chart(full.times[ends], lines, full.left_out)
