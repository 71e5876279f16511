"""A day's digest comes back as it was, whole or of some programs."""

from collections.abc import Sequence

import numpy as np

from server.analysis.digest import OF_PROGRAMS, OF_ROWS, Digest, Row, digest
from server.analysis.worth import summary
from server.store.digests import StoredDay, _pack, _unpack, of_programs
from tests.analysis.lives import HOURS, Counts, frame_of, noisy


def days() -> list[Digest]:
    programs: dict[str, Counts | Sequence[Counts]] = {
        "app": noisy(300),
        "pool": [noisy(50, seed=2), noisy(80, seed=3)],
        "still": np.full(len(HOURS), 7.0),
    }
    return digest([frame_of(programs, types={"app": {"file": noisy(100, seed=4)}}, limit=1024)], None, fold=False)


def test_a_digest_comes_back_whole() -> None:
    for day in days():
        found = StoredDay(day.day_us, StoredDay.of(day).body).whole
        for name in (*OF_ROWS, *OF_PROGRAMS, "first", "last", "total", "elapsed", "marks"):
            assert np.array_equal(getattr(found, name), getattr(day, name)), name
        assert (found.rows, found.programs, found.names, found.carry) == (day.rows, day.programs, day.names, day.carry)


def test_lines_as_they_were_stored_before_still_come_back() -> None:
    matrix = np.vstack([np.full(24, 7), np.arange(24) * -1_000, np.arange(24) % 2]).astype(np.int64)
    before = [matrix[:, 0].tobytes(), np.array([1, 2], np.int32).tobytes(), np.diff(matrix[1:], axis=1).tobytes()]
    for packed in (before, _pack(matrix)):
        assert np.array_equal(_unpack(packed, np.array([0, 1, 2])), matrix)
        assert np.array_equal(_unpack(packed, np.array([2])), matrix[2:])


def test_some_programs_come_back_alone() -> None:
    before = days()
    found = of_programs([StoredDay.of(day) for day in before], {"app", "gone"})
    for day, one in zip(before, found, strict=True):
        rows = [at for at, row in enumerate(day.rows) if row.program == "app"]
        assert set(one.rows) == {Row("app", None), Row("app", "file")}
        assert one.rows == [day.rows[at] for at in rows]
        assert np.array_equal(one.kept, day.kept[:, rows])
        assert np.array_equal(one.lived, day.lived[:, [day.programs.index("app")]])
        assert (one.programs, one.names) == (["app"], {"app": "app"})


def test_the_summary_is_that_of_the_digest() -> None:
    for day in days():
        stored, told = StoredDay.of(day).summary, summary(day)
        assert np.array_equal(stored.marks, told.marks)
        assert np.array_equal(stored.values, told.values)
