"""What is known of a host's day by the hour, and what goes over from one piece of a day to the next."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, TypeVar

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from server.analysis.frames import Ints
from server.analysis.instants import HOUR

AGES_H = (0.5, 2.0, 6.0, 18.0)
NOTHING = -(2**62)  # not known
HOURS = 24

K = TypeVar("K", bound=Hashable)


class Alone(NamedTuple):
    """One process of several of a program."""

    pid: int
    started_us: int | None


class Row(NamedTuple):
    """`program` by its key; `type` None: in total; `process` None: of all its processes."""

    program: str
    type: str | None
    process: Alone | None = None

    @property
    def mark(self) -> int:
        """The same number for the same row on every day and machine."""
        return _mark(self)


@lru_cache(maxsize=2**15)
def _mark(row: Row) -> int:
    return int.from_bytes(blake2b(repr(tuple(row)).encode(), digest_size=8).digest(), "little", signed=True)


class Alive(Struct, array_like=True):
    """A process of the last snapshot: as last known, `handles` UNKNOWN if it never was. `types` None: never told."""

    program: str  # as sent
    pid: int
    started_us: int | None
    born_us: int
    handles: int
    alone: bool
    types: dict[str, int] | None


class Carry(Struct, array_like=True):
    """kept: by row, what its processes took and kept up to now at each of AGES_H, and when one was last alive; lived:
    by program, seconds with a process of that age; lives: by program, how long its last processes lived, in seconds."""

    first_us: int
    last_us: int
    elapsed_s: int = 0
    alive: list[Alive] = []
    kept: dict[int, list[int]] = field(default_factory=dict)  # by the row's mark
    lived: dict[str, list[int]] = field(default_factory=dict)
    lives: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Digest:
    """R rows of P programs by 24 hours from `day_us`; NOTHING where nothing is known.

    first, last: the snapshots at either end of each hour, NOTHING for an hour without. total: the most that the host
    held. held, high: the least and the most of a row. kept (ages x R x 24): the least of what processes of at least
    that age took and kept, losses counted against it; a restart leaves it as it is. Of programs: lived (ages x P x
    24): seconds so far with a process of that age; alive: the most processes at a time; births: processes first seen;
    there: snapshots with one, in thousandths; born: when the youngest began; life: seconds that half of its processes
    lived at most; limit: of one process, the least. `elapsed`: seconds covered so far.
    """

    day_us: int
    first: Ints
    last: Ints
    total: Ints
    elapsed: Ints
    rows: list[Row]
    marks: Ints
    names: dict[str, str]
    held: Ints
    high: Ints
    kept: Ints
    programs: list[str]
    lived: Ints
    alive: Ints
    births: Ints
    there: Ints
    born: Ints
    life: Ints
    limit: Ints
    carry: Carry

    @property
    def begins_us(self) -> int:
        """Its first snapshot."""
        return int(self.first[self.first != NOTHING][0])

    @property
    def until_us(self) -> int:
        """The end of its newest hour with snapshots."""
        return self.day_us + (int(np.flatnonzero(self.first != NOTHING)[-1]) + 1) * HOUR


OF_ROWS = ("held", "high", "kept")
OF_PROGRAMS = ("lived", "alive", "births", "there", "born", "life", "limit")


def join(former: Digest, newer: Digest) -> Digest:
    """Two pieces of one day, the newer with later hours."""
    hours = np.flatnonzero(newer.first != NOTHING)
    row_of, rows = _joined(former.rows, newer.rows)
    program_of, programs = _joined(former.programs, newer.programs)

    def put(old: Ints, new: Ints, places: NDArray[np.intp], height: int) -> Ints:
        laid = np.full((*old.shape[:-2], height, HOURS), NOTHING, np.int64)
        laid[..., : old.shape[-2], :] = old
        laid[..., places[:, np.newaxis], hours] = new[..., hours]
        return laid

    def over(old: Ints, new: Ints) -> Ints:
        both = old.copy()
        both[hours] = new[hours]
        return both

    marks = np.full(len(rows), NOTHING, np.int64)
    marks[: len(former.rows)] = former.marks
    marks[row_of] = newer.marks
    return Digest(
        day_us=former.day_us,
        first=over(former.first, newer.first),
        last=over(former.last, newer.last),
        total=over(former.total, newer.total),
        elapsed=over(former.elapsed, newer.elapsed),
        rows=rows,
        marks=marks,
        names=newer.names | former.names,
        programs=programs,
        carry=newer.carry,
        **{n: put(getattr(former, n), getattr(newer, n), row_of, len(rows)) for n in OF_ROWS},
        **{n: put(getattr(former, n), getattr(newer, n), program_of, len(programs)) for n in OF_PROGRAMS},
    )


def _joined(former: Sequence[K], more: Sequence[K]) -> tuple[NDArray[np.intp], list[K]]:
    """All keys, the former first, and where the others are among them."""
    index = {key: at for at, key in enumerate(former)}
    places = np.array([index.setdefault(key, len(index)) for key in more], np.intp)
    return places, list(index)
