"""From frames to the columns of a Parquet file: one row for each count at each time. Rows of one process lie together,
which is what makes them small. The only module that knows Arrow beside `files`."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints, Values, with_sums

MOST_CELLS = 2**19  # laid out at a time

_INSTANT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("time", _INSTANT, nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("program", pa.string(), nullable=False),
        pa.field("pid", pa.int64()),
        pa.field("started_at", _INSTANT),
        pa.field("type", pa.string()),
        pa.field("object", pa.string()),
        pa.field("handles", pa.int64()),
        pa.field("lowest", pa.int64()),
        pa.field("highest", pa.int64()),
        pa.field("handle_limit", pa.int64()),
        pa.field("step_s", pa.int32(), nullable=False),
    ]
)

_Texts = Sequence[str | None]


def of_processes(frame: Frame, host: str) -> Iterator[Any]:
    """Record batches of SCHEMA: a row for each process that is there, null where it could not be read; one for each
    type and each object that something is said of."""
    everyone = list(range(len(frame.processes)))
    none: _Texts = [None] * len(everyone)
    yield from _batches(frame, host, frame.handles, everyone, none, none, least=UNKNOWN)
    owners = [owner for owner, _ in frame.type_rows]
    kinds = [kind for _, kind in frame.type_rows]
    yield from _batches(frame, host, frame.types, owners, kinds, [None] * len(owners), least=0)
    owners = [owner for owner, _, _ in frame.object_rows]
    kinds = [kind for _, kind, _ in frame.object_rows]
    names = [name for _, _, name in frame.object_rows]
    yield from _batches(frame, host, frame.objects, owners, kinds, names, least=0)


def of_programs(frame: Frame, host: str) -> Iterator[Any]:
    """Record batches of SCHEMA: a row for each program, its processes taken together, where any of them is known. At
    coarser steps lowest and highest are those of the sum, which those of the processes do not add up to."""
    if not frame.sum_rows:
        frame = with_sums(frame)
    rows = [row for row, (kind, _) in enumerate(frame.sum_rows) if kind == "program"]
    names = [frame.sum_rows[row][1] for row in rows]
    values = frame.sums.pick(np.array(rows, np.intp))
    for part in _parts(len(rows), len(frame.times)):
        there = values.high[part] >= 0
        at, columns = np.nonzero(there)
        cells = _Cells(frame, host, columns)
        yield cells.batch(
            program=_told(names[part], at),
            pid=pa.nulls(len(at), pa.int64()),
            started_at=pa.nulls(len(at), _INSTANT),
            type=pa.nulls(len(at), pa.string()),
            object=pa.nulls(len(at), pa.string()),
            handle_limit=pa.nulls(len(at), pa.int64()),
            **_counts(values, part, there),
        )


def _batches(
    frame: Frame, host: str, values: Values, owners: Sequence[int], kinds: _Texts, names: _Texts, *, least: int
) -> Iterator[Any]:
    for part in _parts(len(owners), len(frame.times)):
        there = values.high[part] >= least
        if least == UNKNOWN:
            there &= values.high[part] != ABSENT
        at, columns = np.nonzero(there)
        if not len(at):
            continue
        processes = [frame.processes[owner] for owner in owners[part]]
        limits = frame.limits[list(owners[part])][there] if least == UNKNOWN else np.full(len(at), UNKNOWN, np.int64)
        started = np.array([UNKNOWN if one.started_us is None else one.started_us for one in processes], np.int64)
        unknown = np.array([one.started_us is None for one in processes], bool)
        yield _Cells(frame, host, columns).batch(
            program=_told([one.program for one in processes], at),
            pid=pa.array(np.array([one.pid for one in processes], np.int64)[at]),
            started_at=pa.array(started[at], pa.int64(), mask=unknown[at]).cast(_INSTANT),
            type=_told(kinds[part], at),
            object=_told(names[part], at),
            handle_limit=_known(limits),
            **_counts(values, part, there),
        )


class _Cells:
    """What all rows of a batch have, whatever they count."""

    def __init__(self, frame: Frame, host: str, columns: NDArray[np.intp]) -> None:
        self._time = pa.array(frame.shown[columns]).cast(_INSTANT)
        self._host = _told([host], np.zeros(len(columns), np.intp))
        self._step_s = pa.array(np.full(len(columns), frame.step_s, np.int32))

    def batch(self, **columns: Any) -> Any:
        told = {"time": self._time, "host": self._host, "step_s": self._step_s, **columns}
        return pa.record_batch([told[name] for name in SCHEMA.names], schema=SCHEMA)


def _counts(values: Values, part: slice, there: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "handles": _known(values.last[part][there]),
        "lowest": _known(values.low[part][there]),
        "highest": _known(values.high[part][there]),
    }


def _known(counts: Ints) -> Any:
    return pa.array(counts, mask=counts < 0)


def _told(texts: _Texts, at: NDArray[np.intp]) -> Any:
    return pa.array(texts, pa.string()).take(pa.array(at))


def _parts(rows: int, columns: int) -> Iterator[slice]:
    """Rows a few at a time, however many there are."""
    a_part = max(1, MOST_CELLS // max(1, columns))
    return (slice(begin, min(begin + a_part, rows)) for begin in range(0, rows, a_part))
